"""The definition of a loop: the same tokens in a row, again and again. torch is not needed here."""

from collections.abc import Sequence

LONGEST = 16
"""tokens of a sequence that is not repeated much"""
REPEATS = 3
"""times that a sequence may occur in a row"""
REPEATS_WITHOUT_LETTERS = 6
"""times that a single token without letters may, such as the digit in 1000000"""


def has_loop(tokens: Sequence[int], without_letters: Sequence[bool]) -> bool:
    """Return whether the rule `NoLoops` would have excluded one of the tokens of a translation.

    Args:
        without_letters: for each token of the vocabulary, whether it is digits or punctuation.
    """
    for period in range(1, LONGEST + 1):
        n_equal = 0  # tokens in a row that are the same as those a period before
        for token, before in zip(tokens[period:], tokens, strict=False):
            n_equal = n_equal + 1 if token == before else 0
            repeats = REPEATS_WITHOUT_LETTERS if period == 1 and without_letters[token] else REPEATS
            if n_equal > period * (repeats - 1):
                return True
    return False
