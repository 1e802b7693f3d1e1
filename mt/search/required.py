"""Lexical constraints: a rule that forces required phrases, and a beam that makes room for them.

As in dynamic beam allocation (Post and Vilar, 2018), the beam is divided among hypotheses by the number of tokens they
still lack, so that one that contains a phrase is not displaced by others that postpone it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from mt.search.live import largest
from mt.search.phrases import Required
from mt.search.rules import NEVER, UNWANTED

MAX_EXTENSIONS = 16
"""extensions of each hypothesis that are considered, unless the beam needs more"""


def arrange(required: Required, hypotheses: list[list[int]], sums: Tensor, count: int) -> list[tuple[int, int]]:
    """Select extensions: the best for each number of missing tokens, then the second best for each, and so on.

    Args:
        required: what the hypotheses must contain.
        hypotheses: their tokens.
        sums: the total of each extension, (N, V).
        count: extensions to return.

    Returns:
        Indices of hypotheses and their next tokens.
    """
    for tokens in [known for known in required.cache if len(known) < len(hypotheses[0])]:
        del required.cache[tokens]  # of earlier steps
    best = largest(sums, min(sums.size(1), max(MAX_EXTENSIONS, count // len(sums) + 1)))[1].tolist()
    extensions = sorted(
        (number, token)
        for number, tokens in enumerate(hypotheses)
        for token in required.lack(tokens).next_tokens.union(best[number])
    )
    totals = sums[[number for number, _ in extensions], [token for _, token in extensions]].tolist()
    negated = [-total for total in totals]
    best_first = [extension for _, extension in sorted(zip(negated, extensions, strict=True))]
    n_possible = sum(total > NEVER for total in totals)
    ranks, seen = [], Counter[int]()
    for index, (number, token) in enumerate(best_first[:n_possible]):
        lack = required.lack([*hypotheses[number], token]).n_tokens
        ranks.append((seen[lack], lack, index))
        seen[lack] += 1
    return ([best_first[index] for *_, index in sorted(ranks)] + best_first[n_possible:])[:count]


@dataclass(frozen=True)
class MustContain:
    """The rule for required phrases: no hypothesis ends without them, and they are forced before the length limit."""

    required: Sequence[Required | None]
    """requirements of each sentence of the batch"""
    max_lens: Sequence[int]
    """length limits of the translations, with room for `Required.n_tokens`"""
    eos_id: int

    def __call__(self, scores: Tensor, tokens: Tensor, sentences: list[int]) -> None:
        """Exclude EOS while something is missing; near the limit, force what is missing."""
        for row, (sentence, hypotheses) in enumerate(zip(sentences, tokens.tolist(), strict=True)):
            required = self.required[sentence]
            if required is None:
                continue
            last_free = max(0, self.max_lens[sentence] - required.n_tokens)
            for column, hypothesis in enumerate(hypotheses):
                n_forced = len(hypothesis) - last_free
                if n_forced < 0:
                    if required.lack(hypothesis).n_tokens:
                        scores[row, column, self.eos_id] = NEVER
                elif forced := required.ending(hypothesis[:last_free]):
                    force(scores[row, column], [*forced, self.eos_id][min(n_forced, len(forced))])
                else:  # so that no complete word becomes another
                    scores[row, column, required.continuing] = NEVER


def force(scores: Tensor, token: int) -> None:
    """Exclude all other tokens, (V,)."""
    kept = scores[token].clamp(min=UNWANTED)
    scores[:] = NEVER
    scores[token] = kept
