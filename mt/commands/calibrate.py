"""`mt calibrate`: learn from the validation text how good a run's translations are."""

import argparse
import logging

from mt.commands.options import device_parser, run_parser
from mt.config.schema import Config
from mt.data.preparation import choose_held_out, open_texts
from mt.data.readers import Pair
from mt.quality.calibration import calibrate, usable_pairs
from mt.runs.layout import RunLayout
from mt.runs.run_files import load_run_config
from mt.runtime.checksums import digest
from mt.translation.translator import Translator

log = logging.getLogger(__name__)


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `mt calibrate`."""
    return argparse.ArgumentParser(
        prog="mt calibrate",
        description="Translate the run's validation text, and learn from its references to estimate the quality of "
        "translations, for `mt translate --quality` and `--trust`. Training does so at its end. The result is "
        "RUN/quality.json.",
        parents=[run_parser(), device_parser()],
    )


def main(arguments: list[str]) -> int:
    """Calibrate and return the exit code."""
    options = build_parser().parse_args(arguments)
    run = RunLayout(options.run)
    config = load_run_config(run)
    texts = open_texts(config.data, choose_held_out(config.data, config.seed, run.held_out))
    translator = Translator.load(run.folder, options.device, config=config)
    calibrate_run(run, config, translator, usable_pairs(texts.valid))
    return 0


def calibrate_run(run: RunLayout, config: Config, translator: Translator, pairs: list[Pair]) -> None:
    """Calibrate with validation pairs, and write the result to the run folder.

    Raises:
        UserError: there are too few pairs.
    """
    log.info("Learning the quality of translations from data.valid.")
    estimator = calibrate(translator, config.search, pairs, digest(run.weights))
    estimator.save(run.own(run.quality))
    log.info("%s", estimator.describe())
