"""Where the words that a tag encloses have gone, read off the attention."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from mt.model.transformer import Transformer
from mt.text.markup import CLOSES, Element, MarkedText, Span, write_marks
from mt.text.sentences import is_word_character
from mt.text.tokenizer import Tokenizer
from mt.translation.alignment import Parts, attention_by_parts
from mt.translation.result import Translation

ENOUGH = 0.5
"""the share of its attention that makes a word belong to a tag"""


def put_back(
    marked: MarkedText,
    translated: Translation,
    model: Transformer,
    tokenizer: Tokenizer,
    spaced: tuple[bool, bool],
    tags: Sequence[int] = (),
) -> str:
    """The translation of `marked.plain`, with tags and placeholders.

    `spaced`: whether source and target language have spaces; `tags`: source ids before each part.
    """
    src_ids = [i for src, _ in translated.parts for i in src]
    pieces = target_spans(translated.parts, tokenizer, spaced[1])
    words = words_of(translated.text) if spaced[1] else pieces
    if src_ids and pieces and words and marked.root.children:
        seen = attention_by_parts(model, tokenizer, translated.parts, tags, len(model.decoder) // 2).cpu()
        of_words = [[i for i, piece in enumerate(pieces) if overlap(piece, word)] for word in words]
        shares = torch.stack([seen[rows].mean(0) if rows else seen.mean(0) for rows in of_words])
        sources = spans([tokenizer.src_texts[i] for i in src_ids])
        ends = marked.plain.rstrip().endswith(CLOSES) and translated.text.endswith(CLOSES)
        full_stop = len(marked.plain.rstrip()) - 1 if ends else inf
        transfer = Transfer(words, shares / shares.sum(1, keepdim=True), sources, full_stop)
        transfer.place(marked.root, (0, len(words)))
    return write_marks(marked, translated.text, spaced)


def target_spans(parts: Parts, tokenizer: Tokenizer, spaced: bool) -> list[Span]:
    """Where each piece stands in the translation of a line that was translated in parts."""
    found: list[Span] = []
    place = 0
    for _, tgt in parts:
        found += [(place + start, place + end) for start, end in spans([tokenizer.tgt_texts[i] for i in tgt])]
        place += len(tokenizer.decode_tgt(tgt)) + spaced
    return found


def spans(pieces: Sequence[bytes]) -> list[Span]:
    """Where each of some pieces stands in the text that they write, without the space that it may begin with.

    A character that is spelt in bytes belongs to the last of them.
    """
    decoder = getincrementaldecoder("utf-8")("replace")
    found, end = [], 0
    for number, piece in enumerate(pieces):
        text = decoder.decode(piece)
        text = text.removeprefix(" ") if number == 0 else text
        start, end = end + len(text) - len(text.lstrip()), end + len(text)
        found.append((start, end))
    return found


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
    full_stop: float = inf
    """the character of the source that ends it, where one ends the translation, too"""

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
                if place == len(self.words) and free[0] < place and child.source[1] <= self.full_stop < inf:
                    place -= 1
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
