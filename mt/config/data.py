"""The `data` section of the configuration."""

import re
from dataclasses import dataclass, fields
from math import inf
from typing import Any, Optional

from omegaconf import MISSING

from mt.config.checks import require, require_fraction, require_positive
from mt.config.choices import Chinese, Duplicates, UnicodeForm
from mt.config.facts import section, setting
from mt.errors import UserError, suggest

MAX_LEN = 100_000
"""most pieces of a side that can be asked for"""


@dataclass
class CleanConfig:
    """Pairs to drop from the training data, besides those with an empty side and those longer than max_len."""

    max_ratio: Optional[float] = None  # noqa: UP045
    """Drop a pair if one side has more than this many times the pieces of the other; usually 3."""
    identical: bool = False
    """Drop a pair whose sides are the same: a copy that nobody translated."""
    control: bool = False
    """Drop a pair that contains control characters or U+FFFD."""
    language: bool = False
    """Drop a pair if py3langid identifies another language in a side of 20 characters or more; a few thousand pairs are
    checked each second."""
    duplicates: Duplicates = Duplicates.none
    """exact: drop a pair that occurred before in the same corpus; near: also one that has the same letters."""
    overlap: bool = False
    """Drop a pair whose source is in the validation data or in a test set."""

    def __post_init__(self) -> None:
        require(
            self.max_ratio is None or self.max_ratio >= 1, f"data.clean.max_ratio={self.max_ratio} must be 1 or more."
        )


@dataclass
class NoiseConfig:
    """Noise on the training data, different in every epoch, so that the model translates what people type."""

    typos: float = 0.03
    """Probability that a word of the source of 3 or more letters has one dropped, doubled or swapped."""
    case: float = 0.05
    """Probability that a source is set in lower case."""
    punctuation: float = 0.1
    """Probability that both sides lose their final punctuation."""
    copies: float = 0.05
    """Probability that both sides get a marker of `tokenizer.copy_markers` in corresponding places."""

    def __post_init__(self) -> None:
        require_fraction("data.noise", self, "typos", "case", "punctuation", "copies")

    @property
    def is_active(self) -> bool:
        """True if any kind of noise is on."""
        return any((self.typos, self.case, self.punctuation, self.copies))


@dataclass
class NormalizeConfig:
    """Normalisation of all text before it is encoded, in training and in translation. References are not changed."""

    unicode: UnicodeForm = UnicodeForm.none
    """nfc composes letters with their accents; nfkc also replaces variants such as full-width letters and ligatures."""
    chinese: Chinese = Chinese.none
    """Write Chinese in simplified or traditional characters, each converted by itself as OpenCC does."""


