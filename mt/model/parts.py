"""Parts of a model by name, so that some can be frozen while the rest is trained."""

from collections.abc import Iterable, Iterator

from torch import nn

PARTS = {
    "encoder": ("encoder.", "encoder_norm."),
    "decoder": ("decoder.", "decoder_norm."),
    "embeddings": ("src_embedding.", "tgt_embedding.", "projection."),
    "self_attention": (".self_attention.",),
    "source_attention": (".source_attention.",),
    "feed_forward": (".feed_forward.",),
}
"""The beginnings of the names of a part's parameters; with a leading dot, strings that these names contain."""


def freeze(model: nn.Module, parts: Iterable[str]) -> None:
    """Exclude the parameters of these parts from training."""
    for parameter in parameters_of(model, parts):
        parameter.requires_grad_(False)


def unfreeze(model: nn.Module, parts: Iterable[str]) -> None:
    """Train the parameters of these parts."""
    for parameter in parameters_of(model, parts):
        parameter.requires_grad_(True)


def parameters_of(model: nn.Module, parts: Iterable[str]) -> Iterator[nn.Parameter]:
    """Yield the parameters of these parts."""
    patterns = [pattern for part in parts for pattern in PARTS[part]]
    for name, parameter in model.named_parameters():
        if any(text in name if text.startswith(".") else name.startswith(text) for text in patterns):
            yield parameter
