"""The hypotheses that a search follows, and the tokens that could come next.

Shapes: B sentences still searched, N hypotheses of each, C candidates, T tokens so far, S source positions,
V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 64


@dataclass
class Candidates:
    """Ways to go on with hypotheses by one token, best first; all (B, C)."""

    totals: Tensor
    """what hypotheses are ranked by: their log-probability, and what rules have made of it"""
    parents: Tensor
    """the hypothesis that is gone on with"""
    tokens: Tensor
    log_probs: Tensor
    """of the new token, by the model"""

    def pick(self, places: Tensor) -> Candidates:
        """Some of each sentence's, (B, C')."""
        return Candidates(*(x.gather(1, places) for x in (self.totals, self.parents, self.tokens, self.log_probs)))


def joined(parts: list[Candidates]) -> Candidates:
    """Those of several groups, side by side."""
    if len(parts) == 1:
        return parts[0]
    columns = zip(*((part.totals, part.parents, part.tokens, part.log_probs) for part in parts), strict=True)
    return Candidates(*(torch.cat(column, dim=1) for column in columns))


@dataclass
class Live:
    """The hypotheses that are followed."""

    totals: Tensor
    """(B, N), as in `Candidates`"""
    tokens: Tensor
    """(B, N, T)"""
    log_probs: Tensor
    """of each token, (B, N, T)"""
    coverage: Tensor
    """how much each source position was looked at, (B, N, S), or (B, N, 1) zeros where nobody asks"""

    @classmethod
    def first(cls, n_sentences: int, n_hypotheses: int, device: torch.device | None) -> Live:
        """Before the first token."""
        nothing = torch.zeros(n_sentences, n_hypotheses, 0, device=device)
        totals = nothing.sum(2)
        return cls(totals, nothing.long(), nothing, totals.unsqueeze(2))

    @property
    def length(self) -> int:
        """Tokens of each."""
        return self.tokens.size(2)

    def extended(self, chosen: Candidates) -> Live:
        """Those that were chosen."""

        def of_parents(x: Tensor) -> Tensor:
            return x.gather(1, chosen.parents.unsqueeze(2).expand(-1, -1, x.size(2)))

        return Live(
            chosen.totals,
            torch.cat((of_parents(self.tokens), chosen.tokens.unsqueeze(2)), dim=2),
            torch.cat((of_parents(self.log_probs), chosen.log_probs.unsqueeze(2)), dim=2),
            of_parents(self.coverage),
        )

    def keep(self, rows: Tensor) -> Live:
        """Those of some sentences."""
        return Live(self.totals[rows], self.tokens[rows], self.log_probs[rows], self.coverage[rows])


def best_places(totals: Tensor, scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The best ways to extend hypotheses of these `totals` (B, N) by tokens of these `scores` (B, N, V).

    Returns the hypotheses and the tokens, best first, (B, C).
    """
    values, tokens = largest(scores.flatten(0, 1), min(count, scores.size(2)))
    n_each = values.size(1)
    values, tokens = values.view(len(totals), -1), tokens.view(len(totals), -1)  # (B, N x n_each)
    sums = totals.repeat_interleave(n_each, dim=1) + values
    places = sums.topk(min(count, sums.size(1))).indices
    return places // n_each, tokens.gather(1, places)


def largest(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest numbers of each row of (R, V) and their places, largest first: `x.topk(count)`.

    On a CPU, where topk of a vocabulary takes as long as several layers, it is given only those chunks of a row that
    have the largest maxima: no other can hold one of the largest numbers.
    """
    n_chunks = x.size(1) // CHUNK
    if x.device.type != "cpu" or n_chunks < 2 * count:
        values, places = x.topk(count)
        return values, places
    in_chunks = n_chunks * CHUNK
    best = x[:, :in_chunks].view(len(x), n_chunks, CHUNK).amax(2).topk(count).indices
    chunks = x[:, :in_chunks].reshape(-1, CHUNK)
    rows = best + torch.arange(len(x)).unsqueeze(1) * n_chunks
    numbers = torch.cat((chunks.index_select(0, rows.flatten()).view(len(x), -1), x[:, in_chunks:]), dim=1)
    values, places = numbers.topk(count)
    chunk = best.gather(1, (places // CHUNK).clamp(max=count - 1))
    rest = places + in_chunks - count * CHUNK  # of what is left where chunks do not fill a row
    return values, torch.where(places < count * CHUNK, chunk * CHUNK + places % CHUNK, rest)


def close_gaps(rows: list[int]) -> list[int]:
    """The same rows in an order in which as many as can be stay where they are: the last ones fill the gaps."""
    n_rows = len(rows)
    stay, movers = {row for row in rows if row < n_rows}, [row for row in rows if row >= n_rows]
    return [row if row in stay else movers.pop() for row in range(n_rows)]
