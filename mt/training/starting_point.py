"""What training begins with: random weights, or those of another run; and which of them it changes."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from mt.config.file import load_config
from mt.config.schema import Config
from mt.errors import UserError
from mt.model.lora import add_lora
from mt.model.parts import freeze
from mt.model.transformer import Transformer
from mt.runs.checkpoint import read_tensors
from mt.text.tokenizer import Tokenizer, load_tokenizer
from mt.translation.translator import build_model

SHAPE_KEYS = [
    "d_model", "n_heads", "d_ff", "n_encoder_layers", "n_decoder_layers", "norm", "positions", "activation",
    "tie_embeddings", "output_bias",
]  # fmt: skip


def build_starting_model(config: Config, tokenizer: Tokenizer, resumes: bool) -> Transformer:
    """The model as it is before the first step; its weights do not matter where training `resumes`.

    Raises:
        UserError: `training.init_from` is no run, or its model is of another shape; or nothing is left to train.
    """
    torch.manual_seed(config.seed)
    model = build_model(config, tokenizer)
    training = config.training
    if training.init_from is not None and not resumes:
        load_start(model, config, Path(training.init_from), tokenizer)
    if training.lora.rank:
        add_lora(model, training.lora.rank, training.lora.alpha)
    freeze(model, [part.value for part in training.freeze])
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UserError(f"training.freeze={[part.value for part in training.freeze]} leaves nothing to train.")
    model.gradient_checkpointing = training.gradient_checkpointing
    return model


def load_start(model: Transformer, config: Config, start: Path, tokenizer: Tokenizer) -> None:
    """Give a new model the weights of the run `start`."""
    check_shape(config, start)
    weights = read_tensors(start / "model.safetensors")
    if config.training.new_vocab:
        weights = carry_over(weights, model, load_tokenizer(start, config.tokenizer.joint), tokenizer)
    own = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in own.items():
            n_rows = len(parameter)
            if name.endswith(".positions") and name in weights:  # learned ones may be more or fewer
                n_rows = min(n_rows, len(weights[name]))
            if weights.keys() != own.keys() or weights[name][:n_rows].shape != parameter[:n_rows].shape:
                raise UserError(
                    f"{start / 'model.safetensors'} holds another model than {start / 'config.yaml'} describes."
                )
            parameter[:n_rows] = weights[name][:n_rows]


def check_shape(config: Config, start: Path) -> None:
    """Raise `UserError` where the run `start` has another shape of model, or a kept tokeniser of another kind."""
    if not start.is_dir():
        raise UserError(f"training.init_from={start}: there is no such run folder.")
    old = load_config(start / "config.yaml")
    wanted = {f"model.{key}": (getattr(old.model, key), getattr(config.model, key)) for key in SHAPE_KEYS}
    wanted["tokenizer.joint"] = (old.tokenizer.joint, config.tokenizer.joint)
    if not config.training.new_vocab:
        wanted["tokenizer.model_type"] = (old.tokenizer.model_type, config.tokenizer.model_type)
        if config.tokenizer.vocab_size is not None:
            wanted["tokenizer.vocab_size"] = (old.tokenizer.vocab_size or "null", config.tokenizer.vocab_size)
    differing = [f"{key}={getattr(there, 'value', there)}" for key, (there, here) in wanted.items() if there != here]
    if differing:
        raise UserError(
            f"training.init_from={start} has another model or tokeniser: to begin with it, add\n  {' '.join(differing)}"
        )


def carry_over(weights: dict[str, Tensor], model: Transformer, old: Tokenizer, new: Tokenizer) -> dict[str, Tensor]:
    """`weights` for another vocabulary: rows of pieces that both have are kept, the others are the new model's."""
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
