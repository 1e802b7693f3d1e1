"""CTranslate2 as an engine: the model is converted once and kept in the user's cache.

The converted model is not kept in the run folder, as CTranslate2 trusts its files, and a run folder may come from a
stranger. torch is imported only to convert a model.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import ctranslate2
import platformdirs

from mt.config.choices import LengthNorm, Positions
from mt.config.facts import keys_where
from mt.config.search import SearchConfig
from mt.errors import UserError
from mt.runs.run_files import check_weights
from mt.runtime.checksums import check_files, digest, record_files
from mt.runtime.files import replacing
from mt.search.hypotheses import Hypothesis, Scoring, best_first
from mt.search.loops import has_loop
from mt.text.tokenizer import Tokenizer
from mt.translation.engine import Segment, build_scoring, foreign_markers
from mt.translation.source import Source

POSITIONS_PER_PIECE = 4
"""sinusoidal positions of the converted model, for each piece of data.max_len"""
FORMAT = 1
"""to be increased when the same weights are converted in another way"""
MAX_TOKENS = 4096
"""budget of a batch that is scored"""


def open_ctranslate2(source: Source, quantization: str) -> "CTranslate2Engine":
    """Open a run's model, converted if it has not been already.

    Raises:
        UserError: the processor has no such number format, or the weights are damaged.
        OSError: the converted model cannot be saved.
    """
    known = sorted(ctranslate2.get_supported_compute_types("cpu"))
    if quantization not in known:
        raise UserError(f"--quantization {quantization}: CTranslate2 supports these here: {', '.join(known)}.")
    n_positions = source.config.data.max_len + 2  # BOS and EOS need a position each
    if source.config.model.positions is not Positions.learned:
        n_positions *= POSITIONS_PER_PIECE
    folder = converted_model(source, quantization, n_positions)
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    n_threads = int(wanted) if wanted.isdecimal() else os.cpu_count() or 1
    engine = ctranslate2.Translator(
        str(folder), "cpu", compute_type=quantization, inter_threads=1, intra_threads=n_threads
    )
    return CTranslate2Engine(engine, source.tokenizer, n_positions)


def converted_model(source: Source, quantization: str, n_positions: int) -> Path:
    """Return the folder of the converted model, found by a hash of all that determines it."""
    weights = source.run.weights
    check_weights(weights)
    parts = (
        FORMAT, ctranslate2.__version__, quantization, n_positions, digest(weights), source.tokenizer.fingerprint,
        asdict(source.config.model),
    )  # fmt: skip
    name = hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
    folder = cache_folder() / "ctranslate2" / name
    if not is_sound(folder):
        from mt.interop.to_ctranslate2 import save_ctranslate2

        with replacing(folder) as temporary:
            save_ctranslate2(source.load_model(), source.tokenizer, temporary, quantization, n_positions)
            record_files(temporary)
    return folder


def cache_folder() -> Path:
    """Return the folder for what the user's runs share, and what can be made again."""
    return Path(platformdirs.user_cache_dir("mt"))


def is_sound(folder: Path) -> bool:
    """Return whether a converted model is there, as it was written."""
    try:
        check_files(folder)
    except UserError:
        return False
    return folder.is_dir()


def missing_option(search: SearchConfig) -> str | None:
    """Return the key of an option that CTranslate2 does not have, or has with another meaning."""
    if search.patience is None and search.beam_size > 1:  # it cannot tell when no better hypothesis is possible
        return "patience=null"
    if search.patience is not None and search.patience < 1:  # it would find fewer hypotheses than the beam is wide
        return "patience below 1"
    default, supported = SearchConfig(), keys_where("ctranslate2", SearchConfig)
    names = (field.name for field in fields(SearchConfig))
    changed = (name for name in names if getattr(search, name) != getattr(default, name))
    return next((name for name in changed if name not in supported), None)


