"""Sources of parallel text as the configuration names them, and the entries of `data.train` and `data.stages`."""

import math
import re
from dataclasses import dataclass, fields
from math import inf
from pathlib import Path, PureWindowsPath
from typing import Any

from mt.config.checks import require
from mt.errors import UserError, suggest

HUB = "hub:"
"""prefix of the address of a data set or a model of the Hugging Face hub"""
ANYWHERE = re.compile(r"hub:[\w-][\w.-]*/[\w.-]+([@:].*)?|pkg://.*")
"""sources that are the same on every machine: data sets of the hub, and the demo corpus"""


@dataclass(frozen=True)
class TrainingSource:
    """An entry of `data.train`."""

    path: Any
    """a source or a list of sources"""
    weight: float = 1.0
    """how often each pair is used in an epoch"""
    tag: str | None = None
    """the domain, as a plain word"""
    src_lang: str | None = None
    """None: data.src_lang"""
    tgt_lang: str | None = None
    columns: list[str] | None = None
    """None: data.columns"""


@dataclass(frozen=True)
class Stage:
    """Weights of the corpora, and how long they hold; without an end, they hold to the end of training."""

    weights: list[float]
    until_step: int | None = None
    until_epoch: int | None = None

    def holds(self, step: int, epoch: int) -> bool:
        """Return whether the stage covers the update after `step`, with `epoch` epochs completed."""
        return step < (self.until_step or inf) and epoch < (self.until_epoch or inf)

    @property
    def end(self) -> str:
        """Its end in words, for messages."""
        return f"step {self.until_step}" if self.until_step else f"epoch {self.until_epoch}"


@dataclass(frozen=True)
class Tagging:
    """Which tags stand before text."""

    languages: bool = False
    """tags of languages"""
    each_side: bool = False
    """on each side the tag of its own language; otherwise only that of the target language, before the source"""

    def names(self, langs: tuple[str, str], domain: str | None = None) -> tuple[list[str], list[str]]:
        """Return the tags before a source, and those before its translation."""
        source, target = map(language_tag, langs)
        domains = [domain_tag(domain)] if domain else []
        if not self.languages:
            return domains, []
        return ([source, *domains], [target]) if self.each_side else ([target, *domains], [])


def language_tag(lang: str) -> str:
    """Return the tag of a language."""
    return f"<2{lang}>"


def domain_tag(name: str) -> str:
    """Return the tag of a domain."""
    return f"<{name}>"


def public_name(source: str) -> str:
    """Return the name of a source without the folders of this machine."""
    is_public = ANYWHERE.fullmatch(source) and not Path(source.removeprefix(HUB)).exists()
    return source if is_public else PureWindowsPath(source.removeprefix(HUB)).name  # divides at \\ as well as at /


def is_size(value: Any) -> bool:
    """Return whether a source is a number: of pairs to hold out of the training text, or their fraction."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_sources(key: str, value: Any) -> None:
    """Raise `UserError` unless `value` is a source, a list of sources, or a number of pairs to hold out."""
    if is_size(value):
        is_number = math.isfinite(value) and value == int(value) > 0
        is_unclear = value == 1 and isinstance(value, float)  # one pair, or all of them?
        require(
            0 < value < 1 or (is_number and not is_unclear),
            f"{key}={value} must be a number of pairs, or a fraction of them below 1.",
        )
    else:
        source_list(key, value)


def check_different(src_lang: str, tgt_lang: str) -> None:
    """Raise `UserError` if pairs are to be held out of a text whose two languages have the same code."""
    require(
        src_lang != tgt_lang,
        f"Files of held-out pairs are named after languages: give two codes, not {src_lang} twice.",
    )


def source_list(key: str, value: Any) -> list[str]:
    """Return a source or a list of sources as a list."""
    sources = [value] if isinstance(value, str) else value
    if (
        not isinstance(sources, list)
        or not sources
        or not all(isinstance(source, str) and source not in ("", HUB) for source in sources)
    ):
        raise UserError(f"{key}={value!r} must be a corpus (a prefix, file or hub:NAME) or a list of them.")
    return sources


def training_sources(value: Any) -> list[TrainingSource]:
    """Return the entries of `data.train`; plain sources together are one entry."""
    if not isinstance(value, list) or not any(isinstance(entry, dict) for entry in value):
        return [TrainingSource(source_list("data.train", value))]
    sources = [read_source(f"data.train[{number}]", entry) for number, entry in enumerate(value)]
    require(any(source.weight for source in sources), "data.train: every weight is 0, so there is no training text.")
    return sources


def read_source(key: str, entry: Any) -> TrainingSource:
    """Check one entry of `data.train` and return it."""
    if not isinstance(entry, dict):
        return TrainingSource(source_list(key, entry))
    known = [known.name for known in fields(TrainingSource)]
    for name in entry:
        require(name in known, f"{key} has no key '{name}'.{suggest(str(name), known)} It has: {', '.join(known)}.")
    require("path" in entry, f"{key}={entry} needs a path: the corpus.")
    source = TrainingSource(**{**entry, "path": source_list(f"{key}.path", entry["path"])})
    require(is_weight(source.weight), f"{key}.weight={source.weight!r} must be a number, 0 or above.")
    for name in ("tag", "src_lang", "tgt_lang"):
        value = getattr(source, name)
        require(value is None or is_plain_word(value), f"{key}.{name}={value!r} must be a plain word.")
    return source


def is_plain_word(value: Any) -> bool:
    """Return whether a value is text of letters, digits, _ and - alone, which can be a part of a file name."""
    return isinstance(value, str) and re.fullmatch(r"[\w-]+", value) is not None


def check_columns(key: str, columns: Any, langs: tuple[str, str]) -> None:
    """Raise `UserError` unless `columns` is None or names each language once."""
    if columns is None:
        return
    named = isinstance(columns, list) and [columns.count(lang) for lang in langs] == [1, 1]
    require(named, f"{key}={columns} must name each column once, such as [{', '.join(langs[::-1])}].")


def training_stages(value: Any) -> list[Stage]:
    """Return the stages of `data.stages`, in order.

    Raises:
        UserError: an entry is malformed, or the ends do not ascend.
    """
    entries = [] if value is None else value
    form = "{until_step: N, weights: [1, 0]}, or with until_epoch"
    require(isinstance(entries, list), f"data.stages={value!r} must be a list of {form}.")
    stages: list[Stage] = []
    for number, entry in enumerate(entries):
        key = f"data.stages[{number}]"
        ends = set(entry) - {"weights"} if isinstance(entry, dict) else set()
        well_formed = ends in ({"until_step"}, {"until_epoch"}) and isinstance(entry.get("weights"), list)
        require(well_formed, f"{key}={entry!r} must be {form}.")
        (end,) = ends
        after = max((getattr(stage, end) or 0 for stage in stages), default=0)
        require(
            isinstance(entry[end], int) and entry[end] > after,
            f"{key}.{end}={entry[end]!r} must be a number above {after}.",
        )
        require(
            all(map(is_weight, entry["weights"])) and sum(entry["weights"]) > 0,
            f"{key}.weights={entry['weights']} must be numbers, 0 or above, and not all 0.",
        )
        stages.append(Stage(**entry))
    return stages


def is_weight(value: Any) -> bool:
    """Return whether a value is a finite number, 0 or above."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
