"""Terms and how they are to be translated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from mt.data.sources import read_lines
from mt.errors import UserError
from mt.text.sentences import is_word_character


def alternatives(text: str) -> tuple[str, ...]:
    """`one|another` as a list, spaces around them left out; none where one of them says nothing."""
    phrases = tuple(" ".join(phrase.split()) for phrase in text.split("|"))
    return phrases if all(phrases) else ()


@dataclass(frozen=True)
class Terminology:
    """Source terms, in small letters, and for each the target terms of which one is to be written."""

    terms: Mapping[str, tuple[str, ...]]

    @cached_property
    def lengths(self) -> list[int]:
        """Of the terms in characters, longest first."""
        return sorted({len(term) for term in self.terms}, reverse=True)

    def written(self, write: Callable[[str], str]) -> Terminology:
        """The same with source terms as a vocabulary writes them."""
        return Terminology({write(term): found for term, found in self.terms.items()})

    def find(self, text: str, spaced: bool) -> list[tuple[str, ...]]:
        """What is to be written for the terms in `text`; of terms that overlap, the first, and the longest there.

        `spaced`: terms are whole words. Capital letters make no difference.
        """
        text, place = text.lower(), 0
        found: dict[tuple[str, ...], None] = {}
        while place < len(text):
            if spaced and is_inside_word(text, place):
                place += 1
                continue
            for end in (place + length for length in self.lengths):
                term = text[place:end]
                if term in self.terms and not (spaced and is_inside_word(text, end)):
                    found[self.terms[term]] = None
                    place = end
                    break
            else:
                place += 1
        return list(found)


def is_inside_word(text: str, place: int) -> bool:
    """Whether a word goes on from the character before `place` to the one there."""
    return 0 < place < len(text) and is_word_character(text[place - 1]) and is_word_character(text[place])


@lru_cache(maxsize=1)
def load_terminology(path: str) -> Terminology:
    """Read a file of `source term <tab> target term|another target term` a line; empty lines say nothing.

    Raises:
        UserError: there is no such file, or a line has another form.
    """
    if not Path(path).is_file():
        raise UserError(f"search.terminology: there is no file {path}.")
    terms: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(read_lines(Path(path)), start=1):
        columns = line.split("\t")
        if not line.strip():
            continue
        if len(columns) != 2 or not columns[0].strip() or not alternatives(columns[1]):
            raise UserError(f"{path}, line {number}: not `source term <tab> target term`, or `… <tab> one|another`.")
        term = " ".join(columns[0].split()).lower()
        terms[term] = terms.get(term, ()) + alternatives(columns[1])
    return Terminology(terms)
