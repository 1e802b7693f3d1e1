"""Models: built from a configuration, and loaded from a run folder."""

from mt.config.file import load_config
from mt.config.schema import Config
from mt.errors import UserError
from mt.model.transformer import Transformer
from mt.runs.checkpoint import load_weights
from mt.runs.layout import RunLayout
from mt.runtime.devices import choose_device
from mt.text.tokenizer import Tokenizer, load_tokenizer


def build_model(config: Config, tokenizer: Tokenizer) -> Transformer:
    """Build the configured model for a tokenizer's vocabulary, with new weights."""
    # BOS and EOS need a position each.
    return Transformer(config.model, *tokenizer.vocab_sizes, joint=tokenizer.joint, n_positions=config.data.max_len + 2)


def load_run_config(run: RunLayout, overrides: list[str] | None = None) -> Config:
    """Read the configuration of a run folder, with `KEY=VALUE` overrides."""
    if not run.folder.is_dir():
        raise UserError(f"There is no folder {run.folder}.")
    return load_config(run.config, overrides)


def load_model(run: RunLayout, config: Config, device: str) -> tuple[Transformer, Tokenizer]:
    """Load the model of a run folder with this configuration, and its tokenizer."""
    tokenizer = load_tokenizer(run.tokenizer(config.tokenizer.joint))
    model = build_model(config, tokenizer).to(choose_device(device))
    if not run.weights.is_file() and run.checkpoints.is_dir():
        raise UserError(f"{run.weights} is missing: training has not saved a model yet.")
    load_weights(model, run.weights)
    return model.eval(), tokenizer
