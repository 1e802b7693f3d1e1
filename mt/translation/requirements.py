"""Required phrases of the configuration and of a terminology file, as a vocabulary writes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from mt.config.search import SearchConfig
from mt.search.phrases import Phrase, Required
from mt.text.languages import has_spaces
from mt.text.terminology import Terminology, alternatives, load_terminology
from mt.text.tokenizer import Tokenizer
from mt.text.words import WordFinder


@dataclass
class Requirements:
    """Required phrases of translations, for one vocabulary."""

    tokenizer: Tokenizer
    langs: tuple[str, str]
    """source and target language"""
    _terms: tuple[Terminology, Terminology] | None = None
    """the last file that was read, and its terms as this vocabulary writes them"""

    def find(self, search: SearchConfig, ids: list[int], is_first: bool) -> Required | None:
        """Return what the translation of a segment must contain; the first of a line contains `search.required`."""
        groups = [alternatives(phrase) for phrase in search.required if is_first]
        if search.terminology:
            text = self.tokenizer.decode_src(ids)
            groups += self._terminology(search.terminology).find(text, self.words.boundaries(text))
        allowed = [[p for p in group if not any(part in p for part in search.forbidden_phrases)] for group in groups]
        groups = [tuple(some) or group for some, group in zip(allowed, groups, strict=True)]
        return self._build(groups) if groups else None

    @cached_property
    def words(self) -> WordFinder:
        """Finds words in source text."""
        return WordFinder(self.langs[0], self.tokenizer)

    def _terminology(self, path: str) -> Terminology:
        terms = load_terminology(path)
        if self._terms is None or self._terms[0] is not terms:
            tokenizer = self.tokenizer
            written = terms.rewrite(lambda term: tokenizer.decode_src(tokenizer.encode_src([term])[0]).lower())
            self._terms = (terms, written)
        return self._terms[1]

    def _build(self, groups: Sequence[Sequence[str]]) -> Required:
        tokenizer, spaced = self.tokenizer, has_spaces(self.langs[1])

        def phrase(text: str) -> Phrase:
            first, later = tokenizer.encode_phrase(text)
            written = tokenizer.decode_tgt(first)  # as the vocabulary writes it: some normalise, such as ＢＡ to BA
            return Phrase(written.encode(), first, first if spaced else later)

        phrases = [[phrase(text) for text in group] for group in groups]
        return Required(phrases, tokenizer.tgt_texts, spaced, tokenizer.tgt_continuing if spaced else ())
