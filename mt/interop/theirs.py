"""Models of Hugging Face transformers, loaded and compared with what our model can be."""

from collections.abc import Mapping
from dataclasses import dataclass
from pickle import UnpicklingError
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from mt.config.choices import Activation
from mt.config.schema import ModelConfig
from mt.errors import UserError, first_line
from mt.interop.huggingface_names import names

POSITIONS = "embed_positions"
"""a part of the names of the tables of positions"""
DAMAGED = (OSError, EOFError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError, UnpicklingError)
"""what transformers raises for a folder that is not such a model, or whose pickle would run code"""
ACTIVATIONS = {"relu": Activation.relu, "gelu": Activation.gelu, "swish": Activation.silu, "silu": Activation.silu}


@dataclass(frozen=True)
class Theirs:
    """A model of transformers with its tokenizer."""

    origin: str
    """its folder, or its name on the hub"""
    model: Any
    tokenizer: Any

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights by their names."""
        weights: dict[str, Tensor] = self.model.state_dict()
        return weights


@dataclass(frozen=True)
class Kind:
    """A kind of model that can be imported."""

    name: str
    model: str
    """class of transformers"""
    tokenizer: str
    """class of transformers"""
    fixed: Mapping[str, Any]
    """settings of which only one value is supported"""

    def load(self, origin: str, config: Any) -> Theirs:
        """Load a model with this configuration.

        Raises:
            UserError: a file is missing or damaged, or the model has a feature that ours lacks.
        """
        import transformers

        self.check_fits(config, origin)
        try:
            loaded: Any = getattr(transformers, self.model).from_pretrained(origin, output_loading_info=True)
            tokenizer = getattr(transformers, self.tokenizer).from_pretrained(origin)
        except DAMAGED as error:
            raise UserError(f"{origin} is not {self.name} with its tokenizer: {first_line(error)}") from error
        model, loading = loaded
        if loading["missing_keys"]:
            raise UserError(f"{origin} is not {self.name}: it lacks {min(loading['missing_keys'])}.")
        unexpected = [key for key in loading["unexpected_keys"] if POSITIONS not in key]  # a table, which is computed
        if unexpected:
            raise UserError(f"{origin} has weights for which its configuration has no place: {min(unexpected)}.")
        return Theirs(origin, model, tokenizer)

    def check_fits(self, config: Any, origin: str) -> None:
        """Raise `UserError` if a configuration of transformers has a feature that our model lacks."""
        wanted = {
            **self.fixed,
            "decoder_attention_heads": config.encoder_attention_heads,
            "decoder_ffn_dim": config.encoder_ffn_dim,
        }
        for key, value in wanted.items():
            if getattr(config, key, value) != value:
                raise UserError(f"{origin}: mt does not support {key}={getattr(config, key)}, only {value}.")
        if config.activation_function not in ACTIVATIONS:
            raise UserError(f"{origin}: mt does not support activation_function={config.activation_function}.")


def model_config(config: Any, **settings: Any) -> ModelConfig:
    """Convert sizes and dropout of a configuration of transformers to ours; `settings` are the rest."""
    return ModelConfig(
        d_model=config.d_model,
        n_heads=config.encoder_attention_heads,
        d_ff=config.encoder_ffn_dim,
        n_encoder_layers=config.encoder_layers,
        n_decoder_layers=config.decoder_layers,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        activation_dropout=config.activation_dropout,
        activation=ACTIVATIONS[config.activation_function],
        output_bias=True,
        **settings,
    )


def convert_weights(
    theirs: Mapping[str, Tensor], config: ModelConfig, rows: tuple[list[int], list[int]], order: Tensor | None = None
) -> dict[str, Tensor]:
    """Rename weights, and put pieces and features into our order.

    Args:
        rows: id in their model of each source and each target piece.
        order: index of their feature for each of ours; None: the same.
    """
    weights = {}
    for name in names(config):
        weight = theirs[name.theirs]
        if order is not None and name.features is not None:
            weight = weight.index_select(name.features, order)
        weights[name.own] = weight
    weights["src_embedding.tokens.weight"] = weights["src_embedding.tokens.weight"][rows[0]]
    for name_of_targets in ("tgt_embedding.tokens.weight", "projection.weight"):
        weights[name_of_targets] = weights[name_of_targets][rows[1]]
    return weights
