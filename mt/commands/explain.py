"""`mt explain`: the steps of self-attention for a sentence, and what its translation attended to."""

import argparse
import shutil
from pathlib import Path

from tabulate import tabulate
from torch import Tensor

from mt.commands.explained import TITLES, Explained, choose_head, explain_sentence
from mt.commands.explanation_server import serve
from mt.commands.options import device_parser, direction_parser, output_file, run_parser
from mt.commands.translate.lines import check_utf8
from mt.display.plotting import draw_heads
from mt.display.terminal import number_grid, rows_of_text, shade_grid, width_of
from mt.errors import UserError
from mt.runs.layout import RunLayout
from mt.runs.run_files import load_run_config
from mt.runtime.files import write_output
from mt.translation.explanation import PARTS, Explanation, Steps
from mt.translation.translator import Translator

N_SHOWN = 3
"""source pieces with the largest weights that are shown for a target piece"""
N_FEATURES_SHOWN = 6


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `mt explain`."""
    parser = argparse.ArgumentParser(
        prog="mt explain",
        description="Show attention at work: the pieces x_i of a sentence, the shapes of Q, K and V, the scores s_ij, "
        "the weights a_ij and the sums o_i of one head, computed by the formula and compared with those of the model; "
        "then the translation, piece by piece, with the source pieces that each attended to.",
        parents=[run_parser(), direction_parser(), device_parser()],
    )
    parser.add_argument("sentence", nargs="?", help="a sentence in the source language")
    parser.add_argument("--part", choices=PARTS, default="encoder", help="part of the model; default: %(default)s")
    parser.add_argument("--layer", type=int, metavar="N", help="layer, from 1; default: the last")
    parser.add_argument("--head", type=int, default=1, metavar="N", help="head, from 1; default: %(default)s")
    parser.add_argument("--html", type=output_file, metavar="FILE", help="write an interactive page instead")
    parser.add_argument(
        "--serve", action="store_true", help="show that page in a browser, with a box for other sentences"
    )
    parser.add_argument(
        "--port", type=int, default=8000, metavar="N", help="of --serve on this machine; 0: any that is free"
    )
    parser.add_argument(
        "--picture", type=output_file, metavar="FILE", help="write a picture of the layer: .png, .svg or .pdf"
    )
    return parser


def main(arguments: list[str]) -> int:
    """Explain a sentence and return the exit code."""
    parser = build_parser()
    options = parser.parse_intermixed_args(arguments)
    if options.sentence is None and not options.serve:
        parser.error("give a sentence, or --serve")
    if options.serve and (options.html or options.picture):
        parser.error("--serve writes no files: omit --html and --picture")
    check_utf8(options.sentence or "")
    config = load_run_config(RunLayout(options.run))
    translator = Translator.load(options.run, options.device, config=config)
    translator.set_direction(options.src_lang, options.to, options.tag)
    if options.serve:
        return serve(translator, options)
    head = choose_head(translator, options.part, options.layer, options.head)
    explained = explain_sentence(translator, options.sentence, head)
    if options.picture:
        draw(explained, options.picture)
    if options.html:
        write_output(options.html, explained.page())
    if options.picture or options.html:
        print(explained.translation)
    else:
        print("\n\n".join(sections(explained, shutil.get_terminal_size().columns)))
    return 0


def sections(explained: Explained, width: int) -> list[str]:
    """Return the sections of the text that is printed."""
    explanation, head = explained.explanation, explained.head
    steps = explanation.steps
    where = f"{TITLES[head.part]}, layer {head.layer + 1}, head {head.number + 1} of {explained.n_heads}"
    return [
        f"{explained.sentence}\n{explained.translation}",
        f"The source pieces ({len(explanation.src_pieces)}, EOS included)\n"
        + "  ".join(f"{i} {piece}" for i, piece in enumerate(explanation.src_pieces, start=1)),
        f"{where}\n{explained.shapes()}",
        f"The scores s_ij = q_i · k_j / √{steps.q.size(1)}: how well piece j (a column) matches what piece i (a row) "
        "looks for\n" + grid(steps.scores, steps, width, with_shades=False),
        "The weights a_ij = softmax over j of s_ij; each row sums to 1\n"
        + grid(steps.weights, steps, width, with_shades=True),
        "The sums o_i = Σ_j a_ij v_j, their first features\n" + first_features(steps),
        f"Largest difference between these o_i and those of the model: {steps.difference:.1e}",
        "The translation, piece by piece: its probability, and what the middle decoder layer attended to most\n"
        + attended(explanation),
    ]


def grid(values: Tensor, steps: Steps, width: int, with_shades: bool) -> str:
    """Return numbers if the terminal is wide enough, otherwise shades or a hint."""
    text = number_grid(values.tolist(), steps.query_pieces, steps.key_pieces)
    if max(map(width_of, text.splitlines())) <= width:
        return text
    if with_shades:
        return shade_grid(values.tolist(), steps.query_pieces, steps.key_pieces)
    return "  (too wide for this terminal; --html shows them)"


def first_features(steps: Steps) -> str:
    """Return the first features of each o_i."""
    rows = []
    for piece, output in zip(steps.query_pieces, steps.outputs.tolist(), strict=True):
        more = ["…"] if len(output) > N_FEATURES_SHOWN else []
        rows.append([piece, *output[:N_FEATURES_SHOWN], *more])
    return str(tabulate(rows, tablefmt="plain", floatfmt=".3f", disable_numparse=[0]))


def attended(explanation: Explanation) -> str:
    """Return a line for each piece of the translation with the source pieces of the largest weights."""
    attention = explanation.source_attention
    rows = []
    for piece, probability, weights in zip(
        attention.tgt_pieces, explanation.probabilities, attention.weights, strict=True
    ):
        largest = zip(*(part.tolist() for part in weights.topk(min(N_SHOWN, len(weights)))), strict=True)
        sources = "  ".join(f"{attention.src_pieces[i]} {weight:.2f}" for weight, i in largest)
        rows.append([piece, f"{probability:.2f}", f"<- {sources}"])
    return rows_of_text(rows)


def draw(explained: Explained, path: Path) -> None:
    """Write a picture of a layer's heads."""
    explanation, head = explained.explanation, explained.head
    steps = explanation.steps
    title = f"{TITLES[head.part].partition(':')[0]}, layer {head.layer + 1}"
    figure = draw_heads(explanation.weights[head.part][head.layer], steps.key_pieces, steps.query_pieces, title)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        figure.savefig(path)
    except ValueError as error:  # lists the supported formats
        raise UserError(f"--picture {path}: {error}") from None
