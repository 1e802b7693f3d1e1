"""Pictures. matplotlib has no Chinese, Japanese or Korean glyphs; the package zhplot brings a font that does."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from matplotlib import font_manager
from matplotlib.figure import Figure
from torch import Tensor


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
    image = axes.imshow(weights.float().cpu().numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(src_pieces)), src_pieces, rotation=60, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(tgt_pieces)), tgt_pieces)
    axes.xaxis.tick_top()
    axes.set_xlabel("source piece that is looked at")
    axes.set_ylabel("target piece that is written")
    figure.colorbar(image, ax=axes, label="share of attention", fraction=0.05)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_fontfamily(font_families())
    return figure
