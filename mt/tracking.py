"""What training writes for people and programs to watch: TensorBoard's files, and `metrics.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from mt.storage import write_text

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


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

        return SummaryWriter(str(self.run / "tensorboard"), purge_step=self.step + 1, flush_secs=10)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Points of curves, as `train/loss`."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        with open(self.metrics_path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")

    def samples(self, step: int, rows: Sequence[tuple[str, str, str]]) -> None:
        """A table of source, reference and hypothesis."""
        lines = ["| source | reference | hypothesis |", "| --- | --- | --- |"]
        lines += ["| " + " | ".join(escape_cell(cell) for cell in row) + " |" for row in rows]
        self.writer.add_text("samples/validation", "\n".join(lines), step)

    def attention(self, step: int, weights: Tensor, src_pieces: list[str], tgt_pieces: list[str]) -> None:
        """A picture of which source pieces each target piece looked at; weights (T, S)."""
        from mt.plotting import draw_attention  # matplotlib takes a while to import, and the first step need not wait

        figure = draw_attention(weights, src_pieces, tgt_pieces)
        self.writer.add_figure("attention/last_decoder_layer", figure, step)

    def hyperparameters(self, step: int, values: Mapping[str, Any], results: Mapping[str, float]) -> None:
        """A row of TensorBoard's hyper-parameter table, with the results that are also points at `step`."""
        plain = {key: value if isinstance(value, (bool, int, float)) else str(value) for key, value in values.items()}
        from torch.utils.tensorboard.summary import hparams

        file_writer = self.writer._get_file_writer()  # type: ignore[no-untyped-call]
        for summary in hparams(plain, dict(results)):  # type: ignore[no-untyped-call]
            file_writer.add_summary(summary)
        for name, value in results.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is still in memory."""
        if "writer" in self.__dict__:
            self.writer.close()


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
