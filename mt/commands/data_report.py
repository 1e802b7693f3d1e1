"""The page that `mt prepare --report` writes about the training data."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from mt.config.data import training_sources
from mt.config.schema import Config
from mt.data.preparation import Prepared
from mt.data.statistics import RATIO_BINS, CorpusStatistics, corpus_statistics
from mt.display.pages.page import as_svg, render
from mt.display.plotting import draw_histogram


@dataclass(frozen=True)
class CorpusReport:
    """What the page shows of a corpus."""

    statistics: CorpusStatistics
    pictures: list[Markup]
    rows: list[tuple[str, list[str]]]


def data_report(config: Config, data: Prepared) -> str:
    """The page, as HTML."""
    corpora = []
    for source, text, member in zip(training_sources(config.data.train), data.texts, data.train.members, strict=True):
        langs = (source.src_lang or config.data.src_lang, source.tgt_lang or config.data.tgt_lang)
        found = corpus_statistics(text, member.corpus, data.tokenizer, langs)
        corpora.append(CorpusReport(found, pictures_of(found), rows_of(found)))
    warnings = [
        f"{share.n_known:,} of the {share.n_sentences:,} sources of test set {share.name} are in the training data."
        for share in data.overlaps
    ]
    return render(
        "data_report.html",
        name=config.name,
        summary=f"Training data: {data.train.describe()}. Validation data: {data.valid.describe()}.",
        warnings=warnings,
        corpora=corpora,
    )


def pictures_of(found: CorpusStatistics) -> list[Markup]:
    """Histograms of lengths and of their ratio."""
    ratios = {"": [(float(start), count) for start, count in zip(RATIO_BINS, found.ratios, strict=False)]}
    lengths = {lang: list(enumerate(counts)) for lang, counts in found.lengths.items()}
    pictures = (
        draw_histogram("Length of a sentence", lengths, "pieces (the longest thousandth together)"),
        draw_histogram("Target's length to the source's", ratios, "target pieces / source pieces"),
    )
    return [as_svg(picture) for picture in pictures]


def rows_of(found: CorpusStatistics) -> list[tuple[str, list[str]]]:
    """Piece statistics, a column a language."""
    sides = found.sides.values()
    return [
        ("tokens", [f"{side.n_tokens:,}" for side in sides]),
        ("words (what spaces separate)", [f"{side.n_words:,}" for side in sides]),
        ("pieces a word", [f"{side.tokens_per_word:.2f}" for side in sides]),
        ("characters a piece", [f"{side.characters_per_token:.2f}" for side in sides]),
        ("vocabulary", [f"{side.vocab_size:,}" for side in sides]),
        ("pieces that come", [f"{side.n_used:,}" for side in sides]),
        ("pieces that come fewer than ten times", [f"{side.n_rare:,}" for side in sides]),
        ("characters spelt in bytes, share of tokens", [f"{side.byte_share:.2%}" for side in sides]),
    ]
