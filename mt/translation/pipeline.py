"""Steps around the translation of plain lines: markup, texts of several sentences, word alignment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from mt.config.search import SearchConfig
from mt.text.markup import MarkedText, read_marks
from mt.text.sentences import split_marked, split_text
from mt.translation.result import Translation, join_translations


@dataclass(frozen=True)
class LineId:
    """The number of a line, and of a sentence in it: for warnings, and as a seed of samples."""

    line: int
    """number of the line, from 1"""
    sentence: int = 0


@dataclass(frozen=True)
class Request:
    """Options for translating texts."""

    search: SearchConfig
    prefix: str = ""
    """text that every translation begins with"""
    markup: bool = False
    """translate without tags and placeholders, and put them back"""
    split: bool = False
    """translate a text of several sentences one by one; a translation has those of one rank"""
    align: bool = False
    """add a word alignment to the best translation"""
    scored: bool = True
    """log-probabilities are needed; without them, some engines are faster"""
    quiet: bool = False
    """do not warn about lines"""

    def __post_init__(self) -> None:
        if self.markup and self.align:
            raise ValueError(
                "the words of a text with markup are not aligned: do not combine markup=True with align=True"
            )


TranslateLines = Callable[[list[str], list[str], Sequence[LineId]], list[list[Translation]]]
"""plain lines, the prefix of each translation, and the lines' ids -> the n best translations of each line"""


def splits_by_default(search: SearchConfig) -> bool:
    """Return whether texts are translated sentence by sentence unless something else is requested."""
    return not search.required and search.n_best == 1


def translate_in_steps(
    texts: list[str],
    line_ids: Sequence[LineId],
    request: Request,
    translate: TranslateLines,
    restore: Callable[[MarkedText, Translation], str],
    lang: str,
    spaced: bool,
) -> list[list[Translation]]:
    """Translate texts as requested, sentence by sentence or whole, with their markup or as they are.

    Args:
        restore: puts the markup of a source into its translation.
        lang: the source language.
        spaced: whether the target language has spaces between words.
    """
    if request.markup:
        translate = partial(translate_marked, translate=translate, restore=restore)
    if request.split:
        return translate_sentences(texts, line_ids, request, translate, lang, spaced)
    return translate(texts, [request.prefix] * len(texts), line_ids)


def translate_marked(
    texts: list[str],
    prefixes: list[str],
    line_ids: Sequence[LineId],
    translate: TranslateLines,
    restore: Callable[[MarkedText, Translation], str],
) -> list[list[Translation]]:
    """Translate texts without their markup, and put it into the translations."""
    marked = [read_marks(text) for text in texts]
    found = translate([one.plain for one in marked], prefixes, line_ids)
    return [
        [replace(translation, text=restore(one, translation)) for translation in translations]
        for one, translations in zip(marked, found, strict=True)
    ]


def translate_sentences(
    texts: list[str], line_ids: Sequence[LineId], request: Request, translate: TranslateLines, lang: str, spaced: bool
) -> list[list[Translation]]:
    """Translate texts of the language `lang` sentence by sentence; a text of one sentence stays as it is."""
    split = [(split_marked if request.markup else split_text)(text, lang) for text in texts]
    sentences = [sentence for text in split for sentence in text.sentences]
    numbers = [(one.line, i) for one, text in zip(line_ids, split, strict=True) for i in range(len(text.sentences))]
    prefixes = ["" if sentence else request.prefix for _, sentence in numbers]
    found = iter(translate(sentences, prefixes, [LineId(line, sentence) for line, sentence in numbers]))
    results = []
    for text in split:
        if len(text.sentences) == 1:
            results.append(next(found))
            continue
        ranked = zip(*(next(found) for _ in text.sentences), strict=False)  # as many as every sentence has
        results.append([join_translations(parts, text.join([part.text for part in parts], spaced)) for parts in ranked])
    return results
