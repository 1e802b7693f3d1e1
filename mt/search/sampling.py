"""Sampling: every token is drawn from the model's distribution, or from its most probable part.

Shapes: B sentences still searched, N samples of each, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mt.search.hypotheses import Hypothesis, Scoring, Sentence
from mt.search.live import Candidates, Live, close_gaps
from mt.search.task import S, Task


@dataclass(frozen=True)
class Sampling:
    """The distribution to draw from, and how many samples."""

    n_samples: int = 1
    n_best: int = 1
    """samples to return, those with the best scores"""
    temperature: float = 1.0
    """divisor of the log-probabilities: below 1, probable tokens become more probable"""
    top_k: int = 0
    """draw from the K most probable tokens (Fan, Lewis and Dauphin, 2018); 0: from all"""
    top_p: float = 1.0
    """draw from the fewest tokens that together have this probability (Holtzman et al., 2020)"""
    scoring: Scoring = field(default_factory=Scoring)


def sample(task: Task[S], sampling: Sampling, seeds: Sequence[int]) -> list[list[Hypothesis]]:
    """Return the `sampling.n_best` best of `sampling.n_samples` samples of each sentence, best first.

    Equal samples are returned once. The samples of a sentence depend on its seed and on nothing else of the batch.
    """
    sentences = [Sentence(max_len, sampling.n_best, sampling.scoring) for max_len in task.max_lens]
    draws = [draw(seed, max_len + 1, sampling.n_samples) for seed, max_len in zip(seeds, task.max_lens, strict=True)]
    active = list(range(len(sentences)))
    live = Live.first(len(active), sampling.n_samples, task.device)
    newest = task.first_tokens(live.totals.size(1))
    ended = torch.zeros_like(newest, dtype=torch.bool)
    while active:
        scores, log_probs = task.score_next(newest, live, active, coverage=sampling.scoring.coverage > 0)
        uniform = torch.stack([draws[index][live.length] for index in active]).to(scores.device)
        newest = pick(scores, sampling, uniform)
        chosen = Candidates(
            live.totals + scores.gather(2, newest.unsqueeze(2)).squeeze(2),
            torch.arange(sampling.n_samples, device=newest.device).expand_as(newest),
            newest,
            log_probs.gather(2, newest.unsqueeze(2)).squeeze(2),
        )
        before, live, length = live.totals, live.extended(chosen), live.length
        limits = torch.tensor([[task.max_lens[index]] for index in active], device=newest.device)
        ends = newest == task.vocabulary.eos_id
        for row, column in ((ends | (length == limits)) & ~ended).nonzero().tolist():
            complete = bool(ends[row, column])
            total = float((live.totals if complete else before)[row, column])
            collect(sentences[active[row]], live, row, column, total, complete)
        ended = ended | ends | (length == limits)
        task.state.follow(chosen.parents)
        rows = (~ended.all(1)).nonzero().squeeze(1).tolist()
        if len(rows) < len(active):
            rows = close_gaps(rows)
            active = [active[row] for row in rows]
            kept = torch.tensor(rows, dtype=torch.long, device=newest.device)
            live, newest, ended = live.keep(kept), newest[kept], ended[kept]
            task.state.keep(kept)
    return [sentence.finished for sentence in sentences]


def draw(seed: int, length: int, n_samples: int) -> Tensor:
    """Return uniform random numbers (length, n_samples) from 0 to 1."""
    return torch.rand(length, n_samples, generator=torch.Generator().manual_seed(seed))


def pick(scores: Tensor, sampling: Sampling, uniform: Tensor) -> Tensor:
    """Draw tokens (B, N) from the distribution of `scores` (B, N, V).

    Args:
        uniform: random numbers (B, N); a token is taken where the cumulative sum of the sorted probabilities exceeds
        it.
    """
    probabilities, tokens = (scores / sampling.temperature).softmax(-1).sort(dim=-1, descending=True)
    if sampling.top_k:
        probabilities[..., sampling.top_k :] = 0
    sums = probabilities.cumsum(-1)
    if sampling.top_p < 1:
        probabilities[sums - probabilities >= sampling.top_p * sums[..., -1:]] = 0  # the tokens before suffice
        sums = probabilities.cumsum(-1)
    ranks = (sums <= uniform.unsqueeze(-1) * sums[..., -1:]).sum(-1, keepdim=True)
    last = ((probabilities > 0).sum(-1, keepdim=True) - 1).clamp(min=0)  # -1: a model that gives NaN
    return tokens.gather(-1, torch.minimum(ranks, last)).squeeze(-1)


def collect(sentence: Sentence, live: Live, row: int, column: int, total: float, complete: bool) -> None:
    """Give a sentence a sample with a total score; if it did not end, without its last token, beyond the limit."""
    tokens, log_probs = live.tokens[row, column].tolist(), live.log_probs[row, column].tolist()
    sentence.add(
        tokens[:-1], log_probs if complete else log_probs[:-1], total, live.coverage[row, column], complete=complete
    )
