"""Texts made from others: without held-out pairs, a fraction of one, pairs in memory."""

import hashlib
from collections.abc import Iterator, Sequence

import xxhash

from mt.data.held_out import Parts
from mt.data.readers import Pair
from mt.data.sources import ParallelText


def without(text: ParallelText, parts: Parts, in_any_direction: bool = False) -> ParallelText:
    """Return a text without the pairs that share a source or a target with a held-out pair.

    Args:
        in_any_direction: a source may also be a held-out target, and a target a held-out source.
    """
    held_out = [pair for pairs in parts.values() for pair in pairs]
    sources, targets = {src for src, _ in held_out}, {tgt for _, tgt in held_out}

    if in_any_direction:
        sources = targets = sources | targets

    def read() -> Iterator[Pair]:
        return (pair for pair in text.read() if pair[0] not in sources and pair[1] not in targets)

    digest = hashlib.sha256(repr((text.fingerprint, sorted(held_out), in_any_direction)).encode()).hexdigest()[:32]
    n_pairs = None if in_any_direction or text.n_pairs is None else text.n_pairs - len(held_out)
    return ParallelText(text.name, digest, n_pairs, read)


def in_memory(name: str, pairs: Sequence[Pair]) -> ParallelText:
    """Return pairs as a text."""
    return ParallelText(name, hashlib.sha256(repr(pairs).encode()).hexdigest()[:32], len(pairs), lambda: iter(pairs))


def fraction_of(text: ParallelText, fraction: float) -> ParallelText:
    """Return a fraction of a text: pairs whose hashes are small, so that a smaller fraction is a part of a larger one.

    Pairs that occur several times are all taken, or none, even if the text is also used in the opposite direction.
    """
    bound = round(fraction * 2**64)

    def read() -> Iterator[Pair]:
        return (pair for pair in text.read() if xxhash.xxh3_64_intdigest("\t".join(sorted(pair)).encode()) < bound)

    digest = hashlib.sha256(f"{text.fingerprint} {fraction} of sorted pairs".encode()).hexdigest()[:32]
    return ParallelText(text.name, digest, None, read)
