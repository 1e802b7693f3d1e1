"""What the parts of our model are called in Hugging Face transformers' BART-like models, Marian's and Blenderbot's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from mt.config.choices import Norm
from mt.config.schema import ModelConfig


@dataclass(frozen=True)
class Name:
    """A weight here and there."""

    own: str
    theirs: str
    features: int | None = None
    """the axis along which the model's features lie, which may be in another order there"""


def names(config: ModelConfig) -> Iterator[Name]:
    """All weights of a model but for positions and what it adds to the logits."""
    for side, n_layers in (("encoder", config.n_encoder_layers), ("decoder", config.n_decoder_layers)):
        embedding = {"encoder": "src_embedding", "decoder": "tgt_embedding"}[side]
        yield Name(f"{embedding}.tokens.weight", f"model.{side}.embed_tokens.weight", 1)
        for number in range(n_layers):
            yield from names_of_layer(f"{side}.{number}", f"model.{side}.layers.{number}", side == "decoder")
        if config.norm is Norm.pre:
            yield from names_of_vectors(f"{side}_norm", f"model.{side}.layer_norm")
    yield Name("projection.weight", "lm_head.weight", 1)


def names_of_layer(own: str, theirs: str, is_decoder: bool) -> Iterator[Name]:
    """A layer of encoder or decoder."""
    norms = ["self_attn_layer_norm", *["encoder_attn_layer_norm"] * is_decoder, "final_layer_norm"]
    attentions = {"self_attention": "self_attn", **({"source_attention": "encoder_attn"} if is_decoder else {})}
    for own_attention, their_attention in attentions.items():
        for own_map, their_map in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj")):
            yield from names_of_reader(f"{own}.{own_attention}.{own_map}", f"{theirs}.{their_attention}.{their_map}")
        yield from names_of_vectors(f"{own}.{own_attention}.output", f"{theirs}.{their_attention}.out_proj")
    yield from names_of_reader(f"{own}.feed_forward.hidden", f"{theirs}.fc1")
    yield from names_of_vectors(f"{own}.feed_forward.output", f"{theirs}.fc2")
    for number, norm in enumerate(norms):
        yield from names_of_vectors(f"{own}.residuals.{number}.norm", f"{theirs}.{norm}")


def names_of_reader(own: str, theirs: str) -> Iterator[Name]:
    """A linear map that takes the model's features."""
    yield Name(f"{own}.weight", f"{theirs}.weight", 1)
    yield Name(f"{own}.bias", f"{theirs}.bias")


def names_of_vectors(own: str, theirs: str) -> Iterator[Name]:
    """A linear map that gives the model's features, or a normalisation of them."""
    yield Name(f"{own}.weight", f"{theirs}.weight", 0)
    yield Name(f"{own}.bias", f"{theirs}.bias", 0)


def sines_first(d_model: int) -> Tensor:
    """Which of our features comes at each place of Marian's: the even ones, sines, then the odd ones, cosines."""
    return torch.cat((torch.arange(0, d_model, 2), torch.arange(1, d_model, 2)))
