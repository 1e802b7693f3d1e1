"""CTranslate2 as the search engine of a translator, with the options that it supports."""

from collections.abc import Sequence
from dataclasses import fields, replace

import ctranslate2
import torch

from mt.config.choices import LengthNorm
from mt.config.facts import keys_where
from mt.config.search import SearchConfig
from mt.errors import UserError
from mt.interop.to_ctranslate2 import save_ctranslate2
from mt.runs.layout import STAMP, RunLayout
from mt.runtime.files import replacing
from mt.search.hypotheses import Hypothesis, Scoring
from mt.translation.likelihood import token_log_probs
from mt.translation.search_setup import Segment, build_scoring
from mt.translation.translator import Translator

PATIENCE = 2.0
"""replaces `search.patience=null`: CTranslate2 cannot tell when no better hypothesis is possible"""
POSITIONS_PER_PIECE = 4
"""positions of the converted model, for each piece of data.max_len"""
MAX_TOKENS = 4096
"""of a batch that is scored"""


def check_options(search: SearchConfig) -> None:
    """Raise `UserError` for an option that CTranslate2 does not have, or has with another meaning."""
    default, supported = SearchConfig(), keys_where("ctranslate2", SearchConfig)
    for field in fields(SearchConfig):
        if field.name not in supported and getattr(search, field.name) != getattr(default, field.name):
            raise UserError(f"--engine ctranslate2 does not support search.{field.name}: use --engine torch.")


class CTranslate2Engine:
    """A run's model, converted once into the run folder."""

    def __init__(self, run: RunLayout, translator: Translator, quantization: str, scores_tokens: bool = False) -> None:
        """Load the converted model; convert it first if necessary.

        Args:
            quantization: as for `save_ctranslate2`.
            scores_tokens: add the log-probability of each token, which takes a pass of our own model.
        """
        self.scores_tokens = scores_tokens
        self.tokenizer, self.model = translator.tokenizer, translator.model
        self.n_positions = POSITIONS_PER_PIECE * translator.max_len
        model, device = translator.model, translator.device
        if quantization not in ctranslate2.get_supported_compute_types(device.type):
            known = ", ".join(sorted(ctranslate2.get_supported_compute_types(device.type)))
            raise UserError(f"--quantization {quantization}: CTranslate2 supports these here: {known}.")
        source = run.weights.stat()
        folder, stamp = run.ctranslate2(quantization), f"{source.st_size} {source.st_mtime_ns}"
        if not (folder / STAMP).exists() or (folder / STAMP).read_text() != stamp:
            with replacing(folder) as temporary:
                save_ctranslate2(model, translator.tokenizer, temporary, quantization, self.n_positions)
                (temporary / STAMP).write_text(stamp)
        try:
            self.engine = ctranslate2.Translator(
                str(folder), device.type, device_index=device.index or 0, compute_type=quantization,
                inter_threads=1, intra_threads=torch.get_num_threads(),
            )  # fmt: skip
        except RuntimeError as error:
            raise UserError(f"{folder} is damaged ({error}): delete it to convert the model again.") from None

    def search(
        self, segments: Sequence[Segment], max_lens: Sequence[int], search: SearchConfig
    ) -> list[list[Hypothesis]]:
        """Return the best hypotheses of each segment, sorted by our `Scoring`.

        CTranslate2 has one length limit for a batch: hypotheses
        above the limit of their segment are cut.
        """
        tokenizer, scoring = self.tokenizer, build_scoring(search)
        to_piece, to_id = tokenizer.tgt.id_to_piece, tokenizer.tgt.piece_to_id
        limit = max(1, min(max(max_lens), self.n_positions - 1))
        alpha = 0.0 if scoring.norm is LengthNorm.none else scoring.alpha
        results = self.engine.translate_batch(
            [[tokenizer.src.id_to_piece(i) for i in segment.ids] for segment in segments],
            [[to_piece(i) for i in segment.prefix] or None for segment in segments],
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
            n_scored = len(pieces) + 1 if len(pieces) < limit else len(pieces)  # EOS is scored, too
            log_prob = average * n_scored**alpha
            tokens = [to_id(piece) for piece in pieces[:own_limit]]
            length = len(tokens) + 1 if complete else len(tokens)
            return Hypothesis(tokens, log_prob, [], log_prob / scoring.penalty(length), complete)

        best = []
        for segment, result, own_limit in zip(segments, results, max_lens, strict=True):
            found = [hypothesis(*pair, own_limit) for pair in zip(result.hypotheses, result.scores, strict=True)]
            if segment.prefix or self.scores_tokens:  # CTranslate2 scores neither forced nor single tokens
                found = self.rescore(segment, found, scoring)
            best.append(sorted(found, key=lambda h: (not h.complete, -h.score)))
        return best

    def rescore(self, segment: Segment, hypotheses: list[Hypothesis], scoring: Scoring) -> list[Hypothesis]:
        """Return the hypotheses of a segment with our own log-probabilities."""
        pairs = [(segment.ids, hypothesis.tokens) for hypothesis in hypotheses]
        rescored = []
        for one, log_probs in zip(
            hypotheses, token_log_probs(self.model, self.tokenizer, pairs, MAX_TOKENS), strict=True
        ):
            log_probs = log_probs if one.complete else log_probs[:-1]
            log_prob = sum(log_probs)
            score = log_prob / scoring.penalty(len(log_probs))
            rescored.append(replace(one, log_prob=log_prob, log_probs=log_probs, score=score))
        return rescored
