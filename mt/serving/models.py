"""The models that are served, by their languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from mt.config.corpora import language_tag
from mt.errors import UserError
from mt.quality.estimator import QualityEstimator
from mt.serving.batching import Batcher
from mt.text.language_names import two_letters

AUTO = "auto"
"""asks for the source language to be identified"""


@dataclass(frozen=True)
class Served:
    """A model, and the languages that it translates between."""

    name: str
    source: str
    targets: Sequence[str]
    batcher: Batcher
    is_multilingual: bool = False
    estimator: QualityEstimator | None = None
    """of the quality of translations, if the run is calibrated"""


def languages_of(langs: tuple[str, str], tags: Sequence[str]) -> Sequence[str]:
    """Return the target languages of a model: those of its language tags, or the one that it was trained for."""
    start, end = language_tag("\0").split("\0")
    found = [tag[len(start) : -len(end)] for tag in tags if tag.startswith(start) and tag.endswith(end)]
    return found or [langs[1]]


class Models:
    """All models that are served; of two for the same languages, the first is used."""

    def __init__(self, served: Sequence[Served]) -> None:
        self.served = served

    @property
    def sources(self) -> list[str]:
        """The source languages."""
        return list(dict.fromkeys(one.source for one in self.served))

    def targets(self, source: str) -> list[str]:
        """Return the languages that a source can be translated into."""
        return list(dict.fromkeys(target for one in self.served if one.source == source for target in one.targets))

    def find(self, source: str | None, target: str | None) -> tuple[Served, str]:
        """Return the first model for these languages, and its target; None: any.

        Raises:
            UserError: there is none.
        """
        for one in self.served:
            if source in (None, one.source) and (target is None or target in one.targets):
                return one, target or one.targets[0]
        pairs = ", ".join(f"{one.source} to {target}" for one in self.served for target in one.targets)
        wanted = f"from {source or 'any language'} to {target or 'any language'}"
        raise UserError(f"There is no model {wanted}. There are: {pairs}.")

    @cached_property
    def identifier(self) -> object:
        """py3langid's model, restricted to the languages that it knows of those that are served."""
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        known = [code for code in map(two_letters, self.sources) if code in set(identifier.labels)]
        identifier.set_languages(known or None)
        return identifier

    def identify(self, text: str) -> tuple[str, float]:
        """Return the source language that a text is probably written in, and the probability in percent."""
        if len(self.sources) == 1:
            return self.sources[0], 100.0
        code, probability = self.identifier.classify(text)  # type: ignore[attr-defined]
        found = next((source for source in self.sources if two_letters(source) == code), self.sources[0])
        return found, round(100 * float(probability), 1)
