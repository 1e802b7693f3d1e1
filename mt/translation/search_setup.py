"""From the configuration to the way of searching that it describes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mt.config.choices import SearchMethod
from mt.config.search import SearchConfig
from mt.search.beam import Beam, beam_search
from mt.search.hypotheses import Hypothesis, S, Scoring, Task
from mt.search.required import MustContain, Phrase, Required
from mt.search.rules import Forbidden, ForcedPrefix, MinLength, NoRepeatedNgram, RepetitionPenalty, Rule
from mt.search.sampling import Sampling, sample
from mt.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Source:
    """What is translated at once: a line, or a part of a long one."""

    ids: list[int]
    prefix: list[int]
    """ids that its translation begins with"""
    seed: int
    """of what is drawn for it at random"""
    required: Required | None = None
    """what its translation must contain"""


def build_required(groups: Sequence[Sequence[str]], tokenizer: Tokenizer, spaced: bool) -> Required | None:
    """What a translation must contain: a phrase of each group. `spaced` as in `build_rules`."""

    def phrase(text: str) -> Phrase:
        first, later = tokenizer.encode_phrase(text)
        written = tokenizer.decode_tgt(first)  # as the vocabulary writes it: some normalise, as ＢＡ to BA
        return Phrase(written.encode(), first, first if spaced else later)

    if not groups:
        return None
    phrases = [[phrase(text) for text in group] for group in groups]
    return Required(phrases, tokenizer.tgt_texts, spaced, tokenizer.tgt_continuing if spaced else ())


def build_rules(
    config: SearchConfig, tokenizer: Tokenizer, sources: Sequence[Source], max_lens: Sequence[int], spaced: bool
) -> list[Rule]:
    """The configured rules for a batch.

    Args:
        max_lens: of the translations, as in `Task`.
        spaced: whether the target language puts spaces between its words.
    """
    rules: list[Rule] = []
    if config.repetition_penalty != 1:
        rules.append(RepetitionPenalty(config.repetition_penalty))
    if config.no_repeat_ngram:
        rules.append(NoRepeatedNgram(config.no_repeat_ngram))
    if config.forbidden:
        forbidden = [part.strip() for phrase in config.forbidden for part in phrase.split("|")]
        written = [tokenizer.decode_tgt(tokenizer.encode_tgt([phrase])[0]) for phrase in forbidden]
        phrases = [(" " * spaced + phrase).encode() for phrase in written]
        rules.append(Forbidden(phrases, tokenizer.tgt_texts))
    if config.min_len_ratio:
        rules.append(MinLength(tokenizer.eos_id, [int(config.min_len_ratio * len(source.ids)) for source in sources]))
    if any(source.required for source in sources):
        rules.append(MustContain([source.required for source in sources], max_lens, tokenizer.eos_id))
    if any(source.prefix for source in sources):  # the last one: what is forced comes whatever else is not to
        rules.append(ForcedPrefix([source.prefix for source in sources]))
    return rules


def build_scoring(config: SearchConfig) -> Scoring:
    """How hypotheses are compared."""
    return Scoring(config.length_norm, config.length_penalty, config.coverage_penalty)


def run_search(task: Task[S], config: SearchConfig, seeds: Sequence[int]) -> list[list[Hypothesis]]:
    """The best translations that the configured search finds of each sentence: `n_best`, or all for MBR to choose."""
    scoring, n_best = build_scoring(config), config.n_best if config.mbr is None else config.n_hypotheses
    if config.method is SearchMethod.sample:
        sampling = Sampling(config.n_samples, n_best, config.temperature, config.top_k, config.top_p, scoring)
        return sample(task, sampling, seeds)
    beam = Beam(config.beam_size, n_best, scoring, config.patience, config.diverse_groups, config.diversity)
    return beam_search(task, beam)
