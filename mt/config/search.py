"""The `search` section of the configuration."""

from dataclasses import dataclass, field
from typing import Optional

from mt.config.checks import require, require_not_negative, require_positive
from mt.config.choices import LengthNorm, SearchMethod, Utility


@dataclass
class SearchConfig:
    """How translations are searched for."""

    method: SearchMethod = SearchMethod.beam
    """beam, or sample: draw each token at random."""
    beam_size: int = 5
    n_best: int = 1
    """Translations wanted, at most beam_size, or n_samples."""
    patience: Optional[float] = None  # noqa: UP045
    """A sentence ends when patience * beam_size hypotheses have ended; null: when nothing better can still come."""
    diverse_groups: int = 1
    """So many parts of the beam, each of which keeps away from what the earlier ones take; they divide beam_size."""
    diversity: float = 0.5
    """What a token loses, in nats, for each earlier group that has taken it in the same step."""

    length_norm: LengthNorm = LengthNorm.gnmt
    """A hypothesis scores log p over ((5 + length) / 6) ** alpha (gnmt), length ** alpha (average) or 1 (none)."""
    length_penalty: float = 1.0
    """The exponent alpha of the length norm."""
    coverage_penalty: float = 0.0
    """Weight of GNMT's penalty for source pieces that were hardly looked at; 0.2 is usual."""

    max_len_ratio: float = 2.0
    max_len_offset: int = 20
    """A translation has at most max_len_ratio * source length + max_len_offset pieces."""
    min_len_ratio: float = 0.0
    """A translation has at least min_len_ratio * source length pieces."""
    no_repeat_ngram: int = 0
    """No so many pieces in a row come twice; 0: off."""
    repetition_penalty: float = 1.0
    """The log-probability of pieces that came already is multiplied by it; above 1: they become less probable."""
    forbidden: list[str] = field(default_factory=list)
    """Words or phrases that are not written; one|another is two of them."""
    required: list[str] = field(default_factory=list)
    """Words or phrases that every translation contains; of alternatives, one|another, either."""
    terminology: Optional[str] = None  # noqa: UP045
    """A file of source term <tab> target term, or one|another: where a source has the term, its translation does."""

    n_samples: int = 1
    temperature: float = 1.0
    top_k: int = 0
    """Draw from so many most probable pieces; 0: from all."""
    top_p: float = 1.0
    """Draw from the fewest pieces that together have this probability."""
    seed: int = 1
    """What is drawn for a line depends on it and on the line's number and on nothing else."""

    mbr: Optional[Utility] = None  # noqa: UP045
    """Of all hypotheses take those that are most like the others by chrF or BLEU (minimum Bayes risk); null: off."""

    max_tokens: int = 16384
    """A batch's budget: source pieces, padding counted, times hypotheses."""

    def __post_init__(self) -> None:
        require_positive("search", self, "beam_size", "patience", "max_len_ratio", "n_best", "max_tokens")
        require_positive("search", self, "diverse_groups", "repetition_penalty", "n_samples", "temperature", "top_p")
        require_not_negative("search", self, "length_penalty", "coverage_penalty", "max_len_offset", "min_len_ratio")
        require_not_negative("search", self, "diversity", "no_repeat_ngram", "top_k", "seed")
        require(self.temperature >= 0.001, f"search.temperature={self.temperature} must be at least 0.001.")
        for name, most in (("length_penalty", 10), ("max_len_ratio", 100), ("min_len_ratio", 100)):
            value = getattr(self, name)
            require(value <= most, f"search.{name}={value} must be at most {most}.")
        require(self.top_p <= 1, f"search.top_p={self.top_p} must be at most 1.")
        require(self.no_repeat_ngram != 1, "search.no_repeat_ngram=1 would let no piece come twice: 2 or more, or 0.")
        require(
            all(phrase.strip() for phrase in self.forbidden),
            f"search.forbidden={list(self.forbidden)}: a phrase is empty.",
        )
        require(
            all(all(part.strip() for part in phrase.split("|")) for phrase in self.required),
            f"search.required={list(self.required)}: a phrase, or one of the alternatives, is empty.",
        )
        forbidden = [part.strip() for phrase in self.forbidden for part in phrase.split("|")]
        for phrase in self.required:
            banned = [[word for word in forbidden if word in part] for part in phrase.split("|")]
            require(not all(banned), f"search.required has '{phrase}', of which search.forbidden has {banned[0]}.")
        require(
            not (self.required or self.terminology)
            or (self.method is SearchMethod.beam and self.beam_size > self.diverse_groups),
            "search.required and search.terminology are for search.method=beam, with two hypotheses or more a group.",
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
            "there are no more translations to choose from.",
        )

    @property
    def width_key(self) -> str:
        """The key that says how many hypotheses there are."""
        return "beam_size" if self.method is SearchMethod.beam else "n_samples"

    @property
    def n_hypotheses(self) -> int:
        """Translations of a line that are followed at once."""
        return self.beam_size if self.method is SearchMethod.beam else self.n_samples
