"""Fields whose value is chosen for the corpus, the machine and the time where the configuration says null."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Annotated, Any, Optional, TypeVar

from mt.config.facts import keys_where, setting

T = TypeVar("T")
C = TypeVar("C")
EARLIER = {"training.guided_attention": 0.0, "training.lexicon_embeddings": False, "training.valid_pairs": 0}
"""values for runs that were trained before these settings existed"""
if TYPE_CHECKING:
    Auto = Annotated[T, "null until it is chosen"]
else:

    class Auto:
        """The type of an automatic field: for the configuration an Optional, for the code after the choice a value.

        `mt.training.automatic` chooses before anything is built from the configuration, so the rest of the code need
        not consider null.
        """

        def __class_getitem__(cls, item: Any) -> Any:
            return Optional[item]  # noqa: UP045


def automatic(**facts: bool) -> Any:
    """Return a field that is null until it is chosen, with facts about it."""
    return setting(None, automatic=True, **facts)


def unset(config: object) -> list[str]:
    """Return the dotted keys of the automatic fields of a configuration that are null."""
    schema: Any = type(config)
    keys = keys_where("automatic", schema, default=False)
    return [key for key in keys if value_at(config, key) is None]


def value_at(config: object, key: str) -> Any:
    """Return the value of a dotted key."""
    return reduce(getattr, key.split("."), config)


def fill(config: C, values: Mapping[str, Any]) -> C:
    """Return a configuration with values, by dotted key, where it has null."""
    sections: dict[str, dict[str, Any]] = defaultdict(dict)
    for key, value in values.items():
        if value_at(config, key) is None:
            section, _, name = key.partition(".")
            sections[section][name] = value
    changed: Any = config
    for section, missing in sections.items():
        changed = replace(changed, **{section: replace(getattr(changed, section), **missing)})
    filled: C = changed
    return filled
