"""Finished hypotheses: scored, sorted, and compared with what could still be found.

Shapes: S source positions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import inf
from typing import TYPE_CHECKING

from mt.config.choices import LengthNorm
from mt.search.phrases import Required

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Hypothesis:
    """One translation of a sentence."""

    tokens: list[int]
    """ids without BOS and EOS"""
    log_prob: float
    """log-probability of all tokens, and of EOS if there is one"""
    log_probs: list[float]
    """log-probability of each token and of EOS; empty if an engine does not report them"""
    score: float
    """the number by which hypotheses are compared"""
    complete: bool = True
    """False if the length limit cut it before its EOS"""
    count: int = 1
    """how often it was found"""


def best_first(hypotheses: Iterable[Hypothesis]) -> list[Hypothesis]:
    """Sort hypotheses by score; a translation that was cut is worse than any complete one."""
    return sorted(hypotheses, key=lambda one: (not one.complete, -one.score))


@dataclass(frozen=True)
class Scoring:
    """Comparison of hypotheses of different lengths: log-probability divided by a length penalty.

    `gnmt`: ((5 + length) / 6) ** alpha, equation 14 of Wu et al., "Google's Neural Machine Translation System", 2016.
    `average`: length ** alpha. `none`: 1. The length includes EOS.
    """

    norm: LengthNorm = LengthNorm.gnmt
    alpha: float = 1.0
    coverage: float = 0.0
    """weight of GNMT's coverage penalty (same equation), which applies to source pieces with little attention"""

    def penalty(self, length: int) -> float:
        """Return the divisor for a hypothesis of this many tokens."""
        if self.norm is LengthNorm.none:
            return 1.0
        return float(((5 + length) / 6 if self.norm is LengthNorm.gnmt else max(1, length)) ** self.alpha)

    def score(self, total: float, length: int, coverage: Tensor) -> float:
        """Return the number by which hypotheses are compared.

        Args:
            total: log-probability, as changed by rules.
            coverage: attention to each source position, summed over the target, (S,); 0 at padding.
        """
        score = total / self.penalty(length)
        if self.coverage:
            score += self.coverage * float(coverage[coverage > 0].clamp(max=1.0).log().sum())
        return score


@dataclass
class Sentence:
    """The finished hypotheses of one sentence, best first, at most `n_best`."""

    max_len: int
    n_best: int
    scoring: Scoring
    max_ended: float = inf
    """finish the sentence when this many hypotheses have ended"""
    required: Required | None = None
    n_ended: int = 0
    finished: list[Hypothesis] = field(default_factory=list)

    def add(
        self, tokens: list[int], log_probs: list[float], total: float, coverage: Tensor, complete: bool = True
    ) -> None:
        """Insert a hypothesis by its score; `total` and `coverage` are those of `Scoring.score`."""
        self.n_ended += 1
        score = self.scoring.score(total, len(log_probs), coverage)
        new = Hypothesis(tokens, sum(log_probs), log_probs, score, complete)
        for rank, other in enumerate(self.finished):
            if tokens == other.tokens:  # drawn again, found by several groups, or different only beyond the limit
                better = new if complete and not other.complete else other
                self.finished[rank] = replace(better, count=other.count + 1)
                break
        else:
            self.finished.append(new)
        self.finished = best_first(self.finished)[: self.n_best]

    def is_done(self, best_live_total: float, live_length: int) -> bool:
        """Return whether `max_ended` hypotheses have ended, or no live one can still enter the finished ones.

        A log-probability only falls, the penalty is largest at the greatest length, and coverage adds at most 0.
        """
        if live_length > self.max_len or best_live_total == float("-inf"):
            return True
        if len(self.finished) < self.n_best:
            return False
        best_possible = best_live_total / self.scoring.penalty(self.max_len + 1)
        return self.n_ended >= self.max_ended or self.finished[-1].score >= best_possible
