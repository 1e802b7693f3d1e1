"""Languages by their codes, and whether they are written with spaces between words."""

UNSPACED_LANGUAGES = ("zh", "ja", "th", "lo", "km", "my")
SHORT_CODES = {
    "zho": "zh", "chi": "zh", "cmn": "zh", "yue": "zh", "jpn": "ja", "tha": "th", "lao": "lo", "khm": "km", "mya": "my",
    "bur": "my", "kor": "ko", "tur": "tr", "aze": "az", "azj": "az",
}  # fmt: skip
"""Two-letter codes of the languages that need special treatment, by their three-letter codes."""


def plain_language(lang: str) -> str:
    """Return a language code without region and script: `de` for `de_AT` and `de-AT`, `zh` for `cmn_Hans`."""
    code = lang.lower().replace("_", "-").split("-")[0]
    return SHORT_CODES.get(code, code)


def has_spaces(lang: str) -> bool:
    """Return whether a language is written with spaces between words."""
    return plain_language(lang) not in UNSPACED_LANGUAGES