@dataclass
class DataConfig:
    """The parallel text; `mt.data.sources` lists the forms of a source."""

    src_lang: str = MISSING
    tgt_lang: str = MISSING
    train: Any = MISSING
    """A source or a list of sources; or a list of {path: SOURCE, weight: 1, tag: NAME, src_lang: …, tgt_lang: …,
    columns: …}. Each pair of such an entry is used `weight` times in an epoch."""
    valid: Any = MISSING
    """A source or a list of sources; or a number: so many pairs, or that fraction, of the first corpus of `train`."""
    test: Any = setting(None, may_change=True)
    """A mapping from a test set's name to its source, or to a number as for `valid`."""
    temperature: Optional[float] = None  # noqa: UP045
    """Sample the corpora of a list of mappings by their size to the power of 1/temperature, times weight. null or 1: by
    size; larger values use small corpora more often."""
    stages: Any = None
    """A list of {until_step: N, weights: [1, 0]}, or with until_epoch: other weights for the corpora, in order, until
    that step or until that many epochs are over. A new stage starts a new epoch."""
    columns: Optional[list[str]] = None  # noqa: UP045
    """The columns of a tab-separated file, in order, such as [en, zh]; columns with other names are ignored. null: read
    the names from the first line if it has both languages, otherwise take the first two as source and target."""
    check_languages: bool = setting(True, may_change=True)
    """Refuse text whose sides are exchanged, by script, or by py3langid if both languages share a script."""
    accept_changes: bool = setting(False, may_change=True)
    """Resume although the training or validation text is another than at the last start: training goes on with a new
    epoch, or the best model is chosen anew."""
    language_tags: bool = False
    """Put a tag of the target language before each source: one model then translates into several languages."""
    max_len: int = 256
    """Longest side of a training pair in subword pieces, without EOS; longer pairs are dropped."""
    part_len: Optional[int] = setting(None, may_change=True)  # noqa: UP045
    """Translate longer lines in parts of at most so many pieces; null: the length of the longest training source,
    or twice that of 99.9% of them if that is less; `config.yaml` records it."""
    normalize: NormalizeConfig = section(NormalizeConfig)
    clean: CleanConfig = section(CleanConfig)
    noise: NoiseConfig = section(NoiseConfig)
    cache_dir: Optional[str] = setting(None, may_change=True)  # noqa: UP045
    """Folder for encoded corpora; null: the cache of Hugging Face datasets."""

    def __post_init__(self) -> None:
        require_positive("data", self, "max_len", "part_len", "temperature")
        require(self.max_len <= MAX_LEN, f"data.max_len={self.max_len} must be at most {MAX_LEN:,}.")
        for side in ("src_lang", "tgt_lang"):
            lang = getattr(self, side)
            require(lang == MISSING or is_plain_word(lang), f"data.{side}={lang!r} must be a plain word, such as en.")
        self.test = {} if self.test is None else self.test
        if not isinstance(self.test, dict):
            raise UserError(f"data.test={self.test!r} must name its test sets: 'data.test={{NAME: CORPUS}}'.")
        for name, source in self.test.items():
            require(
                bool(re.fullmatch(r"\w[\w.-]*", str(name))),
                f"data.test.{name}: '{name}' must be a plain name of letters, digits, '.', '_' and '-'.",
            )
            check_sources(f"data.test.{name}", source)
        if self.valid != MISSING:
            check_sources("data.valid", self.valid)
        check_columns("data.columns", self.columns, (self.src_lang, self.tgt_lang))
        if self.train != MISSING:
            for number, source in enumerate(training_sources(self.train)):
                langs = (source.src_lang or self.src_lang, source.tgt_lang or self.tgt_lang)
                check_columns(f"data.train[{number}].columns", source.columns, langs)
            n_corpora = len(training_sources(self.train))
            for stage in training_stages(self.stages):
                require(
                    len(stage.weights) == n_corpora,
                    f"data.stages: {len(stage.weights)} weights until {stage.end}, but data.train has "
                    f"{n_corpora} weighted corpora.",
                )

    @property
    def held_out(self) -> dict[str, float]:
        """The sizes of the parts held out of the training text: `valid`, or `test.NAME`."""
        wanted = {"valid": self.valid, **{f"test.{name}": source for name, source in self.test.items()}}
        return {part: size for part, size in wanted.items() if is_size(size)}

    @property
    def tags(self) -> list[str]:
        """The tags that stand before the sources of the training data: of languages, then of domains."""
        sources = training_sources(self.train)
        languages = [language_tag(source.tgt_lang or self.tgt_lang) for source in sources if self.language_tags]
        return list(dict.fromkeys([*languages, *(domain_tag(source.tag) for source in sources if source.tag)]))


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


def language_tag(lang: str) -> str:
    """Return the tag of a target language."""
    return f"<2{lang}>"


def domain_tag(name: str) -> str:
    """Return the tag of a domain."""
    return f"<{name}>"


def is_size(value: Any) -> bool:
    """Return whether a source is a number: of pairs to hold out of the training text, or their fraction."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_sources(key: str, value: Any) -> None:
    """Raise `UserError` unless `value` is a source, a list of sources, or a number of pairs to hold out."""
    if is_size(value):
        require(0 < value < 1 or value == int(value) > 0, f"{key}={value} must be a number of pairs, or a fraction.")
    else:
        source_list(key, value)


def source_list(key: str, value: Any) -> list[str]:
    """Return a source or a list of sources as a list."""
    sources = [value] if isinstance(value, str) else value
    if (
        not isinstance(sources, list)
        or not sources
        or not all(isinstance(source, str) and source not in ("", "hub:") for source in sources)
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
