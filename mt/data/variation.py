"""Variation of the training pairs: noise and random segmentation, different in every epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from random import Random

from mt.config.data import NoiseConfig
from mt.data.noise import add_noise
from mt.text.tags import Tags
from mt.text.tokenizer import Pairs, Rows, Tokenizer


@dataclass(frozen=True)
class Variation:
    """Noise, and random segmentation of both sides."""

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

    def __call__(self, pairs: Pairs, src_langs: Sequence[str], seed: int) -> Pairs:
        """Vary pairs of ids; the seed determines the result. Tags are kept.

        Args:
            src_langs: the source language of each pair, whose rules for lower case are followed.
        """
        tags = [self.tags_of(pair) for pair in pairs]
        texts = [(src[len(own.src) :], tgt[len(own.tgt) :]) for own, (src, tgt) in zip(tags, pairs, strict=True)]
        if self.noise.is_active:
            texts = self.add_noise(texts, src_langs, seed)
        if self.subword_alpha:
            texts = self.tokenizer.resample(texts, self.subword_alpha, seed)
        varied = []
        for own, old, text in zip(tags, pairs, texts, strict=True):
            (new,) = own.before([text])
            varied.append(new if all(text) and max(map(len, new)) <= self.max_len else old)
        return varied

    def tags_of(self, pair: tuple[Sequence[int], Sequence[int]]) -> Tags:
        """Return the tags at the start of both sides."""
        known = (set(self.tokenizer.tags.values()), set(self.tokenizer.tgt_tags.values()))
        return Tags(*(list(takewhile(tags.__contains__, ids)) for tags, ids in zip(known, pair, strict=True)))

    def add_noise(self, pairs: Pairs, src_langs: Sequence[str], seed: int) -> Pairs:
        """Add noise to pairs; only the sides that it changes are encoded again."""
        random, tokenizer = Random(seed), self.tokenizer
        old = [tokenizer.src.decode([src for src, _ in pairs]), tokenizer.tgt.decode([tgt for _, tgt in pairs])]
        noisy = [
            add_noise((src, tgt), self.noise, tokenizer.markers, random, lang)
            for src, tgt, lang in zip(*old, src_langs, strict=True)
        ]
        sides: list[Rows] = []
        for number, encode in enumerate((tokenizer.encode_src, tokenizer.encode_tgt)):
            rows = [pair[number] for pair in pairs]
            changed = [
                i for i, (before, after) in enumerate(zip(old[number], noisy, strict=True)) if before != after[number]
            ]
            for index, ids in zip(changed, encode([noisy[i][number] for i in changed]), strict=True):
                rows[index] = ids
            sides.append(rows)
        return list(zip(*sides, strict=True))
