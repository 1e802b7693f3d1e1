"""The models that are served, by their languages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from mt.config.corpora import language_tag, training_sources
from mt.config.data import DataConfig
from mt.errors import UserError
from mt.quality.estimator import QualityEstimator
from mt.serving.batching import Batcher
from mt.text.language_names import two_letters

AUTO = "auto"
"""asks for the source language to be identified"""
MAX_LISTED = 20
"""directions that a message lists"""


@dataclass(frozen=True)
class Served:
    """A model, and the languages that it translates between."""

    name: str
    sources: Sequence[str]
    targets: Sequence[str]
    batcher: Batcher
    is_multilingual: bool = False
    estimator: QualityEstimator | None = None
    """estimates the quality of translations, if the run is calibrated"""

    @property
    def own_pair(self) -> tuple[str, str]:
        """The languages that the model was validated with."""
        return self.sources[0], self.targets[0]

    def pairs(self, source: str | None = None, target: str | None = None) -> Iterator[tuple[str, str]]:
        """Yield source and target of the directions with this source and this target; None: any."""
        for one in self.sources if source is None else {source}.intersection(self.sources):
            for other in self.targets if target is None else {target}.intersection(self.targets):
                if one != other or not self.is_multilingual:
                    yield one, other


@dataclass(frozen=True)
class Direction:
    """A direction of a model."""

    served: Served
    source: str
    target: str

    @property
    def pair(self) -> tuple[str, str]:
        """Source and target language."""
        return self.source, self.target


def languages_of(data: DataConfig, tags: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the source and the target languages of a model: those of its tags, or of its data; its own first."""
    start, end = language_tag("\0").split("\0")
    if not data.language_tags:
        return [data.src_lang], [data.tgt_lang]
    tagged = [tag[len(start) : -len(end)] for tag in tags if tag.startswith(start) and tag.endswith(end)]
    trained = [source.src_lang or data.src_lang for source in training_sources(data.train)]
    sources = [data.src_lang, *(tagged if data.tag_each_side else trained)]
    return list(dict.fromkeys(sources)), list(dict.fromkeys([data.tgt_lang, *tagged]))


class Models:
    """All models that are served; of two for the same languages, the first is used."""

    def __init__(self, served: Sequence[Served]) -> None:
        self.served = served

    @property
    def sources(self) -> list[str]:
        """The source languages."""
        return list(dict.fromkeys(source for one in self.served for source in one.sources))

    def targets(self, source: str) -> list[str]:
        """Return the languages that a source can be translated into."""
        return list(dict.fromkeys(target for one in self.served for _, target in one.pairs(source)))

    def find(self, source: str | None, target: str | None) -> Direction:
        """Return the first direction between these languages, such as `sw` or, in another code, `swa`; None: any.

        Raises:
            UserError: there is none.
        """
        exact = [(one, source, target) for one in self.served]
        similar = [
            (one, self.in_own_code(source, one.sources), self.in_own_code(target, one.targets)) for one in self.served
        ]
        for one, own_source, own_target in (*exact, *similar):
            for pair in one.pairs(own_source, own_target):
                return Direction(one, *pair)
        directions = [f"{one} to {other}" for served in self.served for one, other in served.pairs()]
        more = f" and {len(directions) - MAX_LISTED:,} more" if len(directions) > MAX_LISTED else ""
        wanted = f"from {source or 'any language'} to {target or 'any language'}"
        raise UserError(f"There is no model {wanted}. There are: {', '.join(directions[:MAX_LISTED])}{more}.")

    @staticmethod
    def in_own_code(lang: str | None, known: Sequence[str]) -> str | None:
        """Return a language in a known code, if there is one for it."""
        if lang is None or lang in known:
            return lang
        return next((one for one in known if two_letters(one) == two_letters(lang)), lang)

    @cached_property
    def identifier(self) -> object:
        """py3langid's model, restricted to the languages that it knows of those that are served."""
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        known = [code for code in map(two_letters, self.sources) if code in set(identifier.labels)]
        identifier.set_languages(known or None)
        return identifier

    def find_for(self, text: str, source: str | None, target: str | None) -> Direction:
        """Return the direction to translate a text in, whose language is identified if the source is `auto`."""
        return self.find(self.identify(text, target)[0] if source == AUTO else source, target)

    def identify(self, text: str, target: str | None = None) -> tuple[str, float]:
        """Return the language that a text is probably written in, and the probability in percent.

        Args:
            target: only languages that can be translated into this one are possible.
        """
        target = self.in_own_code(target, [target for one in self.served for target in one.targets])
        sources = list(dict.fromkeys(source for one in self.served for source, _ in one.pairs(None, target)))
        sources = sources or self.sources
        if len(sources) == 1:
            return sources[0], 100.0
        by_code = {two_letters(source): source for source in reversed(sources)}
        for code, probability in self.identifier.rank(text):  # type: ignore[attr-defined]
            if code in by_code:
                return by_code[code], round(100 * float(probability), 1)
        return sources[0], 0.0