@dataclass(frozen=True)
class CTranslate2Engine:
    """A converted model, and how it searches."""

    engine: ctranslate2.Translator
    tokenizer: Tokenizer
    n_positions: float

    def lacks(self, search: SearchConfig) -> str | None:
        """Return the key of an option that CTranslate2 does not have, or has with another meaning."""
        return missing_option(search)

    def search(
        self, segments: Sequence[Segment], max_lens: Sequence[int], search: SearchConfig, scored: bool = True
    ) -> list[list[Hypothesis]]:
        """Return the best hypotheses of each segment, as in `Engine`.

        There are none where one of them is a loop or reaches the length limit, and after a prefix, which CTranslate2
        does not score.
        """
        found: list[list[Hypothesis]] = [[] for _ in segments]
        by_markers: dict[tuple[int, ...], list[int]] = {}  # what is never generated is the same for a whole batch
        for number, segment in enumerate(segments):
            if not segment.prefix:
                by_markers.setdefault(tuple(foreign_markers(self.tokenizer, segment)), []).append(number)
        for markers, numbers in by_markers.items():
            own, limits = [segments[i] for i in numbers], [max_lens[i] for i in numbers]
            for number, hypotheses in zip(numbers, self.search_batch(own, limits, search, markers), strict=True):
                found[number] = hypotheses
        return self.scored(segments, found, build_scoring(search)) if scored or search.n_best > 1 else found

    def search_batch(
        self, segments: Sequence[Segment], max_lens: Sequence[int], search: SearchConfig, markers: Sequence[int]
    ) -> list[list[Hypothesis]]:
        """Search segments whose translations must not contain `markers`; scores are CTranslate2's own.

        These, by which it chooses, are those of a vocabulary without what is never generated. It has one length limit
        for a batch: a segment with a hypothesis that reaches its own limit has none.
        """
        tokenizer, scoring = self.tokenizer, build_scoring(search)
        to_piece, to_id = tokenizer.tgt.id_to_piece, tokenizer.tgt.piece_to_id
        tags = [[to_piece(i) for i in segment.tgt_tags] for segment in segments]
        n_tags = len(tags[0])
        limit = int(max(1, min(max(max_lens), self.n_positions - 1 - n_tags)))
        patience = 1 if search.beam_size == 1 else search.patience or 1
        alpha = 0.0 if scoring.norm is LengthNorm.none else scoring.alpha
        results = self.engine.translate_batch(
            [[tokenizer.src.id_to_piece(i) for i in segment.ids] for segment in segments],
            beam_size=search.beam_size,
            patience=patience,
            num_hypotheses=int(search.beam_size * patience),  # all: it chooses by another length norm
            length_penalty=alpha,
            max_input_length=0,
            max_decoding_length=limit + n_tags,
            target_prefix=tags if n_tags else None,
            disable_unk=True,
            return_scores=True,
            suppress_sequences=[[to_piece(i)] for i in (*tokenizer.never_generated, *markers) if i != tokenizer.unk_id],
        )
        found = []
        for result, own_limit in zip(results, max_lens, strict=True):
            hypotheses = []
            for tagged, score in zip(result.hypotheses, result.scores, strict=True):
                pieces = tagged[n_tags:]
                n_scored = min(len(pieces) + 1, limit)  # with EOS, if there is one
                log_prob = score * n_scored**alpha
                tokens = [to_id(piece) for piece in pieces]
                hypotheses.append(Hypothesis(tokens, log_prob, [], log_prob / scoring.penalty(n_scored)))
            cut = any(len(one.tokens) >= own_limit for one in hypotheses)
            loops = search.no_loops and any(has_loop(one.tokens, tokenizer.tgt_without_letters) for one in hypotheses)
            found.append([] if cut or loops else best_first(hypotheses)[: search.n_returned])
        return found

    def scored(
        self, segments: Sequence[Segment], found: Sequence[Sequence[Hypothesis]], scoring: Scoring
    ) -> list[list[Hypothesis]]:
        """Return hypotheses with the model's own log-probabilities, best first."""
        to_src, to_tgt = self.tokenizer.src.id_to_piece, self.tokenizer.tgt.id_to_piece
        sources, targets = [], []
        for segment, hypotheses in zip(segments, found, strict=True):
            sources += [[to_src(i) for i in segment.ids]] * len(hypotheses)
            targets += [[to_tgt(i) for i in (*segment.tgt_tags, *one.tokens)] for one in hypotheses]
        rows = iter(
            self.engine.score_batch(
                sources, targets, max_batch_size=MAX_TOKENS, batch_type="tokens", max_input_length=0
            )
        )
        best = []
        for segment, hypotheses in zip(segments, found, strict=True):
            rescored = []
            for one in hypotheses:
                log_probs = list(next(rows).log_probs)[len(segment.tgt_tags) :][: len(one.tokens) + one.complete]
                log_prob = sum(log_probs)
                score = log_prob / scoring.penalty(len(log_probs))
                rescored.append(replace(one, log_prob=log_prob, log_probs=log_probs, score=score))
            best.append(best_first(rescored))
        return best
