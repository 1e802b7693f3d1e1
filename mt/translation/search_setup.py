"""The search that a configuration and a tokenizer describe."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from mt.config.choices import SearchMethod
from mt.config.search import SearchConfig
from mt.data.sampler import plan_batches
from mt.search.beam import Beam, beam_search
from mt.search.hypotheses import Hypothesis, Scoring
from mt.search.required import MustContain, Phrase, Required
from mt.search.rules import (
    Excluded,
    Forbidden,
    ForcedPrefix,
    MinLength,
    NoLoops,
    NoRepeatedNgram,
    RepetitionPenalty,
    Rule,
)
from mt.search.sampling import Sampling, sample
from mt.search.task import S, Task
from mt.text.languages import has_spaces
from mt.text.terminology import Terminology, alternatives, load_terminology
from mt.text.tokenizer import Tokenizer
from mt.text.words import WordFinder


@dataclass(frozen=True)
class Segment:
    """A unit of translation: a line, or a part of a long one."""

    ids: list[int]
    """source ids, tags included"""
    prefix: list[int]
    """target ids that its translation begins with"""
    seed: int
    """seed of its samples"""
    required: Required | None = None
    """what its translation must contain"""


class Engine(Protocol):
    """A search engine that replaces `mt.search`."""

    def search(
        self, segments: Sequence[Segment], max_lens: Sequence[int], search: SearchConfig
    ) -> list[list[Hypothesis]]:
        """Return the best hypotheses of each segment, at least `search.n_best` if it finds that many."""


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


def plan_segments(segments: Sequence[Segment], search: SearchConfig) -> Iterator[list[int]]:
    """Yield batches of segments of similar length, longest first, so that a lack of memory shows at once."""
    if not segments:
        return
    lens = np.array([len(segment.ids) + 1 for segment in segments])
    budget = max(search.max_tokens // search.n_hypotheses, int(lens.max()))
    for batch in reversed(plan_batches(lens, lens, budget)):
        yield batch.tolist()


def build_rules(
    config: SearchConfig, tokenizer: Tokenizer, segments: Sequence[Segment], max_lens: Sequence[int], spaced: bool
) -> list[Rule]:
    """Build the configured rules for a batch of segments with length limits `max_lens`."""
    rules: list[Rule] = []
    if config.repetition_penalty != 1:
        rules.append(RepetitionPenalty(config.repetition_penalty))
    if config.no_repeat_ngram:
        rules.append(NoRepeatedNgram(config.no_repeat_ngram))
    if config.forbidden:
        written = [tokenizer.decode_tgt(tokenizer.encode_tgt([phrase])[0]) for phrase in config.forbidden_phrases]
        phrases = [f" {phrase}".encode() if spaced else phrase.encode() for phrase in written]
        rules.append(Forbidden(phrases, tokenizer.tgt_texts))
    if config.min_len_ratio:
        min_lens = [int(config.min_len_ratio * len(segment.ids)) for segment in segments]
        rules.append(MinLength(tokenizer.eos_id, min_lens))
    if any(segment.required for segment in segments):
        rules.append(MustContain([segment.required for segment in segments], max_lens, tokenizer.eos_id))
    if any(segment.prefix for segment in segments):  # last, as it overrules the others
        rules.append(ForcedPrefix([segment.prefix for segment in segments]))
    return rules


def build_bans(config: SearchConfig, tokenizer: Tokenizer, segments: Sequence[Segment]) -> list[Rule]:
    """Build the rules that exclude tokens for good."""
    exempt = {number for number, segment in enumerate(segments) if segment.prefix or segment.required}
    bans: list[Rule] = [NoLoops(tokenizer.tgt_without_letters, exempt)] if config.no_loops else []
    markers = [(tokenizer.src.piece_to_id(one), tokenizer.tgt.piece_to_id(one)) for one in tokenizer.markers]
    if markers:
        foreign = [[tgt for src, tgt in markers if src not in segment.ids] for segment in segments]
        bans.append(Excluded([[] if number in exempt else ids for number, ids in enumerate(foreign)]))
    return bans


def build_scoring(config: SearchConfig) -> Scoring:
    """Build the comparison of hypotheses."""
    return Scoring(config.length_norm, config.length_penalty, config.coverage_penalty)


def run_search(task: Task[S], config: SearchConfig, seeds: Sequence[int]) -> list[list[Hypothesis]]:
    """Run the configured search; return the `n_best` hypotheses of each sentence, or all for MBR to choose from."""
    scoring, n_best = build_scoring(config), config.n_best if config.mbr is None else config.n_hypotheses
    if config.method is SearchMethod.sample:
        sampling = Sampling(config.n_samples, n_best, config.temperature, config.top_k, config.top_p, scoring)
        return sample(task, sampling, seeds)
    beam = Beam(config.beam_size, n_best, scoring, config.patience, config.diverse_groups, config.diversity)
    return beam_search(task, beam)
