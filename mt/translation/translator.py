"""Text to text: long lines are cut, batches are formed by length and searched, and the order is restored.

torch is imported when something needs the models themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mt.config.choices import EngineName
from mt.config.corpora import Tagging
from mt.config.schema import Config
from mt.config.search import SearchConfig
from mt.errors import UserError
from mt.runtime.seeds import derive_seed
from mt.search.hypotheses import Hypothesis
from mt.text.languages import has_spaces
from mt.text.long_lines import cut_long
from mt.text.markup import MarkedText
from mt.text.plain_form import PlainForm
from mt.text.tokenizer import Tokenizer
from mt.translation.engine import Engine, Segment, plan_segments
from mt.translation.engine_choice import FLOAT32, choose_engine
from mt.translation.line_warnings import warn_about
from mt.translation.pipeline import LineId, Request, splits_by_default, translate_in_steps
from mt.translation.requirements import Requirements
from mt.translation.reranking import Reranker
from mt.translation.result import Translation, join_parts
from mt.translation.source import open_sources

if TYPE_CHECKING:  # torch takes a second to import, and a translation often does without it
    from mt.model.transformer import Transformer
    from mt.translation.alignment import Attention
    from mt.translation.torch_engine import TorchEngine

MAX_PARTS = 1000
"""most parts of a sentence that have seeds of their own"""


class Translator:
    """A model with its tokenizer, or several models of one vocabulary that translate together."""

    def __init__(
        self,
        load_models: Callable[[], Sequence[Transformer]],
        tokenizer: Tokenizer,
        max_len: int,
        langs: tuple[str, str],
        defaults: SearchConfig | None = None,
        tagging: Tagging | None = None,
        part_len: int | None = None,
        engine: Engine | None = None,
        device: str = "auto",
    ) -> None:
        """Combine loaded objects; `load` reads them from a run folder.

        Args:
            load_models: returns the model, or several of one vocabulary; called when they are first needed.
            max_len: most source pieces that the model takes at once, without EOS.
            langs: source and target language, which determine whether words are separated by spaces.
            defaults: how to search if nothing else is requested.
            tagging: which tags stand before text; default: none.
            part_len: longer lines are translated in parts of at most so many pieces; default: `max_len`.
            engine: searches, where it can, instead of `torch_engine`.
            device: of a model that reranks.
        """
        self.load_models = load_models
        self.engine = engine
        self.on_progress: Callable[[float], None] = lambda fraction: None
        """called with the fraction of the texts that is translated, after each batch"""
        self.defaults = defaults or SearchConfig()
        self.tokenizer = tokenizer
        self.max_len = max_len
        self.part_len = min(part_len or max_len, max_len)
        self.langs = langs
        self.tagging = tagging or Tagging()
        self.reranker = Reranker(tokenizer, device)
        self.set_direction()

    @classmethod
    def load(
        cls,
        run: str | Path,
        device: str = "auto",
        ensemble: Sequence[str | Path] = (),
        config: Config | None = None,
        engine: EngineName = EngineName.auto,
        quantization: str = FLOAT32,
    ) -> Translator:
        """Load the model of a run folder, or several runs with one vocabulary.

        Args:
            ensemble: more runs, which translate together with the first.
            config: of the first run, perhaps with overrides; default: as it is in the folder.
            quantization: number format of CTranslate2's weights.

        Raises:
            UserError: a folder is not a run, one of its files is missing or damaged, or vocabularies differ.
        """
        sources = open_sources([Path(folder) for folder in (run, *ensemble)], config, device)
        data = sources[0].config.data
        translator = cls(
            lambda: [source.load_for_search() for source in sources],
            sources[0].tokenizer,
            min(source.config.data.max_len for source in sources),
            (data.src_lang, data.tgt_lang),
            sources[0].config.search,
            data.tagging,
            min(source.config.data.part_len or source.config.data.max_len for source in sources),
            choose_engine(sources, engine, quantization),
            device,
        )
        if translator.engine is None:
            translator.torch_engine  # noqa: B018  # loads the models now, so that a damaged one is reported at once
        return translator

    @cached_property
    def torch_engine(self) -> TorchEngine:
        """Our own search, and the models."""
        from mt.translation.torch_engine import TorchEngine

        return TorchEngine(self.load_models(), self.tokenizer)

    @property
    def model(self) -> Transformer:
        """The model; the first of several."""
        return self.torch_engine.models[0]

    def set_direction(
        self, src_lang: str | None = None, tgt_lang: str | None = None, domain: str | None = None
    ) -> None:
        """Set the languages of a multilingual model, and the `domain` of the text, for all later translations.

        A `UserError` is raised for what the model has not learned.
        """
        if src_lang and src_lang != self.langs[0] and not self.tagging.languages:
            raise UserError(f"The model translates from {self.langs[0]}, not from {src_lang}.")
        langs = (src_lang or self.langs[0], tgt_lang or self.langs[1])
        tagging = replace(self.tagging, languages=self.tagging.languages or langs[1] != self.langs[1])
        self.tags = self.tokenizer.encode_tags(*tagging.names(langs, domain))
        self.langs = langs
        self.spaced = (has_spaces(langs[0]), has_spaces(langs[1]))
        self.requirements = Requirements(self.tokenizer, langs)

    def translate(
        self,
        texts: Sequence[str],
        search: SearchConfig | None = None,
        *,
        prefix: str = "",
        markup: bool = False,
        split: bool | None = None,
    ) -> list[str]:
        """Translate each text, in order; an empty text stays empty.

        Args:
            search: default: the configuration of the run.
            prefix: text that every translation begins with.
            markup: translate without tags and placeholders, and put them back.
            split: translate a text of several sentences one by one; default: unless `markup` or required phrases
                need whole texts.
        """
        if isinstance(texts, str):
            raise TypeError("texts must be a list of texts: translate([text])")
        search = search or self.defaults
        split = splits_by_default(search) if split is None else split
        request = Request(search, prefix, markup, split, scored=False)
        return [best[0].text for best in self.translate_texts(list(texts), request)]

    def translate_texts(self, texts: list[str], request: Request, first_line: int = 1) -> list[list[Translation]]:
        """Return the best translations of each text, best first; line numbers are for warnings and seeds."""
        line_ids = [LineId(first_line + number) for number in range(len(texts))]
        search = replace(request.search, simplify=False) if request.align else request.search

        def translate_lines(
            lines: list[str], prefixes: list[str], line_ids: Sequence[LineId]
        ) -> list[list[Translation]]:
            return self.n_best(lines, search, prefixes, line_ids, request.quiet, request.scored)

        found = translate_in_steps(
            texts, line_ids, request, translate_lines, self.restore_markup, self.langs[0], self.spaced[1]
        )
        if request.align:
            found = [[self.with_alignment(best), *others] for best, *others in found]
        return found

    def n_best(
        self,
        lines: list[str],
        search: SearchConfig,
        prefixes: list[str] | None = None,
        line_ids: Sequence[LineId] | None = None,
        quiet: bool = False,
        scored: bool = True,
    ) -> list[list[Translation]]:
        """Return the `search.n_best` best translations of each plain line, best first; of an empty line, one empty one.

        A line of more than `part_len` pieces is translated in parts, cut at the end of a sentence if there is one, with
        a warning.

        Args:
            prefixes: text that the translation of each line begins with.
            line_ids: identify the lines in warnings and seeds; default: numbered from 1.
            quiet: do not warn.
            scored: log-probabilities are needed, as in `Engine.search`.
        """
        line_ids = line_ids or [LineId(number) for number in range(1, len(lines) + 1)]
        part_len = max(1, min(self.part_len, self.max_len - len(self.tags.src)))
        to_piece = self.tokenizer.src.id_to_piece
        has_phrases = search.required or search.forbidden or search.terminology or any(prefixes or [])
        simplifies = search.simplify and not has_phrases
        forms = [self.tokenizer.plain_form(line, self.langs) if simplifies else PlainForm(line) for line in lines]
        parts = [cut_long(ids, part_len, to_piece) for ids in self.tokenizer.encode_src([form.text for form in forms])]
        starts = [self.tokenizer.encode_prefix(prefix) for prefix in prefixes or [""] * len(lines)]
        segments, owners = [], []
        for line, line_id in enumerate(line_ids):
            for number, part in enumerate(parts[line]):
                seed = derive_seed(search.seed, line_id.line, number + MAX_PARTS * line_id.sentence)
                required = self.requirements.find(search, part, is_first=number == 0)
                prefix = [] if number else starts[line]
                segments.append(Segment([*self.tags.src, *part], prefix, seed, self.tags.tgt, required))
                owners.append(line)
        found: list[list[list[Hypothesis]]] = [[] for _ in lines]
        for line, best in zip(owners, self.search(segments, search, scored), strict=True):
            found[line].append(best)
        if not quiet:
            warn_about([line_id.line for line_id in line_ids], parts, found, part_len)
        lines_of_parts = zip(forms, parts, found, strict=True)
        return [join_parts(*line, search.n_best, self.tokenizer, self.spaced[1]) for line in lines_of_parts]

    def search(self, segments: list[Segment], search: SearchConfig, scored: bool = True) -> list[list[Hypothesis]]:
        """Return the hypotheses of each segment, in order."""
        self.reranker.open(search, self.langs)
        results: list[list[Hypothesis]] = [[] for _ in segments]
        for indices in plan_segments(segments, search):
            batch = [segments[i] for i in indices]
            hypotheses = self.search_batch(batch, search, scored or search.reverse is not None)
            if not all(hypotheses):
                raise UserError("The model gives no finite probabilities: its weights are damaged, or it has diverged.")
            sources = [segment.ids[len(self.tags.src) :] for segment in batch]
            for index, best in zip(indices, self.reranker.rerank(hypotheses, sources, search, self.langs), strict=True):
                results[index] = best
            self.on_progress(sum(map(bool, results)) / len(segments))
        return results

    def search_batch(self, segments: list[Segment], search: SearchConfig, scored: bool) -> list[list[Hypothesis]]:
        """Search one batch with the engine, and what it cannot do with our own search."""
        found: list[list[Hypothesis]] = [[] for _ in segments]
        if self.engine and not self.engine.lacks(search):
            limits = [self.limit(segment, search, self.engine.n_positions) for segment in segments]
            found = self.engine.search(segments, limits, search, scored)
        rest = [number for number, hypotheses in enumerate(found) if not hypotheses]
        if rest:
            others = [segments[number] for number in rest]
            own = self.torch_engine
            own.spaced = self.spaced[1]
            limits = [self.limit(segment, search, own.n_positions) for segment in others]
            for number, hypotheses in zip(rest, own.search(others, limits, search), strict=True):
                found[number] = hypotheses
        return found

    def limit(self, segment: Segment, search: SearchConfig, n_positions: float) -> int:
        """Return the most pieces of a segment's translation; learned positions may end earlier."""
        n_required = segment.required.n_tokens if segment.required else 0
        limit = int(search.max_len_ratio * len(segment.ids)) + search.max_len_offset + len(segment.prefix) + n_required
        limit = int(min(limit, n_positions - 1 - len(segment.tgt_tags)))
        if (n_given := len(segment.prefix) + n_required) > limit:
            raise UserError(f"Prefix and required phrases take {n_given} pieces; the model allows at most {limit}.")
        return limit

    def restore_markup(self, marked: MarkedText, translation: Translation) -> str:
        """Return a translation with the markup of its source."""
        from mt.translation.tag_placement import restore_markup

        return restore_markup(marked, translation, self.model, self.tokenizer, self.spaced, self.tags)

    def align(self, translation: Translation) -> list[tuple[int, int]]:
        """Return the word alignment of a translation, source first."""
        from mt.translation.alignment import align

        return align(self.model, self.tokenizer, translation.parts, self.spaced, self.tags)

    def with_alignment(self, translation: Translation) -> Translation:
        """Return a translation with its word alignment and the words that it counts."""
        from mt.translation.alignment import aligned_words

        words = aligned_words(self.tokenizer, translation.parts, self.spaced)
        return replace(translation, alignment=self.align(translation), words=words)

    def attention(self, source: str, translation: str, layer: int) -> Attention:
        """Return a decoder layer's attention to the source for a text and its translation."""
        from mt.translation.alignment import source_attention

        src_ids, tgt_ids = self.tokenizer.encode_src([source])[0], self.tokenizer.encode_tgt([translation])[0]
        ((src_ids, tgt_ids),) = self.tags.before([(src_ids, tgt_ids)])
        return source_attention(self.model, self.tokenizer, src_ids[: self.max_len], tgt_ids[: self.max_len], layer)
