"""Parallel text encoded once: ids on disk, lengths in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mt.data.cleaning import KEPT, NO_HASHES, REASONS, Cleaning, Hashes, language_identifier, observe, reasons
from mt.data.sampler import Indices, Lengths
from mt.data.sources import ParallelText
from mt.data.store import EncodedPairs, encode_text
from mt.errors import UserError
from mt.tokenizer import Pairs, Tokenizer


@dataclass
class Corpus:
    """Pairs of ids, special ids not among them."""

    encoded: EncodedPairs
    reasons: NDArray[np.uint8]
    """why each encoded pair is left out, or KEPT"""
    rows: Indices
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
        return np.isin(hashes, self.encoded.facts().src_hashes[self.rows])

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
        cleaning = self.cleaning
        folder = self.cache_dir / "encoded" / f"{text.fingerprint}-{self.tokenizer.fingerprint}-{cleaning.text_key}"
        identify = language_identifier() if cleaning.language else None
        look = partial(observe, cleaning=cleaning, langs=langs, identify=identify)
        encode_text(text, self.tokenizer, look, folder, f"Encoding {key}")
        encoded = EncodedPairs(folder)
        lens = (encoded.src_lens, encoded.tgt_lens)
        why = reasons(encoded.facts(), lens, cleaning, self.max_len, self.test_sources)
        kept = np.flatnonzero(why == KEPT)
        corpus = Corpus(encoded, why, kept, lens[0][kept] + 1, lens[1][kept] + 1)
        if len(kept) == 0:
            counts = ", ".join(f"{count:,} {reason}" for reason, count in corpus.left_out().items())
            raise UserError(
                f"{key}: none of the {len(encoded):,} pairs can be used: {counts} (data.max_len={self.max_len})."
            )
        return corpus
