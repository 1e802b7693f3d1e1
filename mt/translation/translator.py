"""Text to text: long lines are cut, batches are formed by length, searched, and put back in order."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from mt.config.choices import Utility
from mt.config.data import domain_tag, language_tag
from mt.config.file import load_config
from mt.config.schema import Config
from mt.config.search import SearchConfig
from mt.data.batch import build_source
from mt.data.sampler import plan_batches
from mt.errors import UserError
from mt.model.ensemble import Ensemble
from mt.model.transformer import Transformer
from mt.runs.checkpoint import load_weights
from mt.runtime.devices import choose_device
from mt.runtime.seeds import derive_seed
from mt.search.hypotheses import Hypothesis, Task, Vocabulary
from mt.search.required import Required
from mt.text.long_lines import cut_long
from mt.text.sentences import SplitText, has_spaces
from mt.text.terminology import Terminology, alternatives, load_terminology
from mt.text.tokenizer import Tokenizer, load_tokenizer
from mt.translation.mbr import expected_utilities
from mt.translation.result import Translation, join_translations, one_line
from mt.translation.search_setup import Source, build_required, build_rules, run_search

log = logging.getLogger(__name__)
CUT = "translation cut at search.max_len_ratio x source length + search.max_len_offset."
SENTENCE = 1000
"""parts of a sentence, at most: they have seeds of their own"""


class Engine(Protocol):
    """Something that searches in place of `mt.search`."""

    def search(
        self, sources: Sequence[Source], max_lens: Sequence[int], search: SearchConfig
    ) -> list[list[Hypothesis]]:
        """The best hypotheses of each source, at least `search.n_best` where there are so many."""


class Translator:
    """A model and its tokeniser, ready to translate; or several models that do it together."""

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        max_len: int,
        langs: tuple[str, str],
        defaults: SearchConfig | None = None,
        others: Sequence[Transformer] = (),
    ) -> None:
        """Of objects that are there already; `load` reads them.

        Args:
            max_len: most source pieces that the model takes at once, end mark not counted.
            langs: source and target language; they decide whether there are spaces between words.
            defaults: how to search where nothing else is asked for.
            others: more models of the same vocabularies.
        """
        self.model = model
        self.ensemble = Ensemble([model, *others])
        self.engine: Engine | None = None
        """what searches in place of the model"""
        self.defaults = defaults or SearchConfig()
        self.tokenizer = tokenizer
        self.max_len = max_len
        self.terms: tuple[Terminology, Terminology] | None = None
        """those of the newest file, and as this vocabulary writes them"""
        self.langs = langs
        self.spaced = (has_spaces(langs[0]), has_spaces(langs[1]))
        self.tags: list[int] = []
        """source ids that stand before every text"""

    @classmethod
    def load(cls, run: str | Path, device: str = "auto", ensemble: Sequence[str | Path] = ()) -> Translator:
        """The translator of a run folder, or of several runs with one vocabulary.

        Raises:
            UserError: a folder is no run, or one of its files is missing or damaged.
        """
        return load_run(Path(run), device, ensemble=[Path(other) for other in ensemble])[0]

    @property
    def device(self) -> torch.device:
        """Where the models are."""
        return self.model.projection.weight.device

    def translate_to(self, tgt_lang: str | None = None, tag: str | None = None) -> None:
        """From now on translate into this language, of a model of several, and as text of this kind.

        Raises:
            UserError: the model does not know the one or the other.
        """
        if tgt_lang is not None:
            self.langs = (self.langs[0], tgt_lang)
            self.spaced = (self.spaced[0], has_spaces(tgt_lang))
        tags = [language_tag(tgt_lang)] if tgt_lang is not None else []
        self.tags = self.tokenizer.encode_tags([*tags, *([domain_tag(tag)] if tag else [])])

    def use_bf16(self) -> None:
        """Compute in bfloat16: half the memory, and faster where the processor has products for it.

        Rounding then depends on the batch, and with it, now and then, a translation.
        """
        for model in self.ensemble.models:
            model.to(torch.bfloat16)

    def translate(self, lines: Sequence[str], search: SearchConfig | None = None) -> list[str]:
        """The translation of each line, in order; an empty line stays empty."""
        return [best[0].text for best in self.n_best(list(lines), search or self.defaults)]

    def n_best(
        self,
        lines: list[str],
        search: SearchConfig,
        prefixes: list[str] | None = None,
        places: Sequence[tuple[int, int]] | None = None,
        quiet: bool = False,
    ) -> list[list[Translation]]:
        """The `search.n_best` best translations of each line, best first; an empty line has an empty one.

        A line of more than `max_len` pieces is translated in parts, cut at the end of a sentence where there is one,
        with a warning that names the line; `quiet` leaves warnings out.

        Args:
            prefixes: what the translation of each line must begin with.
            places: the number of each line, for warnings, and of the sentence in it, both for what is drawn at random;
                None: from line 1 on.
        """
        places = places or [(number, 0) for number in range(1, len(lines) + 1)]
        to_piece = self.tokenizer.src.id_to_piece
        max_len = self.max_len - len(self.tags)
        line_parts = [cut_long(ids, max_len, to_piece) for ids in self.tokenizer.encode_src(lines)]
        beginnings = [self.tokenizer.encode_prefix(prefix) for prefix in prefixes or [""] * len(lines)]
        sources, owners = [], []
        for line, (parts, beginning) in enumerate(zip(line_parts, beginnings, strict=True)):
            for number, part in enumerate(parts):
                seed = derive_seed(search.seed, places[line][0], number + SENTENCE * places[line][1])
                required = self.required(search, part, is_first=number == 0)
                sources.append(Source([*self.tags, *part], [] if number else beginning, seed, required))
                owners.append(line)
        found: list[list[list[Hypothesis]]] = [[] for _ in lines]
        for line, best in zip(owners, self.search(sources, search), strict=True):
            found[line].append(best if search.mbr is None else self.rerank(best, search.mbr))
        if not quiet:
            long = [line for line, parts in enumerate(line_parts) if len(parts) > 1]
            cut = [line for line, best_parts in enumerate(found) if not all(best[0].complete for best in best_parts)]
            numbers = [line for line, _ in places]
            warn([numbers[i] for i in long], f"longer than data.max_len={self.max_len} pieces, translated in parts.")
            warn([numbers[i] for i in cut], CUT)
        return [self.join(*both, search.n_best) for both in zip(line_parts, found, strict=True)]

    def search(self, sources: list[Source], search: SearchConfig) -> list[list[Hypothesis]]:
        """The hypotheses for each source, in order."""
        results: list[list[Hypothesis]] = [[] for _ in sources]
        for indices in self.plan(sources, search):
            hypotheses = self.search_batch([sources[i] for i in indices], search)
            for index, best in zip(indices, hypotheses, strict=True):
                results[index] = best
        return results

    def plan(self, sources: list[Source], search: SearchConfig) -> Iterator[list[int]]:
        """Batches of like length, longest first so that a lack of memory shows at once."""
        if not sources:
            return
        lens = np.array([len(source.ids) + 1 for source in sources])
        budget = max(search.max_tokens // search.n_hypotheses, int(lens.max()))
        for batch in reversed(plan_batches(lens, lens, budget)):
            yield batch.tolist()

    @torch.inference_mode()
    def search_batch(self, sources: list[Source], search: SearchConfig) -> list[list[Hypothesis]]:
        """One batch through encoder and search."""
        limits = [self.limit(source, search) for source in sources]
        if self.engine:
            return self.engine.search(sources, limits, search)
        tokenizer, device = self.tokenizer, self.device
        src, src_mask = build_source([source.ids for source in sources], tokenizer.pad_id, tokenizer.eos_id)
        watched = search.coverage_penalty > 0
        never = [tokenizer.pad_id, tokenizer.bos_id, tokenizer.unk_id, *tokenizer.tags.values()]
        task = Task(
            self.ensemble.step,
            self.ensemble.start(src.to(device), src_mask.to(device), search.n_hypotheses, watched),
            Vocabulary(tokenizer.bos_id, tokenizer.eos_id, never),
            limits,
            build_rules(search, tokenizer, sources, limits, self.spaced[1]),
            [source.required for source in sources],
            device,
        )
        return run_search(task, search, [source.seed for source in sources])

    def required(self, search: SearchConfig, ids: list[int], is_first: bool) -> Required | None:
        """What the translation of a line's part must contain: the line's phrases the first, terms where they stand."""
        groups = [alternatives(phrase) for phrase in search.required if is_first]
        if search.terminology:
            groups += self.terminology(search.terminology).find(self.tokenizer.decode_src(ids), self.spaced[0])
        return build_required(groups, self.tokenizer, self.spaced[1])

    def terminology(self, path: str) -> Terminology:
        """The terms of a file, as this vocabulary writes them."""
        terms = load_terminology(path)
        if self.terms is None or self.terms[0] is not terms:
            tokenizer = self.tokenizer
            written = terms.written(lambda term: tokenizer.decode_src(tokenizer.encode_src([term])[0]).lower())
            self.terms = (terms, written)
        return self.terms[1]

    def limit(self, source: Source, search: SearchConfig) -> int:
        """Most pieces of the translation of a source; learned positions may end earlier."""
        limit = int(search.max_len_ratio * len(source.ids)) + search.max_len_offset + len(source.prefix)
        limit += source.required.n_tokens if source.required else 0
        limit = int(min(limit, self.ensemble.n_target_positions - 1))
        if source.required and source.required.n_tokens > limit:
            raise UserError(
                f"What is required takes {source.required.n_tokens} pieces, and the model writes {limit} at most."
            )
        return limit

    def rerank(self, hypotheses: list[Hypothesis], utility: Utility) -> list[Hypothesis]:
        """Hypotheses by their expected utility, which becomes their score."""
        from mt.text.metrics import build_similarity  # sacreBLEU takes its time, and few ask for this

        similarity = build_similarity(utility, self.langs[1])
        texts = [self.tokenizer.decode_tgt(hypothesis.tokens) for hypothesis in hypotheses]
        utilities = expected_utilities(texts, [hypothesis.count for hypothesis in hypotheses], similarity)
        scored = [replace(hypothesis, score=u) for hypothesis, u in zip(hypotheses, utilities, strict=True)]
        return sorted(scored, key=lambda hypothesis: (not hypothesis.complete, -hypothesis.score))

    def in_one(self, split: SplitText, translations: list[Translation]) -> Translation:
        """The translation of a text from those of its sentences."""
        text = split.joined([translation.text for translation in translations], spaced=self.spaced[1])
        return join_translations(translations, text)

    def join(self, sources: list[list[int]], parts: list[list[Hypothesis]], n_best: int) -> list[Translation]:
        """The n best translations of a line from those of its parts: n-th with n-th."""
        if not parts:
            return [Translation("", 0.0, 0.0)]
        count = min(n_best, *(len(hypotheses) for hypotheses in parts))
        return [self.join_one(sources, [part[rank] for part in parts]) for rank in range(count)]

    def join_one(self, sources: list[list[int]], parts: list[Hypothesis]) -> Translation:
        """A translation of a line from one of each of its parts."""
        to_piece, eos = self.tokenizer.tgt.id_to_piece, [self.tokenizer.eos_id]
        translations = [
            Translation(
                self.tokenizer.decode_tgt(part.tokens),
                part.score,
                part.log_prob,
                part.complete,
                [to_piece(i) for i in (part.tokens + eos * part.complete)],
                part.log_probs,
                [(source, part.tokens)],
            )
            for source, part in zip(sources, parts, strict=True)
        ]
        joiner = " " if self.spaced[1] else ""
        return join_translations(translations, one_line(joiner.join(part.text for part in translations)))


def warn(lines: list[int], what: str) -> None:
    """Say what befell some lines, naming the first few."""
    if numbers := list(dict.fromkeys(map(str, lines))):
        more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
        log.warning("line %s%s: %s", ", ".join(numbers[:5]), more, what)


def build_model(config: Config, tokenizer: Tokenizer) -> Transformer:
    """The configured model for a tokeniser's vocabulary, newly initialised."""
    # Start and end mark need a position each.
    return Transformer(config.model, *tokenizer.vocab_sizes, joint=tokenizer.joint, n_positions=config.data.max_len + 2)


