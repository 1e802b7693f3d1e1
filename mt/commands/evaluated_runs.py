"""The runs that `mt evaluate` and `mt report` translate test sets with."""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.commands.options import search_overrides
from mt.config.schema import Config
from mt.errors import UserError
from mt.evaluation.evaluation import Output, perplexity_of, translate_test_set
from mt.evaluation.test_sets import TestSet
from mt.runs.layout import RunLayout
from mt.runs.run_files import load_run_config
from mt.translation.translator import Translator

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluatedRun:
    """A run on the command line."""

    layout: RunLayout
    name: str
    config: Config

    def load_translator(self, options: argparse.Namespace) -> Translator:
        """Load the model for the device and the direction of the options."""
        translator = Translator.load(self.layout.folder, options.device, config=self.config)
        translator.set_direction(options.src_lang, options.to, options.tag)
        return translator

    def translate(self, translator: Translator, tests: Sequence[TestSet], with_perplexity: bool) -> list[Output]:
        """Translate every test set and write the translations to the run folder."""
        log.info("Run %s:", self.name)
        outputs = []
        for test in tests:
            file = self.layout.translation(test.name, translator.langs[1])
            translations = translate_test_set(translator, test, self.config.search, file)
            perplexity = perplexity_of(translator, test) if with_perplexity else None
            outputs.append(Output(self.name, translations, perplexity))
        return outputs


def load_runs(folders: Sequence[Path], options: argparse.Namespace) -> list[EvaluatedRun]:
    """Load the configurations of runs, and name each by its folder, or by its path if names are equal.

    Raises:
        UserError: a folder is given twice, or the runs translate between different languages, and `--from` and `--to`
            do not say which.
    """
    for number, folder in enumerate(folders):
        if folder.resolve() in [earlier.resolve() for earlier in folders[:number]]:
            raise UserError(f"{folder} is given twice: a run cannot be compared with itself.")
    names = [folder.resolve().name for folder in folders]
    runs = []
    for folder, name in zip(folders, names, strict=True):
        config = load_run_config(RunLayout(folder), search_overrides(options))
        runs.append(EvaluatedRun(RunLayout(folder), name if names.count(name) == 1 else str(folder), config))
    first, *others = (
        f"{options.src_lang or run.config.data.src_lang} to {options.to or run.config.data.tgt_lang}" for run in runs
    )
    for folder, direction in zip(folders[1:], others, strict=True):
        if direction != first:
            raise UserError(f"{folder} translates {direction}, the first run {first}: they cannot be compared.")
    return runs
