"""Stress tests: a test set as people type it, in capitals, with typos, emoji, addresses and so on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import regex
from tabulate import tabulate

from mt.data.noise import END, mistype
from mt.data.readers import Pair
from mt.evaluation.test_sets import TestSet
from mt.text.casing import Casing
from mt.text.languages import has_spaces
from mt.text.metrics import Scorer

TYPOS = 0.1
"""probability that a word has a typo"""
LOOP = regex.compile(r"(?:(.)\1{11,}|(.{2,80}?)\2{3,})\W*$")
"""the end of a text that repeats a character twelve times, or something longer four times"""
ADDED = {
    "emoji": ("😀", "🎉", "👍🏽", "❤️", "🇰🇪", "👩‍👩‍👧"),
    "URL": ("https://example.org/a/b?id=1042&lang=x", "www.example.com/Path_1"),
    "e-mail": ("jane.doe+mt@example.org", "INFO@example.co.uk"),
    "number": ("1,234.50", "12.345,67", "2024-03-15", "98765", "10:45", "3.14159"),
}
"""what is put at the end of a sentence and has to arrive as it is"""


@dataclass(frozen=True)
class StressTest:
    """One way to type a test set."""

    name: str
    src: list[str]
    references: list[str] | None
    """None if nobody knows the right translation"""
    copied: list[str] | None = None
    """what each translation has to contain"""


@dataclass(frozen=True)
class StressResult:
    """The result of a stress test."""

    name: str
    bleu: float | None
    chrf: float | None
    share: float | None
    """BLEU in percent of that of the test set as it is"""
    exact: float | None
    """percentage of what has to be copied that arrived exactly, once"""
    n_loops: int
    """translations that end by repeating something the source does not repeat"""


def build_stress_tests(test: TestSet, langs: tuple[str, str], seed: int = 1) -> list[StressTest]:
    """Return a test set as it is, and typed in other ways; both sides are changed alike, except by typos."""
    sides = (test.src, test.references[0])
    pairs = list(zip(*sides, strict=True))
    random = Random(seed)
    ways: dict[str, Callable[[str], str]] = {
        "as it is": str,
        "lower case": str.lower,
        "CAPITALS": Casing.upper.apply,
        "Title Case": Casing.title.apply,
        "no final punctuation": lambda text: END.sub("", text) or text,
        "quotation marks": '"{}"'.format,
        "list item": "- {}".format,
    }
    tests = [both_sides(name, pairs, change) for name, change in ways.items()]
    typed = [" ".join(mistype(word, TYPOS, random) for word in src.split(" ")) for src in test.src]
    tests.append(StressTest("typos", typed, test.references[0]))
    tests.append(StressTest("doubled spaces", [src.replace(" ", "  ") for src in test.src], test.references[0]))
    for name, things in ADDED.items():
        copied = [random.choice(things) for _ in pairs]
        src, tgt = (
            [add(*one, has_spaces(lang)) for one in zip(side, copied, strict=True)]
            for side, lang in zip(sides, langs, strict=True)
        )
        tests.append(StressTest(name, src, tgt, copied))
    tests.append(two_on_a_line(pairs, langs))
    words = [max(regex.findall(r"\w+", src) or [src], key=len) for src in test.src]
    return [*tests, StressTest("one word", words, None)]


def both_sides(name: str, pairs: Sequence[Pair], change: Callable[[str], str]) -> StressTest:
    """Return pairs with both sides changed."""
    return StressTest(name, [change(src) for src, _ in pairs], [change(tgt) for _, tgt in pairs])


def add(text: str, thing: str, spaced: bool) -> str:
    """Put something behind a text."""
    return f"{text} {thing}" if spaced else text + thing


def two_on_a_line(pairs: Sequence[Pair], langs: tuple[str, str]) -> StressTest:
    """Return every two pairs as one."""
    src, tgt = (
        [
            (" " if has_spaces(lang) else "").join((one[side], other[side]))
            for one, other in zip(pairs[::2], pairs[1::2], strict=False)
        ]
        for side, lang in enumerate(langs)
    )
    return StressTest("two on a line", src, tgt)


def judge(tests: Sequence[StressTest], translations: Sequence[list[str]], tgt_lang: str) -> list[StressResult]:
    """Score the translations of each stress test; the first is the test set as it is."""
    scorer = Scorer(tgt_lang, ["BLEU", "chrF"])
    results: list[StressResult] = []
    for test, texts in zip(tests, translations, strict=True):
        bleu, chrf, share, exact = None, None, None, None
        if test.references is not None:
            bleu, chrf = (score.value for score in scorer.score(texts, [test.references]))
            first = results[0].bleu if results else bleu
            share = 100 * bleu / first if first else None
        if test.copied is not None:
            exact = (
                100 * sum(text.count(thing) == 1 for text, thing in zip(texts, test.copied, strict=True)) / len(texts)
            )
        loops = sum(ends_in_loop(text) and not ends_in_loop(src) for src, text in zip(test.src, texts, strict=True))
        results.append(StressResult(test.name, bleu, chrf, share, exact, loops))
    return results


def ends_in_loop(text: str) -> bool:
    """Return whether a text ends by repeating something."""
    return LOOP.search(text) is not None


def as_table(results: Sequence[StressResult]) -> str:
    """Return results as a table to read."""
    rows = [[one.name, one.bleu, one.chrf, percent(one.share), percent(one.exact), one.n_loops] for one in results]
    headers = ["typed", "BLEU", "chrF", "of BLEU as it is", "copied exactly", "loops"]
    return tabulate(rows, headers, floatfmt=".2f", colalign=("left", *["right"] * 5))


def percent(value: float | None) -> str:
    """Format a percentage; nothing for None."""
    return "" if value is None else f"{value:.1f}%"
