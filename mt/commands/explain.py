"""`mt explain`: the steps of self-attention for a sentence, and what its translation attended to."""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from tabulate import tabulate
from torch import Tensor

from mt.commands.options import device_parser, direction_parser, run_parser
from mt.config.choices import SearchMethod
from mt.display.terminal import number_grid, rows_of_text, shade_grid, width_of
from mt.errors import UserError
from mt.runs.layout import RunLayout
from mt.runs.saved_model import load_run_config
from mt.runtime.files import write_text
from mt.translation.explanation import PARTS, Explanation, Head, Steps, attentions_of, explain
from mt.translation.translator import Translator

TITLES = {
    "encoder": "encoder, self-attention",
    "decoder": "decoder, self-attention: a piece attends to itself and to those before it",
    "source": "decoder, attention to the source",
}
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
    parser.add_argument("sentence", help="a sentence in the source language")
    parser.add_argument("--part", choices=PARTS, default="encoder", help="part of the model; default: %(default)s")
    parser.add_argument("--layer", type=int, metavar="N", help="layer, from 1; default: the last")
    parser.add_argument("--head", type=int, default=1, metavar="N", help="head, from 1; default: %(default)s")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write an interactive page instead")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write a picture of the layer: .png, .svg or .pdf")
    return parser


def main(arguments: list[str]) -> int:
    """Explain a sentence and return the exit code."""
    options = build_parser().parse_args(arguments)
    config = load_run_config(RunLayout(options.run))
    translator = Translator.load(options.run, options.device, config=config)
    translator.translate_to(options.to, options.tag)
    head = choose_head(translator, options)
    translation, explanation = explain_sentence(translator, options.sentence, head)
    if options.picture:
        draw(explanation, head, options.picture)
    if options.html:
        write_text(options.html, page(options.sentence, translation, explanation, head, translator.langs))
    if options.picture or options.html:
        print(translation)
    else:
        width = shutil.get_terminal_size().columns
        print("\n\n".join(sections(options.sentence, translation, explanation, head, width)))
    return 0


def choose_head(translator: Translator, options: argparse.Namespace) -> Head:
    """Return the head that the options name."""
    layers = attentions_of(translator.model, options.part)
    layer = len(layers) if options.layer is None else options.layer
    if not 1 <= layer <= len(layers):
        raise UserError(f"--layer {layer}: this part has layers 1 to {len(layers)}.")
    n_heads = layers[layer - 1].n_heads
    if not 1 <= options.head <= n_heads:
        raise UserError(f"--head {options.head}: the model has heads 1 to {n_heads}.")
    return Head(options.part, layer - 1, options.head - 1)


def explain_sentence(translator: Translator, sentence: str, head: Head) -> tuple[str, Explanation]:
    """Translate a sentence and explain the translation."""
    tokenizer = translator.tokenizer
    src_ids = [*translator.tags, *tokenizer.encode_src([sentence])[0]]
    if not src_ids[len(translator.tags) :]:
        raise UserError("The sentence is empty.")
    if len(src_ids) > translator.max_len:
        raise UserError(f"The sentence has {len(src_ids)} pieces; the model takes at most {translator.max_len}.")
    search = replace(translator.defaults, method=SearchMethod.beam, n_best=1, mbr=None)
    translation = translator.translate([sentence], search)[0]
    tgt_ids = tokenizer.encode_tgt([translation])[0][: translator.max_len]
    return translation, explain(translator.model, tokenizer, src_ids, tgt_ids, head)


def sections(sentence: str, translation: str, explanation: Explanation, head: Head, width: int) -> list[str]:
    """Return the sections of the text that is printed."""
    steps, n_heads = explanation.steps, len(explanation.weights[head.part][head.layer])
    where = f"{TITLES[head.part]}, layer {head.layer + 1}, head {head.number + 1} of {n_heads}"
    return [
        f"{sentence}\n{translation}",
        f"The source pieces ({len(explanation.src_pieces)}, EOS included)\n"
        + "  ".join(f"{i} {piece}" for i, piece in enumerate(explanation.src_pieces, start=1)),
        f"{where}\n{shapes(steps, n_heads, head.part)}",
        f"The scores s_ij = q_i · k_j / √{steps.q.size(1)}: how well piece j (a column) matches what piece i (a row) "
        "looks for\n" + grid(steps.scores, steps, width, with_shades=False),
        "The weights a_ij = softmax over j of s_ij; each row sums to 1\n"
        + grid(steps.weights, steps, width, with_shades=True),
        "The sums o_i = Σ_j a_ij v_j, their first features\n" + first_features(steps),
        f"Largest difference between these o_i and those of the model: {steps.difference:.1e}",
        "The translation, piece by piece: its probability, and what the middle decoder layer attended to most\n"
        + attended(explanation),
    ]


def shapes(steps: Steps, n_heads: int, part: str) -> str:
    """Return the products of the formula with their shapes."""
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


def draw(explanation: Explanation, head: Head, path: Path) -> None:
    """Write a picture of a layer's heads."""
    from mt.display.plotting import draw_heads

    steps = explanation.steps
    title = f"{TITLES[head.part].partition(':')[0]}, layer {head.layer + 1}"
    figure = draw_heads(explanation.weights[head.part][head.layer], steps.key_pieces, steps.query_pieces, title)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        figure.savefig(path)
    except ValueError as error:  # lists the supported formats
        raise UserError(f"--picture {path}: {error}") from None


def page(sentence: str, translation: str, explanation: Explanation, head: Head, langs: tuple[str, str]) -> str:
    """Return the interactive page as HTML."""
    from mt.display.pages.page import lang_attribute, render

    steps = explanation.steps
    data = {
        "part": head.part,
        "layer": head.layer,
        "head": head.number,
        "titles": TITLES,
        "langs": [lang_attribute(lang) for lang in langs],
        "src": explanation.src_pieces,
        "tgt_out": explanation.tgt_pieces,
        "tgt_in": ["<s>", *explanation.tgt_pieces[:-1]],
        "probabilities": [round(p, 4) for p in explanation.probabilities],
        "weights": {
            part: [[[[round(a, 4) for a in row] for row in one] for one in layer.tolist()] for layer in layers]
            for part, layers in explanation.weights.items()
        },
        "scores": [[None if s == float("-inf") else round(s, 4) for s in row] for row in steps.scores.tolist()],
    }
    return render(
        "explanation.html",
        langs=[lang_attribute(lang) for lang in langs],
        sentence=sentence,
        translation=translation,
        data=data,
        steps=shapes(steps, len(explanation.weights[head.part][head.layer]), head.part),
        difference=f"{steps.difference:.1e}",
    )
