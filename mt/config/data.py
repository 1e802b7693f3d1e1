"""The `data` section of the configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from math import inf
from typing import Any, Optional

from omegaconf import MISSING

from mt.config.checks import require, require_fraction, require_positive
from mt.config.choices import Duplicates
from mt.errors import UserError, suggest


@dataclass
class CleanConfig:
    """Which pairs of the training data are left out, besides those with an empty side and those above max_len."""

    max_ratio: Optional[float] = None  # noqa: UP045
    """The longer side has more than so many times the pieces of the shorter; 3 is usual."""
    identical: bool = False
    """Both sides are the same: a copy that nobody translated."""
    control: bool = False
    """Control characters, or U+FFFD."""
    language: bool = False
    """A side of 20 characters or more is in another language, as py3langid sees it: some thousand pairs a second."""
    duplicates: Duplicates = Duplicates.none
    """exact: a pair that came before in the same corpus; near: also one that has the same letters."""
    overlap: bool = False
    """The source is in a test set."""

    def __post_init__(self) -> None:
        require(
            self.max_ratio is None or self.max_ratio >= 1, f"data.clean.max_ratio={self.max_ratio} must be 1 or more."
        )


@dataclass
class NoiseConfig:
    """Noise on the source of the training data, other noise each time: the model learns to take such text."""

    typos: float = 0.0
    """Probability that a word of three letters or more has a letter dropped, doubled or swapped with the next; 0.03."""
    case: float = 0.0
    """Probability that a sentence is all in small letters, or all in capitals; 0.05."""
    punctuation: float = 0.0
    """Probability that a sentence loses its punctuation; 0.1."""

    def __post_init__(self) -> None:
        require_fraction("data.noise", self, "typos", "case", "punctuation")


@dataclass
class DataConfig:
    """Where the parallel text is; `mt.data.sources` says what a source may look like."""

    src_lang: str = MISSING
    tgt_lang: str = MISSING
    train: Any = MISSING
    """A source, or a list of them; or a list of {path: SOURCE, weight: 1, tag: NAME, src_lang: …, tgt_lang: …}, each
    pair of which comes `weight` times an epoch."""
    valid: Any = MISSING
    test: Any = None
    """A mapping from a test set's name to its source."""
    temperature: Optional[float] = None  # noqa: UP045
    """The corpora of a list of mappings are drawn from by their size to the power of 1/temperature, times weight;
    null, or 1: by their size; larger: small ones come more often."""
    stages: Any = None
    """A list of {until_step: N, weights: [1, 0]}, or with until_epoch: other weights, for the corpora in order, until
    that step, or until so many epochs are over. With each stage a new epoch begins."""
    language_tags: bool = False
    """Put a mark of the target language before each source: one model then translates into several."""
    max_len: int = 256
    """Longest side of a pair in subword pieces, end mark not counted; longer pairs are left out of training."""
    clean: CleanConfig = field(default_factory=CleanConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    cache_dir: Optional[str] = None  # noqa: UP045
    """Where encoded corpora are kept; null: with the other caches of Hugging Face datasets."""

    def __post_init__(self) -> None:
        require_positive("data", self, "max_len", "temperature")
        self.test = {} if self.test is None else self.test
        if not isinstance(self.test, dict):
            raise UserError(f"data.test={self.test!r} must name its test sets: 'data.test={{NAME: CORPUS}}'.")
        for name, source in self.test.items():
            require(bool(re.fullmatch(r"\w[\w.-]*", str(name))), f"data.test.{name}: '{name}' is no plain name.")
            source_list(f"data.test.{name}", source)
        if self.valid != MISSING:
            source_list("data.valid", self.valid)
        if self.train != MISSING:
            n_corpora = len(training_sources(self.train))
            for stage in training_stages(self.stages):
                require(
                    len(stage.weights) == n_corpora,
                    f"data.stages: {len(stage.weights)} weights until {stage.end}, but data.train has "
                    f"{n_corpora} corpora with weights.",
                )

    @property
    def tags(self) -> list[str]:
        """The marks that stand before sources."""
        sources = training_sources(self.train)
        languages = [language_tag(source.tgt_lang or self.tgt_lang) for source in sources if self.language_tags]
        return list(dict.fromkeys([*languages, *(domain_tag(source.tag) for source in sources if source.tag)]))


@dataclass(frozen=True)
class TrainingSource:
    """An entry of `data.train`."""

    path: Any
    """a source or a list of them"""
    weight: float = 1.0
    """how often each pair comes in an epoch"""
    tag: str | None = None
    src_lang: str | None = None
    """null: data.src_lang"""
    tgt_lang: str | None = None


@dataclass(frozen=True)
class Stage:
    """Weights of the corpora, and how long they hold; one that says no end holds for good."""

    weights: list[float]
    until_step: int | None = None
    until_epoch: int | None = None

    def holds(self, step: int, epoch: int) -> bool:
        """Whether it does for the update after `step`, when so many epochs are over."""
        return step < (self.until_step or inf) and epoch < (self.until_epoch or inf)

    @property
    def end(self) -> str:
        """Its end, for messages."""
        return f"step {self.until_step}" if self.until_step else f"epoch {self.until_epoch}"


def language_tag(lang: str) -> str:
    """The mark of a target language."""
    return f"<2{lang}>"


def domain_tag(name: str) -> str:
    """The mark of a corpus."""
    return f"<{name}>"


def source_list(key: str, value: Any) -> list[str]:
    """A source or a list of sources as a list.

    Raises:
        UserError: `value` is neither; `key` is named.
    """
    sources = [value] if isinstance(value, str) else value
    if (
        not isinstance(sources, list)
        or not sources
        or not all(isinstance(source, str) and source for source in sources)
    ):
        raise UserError(f"{key}={value!r} must be a corpus (a prefix, file or hub:NAME) or a list of them.")
    return sources


def training_sources(value: Any) -> list[TrainingSource]:
    """`data.train`: plain sources are one entry, all together.

    Raises:
        UserError: an entry is malformed.
    """
    if not isinstance(value, list) or not any(isinstance(entry, dict) for entry in value):
        return [TrainingSource(source_list("data.train", value))]
    return [read_source(f"data.train[{number}]", entry) for number, entry in enumerate(value)]


def read_source(key: str, entry: Any) -> TrainingSource:
    """One entry of `data.train`."""
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
        plain = value is None or (isinstance(value, str) and re.fullmatch(r"[\w-]+", value))
        require(bool(plain), f"{key}.{name}={value!r} must be a plain word.")
    return source


def training_stages(value: Any) -> list[Stage]:
    """`data.stages`, in order.

    Raises:
        UserError: an entry is malformed, or they are not in order.
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
    """Whether a value can be a weight."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
