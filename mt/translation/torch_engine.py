"""Our own search, as a configuration and a tokenizer describe it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mt.config.choices import SearchMethod
from mt.config.search import SearchConfig
from mt.data.batch import build_source
from mt.model.ensemble import Ensemble
from mt.model.transformer import Transformer
from mt.search.beam import Beam, beam_search
from mt.search.hypotheses import Hypothesis
from mt.search.required import MustContain
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
from mt.search.task import S, Task, Vocabulary
from mt.text.tokenizer import Tokenizer
from mt.translation.engine import Segment, build_scoring, foreign_markers


@dataclass
class TorchEngine:
    """Our own search over our own models, which has every option; several models form an ensemble."""

    models: Sequence[Transformer]
    tokenizer: Tokenizer
    spaced: bool = True
    """True if the target language has spaces between words"""

    def __post_init__(self) -> None:
        self.ensemble = Ensemble(self.models)
        self.n_positions = self.ensemble.n_target_positions
        self.without_letters = torch.tensor(self.tokenizer.tgt_without_letters)

    @property
    def device(self) -> torch.device:
        """The device of the models."""
        return self.models[0].projection.weight.device

    def use_bf16(self) -> None:
        """Compute in bfloat16: half the memory, and faster if the processor has instructions for it.

        Rounding then depends on the batch, and so, rarely, does a translation.
        """
        for model in self.models:
            model.to(torch.bfloat16)

    def lacks(self, search: SearchConfig) -> None:
        """It lacks nothing."""

    @torch.inference_mode()
    def search(
        self, segments: Sequence[Segment], max_lens: Sequence[int], search: SearchConfig, scored: bool = True
    ) -> list[list[Hypothesis]]:
        """Encode and search one batch, as in `Engine`; hypotheses always have their log-probabilities."""
        tokenizer, device = self.tokenizer, self.device
        src, src_mask = build_source([segment.ids for segment in segments], tokenizer.pad_id, tokenizer.eos_id)
        task = Task(
            self.ensemble.step,
            self.ensemble.start(
                src.to(device), src_mask.to(device), search.n_hypotheses, records_attention=search.coverage_penalty > 0
            ),
            Vocabulary(tokenizer.bos_id, tokenizer.eos_id, tokenizer.never_generated),
            max_lens,
            build_rules(search, tokenizer, segments, max_lens, self.spaced),
            [segment.required for segment in segments],
            [segment.tgt_tags for segment in segments],
            device,
            self.build_bans(search, segments),
        )
        return run_search(task, search, [segment.seed for segment in segments])

    def build_bans(self, search: SearchConfig, segments: Sequence[Segment]) -> list[Rule]:
        """Build the rules that exclude tokens for good."""
        exempt = {number for number, segment in enumerate(segments) if segment.prefix or segment.required}
        bans: list[Rule] = [NoLoops(self.without_letters, exempt)] if search.no_loops else []
        if self.tokenizer.markers:
            foreign = [foreign_markers(self.tokenizer, segment) for segment in segments]
            bans.append(Excluded([[] if number in exempt else ids for number, ids in enumerate(foreign)]))
        return bans


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


def run_search(task: Task[S], config: SearchConfig, seeds: Sequence[int]) -> list[list[Hypothesis]]:
    """Run the configured search; return the `n_best` hypotheses of each sentence, or all to choose from."""
    scoring, n_best = build_scoring(config), config.n_returned
    if config.method is SearchMethod.sample:
        sampling = Sampling(config.n_samples, n_best, config.temperature, config.top_k, config.top_p, scoring)
        return sample(task, sampling, seeds)
    beam = Beam(config.beam_size, n_best, scoring, config.patience, config.diverse_groups, config.diversity)
    return beam_search(task, beam)
