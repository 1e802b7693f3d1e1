"""Variation of the training pairs: noise on the source and random segmentation, different in every epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from mt.config.data import NoiseConfig
from mt.data.noise import add_noise
from mt.text.tokenizer import Pairs, Rows, Tokenizer


@dataclass(frozen=True)
class Variation:
    """Noise on the source, and random segmentation of both sides."""

    tokenizer: Tokenizer
    max_len: int
    """a pair that would become longer, or empty, is left unchanged"""
    noise: NoiseConfig
    subword_alpha: float = 0.0
    """alpha of `Tokenizer.resample`; 0: the usual segmentation"""

    @property
    def is_active(self) -> bool:
        """True if any variation is on."""
        return self.noise.is_active or self.subword_alpha > 0

    def __call__(self, pairs: Pairs, seed: int) -> Pairs:
        """Vary pairs of ids; the seed determines the result. Tags before a source are kept."""
        n_tags = [self.count_tags(src) for src, _ in pairs]
        texts = [(src[n:], tgt) for n, (src, tgt) in zip(n_tags, pairs, strict=True)]
        if self.noise.is_active:
            sources = self.add_noise([src for src, _ in texts], seed)
            texts = [(src, tgt) for src, (_, tgt) in zip(sources, texts, strict=True)]
        if self.subword_alpha:
            texts = self.tokenizer.resample(texts, self.subword_alpha, seed)
        varied = [([*old[0][:n], *src], tgt) for n, old, (src, tgt) in zip(n_tags, pairs, texts, strict=True)]
        return [
            new if max(map(len, new)) <= self.max_len and len(new[0]) > n and new[1] else old
            for n, old, new in zip(n_tags, pairs, varied, strict=True)
        ]

    def count_tags(self, src: Sequence[int]) -> int:
        """Return the number of tags at the start of a source."""
        tags = set(self.tokenizer.tags.values())
        return next((n for n, token in enumerate(src) if token not in tags), len(src))

    def add_noise(self, sources: Rows, seed: int) -> Rows:
        """Add noise to sources; only those that it changes are encoded again."""
        random = Random(seed)
        lines = [self.tokenizer.decode_src(src) for src in sources]
        noisy = [add_noise(line, self.noise, random) for line in lines]
        changed = [i for i, (old, new) in enumerate(zip(lines, noisy, strict=True)) if old != new]
        found = list(sources)
        for index, ids in zip(changed, self.tokenizer.encode_src([noisy[i] for i in changed]), strict=True):
            found[index] = ids
        return found
