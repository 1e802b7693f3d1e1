"""Pictures. matplotlib has no Chinese, Japanese or Korean glyphs; the package zhplot brings a font with them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from math import ceil, sqrt
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from numpy.typing import NDArray
from torch import Tensor

from mt.display.terminal import width_of

MAX_LABELS = 60
"""Most rows or columns that have room for their names."""
CELL = 0.17
"""inches of one weight in a sheet of many heads"""


@dataclass(frozen=True)
class Panel:
    """Curves on the same axes."""

    title: str
    curves: Mapping[str, Sequence[tuple[float, float]]]
    """step and value of each point, by the curve's name"""
    fits: Mapping[str, Sequence[tuple[float, float, float, float]]] = field(default_factory=dict)
    """step, lower bound, value and upper bound of each point of a fitted curve, by its name"""


@cache
def font_families() -> list[str]:
    """Return the font for text, and the one for glyphs that it lacks."""
    spec = find_spec("zhplot")  # found, not imported: importing it would change matplotlib's settings
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "fonts" / "NotoSansSC-Regular.ttf"
    font_manager.fontManager.addfont(str(path))
    return ["DejaVu Sans", font_manager.FontProperties(fname=str(path)).get_name()]


def draw_attention(weights: Tensor, src_pieces: list[str], tgt_pieces: list[str]) -> Figure:
    """Draw attention weights (T, S) from 0 (white) to 1 (dark), with a row for each target piece."""
    figure = Figure(figsize=(1.8 + 0.42 * len(src_pieces), 1.4 + 0.34 * len(tgt_pieces)), layout="constrained", dpi=110)
    axes = figure.subplots()
    image = axes.imshow(weights.float().cpu().numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(src_pieces)), src_pieces, rotation=60, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(tgt_pieces)), tgt_pieces)
    axes.xaxis.tick_top()
    set_font((*axes.get_xticklabels(), *axes.get_yticklabels()))
    axes.set_xlabel("source piece")
    axes.set_ylabel("predicted target piece")
    figure.colorbar(image, ax=axes, label="attention weight", fraction=0.05)
    return figure


def draw_heads(weights: Tensor, columns: Sequence[str], rows: Sequence[str], title: str) -> Figure:
    """Draw the attention weights (H, T, S) of every head of a layer on one sheet, with the keys as columns.

    All heads are in one pair of axes without ticks: matplotlib's ticks would take most of the drawing time.
    """
    n_heads, height, width = weights.shape
    across = ceil(sqrt(n_heads))
    down = ceil(n_heads / across)
    left, top = 0.6 * max(map(width_of, rows)) + 1, 0.5 * max(map(width_of, columns)) + 3.5  # in cells of the grid
    n_columns, n_rows = across * (width + 1), down * (height + 2)
    right = max(n_columns - 0.5, 0.5 * len(title) - left)  # so that the title fits
    figure = Figure(figsize=((left + right) * CELL, (top + n_rows) * CELL), dpi=90)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    sheet = np.full((n_rows, n_columns), np.nan)
    for head in range(n_heads):
        y, x = head // across * (height + 2), head % across * (width + 1)
        sheet[y : y + height, x : x + width] = weights[head].float().cpu().numpy()
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), width, height, fill=False, edgecolor="#8a94a3", linewidth=0.6))
        axes.text(x + width / 2 - 0.5, y + height + 0.25, f"head {head + 1}", ha="center", va="center", size=9)
        if y == 0 and width <= MAX_LABELS:
            for index, name in enumerate(columns):
                axes.text(x + index, -0.8, name, rotation=60, ha="left", va="bottom", rotation_mode="anchor", size=8)
        if x == 0 and height <= MAX_LABELS:
            for index, name in enumerate(rows):
                axes.text(-0.8, y + index, name, ha="right", va="center", size=8)
    axes.imshow(sheet, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.text(-left + 0.5, -top + 0.5, title, ha="left", va="top", size=11)
    axes.set_xlim(-left, right)
    axes.set_ylim(n_rows - 0.5, -top)
    set_font(axes.texts)
    return figure


def draw_curves(panels: Sequence[Panel], marked_step: float | None = None) -> Figure:
    """Draw curves over steps, with two panels in a row, and a dashed line at a step."""
    across = 2
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
        for name, fit in panel.fits.items():
            steps, lows, values, highs = zip(*fit, strict=True)
            axes.plot(steps, values, label=name, linestyle=":", color="#5b6675")
            axes.fill_between(steps, lows, highs, color="#5b6675", alpha=0.15, linewidth=0)
        if marked_step is not None:
            axes.axvline(marked_step, color="#8a94a3", linestyle="--", linewidth=1)
        axes.set_title(panel.title, size=10)
        axes.set_xlabel("step", size=9)
        axes.grid(alpha=0.3)
        if len(panel.curves) + len(panel.fits) > 1:
            axes.legend(fontsize=8)
    return figure


def draw_histogram(title: str, counts: Mapping[str, Sequence[tuple[float, int]]], unit: str) -> Figure:
    """Draw the lower bound and the count of each bar as a line for each series."""
    figure = Figure(figsize=(5.2, 3), layout="constrained", dpi=90)
    axes = figure.subplots()
    for name, bars in counts.items():
        starts, values = zip(*bars, strict=True)
        axes.step(starts, values, where="post", label=name)
    axes.set_title(title, size=10)
    axes.set_xlabel(unit, size=9)
    axes.set_ylabel("count", size=9)
    axes.grid(alpha=0.3)
    if len(counts) > 1:
        axes.legend(fontsize=8)
    return figure


def pixels(figure: Figure) -> NDArray[np.uint8]:
    """Return a picture as an array (height, width, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]


def set_font(labels: Iterable[Text]) -> None:
    """Set fonts that have every glyph, and draw a dollar sign as it is instead of parsing a formula."""
    for label in labels:
        label.set_fontfamily(font_families())
        label.set_parse_math(False)
