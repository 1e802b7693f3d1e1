"""The page about the training data that `mt prepare --report` writes."""

from markupsafe import Markup

from mt.config.schema import Config
from mt.data.advice import advise
from mt.data.preparation import Prepared
from mt.data.statistics import RATIO_BINS, CorpusStatistics, corpus_statistics
from mt.display.pages.page import as_svg, lang_attribute, render
from mt.display.plotting import draw_histogram
from mt.text.languages import has_spaces


def data_report(config: Config, data: Prepared) -> str:
    """Return the page as HTML."""
    corpora = []
    for train, member in zip(data.texts.train, data.train.members, strict=True):
        statistics = corpus_statistics(train.text, member.corpus, data.tokenizer, train.langs)
        langs = [lang_attribute(lang) for lang in train.langs]
        rows = piece_rows(statistics)
        advice = advise(statistics, config)
        pictures = draw(statistics)
        corpora.append({"statistics": statistics, "advice": advice, "pictures": pictures, "rows": rows, "langs": langs})
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
    """Return piece statistics with a column for each language; those of words only where spaces separate words."""
    sides = statistics.sides.values()
    spaced = [has_spaces(lang) for lang in statistics.sides]
    return [
        ("pieces of the text", [f"{side.n_pieces:,}" for side in sides]),
        ("words", [f"{side.n_words:,}" if words else "–" for side, words in zip(sides, spaced, strict=True)]),
        (
            "pieces per word",
            [f"{side.pieces_per_word:.2f}" if words else "–" for side, words in zip(sides, spaced, strict=True)],
        ),
        ("characters per piece", [f"{side.characters_per_piece:.2f}" for side in sides]),
        ("pieces that are single bytes of a character", [f"{side.byte_fraction:.2%}" for side in sides]),
        ("vocabulary", [f"{side.vocab_size:,}" for side in sides]),
        ("of these, in use", [f"{side.n_used:,}" for side in sides]),
        ("of these, longer than a character and used fewer than ten times", [f"{side.n_rare:,}" for side in sides]),
    ]
