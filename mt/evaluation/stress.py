"""Stress tests: a test set as people type it, in capitals, with typos, emoji, addresses and so on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

import regex
from tabulate import tabulate

from mt.data.noise import END, mistype
from mt.evaluation.test_sets import TestSet
from mt.text.casing import Casing, has_case, lower
from mt.text.copying import mark
from mt.text.languages import has_spaces
from mt.text.metrics import Scorer

TYPOS = 0.1
"""probability that a word has a typo"""
LOOP = regex.compile(r"(?:(\D)\1{11,}|((\D)\3*+.{1,78}?)(\W*)\2(?:\4\2){2,})\W*$")
"""the end of a text that repeats a character twelve times, or several characters four times"""
CASINGS = {"CAPITALS": Casing.upper, "Title Case": Casing.title}
"""changes of both sides of the pairs whose source is in a script with capitals"""
WAYS: dict[str, Callable[[str], str]] = {
    "no final punctuation": lambda text: END.sub("", text) or text,
    "quotation marks": '"{}"'.format,
    "list item": "- {}".format,
}
"""changes of both sides"""
MOST = 400
"""characters at the end of a text that are searched for a loop"""
ADDED = {
    "emoji": ("😀", "🎉", "👍🏽", "❤️", "🇰🇪", "👩‍👩‍👧"),
    "URL": ("https://example.org/a/b?id=1042&lang=x", "www.example.com/Path_1"),
    "e-mail": ("jane.doe+mt@example.org", "INFO@example.co.uk"),
    "number": ("1,234.50", "12.345,67", "2024-03-15", "98765", "10:45", "3.14159"),
}
"""what is put at the end of a sentence and has to arrive as it is"""


Change = Callable[[list[str]], list[str]]
"""a change of all lines of a text"""


@dataclass(frozen=True)
class StressTest:
    """One way to type a test set."""

    name: str
    src: list[str]
    tgt: Change | None
    """how the translation should differ from that of the test set as it is; None if nobody knows"""
    copied: list[str] | None = None
    """what each translation has to contain"""


@dataclass(frozen=True)
class StressResult:
    """The result of a stress test."""

    name: str
    bleu: float | None
    chrf: float | None
    share: float | None
    """BLEU in percent of that of the first translations, changed as the references are"""
    exact: float | None
    """percentage of what has to be copied that arrived exactly, once"""
    n_loops: int
    """translations that end by repeating something the source does not repeat"""


def build_stress_tests(test: TestSet, langs: tuple[str, str], seed: int = 1) -> list[StressTest]:
    """Return a test set as it is, and typed in the other ways that change its sources."""
    src, random = test.src, Random(seed)
    typed = [" ".join(mistype(word, TYPOS, random) for word in line.split(" ")) for line in src]
    tests = [
        StressTest("as it is", src, list),
        StressTest("lower case", [lower(line, langs[0]) for line in src], list),
        StressTest("doubled spaces", [line.replace(" ", "  ") for line in src], list),
        StressTest("typos", typed, list),
    ]
    cased = [has_case(without_copied(line)) for line in src]
    for name, casing in CASINGS.items():
        changes = [each(partial(casing.apply, lang=lang), cased) for lang in langs]
        tests.append(StressTest(name, changes[0](src), changes[1]))
    for name, way in WAYS.items():
        change = each(way, [way(line) != line for line in src])
        tests.append(StressTest(name, change(src), change))
    for name, things in ADDED.items():
        copied = [random.choice(things) for _ in src]
        sides = [partial(add, things=copied, spaced=has_spaces(lang)) for lang in langs]
        tests.append(StressTest(name, sides[0](src), sides[1], copied))
    sides = [partial(join_two, spaced=has_spaces(lang)) for lang in langs]
    if len(test) > 1:
        tests.append(StressTest("two on a line", sides[0](src), sides[1]))
    words = [max(regex.findall(r"\w+", line) or [line], key=len) for line in src]
    tests.append(StressTest("one word", words, None))
    return [tests[0], *(test for test in tests[1:] if test.src != src)]


def without_copied(line: str) -> str:
    """Return a line without addresses, emoji and numbers."""
    return mark(line, lambda _: True, [""] * len(line))[0]


def each(way: Callable[[str], str], chosen: Sequence[bool]) -> Change:
    """Return the change of the chosen lines in one way."""
    return lambda lines: [way(line) if changes else line for line, changes in zip(lines, chosen, strict=True)]


def add(lines: list[str], things: list[str], spaced: bool) -> list[str]:
    """Put something behind each line."""
    gap = " " if spaced else ""
    return [f"{line}{gap}{thing}" for line, thing in zip(lines, things, strict=True)]


def join_two(lines: list[str], spaced: bool) -> list[str]:
    """Join every two lines."""
    return [(" " if spaced else "").join(pair) for pair in zip(lines[::2], lines[1::2], strict=False)]


def judge(
    tests: Sequence[StressTest], translations: Sequence[list[str]], references: list[str], tgt_lang: str
) -> list[StressResult]:
    """Score the translations of each stress test; the first is the test set as it is, which has the `references`."""
    scorer = Scorer(tgt_lang, ["BLEU", "chrF"])
    results: list[StressResult] = []
    for test, texts in zip(tests, translations, strict=True):
        bleu, chrf, share, exact = None, None, None, None
        if test.tgt is not None:
            changed = [test.tgt(references)]
            bleu, chrf = (score.value for score in scorer.score(texts, changed))
            best = scorer.score(test.tgt(translations[0]), changed)[0].value
            share = 100 * bleu / best if best else None
        if test.copied is not None:
            found = [text.count(thing) == 1 for text, thing in zip(texts, test.copied, strict=True)]
            exact = 100 * sum(found) / len(texts)
        loops = sum(ends_in_loop(text) and not ends_in_loop(src) for src, text in zip(test.src, texts, strict=True))
        results.append(StressResult(test.name, bleu, chrf, share, exact, loops))
    return results


def ends_in_loop(text: str) -> bool:
    """Return whether a text ends by repeating something."""
    return LOOP.search(text[-MOST:]) is not None


def as_table(results: Sequence[StressResult], style: str = "simple") -> str:
    """Return results as a table to read, in a style of tabulate."""
    rows = [[one.name, one.bleu, one.chrf, percent(one.share), percent(one.exact), one.n_loops] for one in results]
    headers = ["typed", "BLEU", "chrF", "of the best", "copied exactly", "loops"]
    return tabulate(rows, headers, style, floatfmt=".2f", colalign=("left", *["right"] * 5))


def percent(value: float | None) -> str:
    """Format a percentage; nothing for None."""
    return "" if value is None else f"{value:.1f}%"
