"""`mt explain`: the steps of self-attention on a trained model and a sentence, and what the translation looked at."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from mt.commands.options import add_direction, aim
from mt.config.choices import SearchMethod
from mt.display.terminal import cells, padded, shaded, written
from mt.errors import UserError
from mt.runtime.devices import keep_freed_memory
from mt.runtime.files import write_text
from mt.runtime.logs import set_up_console
from mt.translation.explanation import PARTS, Explanation, Place, Steps, attentions_of, explain
from mt.translation.translator import Translator, load_run

TITLES = {
    "encoder": "encoder, self-attention",
    "decoder": "decoder, self-attention: a piece looks at those written before it",
    "source": "decoder, attention to the source",
}
N_SHOWN = 3
"""pieces that a target piece looked at most"""


def build_parser() -> argparse.ArgumentParser:
    """The command line of `mt explain`."""
    parser = argparse.ArgumentParser(
        prog="mt explain",
        description="Show attention at work: the pieces x_i of a sentence, the shapes of Q, K and V, the scores s_ij, "
        "the shares a_ij and the sums o_i of one head, computed from the formula and compared with what the model "
        "used; then the translation, piece by piece, with what each looked at.",
    )
    parser.add_argument("run", type=Path, help="the folder of a run, as runs/demo")
    parser.add_argument("sentence")
    parser.add_argument("--part", choices=PARTS, default="encoder", help="whose attention; default: %(default)s")
    parser.add_argument("--layer", type=int, metavar="N", help="from 1; default: the last")
    parser.add_argument("--head", type=int, default=1, metavar="N", help="from 1; default: %(default)s")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page where one points at a piece instead")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="write a picture of all heads of the layer: .png, .svg, .pdf"
    )
    add_direction(parser)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps; default: a GPU if there is one")
    return parser


def main(arguments: list[str]) -> int:
    """Explain; the exit code."""
    options = build_parser().parse_args(arguments)
    set_up_console()
    keep_freed_memory()
    translator, config = load_run(options.run, options.device)
    aim(translator, config, options)
    place = chosen_place(translator, options)
    translation, explanation = explain_sentence(translator, options.sentence, place)
    if options.picture:
        draw(explanation, place, options.picture)
    if options.html:
        write_text(options.html, page(options.sentence, translation, explanation, place))
    if options.picture or options.html:
        print(translation)
    else:
        width = shutil.get_terminal_size().columns
        print("\n\n".join(sections(options.sentence, translation, explanation, place, width)))
    return 0


def chosen_place(translator: Translator, options: argparse.Namespace) -> Place:
    """The head that the options name."""
    layers = attentions_of(translator.model, options.part)
    number = len(layers) if options.layer is None else options.layer
    if not 1 <= number <= len(layers):
        raise UserError(f"--layer {number}: the model has layers 1 to {len(layers)} there.")
    n_heads = layers[number - 1].n_heads
    if not 1 <= options.head <= n_heads:
        raise UserError(f"--head {options.head}: the model has heads 1 to {n_heads}.")
    return Place(options.part, number - 1, options.head - 1)


def explain_sentence(translator: Translator, sentence: str, place: Place) -> tuple[str, Explanation]:
    """The translation of a sentence, and the way there."""
    tokenizer = translator.tokenizer
    src_ids = [*translator.tags, *tokenizer.encode_src([sentence])[0]]
    if not src_ids[len(translator.tags) :]:
        raise UserError("The sentence is empty.")
    if len(src_ids) > translator.max_len:
        raise UserError(f"The sentence has {len(src_ids)} pieces; the model takes {translator.max_len} at once.")
    search = replace(translator.defaults, method=SearchMethod.beam, n_best=1, mbr=None)
    translation = translator.translate([sentence], search)[0]
    tgt_ids = tokenizer.encode_tgt([translation])[0][: int(min(translator.max_len, 1e6))]
    return translation, explain(translator.model, tokenizer, src_ids, tgt_ids, place)


def sections(sentence: str, translation: str, explanation: Explanation, place: Place, width: int) -> list[str]:
    """What is printed."""
    steps, n_heads = explanation.steps, len(explanation.sheets[place.part][place.layer])
    where = f"{TITLES[place.part]}, layer {place.layer + 1}, head {place.head + 1} of {n_heads}"
    return [
        f"{sentence}\n{translation}",
        f"The pieces x_i ({len(explanation.src_pieces)}, the end mark among them)\n"
        + "  ".join(f"{i} {piece}" for i, piece in enumerate(explanation.src_pieces, start=1)),
        f"{where}\n{shapes(steps, n_heads, place.part)}",
        f"The scores s_ij = q_i · k_j / √{steps.q.size(1)}: how much piece i (a row) wants from piece j (a column)\n"
        + grid(steps.scores, steps, width, written_only=True),
        "The shares a_ij = softmax over j of s_ij; each row sums to 1\n" + grid(steps.shares, steps, width),
        "The sums o_i = Σ_j a_ij v_j, their first features\n" + sums(steps),
        f"Largest difference between these o_i and those the model went on with: {steps.difference:.1e}",
        "The translation, piece by piece: its probability, and what the middle decoder layer looked at most\n"
        + pieces(explanation),
    ]


def shapes(steps: Steps, n_heads: int, part: str) -> str:
    """What the formula multiplies, with sizes."""
    (t, d), (s, k) = steps.x.shape, steps.k.shape
    context = "y" if part == "source" else "x"
    return "\n".join(
        [
            f"  x ({t}, {d})" + (f", y = the encoder's output ({s}, {d})" if part == "source" else ""),
            f"  Q = W_Q x  ({t}, {d}) -> {n_heads} heads of ({t}, {k})",
            f"  K = W_K {context}  ({s}, {d}) -> {n_heads} heads of ({s}, {k})",
            f"  V = W_V {context}  ({s}, {d}) -> {n_heads} heads of ({s}, {k})",
            f"  s = Q Kᵀ / √{k}  ({t}, {s});  a = softmax(s)  ({t}, {s});  o = a V  ({t}, {k})",
        ]
    )


def grid(values: Tensor, steps: Steps, width: int, written_only: bool = False) -> str:
    """Numbers where the terminal is wide enough, shades where not."""
    text = written(values.tolist(), steps.query_pieces, steps.key_pieces)
    if max(map(cells, text.splitlines())) <= width:
        return text
    if not written_only:
        return shaded(values.tolist(), steps.query_pieces, steps.key_pieces)
    return "  (too wide for this terminal; --html shows them)"


def sums(steps: Steps) -> str:
    """The beginnings of the o_i."""
    label = max(map(cells, steps.query_pieces))
    return "\n".join(
        f"{padded(piece, label)}  {'  '.join(f'{value:6.3f}' for value in row[:6].tolist())}{'  …' * (len(row) > 6)}"
        for piece, row in zip(steps.query_pieces, steps.outputs, strict=True)
    )


def pieces(explanation: Explanation) -> str:
    """A line for each piece of the translation."""
    seen = explanation.looked_at
    label = max(map(cells, seen.tgt_pieces))
    lines = []
    for piece, probability, shares in zip(seen.tgt_pieces, explanation.probabilities, seen.weights, strict=True):
        best = zip(*(part.tolist() for part in shares.topk(min(N_SHOWN, len(shares)))), strict=True)
        looked = "  ".join(f"{seen.src_pieces[i]} {share:.2f}" for share, i in best)
        lines.append(f"{padded(piece, label)}  {probability:.2f}  <- {looked}")
    return "\n".join(lines)


def draw(explanation: Explanation, place: Place, path: Path) -> None:
    """Write the picture of a layer's heads.

    Raises:
        UserError: the file's ending is none of a picture.
    """
    from mt.display.plotting import draw_heads

    steps = explanation.steps
    figure = draw_heads(
        explanation.sheets[place.part][place.layer],
        steps.key_pieces,
        steps.query_pieces,
        f"{TITLES[place.part].partition(':')[0]}, layer {place.layer + 1}",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        figure.savefig(path)
    except ValueError as error:  # names the formats that there are
        raise UserError(f"--picture {path}: {error}") from None


def page(sentence: str, translation: str, explanation: Explanation, place: Place) -> str:
    """The page where one points at a piece."""
    from mt.display.pages.page import render

    steps = explanation.steps
    read = ["<s>", *explanation.tgt_pieces[:-1]]
    data = {
        "part": place.part,
        "layer": place.layer,
        "head": place.head,
        "titles": TITLES,
        "src": explanation.src_pieces,
        "tgt": explanation.tgt_pieces,
        "read": read,
        "probabilities": [round(p, 4) for p in explanation.probabilities],
        "shares": {
            part: [[[[round(a, 4) for a in row] for row in head] for head in layer.tolist()] for layer in layers]
            for part, layers in explanation.sheets.items()
        },
        "scores": [[None if s == float("-inf") else round(s, 4) for s in row] for row in steps.scores.tolist()],
    }
    return render(
        "explanation.html",
        sentence=sentence,
        translation=translation,
        data=data,
        steps=shapes(steps, len(explanation.sheets[place.part][place.layer]), place.part),
        difference=f"{steps.difference:.1e}",
    )
