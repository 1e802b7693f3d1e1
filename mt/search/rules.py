"""Rules for what a translation must or must not contain, applied token by token.

A rule changes the scores of all next tokens in place; minus infinity excludes a token. The log-probabilities that are
reported remain the model's own.

Shapes: B sentences still searched, N hypotheses of each, T tokens so far, V vocabulary.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from mt.search.loops import LONGEST, REPEATS, REPEATS_WITHOUT_LETTERS
from mt.text.characters import is_word_character

NEVER = float("-inf")
UNWANTED = -100.0
"""lowest score of a forced token, whatever other rules say"""


class Rule(Protocol):
    """A function that changes the scores of next tokens."""

    def __call__(self, scores: Tensor, tokens: Tensor, sentences: list[int]) -> None:
        """Change `scores` (B, N, V), given `tokens` (B, N, T) and the sentence of each row."""


@dataclass(frozen=True)
class MinLength:
    """A minimum number of tokens for each sentence of the batch."""

    eos_id: int
    min_lens: Sequence[int]

    def __call__(self, scores: Tensor, tokens: Tensor, sentences: list[int]) -> None:
        """Exclude EOS in translations that are too short."""
        short = [row for row, sentence in enumerate(sentences) if tokens.size(2) < self.min_lens[sentence]]
        scores[short, :, self.eos_id] = NEVER


@dataclass(frozen=True)
class Excluded:
    """Tokens that the translation of each sentence of the batch never contains."""

    excluded: Sequence[Sequence[int]]

    def __call__(self, scores: Tensor, tokens: Tensor, sentences: list[int]) -> None:
        """Exclude them."""
        common = set(self.excluded[sentences[0]]).intersection(*(self.excluded[sentence] for sentence in sentences))
        scores[..., sorted(common)] = NEVER
        for row, sentence in enumerate(sentences):
            if len(self.excluded[sentence]) > len(common):
                scores[row, :, list(self.excluded[sentence])] = NEVER


@dataclass(frozen=True)
class ForcedPrefix:
    """Tokens that the translation of each sentence of the batch begins with."""

    prefixes: Sequence[Sequence[int]]

    def __call__(self, scores: Tensor, tokens: Tensor, sentences: list[int]) -> None:
        """Exclude all tokens but the next one of the prefix."""
        for row, sentence in enumerate(sentences):
            prefix = self.prefixes[sentence]
            if tokens.size(2) < len(prefix):
                forced = prefix[tokens.size(2)]
                kept = scores[row, :, forced].clamp(min=UNWANTED)
                scores[row] = NEVER
                scores[row, :, forced] = kept


@dataclass(frozen=True)
class NoRepeatedNgram:
    """No n tokens in a row may occur twice (Paulus, Xiong and Socher, 2018, section 2.5)."""

    n: int

    def __call__(self, scores: Tensor, tokens: Tensor, sentences: list[int]) -> None:
        """Exclude tokens that would complete an earlier n-gram."""
        if tokens.size(2) < self.n:
            return
        begun = tokens[..., tokens.size(2) - self.n + 1 :].unsqueeze(2)  # what an n-gram of the next token starts with
        earlier = tokens.unfold(2, self.n, 1)  # (B, N, n-grams, n)
        repeated = (earlier[..., :-1] == begun).all(3).nonzero(as_tuple=True)
        scores[repeated[0], repeated[1], earlier[..., -1][repeated]] = NEVER


@dataclass(frozen=True)
class NoLoops:
    """The same tokens in a row, again and again, end: no sequence of up to 16 tokens is repeated much."""

    without_letters: Tensor | None = None
    """for each token, whether it is digits or punctuation, which repeat more often, as in 1000000; None: none is"""
    exempt: Collection[int] = ()
    """sentences of the batch whose translation has to contain given tokens, perhaps such"""
    longest: int = LONGEST
    repeats: int = REPEATS
    """times that a sequence may occur in a row"""
    repeats_without_letters: int = REPEATS_WITHOUT_LETTERS
    """times that a single token without letters may"""

    def __call__(self, scores: Tensor, tokens: Tensor, sentences: list[int]) -> None:
        """Exclude tokens that would continue a loop."""
        before = tokens[..., -self.longest - 1 : -1].flip(2)
        periods = (before == tokens[..., -1:]).flatten(0, 1).any(0).nonzero().flatten() + 1
        for period in periods.tolist():  # few: most tokens have not occurred shortly before
            loops = self.ends_with(tokens, period, self.repeats)
            if period == 1 and self.without_letters is not None:
                spared = self.without_letters.to(tokens.device)[tokens[..., -1]]
                loops &= ~spared | self.ends_with(tokens, period, self.repeats_without_letters)
            loops[[row for row, sentence in enumerate(sentences) if sentence in self.exempt]] = False
            rows, columns = loops.nonzero(as_tuple=True)
            scores[rows, columns, tokens[rows, columns, -period]] = NEVER

    def ends_with(self, tokens: Tensor, period: int, repeats: int) -> Tensor:
        """Return which of the hypotheses (B, N, T) end with a sequence of `period` tokens so many times, (B, N)."""
        recent = tokens[..., -period * repeats :]
        if recent.size(2) < period * repeats:
            return torch.zeros_like(tokens[..., 0], dtype=torch.bool)
        return (recent[..., period:] == recent[..., :-period]).all(2)


@dataclass(frozen=True)
class RepetitionPenalty:
    """A factor for the log-probability of tokens that occurred already (Keskar et al., "CTRL", 2019, section 4.1)."""

    factor: float

    def __call__(self, scores: Tensor, tokens: Tensor, sentences: list[int]) -> None:
        """Multiply the score of each next token that the hypothesis already contains by `factor`."""
        scores.scatter_(2, tokens, scores.gather(2, tokens) * self.factor)


class Forbidden:
    """Phrases that must not occur, however segmented; also excludes longer words that start with the same pieces."""

    def __init__(self, phrases: Sequence[bytes], pieces: Sequence[bytes]) -> None:
        """Find the tokens that can complete each phrase.

        Args:
            phrases: one that starts with a space is excluded only at the start of a word, any other inside words, too.
            pieces: the text of each token, with a space at the start of a word.
        """
        self.pieces = pieces
        self.completing: dict[bytes, list[int]] = {}
        """preceding text -> tokens that would complete a phrase"""
        for phrase in phrases:
            for token, piece in enumerate(pieces):
                if piece and phrase.endswith(piece):
                    self.completing.setdefault(phrase[: -len(piece)], []).append(token)
                elif not phrase.startswith(b" ") and phrase in piece:
                    self.completing.setdefault(b"", []).append(token)
                elif not phrase.startswith(b" "):  # the piece continues after the phrase
                    for start in range(1, len(phrase)):
                        if piece.startswith(phrase[start:]):
                            self.completing.setdefault(phrase[:start], []).append(token)
        self.longest = max(map(len, self.completing), default=0)

    def __call__(self, scores: Tensor, tokens: Tensor, sentences: list[int]) -> None:
        """Exclude tokens that would complete a phrase."""
        for row, hypotheses in enumerate(tokens.tolist()):
            for column, hypothesis in enumerate(hypotheses):
                # every piece has at least one byte, and a character at most four
                text = b" " + b"".join(self.pieces[token] for token in hypothesis[-self.longest - 4 :])
                for before, completing in self.completing.items():
                    if ends_with(text, before):
                        scores[row, column, completing] = NEVER


def ends_with(text: bytes, phrase: bytes) -> bool:
    """Return whether a text ends with (the start of) a phrase; its first space stands for any non-word character."""
    if not phrase.startswith(b" "):
        return text.endswith(phrase)
    if not text.endswith(phrase[1:]):
        return False
    before = text[: len(text) - len(phrase) + 1][-4:].decode(errors="ignore")[-1:]
    return not is_word_character(before or " ")
