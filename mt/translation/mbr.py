"""Minimum Bayes risk decoding: the translation that is most like all others that the model could have given.

Kumar and Byrne, "Minimum Bayes-Risk Decoding for Statistical Machine Translation", 2004; with samples: Eikema and Aziz,
"Is MAP Decoding All You Need?", 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


def expected_utilities(
    texts: Sequence[str], counts: Sequence[int], similarity: Callable[[str, str], float]
) -> list[float]:
    """The mean similarity of each text to all of them, itself among them, 0 to 100; `counts`: how often each came."""
    total = sum(counts)
    return [
        sum(count * similarity(text, other) for other, count in zip(texts, counts, strict=True)) / total
        for text in texts
    ]
