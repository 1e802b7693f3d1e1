"""Models: built from a configuration, and loaded from a run folder."""

from pathlib import Path

import torch

from mt.config.schema import Config
from mt.errors import UserError
from mt.model.transformer import Transformer
from mt.runs.checkpoint import load_weights, read_shapes
from mt.runs.layout import RunLayout
from mt.runtime.devices import choose_device
from mt.text.tokenizer import Tokenizer

PARTS = ("encoder", "decoder")


def build_model(config: Config, tokenizer: Tokenizer) -> Transformer:
    """Build the configured model for a tokenizer's vocabulary, with new weights."""
    # BOS and EOS need a position each.
    return Transformer(config.model, *tokenizer.vocab_sizes, joint=tokenizer.joint, n_positions=config.data.max_len + 2)


def load_model(run: RunLayout, config: Config, tokenizer: Tokenizer, device: str) -> Transformer:
    """Load the model of a run folder with this configuration and tokenizer."""
    check_sizes(config, tokenizer, run.weights)
    model = build_model(config, tokenizer).to(choose_device(device))
    load_weights(model, run.weights)
    return model.eval()


def check_sizes(config: Config, tokenizer: Tokenizer, weights: Path) -> None:
    """Raise `UserError` unless a configuration describes the model of a file of weights.

    Otherwise a few bytes of configuration could claim all memory, before the weights show that they do not fit.
    """
    shapes, model = read_shapes(weights), config.model
    n_layers = [len({name.split(".")[1] for name in shapes if name.startswith(f"{part}.")}) for part in PARTS]
    fits = n_layers == [model.n_encoder_layers, model.n_decoder_layers]
    if fits:
        with torch.device("meta"):  # without memory
            described = build_model(config, tokenizer).named_parameters()
        fits = shapes == {name: tuple(parameter.shape) for name, parameter in described}
    if not fits:
        raise UserError(f"{weights} does not fit the model that config.yaml describes.")
