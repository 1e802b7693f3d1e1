"""The model that training starts with: new, or from another run; and which of its weights are trained."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mt.config.facts import keys_where
from mt.config.file import load_config
from mt.config.schema import Config, ModelConfig
from mt.errors import UserError
from mt.model.lora import add_lora
from mt.model.parts import freeze
from mt.model.transformer import Transformer
from mt.runs.checkpoint import read_tensors
from mt.runs.layout import RunLayout
from mt.runs.saved_model import build_model
from mt.text.tokenizer import Tokenizer, load_tokenizer


def build_starting_model(config: Config, tokenizer: Tokenizer, resumes: bool) -> Transformer:
    """Build the model as it is before the first step; if training `resumes`, the weights do not matter."""
    torch.manual_seed(config.seed)
    model = build_model(config, tokenizer)
    training = config.training
    if training.init_from is not None and not resumes:
        load_start(model, config, RunLayout(Path(training.init_from)), tokenizer)
    if training.lora.rank:
        add_lora(model, training.lora.rank, training.lora.alpha)
    freeze(model, [part.value for part in training.freeze])
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UserError(f"training.freeze={[part.value for part in training.freeze]} leaves nothing to train.")
    model.gradient_checkpointing = training.gradient_checkpointing
    return model


def load_start(model: Transformer, config: Config, start: RunLayout, tokenizer: Tokenizer) -> None:
    """Give a new model the weights of the run `start`."""
    check_shape(config, start)
    weights = read_tensors(start.weights)
    if config.training.new_vocab:
        old = load_tokenizer(start.tokenizer(config.tokenizer.joint))
        weights = carry_over(weights, model, old, tokenizer)
    own = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in own.items():
            n_rows = len(parameter)
            if name.endswith(".positions") and name in weights:  # the number of learned positions may differ
                n_rows = min(n_rows, len(weights[name]))
            if weights.keys() != own.keys() or weights[name][:n_rows].shape != parameter[:n_rows].shape:
                raise UserError(f"{start.weights} does not match {start.config}.")
            parameter[:n_rows] = weights[name][:n_rows]


def check_shape(config: Config, start: RunLayout) -> None:
    """Raise `UserError` if the model shape of `start`, or its tokenizer if that is kept, does not fit."""
    if not start.folder.is_dir():
        raise UserError(f"training.init_from={start.folder}: there is no such run folder.")
    old = load_config(start.config)
    wanted: dict[str, tuple[Any, Any]] = {
        f"model.{key}": (getattr(old.model, key), getattr(config.model, key))
        for key in keys_where("shapes_model", ModelConfig)
    }
    wanted["tokenizer.joint"] = (old.tokenizer.joint, config.tokenizer.joint)
    if not config.training.new_vocab:
        wanted["tokenizer.model_type"] = (old.tokenizer.model_type, config.tokenizer.model_type)
        if config.tokenizer.vocab_size is not None:
            wanted["tokenizer.vocab_size"] = (old.tokenizer.vocab_size or "null", config.tokenizer.vocab_size)
    differing = [f"{key}={getattr(there, 'value', there)}" for key, (there, here) in wanted.items() if there != here]
    if differing:
        raise UserError(
            f"training.init_from={start.folder} differs in model or tokenizer. To start from it, add\n"
            f"  {' '.join(differing)}"
        )


def carry_over(weights: dict[str, Tensor], model: Transformer, old: Tokenizer, new: Tokenizer) -> dict[str, Tensor]:
    """Adapt weights to another vocabulary: rows of pieces that both have are kept, others come from the new model."""
    carried = dict(weights)
    for name, parameter in model.named_parameters():
        if name in ("src_embedding.tokens.weight", "tgt_embedding.tokens.weight") or name.startswith("projection."):
            processors = (old.src, new.src) if name.startswith("src") else (old.tgt, new.tgt)
            old_ids = {processors[0].id_to_piece(i): i for i in range(processors[0].get_piece_size())}
            rows = parameter.detach().clone()
            for i in range(len(rows)):
                piece = processors[1].id_to_piece(i)
                if piece in old_ids:
                    rows[i] = weights[name][old_ids[piece]]
            carried[name] = rows
    return carried
