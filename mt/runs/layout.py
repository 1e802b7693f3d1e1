"""The layout of a run folder: every file name, once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STEP_NAMES = "step-*"


@dataclass(frozen=True)
class RunLayout:
    """Paths inside a run folder. `config`, `tokenizer` and `weights` together are the model."""

    folder: Path

    @property
    def config(self) -> Path:
        """The configuration; marks the folder as a run."""
        return self.folder / "config.yaml"

    @property
    def weights(self) -> Path:
        """The weights of the best model."""
        return self.folder / "model.safetensors"

    def tokenizer(self, joint: bool) -> list[Path]:
        """The SentencePiece model of both languages, or one of each if they are not `joint`."""
        names = ["tokenizer.model"] if joint else ["tokenizer.src.model", "tokenizer.tgt.model"]
        return [self.folder / name for name in names]

    @property
    def checkpoints(self) -> Path:
        """Everything that resuming needs, in a folder for each saved step."""
        return self.folder / "checkpoints"

    @property
    def best(self) -> Path:
        """Weights of the best validated models, for averaging."""
        return self.folder / "best"

    @property
    def metrics(self) -> Path:
        """The curves as JSON, one row for each report."""
        return self.folder / "metrics.jsonl"

    @property
    def log(self) -> Path:
        """The log messages of the training."""
        return self.folder / "train.log"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files."""
        return self.folder / "tensorboard"

    @property
    def profile(self) -> Path:
        """Recordings of torch's profiler."""
        return self.folder / "profile"

    @property
    def translations(self) -> Path:
        """Translations of test sets."""
        return self.folder / "translations"

    @property
    def report(self) -> Path:
        """The page that `mt report` writes."""
        return self.folder / "report.html"

    @property
    def data_report(self) -> Path:
        """The page that `mt prepare --report` writes."""
        return self.folder / "data.html"

    def ctranslate2(self, quantization: str) -> Path:
        """The model as converted for CTranslate2."""
        return self.folder / f"ctranslate2-{quantization}"

    def has_checkpoint(self) -> bool:
        """Return whether there is a training to resume."""
        return any(self.checkpoints.glob(STEP_NAMES))


@dataclass(frozen=True)
class CheckpointLayout:
    """Paths inside a checkpoint, one of the folders in `checkpoints`."""

    folder: Path

    @property
    def weights(self) -> Path:
        """The weights as they are trained, LoRA matrices included."""
        return self.folder / "model.safetensors"

    @property
    def optimizer(self) -> Path:
        """The optimizer's state."""
        return self.folder / "optimizer.safetensors"

    @property
    def average(self) -> Path:
        """The moving average of the weights, if there is one."""
        return self.folder / "average.safetensors"

    @property
    def state(self) -> Path:
        """The position of the training."""
        return self.folder / "state.json"


def step_name(step: int) -> str:
    """Return the name of the folder or file that belongs to a step."""
    return f"step-{step:09d}"


def stored_steps(folder: Path) -> list[Path]:
    """Return the folders or files of a folder that belong to steps, oldest first."""
    return sorted(folder.glob(STEP_NAMES))
