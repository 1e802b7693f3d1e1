"""Names of our model's weights in Hugging Face transformers' BART-like models, Marian and Blenderbot."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from mt.config.choices import Norm
from mt.config.schema import ModelConfig


@dataclass(frozen=True)
class Name:
    """The names of one weight."""

    own: str
    theirs: str
    features: int | None = None
    """the axis of the model's features, whose order may differ"""


def names(config: ModelConfig) -> Iterator[Name]:
    """Yield the names of all weights except positions and the bias of the logits."""
    for side, n_layers in (("encoder", config.n_encoder_layers), ("decoder", config.n_decoder_layers)):
        embedding = {"encoder": "src_embedding", "decoder": "tgt_embedding"}[side]
        yield Name(f"{embedding}.tokens.weight", f"model.{side}.embed_tokens.weight", 1)
        for number in range(n_layers):
            yield from names_of_layer(f"{side}.{number}", f"model.{side}.layers.{number}", side == "decoder")
        if config.norm is Norm.pre:
            yield from names_of_output_map(f"{side}_norm", f"model.{side}.layer_norm")
    yield Name("projection.weight", "lm_head.weight", 1)


def names_of_layer(own: str, theirs: str, is_decoder: bool) -> Iterator[Name]:
    """Yield the names of a layer of the encoder or decoder."""
    norms = ["self_attn_layer_norm", "final_layer_norm"]
    attentions = {"self_attention": "self_attn"}
    if is_decoder:
        norms.insert(1, "encoder_attn_layer_norm")
        attentions["source_attention"] = "encoder_attn"
    for own_attention, their_attention in attentions.items():
        for own_map, their_map in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj")):
            yield from names_of_input_map(f"{own}.{own_attention}.{own_map}", f"{theirs}.{their_attention}.{their_map}")
        yield from names_of_output_map(f"{own}.{own_attention}.output", f"{theirs}.{their_attention}.out_proj")
    yield from names_of_input_map(f"{own}.feed_forward.hidden", f"{theirs}.fc1")
    yield from names_of_output_map(f"{own}.feed_forward.output", f"{theirs}.fc2")
    for number, norm in enumerate(norms):
        yield from names_of_output_map(f"{own}.residuals.{number}.norm", f"{theirs}.{norm}")


def names_of_input_map(own: str, theirs: str) -> Iterator[Name]:
    """Yield the names of a linear map whose input is the model's features."""
    yield Name(f"{own}.weight", f"{theirs}.weight", 1)
    yield Name(f"{own}.bias", f"{theirs}.bias")


def names_of_output_map(own: str, theirs: str) -> Iterator[Name]:
    """Yield the names of a linear map whose output is the model's features, or of their normalisation."""
    yield Name(f"{own}.weight", f"{theirs}.weight", 0)
    yield Name(f"{own}.bias", f"{theirs}.bias", 0)


def sines_first(d_model: int) -> Tensor:
    """Return the index of our feature for each feature of Marian: the even indices (sines), then the odd (cosines)."""
    return torch.cat((torch.arange(0, d_model, 2), torch.arange(1, d_model, 2)))
