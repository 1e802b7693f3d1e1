"""Placement of tags in a translation: where the words that they enclose have moved, according to attention."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from mt.model.transformer import Transformer
from mt.text.characters import is_word_character
from mt.text.markup import CLOSES, Element, MarkedText, Span, write_marks
from mt.text.plain_form import PlainForm
from mt.text.tags import NO_TAGS, Tags
from mt.text.tokenizer import Tokenizer
from mt.translation.alignment import attention_by_parts, middle_layer
from mt.translation.result import Parts, Translation

THRESHOLD = 0.5
"""attention to the enclosed source words that makes a target word belong to a tag"""


def restore_markup(
    marked: MarkedText,
    translation: Translation,
    model: Transformer,
    tokenizer: Tokenizer,
    spaced: tuple[bool, bool],
    tags: Tags = NO_TAGS,
) -> str:
    """Return the translation of `marked.plain` with its markup; `tags` are before each part."""
    form = translation.form or PlainForm(marked.plain)
    src_ids = [i for src, _ in translation.parts for i in src]
    pieces = target_spans(translation.parts, tokenizer, spaced[1])
    words = word_spans(translation.plain) if spaced[1] else pieces
    if src_ids and pieces and words and marked.root.children:
        attention = attention_by_parts(model, tokenizer, translation.parts, tags, middle_layer(model)).cpu()
        rows_of_words = [[i for i, piece in enumerate(pieces) if overlap(piece, word)] for word in words]
        weights = torch.stack([attention[rows].mean(0) if rows else attention.mean(0) for rows in rows_of_words])
        src_pieces = piece_spans([tokenizer.src_texts[i] for i in src_ids])
        full_stop = final_mark(marked.plain, translation.text)
        placement = Placement(words, weights / weights.sum(1, keepdim=True), src_pieces, full_stop)
        placement = restored_placement(placement, form, marked.plain, translation)
        placement.place(marked.root, (0, len(placement.words)))
    elif not form.text:
        place_as_in_source(marked.root)
    return write_marks(marked, translation.text, spaced)


def final_mark(source: str, translation: str) -> float:
    """Return the index of the final punctuation mark of a source, if its translation ends with one, too; else inf."""
    source = source.rstrip()
    return len(source) - 1 if source.endswith(CLOSES) and translation.endswith(CLOSES) else inf


def target_spans(parts: Parts, tokenizer: Tokenizer, spaced: bool) -> list[Span]:
    """Return the span of each piece in the translation of a line that was translated in parts."""
    found: list[Span] = []
    offset = 0
    for _, tgt in parts:
        found += [(offset + start, offset + end) for start, end in piece_spans([tokenizer.tgt_texts[i] for i in tgt])]
        offset += len(tokenizer.decode_tgt(tgt))
        if spaced:
            offset += 1
    return found


def piece_spans(pieces: Sequence[bytes]) -> list[Span]:
    """Return the span of each piece in the text of all of them, without the space that it may begin with.

    A character that is spelled in bytes belongs to the last of them.
    """
    decoder = getincrementaldecoder("utf-8")("replace")
    found, end = [], 0
    for number, piece in enumerate(pieces):
        text = decoder.decode(piece)
        text = text.removeprefix(" ") if number == 0 else text
        start, end = end + len(text) - len(text.lstrip()), end + len(text)
        found.append((start, end))
    return found


def word_spans(text: str) -> list[Span]:
    """Return the span of each word; every other character except spaces is a word by itself."""
    found: list[Span] = []
    for index, character in enumerate(text):
        inside = is_word_character(character)
        if inside and found and found[-1][1] == index and is_word_character(text[index - 1]):
            found[-1] = (found[-1][0], index + 1)
        elif not character.isspace():
            found.append((index, index + 1))
    return found


def overlap(one: Span, other: Span) -> bool:
    """Return whether two spans have a character in common."""
    return one[0] < other[1] and other[0] < one[1]


@dataclass(frozen=True)
class Placement:
    """The words of a translation, and the source pieces that each attends to."""

    words: Sequence[Span]
    """places of the words, in characters"""
    weights: Tensor
    """attention of each word to each source piece, (words, pieces); rows sum to 1"""
    pieces: Sequence[Span]
    """source pieces, in characters"""
    full_stop: float = inf
    """index of the final punctuation mark of the source, if the translation ends with one, too"""

    def place(self, element: Element, free: Span) -> None:
        """Set the targets of all elements inside `element`, using words in the span `free`."""
        chosen: dict[int, Span] = {}
        for number, child in enumerate(element.children):
            sources = [j for j, piece in enumerate(self.pieces) if overlap(piece, child.source)]
            if child.closing and sources:
                gains = (self.weights[:, sources].sum(1) - THRESHOLD).tolist()
                for start, end in chosen.values():
                    gains[start:end] = [-inf] * (end - start)
                chosen[number] = best_run(gains, free)
        for number, child in enumerate(element.children):
            if number not in chosen:
                word = self.cut(child.source[0], free)
                if word == len(self.words) and free[0] < word and child.source[1] <= self.full_stop < inf:
                    word -= 1
                chosen[number] = (word, word)
            child.target = self.characters(chosen[number])
            self.place(child, chosen[number])

    def cut(self, character: int, free: Span) -> int:
        """Return the index in `free` that best separates translations of the text before a source character."""
        before = [j for j, piece in enumerate(self.pieces) if piece[0] < character]
        gains = [0.0, *(self.weights[slice(*free)][:, before].sum(1) - THRESHOLD).cumsum(0).tolist()]
        return free[0] + gains.index(max(gains))

    def characters(self, words: Span) -> Span:
        """Return the characters of a span of words; for an empty span, the point before the word or after the last."""
        start, end = words
        if start < end:
            return self.words[start][0], self.words[end - 1][1]
        point = self.words[start][0] if start < len(self.words) else self.words[-1][1]
        return point, point


def restored_placement(placement: Placement, form: PlainForm, source: str, translation: Translation) -> Placement:
    """Return the placement in a translation that is written as the source was.

    What was copied although the translation has no marker for it, and what stands before and after the text, are words
    that attend to themselves alone.
    """
    missing = form.missing_spans(translation.plain)
    rows = [[float(overlap(piece, span)) for piece in placement.pieces] for span, _ in missing]
    weights = torch.cat((placement.weights, torch.tensor(rows).reshape(-1, len(placement.pieces))))
    before = word_spans(form.before)
    after = [(start - len(form.after), end - len(form.after)) for start, end in word_spans(form.after)]

    def from_end(text: str) -> list[Span]:
        return [(len(text) + start, len(text) + end) for start, end in after]

    return Placement(
        [
            *before,
            *(form.restored_span(translation.plain, word) for word in placement.words),
            *(span for _, span in missing),
            *from_end(translation.text),
        ],
        torch.block_diag(torch.eye(len(before)), weights, torch.eye(len(after))),  # type: ignore[no-untyped-call]
        [*before, *map(form.source_span, placement.pieces), *from_end(source)],
        placement.full_stop,
    )


def place_as_in_source(element: Element) -> None:
    """Set the targets of all elements inside `element` for a text that was not translated."""
    for child in element.children:
        child.target = child.source
        place_as_in_source(child)


def best_run(gains: Sequence[float], free: Span) -> Span:
    """Return the non-empty run of words in `free` with the largest sum; an empty one if all are minus infinity.

    A run goes on as long as its sum is not negative (Kadane's algorithm; Bentley, 1984, "Algorithm Design Techniques").
    """
    best, found = -inf, (free[0], free[0])
    start, total = free[0], 0.0
    for word in range(*free):
        if total < 0:
            start, total = word, 0.0
        total += gains[word]
        if total > best:
            best, found = total, (start, word + 1)
    return found
