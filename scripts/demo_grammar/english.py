"""English words and their forms: verbs, nouns, comparison, articles, numbers."""

from __future__ import annotations

from dataclasses import dataclass

VOWELS = "aeiou"


@dataclass(frozen=True)
class Verb:
    """The five forms of a verb; words after it, as in "wait for", are the same in all of them."""

    base: str
    third: str
    past: str
    participle: str
    ing: str


def verb(forms: str) -> Verb:
    """Parse `walk`, `stop stopped stopped stopping` or `wait+for`: the base and its irregular forms."""
    given = forms.split()
    parts = [part.split("+", 1) for part in given]
    base = parts[0][0]
    rest = " " + parts[0][1].replace("+", " ") if len(parts[0]) > 1 else ""
    past = parts[1][0] if len(parts) > 1 else regular_past(base)
    participle = parts[2][0] if len(parts) > 2 else past
    ing = parts[3][0] if len(parts) > 3 else regular_ing(base)
    return Verb(base + rest, third_person(base) + rest, past + rest, participle + rest, ing + rest)


def third_person(base: str) -> str:
    if base == "have":
        return "has"
    if base.endswith(("s", "sh", "ch", "x", "o")):
        return base + "es"
    if base.endswith("y") and base[-2] not in VOWELS:
        return base[:-1] + "ies"
    return base + "s"


def regular_past(base: str) -> str:
    if base.endswith("e"):
        return base + "d"
    if base.endswith("y") and base[-2] not in VOWELS:
        return base[:-1] + "ied"
    return base + "ed"


def regular_ing(base: str) -> str:
    if base.endswith("e") and not base.endswith("ee"):
        return base[:-1] + "ing"
    return base + "ing"


def plural(noun: str) -> str:
    """Return the regular plural of a noun, the last of several words."""
    if noun.endswith(("s", "sh", "ch", "x")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in VOWELS:
        return noun[:-1] + "ies"
    return noun + "s"


def article(phrase: str) -> str:
    """Return a noun with its article: `a book`, `an apple`."""
    an = phrase[0] in VOWELS and not phrase.startswith(("uni", "use", "one", "Eur"))
    return f"{'an' if an or phrase.startswith('hour') else 'a'} {phrase}"


def comparative(adjective: str) -> str:
    irregular = {"good": "better", "bad": "worse", "far": "farther"}
    if adjective in irregular:
        return irregular[adjective]
    if adjective in ONE_SYLLABLE:
        return adjective + ("r" if adjective.endswith("e") else doubled(adjective) + "er")
    if adjective.endswith("y"):
        return adjective[:-1] + "ier"
    return "more " + adjective


def superlative(adjective: str) -> str:
    irregular = {"good": "best", "bad": "worst", "far": "farthest"}
    if adjective in irregular:
        return irregular[adjective]
    if adjective in ONE_SYLLABLE:
        return adjective + ("st" if adjective.endswith("e") else doubled(adjective) + "est")
    if adjective.endswith("y"):
        return adjective[:-1] + "iest"
    return "most " + adjective


def doubled(adjective: str) -> str:
    """Return the consonant that is doubled before an ending, as in big-ger."""
    short = adjective[-1] not in VOWELS + "wy" and adjective[-2] in VOWELS and adjective[-3:-2] not in tuple(VOWELS)
    return adjective[-1] if short else ""


ONE_SYLLABLE = set(
    "tall short old young long new big small cheap cold hot warm cool fast slow near high low nice clean strong "
    "wide loud large sweet fresh thick thin late rich smart kind cute light dark hard quiet brave".split()
)

NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()
NUMBERS += "sixteen seventeen eighteen nineteen".split()
TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()


def number(n: int) -> str:
    """Return a whole number below ten thousand in words."""
    if n < 20:
        return NUMBERS[n]
    if n < 100:
        return TENS[n // 10] + ("-" + NUMBERS[n % 10] if n % 10 else "")
    if n < 1000:
        return NUMBERS[n // 100] + " hundred" + (" and " + number(n % 100) if n % 100 else "")
    rest = n % 1000
    joiner = " and " if 0 < rest < 100 else " "
    return number(n // 1000) + " thousand" + (joiner + number(rest) if rest else "")


MONTHS = "January February March April May June July August September October November December".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def sentence(text: str) -> str:
    """Capitalise the first letter."""
    return text[0].upper() + text[1:]
