"""Where to cut a line that is longer than what the model takes at once."""

from __future__ import annotations

from collections.abc import Callable

SENTENCE_ENDS = tuple(".!?。！？…")
CLAUSE_ENDS = tuple(",;:，；：、")


def cut_long(ids: list[int], max_len: int, to_piece: Callable[[int], str]) -> list[list[int]]:
    """Ids in parts of at most `max_len`; no part for an empty line."""
    parts = []
    while len(ids) > max_len:
        end = find_cut([to_piece(i) for i in ids[:max_len]])
        parts.append(ids[:end])
        ids = ids[end:]
    return [*parts, ids] if ids else parts


def find_cut(pieces: list[str]) -> int:
    """Where to cut: after the last sentence, else the last clause, else before the last word, else at the end."""
    for ends in (SENTENCE_ENDS, CLAUSE_ENDS):
        places = [i + 1 for i, piece in enumerate(pieces) if piece.endswith(ends)]
        if places and places[-1] > len(pieces) // 4:
            return places[-1]
    places = [i for i, piece in enumerate(pieces) if piece.startswith("▁") and i]
    return places[-1] if places else len(pieces)
