"""Pictures. matplotlib has no Chinese, Japanese or Korean glyphs; the package zhplot brings a font that does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from math import ceil
from pathlib import Path

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text
from torch import Tensor

from mt.text_grid import cells

MAX_LABELS = 60
"""More pieces than that have no room for their names."""


@dataclass(frozen=True)
class Panel:
    """Curves that share their axes."""

    title: str
    curves: Mapping[str, Sequence[tuple[float, float]]]
    """step and value of each point"""
    log: bool = False


@cache
def font_families() -> list[str]:
    """The font to draw text in, and the one for glyphs that it lacks."""
    spec = find_spec("zhplot")  # found, not imported: importing it would change matplotlib's settings
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "fonts" / "NotoSansSC-Regular.ttf"
    font_manager.fontManager.addfont(str(path))
    return ["DejaVu Sans", font_manager.FontProperties(fname=str(path)).get_name()]


def draw_attention(weights: Tensor, src_pieces: list[str], tgt_pieces: list[str]) -> Figure:
    """A grid of shares from 0 (white) to 1 (dark): a row a target piece, a column a source piece.

    Args:
        weights: (T, S).
    """
    figure = Figure(figsize=(1.8 + 0.42 * len(src_pieces), 1.4 + 0.34 * len(tgt_pieces)), layout="constrained", dpi=110)
    axes = figure.subplots()
    image = draw_shares(axes, weights)
    name_pieces(axes, src_pieces, tgt_pieces, size=10)
    axes.set_xlabel("source piece that is looked at")
    axes.set_ylabel("target piece that is written")
    figure.colorbar(image, ax=axes, label="share of attention", fraction=0.05)
    return figure


def draw_heads(weights: Tensor, columns: Sequence[str], rows: Sequence[str], title: str) -> Figure:
    """The shares of every head of a layer on one sheet, four beside each other.

    Args:
        weights: (H, T, S).
        columns: the pieces that are looked at.
        rows: the pieces that look.
    """
    n_heads = len(weights)
    across = min(4, n_heads)
    down = ceil(n_heads / across)
    size = (1.2 + 0.24 * min(len(columns), MAX_LABELS), 1.2 + 0.22 * min(len(rows), MAX_LABELS))
    figure = Figure(figsize=(size[0] * across, size[1] * down), dpi=90)
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for head, axes in enumerate(grid.flat):
        if head >= n_heads:
            axes.set_axis_off()
            continue
        draw_shares(axes, weights[head])
        name_pieces(axes, columns if head < across else [], rows if head % across == 0 else [], size=8)
        axes.text(0.5, -0.02, f"head {head + 1}", ha="center", va="top", transform=axes.transAxes, size=9)
    figure.suptitle(title, size=11, y=0.995)
    # margins by the longest names: matplotlib's own layouts take most of the time of a picture
    width, height = figure.get_size_inches()
    left = 0.25 + 0.085 * max((cells(name) for name in rows), default=0)
    top = 0.45 + 0.07 * max((cells(name) for name in columns), default=0)
    figure.subplots_adjust(left / width, 0.3 / height, 1 - 0.1 / width, 1 - top / height, 0.08, 0.14)
    return figure


def draw_shares(axes: Axes, weights: Tensor) -> AxesImage:
    """Shares (T, S) as a grid."""
    return axes.imshow(weights.float().cpu().numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")


def name_pieces(axes: Axes, columns: Sequence[str], rows: Sequence[str], size: int) -> None:
    """Pieces above and to the left of a grid, or numbers where there are too many."""
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labeltop=bool(columns), labelleft=bool(rows), labelsize=size)
    if len(columns) <= MAX_LABELS and columns:
        axes.set_xticks(range(len(columns)), columns, rotation=60, ha="left", rotation_mode="anchor")
    if len(rows) <= MAX_LABELS and rows:
        axes.set_yticks(range(len(rows)), rows)
    set_font((*axes.get_xticklabels(), *axes.get_yticklabels()))


def draw_curves(panels: Sequence[Panel], across: int = 2) -> Figure:
    """Curves over steps, some panels beside each other."""
    down = ceil(len(panels) / across)
    figure = Figure(figsize=(5.2 * across, 3 * down), layout="constrained", dpi=90)
    grid = figure.subplots(down, across, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for panel, axes in zip(panels, grid.flat, strict=False):
        axes.set_axis_on()
        for name, points in panel.curves.items():
            steps, values = zip(*points, strict=True)
            axes.plot(steps, values, label=name, marker="o" if len(points) < 30 else "", markersize=3)
        axes.set_title(panel.title, size=10)
        axes.set_xlabel("step", size=9)
        axes.set_yscale("log" if panel.log else "linear")
        axes.grid(alpha=0.3)
        if len(panel.curves) > 1:
            axes.legend(fontsize=8)
    return figure


def draw_histogram(title: str, counts: Mapping[str, Sequence[int]], unit: str) -> Figure:
    """How many there are of each length from 0, a line a series; the axis ends where next to nothing follows."""
    figure = Figure(figsize=(5.2, 3), layout="constrained", dpi=90)
    axes = figure.subplots()
    for name, values in counts.items():
        axes.step(range(len(values)), values, where="mid", label=name)
    axes.set_title(title, size=10)
    axes.set_xlabel(unit, size=9)
    axes.set_ylabel("how many", size=9)
    axes.grid(alpha=0.3)
    if len(counts) > 1:
        axes.legend(fontsize=8)
    return figure


def set_font(labels: Iterable[Text]) -> None:
    """Use the fonts that have every glyph."""
    for label in labels:
        label.set_fontfamily(font_families())
