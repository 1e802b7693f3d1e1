"""The boundaries of words in a text, also in languages that are written without spaces."""

import importlib.util
import logging
from functools import cache
from itertools import accumulate
from typing import Any

from mt.text.characters import is_word_character
from mt.text.languages import has_spaces, plain_language
from mt.text.tokenizer import Tokenizer

log = logging.getLogger(__name__)


class WordFinder:
    """Finds the boundaries of words in source text.

    Words are runs of letters and digits. In Chinese, jieba finds them if it is installed. In other languages without
    spaces, and without jieba, every piece of the tokenizer counts as a word.
    """

    def __init__(self, lang: str, tokenizer: Tokenizer) -> None:
        self.spaced = has_spaces(lang)
        self.segmenter = chinese_segmenter() if plain_language(lang) == "zh" else None
        self.tokenizer = tokenizer
        if not self.spaced and self.segmenter is None:
            advice = " With `pip install jieba`, Chinese words are found." if plain_language(lang) == "zh" else ""
            log.info("Terms are found where they are whole pieces of the vocabulary.%s", advice)

    def boundaries(self, text: str) -> set[int]:
        """Return the indices of a text at which a word can begin or end."""
        if self.spaced:
            return {index for index in range(len(text) + 1) if not is_inside_word(text, index)}
        if self.segmenter is not None:
            return {0, *accumulate(map(len, self.segmenter.lcut(text)))}
        ids = self.tokenizer.encode_src([text])[0]
        return {len(self.tokenizer.decode_src(ids[:end])) for end in range(len(ids) + 1)}


def is_inside_word(text: str, index: int) -> bool:
    """Return whether the characters before and at `index` belong to one word."""
    return 0 < index < len(text) and is_word_character(text[index - 1]) and is_word_character(text[index])


@cache
def chinese_segmenter() -> Any | None:
    """Return jieba's tokenizer, or None if it is not installed."""
    if importlib.util.find_spec("jieba") is None:
        return None
    import jieba

    jieba.setLogLevel(logging.WARNING)
    return jieba.Tokenizer()
