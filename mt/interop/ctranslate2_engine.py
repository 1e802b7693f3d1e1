"""Translating with CTranslate2 in place of our own search, with the same options as far as it has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import ctranslate2
import torch

from mt.config.choices import LengthNorm
from mt.config.search import SearchConfig
from mt.errors import UserError
from mt.interop.to_ctranslate2 import save_ctranslate2
from mt.runtime.files import replacing
from mt.search.hypotheses import Hypothesis, Scoring
from mt.translation.likelihood import token_log_probs
from mt.translation.search_setup import Source, build_scoring
from mt.translation.translator import Translator

KNOWN = (
    "beam_size", "n_best", "patience", "length_norm", "length_penalty", "max_len_ratio", "max_len_offset", "mbr",
    "no_repeat_ngram", "max_tokens",
)  # fmt: skip
"""Keys of the search section that this engine obeys."""
PATIENCE = 2.0
"""CTranslate2 cannot tell when nothing better can come: it ends when so many times the beam have ended."""

LONGEST_RATIO = 4
"""Positions that the model is to know, for each of data.max_len."""


def check_options(search: SearchConfig) -> None:
    """Raise `UserError` where something is asked for that CTranslate2 does not do, or does in another way."""
    default = SearchConfig()
    for field in fields(SearchConfig):
        if field.name not in KNOWN and getattr(search, field.name) != getattr(default, field.name):
            raise UserError(f"--engine ctranslate2 has no search.{field.name}: take the engine torch.")


class CTranslate2Engine:
    """A run's model, converted once and kept in the run folder."""

    def __init__(self, run: Path, translator: Translator, quantization: str) -> None:
        """Convert the model where that has not been done; `quantization` as in `save_ctranslate2`.

        Raises:
            UserError: the quantization is not known, or not possible on this machine.
        """
        self.tokenizer, self.model = translator.tokenizer, translator.model
        self.n_positions = LONGEST_RATIO * translator.max_len
        model, device = translator.model, translator.device
        if quantization not in ctranslate2.get_supported_compute_types(device.type):
            known = ", ".join(sorted(ctranslate2.get_supported_compute_types(device.type)))
            raise UserError(f"--quantization {quantization}: CTranslate2 has these here: {known}.")
        source = (run / "model.safetensors").stat()
        folder, stamp = run / f"ctranslate2-{quantization}", f"{source.st_size} {source.st_mtime_ns}"
        if not (folder / "stamp").exists() or (folder / "stamp").read_text() != stamp:
            with replacing(folder) as temporary:
                save_ctranslate2(model, translator.tokenizer, temporary, quantization, self.n_positions)
                (temporary / "stamp").write_text(stamp)
        try:
            self.engine = ctranslate2.Translator(
                str(folder), device.type, device_index=device.index or 0, compute_type=quantization,
                inter_threads=1, intra_threads=torch.get_num_threads(),
            )  # fmt: skip
        except RuntimeError as error:
            raise UserError(f"{folder} is damaged ({error}): delete it, and it is made anew.") from None

    def search(
        self, sources: Sequence[Source], max_lens: Sequence[int], search: SearchConfig
    ) -> list[list[Hypothesis]]:
        """The best hypotheses of each source, sorted by our `Scoring`.

        Log-probabilities of single tokens are not known. CTranslate2 has one limit of length for a batch: what is above
        its own is cut.
        """
        check_options(search)
        tokenizer, scoring = self.tokenizer, build_scoring(search)
        to_piece, to_id = tokenizer.tgt.id_to_piece, tokenizer.tgt.piece_to_id
        limit = max(1, min(max(max_lens), self.n_positions - 1))
        alpha = 0.0 if scoring.norm is LengthNorm.none else scoring.alpha
        results = self.engine.translate_batch(
            [[tokenizer.src.id_to_piece(i) for i in source.ids] for source in sources],
            [[to_piece(i) for i in source.prefix] or None for source in sources],
            beam_size=search.beam_size,
            patience=1 if search.beam_size == 1 else search.patience or PATIENCE,
            num_hypotheses=search.beam_size,
            length_penalty=alpha,
            max_input_length=0,
            max_decoding_length=limit,
            no_repeat_ngram_size=search.no_repeat_ngram,
            disable_unk=True,
            suppress_sequences=[[to_piece(tokenizer.pad_id)], [to_piece(tokenizer.bos_id)]],
            return_scores=True,
        )

        def hypothesis(pieces: list[str], average: float, own_limit: int) -> Hypothesis:
            complete = len(pieces) < limit and len(pieces) <= own_limit
            log_prob = average * (len(pieces) + (len(pieces) < limit)) ** alpha
            tokens = [to_id(piece) for piece in pieces[:own_limit]]
            return Hypothesis(tokens, log_prob, [], log_prob / scoring.penalty(len(tokens) + complete), complete)

        best = []
        for source, result, own_limit in zip(sources, results, max_lens, strict=True):
            found = [hypothesis(*pair, own_limit) for pair in zip(result.hypotheses, result.scores, strict=True)]
            if source.prefix:  # CTranslate2 leaves what is forced out of its scores
                found = [self.scored(source, one, scoring) for one in found]
            best.append(sorted(found, key=lambda h: (not h.complete, -h.score)))
        return best

    def scored(self, source: Source, hypothesis: Hypothesis, scoring: Scoring) -> Hypothesis:
        """The same hypothesis with our own log-probabilities."""
        (log_probs,) = token_log_probs(self.model, self.tokenizer, [(source.ids, hypothesis.tokens)], 1)
        log_probs = log_probs if hypothesis.complete else log_probs[:-1]
        log_prob = sum(log_probs)
        return replace(hypothesis, log_prob=log_prob, score=log_prob / scoring.penalty(len(log_probs)))
