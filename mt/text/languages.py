"""Texts of several sentences: taken apart, and put together again with what stood between the sentences."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

UNSPACED_LANGUAGES = ("zh", "ja", "th", "lo", "km", "my")
SHORT_NAMES = {
    "zho": "zh", "chi": "zh", "cmn": "zh", "yue": "zh", "jpn": "ja", "tha": "th", "lao": "lo", "khm": "km", "mya": "my",
    "bur": "my", "kor": "ko",
}  # fmt: skip
"""of languages that need care, by their names of three letters"""


def plain_language(lang: str) -> str:
    """`de` of `de_AT` and `de-AT`, `zh` of `zho` and `cmn_Hans`."""
    name = lang.lower().replace("_", "-").split("-")[0]
    return SHORT_NAMES.get(name, name)


def is_word_character(character: str) -> bool:
    """Whether words consist of such characters: letters, digits, and the marks on them."""
    return character.isalnum() or unicodedata.category(character or " ").startswith("M")


def has_spaces(lang: str) -> bool:
    """Whether a language is written with spaces between its words."""
    return plain_language(lang) not in UNSPACED_LANGUAGES


@dataclass(frozen=True)
class SplitText:
    """A text in parts; all that is between the sentences joined is the text."""

    sentences: list[str]
    gaps: list[str]
    """white space before each sentence, and after the last"""

    def joined(self, translations: list[str], spaced: bool) -> str:
        """The translations with the same line breaks between them, and spaces where the language has them."""
        parts = []
        for number, (gap, translation) in enumerate(zip(self.gaps, translations, strict=False)):
            if "\n" in gap or number == 0:
                parts.append(gap)
            elif spaced:
                parts.append(gap or " ")
            parts.append(translation)
        return "".join([*parts, self.gaps[-1]])


def split_text(text: str, lang: str) -> SplitText:
    """Take a text apart with sentencex, which knows some 300 languages and takes others by the rules of a near one."""
    from sentencex import segment

    sentences, gaps = [], [""]
    language = plain_language(lang)
    for part in (part for line in text.splitlines(keepends=True) for part in segment(language, line)):
        sentence = part.strip()
        if not sentence:
            gaps[-1] += part
            continue
        start = part.index(sentence)
        gaps[-1] += part[:start]
        sentences.append(sentence)
        gaps.append(part[start + len(sentence) :])
    return SplitText(sentences, gaps)
