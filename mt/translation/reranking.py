"""Reranking: search returns all of its hypotheses, and something else than its score chooses among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mt.config.search import SearchConfig
from mt.errors import UserError
from mt.search.hypotheses import Hypothesis, Scoring
from mt.text.languages import plain_language
from mt.text.tags import Tags
from mt.text.tokenizer import Tokenizer
from mt.translation import mbr
from mt.translation.engine import build_scoring
from mt.translation.source import open_sources

if TYPE_CHECKING:
    from mt.model.transformer import Transformer

MAX_TOKENS = 4096
"""of a batch that is scored"""
Found = list[list[Hypothesis]]
"""the hypotheses of each segment"""


class Reranker:
    """Sorts hypotheses by their expected utility, or with a model of the other direction, as a search asks for."""

    def __init__(self, tokenizer: Tokenizer, device: str) -> None:
        """Prepare to rerank translations in the vocabulary of `tokenizer`."""
        self.tokenizer = tokenizer
        self.device = device
        self.opened: tuple[str, tuple[str, str]] | None = None

    def rerank(self, found: Found, sources: Sequence[list[int]], search: SearchConfig, langs: tuple[str, str]) -> Found:
        """Sort the hypotheses of each segment, as `search` asks for.

        Args:
            sources: source ids of each segment, without tags.
            langs: of the sources and of the hypotheses.
        """
        if not search.reranks:
            return found
        texts = [[self.tokenizer.decode_tgt(one.tokens) for one in hypotheses] for hypotheses in found]
        if search.reverse is not None:
            lines = [self.tokenizer.decode_src(ids) for ids in sources]
            reverse = self.open(search.reverse, langs)
            return reverse.rerank(found, texts, lines, build_scoring(search), search.reverse_weight)
        assert search.mbr is not None
        from mt.text.metrics import build_similarity  # sacreBLEU is slow to import, and few need it here

        similarity = build_similarity(search.mbr, langs[1])
        return [mbr.rerank(one, own, similarity) for one, own in zip(found, texts, strict=True)]

    def open(self, run: str, langs: tuple[str, str]) -> ReverseModel:
        """Load the model of the run that translates back between two languages, unless it is loaded already."""
        if self.opened != (run, langs):
            self.reverse = load_reverse(run, langs, self.device)
            self.opened = (run, langs)
        return self.reverse


@dataclass(frozen=True)
class ReverseModel:
    """A model of the other direction, which tells how probable a source is, given a translation.

    Yee, Dauphin and Auli, "Simple and Effective Noisy Channel Modeling for Neural Machine Translation", 2019, who add
    its log-probability to that of the first model and also the probability of a language model.
    """

    model: Transformer
    tokenizer: Tokenizer
    tags: Tags

    def rerank(
        self, found: Found, texts: Sequence[Sequence[str]], sources: Sequence[str], scoring: Scoring, weight: float
    ) -> Found:
        """Add `weight` times the length-normalised log-probability of the source to each score, and sort by it.

        Args:
            texts: of the hypotheses.
            sources: the text of each segment.
        """
        pairs = [(text, source) for own, source in zip(texts, sources, strict=True) for text in own]
        log_probs = iter(self.log_probs(pairs))
        reranked = []
        for hypotheses in found:
            scored = []
            for one in hypotheses:
                source = next(log_probs)
                scored.append(replace(one, score=one.score + weight * sum(source) / scoring.penalty(len(source))))
            reranked.append(sorted(scored, key=lambda one: (not one.complete, -one.score)))
        return reranked

    def log_probs(self, pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
        """Return the log-probability of each piece of the second text of each pair, given the first; EOS included.

        Of texts with more pieces than the positions that the model has learned, only the beginning counts.
        """
        from mt.translation.likelihood import token_log_probs

        limit = int(min(self.model.n_target_positions - 1 - self.tags.n_most, 1 << 20))
        sides = (self.tokenizer.encode_src([a for a, _ in pairs]), self.tokenizer.encode_tgt([b for _, b in pairs]))
        ids = [(a[:limit], b[:limit]) for a, b in zip(*sides, strict=True)]
        return token_log_probs(self.model, self.tokenizer, ids, MAX_TOKENS, self.tags)


def load_reverse(run: str, langs: tuple[str, str], device: str) -> ReverseModel:
    """Load the model that translates back what was translated between two languages.

    Raises:
        UserError: the folder is not a run, one of its files is missing or damaged, or it has other languages.
    """
    (source,) = open_sources([Path(run)], None, device)
    data, back = source.config.data, (langs[1], langs[0])
    own = (data.src_lang, data.tgt_lang)
    if not data.language_tags and list(map(plain_language, own)) != list(map(plain_language, back)):
        raise UserError(
            f"search.reverse={run}: that model translates from {own[0]} to {own[1]}, not from {back[0]} to {back[1]}."
        )
    return ReverseModel(source.load_model(), source.tokenizer, source.tokenizer.encode_tags(*data.tagging.names(back)))