def load_run(
    run: Path, device: str = "auto", overrides: list[str] | None = None, ensemble: Sequence[Path] = ()
) -> tuple[Translator, Config]:
    """The translator of a run folder, and the run's configuration with `KEY=VALUE` overrides.

    Args:
        ensemble: more runs, which translate together with it.

    Raises:
        UserError: a folder is no run, or one of its files is missing or damaged, or vocabularies differ.
    """
    model, tokenizer, config = load_model(run, device, overrides)
    others, max_len = [], config.data.max_len
    for folder in ensemble:
        other, its_tokenizer, its_config = load_model(folder, device)
        if its_tokenizer.fingerprint != tokenizer.fingerprint:
            raise UserError(
                f"{folder} has another tokeniser than {run}: models that translate together must share it. Runs on the "
                "same data.train with another seed do, and runs that begin with training.init_from."
            )
        others.append(other)
        max_len = min(max_len, its_config.data.max_len)
    langs = (config.data.src_lang, config.data.tgt_lang)
    translator = Translator(model, tokenizer, max_len, langs, config.search, others)
    if config.data.language_tags:
        translator.translate_to(config.data.tgt_lang)
    return translator, config


def load_model(run: Path, device: str, overrides: list[str] | None = None) -> tuple[Transformer, Tokenizer, Config]:
    """The model of a run folder, with what belongs to it."""
    if not run.is_dir():
        raise UserError(f"There is no folder {run}.")
    config = load_config(run / "config.yaml", overrides)
    tokenizer = load_tokenizer(run, config.tokenizer.joint)
    model = build_model(config, tokenizer).to(choose_device(device))
    if not (run / "model.safetensors").is_file() and (run / "checkpoints").is_dir():
        raise UserError(f"{run / 'model.safetensors'} is missing: training has not saved a model yet.")
    load_weights(model, run / "model.safetensors")
    return model.eval(), tokenizer, config
