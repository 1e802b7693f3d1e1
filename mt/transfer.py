"""Where the words that a tag encloses have gone, read off the attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from mt.alignment import source_attention
from mt.markup import Element, MarkedText, Span, write_marks
from mt.model.transformer import Transformer
from mt.sentences import is_word_character
from mt.tokenizer import Tokenizer

ENOUGH = 0.5
"""the share of its attention that makes a word belong to a tag"""


def put_back(
    marked: MarkedText,
    translation: str,
    model: Transformer,
    tokenizer: Tokenizer,
    spaced: tuple[bool, bool],
    tags: Sequence[int] = (),
) -> str:
    """The translation of `marked.plain`, with tags and placeholders.

    `spaced`: whether source and target language have spaces; `tags`: source ids before the text.
    """
    (src_ids,), (tgt_ids,) = tokenizer.encode_src([marked.plain]), tokenizer.encode_tgt([translation])
    if src_ids and tgt_ids and marked.root.children:
        seen = piece_shares(model, tokenizer, [*tags, *src_ids], tgt_ids)[:, len(tags) :]
        pieces = spans([tokenizer.decode_tgt(tgt_ids[:end]) for end in range(1, len(tgt_ids) + 1)])
        words = words_of(translation) if spaced[1] else pieces
        of_words = [[i for i, piece in enumerate(pieces) if overlap(piece, word)] for word in words]
        shares = torch.stack([seen[rows].mean(0) if rows else seen.mean(0) for rows in of_words])
        sources = spans([tokenizer.decode_src(src_ids[:end]) for end in range(1, len(src_ids) + 1)])
        Transfer(words, shares / shares.sum(1, keepdim=True), sources).place(marked.root, (0, len(words)))
    return write_marks(marked, translation, spaced)


def piece_shares(model: Transformer, tokenizer: Tokenizer, src_ids: list[int], tgt_ids: list[int]) -> Tensor:
    """How much each target piece comes from each source piece, (T, S); by their order where they are too many."""
    if max(len(src_ids), len(tgt_ids)) >= model.n_target_positions:
        places = torch.arange(len(tgt_ids)) * len(src_ids) // len(tgt_ids)
        return torch.eye(len(src_ids))[places]
    return source_attention(model, tokenizer, src_ids, tgt_ids, len(model.decoder) // 2).weights[:-1, :-1].cpu()


def spans(beginnings: Sequence[str]) -> list[Span]:
    """Of each piece without the space that it may begin with, given the text up to its end."""
    starts = map(len, ["", *beginnings])
    return [
        (len(text) - len(text[start:].lstrip()), len(text)) for start, text in zip(starts, beginnings, strict=False)
    ]


def words_of(text: str) -> list[Span]:
    """Words, and what else is no space, a character each."""
    found: list[Span] = []
    for place, character in enumerate(text):
        inside = is_word_character(character)
        if inside and found and found[-1][1] == place and is_word_character(text[place - 1]):
            found[-1] = (found[-1][0], place + 1)
        elif not character.isspace():
            found.append((place, place + 1))
    return found


def overlap(one: Span, other: Span) -> bool:
    """Whether they have a character in common."""
    return one[0] < other[1] and other[0] < one[1]


@dataclass(frozen=True)
class Transfer:
    """The words of a translation, and where each comes from."""

    words: Sequence[Span]
    """in characters"""
    shares: Tensor
    """how much each comes from each source piece, (words, pieces), rows sum to 1"""
    pieces: Sequence[Span]
    """of the source, in characters"""

    def place(self, element: Element, free: Span) -> None:
        """Choose the words of all that `element` encloses, among those from and to `free`."""
        chosen: dict[int, Span] = {}
        for number, child in enumerate(element.children):
            sources = [j for j, piece in enumerate(self.pieces) if overlap(piece, child.source)]
            if child.closing and sources:
                gains = (self.shares[:, sources].sum(1) - ENOUGH).tolist()
                for start, end in chosen.values():
                    gains[start:end] = [-inf] * (end - start)
                chosen[number] = best_run(gains, free)
        for number, child in enumerate(element.children):
            if number not in chosen:
                place = self.cut(child.source[0], free)
                chosen[number] = (place, place)
            child.target = self.characters(chosen[number])
            self.place(child, chosen[number])

    def cut(self, character: int, free: Span) -> int:
        """The place within `free` that best parts words of what is before a character of the source from the rest."""
        before = [j for j, piece in enumerate(self.pieces) if piece[0] < character]
        gains = [0.0, *(self.shares[slice(*free)][:, before].sum(1) - ENOUGH).cumsum(0).tolist()]
        return free[0] + gains.index(max(gains))

    def characters(self, words: Span) -> Span:
        """Where words stand; no words: the place before one, or behind the last."""
        start, end = words
        if start < end:
            return self.words[start][0], self.words[end - 1][1]
        place = self.words[start][0] if start < len(self.words) else self.words[-1][1]
        return place, place


def best_run(gains: Sequence[float], free: Span) -> Span:
    """The run of places within `free` with the largest sum, one place at least; none where all are minus infinity."""
    best, found = -inf, (free[0], free[0])
    for start in range(*free):
        total = 0.0
        for end in range(start, free[1]):
            total += gains[end]
            if total > best:
                best, found = total, (start, end + 1)
    return found
