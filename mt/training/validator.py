"""How good the model is on text that it is not trained on: loss, BLEU, chrF, and some translations to read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import exp
from typing import TypeVar

import torch

from mt.config.choices import SearchMethod
from mt.config.search import SearchConfig
from mt.data.loader import sorted_batches
from mt.data.mixture import Mixture
from mt.runtime.distributed import ALONE, World
from mt.runtime.signals import Interrupted
from mt.text.metrics import Scorer
from mt.training.objective import Objective
from mt.translation.alignment import Attention, source_attention
from mt.translation.translator import Translator

T = TypeVar("T")
N_LINES_AT_ONCE = 256


@dataclass
class Validation:
    """The result of one validation."""

    loss: float
    """unsmoothed cross-entropy a token, in nats"""
    bleu: float
    chrf: float
    samples: list[tuple[str, str, str]]
    """source, reference, hypothesis"""
    attention: Attention | None

    @property
    def scalars(self) -> dict[str, float]:
        """The figures under their TensorBoard names."""
        return {
            "valid/loss": self.loss,
            "valid/perplexity": exp(min(self.loss, 100)),
            "valid/bleu": self.bleu,
            "valid/chrf": self.chrf,
        }


@dataclass
class Validator:
    """Validation text, ready to be used again and again."""

    translator: Translator
    corpus: Mixture
    text: list[tuple[str, str]]
    """source and reference lines"""
    scorer: Scorer
    search: SearchConfig
    max_tokens: int
    n_samples: int
    world: World = ALONE

    def validate(self, check: Callable[[], None]) -> Validation:
        """Score the model as it is now; `check` is called often and may raise `Interrupted`, to stop early.

        Translations for BLEU are greedy, which takes a fraction of beam search's time and ranks models alike. Of
        several processes each does a share of the sentences, and all get the whole result.
        """
        loss = self.mean_loss(check)
        hypotheses = self.translate(check)
        bleu, chrf = self.scorer.score(hypotheses, [[reference for _, reference in self.text]])
        samples = [(*self.text[i], hypotheses[i]) for i in self.sample_indices()]
        return Validation(loss, bleu.value, chrf.value, samples, self.attention_of(samples[0]) if samples else None)

    def translate(self, check: Callable[[], None]) -> list[str]:
        """The greedy translation of every line."""
        greedy = replace(
            self.search, method=SearchMethod.beam, beam_size=1, n_best=1, diverse_groups=1,
            required=[], terminology=None,
        )  # fmt: skip
        sources = [src for src, _ in self.text]
        hypotheses = [""] * len(sources)

        def translate_share() -> list[str]:
            share, done = sources[self.world.rank :: self.world.size], []
            for start in range(0, len(share), N_LINES_AT_ONCE):
                check()
                found = self.translator.n_best(share[start : start + N_LINES_AT_ONCE], greedy, quiet=True)
                done += [best[0].text for best in found]
            return done

        for rank, share in enumerate(self.shares(translate_share)):
            hypotheses[rank :: self.world.size] = share
        return hypotheses

    def shares(self, work: Callable[[], T]) -> list[T]:
        """What each process makes of its share; where one is interrupted, all are."""
        outcome: T | Interrupted
        try:
            outcome = work()
        except Interrupted as interruption:
            outcome = interruption
        outcomes = self.world.gather(outcome)
        for outcome in outcomes:
            if isinstance(outcome, Interrupted):
                raise outcome
        return outcomes  # type: ignore[return-value]  # no interruption is among them

    def sample_indices(self) -> list[int]:
        """The same few lines at each validation, spread over the text."""
        count = min(self.n_samples, len(self.text))
        return [i * len(self.text) // count for i in range(count)]

    @torch.inference_mode()
    def mean_loss(self, check: Callable[[], None]) -> float:
        """-log p(reference) a token, end marks counted, without dropout."""
        objective = Objective(self.translator.model).eval()
        device = self.translator.device

        def sum_share() -> tuple[float, int]:
            nll_sum, n_tokens = 0.0, 0
            for batch in sorted_batches(self.corpus, self.max_tokens, self.world.rank, self.world.size):
                check()
                nll_sum += objective(batch.to(device))[1].item()
                n_tokens += batch.n_tgt_tokens
            return nll_sum, n_tokens

        sums = self.shares(sum_share)
        return sum(nll_sum for nll_sum, _ in sums) / sum(n_tokens for _, n_tokens in sums)

    def attention_of(self, sample: tuple[str, str, str]) -> Attention:
        """What the last decoder layer looks at while it writes the sample's hypothesis."""
        tokenizer, max_len = self.translator.tokenizer, self.translator.max_len
        src_ids, tgt_ids = tokenizer.encode_src([sample[0]])[0], tokenizer.encode_tgt([sample[2]])[0]
        return source_attention(
            self.translator.model, tokenizer, [*self.translator.tags, *src_ids][:max_len], tgt_ids[:max_len], layer=-1
        )
