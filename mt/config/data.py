"""The `data` section of the configuration."""

import re
from dataclasses import dataclass
from typing import Any, Optional

from omegaconf import MISSING

from mt.config.checks import require, require_fraction, require_positive
from mt.config.choices import Chinese, Duplicates, UnicodeForm
from mt.config.corpora import (
    Tagging,
    check_columns,
    check_different,
    check_sources,
    domain_tag,
    is_plain_word,
    is_size,
    training_sources,
    training_stages,
)  # fmt: skip
from mt.config.facts import section, setting
from mt.errors import UserError

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
    """exact: drop a pair that occurred before in its corpus; near: also one with the same letters and digits."""
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
    train: Any = setting(MISSING, names_files=True)
    """A source or a list of sources; or a list of {path: SOURCE, weight: 1, tag: NAME, src_lang: …, tgt_lang: …,
    columns: …}. Each pair of such an entry is used `weight` times in an epoch."""
    valid: Any = setting(MISSING, names_files=True)
    """A source or a list of sources; or a number: so many pairs, or that fraction, of the first corpus of `train`."""
    test: Any = setting(None, may_change=True, names_files=True)
    """A mapping from a test set's name to its source, or to a number as for `valid`."""
    temperature: Optional[float] = None  # noqa: UP045
    """Sample the corpora of a list of mappings by their size to the power of 1/temperature, times weight. null or 1: by
    size; larger values use small corpora more often."""
    stages: Any = None
    """A list of {until_step: N, weights: [1, 0]}, or with until_epoch: other weights for the corpora, in order, until
    that step or until that many epochs are over. A new stage starts a new epoch."""
    fraction: float = 1.0
    """Train on this fraction of the pairs only, the same ones every time, to see what text is worth: `mt report RUN
    HALF` then estimates what twice as much would bring. A smaller fraction is a part of a larger one."""
    columns: Optional[list[str]] = None  # noqa: UP045
    """The columns of a tab-separated file, in order, such as [en, zh]; columns with other names are ignored. null: read
    the names from the first line if it has both languages, otherwise take the first two as source and target."""
    check_languages: bool = setting(True, may_change=True)
    """Refuse text whose sides are exchanged, by script, or by py3langid if both languages share a script."""
    accept_changes: bool = setting(False, may_change=True)
    """Resume even if the training or validation text has changed: training starts a new epoch, or the best model is
    scored again."""
    language_tags: bool = False
    """Put a tag of the target language before each source: one model then translates into several languages."""
    tag_each_side: bool = False
    """With `language_tags`: put before each side the tag of its own language instead, as M2M-100 and NLLB-200 do."""
    max_len: int = 256
    """Longest side of a training pair in subword pieces, without EOS; longer pairs are dropped."""
    part_len: Optional[int] = setting(None, may_change=True)  # noqa: UP045
    """Translate longer lines in parts of at most so many pieces; null: the length of the longest training source,
    or twice that of 99.9% of them if that is less; `config.yaml` records it."""
    normalize: NormalizeConfig = section(NormalizeConfig)
    clean: CleanConfig = section(CleanConfig)
    noise: NoiseConfig = section(NoiseConfig)
    cache_dir: Optional[str] = setting(None, may_change=True, names_files=True)  # noqa: UP045
    """Folder for encoded corpora; null: the cache of Hugging Face datasets."""

    def __post_init__(self) -> None:
        require_positive("data", self, "max_len", "part_len", "temperature")
        require(0 < self.fraction <= 1, f"data.fraction={self.fraction} must be above 0, and at most 1.")
        require(self.language_tags or not self.tag_each_side, "data.tag_each_side needs data.language_tags=true.")
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
        if self.held_out and self.src_lang != MISSING:
            check_different(self.src_lang, self.tgt_lang)
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
    def tagging(self) -> Tagging:
        """Which tags stand before text."""
        return Tagging(self.language_tags, self.tag_each_side)

    @property
    def tags(self) -> list[str]:
        """The tags of the training data: of languages, then of domains."""
        sources, languages = training_sources(self.train), []
        for source in sources:
            before_src, before_tgt = self.tagging.names(
                (source.src_lang or self.src_lang, source.tgt_lang or self.tgt_lang)
            )
            languages += [*before_src, *before_tgt]
        return list(dict.fromkeys([*languages, *(domain_tag(source.tag) for source in sources if source.tag)]))
