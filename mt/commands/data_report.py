"""The page about the training data that `mt prepare --report` writes."""

from markupsafe import Markup

from mt.config.schema import Config
from mt.data.preparation import Prepared
from mt.data.statistics import RATIO_BINS, CorpusStatistics, corpus_statistics
from mt.display.pages.page import as_svg, lang_attribute, render
from mt.display.plotting import draw_histogram


def data_report(config: Config, data: Prepared) -> str:
    """Return the page as HTML."""
    corpora = []
    for train, member in zip(data.texts.train, data.train.members, strict=True):
        statistics = corpus_statistics(train.text, member.corpus, data.tokenizer, train.langs)
        langs = [lang_attribute(lang) for lang in train.langs]
        rows = piece_rows(statistics)
        corpora.append({"statistics": statistics, "pictures": draw(statistics), "rows": rows, "langs": langs})
    warnings = [
        f"{overlap.n_known:,} of the {overlap.n_sentences:,} sources of {overlap.key} are in the training data."
        for overlap in data.overlaps
    ]
    return render(
        "data_report.html",
        name=config.name,
        summary=f"Training data: {data.train.describe()}. Validation data: {data.valid.describe()}.",
        warnings=warnings,
        corpora=corpora,
    )


def draw(statistics: CorpusStatistics) -> list[Markup]:
    """Draw histograms of sentence lengths and of length ratios."""
    ratios = {"": [(float(start), count) for start, count in zip(RATIO_BINS, statistics.ratios, strict=False)]}
    lengths = {lang: list(enumerate(counts)) for lang, counts in statistics.lengths.items()}
    pictures = (
        draw_histogram("Sentence length", lengths, "pieces (last bin: longest 0.1%)"),
        draw_histogram("Length ratio", ratios, "target pieces / source pieces"),
    )
    return [as_svg(picture) for picture in pictures]


def piece_rows(statistics: CorpusStatistics) -> list[tuple[str, list[str]]]:
    """Return piece statistics with a column for each language."""
    sides = statistics.sides.values()
    return [
        ("tokens", [f"{side.n_tokens:,}" for side in sides]),
        ("words (separated by spaces)", [f"{side.n_words:,}" for side in sides]),
        ("pieces per word", [f"{side.tokens_per_word:.2f}" for side in sides]),
        ("characters per piece", [f"{side.characters_per_token:.2f}" for side in sides]),
        ("vocabulary", [f"{side.vocab_size:,}" for side in sides]),
        ("pieces used", [f"{side.n_used:,}" for side in sides]),
        ("pieces used fewer than ten times", [f"{side.n_rare:,}" for side in sides]),
        ("tokens that are single bytes (byte fallback)", [f"{side.byte_fraction:.2%}" for side in sides]),
    ]
