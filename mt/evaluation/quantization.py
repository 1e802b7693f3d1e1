"""The number format of CTranslate2's weights: int8 where the validation text says that it costs next to nothing."""

import json
import logging
from pathlib import Path

from mt.config.checks import check_file
from mt.config.choices import EngineName
from mt.config.schema import Config
from mt.errors import UserError
from mt.quality.estimator import search_key
from mt.runs.layout import RunLayout
from mt.runtime.checksums import digest
from mt.runtime.files import write_text
from mt.translation.ctranslate2_engine import cache_folder
from mt.translation.engine_choice import FLOAT32
from mt.translation.translator import Translator

log = logging.getLogger(__name__)
AUTO, SMALL = "auto", "int8"
ACCEPTED_LOSS = 0.1
"""BLEU that eight bits may cost"""
MAX_LINES = 2000
"""lines of the validation text, which suffice to see such a difference"""


def choose_quantization(run: RunLayout, config: Config) -> str:
    """Return `int8` if it loses less than 0.1 BLEU on the validation text, else `float32`.

    That is measured once for the weights and the search of a run, and kept in the user's cache.

    Raises:
        UserError: the validation text cannot be read, or CTranslate2 cannot search as the run is configured to.
    """
    check_file(run.weights)
    record = cache_folder() / "quantization" / f"{digest(run.weights)}-{search_key(config.search)[:16]}.json"
    scores = read_scores(record)
    if scores is None:
        scores = measure(run, config)
        write_text(record, json.dumps(scores))
        log.info("BLEU on the validation text: %.2f in float32, %.2f in int8.", scores[FLOAT32], scores[SMALL])
    return SMALL if scores[FLOAT32] - scores[SMALL] < ACCEPTED_LOSS else FLOAT32


def read_scores(path: Path) -> dict[str, float] | None:
    """Return the recorded BLEU of both formats; None if there is none that can be read."""
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
        return {name: float(scores[name]) for name in (FLOAT32, SMALL)}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def measure(run: RunLayout, config: Config) -> dict[str, float]:
    """Return the BLEU of both formats on the validation text, with the search of the run."""
    from mt.data.preparation import choose_held_out, open_texts  # slow to import, and needed only once for a model
    from mt.text.metrics import Scorer

    try:
        texts = open_texts(config.data, choose_held_out(config.data, config.seed, run.held_out))
    except UserError as error:
        raise UserError(f"--quantization {AUTO} needs the validation text. {error}") from error
    pairs = [pair for pair, _ in zip(texts.valid.read(), range(MAX_LINES), strict=False)]
    log.info("Measuring on %s sentences of data.valid what int8 costs, once.", f"{len(pairs):,}")
    scorer, scores = Scorer(config.data.tgt_lang), {}
    for name in (FLOAT32, SMALL):
        translator = Translator.load(run.folder, "cpu", config=config, engine=EngineName.ctranslate2, quantization=name)
        found = translator.n_best([src for src, _ in pairs], config.search, quiet=True, scored=False)
        bleu, _ = scorer.score([best[0].text for best in found], [[tgt for _, tgt in pairs]])
        scores[name] = bleu.value
    return scores
