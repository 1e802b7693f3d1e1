"""What a translation must or must not contain, decided token by token.

A rule is given the scores of all next tokens and changes them in place; what may not come gets minus infinity. The
log-probabilities that are reported stay the model's own.

Shapes: B sentences still searched, N hypotheses of each, T tokens so far, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from mt.text.sentences import is_word_character

NEVER = float("-inf")
UNWANTED = -100.0
"""the least score of what must come, whatever other rules say"""


class Rule(Protocol):
    """Changes the scores of next tokens."""

    def __call__(self, scores: Tensor, tokens: Tensor, sentences: list[int]) -> None:
        """Change `scores` (B, N, V), given `tokens` (B, N, T); row b is the sentence `sentences[b]` of the batch."""


@dataclass(frozen=True)
class MinLength:
    """A translation has at least so many tokens; a number for each sentence of the batch."""

    eos_id: int
    min_lens: Sequence[int]

    def __call__(self, scores: Tensor, tokens: Tensor, sentences: list[int]) -> None:
        """As `Rule`."""
        short = [row for row, sentence in enumerate(sentences) if tokens.size(2) < self.min_lens[sentence]]
        scores[short, :, self.eos_id] = NEVER


@dataclass(frozen=True)
class ForcedPrefix:
    """A translation begins with these tokens; one list for each sentence of the batch."""

    prefixes: Sequence[Sequence[int]]

    def __call__(self, scores: Tensor, tokens: Tensor, sentences: list[int]) -> None:
        """As `Rule`."""
        for row, sentence in enumerate(sentences):
            prefix = self.prefixes[sentence]
            if tokens.size(2) < len(prefix):
                forced = prefix[tokens.size(2)]
                kept = scores[row, :, forced].clamp(min=UNWANTED)
                scores[row] = NEVER
                scores[row, :, forced] = kept


@dataclass(frozen=True)
class NoRepeatedNgram:
    """No n tokens in a row come twice (Paulus, Xiong and Socher, 2018, section 2.5)."""

    n: int

    def __call__(self, scores: Tensor, tokens: Tensor, sentences: list[int]) -> None:
        """As `Rule`."""
        if tokens.size(2) < self.n:
            return
        begun = tokens[..., tokens.size(2) - self.n + 1 :].unsqueeze(2)  # what an n-gram of the next token begins with
        earlier = tokens.unfold(2, self.n, 1)  # (B, N, n-grams, n)
        places = (earlier[..., :-1] == begun).all(3).nonzero(as_tuple=True)
        scores[places[0], places[1], earlier[..., -1][places]] = NEVER


@dataclass(frozen=True)
class RepetitionPenalty:
    """Tokens that came already have their log-probability times `factor` (Keskar et al., "CTRL", 2019, section 4.1)."""

    factor: float

    def __call__(self, scores: Tensor, tokens: Tensor, sentences: list[int]) -> None:
        """As `Rule`."""
        scores.scatter_(2, tokens, scores.gather(2, tokens) * self.factor)


class Forbidden:
    """Some phrases are not written, in whichever pieces; nor longer words that begin with the pieces of one."""

    def __init__(self, phrases: Sequence[bytes], pieces: Sequence[bytes]) -> None:
        """`pieces`: what the tokens write, a space where a word begins; `phrases`: with a space before them, too.

        A phrase without a space before it is found inside of words as well.
        """
        self.pieces = pieces
        self.completing: dict[bytes, list[int]] = {}
        """what stands before -> the tokens that would complete a phrase"""
        for phrase in phrases:
            for token, piece in enumerate(pieces):
                if piece and phrase.endswith(piece):
                    self.completing.setdefault(phrase[: -len(piece)], []).append(token)
                elif not phrase.startswith(b" ") and phrase in piece:
                    self.completing.setdefault(b"", []).append(token)
                elif not phrase.startswith(b" "):  # the piece goes on behind the phrase
                    for start in range(1, len(phrase)):
                        if piece.startswith(phrase[start:]):
                            self.completing.setdefault(phrase[:start], []).append(token)
        self.longest = max(map(len, self.completing), default=0)

    def __call__(self, scores: Tensor, tokens: Tensor, sentences: list[int]) -> None:
        """As `Rule`."""
        for row, hypotheses in enumerate(tokens.tolist()):
            for column, hypothesis in enumerate(hypotheses):
                # each piece has a byte at least, and a character four at most
                text = b" " + b"".join(self.pieces[token] for token in hypothesis[-self.longest - 4 :])
                for before, completing in self.completing.items():
                    if stands_behind(text, before):
                        scores[row, column, completing] = NEVER


def stands_behind(text: bytes, phrase: bytes) -> bool:
    """Whether a text ends with (the beginning of) a phrase; for its first space any mark will do, as a bracket."""
    if not phrase.startswith(b" "):
        return text.endswith(phrase)
    if not text.endswith(phrase[1:]):
        return False
    before = text[: len(text) - len(phrase) + 1][-4:].decode(errors="ignore")[-1:]
    return not is_word_character(before or " ")
