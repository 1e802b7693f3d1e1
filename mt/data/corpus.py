"""Parallel text encoded once: ids on disk, lengths in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mt.data.cleaning import (
    DUPLICATE,
    KEPT,
    NEAR_DUPLICATE,
    NO_HASHES,
    REASONS,
    Cleaning,
    Hashes,
    language_identifier,
    mark_duplicates,
    observe,
    reasons,
)
from mt.data.sampler import Indices, Lengths
from mt.data.sources import ParallelText
from mt.data.store import EncodedPairs, Share, encode_text
from mt.errors import UserError
from mt.text.tokenizer import Pairs, Tokenizer


@dataclass
class Corpus:
    """Pairs of ids, special ids not among them."""

    encoded: EncodedPairs
    reasons: NDArray[np.uint8]
    """why each encoded pair is left out, or KEPT"""
    rows: NDArray[np.int32]
    """of the pairs that are used"""
    src_lens: Lengths
    """pieces of each source side, one more for the end mark"""
    tgt_lens: Lengths

    def __len__(self) -> int:
        return len(self.src_lens)

    def pairs(self, indices: Indices) -> Pairs:
        """The source and target ids of some pairs."""
        return self.encoded.pairs(self.rows[indices])

    def left_out(self) -> dict[str, int]:
        """How many pairs were left out for each reason."""
        counts = np.bincount(self.reasons, minlength=len(REASONS))
        return {reason: int(count) for reason, count in zip(REASONS[1:], counts[1:], strict=True) if count}

    def has_sources(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Which of some sentences are the source of a pair that is used."""
        start, found = 0, np.zeros(len(hashes), bool)
        for part in self.encoded.parts:  # never all in memory
            kept = self.reasons[start : start + len(part)] == KEPT
            found |= np.isin(hashes, part.facts.src_hashes[kept])
            start += len(part)
        return found

    def describe(self) -> str:
        """How many pairs there are and what was left out, in a sentence."""
        dropped = [f"{count:,} {reason}" for reason, count in self.left_out().items()]
        last = f"{', '.join(dropped[:-1])} and {dropped[-1]}" if len(dropped) > 1 else "".join(dropped)
        tokens = int(self.src_lens.sum(dtype=np.int64)), int(self.tgt_lens.sum(dtype=np.int64))
        text = f"{len(self):,} pairs, {tokens[0]:,} source and {tokens[1]:,} target tokens"
        return f"{text}; left out: {last}" if dropped else text


@dataclass(frozen=True)
class Encoder:
    """From text to a corpus."""

    tokenizer: Tokenizer
    max_len: int
    """pairs with a side of more pieces are left out"""
    cache_dir: Path
    """where encoded text is kept"""
    cleaning: Cleaning = field(default_factory=Cleaning)
    test_sources: Hashes = field(default_factory=NO_HASHES.copy)
    """of the sentences of the test sets"""

    def encode(self, text: ParallelText, langs: tuple[str, str], key: str) -> Corpus:
        """Encode text, or find what an earlier run encoded with the same tokeniser.

        Args:
            langs: source and target language.
            key: the configuration key of the corpus, for error messages.

        Raises:
            UserError: no pair is left.
        """
        self.encode_share(text, langs, key, Share())
        corpus = self.choose(EncodedPairs(self.folder_of(text)))
        if len(corpus) == 0:
            counts = ", ".join(f"{count:,} {reason}" for reason, count in corpus.left_out().items())
            raise UserError(
                f"{key}: none of the {len(corpus.encoded):,} pairs can be used: {counts} (data.max_len={self.max_len})."
            )
        return corpus

    def encode_share(self, text: ParallelText, langs: tuple[str, str], key: str, share: Share) -> None:
        """Encode a share of a text, of which other processes do the rest."""
        cleaning = self.cleaning
        identify = language_identifier() if cleaning.language else None
        look = partial(observe, cleaning=cleaning, langs=langs, identify=identify)
        encode_text(text, self.tokenizer, look, self.folder_of(text), f"Encoding {key}", share)

    def folder_of(self, text: ParallelText) -> Path:
        """Where a text's ids are kept."""
        name = f"{text.fingerprint}-{self.tokenizer.fingerprint}-{self.cleaning.text_key}"
        return self.cache_dir / "encoded" / name

    def choose(self, encoded: EncodedPairs) -> Corpus:
        """Those pairs that nothing stands against. Part by part: all that stays in memory is what `Corpus` holds."""
        why = np.zeros(len(encoded), np.uint8)
        start = 0
        for part in encoded.parts:
            lens = (part.lens(0), part.lens(1))
            why[start : start + len(part)] = reasons(part.facts, lens, self.cleaning, self.max_len, self.test_sources)
            start += len(part)
        if self.cleaning.duplicates != "none":
            reason = NEAR_DUPLICATE if self.cleaning.duplicates == "near" else DUPLICATE
            mark_duplicates(why, np.concatenate([part.facts.pair_hashes for part in encoded.parts]), reason)
        kept = why == KEPT
        starts = np.cumsum([0, *map(len, encoded.parts)])
        lens_of = [
            np.concatenate(
                [part.lens(side)[kept[i : i + len(part)]] + 1 for part, i in zip(encoded.parts, starts, strict=False)]
            )
            for side in (0, 1)
        ]
        rows = np.flatnonzero(kept).astype(np.int32)  # half the memory; 2 billion pairs are enough
        return Corpus(encoded, why, rows, lens_of[0], lens_of[1])
