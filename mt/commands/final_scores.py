"""The end of `mt train`: translate and score the test sets, and complete the TensorBoard files."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial

from sentencepiece import SentencePieceProcessor

from mt.commands.calibrate import calibrate_run
from mt.config.choices import SearchMethod
from mt.config.facts import keys_where
from mt.config.file import flatten
from mt.config.schema import Config
from mt.data.mixture import Mixture
from mt.data.preparation import Prepared
from mt.evaluation.evaluation import Evaluation, Output, translate_test_set
from mt.evaluation.results import TestSetResult
from mt.evaluation.test_sets import to_test_set
from mt.model.layers import Embedding
from mt.quality.calibration import MIN_PAIRS, usable_pairs
from mt.runs.checkpoint import TrainState
from mt.runs.layout import RunLayout
from mt.runs.metrics_file import MetricsFile
from mt.runs.ranking import comparison_score
from mt.text.metrics import Scorer
from mt.text.tokenizer import N_SPECIAL
from mt.training.tracking import EmbeddingTable, Tracker
from mt.translation.translator import Translator

log = logging.getLogger(__name__)


def score_final_model(config: Config, run: RunLayout, data: Prepared, state: TrainState) -> None:
    """Translate and score the test sets with the model in the run folder, and track the results."""
    log.info("The model in %s is complete. If its scoring is interrupted, rerun the same command.", run.folder)
    translator = Translator.load(run.folder, config.training.device, config=config)
    evaluation = Evaluation(Scorer(config.data.tgt_lang), config.data.tgt_lang, n_samples=0)
    results = []
    for test in (to_test_set(name, pairs) for name, pairs in data.texts.tests.items()):
        file = run.translation(test.name, config.data.tgt_lang)
        translations = translate_test_set(translator, test, config.search, file)
        results.append(evaluation.evaluate(test, [Output(config.name, translations)]))
    track_results(run, config, state, results, embedding_tables(translator, data.train))
    if results:
        width = max(len(result.name) for result in results)
        log.info("%s", "\n".join(result.as_text(width) for result in results))
    calibrate_if_possible(config, run, data, translator)
    folder = run.folder
    log.info(
        "The model is in %s. Translate: mt translate %s. Watch: tensorboard --logdir %s", folder, folder, folder.parent
    )


def calibrate_if_possible(config: Config, run: RunLayout, data: Prepared, translator: Translator) -> None:
    """Learn to estimate the quality of translations, if there is enough validation text and a beam."""
    pairs = usable_pairs(data.texts.valid)
    if len(pairs) >= MIN_PAIRS and config.search.method is SearchMethod.beam:
        calibrate_run(run, config, translator, pairs)


def track_results(
    run: RunLayout,
    config: Config,
    state: TrainState,
    results: Sequence[TestSetResult],
    tables: Mapping[str, EmbeddingTable],
) -> None:
    """Write the final scores beside the hyper-parameters in TensorBoard, and the embeddings for its projector."""
    scores = {
        f"test/{result.name}_{score.metric.lower()}": score.value
        for result in results
        for score in result.runs[0].scores
    }
    tracker = Tracker(run, state.step)
    tracker.scalars(state.step, scores)
    metric = config.training.early_stopping.metric
    if rows := MetricsFile(run.metrics).validations():
        best = max(rows, key=partial(comparison_score, metric))
        scores[f"final/best_valid_{metric.value}"] = best[f"valid/{metric.value}"]
    tracked = keys_where("tracked", Config)
    hyperparameters = {key: value for key, value in flatten(config).items() if key in tracked}
    tracker.hyperparameters(state.step, hyperparameters, scores)
    tracker.embeddings(tables)
    tracker.close()
    tracker.metrics.complete()


def embedding_tables(translator: Translator, train: Mixture) -> dict[str, EmbeddingTable]:
    """Return embeddings and pieces without special ids: of both languages together, or of each if they differ."""
    model, tokenizer, (src_lang, tgt_lang) = translator.model, translator.tokenizer, translator.langs
    tables: dict[str, tuple[Embedding, SentencePieceProcessor, list[str]]] = {}
    if model.src_embedding.tokens is model.tgt_embedding.tokens:
        counts = train.piece_counts(len(tokenizer.tgt))
        langs = [name_language(pair, (src_lang, tgt_lang)) for pair in zip(*counts, strict=True)]
        tables["pieces"] = (model.tgt_embedding, tokenizer.tgt, langs)
    else:
        tables["target_pieces"] = (model.tgt_embedding, tokenizer.tgt, [tgt_lang] * len(tokenizer.tgt))
        tables["source_pieces"] = (model.src_embedding, tokenizer.src, [src_lang] * len(tokenizer.src))
    return {
        name: EmbeddingTable(
            embedding.tokens.weight[N_SPECIAL:],
            [processor.id_to_piece(i) for i in range(N_SPECIAL, len(processor))],
            langs[N_SPECIAL:],
        )
        for name, (embedding, processor, langs) in tables.items()
    }


def name_language(counts: tuple[int, int], langs: tuple[str, str]) -> str:
    """Return the language in which a piece is used, or `both` or `neither`, by its count in each."""
    if not any(counts):
        return "neither"
    return "both" if min(counts) > max(counts) / 10 else langs[counts[1] > counts[0]]
