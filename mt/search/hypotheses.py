"""What every way of searching works with: the step function, and hypotheses that are scored and sorted.

Shapes: B sentences still searched, N hypotheses of each, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from mt.config.choices import LengthNorm
from mt.search.live import Live
from mt.search.required import Required
from mt.search.rules import Rule


class State(Protocol):
    """What the step function keeps between steps."""

    def follow(self, parents: Tensor) -> None:
        """Hypothesis n of sentence b goes on from hypothesis `parents[b, n]` of the last step, (B, N)."""

    def keep(self, rows: Tensor) -> None:
        """Go on with these sentences, in this order, (B,)."""

    def attention(self) -> Tensor:
        """What the last step looked at in the source, shares that sum to 1, (B, N, S); 0 at padding."""


S = TypeVar("S", bound=State)
Step = Callable[[Tensor, S], Tensor]
"""Newest token of each hypothesis (B, N) -> logits (B, N, V) of the next; the state is brought up to date."""


@dataclass(frozen=True)
class Vocabulary:
    """The ids that search must know."""

    bos_id: int
    eos_id: int
    never: Collection[int] = ()
    """ids that are never generated"""


@dataclass(frozen=True)
class Task(Generic[S]):
    """What is to be searched, whichever way."""

    step: Step[S]
    """the model, one position at a time"""
    state: S
    """its state for as many hypotheses a sentence as will be followed"""
    vocabulary: Vocabulary
    max_lens: Sequence[int]
    """most tokens of each sentence's translation, end mark not counted"""
    rules: Sequence[Rule] = ()
    """what a translation must or must not contain"""
    required: Sequence[Required | None] = ()
    """what the beam makes room for, for each sentence; the rules see to it that it comes"""
    device: torch.device | None = None

    def score_next(self, newest: Tensor, live: Live, sentences: list[int], coverage: bool) -> tuple[Tensor, Tensor]:
        """One step: the scores of the next tokens, with all rules, and their log-probabilities, (B, N, V).

        `newest`: (B, N); row b is the sentence `sentences[b]`. With `coverage`, `live` notes what was looked at.
        """
        log_probs = self.step(newest, self.state).float().log_softmax(-1)
        log_probs[..., list(self.vocabulary.never)] = -inf
        if coverage:
            live.coverage = live.coverage + self.state.attention()
        scores = log_probs.clone() if self.rules else log_probs
        for rule in self.rules:
            rule(scores, live.tokens, sentences)
        return scores, log_probs


@dataclass(frozen=True)
class Hypothesis:
    """One way to translate a sentence."""

    tokens: list[int]
    """without start and end mark"""
    log_prob: float
    """of the whole, with the end mark where there is one"""
    log_probs: list[float]
    """of each token and the end mark; none where an engine does not tell"""
    score: float
    """what hypotheses are compared by"""
    complete: bool = True
    """False where the length limit cut it before its end mark"""
    count: int = 1
    """how often it was found"""


@dataclass(frozen=True)
class Scoring:
    """How the log-probabilities of hypotheses of different lengths are compared: divided by a penalty.

    `gnmt`: ((5 + length) / 6) ** alpha, equation 14 of Wu et al., "Google's Neural Machine Translation System", 2016.
    `average`: length ** alpha. `none`: 1. The length counts the end mark.
    """

    norm: LengthNorm = LengthNorm.gnmt
    alpha: float = 1.0
    coverage: float = 0.0
    """weight of GNMT's coverage penalty, the same equation: it is added for source pieces that were hardly looked at"""

    def penalty(self, length: int) -> float:
        """What the log-probability of so many tokens is divided by."""
        if self.norm is LengthNorm.none:
            return 1.0
        return float(((5 + length) / 6 if self.norm is LengthNorm.gnmt else max(1, length)) ** self.alpha)

    def score(self, total: float, length: int, covered: Tensor) -> float:
        """What hypotheses are compared by.

        Args:
            total: log-probability, or what rules have made of it.
            covered: how much of the target looked at each source position, (S,); 0 where there is padding.
        """
        score = total / self.penalty(length)
        if self.coverage:
            score += self.coverage * float(covered[covered > 0].clamp(max=1.0).log().sum())
        return score


@dataclass
class Sentence:
    """The finished hypotheses of one sentence, best first, at most as many as are wanted."""

    max_len: int
    n_best: int
    scoring: Scoring
    most_ended: float = inf
    """hypotheses after whose end nothing better is waited for"""
    required: Required | None = None
    n_ended: int = 0
    finished: list[Hypothesis] = field(default_factory=list)

    def add(
        self, tokens: list[int], log_probs: list[float], total: float, covered: Tensor, complete: bool = True
    ) -> None:
        """Put a hypothesis where it belongs; `total` and `covered` are what `Scoring.score` takes."""
        self.n_ended += 1
        score = self.scoring.score(total, len(log_probs), covered)
        new = Hypothesis(tokens, sum(log_probs), log_probs, score, complete)
        for place, other in enumerate(self.finished):
            if tokens == other.tokens:  # drawn again, found by several groups, or differing only beyond the limit
                better = new if complete and not other.complete else other
                self.finished[place] = replace(better, count=other.count + 1)
                break
        else:
            self.finished.append(new)
        # A translation that was cut is worse than any whole one.
        self.finished.sort(key=lambda h: (not h.complete, -h.score))
        del self.finished[self.n_best :]

    def is_done(self, best_live_total: float, live_length: int) -> bool:
        """Whether the live hypotheses, of so many tokens, are at an end, or can no longer come among the finished ones.

        A log-probability only falls, the penalty divides it by most at the longest length, and coverage adds at most 0.
        """
        if live_length > self.max_len or best_live_total == float("-inf"):
            return True
        if len(self.finished) < self.n_best:
            return False
        best_possible = best_live_total / self.scoring.penalty(self.max_len + 1)
        return self.n_ended >= self.most_ended or self.finished[-1].score >= best_possible
