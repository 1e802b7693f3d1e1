"""Seeds for what is drawn at random: functions of where training is, so that no generator's state need be saved."""

from __future__ import annotations

import numpy as np


def derive_seed(*numbers: int) -> int:
    """A seed of 64 bits out of some numbers, not negative; neighbouring numbers give unlike seeds."""
    (state,) = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return int(state)
