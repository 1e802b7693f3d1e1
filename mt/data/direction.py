"""A check that source and target are not exchanged: by their scripts, or by py3langid if they share one."""

import importlib.util
import logging
from collections.abc import Iterable
from itertools import islice

from mt.data.context import SourceContext
from mt.data.identification import MIN_IDENTIFIABLE, load_identifier
from mt.data.readers import Pair
from mt.errors import UserError
from mt.text.language_names import label_of
from mt.text.scripts import fraction_in, scripts_of

log = logging.getLogger(__name__)
N_SAMPLED = 300
CLEAR = 0.8
"""fraction of a sample that makes a conclusion clear"""
WRONG = 0.05
"""fraction of letters in the right script below which a training text is refused"""
SAME = 0.5
"""fraction of the pairs of a sample with the same text on both sides that gives a warning"""
MIN_LETTERS = 100
"""letters of a sample that suffice to tell its script"""
MIN_IDENTIFIED = 10
"""texts of each side that are long enough to be identified, or half of a smaller sample"""
Fit = list[list[float]]
"""for each side of the text, how well it fits the source language and the target language, from 0 to 1"""


def check_direction(pairs: Iterable[Pair], source: str, context: SourceContext) -> None:
    """Check a sample of pairs; warn if many have two equal sides, or if much of a side is in the wrong script.

    Raises:
        UserError: each side is clearly in the other's language, or a side of a training text is in no language.
    """
    sample = list(islice(pairs, N_SAMPLED))
    sides = [[pair[side] for pair in sample] for side in (0, 1)]
    same = sum(src == tgt for src, tgt in sample)
    if same > SAME * len(sample):
        message = "%s: %.0f%% of the first pairs of %s have the same text on both sides. Is it the right file?"
        log.warning(message, context.key, 100 * same / len(sample), source)
    scripts = [scripts_of(lang) for lang in context.langs]
    if not all(scripts):  # a language without a standard code: nothing is known about it
        return
    if not scripts[0] & scripts[1]:
        fit = [[fraction_in(one, texts) for one in scripts] for texts in sides]
        refuse_exchanged(fit, source, context)
        for side, name in enumerate(("sources", "targets")):
            found = fit[side][side]
            message = (
                f"{context.key}: the {name} of {source} do not look like {context.langs[side]}: {100 * found:.0f}% of "
                "their letters are in its script."
            )
            if (
                found < WRONG
                and context.split == "train"
                and sum(map(str.isalpha, "".join(sides[side]))) >= MIN_LETTERS
            ):
                raise UserError(f"{message} Is it the right column? If the text is right: data.check_languages=false.")
            if found < 1 - CLEAR:
                log.warning("%s", message)
    elif importlib.util.find_spec("py3langid") is not None:
        refuse_exchanged(fit_by_identification(sides, context.langs), source, context)
    elif context.split == "train":
        log.info("Whether source and target are exchanged is not checked: pip install py3langid.")


def fit_by_identification(sides: list[list[str]], langs: tuple[str, str]) -> Fit | None:
    """Identify each sentence as one of two languages; None if py3langid does not know both, or few are long enough."""
    labels = [label_of(lang, load_identifier()[1]) for lang in langs]
    if labels[0] is None or labels[1] is None or labels[0] == labels[1]:
        return None
    identifier, _ = load_identifier((labels[0], labels[1]))
    fit = []
    for texts in sides:
        found = [identifier.classify(text)[0] for text in texts if len(text) >= MIN_IDENTIFIABLE]
        if len(found) < min(MIN_IDENTIFIED, len(texts) / 2):
            return None
        fit.append([found.count(label) / len(found) for label in labels])
    return fit


def refuse_exchanged(fit: Fit | None, source: str, context: SourceContext) -> None:
    """Raise `UserError` if each side clearly fits the other's language."""
    if fit is None:
        return
    fits_other, fits_own = min(fit[0][1], fit[1][0]), max(fit[0][0], fit[1][1])
    if fits_other >= CLEAR and fits_own <= 1 - CLEAR:
        src, tgt = context.langs
        raise UserError(
            f"{context.key}: source and target of {source} are exchanged: the sources are in {tgt}, the targets in "
            f"{src}. Name the columns of a file with tabs: 'data.columns=[{tgt},{src}]'. To translate in the other "
            f"direction: data.src_lang={tgt} data.tgt_lang={src}. If the text is right: data.check_languages=false. "
            "(`mt split` has the options --columns, --src-lang, --tgt-lang and --no-language-check instead.)"
        )
