"""What training writes for people and programs to watch: TensorBoard's files, and `metrics.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from mt.runtime.files import write_bytes, write_text

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

GROUPS = {"train": "1_training", "valid": "2_validation", "test": "3_final", "final": "3_final", "speed": "4_speed"}
"""The groups of curves in TensorBoard, which puts them in the order of their names."""
LAYOUT = {
    "Training beside validation": {
        "loss a target token, unsmoothed": ["Multiline", ["^1_training/nll$", "^2_validation/loss$"]],
        "BLEU and chrF of validation": ["Multiline", ["^2_validation/(bleu|chrf)$"]],
    },
    "How the steps are taken": {
        "learning rate": ["Multiline", ["^1_training/learning_rate$"]],
        "gradient norm, before clipping": ["Multiline", ["^1_training/gradient_norm$"]],
    },
    "Speed": {"target tokens a second": ["Multiline", ["^4_speed/target_tokens_per_second$"]]},
}
"""Of the tab Custom Scalars."""
FIRST_COLUMNS = ("optim.name", "optim.lr", "model.dropout", "model.d_model", "training.label_smoothing")
"""Of the hyper-parameter table, which shows five unless asked for more: TensorBoard puts those first that are said
to differ between runs."""
MAX_EMBEDDINGS = 5000
"""Pieces in the projector: the browser, and people, cannot take many more."""


def in_group(name: str) -> str:
    """A figure's name in TensorBoard: `train/loss` is `1_training/loss`."""
    group, _, rest = name.partition("/")
    return f"{GROUPS[group]}/{rest}"


class Tracker:
    """Writes curves, sample translations and pictures of one run; a resumed run continues its curves."""

    def __init__(self, run: Path, step: int = 0) -> None:
        """Go on after `step`: what an interrupted run wrote of later steps is taken back."""
        self.run = run
        self.step = step
        self.metrics_path = run / "metrics.jsonl"
        if self.metrics_path.exists():
            rows = self.metrics_path.read_text(encoding="utf-8").splitlines()
            write_text(self.metrics_path, "".join(f"{row}\n" for row in rows if is_up_to(row, step)))

    @cached_property
    def writer(self) -> SummaryWriter:
        """Of TensorBoard's files, made when there is something to write: its import need not delay the first step."""
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(str(self.run / "tensorboard"), purge_step=self.step + 1, flush_secs=10)
        writer.add_custom_scalars(LAYOUT)
        return writer

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Points of curves, as `train/loss`."""
        for name, value in values.items():
            self.writer.add_scalar(in_group(name), value, step)
        with open(self.metrics_path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")

    def samples(self, step: int, rows: Sequence[tuple[str, str, str]]) -> None:
        """A table of source, reference and hypothesis."""
        lines = ["| source | reference | translation |", "| --- | --- | --- |"]
        lines += ["| " + " | ".join(escape_cell(cell) for cell in row) + " |" for row in rows]
        self.writer.add_text("validation/sample translations", "\n".join(lines), step)

    def attention(self, step: int, heads: Tensor, src_pieces: list[str], tgt_pieces: list[str]) -> None:
        """A sheet of what each head looked at while it wrote each target piece; heads (H, T, S)."""
        from mt.display.plotting import (  # matplotlib takes a while to import, and the first step need not wait
            draw_heads,
            pixels,
        )

        title = "last decoder layer: rows are about to be written"
        picture = pixels(draw_heads(heads, src_pieces, tgt_pieces, title))  # add_figure would import pyplot for it
        self.writer.add_image("attention/last decoder layer, to the source", picture, step, dataformats="HWC")

    def embeddings(self, tables: Mapping[str, tuple[Tensor, Sequence[str]]]) -> None:
        """Vectors (V, D) and pieces under the names of their tables, for the projector; the first of each, which are
        the most frequent.
        """
        from google.protobuf.text_format import MessageToString
        from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

        folder, config = self.run / "tensorboard", ProjectorConfig()
        for name, (vectors, pieces) in tables.items():
            shown = vectors[:MAX_EMBEDDINGS].detach().float().cpu().numpy()
            labels = [one_word(piece) for piece in pieces[:MAX_EMBEDDINGS]]
            files = {"tensor_path": f"{name}.bytes", "metadata_path": f"{name}.tsv"}
            # torch's add_embedding writes decimal numbers, which takes half a second
            write_bytes(folder / files["tensor_path"], shown.tobytes())
            write_text(folder / files["metadata_path"], "".join(f"{label}\n" for label in labels))
            config.embeddings.add(tensor_name=name, tensor_shape=shown.shape, **files)
        write_text(folder / "projector_config.pbtxt", MessageToString(config))

    def profile(self, step: int, table: str) -> None:
        """A table of the operations that took the most time, as it is."""
        self.writer.add_text("profile/operations", "".join(f"    {line}\n" for line in table.splitlines()), step)

    def hyperparameters(self, step: int, values: Mapping[str, Any], results: Mapping[str, float]) -> None:
        """A row of TensorBoard's hyper-parameter table, with the results that are also points at `step`.

        What torch makes of it is changed so that the row has the run's name, and the columns an order.
        """
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
        from torch.utils.tensorboard.summary import hparams

        plain = {
            key: value if isinstance(value, (bool, int, float)) else str(value)
            for key, value in values.items()
            if value is not None
        }
        named = {in_group(name): value for name, value in results.items()}
        for summary in hparams(plain, named):  # type: ignore[no-untyped-call]
            plugin = summary.value[0].metadata.plugin_data
            data = HParamsPluginData.FromString(plugin.content)
            for column in data.experiment.hparam_infos:
                column.differs = column.name in FIRST_COLUMNS
            if data.HasField("session_start_info"):
                data.session_start_info.group_name = self.run.resolve().name
            plugin.content = data.SerializeToString()
            self.writer._get_file_writer().add_summary(summary)  # type: ignore[no-untyped-call]
        for name, value in named.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is still in memory."""
        if "writer" in self.__dict__:
            self.writer.close()


def one_word(piece: str) -> str:
    """A piece as a label of one line: what cannot be seen is written as its code."""
    return "".join(c if c.isprintable() and not c.isspace() else f"<U+{ord(c):04X}>" for c in piece)


def is_up_to(row: str, step: int) -> bool:
    """Whether a row of metrics.jsonl is whole and not of a later step."""
    try:
        return int(json.loads(row)["step"]) <= step
    except (ValueError, KeyError, TypeError):
        return False


def escape_cell(text: str) -> str:
    """Text as a cell of a Markdown table."""
    for mark in "\\|*_`<>[]#~":
        text = text.replace(mark, "\\" + mark if mark not in "<>" else {"<": "&lt;", ">": "&gt;"}[mark])
    return text
