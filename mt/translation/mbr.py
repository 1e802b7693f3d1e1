"""Minimum Bayes risk decoding: the hypothesis that is on average most similar to all hypotheses found.

Kumar and Byrne, "Minimum Bayes-Risk Decoding for Statistical Machine Translation", 2004; with samples: Eikema and Aziz,
"Is MAP Decoding All You Need?", 2020.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from mt.search.hypotheses import Hypothesis, best_first

Similarity = Callable[[str, str], float]
"""hypothesis and reference -> similarity from 0 to 100"""


def expected_utilities(texts: Sequence[str], counts: Sequence[int], similarity: Similarity) -> list[float]:
    """Return the mean similarity of each text to all texts, itself included, weighted by their counts."""
    total = sum(counts)
    return [
        sum(count * similarity(text, other) for other, count in zip(texts, counts, strict=True)) / total
        for text in texts
    ]


def rerank(hypotheses: list[Hypothesis], texts: Sequence[str], similarity: Similarity) -> list[Hypothesis]:
    """Sort hypotheses with these texts by their expected utility, which becomes their score."""
    utilities = expected_utilities(texts, [hypothesis.count for hypothesis in hypotheses], similarity)
    scored = [replace(hypothesis, score=u) for hypothesis, u in zip(hypotheses, utilities, strict=True)]
    return best_first(scored)
