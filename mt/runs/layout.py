"""The layout of a run folder: every file name, once."""

import re
from pathlib import Path

from mt.errors import UserError

STEP_NAME = re.compile(r"step-\d{9}(?:\.safetensors)?")
BEST_SCORES = "scores.json"
"""file in the folder `best`: the score of each model"""


class RunLayout:
    """Paths inside a run folder. The configuration, the tokenizer and the weights together are the model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.yaml"  # marks the folder as a run
        self.weights = folder / "model.safetensors"  # of the best model
        self.checkpoints = folder / "checkpoints"  # a folder for each saved step, with what resuming needs
        self.quality = folder / "quality.json"  # how the quality of translations is estimated
        self.best = folder / "best"  # weights of the best validated models, for averaging
        self.metrics = folder / "metrics.jsonl"  # the curves
        self.log = folder / "train.log"
        self.tensorboard = folder / "tensorboard"  # the embeddings for the projector
        self.profile = folder / "profile"
        self.held_out = folder / "held_out"  # validation and test data taken from the training text
        self.lock = folder / ".lock"  # while a process trains
        self.card = folder / "README.md"
        self.report = folder / "report.html"
        self.data_report = folder / "data.html"

    def own(self, path: Path) -> Path:
        """Return a path in the folder that a command writes to, after a check that no link leads out of the folder."""
        if not path.parent.resolve().is_relative_to(self.folder.resolve()):
            raise UserError(f"{path} lies outside of {self.folder}: a link leads there. Nothing is written to it.")
        return path

    def translation(self, test: str, lang: str) -> Path:
        """The file for the translations of a test set into a language; `stress/TEST` for those of a stress test."""
        return self.own(self.folder / "translations" / f"{test}.{lang}")

    def comparison(self, other: str) -> Path:
        """The page that compares the run with another, given its name."""
        return self.folder / f"report-{other}.html"

    @property
    def events(self) -> Path:
        """The folder of TensorBoard's event files: the run folder, so that TensorBoard calls the run by its name.

        A run that was started by an earlier version keeps them in its folder `tensorboard`.
        """
        return self.tensorboard if any(self.tensorboard.glob("events.*")) else self.folder

    def tokenizer(self, joint: bool) -> list[Path]:
        """Return the paths of the SentencePiece models: one if `joint`, otherwise one for each language."""
        names = ["tokenizer.model"] if joint else ["tokenizer.src.model", "tokenizer.tgt.model"]
        return [self.folder / name for name in names]

    def has_checkpoint(self) -> bool:
        """Return whether there is a training run to resume."""
        return bool(stored_steps(self.checkpoints))

    def is_trained(self) -> bool:
        """Return whether the run has learnt anything: there is a checkpoint or a model."""
        return self.has_checkpoint() or self.weights.exists()


class CheckpointLayout:
    """Paths inside a checkpoint."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.weights = folder / "model.safetensors"  # as they are trained, low-rank maps included
        self.optimizer = folder / "optimizer.safetensors"
        self.average = folder / "average.safetensors"  # the moving average of the weights, if there is one
        self.state = folder / "state.json"


def step_name(step: int) -> str:
    """Return the name of the folder or file of a step."""
    return f"step-{step:09d}"


def weights_name(step: int) -> str:
    """Return the name of a file with the weights after a step."""
    return f"{step_name(step)}.safetensors"


def stored_steps(folder: Path) -> list[Path]:
    """Return the folders or files of steps in a folder, oldest first."""
    return sorted(path for path in folder.glob("step-*") if STEP_NAME.fullmatch(path.name))
