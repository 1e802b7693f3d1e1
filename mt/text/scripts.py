"""The scripts that languages are written in."""

from collections.abc import Iterable

import regex
from langcodes import Language
from langcodes.data_dicts import LIKELY_SUBTAGS
from langcodes.tag_parser import LanguageTagError

PARTS = {
    "Aran": ("Arab",), "Latf": ("Latn",), "Latg": ("Latn",), "Hans": ("Hani",), "Hant": ("Hani",),
    "Jpan": ("Hani", "Hira", "Kana"), "Kore": ("Hang", "Hani"), "Hanb": ("Hani", "Bopo"), "Jamo": ("Hang",),
}  # fmt: skip
"""the scripts of Unicode that make up a way of writing"""
ALSO = {"sr": "Latn", "uz": "Cyrl", "kk": "Latn", "az": "Cyrl", "mn": "Mong", "pa": "Arab", "ku": "Arab"}
"""a second script in which a language is written"""
LETTER = regex.compile(r"\p{L}")


def scripts_of(lang: str) -> frozenset[str]:
    """Return the ISO 15924 codes of the scripts of a language, such as `Cyrl`; none if the language is unknown."""
    try:
        language = Language.get(lang)
    except LanguageTagError:
        return frozenset()
    if language.script is None and str(language.language) not in LIKELY_SUBTAGS:
        return frozenset()
    script = str(language.maximize().script)
    also = ALSO.get(str(language.language)) if language.script is None else None
    return frozenset({*PARTS.get(script, (script,)), *([also] if also else [])})


def fraction_in(scripts: Iterable[str], texts: Iterable[str]) -> float:
    """Return the fraction of the letters of some texts that belong to one of some scripts."""
    text = "".join(texts)
    classes = "".join(rf"\p{{Script={script}}}" for script in scripts)
    return len(regex.findall(f"[{classes}]", text)) / max(1, len(LETTER.findall(text)))
