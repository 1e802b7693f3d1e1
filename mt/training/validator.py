"""Validation: loss, BLEU and chrF on text that is not trained on, and some translations to read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import exp
from typing import TypeVar

import torch

from mt.config.choices import SearchMethod, StoppingMetric
from mt.config.search import SearchConfig
from mt.data.loader import sorted_batches
from mt.data.mixture import Mixture
from mt.data.readers import Pair
from mt.data.sampler import spread
from mt.runs.ranking import comparison_score
from mt.runtime.distributed import ALONE, World
from mt.runtime.signals import Interrupted
from mt.text.metrics import Scorer
from mt.training.objective import Objective
from mt.translation.alignment import Attention
from mt.translation.translator import Translator

T = TypeVar("T")
LINES_AT_ONCE = 256


@dataclass
class Validation:
    """The result of one validation."""

    loss: float
    """unsmoothed cross-entropy per token, in nats"""
    bleu: float
    chrf: float
    samples: list[tuple[str, str, str]]
    """source, reference, hypothesis"""
    attention: Attention | None

    @property
    def scalars(self) -> dict[str, float]:
        """The metrics by their names in metrics.jsonl."""
        return {
            "valid/loss": self.loss,
            "valid/perplexity": exp(min(self.loss, 100)),
            "valid/bleu": self.bleu,
            "valid/chrf": self.chrf,
        }

    def score(self, metric: StoppingMetric) -> float:
        """Return the number by which models are compared; larger is better."""
        return comparison_score(metric, self.scalars)

    def __str__(self) -> str:
        return f"validation loss {self.loss:.3f}, BLEU {self.bleu:.2f}, chrF {self.chrf:.2f}"


@dataclass
class Validator:
    """Repeated validation of a model on the same text."""

    translator: Translator
    corpus: Mixture
    text: Sequence[Pair]
    """source and reference lines"""
    n_pairs: int
    """pairs of both that are used, evenly spread; 0: all"""
    scorer: Scorer
    search: SearchConfig
    max_tokens: int
    n_samples: int
    world: World = ALONE

    def validate(self, check: Callable[[], None]) -> Validation:
        """Score the model as it is now.

        Translations for BLEU are greedy, which takes a fraction of beam search's time and ranks models similarly.
        Each of several processes does a share of the sentences, and all get the whole result.

        Args:
            check: called often; raises `Interrupted` to stop early.
        """
        loss = self.mean_loss(check)
        text = [self.text[i] for i in spread(len(self.text), self.n_pairs)]
        hypotheses = self.translate([source for source, _ in text], check)
        bleu, chrf = self.scorer.score(hypotheses, [[reference for _, reference in text]])
        samples = [(*text[i], hypotheses[i]) for i in spread(len(text), self.n_samples)] if self.n_samples else []
        attention = self.translator.attention(samples[0][0], samples[0][2], layer=-1) if samples else None
        return Validation(loss, bleu.value, chrf.value, samples, attention)

    def translate(self, sources: list[str], check: Callable[[], None]) -> list[str]:
        """Return the greedy translation of each line."""
        greedy = replace(
            self.search, method=SearchMethod.beam, mbr=None, reverse=None, beam_size=1, n_best=1, diverse_groups=1,
            required=[], terminology=None,
        )  # fmt: skip
        hypotheses = [""] * len(sources)

        def translate_share() -> list[str]:
            share, done = sources[self.world.rank :: self.world.size], []
            for start in range(0, len(share), LINES_AT_ONCE):
                check()
                found = self.translator.n_best(share[start : start + LINES_AT_ONCE], greedy, quiet=True, scored=False)
                done += [best[0].text for best in found]
            return done

        for rank, share in enumerate(self.gather(translate_share)):
            hypotheses[rank :: self.world.size] = share
        return hypotheses

    def gather(self, work: Callable[[], T]) -> list[T]:
        """Return the results of all processes; if one is interrupted, all are."""
        outcome: T | Interrupted
        try:
            outcome = work()
        except Interrupted as interruption:
            outcome = interruption
        outcomes = self.world.gather(outcome)
        for outcome in outcomes:
            if isinstance(outcome, Interrupted):
                raise outcome
        return outcomes  # type: ignore[return-value]  # none of them is an interruption

    @torch.inference_mode()
    def mean_loss(self, check: Callable[[], None]) -> float:
        """Return -log p(reference) per token, EOS included, without dropout."""
        objective = Objective(self.translator.model).eval()
        device = self.translator.torch_engine.device

        def sum_share() -> tuple[float, int]:
            nll_sum, n_tokens = 0.0, 0
            ranks = (self.world.rank, self.world.size)
            for batch in sorted_batches(self.corpus, self.max_tokens, *ranks, self.n_pairs):
                check()
                nll_sum += objective(batch.to(device))[1].item()
                n_tokens += batch.n_tgt_tokens
            return nll_sum, n_tokens

        sums = self.gather(sum_share)
        return sum(nll_sum for nll_sum, _ in sums) / sum(n_tokens for _, n_tokens in sums)
