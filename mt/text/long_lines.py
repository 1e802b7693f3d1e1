"""Cutting lines that are longer than the model takes at once."""

from collections.abc import Callable

SENTENCE_ENDS = tuple(".!?。！？…")
CLAUSE_ENDS = tuple(",;:，；：、")


def cut_long(ids: list[int], max_len: int, to_piece: Callable[[int], str]) -> list[list[int]]:
    """Cut ids into parts of at most `max_len`; an empty line has no parts."""
    parts = []
    while len(ids) > max_len:
        end = find_cut([to_piece(i) for i in ids[:max_len]])
        parts.append(ids[:end])
        ids = ids[end:]
    return [*parts, ids] if ids else parts


def find_cut(pieces: list[str]) -> int:
    """Return where to cut: after the last sentence or clause, or before the last word, or at the end."""
    for ends in (SENTENCE_ENDS, CLAUSE_ENDS):
        cuts = [i + 1 for i, piece in enumerate(pieces) if piece.endswith(ends)]
        if cuts and cuts[-1] > len(pieces) // 4:
            return cuts[-1]
    cuts = [i for i, piece in enumerate(pieces) if piece.startswith("▁") and i]
    return cuts[-1] if cuts else len(pieces)
