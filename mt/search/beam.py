"""Beam search, plain or in groups that keep away from each other.

Shapes: B sentences still searched, N hypotheses of each that are followed, K of them at most, S source positions,
V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest
from math import inf

import torch
from torch import Tensor

from mt.search.hypotheses import Hypothesis, S, Scoring, Sentence, Task
from mt.search.live import Candidates, Live, best_places, close_gaps, joined


@dataclass(frozen=True)
class Beam:
    """How wide to search, and what for."""

    size: int = 5
    """hypotheses followed at once, K; 1 is greedy search"""
    n_best: int = 1
    """hypotheses wanted, at most `size`"""
    scoring: Scoring = field(default_factory=Scoring)
    patience: float | None = None
    """end a sentence when patience x size hypotheses have ended (Kasai et al., "A Call for Clarity in Beam Search",
    2022); None: when nothing better can still come"""
    groups: int = 1
    """parts of the beam, each of which is searched for itself, after the earlier ones"""
    diversity: float = 0.0
    """how much a token loses for each time that an earlier group has chosen it in this step (Hamming diversity,
    Vijayakumar et al., "Diverse Beam Search", 2018)"""

    @property
    def most_ended(self) -> float:
        """Hypotheses of a sentence after whose end nothing better is waited for."""
        if self.size == 1:  # one path alone is followed
            return 1
        return inf if self.patience is None else self.patience * self.size


def beam_search(task: Task[S], beam: Beam) -> list[list[Hypothesis]]:
    """The `beam.n_best` best hypotheses of each sentence, best first; the task's state is for `beam.size` of each.

    Without patience a sentence ends when nothing that is still followed can become one of those wanted. From then on it
    costs nothing. Its result does not depend on the other sentences of the batch.
    """
    sentences = [
        Sentence(max_len, beam.n_best, beam.scoring, beam.most_ended, required)
        for max_len, required in zip_longest(task.max_lens, task.required)
    ]
    active = list(range(len(sentences)))
    live = Live.first(len(active), beam.groups, task.device)  # all are equal at first: each group follows one
    newest = torch.full(live.totals.shape, task.vocabulary.bos_id, device=task.device)
    while active:
        scores, log_probs = task.score_next(newest, live, active, coverage=beam.scoring.coverage > 0)
        chosen = choose(live, scores, log_probs, beam, task.vocabulary.eos_id, [sentences[index] for index in active])
        live = live.extended(chosen)
        task.state.follow(chosen.parents)
        best_totals = chosen.totals.amax(1).tolist()
        rows = [row for row, index in enumerate(active) if not sentences[index].is_done(best_totals[row], live.length)]
        if len(rows) < len(active):
            rows = close_gaps(rows)
            active = [active[row] for row in rows]
            kept = torch.tensor(rows, dtype=torch.long, device=task.device)
            live = live.keep(kept)
            task.state.keep(kept)
        newest = live.tokens[:, :, -1]
    return [sentence.finished for sentence in sentences]


def choose(
    live: Live, scores: Tensor, log_probs: Tensor, beam: Beam, eos_id: int, sentences: list[Sentence]
) -> Candidates:
    """How each group of the beam goes on. What ends, or is cut at the limit, is given to its sentence.

    Args:
        scores: of the next tokens, what the rules have made of their log-probabilities, (B, N, V).
        log_probs: of the next tokens by the model.
    """
    size, n_each = beam.size // beam.groups, live.totals.size(1) // beam.groups
    chosen: list[Candidates] = []
    for first in range(0, live.totals.size(1), n_each):
        wanted = scores[:, first : first + n_each]
        if chosen and beam.diversity:
            taken = joined(chosen).tokens
            counts = torch.zeros_like(scores[:, 0]).scatter_add_(1, taken, torch.ones_like(taken, dtype=scores.dtype))
            wanted = wanted - beam.diversity * counts.unsqueeze(1)
        own = slice(first, first + n_each)
        parents, tokens = best_places(live.totals[:, own], wanted, 2 * size)
        make_room((parents, tokens), live.totals[:, own], live.tokens[:, own], wanted, sentences)
        parents = parents + first
        places = parents * scores.size(2) + tokens
        totals = live.totals.gather(1, parents) + scores.flatten(1).gather(1, places)
        candidates = Candidates(totals, parents, tokens, log_probs.flatten(1).gather(1, places))
        ends = tokens == eos_id
        harvest(live, candidates, ends[:, :size], sentences)
        # Of the 2 K at most N end. A stable sort puts these last, so that the first that go on stay in order.
        n_next = min(size, ends.size(1) - n_each)
        chosen.append(candidates.pick(ends.to(torch.uint8).sort(dim=1, stable=True).indices[:, :n_next]))
    cut_at_limit(live, joined(chosen), sentences)
    return joined(chosen)


def make_room(
    ways: tuple[Tensor, Tensor], totals: Tensor, tokens: Tensor, scores: Tensor, sentences: list[Sentence]
) -> None:
    """Put other ways to go on in place of those of sentences that must contain something.

    Args:
        ways: hypotheses and next tokens, (B, C).
        totals: of the hypotheses, (B, N).
        tokens: of the hypotheses, (B, N, T).
        scores: of the next tokens, (B, N, V).
    """
    parents, next_tokens = ways
    for row, sentence in enumerate(sentences):
        if sentence.required:
            sums = totals[row].unsqueeze(1) + scores[row]
            arranged = sentence.required.arrange(tokens[row].tolist(), sums, parents.size(1))
            parents[row], next_tokens[row] = torch.tensor(arranged, device=parents.device).T


def harvest(live: Live, candidates: Candidates, ends: Tensor, sentences: list[Sentence]) -> None:
    """Give their sentences the hypotheses that end among the best K candidates; `ends`: (B, K)."""
    rows, ranks = (ends & candidates.totals[:, : ends.size(1)].isfinite()).nonzero(as_tuple=True)
    if len(rows) == 0:
        return
    parents = candidates.parents[rows, ranks]
    tokens = live.tokens[rows, parents].tolist()
    log_probs = torch.cat((live.log_probs[rows, parents], candidates.log_probs[rows, ranks].unsqueeze(1)), 1).tolist()
    totals, covered = candidates.totals[rows, ranks].tolist(), live.coverage[rows, parents]
    for i, row in enumerate(rows.tolist()):
        sentences[row].add(tokens[i], log_probs[i], totals[i], covered[i])


def cut_at_limit(live: Live, chosen: Candidates, sentences: list[Sentence]) -> None:
    """Give those sentences that are at their limit what would go on, as far as it came."""
    for row, sentence in enumerate(sentences):
        if live.length == sentence.max_len:
            for parent in dict.fromkeys(chosen.parents[row][chosen.totals[row].isfinite()].tolist()):
                tokens, log_probs = live.tokens[row, parent].tolist(), live.log_probs[row, parent].tolist()
                total, covered = float(live.totals[row, parent]), live.coverage[row, parent]
                sentence.add(tokens, log_probs, total, covered, complete=False)
