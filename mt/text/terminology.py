"""Source terms and the target terms that must translate them."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from mt.config.search import MAX_PHRASE
from mt.errors import UserError
from mt.runtime.files import read_lines
from mt.text.casing import lower


def alternatives(text: str) -> tuple[str, ...]:
    """Split `one|another` into phrases without surrounding spaces; return nothing if one of them is empty."""
    phrases = tuple(" ".join(phrase.split()) for phrase in text.split("|"))
    return phrases if all(phrases) else ()


@dataclass(frozen=True)
class Terminology:
    """Source terms in lower case, and for each the target terms of which one must occur."""

    terms: Mapping[str, tuple[str, ...]]

    @cached_property
    def lengths(self) -> list[int]:
        """Lengths of the terms in characters, longest first."""
        return sorted({len(term) for term in self.terms}, reverse=True)

    def rewrite(self, write: Callable[[str], str]) -> Terminology:
        """Return the terminology with every source term passed through `write`."""
        return Terminology({write(term): targets for term, targets in self.terms.items()})

    def find(self, text: str, boundaries: Container[int]) -> list[tuple[str, ...]]:
        """Return the target terms for the source terms in `text`, ignoring case.

        Of overlapping terms the first is taken, and of several that start at one character the longest.

        Args:
            boundaries: indices of the text at which a term may begin or end.
        """
        text, start = lower(text), 0
        found: dict[tuple[str, ...], None] = {}
        while start < len(text):
            if start not in boundaries:
                start += 1
                continue
            for end in (start + length for length in self.lengths):
                term = text[start:end]
                if term in self.terms and end in boundaries:
                    found[self.terms[term]] = None
                    start = end
                    break
            else:
                start += 1
        return list(found)


@lru_cache(maxsize=1)
def load_terminology(path: str) -> Terminology:
    """Read a file of `source term <tab> target term|another target term` lines; empty lines are skipped.

    Raises:
        UserError: the file does not exist, or a line has another form.
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
        term, targets = lower(" ".join(columns[0].split())), alternatives(columns[1])
        if max(map(len, (term, *targets))) > MAX_PHRASE:
            raise UserError(f"{path}, line {number}: a term has at most {MAX_PHRASE} characters.")
        terms[term] = terms.get(term, ()) + targets
    return Terminology(terms)
