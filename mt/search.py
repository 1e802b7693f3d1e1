"""Beam search over a step function: it knows neither the tokeniser nor the model.

Shapes: B sentences still searched, K beam, V vocabulary. A sentence's K hypotheses are neighbouring rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import torch
from torch import Tensor


class State(Protocol):
    """What the step function keeps between steps."""

    def select(self, rows: Tensor) -> None:
        """Go on with these rows only, in this order; a row may come more than once."""


S = TypeVar("S", bound=State)
Step = Callable[[Tensor, S], Tensor]
"""Newest token of each row (B * K,) -> logits (B * K, V) of the next; the state is brought up to date."""


@dataclass(frozen=True)
class Hypothesis:
    """One way to translate a sentence."""

    tokens: list[int]
    """without start and end mark"""
    log_prob: float
    """of the tokens and the end mark"""
    score: float
    """`log_prob` over the length penalty: what hypotheses are compared by"""
    complete: bool = True
    """False where the length limit cut it before its end mark"""


@dataclass(frozen=True)
class Vocabulary:
    """The ids that search must know."""

    bos_id: int
    eos_id: int
    never: Collection[int] = ()
    """ids that are never generated"""


def length_penalty(length: int, alpha: float) -> float:
    """((5 + length) / 6) ** alpha: equation 14 of Wu et al., "Google's Neural Machine Translation System", 2016.

    `length` counts the end mark.
    """
    return float(((5 + length) / 6) ** alpha)


@dataclass
class Sentence:
    """The finished hypotheses of one sentence, best first, at most as many as the beam has places."""

    max_len: int
    beam_size: int
    alpha: float
    finished: list[Hypothesis] = field(default_factory=list)

    def add(self, tokens: list[int], log_prob: float, complete: bool) -> None:
        """Put a hypothesis where it belongs."""
        if not complete and any(tokens == other.tokens for other in self.finished):
            return  # several live hypotheses differ only beyond the limit
        length = len(tokens) + 1 if complete else len(tokens)
        hypothesis = Hypothesis(tokens, log_prob, log_prob / length_penalty(length, self.alpha), complete)
        self.finished.append(hypothesis)
        # A translation that was cut is worse than any whole one.
        self.finished.sort(key=lambda h: (not h.complete, -h.score))
        del self.finished[self.beam_size :]

    def is_done(self, best_live_log_prob: float) -> bool:
        """Whether no live hypothesis can still come among the finished ones.

        A log-probability only falls, and the penalty divides it by most at the longest length.
        """
        if len(self.finished) < self.beam_size:
            return False
        if self.beam_size == 1:  # greedy search follows one path, and it has ended
            return True
        return self.finished[-1].score >= best_live_log_prob / length_penalty(self.max_len + 1, self.alpha)


def beam_search(
    step: Step[S],
    state: S,
    vocabulary: Vocabulary,
    max_lens: list[int],
    beam_size: int = 5,
    alpha: float = 1.0,
    device: torch.device | None = None,
) -> list[list[Hypothesis]]:
    """The best hypotheses of each sentence, best first.

    Args:
        step: the model, one position at a time.
        state: its state for `beam_size` rows a sentence.
        max_lens: most tokens of each sentence's translation, end mark not counted.
        beam_size: hypotheses followed at once, and the most that are returned; 1 is greedy search.
        alpha: exponent of the length penalty, at least 0.

    A sentence ends when nothing that is still followed can become one of its best `beam_size`; from then on it costs
    nothing. Its result does not depend on the other sentences of the batch.
    """
    sentences = [Sentence(max_len, beam_size, alpha) for max_len in max_lens]
    active = list(range(len(sentences)))
    history = torch.empty(len(active), beam_size, 0, dtype=torch.long, device=device)
    log_probs = torch.full((len(active), beam_size), float("-inf"), device=device)
    log_probs[:, 0] = 0.0  # all rows are equal at first: follow one
    newest = torch.full((len(active) * beam_size,), vocabulary.bos_id, device=device)
    while active:
        next_log_probs = step(newest, state).float().log_softmax(-1)
        next_log_probs[:, list(vocabulary.never)] = float("-inf")
        candidates = rank_candidates(log_probs, next_log_probs, history, vocabulary.eos_id)
        log_probs, history, origins = candidates.log_probs, candidates.history, candidates.origins
        for row, tokens, log_prob in candidates.ended:
            sentences[active[row]].add(tokens, log_prob, complete=True)
        best_live = log_probs[:, 0].tolist()
        going_on = []
        for row, index in enumerate(active):
            sentence = sentences[index]
            if history.size(2) > sentence.max_len:
                for tokens, log_prob in zip(history[row].tolist(), candidates.parent_log_probs[row], strict=True):
                    sentence.add(tokens[:-1], log_prob, complete=False)
            elif best_live[row] > float("-inf") and not sentence.is_done(best_live[row]):
                going_on.append(row)
        if len(going_on) < len(active):
            kept = torch.tensor(going_on, dtype=torch.long, device=device)
            log_probs, history, origins = log_probs[kept], history[kept], origins[kept]
            active = [active[row] for row in going_on]
        newest = history[:, :, -1].flatten()
        if active:
            state.select(origins.flatten())
    return [sentence.finished for sentence in sentences]


@dataclass
class Candidates:
    """What one step makes of the hypotheses of B sentences."""

    log_probs: Tensor
    """of those that go on, best first, (B, K)"""
    history: Tensor
    """their tokens, (B, K, length)"""
    origins: Tensor
    """the row of B * K that each came from, (B, K)"""
    parent_log_probs: list[list[float]]
    """those of the rows they came from"""
    ended: list[tuple[int, list[int], float]]
    """sentence, tokens without the end mark and log-probability of those that ended"""


def rank_candidates(log_probs: Tensor, next_log_probs: Tensor, history: Tensor, eos_id: int) -> Candidates:
    """Extend every hypothesis by every token and keep the best.

    Of the best 2 K, at most K end, so K remain to go on. One that ends counts only if it is among the best K.

    Args:
        log_probs: of the hypotheses, (B, K).
        next_log_probs: of the next token, (B * K, V).
        history: tokens of the hypotheses, (B, K, length).
    """
    n_sentences, beam_size = log_probs.shape
    n_tokens = next_log_probs.size(-1)
    totals = (log_probs.unsqueeze(-1) + next_log_probs.view(n_sentences, beam_size, n_tokens)).flatten(1)
    best, places = totals.topk(2 * beam_size)  # (B, 2 K), places in K * V
    parents, tokens = places // n_tokens, places % n_tokens
    ends = tokens == eos_id

    ended = []
    for row, rank in ((ends[:, :beam_size]) & best[:, :beam_size].isfinite()).nonzero().tolist():
        ended.append((row, history[row, parents[row, rank]].tolist(), best[row, rank].item()))

    # The first K that do not end, in order: a stable sort puts the ends last.
    going_on = ends.to(torch.uint8).sort(dim=1, stable=True).indices[:, :beam_size]
    parents = parents.gather(1, going_on)
    chosen = history.gather(1, parents.unsqueeze(-1).expand(-1, -1, history.size(2)))
    first_rows = torch.arange(n_sentences, device=log_probs.device).unsqueeze(1) * beam_size
    return Candidates(
        log_probs=best.gather(1, going_on),
        history=torch.cat((chosen, tokens.gather(1, going_on).unsqueeze(-1)), dim=2),
        origins=first_rows + parents,
        parent_log_probs=log_probs.gather(1, parents).tolist(),
        ended=ended,
    )
