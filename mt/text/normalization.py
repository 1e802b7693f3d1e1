"""Normalisation of text: Unicode forms, and one way of writing Chinese.

The rules become a part of the SentencePiece model, so that they apply wherever text is encoded: in training, in
translation and in exported models.
"""

import importlib.util
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import permutations
from pathlib import Path

from mt.config.choices import Chinese, UnicodeForm
from mt.config.data import NormalizeConfig
from mt.runtime.packages import require_package
from mt.text.languages import plain_language

CJK = (range(0x3400, 0xA000), range(0xF900, 0xFB00), range(0x20000, 0x32000))
"""code points of Chinese characters"""
CONVERSIONS = {Chinese.simplified: "t2s", Chinese.traditional: "s2t"}
MIN_FRACTION = 0.02
"""a normalisation is suggested if it would change at least this fraction of the sentences"""
Rules = dict[str, str]


def build_rules(config: NormalizeConfig, langs: Sequence[str]) -> Rules:
    """Return what is replaced by what in text of some languages, longest match first; Chinese rules are for `zh`."""
    rules = unicode_rules(config.unicode) if config.unicode is not UnicodeForm.none else {}
    if config.chinese is Chinese.none or "zh" not in map(plain_language, langs):
        return rules
    characters = chinese_rules(config.chinese)
    table = str.maketrans(characters)
    return characters | {source: target.translate(table) for source, target in rules.items()}


def write_rules(rules: Rules, folder: Path) -> Path:
    """Write rules in SentencePiece's format, hexadecimal code points with a tab between both sides; return the file."""
    lines = ["\t".join(" ".join(f"{ord(c):X}" for c in side) for side in rule) for rule in rules.items()]
    path = folder / "rules.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


@cache
def unicode_rules(form: UnicodeForm) -> Rules:
    """Return the replacements of a Unicode normalisation form: of every way to write a character."""
    normalize = partial(unicodedata.normalize, "NFKC" if form is UnicodeForm.nfkc else "NFC")
    rules: Rules = {}
    for character in map(chr, range(sys.maxunicode + 1)):
        normal = normalize(character)
        rules |= {written: normal for written in spellings(character) if written != normal == normalize(written)}
    return rules


def spellings(character: str) -> Iterator[str]:
    """Yield the ways to write a character: composed, decomposed or partly decomposed, with its marks in any order."""
    yield character
    decomposed = unicodedata.normalize("NFD", character)
    base, marks = decomposed[0], decomposed[1:]
    for order in permutations(marks):
        yield base + "".join(order)
        for end in range(1, len(order)):
            yield unicodedata.normalize("NFC", base + "".join(order[:end])) + "".join(order[end:])


@cache
def chinese_rules(chinese: Chinese) -> Rules:
    """Return OpenCC's replacement of each Chinese character."""
    convert = converter(chinese)
    characters = (chr(code) for block in CJK for code in block)
    return {one: other for one in characters if (other := convert(one)) != one}


@cache
def converter(chinese: Chinese) -> Callable[[str], str]:
    """Return OpenCC's conversion of a text."""
    require_package("opencc", f"data.normalize.chinese={chinese.value}")
    import opencc

    convert: Callable[[str], str] = opencc.OpenCC(CONVERSIONS[chinese]).convert
    return convert


def useful_settings(lines: Sequence[str], lang: str, config: NormalizeConfig) -> list[tuple[str, float]]:
    """Return settings that would unify a sample of text, each with the fraction of the lines that it would change.

    Chinese is examined only if OpenCC is installed.
    """
    found = []
    if config.unicode is UnicodeForm.none:
        changed = sum(unicodedata.normalize("NFC", line) != line for line in lines) / max(1, len(lines))
        found += [("data.normalize.unicode=nfc", changed)] if changed > MIN_FRACTION else []
    if plain_language(lang) == "zh" and config.chinese is Chinese.none and importlib.util.find_spec("opencc"):
        counts = {one: sum(converter(one)(line) != line for line in lines) / max(1, len(lines)) for one in CONVERSIONS}
        if min(counts.values()) > MIN_FRACTION:  # both ways of writing occur
            rarer = min(counts, key=lambda one: counts[one])
            found.append((f"data.normalize.chinese={rarer.value}", counts[rarer]))
    return found
