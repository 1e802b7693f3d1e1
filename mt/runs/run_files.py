"""The configuration and the tokenizer of a run folder. torch is not needed here."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from mt.config.checks import check_file
from mt.config.file import load_config
from mt.config.schema import Config
from mt.errors import UserError
from mt.runs.layout import RunLayout
from mt.runtime.checksums import check_sum, warn_if_changed
from mt.text.tokenizer import Tokenizer, load_tokenizer


def load_run_config(run: RunLayout, overrides: list[str] | None = None) -> Config:
    """Read the configuration of a run folder, with `KEY=VALUE` overrides."""
    if not run.folder.is_dir():
        raise UserError(f"There is no folder {run.folder}.")
    config = load_config(run.config, overrides)  # first, as it refuses what is too large
    warn_if_changed(run.config)
    config.data.cache_dir = None  # a choice of the one who trained, about another machine
    return config


def load_run_tokenizer(run: RunLayout, config: Config) -> Tokenizer:
    """Read the tokenizer of a run folder, after a check that there is a model."""
    tokenizer = load_tokenizer(run.tokenizer(config.tokenizer.joint))
    if not run.weights.exists() and run.checkpoints.is_dir():
        raise UserError(f"{run.weights} is missing: training has not saved a model yet.")
    return tokenizer


def check_weights(path: Path) -> None:
    """Raise `UserError` if a file of weights is damaged; the header is checked first, as any file may be huge."""
    check_file(path)
    try:
        with safe_open(path, "numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged ({error}).") from error
    check_sum(path)
