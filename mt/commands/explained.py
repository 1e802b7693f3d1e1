"""A sentence, its translation and the attention of one head, as `mt explain` shows them on a terminal or a page."""

from dataclasses import dataclass, replace
from typing import Any

from mt.config.choices import SearchMethod
from mt.display.pages.page import lang_attribute, render
from mt.errors import UserError
from mt.translation.explanation import Explanation, Head, attentions_of, explain
from mt.translation.translator import Translator

TITLES = {
    "encoder": "encoder, self-attention",
    "decoder": "decoder, self-attention: a piece attends to itself and to those before it",
    "source": "decoder, attention to the source",
}
"""the parts of a model, as headings"""


@dataclass(frozen=True)
class Explained:
    """A sentence with its translation, and how the model computed it."""

    sentence: str
    translation: str
    langs: tuple[str, str]
    head: Head
    explanation: Explanation

    def shapes(self) -> str:
        """Return the products of the formula with their shapes."""
        steps, part = self.explanation.steps, self.head.part
        (t, d), (s, k) = steps.x.shape, steps.k.shape
        context = "y" if part == "source" else "x"
        return "\n".join(
            [
                f"  x ({t}, {d})" + (f", y = the encoder's output ({s}, {d})" if part == "source" else ""),
                f"  Q = W_Q x  ({t}, {d}) -> {self.n_heads} heads of ({t}, {k})",
                f"  K = W_K {context}  ({s}, {d}) -> {self.n_heads} heads of ({s}, {k})",
                f"  V = W_V {context}  ({s}, {d}) -> {self.n_heads} heads of ({s}, {k})",
                f"  s = Q Kᵀ / √{k}  ({t}, {s});  a = softmax(s)  ({t}, {s});  o = a V  ({t}, {k})",
            ]
        )

    @property
    def n_heads(self) -> int:
        """Number of heads of the layer."""
        return len(self.explanation.weights[self.head.part][self.head.layer])

    def page(self, served: bool = False) -> str:
        """Return an interactive page as HTML; if it is served, with a form for another sentence."""
        explanation, steps = self.explanation, self.explanation.steps
        data = {
            "part": self.head.part,
            "layer": self.head.layer,
            "head": self.head.number,
            "titles": TITLES,
            "langs": [lang_attribute(lang) for lang in self.langs],
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
        return render_page(
            self.langs,
            self.sentence,
            served,
            translation=self.translation,
            data=data,
            steps=self.shapes(),
            difference=f"{steps.difference:.1e}",
        )


def render_page(langs: tuple[str, str], sentence: str, served: bool, error: str = "", **values: Any) -> str:
    """Return the page of a sentence, or without `values` only the form, with an error if there is one."""
    attributes = [lang_attribute(lang) for lang in langs]
    values = {"data": None, **values}
    return render("explanation.html", langs=attributes, sentence=sentence, served=served, error=error, **values)


def choose_head(translator: Translator, part: str, layer: int | None, number: int) -> Head:
    """Return a head, given its layer and its number, both from 1; without a layer, one of the last."""
    layers = attentions_of(translator.model, part)
    layer = len(layers) if layer is None else layer
    if not 1 <= layer <= len(layers):
        raise UserError(f"layer {layer}: this part has layers 1 to {len(layers)}.")
    n_heads = layers[layer - 1].n_heads
    if not 1 <= number <= n_heads:
        raise UserError(f"head {number}: the model has heads 1 to {n_heads}.")
    return Head(part, layer - 1, number - 1)


def explain_sentence(translator: Translator, sentence: str, head: Head) -> Explained:
    """Translate a sentence and explain the translation."""
    tokenizer = translator.tokenizer
    src_ids = tokenizer.encode_src([sentence])[0]
    if not src_ids:
        raise UserError("The sentence is empty.")
    if len(translator.tags.src) + len(src_ids) > translator.max_len:
        raise UserError(f"The sentence has {len(src_ids)} pieces; the model takes at most {translator.max_len}.")
    translator.part_len = translator.max_len  # what is explained is one pass
    search = replace(translator.defaults, method=SearchMethod.beam, n_best=1, mbr=None, reverse=None, simplify=False)
    translation = translator.translate([sentence], search, split=False)[0]  # of exactly the pieces that are explained
    ((src_ids, tgt_ids),) = translator.tags.before([(src_ids, tokenizer.encode_tgt([translation])[0])])
    explanation = explain(translator.model, tokenizer, src_ids, tgt_ids[: translator.max_len], head)
    return Explained(sentence, translation, translator.langs, head, explanation)
