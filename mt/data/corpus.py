"""Parallel text encoded once: ids in a memory-mapped Arrow table, lengths in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset, Features, Sequence, Value

from mt.data.sampler import Indices
from mt.errors import UserError
from mt.tokenizer import Tokenizer

FEATURES = Features(
    {
        "src_ids": Sequence(Value("int32")),
        "tgt_ids": Sequence(Value("int32")),
        "src_len": Value("int32"),
        "tgt_len": Value("int32"),
    }
)


@dataclass
class Corpus:
    """Pairs of ids, special ids not among them."""

    table: Dataset
    src_lens: Indices
    """pieces of each source side, one more for the end mark"""
    tgt_lens: Indices
    n_empty: int
    """pairs left out because a side is empty"""
    n_too_long: int

    def __len__(self) -> int:
        return len(self.src_lens)

    def pairs(self, indices: Indices) -> list[tuple[list[int], list[int]]]:
        """The source and target ids of some pairs."""
        rows = self.table[indices]
        return list(zip(rows["src_ids"], rows["tgt_ids"], strict=True))

    def describe(self) -> str:
        """How many pairs there are and what was left out, in a sentence."""
        dropped = [
            f"{count:,} {reason}"
            for count, reason in ((self.n_empty, "with an empty side"), (self.n_too_long, "too long"))
            if count
        ]
        left_out = f"; left out: {' and '.join(dropped)}" if dropped else ""
        tokens = int(self.src_lens.sum()), int(self.tgt_lens.sum())
        return f"{len(self):,} pairs, {tokens[0]:,} source and {tokens[1]:,} target tokens{left_out}"


def encode_corpus(text: Dataset, tokenizer: Tokenizer, max_len: int, key: str) -> Corpus:
    """Encode a table of `src` and `tgt` text, or find what an earlier run encoded with the same tokeniser.

    Args:
        max_len: pairs with a side of more pieces are left out.
        key: the configuration key of the corpus, for error messages.

    Raises:
        UserError: no pair is left.
    """

    def encode(rows: dict[str, list[str]]) -> dict[str, Any]:
        src_ids, tgt_ids = tokenizer.encode_src(rows["src"]), tokenizer.encode_tgt(rows["tgt"])
        return {
            "src_ids": src_ids,
            "tgt_ids": tgt_ids,
            "src_len": [len(ids) for ids in src_ids],
            "tgt_len": [len(ids) for ids in tgt_ids],
        }

    table = text.map(
        encode,
        batched=True,
        batch_size=10_000,
        remove_columns=text.column_names,
        features=FEATURES,
        new_fingerprint=f"{text._fingerprint}-{tokenizer.fingerprint}",
        desc=f"Encoding {key}",
    )
    lengths = table.select_columns(["src_len", "tgt_len"]).with_format("numpy")[:]
    src_lens, tgt_lens = lengths["src_len"].astype(np.int64), lengths["tgt_len"].astype(np.int64)
    empty = (src_lens == 0) | (tgt_lens == 0)
    too_long = ~empty & ((src_lens > max_len) | (tgt_lens > max_len))
    kept = np.flatnonzero(~empty & ~too_long)
    if len(kept) == 0:
        raise UserError(
            f"{key}: none of the {len(table):,} pairs can be used: {empty.sum():,} have an empty side and "
            f"{too_long.sum():,} a side of more than data.max_len={max_len} pieces."
        )
    if len(kept) < len(table):
        table = table.select(kept)
    return Corpus(table, src_lens[kept] + 1, tgt_lens[kept] + 1, int(empty.sum()), int(too_long.sum()))
