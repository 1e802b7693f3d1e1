"""Seeds as functions of the position in training, so that no generator's state has to be saved."""

import numpy as np


def derive_seed(*numbers: int) -> int:
    """Return a non-negative 64-bit seed for some numbers; neighbouring numbers give unrelated seeds."""
    (state,) = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return int(state)
