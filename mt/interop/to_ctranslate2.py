"""Export to CTranslate2, which supports every configuration of our model; positions are exported as a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ctranslate2.converters.utils import fuse_linear
from ctranslate2.specs import TransformerSpec, common_spec
from ctranslate2.specs.transformer_spec import (
    FeedForwardSpec,
    TransformerDecoderLayerSpec,
    TransformerDecoderSpec,
    TransformerEncoderLayerSpec,
    TransformerEncoderSpec,
)
from torch import Tensor, nn

from mt.config.choices import Activation, Norm
from mt.model.attention import MultiHeadAttention
from mt.model.layers import Embedding, FeedForward, Residual, sinusoids
from mt.model.transformer import DecoderLayer, EncoderLayer, Transformer
from mt.text.tokenizer import Tokenizer

ACTIVATIONS = {
    Activation.relu: common_spec.Activation.RELU,
    Activation.gelu: common_spec.Activation.GELU,
    Activation.silu: common_spec.Activation.SWISH,
    Activation.swiglu: common_spec.Activation.SWISH,
}


def save_ctranslate2(
    model: Transformer, tokenizer: Tokenizer, folder: Path, quantization: str, n_positions: int
) -> None:
    """Write a model for CTranslate2 into a new folder, with the SentencePiece models of both languages beside it.

    Args:
        quantization: number format of the weights, such as float32; `mt export --help` lists all.
        n_positions: number of sinusoidal positions; that of learned ones is fixed.
    """
    spec = build_spec(model, n_positions)
    for processor, register in (
        (tokenizer.src, spec.register_source_vocabulary),
        (tokenizer.tgt, spec.register_target_vocabulary),
    ):
        register([processor.id_to_piece(i) for i in range(processor.get_piece_size())])
    special = {"unk_token": tokenizer.unk_id, "bos_token": tokenizer.bos_id, "eos_token": tokenizer.eos_id}
    for name, number in special.items():
        setattr(spec.config, name, tokenizer.tgt.id_to_piece(number))
    spec.config.decoder_start_token = spec.config.bos_token
    spec.config.add_source_eos = True
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir(parents=True)
    spec.save(str(folder))
    for side, proto in zip(("source", "target"), (tokenizer.protos * 2)[:2], strict=True):
        (folder / f"{side}.spm").write_bytes(proto)


def build_spec(model: Transformer, n_positions: int) -> TransformerSpec:
    """Return the model's weights in CTranslate2's structure."""
    config = model.config
    options = {
        "pre_norm": config.norm is Norm.pre,
        "activation": ACTIVATIONS[config.activation],
        "ffn_glu": config.activation is Activation.swiglu,
    }
    encoder = TransformerEncoderSpec(config.n_encoder_layers, config.n_heads, **options)
    decoder = TransformerDecoderSpec(config.n_decoder_layers, config.n_heads, **options)
    set_embedding(encoder, encoder.embeddings[0], model.src_embedding, n_positions)
    set_embedding(decoder, decoder.embeddings, model.tgt_embedding, n_positions)
    for encoder_spec, encoder_layer in zip(encoder.layer, model.encoder, strict=True):
        assert isinstance(encoder_layer, EncoderLayer)
        set_encoder_layer(encoder_spec, encoder_layer)
    for decoder_spec, decoder_layer in zip(decoder.layer, model.decoder, strict=True):
        assert isinstance(decoder_layer, DecoderLayer)
        set_decoder_layer(decoder_spec, decoder_layer)
    for spec, norm in ((encoder, model.encoder_norm), (decoder, model.decoder_norm)):
        if isinstance(norm, nn.LayerNorm):
            set_norm(spec.layer_norm, norm)
    set_linear(decoder.projection, model.projection)
    return TransformerSpec(encoder, decoder)


def array(weight: Tensor) -> np.ndarray:
    """Return a copy of a weight as an array: quantization changes it in place."""
    numbers: np.ndarray = weight.detach().float().cpu().numpy().copy()
    return numbers


def set_embedding(
    spec: TransformerEncoderSpec | TransformerDecoderSpec,
    tokens: common_spec.EmbeddingsSpec,
    embedding: Embedding,
    n_positions: int,
) -> None:
    """Set token and position embeddings."""
    tokens.weight = array(embedding.tokens.weight)
    table = embedding.positions if embedding.learned_positions else sinusoids(n_positions, tokens.weight.shape[1])
    spec.position_encodings.encodings = array(table)


def set_encoder_layer(spec: TransformerEncoderLayerSpec, layer: EncoderLayer) -> None:
    """Set a layer of the encoder."""
    set_self_attention(spec.self_attention, layer.self_attention)
    set_feed_forward(spec.ffn, layer.feed_forward)
    for part, residual in zip((spec.self_attention, spec.ffn), layer.residuals, strict=True):
        assert isinstance(residual, Residual)
        set_norm(part.layer_norm, residual.norm)


def set_decoder_layer(spec: TransformerDecoderLayerSpec, layer: DecoderLayer) -> None:
    """Set a layer of the decoder."""
    set_self_attention(spec.self_attention, layer.self_attention)
    attention = layer.source_attention
    set_linear(spec.attention.linear[0], attention.query)
    fuse_linear(spec.attention.linear[1], [linear(attention.key), linear(attention.value)])
    set_linear(spec.attention.linear[2], attention.output)
    set_feed_forward(spec.ffn, layer.feed_forward)
    for part, residual in zip((spec.self_attention, spec.attention, spec.ffn), layer.residuals, strict=True):
        assert isinstance(residual, Residual)
        set_norm(part.layer_norm, residual.norm)


def set_self_attention(spec: common_spec.LayerSpec, attention: MultiHeadAttention) -> None:
    """Set queries, keys and values as one map, and the output."""
    fuse_linear(spec.linear[0], [linear(attention.query), linear(attention.key), linear(attention.value)])
    set_linear(spec.linear[1], attention.output)


def set_feed_forward(spec: FeedForwardSpec, feed_forward: FeedForward) -> None:
    """Set two linear maps, or three if the hidden features are gated."""
    if feed_forward.gate is None:
        set_linear(spec.linear_0, feed_forward.hidden)
    else:
        set_linear(spec.linear_0, feed_forward.gate)
        set_linear(spec.linear_0_noact, feed_forward.hidden)
    set_linear(spec.linear_1, feed_forward.output)


def linear(module: nn.Linear) -> common_spec.LinearSpec:
    """Return a linear map."""
    spec = common_spec.LinearSpec()
    set_linear(spec, module)
    return spec


def set_linear(spec: common_spec.LinearSpec, module: nn.Linear) -> None:
    """Set weight and bias of a linear map."""
    spec.weight = array(module.weight)
    if module.bias is not None:
        spec.bias = array(module.bias)


def set_norm(spec: common_spec.LayerNormSpec, norm: nn.Module) -> None:
    """Set scale and shift of a layer normalisation."""
    assert isinstance(norm, nn.LayerNorm)
    spec.gamma, spec.beta = array(norm.weight), array(norm.bias)
