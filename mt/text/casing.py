"""Text in capitals or in title case: recognised, written in lower case, and written in the same way again.

A vocabulary learned from ordinary text spells capitals letter by letter, and a model has hardly seen such spellings.
"""

from enum import Enum

import regex

from mt.text.languages import plain_language

DOTTED_I = ("tr", "az")
"""languages whose i and İ have a dot, and whose ı and I have none"""
MIN_LETTERS = 6
"""letters of a text in capitals; a shorter one, such as NASA, may be a name"""
MIN_WORDS = 5
"""words of a text in title case, one of them short unless there are many; others are often names"""
MANY_WORDS = 8
SHARE = 0.9
"""least fraction of capitals among the letters, of capitalised words, or of letters in a script with capitals"""
WORD = regex.compile(r"\p{L}[\p{L}\p{M}\p{N}'’]*")
FIRST_LETTER = regex.compile(r"(?<![\p{L}\p{M}\p{N}'’])\p{Ll}")


class Casing(Enum):
    """The casing of a whole text."""

    plain = "plain"
    upper = "upper"
    title = "title"

    def apply(self, text: str, lang: str) -> str:
        """Write a text of a language in this way; `plain` leaves it as it is."""
        if self is Casing.upper:
            return dotted(text, lang).upper()
        return FIRST_LETTER.sub(lambda letter: dotted(letter[0], lang).title(), text) if self is Casing.title else text


def dotted(text: str, lang: str) -> str:
    """Write every i as the capital İ if that has a dot in this language."""
    return text.replace("i", "İ") if plain_language(lang) in DOTTED_I else text


def lower(text: str, lang: str = "") -> str:
    """Write a text in lower case, with as many characters: `str.lower` makes two of İ."""
    text = text.replace("I", "ı") if plain_language(lang) in DOTTED_I else text
    return text.replace("İ", "i").lower()


def has_case(text: str) -> bool:
    """Return whether nearly all letters of a text are of scripts with capitals; in `UNESCOの世界遺産` they are not."""
    letters = [character for character in text if character.isalpha()]
    return sum(character.isupper() or character.islower() for character in letters) >= SHARE * len(letters)


def find_casing(text: str) -> Casing:
    """Return how a text is written. Text mainly in a script without capitals is plain, whatever Latin names it has."""
    if not has_case(text):
        return Casing.plain
    n_upper = sum(map(str.isupper, text))
    n_lower = sum(map(str.islower, text))
    if n_upper + n_lower >= MIN_LETTERS and n_upper >= SHARE * (n_upper + n_lower):
        return Casing.upper
    words = [word for word in WORD.findall(text) if word[0].isupper() or word[0].islower()]
    n_capitalised = sum(word[0].isupper() for word in words)
    has_short = len(words) >= MANY_WORDS or any(len(word) <= 3 for word in words)
    is_title = len(words) >= MIN_WORDS and has_short and n_capitalised >= SHARE * len(words)
    return Casing.title if is_title else Casing.plain
