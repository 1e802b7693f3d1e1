"""The `search` section of the configuration."""

from dataclasses import dataclass, replace
from typing import Optional

from mt.config.checks import require, require_not_negative, require_positive
from mt.config.choices import LengthNorm, SearchMethod, Utility
from mt.config.facts import setting

MAX_PHRASE = 200
"""characters of a phrase that a translation must contain: with much longer ones, the search takes minutes"""


@dataclass
class SearchConfig:
    """Settings of the search for translations."""

    method: SearchMethod = setting(SearchMethod.beam, ctranslate2=False)
    """beam; or sample: draw every token at random."""
    beam_size: int = setting(5, ctranslate2=True)
    n_best: int = setting(1, ctranslate2=True)
    """Translations to return, at most beam_size or n_samples."""
    patience: Optional[float] = setting(2.0, ctranslate2=True)  # noqa: UP045
    """Finish a sentence when patience * beam_size hypotheses have ended; null: when no better one is possible."""
    diverse_groups: int = setting(1, ctranslate2=False)
    """Divide the beam into this many groups, each of which avoids what the earlier ones choose."""
    diversity: float = setting(0.5, ctranslate2=False)
    """Penalty of a token, in nats, for each earlier group that has chosen it in the same step."""

    length_norm: LengthNorm = setting(LengthNorm.gnmt, ctranslate2=True)
    """Divide log p by ((5 + length) / 6) ** alpha (gnmt), length ** alpha (average) or 1 (none)."""
    length_penalty: float = setting(1.0, ctranslate2=True)
    """The exponent alpha of the length norm."""
    coverage_penalty: float = setting(0.0, ctranslate2=False)
    """Weight of GNMT's penalty for source pieces that got little attention; usually 0.2."""

    max_len_ratio: float = setting(2.0, ctranslate2=True)
    max_len_offset: int = setting(20, ctranslate2=True)
    """A translation has at most max_len_ratio * source length + max_len_offset pieces."""
    min_len_ratio: float = setting(0.0, ctranslate2=False)
    """A translation has at least min_len_ratio * source length pieces."""
    simplify: bool = setting(True, ctranslate2=True)
    """Translate text in capitals or title case as lower case, take list marks, emoji and quotation marks around it off,
    copy addresses, numbers and unknown words, and write the translation as the source was. Not with required or
    forbidden phrases, a prefix or alignments, which need the text as it is."""
    no_loops: bool = setting(True, ctranslate2=True)
    """Never write the same pieces more than three times in a row, or one without letters more than six times."""
    no_repeat_ngram: int = setting(0, ctranslate2=False)
    """Never repeat an n-gram of this many pieces; 0: off."""
    repetition_penalty: float = setting(1.0, ctranslate2=False)
    """Multiply the log-probability of pieces that occurred already; above 1, they become less probable."""
    forbidden: list[str] = setting([], ctranslate2=False, holds_text=True)
    """Words or phrases that no translation contains; one|another forbids both."""
    required: list[str] = setting([], ctranslate2=False, holds_text=True)
    """Words or phrases that every translation contains; one|another stands for either."""
    terminology: Optional[str] = setting(None, ctranslate2=False, names_files=True)  # noqa: UP045
    """A file of source term <tab> target term, or one|another. A translation must contain the targets of its source."""

    n_samples: int = setting(1, ctranslate2=False)
    temperature: float = setting(1.0, ctranslate2=False)
    top_k: int = setting(0, ctranslate2=False)
    """Sample from this many of the most probable pieces; 0: from all."""
    top_p: float = setting(1.0, ctranslate2=False)
    """Sample from the fewest pieces that together have this probability."""
    seed: int = setting(1, ctranslate2=False)
    """Samples of a line depend on the seed and the line's number alone."""

    mbr: Optional[Utility] = setting(None, ctranslate2=True)  # noqa: UP045
    """Minimum Bayes risk: return the hypotheses most similar to the others by chrF or BLEU; null: off."""
    reverse: Optional[str] = setting(None, ctranslate2=True, names_files=True)  # noqa: UP045
    """A run of the other direction; hypotheses from which it would translate back to the source come first."""
    reverse_weight: float = setting(0.2, ctranslate2=True)
    """Weight of its length-normalised log-probability, added to that of the model itself."""

    max_tokens: int = setting(16384, ctranslate2=True)
    """Budget of a batch: source pieces, padding included, times hypotheses."""

    def __post_init__(self) -> None:
        require_positive("search", self, "beam_size", "patience", "max_len_ratio", "n_best", "max_tokens")
        require_positive("search", self, "diverse_groups", "repetition_penalty", "n_samples", "temperature", "top_p")
        require_not_negative("search", self, "length_penalty", "coverage_penalty", "max_len_offset", "min_len_ratio")
        require_not_negative("search", self, "diversity", "no_repeat_ngram", "top_k", "seed", "reverse_weight")
        allowed = 0.001 <= self.temperature <= 1000
        require(allowed, f"search.temperature={self.temperature} must be from 0.001 to 1000.")
        bounds = {"length_penalty": 10, "max_len_ratio": 100, "min_len_ratio": 100, "max_len_offset": 2000}
        bounds |= {"beam_size": 256, "n_samples": 4096, "max_tokens": 10_000_000, "no_repeat_ngram": 1000}
        for name, most in bounds.items():
            value = getattr(self, name)
            require(value <= most, f"search.{name}={value} must be at most {most:,}.")
        require(self.top_p <= 1, f"search.top_p={self.top_p} must be at most 1.")
        require(
            self.no_repeat_ngram != 1, "search.no_repeat_ngram=1 would forbid every repetition: set 0, or 2 or more."
        )
        require(
            self.beam_size % self.diverse_groups == 0,
            f"search.diverse_groups={self.diverse_groups} must divide search.beam_size={self.beam_size}.",
        )
        require(
            self.min_len_ratio <= self.max_len_ratio,
            f"search.min_len_ratio={self.min_len_ratio} is above search.max_len_ratio={self.max_len_ratio}.",
        )
        require(
            self.n_best <= self.n_hypotheses,
            f"search.n_best={self.n_best} is more than search.{self.width_key}={self.n_hypotheses}: "
            "the search has no more translations to choose from.",
        )
        require(
            self.mbr is None or self.reverse is None,
            "search.mbr and search.reverse each choose among the hypotheses: omit one.",
        )
        require(
            self.reverse is None or self.n_hypotheses > 1,
            f"search.reverse needs several hypotheses to choose from: search.{self.width_key}={self.n_hypotheses}.",
        )
        self._check_phrases()

    def _check_phrases(self) -> None:
        require(
            all(self.forbidden_phrases),
            f"search.forbidden={list(self.forbidden)}: a phrase, or one of the alternatives, is empty.",
        )
        require(
            all(all(part.strip() for part in phrase.split("|")) for phrase in self.required),
            f"search.required={list(self.required)}: a phrase, or one of the alternatives, is empty.",
        )
        for phrase in self.required:
            longest = max(map(len, phrase.split("|")))
            require(longest <= MAX_PHRASE, f"search.required: a phrase has at most {MAX_PHRASE} characters.")
            banned = [[word for word in self.forbidden_phrases if word in part] for part in phrase.split("|")]
            require(
                not all(banned),
                f"search.required has '{phrase}', which contains '{''.join(banned[0][:1])}' of search.forbidden.",
            )
        require(
            not (self.required or self.terminology)
            or (self.method is SearchMethod.beam and self.beam_size > self.diverse_groups),
            "search.required and search.terminology need search.method=beam and at least two hypotheses per group.",
        )

    @property
    def forbidden_phrases(self) -> list[str]:
        """The phrases of `forbidden`, split at "|"."""
        return [part.strip() for phrase in self.forbidden for part in phrase.split("|")]

    @property
    def reranks(self) -> bool:
        """True if something other than the score of the search chooses among the hypotheses."""
        return self.mbr is not None or self.reverse is not None

    @property
    def n_returned(self) -> int:
        """Number of hypotheses that a search returns: `n_best`, or all to choose from."""
        return self.n_hypotheses if self.reranks else self.n_best

    @property
    def width_key(self) -> str:
        """The key that sets the number of hypotheses."""
        return "beam_size" if self.method is SearchMethod.beam else "n_samples"

    @property
    def n_hypotheses(self) -> int:
        """Number of hypotheses of a line that are followed at once."""
        return self.beam_size if self.method is SearchMethod.beam else self.n_samples


def with_n_best(search: SearchConfig, n_best: int, fixed: bool = False) -> SearchConfig:
    """Return the search with this number of translations, wide enough for them unless its width is `fixed`."""
    if search.method is SearchMethod.sample:
        return replace(search, n_best=n_best, n_samples=max(n_best, search.n_samples))
    groups = search.diverse_groups
    width = search.beam_size if fixed else max(search.beam_size, -(-n_best // groups) * groups)
    return replace(search, n_best=n_best, beam_size=width)
