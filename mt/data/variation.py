"""The same pairs in other words or pieces each time they are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from mt.data.noise import Noise
from mt.text.tokenizer import Pairs, Rows, Tokenizer


@dataclass(frozen=True)
class Variation:
    """Noise on the source, and other pieces on both sides."""

    tokenizer: Tokenizer
    max_len: int
    """a pair that would become longer, or empty, stays as it is"""
    noise: Noise
    subword_alpha: float = 0.0
    """as `Tokenizer.resample` takes it; 0: the same pieces as ever"""

    def __bool__(self) -> bool:
        return bool(self.noise or self.subword_alpha)

    def __call__(self, pairs: Pairs, seed: int) -> Pairs:
        """Pairs of ids as others; the same seed gives the same. Marks before a source stay."""
        marks = [self.marks_before(src) for src, _ in pairs]
        texts = [(src[n:], tgt) for n, (src, tgt) in zip(marks, pairs, strict=True)]
        if self.noise:
            sources = self.noisy([src for src, _ in texts], seed)
            texts = [(src, tgt) for src, (_, tgt) in zip(sources, texts, strict=True)]
        if self.subword_alpha:
            texts = self.tokenizer.resample(texts, self.subword_alpha, seed)
        varied = [([*old[0][:n], *src], tgt) for n, old, (src, tgt) in zip(marks, pairs, texts, strict=True)]
        return [
            new if max(map(len, new)) <= self.max_len and len(new[0]) > n and new[1] else old
            for n, old, new in zip(marks, pairs, varied, strict=True)
        ]

    def marks_before(self, src: Sequence[int]) -> int:
        """How many tags a source begins with."""
        tags = set(self.tokenizer.tags.values())
        return next((n for n, token in enumerate(src) if token not in tags), len(src))

    def noisy(self, sources: Rows, seed: int) -> Rows:
        """Sources with noise; only those that it changes are encoded anew."""
        random = Random(seed)
        lines = [self.tokenizer.decode_src(src) for src in sources]
        changed = [self.noise.apply(line, random) for line in lines]
        places = [i for i, (old, new) in enumerate(zip(lines, changed, strict=True)) if old != new]
        found = list(sources)
        for place, ids in zip(places, self.tokenizer.encode_src([changed[i] for i in places]), strict=True):
            found[place] = ids
        return found
