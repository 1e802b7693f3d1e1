"""Beam search, plain or in groups that avoid each other's choices.

Shapes: B sentences still searched, N hypotheses of each, K of them at most, V vocabulary.
"""

from dataclasses import dataclass, field
from itertools import zip_longest
from math import inf

import torch
from torch import Tensor

from mt.search.hypotheses import Hypothesis, Scoring, Sentence
from mt.search.live import Candidates, Live, best_extensions, close_gaps, concatenate
from mt.search.required import arrange
from mt.search.task import S, Task


@dataclass(frozen=True)
class Beam:
    """Width of the search, and when it ends."""

    size: int = 5
    """hypotheses followed at once, K; 1 is greedy search"""
    n_best: int = 1
    """hypotheses to return, at most `size`"""
    scoring: Scoring = field(default_factory=Scoring)
    patience: float | None = None
    """finish a sentence when patience x size hypotheses have ended (Kasai et al., "A Call for Clarity in Beam Search",
    2022); None: when no better hypothesis is possible"""
    groups: int = 1
    """groups of the beam, searched one after another"""
    diversity: float = 0.0
    """penalty of a token for each earlier group that chose it in this step (Hamming diversity, Vijayakumar et al.,
    "Diverse Beam Search", 2018)"""

    @property
    def max_ended(self) -> float:
        """Number of ended hypotheses at which a sentence is finished."""
        if self.size == 1:  # only one path is followed
            return 1
        return inf if self.patience is None else self.patience * self.size


def beam_search(task: Task[S], beam: Beam) -> list[list[Hypothesis]]:
    """Return the `beam.n_best` best hypotheses of each sentence, best first.

    Without patience a sentence is finished when no live hypothesis can become one of the best. From then on it costs
    nothing. Its result does not depend on the other sentences of the batch.

    Args:
        task: its state has room for `beam.size` hypotheses of each sentence.
    """
    sentences = [
        Sentence(max_len, beam.n_best, beam.scoring, beam.max_ended, required)
        for max_len, required in zip_longest(task.max_lens, task.required)
    ]
    active = list(range(len(sentences)))
    live = Live.first(len(active), beam.groups, task.device)  # at first all are equal: each group follows one
    newest = task.first_tokens(live.totals.size(1))
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
    """Choose how each group continues, by `scores` (B, N, V), and give finished hypotheses to their sentences."""
    size, n_each = beam.size // beam.groups, live.totals.size(1) // beam.groups
    chosen: list[Candidates] = []
    for first in range(0, live.totals.size(1), n_each):
        own = slice(first, first + n_each)
        wanted = scores[:, own]
        if chosen and beam.diversity:
            taken = concatenate(chosen).tokens
            counts = torch.zeros_like(scores[:, 0]).scatter_add_(1, taken, torch.ones_like(taken, dtype=scores.dtype))
            wanted = wanted - beam.diversity * counts.unsqueeze(1)
        parents, tokens = best_extensions(live.totals[:, own], wanted, 2 * size)
        make_room((parents, tokens), live.totals[:, own], live.tokens[:, own], wanted, sentences)
        parents = parents + first
        columns = parents * scores.size(2) + tokens  # in (B, N x V)
        totals = live.totals.gather(1, parents) + scores.flatten(1).gather(1, columns)
        candidates = Candidates(totals, parents, tokens, log_probs.flatten(1).gather(1, columns))
        ends = tokens == eos_id
        collect_ended(live, candidates, ends[:, :size], sentences)
        # At most N of the 2 K candidates end. A stable sort moves these to the back and keeps the others in order.
        n_next = min(size, ends.size(1) - n_each)
        chosen.append(candidates.pick(ends.to(torch.uint8).sort(dim=1, stable=True).indices[:, :n_next]))
    collect_at_limit(live, concatenate(chosen), sentences)
    return concatenate(chosen)


def make_room(
    extensions: tuple[Tensor, Tensor], totals: Tensor, tokens: Tensor, scores: Tensor, sentences: list[Sentence]
) -> None:
    """Replace the extensions of sentences with required phrases, in place, so that the beam has room for the phrases.

    Args:
        extensions: for each of C extensions, its hypothesis and its next token, (B, C).
        totals: score of each hypothesis, (B, N).
        tokens: tokens of each hypothesis, (B, N, T).
        scores: score of each next token, (B, N, V).
    """
    parents, next_tokens = extensions
    for row, sentence in enumerate(sentences):
        if sentence.required:
            sums = totals[row].unsqueeze(1) + scores[row]
            arranged = arrange(sentence.required, tokens[row].tolist(), sums, parents.size(1))
            parents[row], next_tokens[row] = torch.tensor(arranged, device=parents.device).T


def collect_ended(live: Live, candidates: Candidates, ends: Tensor, sentences: list[Sentence]) -> None:
    """Give sentences the hypotheses that end among the best K candidates; `ends`: (B, K)."""
    rows, ranks = (ends & candidates.totals[:, : ends.size(1)].isfinite()).nonzero(as_tuple=True)
    if len(rows) == 0:
        return
    parents = candidates.parents[rows, ranks]
    tokens = live.tokens[rows, parents].tolist()
    log_probs = torch.cat((live.log_probs[rows, parents], candidates.log_probs[rows, ranks].unsqueeze(1)), 1).tolist()
    totals, coverage = candidates.totals[rows, ranks].tolist(), live.coverage[rows, parents]
    for i, row in enumerate(rows.tolist()):
        sentences[row].add(tokens[i], log_probs[i], totals[i], coverage[i])


def collect_at_limit(live: Live, chosen: Candidates, sentences: list[Sentence]) -> None:
    """Give sentences at their length limit the hypotheses that would continue, as they are."""
    for row, sentence in enumerate(sentences):
        if live.length == sentence.max_len:
            for parent in dict.fromkeys(chosen.parents[row][chosen.totals[row].isfinite()].tolist()):
                tokens, log_probs = live.tokens[row, parent].tolist(), live.log_probs[row, parent].tolist()
                total, coverage = float(live.totals[row, parent]), live.coverage[row, parent]
                sentence.add(tokens, log_probs, total, coverage, complete=False)
