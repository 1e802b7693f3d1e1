"""Where the models of a translator come from. torch is imported only when one is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mt.config.schema import Config
from mt.errors import UserError
from mt.runs.layout import RunLayout
from mt.runs.run_files import load_run_config, load_run_tokenizer
from mt.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from mt.model.transformer import Transformer


@dataclass(frozen=True)
class Source:
    """Where a model comes from."""

    run: RunLayout
    config: Config
    tokenizer: Tokenizer
    device: str

    def load_model(self) -> Transformer:
        """Load the model."""
        from mt.runs.saved_model import load_model

        return load_model(self.run, self.config, self.tokenizer, self.device)

    def load_for_search(self) -> Transformer:
        """Load the model, arranged for our own search."""
        from mt.model.layers import store_by_columns

        model = self.load_model()
        if model.projection.weight.device.type == "cpu":
            store_by_columns(model)
        return model


def open_sources(runs: list[Path], config: Config | None, device: str) -> list[Source]:
    """Read the configurations and tokenizers of runs; `config`: that of the first, perhaps with overrides.

    Raises:
        UserError: a file is missing or damaged, or vocabularies differ.
    """
    sources: list[Source] = []
    for folder in runs:
        layout = RunLayout(folder)
        own = load_run_config(layout) if sources or config is None else config
        sources.append(Source(layout, own, load_run_tokenizer(layout, own), device))
        if sources[-1].tokenizer.fingerprint != sources[0].tokenizer.fingerprint:
            raise UserError(
                f"{folder} and {runs[0]} differ in tokenizer: models that translate together must share it. Runs on "
                "the same training text do, whatever their seeds, and so do runs with the same training.init_from; "
                "tokenizer.from_run=RUN trains with the vocabulary of RUN."
            )
        if own.data.tagging != sources[0].config.data.tagging:
            raise UserError(f"{folder} and {runs[0]} differ in data.language_tags or data.tag_each_side.")
        first = sources[0].config.data
        if not own.data.language_tags and (own.data.src_lang, own.data.tgt_lang) != (first.src_lang, first.tgt_lang):
            raise UserError(
                f"{folder} translates from {own.data.src_lang} to {own.data.tgt_lang}, "
                f"{runs[0]} from {first.src_lang} to {first.tgt_lang}."
            )
    return sources
