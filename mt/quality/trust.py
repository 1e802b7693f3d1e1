"""Requirements for translations that are used without being read."""

from dataclasses import dataclass

DEFAULT_QUALITY = 40.0
"""sentence chrF that a translation must have to be trusted, unless something else is asked for"""


@dataclass(frozen=True)
class Trust:
    """Requirements for the translations that pass."""

    share: float
    """fraction of these translations that must be good"""
    quality: float = DEFAULT_QUALITY
    """sentence chrF of a good one"""

    def __str__(self) -> str:
        return f"{100 * self.share:g}% of the translations that pass have a chrF of {self.quality:g} or more"
