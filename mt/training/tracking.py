"""Records of training for people and programs: TensorBoard's event files and `metrics.jsonl`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from torch import Tensor

from mt.runs.layout import RunLayout
from mt.runs.metrics_file import MetricsFile
from mt.runtime.files import sync, write_bytes, write_text

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

GROUPS = {"train": "1_training", "valid": "2_validation", "test": "3_final", "final": "3_final", "speed": "4_speed"}
"""groups of curves in TensorBoard, which sorts them by name"""
LAYOUT = {
    "Training beside validation": {
        "loss per target token, unsmoothed": ["Multiline", ["^1_training/nll$", "^2_validation/loss$"]],
        "BLEU of validation": ["Multiline", ["^2_validation/bleu$"]],
        "chrF of validation": ["Multiline", ["^2_validation/chrf$"]],
    },
    "Optimisation": {
        "learning rate": ["Multiline", ["^1_training/learning_rate$"]],
        "gradient norm, before clipping": ["Multiline", ["^1_training/gradient_norm$"]],
    },
    "Speed": {"target tokens per second": ["Multiline", ["^4_speed/target_tokens_per_second$"]]},
}
"""layout of the tab Custom Scalars"""
FIRST_COLUMNS = ("optim.name", "optim.lr", "model.dropout", "model.d_model", "training.label_smoothing")
"""columns of the hyper-parameter table that are shown by default: TensorBoard shows five, and puts those first that are
declared to differ between runs"""
EVENT_FILES = "events.out.tfevents.*"
MAX_EMBEDDINGS = 5000
"""pieces in the projector; a browser cannot handle many more"""


def grouped_name(name: str) -> str:
    """Return a figure's name in TensorBoard: `1_training/loss` for `train/loss`."""
    group, _, rest = name.partition("/")
    return f"{GROUPS[group]}/{rest}"


@dataclass(frozen=True)
class EmbeddingTable:
    """Embeddings to show in TensorBoard's projector."""

    vectors: Tensor
    """(V, D)"""
    pieces: Sequence[str]
    langs: Sequence[str]
    """language of each piece, by which the projector can colour them"""


class Tracker:
    """Writer of curves, sample translations and pictures of one run; a resumed run continues its curves."""

    def __init__(self, run: RunLayout, step: int = 0) -> None:
        """Continue after `step`, dropping what an interrupted run wrote about later steps."""
        self.run = run
        self.step = step
        self.metrics = MetricsFile(run.metrics)
        self.metrics.drop_after(step)

    @cached_property
    def writer(self) -> SummaryWriter:
        """TensorBoard's writer, created when it is first used, so that its import does not delay the first step."""
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(str(self.run.events), purge_step=self.step + 1, flush_secs=10)
        writer.add_custom_scalars(LAYOUT)
        return writer

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write points of curves with names such as `train/loss`.

        Those at the step from which the run continues replace what an earlier start wrote there and then lost: it was
        killed before its next checkpoint, or before it had recorded that it was finished.
        """
        self.points(step, values)
        write = self.metrics.replace if step == self.step else self.metrics.append
        write(step, values)

    def points(self, step: int, values: Mapping[str, float]) -> None:
        """Write points of TensorBoard's curves."""
        for name, value in values.items():
            self.writer.add_scalar(grouped_name(name), value, step)

    def samples(self, step: int, rows: Sequence[tuple[str, str, str]]) -> None:
        """Write a table of source, reference and hypothesis."""
        lines = ["| source | reference | translation |", "| --- | --- | --- |"]
        lines += ["| " + " | ".join(escape_cell(cell) for cell in row) + " |" for row in rows]
        self.writer.add_text("validation/sample translations", "\n".join(lines), step)

    def attention(self, step: int, heads: Tensor, src_pieces: list[str], tgt_pieces: list[str]) -> None:
        """Write one image with the attention of every head (H, T, S), a row for each target piece."""
        from mt.display.plotting import draw_heads, pixels  # matplotlib is slow to import

        title = "last decoder layer; a row per generated piece"
        picture = pixels(draw_heads(heads, src_pieces, tgt_pieces, title))  # add_figure would import pyplot
        self.writer.add_image("attention/last decoder layer, to the source", picture, step, dataformats="HWC")

    def embeddings(self, tables: Mapping[str, EmbeddingTable]) -> None:
        """Write tables of embeddings for the projector; of each, the first and most frequent pieces."""
        from google.protobuf.text_format import MessageToString
        from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

        events, config = self.run.events, ProjectorConfig()
        folder = os.path.relpath(self.run.tensorboard, events)
        for name, table in tables.items():
            shown = table.vectors[:MAX_EMBEDDINGS].detach().float().cpu().numpy()
            rows = [f"{printable(piece)}\t{lang}\n" for piece, lang in zip(table.pieces, table.langs, strict=True)]
            files = {"tensor_path": f"{folder}/{name}.bytes", "metadata_path": f"{folder}/{name}.tsv"}
            # torch's add_embedding writes decimal numbers, which takes half a second
            write_bytes(events / files["tensor_path"], shown.tobytes())
            write_text(events / files["metadata_path"], "piece\tlanguage\n" + "".join(rows[:MAX_EMBEDDINGS]))
            config.embeddings.add(tensor_name=name, tensor_shape=shown.shape, **files)
        write_text(events / "projector_config.pbtxt", MessageToString(config))

    def profile(self, step: int, table: str) -> None:
        """Write a table of the slowest operations."""
        self.writer.add_text("profile/operations", "".join(f"    {line}\n" for line in table.splitlines()), step)

    def hyperparameters(self, step: int, values: Mapping[str, Any], results: Mapping[str, float]) -> None:
        """Write a row of TensorBoard's hyper-parameter table, and the results as points at `step`.

        Modifies the output of torch to set the name of the row and the order of the columns.
        """
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
        from torch.utils.tensorboard.summary import hparams

        plain = {
            key: value if isinstance(value, (bool, int, float)) else str(value)
            for key, value in values.items()
            if value is not None
        }
        named = {grouped_name(name): value for name, value in results.items()}
        for summary in hparams(plain, named):  # type: ignore[no-untyped-call]
            plugin = summary.value[0].metadata.plugin_data
            data = HParamsPluginData.FromString(plugin.content)
            for column in data.experiment.hparam_infos:
                column.differs = column.name in FIRST_COLUMNS
            if data.HasField("session_start_info"):
                data.session_start_info.group_name = self.run.folder.resolve().name
            plugin.content = data.SerializeToString()
            self.writer._get_file_writer().add_summary(summary)  # type: ignore[no-untyped-call]
        for name, value in named.items():
            self.writer.add_scalar(name, value, step)

    def flush(self) -> None:
        """Wait until all points are on the disk, so that none before a checkpoint can be lost."""
        self.metrics.sync()
        if "writer" in self.__dict__:
            self.writer.flush()
            for path in self.run.events.glob(EVENT_FILES):
                sync(path)

    def close(self) -> None:
        """Write what is still in memory."""
        if "writer" in self.__dict__:
            self.writer.close()


def printable(piece: str) -> str:
    """Return a piece as a label of one line; invisible characters are written as their codes."""
    return "".join(c if c.isprintable() and not c.isspace() else f"<U+{ord(c):04X}>" for c in piece)


ESCAPED = str.maketrans({"<": "&lt;", ">": "&gt;"} | {mark: f"\\{mark}" for mark in "\\|*_`[]#~"})


def escape_cell(text: str) -> str:
    """Return a text as a cell of a Markdown table."""
    return text.translate(ESCAPED)
