"""The parts of a model by name, to keep some of them as they are while the rest is trained."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

PARTS = {
    "encoder": ("encoder.", "encoder_norm."),
    "decoder": ("decoder.", "decoder_norm."),
    "embeddings": ("src_embedding.", "tgt_embedding.", "projection."),
    "self_attention": (".self_attention.",),
    "source_attention": (".source_attention.",),
    "feed_forward": (".feed_forward.",),
}
"""What the names of a part's parameters begin with, or, from a dot on, contain."""


def freeze(model: nn.Module, parts: Iterable[str]) -> None:
    """Let no parameter of these parts be trained."""
    marks = [mark for part in parts for mark in PARTS[part]]
    for name, parameter in model.named_parameters():
        if any(mark in name if mark.startswith(".") else name.startswith(mark) for mark in marks):
            parameter.requires_grad_(False)
