"""Languages as other programs and people call them."""

import importlib.util
from collections.abc import Container
from functools import lru_cache

from langcodes import Language
from langcodes.tag_parser import LanguageTagError

from mt.text.languages import plain_language

OTHER_LABELS = {"nb": "no", "fil": "tl"}
"""what identifiers of languages call some of them"""


@lru_cache(maxsize=4096)
def two_letters(lang: str) -> str:
    """Return the two-letter code of a language, such as `sw` for `swa` and `swh_Latn`, or else its own code."""
    try:
        language = Language.get(lang)
    except LanguageTagError:
        return lang
    codes = (language.language, language.prefer_macrolanguage().language)
    return next((code for code in codes if code and len(code) == 2), language.language or lang)


def same_language(one: str, other: str) -> bool:
    """Return whether two codes stand for the same language, as `sw`, `swa` and `swh_Latn` do."""
    return one == other or two_letters(one) == two_letters(other)


def label_of(lang: str, labels: Container[str]) -> str | None:
    """Return what an identifier with these labels calls a language, such as `de` for `deu_Latn`; None if unknown."""
    codes = (lang, plain_language(lang), two_letters(lang))
    return next((one for code in codes for one in (code, OTHER_LABELS.get(code)) if one and one in labels), None)


def language_name(lang: str) -> str:
    """Return the English name of a language; its code if it has none, or language-data is not installed."""
    if importlib.util.find_spec("language_data") is None:  # langcodes would print how to install it
        return lang
    try:
        found = Language.get(lang)
    except LanguageTagError:
        return lang
    return found.display_name() if found.is_valid() else lang
