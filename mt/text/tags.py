"""Tags: ids before the text of a pair that tell a model the languages, or the kind of text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Tags:
    """The tags before the source, and those before the target, where a translation begins with them."""

    src: Sequence[int] = ()
    tgt: Sequence[int] = ()

    @property
    def n_most(self) -> int:
        """Number of tags of the side that has more."""
        return max(len(self.src), len(self.tgt))

    def before(self, pairs: Iterable[tuple[Sequence[int], Sequence[int]]]) -> list[tuple[list[int], list[int]]]:
        """Return pairs of ids with the tags before them."""
        return [([*self.src, *src], [*self.tgt, *tgt]) for src, tgt in pairs]


NO_TAGS = Tags()
