"""Validation data and test sets that overlap with the training data."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mt.data.cleaning import Hashes
from mt.data.mixture import Member

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Overlap:
    """Validation data or a test set some of whose sources are in the training data."""

    key: str
    n_known: int
    n_sentences: int


def find_overlaps(members: Sequence[Member], others: dict[str, Hashes]) -> list[Overlap]:
    """Find validation and test data that overlaps with the training data, and warn: its score means little."""
    overlaps = []
    for key, hashes in others.items():
        known = int(np.any([member.corpus.has_sources(hashes) for member in members], axis=0).sum())
        if known:
            overlaps.append(Overlap(key, known, len(hashes)))
            log.warning(
                "%s of the %s sources of %s are in the training data, too: its scores will be too high. "
                "data.clean.overlap=true drops these pairs from the training data.",
                f"{known:,}",
                f"{len(hashes):,}",
                key,
            )
    return overlaps
