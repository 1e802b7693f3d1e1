"""A search task: a step function with its state, the vocabulary, and the limits and rules of each sentence.

Shapes: B sentences still searched, N hypotheses of each, S source positions, V vocabulary.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import inf
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from mt.search.live import Live
from mt.search.phrases import Required
from mt.search.rules import Rule


class State(Protocol):
    """The state of a step function between steps."""

    def follow(self, parents: Tensor) -> None:
        """Let hypothesis n of sentence b extend hypothesis `parents[b, n]` of the previous step, (B, N)."""

    def keep(self, rows: Tensor) -> None:
        """Keep these sentences (B,), in this order."""

    def attention(self) -> Tensor:
        """Return the last step's attention to the source: weights (B, N, S) that sum to 1 and are 0 at padding."""


S = TypeVar("S", bound=State)
Step = Callable[[Tensor, S], Tensor]
"""newest token of each hypothesis (B, N), state -> logits (B, N, V) of the next token; the state is updated"""


@dataclass(frozen=True)
class Vocabulary:
    """The ids that search has to know."""

    bos_id: int
    eos_id: int
    never: Collection[int] = ()
    """ids that are never generated"""


@dataclass(frozen=True)
class Task(Generic[S]):
    """A task for any search method."""

    step: Step[S]
    """the model, one position at a time"""
    state: S
    """its state, for as many hypotheses of a sentence as will be followed"""
    vocabulary: Vocabulary
    max_lens: Sequence[int]
    """most tokens of each sentence's translation, without EOS"""
    rules: Sequence[Rule] = ()
    """what translations must or must not contain"""
    required: Sequence[Required | None] = ()
    """phrases of each sentence for which the beam makes room; a rule enforces them"""
    tags: Sequence[Sequence[int]] = ()
    """tokens that follow BOS in each sentence, the same number in all; they are not part of the translation"""
    device: torch.device | None = None
    bans: Sequence[Rule] = ()
    """rules that exclude tokens for good, log-probabilities included"""

    def first_tokens(self, n_hypotheses: int) -> Tensor:
        """Let the model read BOS and all tags but the last; return that one, or BOS, for the first step, (B, N)."""
        rows = [[self.vocabulary.bos_id, *tags] for tags in self.tags or [()] * len(self.max_lens)]
        columns = torch.tensor(rows, device=self.device).t().unsqueeze(2).expand(-1, -1, n_hypotheses)
        for tokens in columns[:-1]:
            self.step(tokens, self.state)
        return columns[-1]

    def score_next(self, newest: Tensor, live: Live, sentences: list[int], coverage: bool) -> tuple[Tensor, Tensor]:
        """Take one step.

        Args:
            newest: the newest tokens, (B, N).
            sentences: the sentence of each row.
            coverage: add the attention of this step to `live`.

        Returns:
            The scores of the next tokens under all rules, and their log-probabilities, (B, N, V).
        """
        log_probs = self.step(newest, self.state).float().log_softmax(-1)
        log_probs[..., list(self.vocabulary.never)] = -inf
        for ban in self.bans:
            ban(log_probs, live.tokens, sentences)
        if coverage:
            live.coverage = live.coverage + self.state.attention()
        scores = log_probs.clone() if self.rules else log_probs
        for rule in self.rules:
            rule(scores, live.tokens, sentences)
        return scores, log_probs
