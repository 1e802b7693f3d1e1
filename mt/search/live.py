"""The hypotheses that a search follows, and candidates for their next tokens.

Shapes: B sentences still searched, N hypotheses of each, C candidates, T tokens so far, S source positions,
V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

GROUP = 32
"""columns of a group in `largest`"""


@dataclass
class Candidates:
    """Extensions of hypotheses by one token, best first; all (B, C)."""

    totals: Tensor
    """the numbers by which hypotheses are ranked: log-probabilities, as changed by rules"""
    parents: Tensor
    """the hypothesis that is extended"""
    tokens: Tensor
    log_probs: Tensor
    """log-probability of the new token under the model"""

    def pick(self, columns: Tensor) -> Candidates:
        """Select candidates of each sentence by their columns (B, C')."""
        return Candidates(*(x.gather(1, columns) for x in (self.totals, self.parents, self.tokens, self.log_probs)))


def concatenate(parts: list[Candidates]) -> Candidates:
    """Concatenate the candidates of several groups."""
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
    """log-probability of each token, (B, N, T)"""
    coverage: Tensor
    """attention to each source position so far, (B, N, S); zeros (B, N, 1) if it is not needed"""

    @classmethod
    def first(cls, n_sentences: int, n_hypotheses: int, device: torch.device | None) -> Live:
        """Return the hypotheses before the first token."""
        nothing = torch.zeros(n_sentences, n_hypotheses, 0, device=device)
        totals = nothing.sum(2)
        return cls(totals, nothing.long(), nothing, totals.unsqueeze(2))

    @property
    def length(self) -> int:
        """Number of tokens of each hypothesis."""
        return self.tokens.size(2)

    def extended(self, chosen: Candidates) -> Live:
        """Return the hypotheses extended by the chosen candidates."""

        def of_parents(x: Tensor) -> Tensor:
            return x.gather(1, chosen.parents.unsqueeze(2).expand(-1, -1, x.size(2)))

        return Live(
            chosen.totals,
            torch.cat((of_parents(self.tokens), chosen.tokens.unsqueeze(2)), dim=2),
            torch.cat((of_parents(self.log_probs), chosen.log_probs.unsqueeze(2)), dim=2),
            of_parents(self.coverage),
        )

    def keep(self, rows: Tensor) -> Live:
        """Return the hypotheses of these sentences."""
        return Live(self.totals[rows], self.tokens[rows], self.log_probs[rows], self.coverage[rows])


def best_extensions(totals: Tensor, scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the best ways to extend hypotheses by a token, as hypotheses and tokens, best first, (B, C).

    Args:
        totals: of the hypotheses, (B, N).
        scores: of the next tokens, (B, N, V).
        count: C, unless there are fewer.
    """
    values, tokens = largest(scores.flatten(0, 1), min(count, scores.size(2)))
    n_each = values.size(1)
    values, tokens = values.view(len(totals), -1), tokens.view(len(totals), -1)  # (B, N x n_each)
    sums = totals.repeat_interleave(n_each, dim=1) + values
    columns = sums.topk(min(count, sums.size(1))).indices
    return columns // n_each, tokens.gather(1, columns)


def largest(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the largest numbers of each row of (R, V) and their columns, as `x.topk(count)` does.

    On a CPU, topk over a vocabulary takes as long as several layers. So the columns are dealt out to n groups, the
    columns g, g + n, g + 2 n and so on to group g, and only the groups with the largest maxima are searched: no other
    group can contain one of the largest numbers.
    """
    n_groups = x.size(1) // GROUP
    if x.device.type != "cpu" or n_groups < 2 * count:
        values, columns = x.topk(count)
        return values, columns
    dealt = n_groups * GROUP
    maxima = x[:, :dealt].view(len(x), GROUP, n_groups).amax(1)
    best = maxima.topk(count).indices.unsqueeze(1) + torch.arange(0, dealt, n_groups).unsqueeze(1)  # (R, GROUP, count)
    rest = torch.arange(dealt, x.size(1)).expand(len(x), -1)
    columns = torch.cat((best.flatten(1), rest), dim=1)
    values, found = x.gather(1, columns).topk(count)
    return values, columns.gather(1, found)


def close_gaps(rows: list[int]) -> list[int]:
    """Reorder rows so that as few as possible move: the last ones fill the gaps."""
    n_rows = len(rows)
    stay, movers = {row for row in rows if row < n_rows}, [row for row in rows if row >= n_rows]
    return [row if row in stay else movers.pop() for row in range(n_rows)]
