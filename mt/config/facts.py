"""Facts about configuration fields, stated where a field is defined; lists of keys are derived from them.

A fact of a section holds for all its fields that do not state it themselves. A field without a fact that is asked for
is a programming error, so a new field cannot be forgotten.
"""

from collections.abc import Iterator
from dataclasses import Field, field, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")
FACTS = {
    "automatic": "is chosen for the corpus, the machine and the time where it is null",
    "may_change": "may differ when training resumes: limits, reports, and how the work of a step is divided",
    "shapes_model": "must be the same in a run that `training.init_from` names",
    "tracked": "is shown in TensorBoard's table of hyper-parameters",
    "ctranslate2": "is supported by the engine ctranslate2",
    "holds_text": "is a list of phrases, in which every value is text",
    "names_files": "names files or folders of the machine that trains",
}
"""Every fact that a field can state, and what it means."""


def setting(default: T, **facts: bool) -> T:
    """Return a dataclass field with a default value and facts about it.

    Declared to return the type of the default, as `dataclasses.field` is, so that type checkers see the field's type.
    """
    unknown = facts.keys() - FACTS.keys()
    if unknown:
        raise TypeError(f"unknown facts: {', '.join(sorted(unknown))}")
    made: Any
    if isinstance(default, (list, dict)):
        made = field(default_factory=lambda: type(default)(default), metadata=facts)
    else:
        made = field(default=default, metadata=facts)
    return made  # type: ignore[no-any-return]


def section(schema: type[T], **facts: bool) -> T:
    """Return a dataclass field for a section of the configuration, with facts that hold for all its fields."""
    made: Any = field(default_factory=schema, metadata=facts)
    return made  # type: ignore[no-any-return]


@cache
def keys_where(fact: str, schema: type, prefix: str = "", default: bool | None = None) -> tuple[str, ...]:
    """Return the dotted keys of all fields for which a fact holds.

    Args:
        schema: the dataclass of the configuration or of a section.
        prefix: the section's name with a dot, to put before the keys.
        default: the fact of fields that do not state it; None: every field must.

    Raises:
        LookupError: a field does not state the fact, and neither does its section.
    """
    return tuple(key for key, value in _facts(fact, schema, prefix, default) if value)


def _facts(fact: str, schema: type, prefix: str, inherited: bool | None) -> Iterator[tuple[str, bool]]:
    types = get_type_hints(schema)
    one: Field[Any]
    for one in fields(schema):
        key = f"{prefix}{one.name}"
        value = one.metadata.get(fact, inherited)
        if is_dataclass(types[one.name]):
            yield from _facts(fact, types[one.name], f"{key}.", value)
        elif value is None:
            raise LookupError(f"{key} does not state {fact}: whether it {FACTS[fact]}")
        else:
            yield key, value
