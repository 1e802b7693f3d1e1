"""Advice on settings, from the statistics of a corpus."""

from mt.config.schema import Config, TokenizerConfig
from mt.data.statistics import UNEQUAL, CorpusStatistics, SideStatistics
from mt.text.languages import has_spaces

MANY_RARE = 0.25
"""fraction of the pieces in use that occur too seldom to be learned"""
MANY_PIECES = 3.0
"""pieces per word above which words are hardly units any more"""
MANY_BYTES = 0.005
"""fraction of pieces that are single bytes"""
MANY_DROPPED = 0.05
"""fraction of pairs that are dropped for one reason"""
MANY_UNEQUAL = 0.01
"""fraction of pairs one side of which has over three times the pieces of the other"""


def advise(statistics: CorpusStatistics, config: Config) -> list[str]:
    """Return sentences that each name something unusual and the setting that changes it."""
    advice = [one for lang, side in statistics.sides.items() for one in advise_on_side(lang, side, config.tokenizer)]
    for dropped in statistics.dropped:
        if dropped.count > MANY_DROPPED * statistics.n_pairs:
            percent = f"{dropped.count / statistics.n_pairs:.0%}"
            advice.append(f"{percent} of the pairs, those {dropped.reason}, are dropped: see the examples.")
    unequal = statistics.n_unequal / statistics.n_kept
    alike = 2 / 3 < statistics.usual_ratio < 3 / 2
    if config.data.clean.max_ratio is None and alike and unequal > MANY_UNEQUAL:
        advice.append(
            f"In {unequal:.1%} of the pairs one side has over {UNEQUAL} times the pieces of the other, although most "
            f"sides are about equally long: these may be bad translations. data.clean.max_ratio={UNEQUAL} drops them, "
            "and this page then shows examples."
        )
    return advice


def advise_on_side(lang: str, side: SideStatistics, tokenizer: TokenizerConfig) -> list[str]:
    """Return advice on the vocabulary of one language; that of the automatic size comes from experiments."""
    advice = []
    if tokenizer.vocab_size is not None:
        size = f"tokenizer.vocab_size={tokenizer.vocab_size}"
        if side.n_rare > MANY_RARE * side.n_used:
            advice.append(
                f"{lang}: {side.n_rare:,} of the {side.n_used:,} pieces in use occur fewer than ten times, too seldom "
                f"to be learned: {size} may be too large. With null, it fits the corpus."
            )
        elif has_spaces(lang) and side.pieces_per_word > MANY_PIECES:
            advice.append(
                f"{lang}: a word has {side.pieces_per_word:.1f} pieces on average, and few pieces are rare: {size} may "
                "be too small. With null, it fits the corpus."
            )
    if side.byte_fraction > MANY_BYTES and tokenizer.character_coverage < 1:
        advice.append(
            f"{lang}: {side.byte_fraction:.1%} of the pieces are single bytes of characters that the vocabulary "
            "lacks. tokenizer.character_coverage=1 gives every character a piece."
        )
    return advice
