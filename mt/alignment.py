"""Which words of a translation come from which words of the source, read off the attention.

The heads of a middle decoder layer are taken together, where they are about to write a piece. Chen et al. ("Accurate
Word Alignment Induction from Neural Machine Translation", 2020) found it better where the piece has just been read;
ours look at the next word there already.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mt.data.batch import build_batch
from mt.model.attention import recorded_weights
from mt.model.transformer import DecoderLayer, Transformer
from mt.tokenizer import Tokenizer

Links = list[tuple[int, int]]
"""numbers of words, source and target, from 0"""


@torch.inference_mode()
def align(model: Transformer, tokenizer: Tokenizer, src: str, tgt: str, spaced: tuple[bool, bool]) -> Links:
    """Link each word of `tgt` with the word of `src` that it looked at most; one that has no letters is a word, too.

    Words are what spaces separate; where a language has none, every piece is one. `spaced`: whether source and target
    language have spaces.
    """
    (src_ids,), (tgt_ids,) = tokenizer.encode_src([src]), tokenizer.encode_tgt([tgt])
    if not src_ids or not tgt_ids:
        return []
    batch = build_batch([(src_ids, tgt_ids)], tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id)
    batch = batch.to(model.projection.weight.device)
    layer = model.decoder[len(model.decoder) // 2]
    assert isinstance(layer, DecoderLayer)
    with recorded_weights(layer.source_attention) as records:
        model.decode(batch.tgt_in, model.encode(batch.src, batch.src_mask), batch.src_mask)
    shares = records[0][0].mean(0)[:-1, :-1]  # (1, H, T, S) -> (T, S) without the end marks
    src_words = word_numbers([tokenizer.src.id_to_piece(i) for i in src_ids], spaced[0])
    tgt_words = word_numbers([tokenizer.tgt.id_to_piece(i) for i in tgt_ids], spaced[1])
    by_words = sum_by(sum_by(shares, tgt_words).t(), src_words).t()
    return [(int(source), target) for target, source in enumerate(by_words.argmax(1))]


def word_numbers(pieces: Sequence[str], spaced: bool) -> list[int]:
    """The number of the word that each piece belongs to."""
    numbers, word = [], -1
    for place, piece in enumerate(pieces):
        word += not spaced or piece.startswith("▁") or place == 0
        numbers.append(word)
    return numbers


def sum_by(rows: Tensor, numbers: Sequence[int]) -> Tensor:
    """Sums of the rows (R, C) that have the same number: (largest number + 1, C)."""
    sums = rows.new_zeros(numbers[-1] + 1, rows.size(1))
    return sums.index_add_(0, torch.tensor(numbers, device=rows.device), rows)


def pharaoh(links: Links) -> str:
    """Links as `0-0 1-2`, source first."""
    return " ".join(f"{source}-{target}" for source, target in links)
