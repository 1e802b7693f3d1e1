"""Reranking: search returns all of its hypotheses, and something other than its score chooses among them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mt.config.search import SearchConfig
from mt.errors import UserError
from mt.search.hypotheses import Hypothesis, Scoring, best_first
from mt.text.tags import Tags
from mt.text.tokenizer import Tokenizer
from mt.translation import mbr
from mt.translation.engine import build_scoring
from mt.translation.source import Source, open_sources

if TYPE_CHECKING:
    from mt.model.transformer import Transformer

log = logging.getLogger(__name__)
NO_LIMIT = 1 << 20
"""more pieces than a text has"""
Found = list[list[Hypothesis]]
"""the hypotheses of each segment"""


class Reranker:
    """Sorts hypotheses by their expected utility, or with a model of the other direction, as a search asks for."""

    def __init__(self, tokenizer: Tokenizer, device: str) -> None:
        """Prepare to rerank translations in the vocabulary of `tokenizer`."""
        self.tokenizer = tokenizer
        self.device = device
        self.reverse: ReverseModel | None = None

    def open(self, search: SearchConfig, langs: tuple[str, str]) -> None:
        """Load the model that `search` needs to rerank translations between two languages, unless it is loaded.

        Raises:
            UserError: it is not a run, one of its files is missing or damaged, or it has other languages.
        """
        if search.reverse is None:
            return
        if self.reverse is None or self.reverse.run != search.reverse:
            self.reverse = load_reverse(search.reverse, self.device)
        self.reverse.tags(langs)

    def rerank(self, found: Found, sources: Sequence[list[int]], search: SearchConfig, langs: tuple[str, str]) -> Found:
        """Sort the hypotheses of each segment, as `search` asks for; `open` has loaded what that needs.

        Args:
            sources: source ids of each segment, without tags.
            langs: of the sources and of the hypotheses.
        """
        if not search.reranks:
            return found
        texts = [[self.tokenizer.decode_tgt(one.tokens) for one in hypotheses] for hypotheses in found]
        if search.mbr is None:
            assert self.reverse is not None
            lines = [self.tokenizer.decode_src(ids) for ids in sources]
            pairs = [(text, line) for own, line in zip(texts, lines, strict=True) for text in own]
            log_probs = self.reverse.log_probs(pairs, langs)
            return combine(found, log_probs, build_scoring(search), search.reverse_weight)
        from mt.text.metrics import build_similarity  # sacreBLEU is slow to import, and few need it here

        similarity = build_similarity(search.mbr, langs[1])
        return [mbr.rerank(one, own, similarity) for one, own in zip(found, texts, strict=True)]


def combine(found: Found, log_probs: Sequence[Sequence[float]], scoring: Scoring, weight: float) -> Found:
    """Add to each score the log-probability of the source, length-normalised and weighted, and sort by the sums.

    Yee, Dauphin and Auli, "Simple and Effective Noisy Channel Modeling for Neural Machine Translation", 2019, who also
    add that of a language model.

    Args:
        log_probs: of the pieces of the source, given each hypothesis, one row after the other.
    """
    rows = iter(log_probs)
    sums = []
    for hypotheses in found:
        scored = []
        for one in hypotheses:
            row = next(rows)
            scored.append(replace(one, score=one.score + weight * sum(row) / scoring.penalty(len(row))))
        sums.append(best_first(scored))
    return sums


@dataclass(frozen=True)
class ReverseModel:
    """A model of the other direction, which tells how probable a source is, given a translation."""

    run: str
    source: Source
    model: Transformer

    def tags(self, langs: tuple[str, str]) -> Tags:
        """Return the tags for translating back what was translated between two languages.

        Raises:
            UserError: the model has other languages.
        """
        from mt.text.language_names import same_language  # its packages take a tenth of a second to import

        data, back = self.source.config.data, (langs[1], langs[0])
        own = (data.src_lang, data.tgt_lang)
        if not data.language_tags and not all(map(same_language, own, back)):
            raise UserError(
                f"search.reverse={self.run}: that model translates from {own[0]} to {own[1]}, "
                f"not from {back[0]} to {back[1]}."
            )
        try:
            return self.source.tokenizer.encode_tags(*data.tagging.names(back))
        except UserError as error:
            raise UserError(f"search.reverse={self.run}: {error}") from error

    def log_probs(self, pairs: Sequence[tuple[str, str]], langs: tuple[str, str]) -> list[list[float]]:
        """Return the log-probability of each piece of the source, given its translation; EOS included.

        Of texts with more pieces than the positions that the model has learned, only the beginning counts.

        Args:
            pairs: translations and their sources.
            langs: of the sources and of the translations.
        """
        from mt.translation.likelihood import token_log_probs

        tokenizer, tags = self.source.tokenizer, self.tags(langs)
        limit = int(min(self.model.n_target_positions - 1 - tags.n_most, NO_LIMIT))
        sides = tokenizer.encode_src([one for one, _ in pairs]), tokenizer.encode_tgt([one for _, one in pairs])
        ids = [(translation[:limit], source[:limit]) for translation, source in zip(*sides, strict=True)]
        return token_log_probs(self.model, tokenizer, ids, tags)


def load_reverse(run: str, device: str) -> ReverseModel:
    """Load the model of a run, to rerank the translations of another.

    Raises:
        UserError: the folder is not a run, or one of its files is missing or damaged.
    """
    try:
        (source,) = open_sources([Path(run)], None, device)
        model = source.load_model()
    except UserError as error:
        raise UserError(f"search.reverse={run}: {error}") from error
    log.debug("Reranking: the model of %s, in torch.", run)
    return ReverseModel(run, source, model)
