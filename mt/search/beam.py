"""Beam search.

Shapes: B sentences still searched, N hypotheses of each that are followed, K of them at most, C candidates,
V vocabulary, T tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

import torch
from torch import Tensor

from mt.search.hypotheses import Hypothesis, S, Scoring, Sentence, Step, Vocabulary

CHUNK = 64


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

    @property
    def most_ended(self) -> float:
        """Hypotheses of a sentence after whose end nothing better is waited for."""
        if self.size == 1:  # one path alone is followed
            return 1
        return inf if self.patience is None else self.patience * self.size


@dataclass
class Live:
    """The hypotheses that are followed."""

    totals: Tensor
    """their log-probabilities, best first, (B, N)"""
    tokens: Tensor
    """(B, N, T)"""
    log_probs: Tensor
    """of each token, (B, N, T)"""

    @property
    def length(self) -> int:
        """Tokens of each."""
        return self.tokens.size(2)

    def extended(self, chosen: Candidates) -> Live:
        """Those that were chosen."""
        parents = chosen.parents.unsqueeze(2).expand(-1, -1, self.length)
        tokens = torch.cat((self.tokens.gather(1, parents), chosen.tokens.unsqueeze(2)), dim=2)
        log_probs = torch.cat((self.log_probs.gather(1, parents), chosen.log_probs.unsqueeze(2)), dim=2)
        return Live(chosen.totals, tokens, log_probs)

    def keep(self, rows: Tensor) -> Live:
        """Those of some sentences."""
        return Live(self.totals[rows], self.tokens[rows], self.log_probs[rows])


@dataclass
class Candidates:
    """Ways to go on with the hypotheses of B sentences by one token, best first; all (B, C)."""

    totals: Tensor
    parents: Tensor
    """the hypothesis that is gone on with"""
    tokens: Tensor
    log_probs: Tensor
    """of the new token"""

    def pick(self, places: Tensor) -> Candidates:
        """Some of each sentence's, (B, C')."""
        return Candidates(*(x.gather(1, places) for x in (self.totals, self.parents, self.tokens, self.log_probs)))


def beam_search(
    step: Step[S],
    state: S,
    vocabulary: Vocabulary,
    max_lens: list[int],
    beam: Beam,
    device: torch.device | None = None,
) -> list[list[Hypothesis]]:
    """The `beam.n_best` best hypotheses of each sentence, best first.

    Args:
        step: the model, one position at a time.
        state: its state for `beam.size` hypotheses a sentence.
        max_lens: most tokens of each sentence's translation, end mark not counted.

    Without patience a sentence ends when nothing that is still followed can become one of those wanted. From then on it
    costs nothing.
    Its result does not depend on the other sentences of the batch.
    """
    sentences = [Sentence(max_len, beam.n_best, beam.scoring, beam.most_ended) for max_len in max_lens]
    active = list(range(len(sentences)))
    never = torch.tensor(list(vocabulary.never), dtype=torch.long, device=device)
    newest = torch.full((len(active), 1), vocabulary.bos_id, device=device)  # all are equal at first: follow one
    nothing = torch.empty(len(active), 1, 0, device=device)
    live = Live(torch.zeros(len(active), 1, device=device), nothing.long(), nothing)
    while active:
        log_probs = step(newest, state).float().log_softmax(-1)
        log_probs[..., never] = float("-inf")
        candidates = best_candidates(live.totals, log_probs, 2 * beam.size)
        ends = candidates.tokens == vocabulary.eos_id
        harvest(live, candidates, ends[:, : beam.size], [sentences[index] for index in active])

        # Of the 2 K at most N end. A stable sort puts these last, so that the first that go on stay in order.
        n_next = min(beam.size, ends.size(1) - live.totals.size(1))
        chosen = candidates.pick(ends.to(torch.uint8).sort(dim=1, stable=True).indices[:, :n_next])
        cut_at_limit(live, chosen, [sentences[index] for index in active])
        live = live.extended(chosen)
        state.follow(chosen.parents)
        best_totals = chosen.totals[:, 0].tolist()
        rows = [row for row, index in enumerate(active) if not sentences[index].is_done(best_totals[row], live.length)]
        if len(rows) < len(active):
            rows = close_gaps(rows)
            active = [active[row] for row in rows]
            kept = torch.tensor(rows, dtype=torch.long, device=device)
            live = live.keep(kept)
            state.keep(kept)
        newest = live.tokens[:, :, -1]
    return [sentence.finished for sentence in sentences]


def best_candidates(totals: Tensor, log_probs: Tensor, count: int) -> Candidates:
    """The best ways to extend hypotheses with these `totals` (B, N) by tokens with these `log_probs` (B, N, V)."""
    values, tokens = largest(log_probs.flatten(0, 1), min(count, log_probs.size(2)))
    n_each = values.size(1)
    values, tokens = values.view(len(totals), -1), tokens.view(len(totals), -1)  # (B, N x n_each)
    all_totals = totals.repeat_interleave(n_each, dim=1) + values
    best, places = all_totals.topk(min(count, all_totals.size(1)))
    return Candidates(best, places // n_each, tokens.gather(1, places), values.gather(1, places))


def largest(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest numbers of each row of (R, V) and their places, largest first: `x.topk(count)`.

    On a CPU, where topk takes as long as the layers before it, it is given only those chunks of a row that have the
    largest maxima: no other can hold one of the largest numbers.
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


def harvest(live: Live, candidates: Candidates, ends: Tensor, sentences: list[Sentence]) -> None:
    """Give their sentences the hypotheses that end among the best K candidates; `ends`: (B, K)."""
    rows, ranks = (ends & candidates.totals[:, : ends.size(1)].isfinite()).nonzero(as_tuple=True)
    if len(rows) == 0:
        return
    parents = candidates.parents[rows, ranks]
    tokens = live.tokens[rows, parents].tolist()
    log_probs = torch.cat((live.log_probs[rows, parents], candidates.log_probs[rows, ranks].unsqueeze(1)), 1).tolist()
    totals = candidates.totals[rows, ranks].tolist()
    for i, row in enumerate(rows.tolist()):
        sentences[row].add(tokens[i], log_probs[i], totals[i])


def cut_at_limit(live: Live, chosen: Candidates, sentences: list[Sentence]) -> None:
    """Give those sentences that are at their limit what would go on, as far as it came."""
    for row, sentence in enumerate(sentences):
        if live.length == sentence.max_len:
            for parent in dict.fromkeys(chosen.parents[row][chosen.totals[row].isfinite()].tolist()):
                tokens, log_probs = live.tokens[row, parent].tolist(), live.log_probs[row, parent].tolist()
                sentence.add(tokens, log_probs, float(live.totals[row, parent]), complete=False)


def close_gaps(rows: list[int]) -> list[int]:
    """The same rows in an order in which as many as can be stay where they are: the last ones fill the gaps."""
    n_rows = len(rows)
    stay, movers = {row for row in rows if row < n_rows}, [row for row in rows if row >= n_rows]
    return [row if row in stay else movers.pop() for row in range(n_rows)]
