"""The arithmetic of training a Transformer."""

from __future__ import annotations


def training_flops(
    d_model: int, d_ff: int, n_encoder_layers: int, n_decoder_layers: int, vocab_size: int, n_src: float, n_tgt: float
) -> float:
    """Return the floating-point operations for so many real tokens: 2 per weight and token forward, 4 backward.

    The products of queries with keys and of weights with values are neglected: below 1% at the lengths of sentences.
    """
    attention, feed_forward = 4 * d_model**2, 2 * d_model * d_ff
    # the keys and values that the decoder's layers need are made from the source
    src_weights = n_encoder_layers * (attention + feed_forward) + n_decoder_layers * attention // 2
    tgt_weights = n_decoder_layers * (attention + attention // 2 + feed_forward) + d_model * vocab_size
    return 6 * (src_weights * n_src + tgt_weights * n_tgt)
