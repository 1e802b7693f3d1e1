"""The result: a translation of a line, joined if the line was translated in parts."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from mt.search.hypotheses import Hypothesis
from mt.text.plain_form import PlainForm
from mt.text.tokenizer import Tokenizer

Parts = Sequence[tuple[list[int], list[int]]]
"""source and target ids, without tags and marks, of each part that was translated by itself"""
Links = list[tuple[int, int]]
"""indices of aligned words, source and target, from 0"""


@dataclass(frozen=True)
class Translation:
    """One translation of a line."""

    text: str
    score: float
    """the number by which hypotheses were compared: log-probability over the length penalty, plus that of the source if
    a reverse model reranked, or the utility of minimum Bayes risk; summed over the parts of a line"""
    log_prob: float
    complete: bool = True
    """False if it was cut at the length limit"""
    pieces: Sequence[str] = ()
    """target pieces, EOS included"""
    log_probs: Sequence[float] = ()
    """log-probability of each piece"""
    parts: Parts = ()
    form: PlainForm | None = None
    """what was translated of the line, and how the translation was written as the source is"""
    plain: str = ""
    """the translation of `form.text`"""
    alignment: Links | None = None
    """word alignment, if it was requested"""
    words: tuple[list[str], list[str]] | None = None
    """the source and target words that `alignment` counts"""
    quality: float | None = None
    """estimated quality from 0 to 100, if it was requested"""
    trusted: bool | None = None
    """True if the quality suffices for what was asked"""

    def as_row(self) -> dict[str, Any]:
        """Return the fields that are printed as JSON."""
        hidden = ("parts", "form", "plain", "alignment", "words")
        estimates = [name for name in ("quality", "trusted") if getattr(self, name) is None]
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in (*hidden, *estimates)}


def to_translation(hypothesis: Hypothesis, src_ids: list[int], tokenizer: Tokenizer) -> Translation:
    """Convert a hypothesis for a part of a line to text."""
    eos = [tokenizer.eos_id] if hypothesis.complete else []
    return Translation(
        tokenizer.decode_tgt(hypothesis.tokens),
        hypothesis.score,
        hypothesis.log_prob,
        hypothesis.complete,
        [tokenizer.tgt.id_to_piece(i) for i in (*hypothesis.tokens, *eos)],
        hypothesis.log_probs,
        [(src_ids, hypothesis.tokens)],
    )


def join_translations(parts: Sequence[Translation], text: str) -> Translation:
    """Join the translations of parts; `text` is the joined text."""
    return Translation(
        text,
        sum(part.score for part in parts),
        sum(part.log_prob for part in parts),
        all(part.complete for part in parts),
        [piece for part in parts for piece in part.pieces],
        [log_prob for part in parts for log_prob in part.log_probs],
        [ids for part in parts for ids in part.parts],
    )


def join_parts(
    form: PlainForm,
    sources: list[list[int]],
    hypotheses: list[list[Hypothesis]],
    n_best: int,
    tokenizer: Tokenizer,
    spaced: bool,
) -> list[Translation]:
    """Join the hypotheses of a line's parts to its n best translations, each from hypotheses of one rank.

    `form` is the plain form of the line, according to which the translations are written.
    """
    if not sources:
        return [Translation(form.restore(""), 0.0, 0.0, form=form)]
    joined = []
    for rank in range(min(n_best, *map(len, hypotheses))):
        pairs = zip(hypotheses, sources, strict=True)
        parts = [to_translation(best[rank], src_ids, tokenizer) for best, src_ids in pairs]
        text = (" " if spaced else "").join(part.text for part in parts)
        text = " ".join(text.splitlines())  # bytes can spell line breaks
        joined.append(replace(join_translations(parts, form.restore(text)), form=form, plain=text))
    return joined


def pharaoh(links: Links) -> str:
    """Format links as `0-0 1-2`, source first."""
    return " ".join(f"{source}-{target}" for source, target in links)
