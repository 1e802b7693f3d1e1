"""Parallel text, encoded once: ids on disk, lengths in memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mt.config.choices import Duplicates
from mt.config.data import CleanConfig
from mt.data.cleaning import (
    DUPLICATE,
    KEPT,
    NEAR_DUPLICATE,
    NO_HASHES,
    REASONS,
    Hashes,
    facts_key,
    language_identifier,
    mark_duplicates,
    observe,
    reasons_to_drop,
)
from mt.data.sampler import Indices, Lengths
from mt.data.sources import ParallelText
from mt.data.store import ENCODING, EncodedPairs, Share, encode_text
from mt.errors import UserError
from mt.text.tags import NO_TAGS, Tags
from mt.text.tokenizer import Pairs, Tokenizer


@dataclass
class Corpus:
    """Encoded pairs, without special ids, and which of them are used."""

    encoded: EncodedPairs
    reasons: NDArray[np.uint8]
    """why each encoded pair is dropped, or KEPT"""
    rows: NDArray[np.int32]
    """indices of the kept pairs"""
    src_lens: Lengths
    """pieces of each kept source, plus one for EOS"""
    tgt_lens: Lengths

    def __len__(self) -> int:
        return len(self.src_lens)

    def pairs(self, indices: Indices) -> Pairs:
        """Return the source and target ids of some kept pairs."""
        return self.encoded.pairs(self.rows[indices])

    def dropped(self) -> dict[str, int]:
        """Return the number of pairs dropped for each reason."""
        counts = np.bincount(self.reasons, minlength=len(REASONS))
        return {reason: int(count) for reason, count in zip(REASONS[1:], counts[1:], strict=True) if count}

    def kept_values(self, side: int) -> Iterator[NDArray[np.integer[Any]]]:
        """Yield the ids of the kept sources (0) or targets (1) in sequence, part by part."""
        start = 0
        for part in self.encoded.parts:
            kept = self.reasons[start : start + len(part)] == KEPT
            yield part.values[side][np.repeat(kept, part.lens(side))]
            start += len(part)

    def has_sources(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Return for each sentence, given by its hash, whether it is the source of a kept pair."""
        start, found = 0, np.zeros(len(hashes), bool)
        for part in self.encoded.parts:  # never all in memory
            kept = self.reasons[start : start + len(part)] == KEPT
            found |= np.isin(hashes, part.facts.src_hashes[kept])
            start += len(part)
        return found

    def describe(self) -> str:
        """Describe the size of the corpus and what was dropped in one sentence."""
        dropped = [f"{count:,} {reason}" for reason, count in self.dropped().items()]
        last = f"{', '.join(dropped[:-1])} and {dropped[-1]}" if len(dropped) > 1 else "".join(dropped)
        src, tgt = (int(lens.sum(dtype=np.int64)) - len(self) for lens in (self.src_lens, self.tgt_lens))
        text = f"{len(self):,} pairs, {src:,} source and {tgt:,} target pieces"
        return f"{text}; dropped: {last}" if dropped else text


@dataclass(frozen=True)
class CorpusEncoder:
    """Encodes text as a corpus and drops pairs."""

    tokenizer: Tokenizer
    max_len: int
    """pairs with a side of more pieces, tags included, are dropped"""
    cache_dir: Path
    """folder for encoded text"""
    clean: CleanConfig = field(default_factory=CleanConfig)
    other_sources: Hashes = field(default_factory=NO_HASHES.copy)
    """hashes of the sources of validation and test data"""

    def encode(self, text: ParallelText, langs: tuple[str, str], key: str, tags: Tags = NO_TAGS) -> Corpus:
        """Encode a text, or load what an earlier run encoded, and select the pairs that pass every filter.

        Args:
            tags: that will stand before each pair.

        Raises:
            UserError: no pair is left; the message names the configuration `key` of the corpus.
        """
        self.encode_share(text, langs, key, Share())
        encoded = EncodedPairs(self.folder_of(text))
        if not encoded.parts:
            raise UserError(f"{key}: no pair of {text.name} is left for training (data.fraction, or pairs held out).")
        corpus = self.choose(encoded, tags)
        if len(corpus) == 0:
            counts = ", ".join(f"{count:,} {reason}" for reason, count in corpus.dropped().items())
            raise UserError(
                f"{key}: none of the {len(corpus.encoded):,} pairs can be used: {counts} (data.max_len={self.max_len})."
            )
        return corpus

    def encode_share(self, text: ParallelText, langs: tuple[str, str], key: str, share: Share) -> None:
        """Encode one process's share of a text."""
        look = partial(observe, clean=self.clean)
        if self.clean.language:
            identify, labels = language_identifier(langs, key)
            look = partial(look, labels=labels, identify=identify)
        encode_text(text, self.tokenizer, look, self.folder_of(text), f"Encoding {key}", share)

    def folder_of(self, text: ParallelText) -> Path:
        """Return the folder of a text's ids."""
        name = f"{text.fingerprint}-{self.tokenizer.fingerprint}-{facts_key(self.clean)}-{ENCODING}"
        return self.cache_dir / "encoded" / name

    def choose(self, encoded: EncodedPairs, tags: Tags = NO_TAGS) -> Corpus:
        """Select the pairs that pass every filter, part by part: only what `Corpus` holds stays in memory."""
        reasons = np.zeros(len(encoded), np.uint8)
        max_lens = (self.max_len - len(tags.src), self.max_len - len(tags.tgt))
        start = 0
        for part in encoded.parts:
            lens = (part.lens(0), part.lens(1))
            found = reasons_to_drop(part.facts, lens, self.clean, max_lens, self.other_sources)
            reasons[start : start + len(part)] = found
            start += len(part)
        if self.clean.duplicates is not Duplicates.none:
            reason = NEAR_DUPLICATE if self.clean.duplicates is Duplicates.near else DUPLICATE
            mark_duplicates(reasons, np.concatenate([part.facts.pair_hashes for part in encoded.parts]), reason)
        kept = reasons == KEPT
        starts = np.cumsum([0, *map(len, encoded.parts)])
        src_lens, tgt_lens = (
            np.concatenate(
                [part.lens(side)[kept[i : i + len(part)]] + 1 for part, i in zip(encoded.parts, starts, strict=False)]
            )
            for side in (0, 1)
        )
        rows = np.flatnonzero(kept).astype(np.int32)  # half the memory; 2 billion pairs are enough
        return Corpus(encoded, reasons, rows, src_lens, tgt_lens)
