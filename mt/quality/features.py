"""Features of a translation without a reference: numbers from which its quality is estimated.

Most are those of Fomicheva et al., 2020 ("Unsupervised Quality Estimation for Neural Machine Translation"): a model's
own probabilities, and how much its translations of a sentence agree.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import log

import numpy as np
from numpy.typing import NDArray

from mt.config.choices import Utility
from mt.text.metrics import build_similarity
from mt.text.tokenizer import Tokenizer
from mt.translation.result import Translation

Array = NDArray[np.float64]
SOURCE_FEATURES = ("log_length", "characters_per_piece", "piece_frequency", "byte_pieces_of_source")
FEATURES = (
    *SOURCE_FEATURES, "mean_log_prob", "lowest_log_prob", "low_decile_of_log_prob", "deviation_of_log_prob", "margin",
    "agreement", "log_length_ratio", "repetition", "byte_pieces", "copied",
)  # fmt: skip
BYTE = "<0x"
"""beginning of the pieces that spell a character in bytes"""


def features(source: str, translations: Sequence[Translation], tokenizer: Tokenizer) -> Array:
    """Return the `FEATURES` of the first of the best translations of a line.

    Args:
        translations: best first, all with log-probabilities; more than one, so that they can agree or not.
    """
    best, others = translations[0], translations[1:]
    src_ids = [token for ids, _ in best.parts for token in ids]
    tgt_ids = [token for _, ids in best.parts for token in ids]
    log_probs = np.array(best.log_probs or [0.0])
    similarity = build_similarity(Utility.chrf, "")
    agreement = [similarity(other.text, best.text) / 100 for other in others] if best.text else []
    bigrams = list(pairwise(tgt_ids))
    pieces = [tokenizer.src.id_to_piece(token) for token in src_ids]
    n_src = max(1, len(src_ids))
    return np.array([
        log(n_src),
        len(source) / n_src,
        float(np.mean([tokenizer.src.get_score(token) for token in src_ids])) if src_ids else 0.0,
        sum(piece.startswith(BYTE) for piece in pieces) / n_src,
        float(log_probs.mean()),
        float(log_probs.min()),
        float(np.quantile(log_probs, 0.1)),
        float(log_probs.std()),
        best.score - others[0].score if others else 0.0,
        float(np.mean(agreement)) if agreement else 1.0,
        log(len(log_probs) / (n_src + 1)),
        1 - len(set(bigrams)) / len(bigrams) if bigrams else 0.0,
        sum(piece.startswith(BYTE) for piece in best.pieces) / max(1, len(best.pieces)),
        similarity(best.text, source) / 100,
    ])  # fmt: skip
