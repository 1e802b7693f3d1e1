"""Word alignment of a translation with its source, derived from attention.

The weights of a middle decoder layer are averaged over its heads, at the position that predicts a piece. Chen et al.
("Accurate Word Alignment Induction from Neural Machine Translation", 2020) found it better to use the position
that has just read the piece; our models already attend to the next word there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from sentencepiece import SentencePieceProcessor
from torch import Tensor

from mt.data.batch import build_batch
from mt.model.attention import recorded_weights
from mt.model.transformer import DecoderLayer, Transformer
from mt.text.tags import NO_TAGS, Tags
from mt.text.tokenizer import Tokenizer
from mt.translation.result import Links, Parts


@dataclass(frozen=True)
class Attention:
    """The attention of one decoder layer to the source, for one translation."""

    heads: Tensor
    """weights (H, T, S), EOS included on both sides"""
    src_pieces: list[str]
    tgt_pieces: list[str]

    @property
    def weights(self) -> Tensor:
        """Mean over the heads, (T, S)."""
        return self.heads.mean(0)


def middle_layer(model: Transformer) -> int:
    """Return the decoder layer whose attention is closest to word alignment."""
    return len(model.decoder) // 2


@torch.inference_mode()
def source_attention(
    model: Transformer, tokenizer: Tokenizer, src_ids: list[int], tgt_ids: list[int], layer: int
) -> Attention:
    """Return the attention of decoder layer `layer` to the source, where it predicts each target piece."""
    batch = build_batch([(src_ids, tgt_ids)], tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id)
    batch = batch.to(model.projection.weight.device)
    decoder_layer = model.eval().decoder[layer]
    assert isinstance(decoder_layer, DecoderLayer)
    with recorded_weights(decoder_layer.source_attention) as records:
        model.decode(batch.tgt_in, model.encode(batch.src, batch.src_mask), batch.src_mask)
    return Attention(
        records[0][0].float(),  # (1, H, T, S) -> (H, T, S)
        label_pieces([tokenizer.src.id_to_piece(i) for i in (*src_ids, tokenizer.eos_id)]),
        label_pieces([tokenizer.tgt.id_to_piece(i) for i in (*tgt_ids, tokenizer.eos_id)]),
    )


def attention_by_parts(model: Transformer, tokenizer: Tokenizer, parts: Parts, tags: Tags, layer: int) -> Tensor:
    """Return `source_attention` of a line translated in parts, (T, S), without tags and marks; 0 across parts."""
    blocks = [
        source_attention(model, tokenizer, *pair, layer).weights[len(tags.tgt) : -1, len(tags.src) : -1]
        for pair in tags.before(parts)
    ]
    whole: Tensor = torch.block_diag(*blocks)  # type: ignore[no-untyped-call]
    return whole


def align(
    model: Transformer, tokenizer: Tokenizer, parts: Parts, spaced: tuple[bool, bool], tags: Tags = NO_TAGS
) -> Links:
    """Link each word of a translation with the source word that it attends to most.

    Words are separated by spaces, and may be punctuation alone. In a language without spaces, every piece is a word,
    and so is a run of bytes. `aligned_words` returns the words.

    Args:
        parts: of the line, as they were translated.
        spaced: whether source and target language have spaces between words.
        tags: before each part.
    """
    src_ids, tgt_ids = [i for src, _ in parts for i in src], [i for _, tgt in parts for i in tgt]
    if not src_ids or not tgt_ids:
        return []
    weights = attention_by_parts(model, tokenizer, parts, tags, middle_layer(model))
    src_words = word_numbers([tokenizer.src.id_to_piece(i) for i in src_ids], spaced[0])
    tgt_words = word_numbers([tokenizer.tgt.id_to_piece(i) for i in tgt_ids], spaced[1])
    by_words = sum_by(sum_by(weights, tgt_words).t(), src_words).t()
    return [(int(source), target) for target, source in enumerate(by_words.argmax(1))]


def word_numbers(pieces: Sequence[str], spaced: bool) -> list[int]:
    """Return the number of the word that each piece belongs to."""
    numbers, word, before = [], -1, None
    for piece in pieces:
        continues = before == "▁" or (is_byte(piece) and before is not None and is_byte(before))
        if before is None or (piece.startswith("▁") if spaced else not continues):
            word += 1
        numbers.append(word)
        before = piece
    return numbers


def label_pieces(pieces: Sequence[str]) -> list[str]:
    """Return pieces as labels; the bytes of a character are written as that character, if they are valid."""
    labels = list(pieces)
    for start, piece in enumerate(pieces):
        for length in (2, 3, 4):
            run = pieces[start : start + length]
            if is_byte(piece) and len(run) == length and all(map(is_byte, run)):
                character = bytes(int(byte[1:-1], 16) for byte in run).decode(errors="ignore")
                if len(character) == 1 and len(character.encode()) == length:
                    labels[start : start + length] = [character] * length
    return labels


def is_byte(piece: str) -> bool:
    """Return whether a piece stands for a byte, such as `<0xE2>`."""
    return piece.startswith("<0x")


def aligned_words(tokenizer: Tokenizer, parts: Parts, spaced: tuple[bool, bool]) -> tuple[list[str], list[str]]:
    """Return the source and target words that the links of `align` count."""
    src_ids, tgt_ids = [i for src, _ in parts for i in src], [i for _, tgt in parts for i in tgt]
    return words_of(tokenizer.src, src_ids, spaced[0]), words_of(tokenizer.tgt, tgt_ids, spaced[1])


def words_of(processor: SentencePieceProcessor, ids: Sequence[int], spaced: bool) -> list[str]:
    """Return the words of one side."""
    numbers = word_numbers([processor.id_to_piece(i) for i in ids], spaced)
    groups = [[i for i, word in zip(ids, numbers, strict=True) if word == number] for number in dict.fromkeys(numbers)]
    return [str(processor.decode(group)).strip() for group in groups]


def sum_by(rows: Tensor, numbers: Sequence[int]) -> Tensor:
    """Sum the rows (R, C) that have the same number: (largest number + 1, C)."""
    sums = rows.new_zeros(numbers[-1] + 1, rows.size(1))
    return sums.index_add_(0, torch.tensor(numbers, device=rows.device), rows)
