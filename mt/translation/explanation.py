"""The steps of attention on a trained model and a real sentence: from the formula, and beside what the model did.

    q_i = W_Q x_i   k_j = W_K y_j   v_j = W_V y_j   s_ij = q_i · k_j / √K   a_i = softmax_j(s_i)   o_i = Σ_j a_ij v_j

Shapes: T queries, S keys, D model features, H heads, K = D / H features a head.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mt.data.batch import build_batch
from mt.model.attention import MultiHeadAttention, recorded_weights
from mt.model.transformer import Transformer
from mt.text.tokenizer import Tokenizer
from mt.translation.alignment import Attention

PARTS = ("encoder", "decoder", "source")
"""The encoder's self-attention, the decoder's, and the decoder's attention to the source."""


@dataclass(frozen=True)
class Steps:
    """What one head of one layer computes, step by step."""

    query_pieces: list[str]
    key_pieces: list[str]
    x: Tensor
    """(T, D), what the layer gives to the attention for each query"""
    y: Tensor
    """(S, D), for each key; x itself in self-attention"""
    q: Tensor
    """(T, K)"""
    k: Tensor
    """(S, K)"""
    v: Tensor
    """(S, K)"""
    scores: Tensor
    """(T, S); -inf where a query may not look"""
    shares: Tensor
    """(T, S)"""
    outputs: Tensor
    """(T, K)"""
    used: Tensor
    """(T, K), what the model itself went on with"""

    @property
    def difference(self) -> float:
        """The largest difference between the outputs of the formula and the model's."""
        return float((self.outputs - self.used).abs().max())


@dataclass(frozen=True)
class Explanation:
    """A sentence's way through a model."""

    src_pieces: list[str]
    tgt_pieces: list[str]
    """of the translation, its end mark last"""
    probabilities: list[float]
    """of each target piece, given those before it"""
    sheets: dict[str, list[Tensor]]
    """the shares of each of `PARTS`, a tensor (H, T, S) a layer"""
    steps: Steps
    """of the layer and head that were chosen"""

    @property
    def looked_at(self) -> Attention:
        """What a middle decoder layer looked at while it was about to write each target piece."""
        layers = self.sheets["source"]
        return Attention(layers[len(layers) // 2], self.src_pieces, self.tgt_pieces)


@dataclass(frozen=True)
class Place:
    """An attention head of a model."""

    part: str
    """one of `PARTS`"""
    layer: int
    head: int
    """both from 0"""


@torch.inference_mode()
def explain(
    model: Transformer, tokenizer: Tokenizer, src_ids: list[int], tgt_ids: list[int], place: Place
) -> Explanation:
    """The way of a source and its translation through the model.

    Args:
        src_ids: with the tags before it, without end mark.
        tgt_ids: without marks.
    """
    batch = build_batch([(src_ids, tgt_ids)], tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id)
    batch = batch.to(model.eval().projection.weight.device)
    chosen = attentions_of(model, place.part)[place.layer]
    with ExitStack() as stack:
        records = {
            part: [stack.enter_context(recorded_weights(attention)) for attention in attentions_of(model, part)]
            for part in PARTS
        }
        seen = stack.enter_context(observed(chosen))
        logits = model(batch.src, batch.src_mask, batch.tgt_in)[0].float()
    log_probs = logits.log_softmax(-1).gather(1, batch.targets.unsqueeze(1)).squeeze(1)
    named = PieceNames.of(tokenizer, src_ids, tgt_ids)
    steps = take_steps(chosen, place.head, seen, place.part == "decoder", named.of_part(place.part))
    sheets = {part: [layer[0][0].float().cpu() for layer in layers] for part, layers in records.items()}
    return Explanation(named.src, named.written, log_probs.exp().tolist(), sheets, steps)


@dataclass(frozen=True)
class PieceNames:
    """What the positions of a sentence and its translation are called."""

    src: list[str]
    read: list[str]
    """what the decoder reads: the start mark, then what was written"""
    written: list[str]

    @classmethod
    def of(cls, tokenizer: Tokenizer, src_ids: Sequence[int], tgt_ids: Sequence[int]) -> PieceNames:
        """Those of ids without marks."""
        to_piece = tokenizer.tgt.id_to_piece
        return cls(
            [tokenizer.src.id_to_piece(i) for i in (*src_ids, tokenizer.eos_id)],
            [to_piece(i) for i in (tokenizer.bos_id, *tgt_ids)],
            [to_piece(i) for i in (*tgt_ids, tokenizer.eos_id)],
        )

    def of_part(self, part: str) -> tuple[list[str], list[str]]:
        """Who looks, and who is looked at, in one of `PARTS`."""
        return (self.src if part == "encoder" else self.read), (self.read if part == "decoder" else self.src)


def attentions_of(model: Transformer, part: str) -> list[MultiHeadAttention]:
    """One of `PARTS`, layer by layer."""
    layers: Any = model.encoder if part == "encoder" else model.decoder
    return [layer.source_attention if part == "source" else layer.self_attention for layer in layers]


@contextmanager
def observed(attention: MultiHeadAttention) -> Iterator[dict[str, Tensor]]:
    """Within this context, what goes into an attention (`x`, `y`) and what its heads give (`heads`) is written down."""
    seen: dict[str, Tensor] = {}

    def note_input(module: nn.Module, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        context = args[1] if len(args) > 1 else kwargs.get("context")
        seen["x"], seen["y"] = args[0][0], args[0][0] if context is None else context[0]

    def note_heads(module: nn.Module, args: Sequence[Any]) -> None:
        seen["heads"] = args[0][0]

    hooks = [
        attention.register_forward_pre_hook(note_input, with_kwargs=True),
        attention.output.register_forward_pre_hook(note_heads),
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def take_steps(
    attention: MultiHeadAttention, head: int, seen: dict[str, Tensor], causal: bool, pieces: tuple[list[str], list[str]]
) -> Steps:
    """The formula, written out for one head."""
    x, y = seen["x"].float().cpu(), seen["y"].float().cpu()
    size = x.size(1) // attention.n_heads
    rows = slice(head * size, (head + 1) * size)

    def mapped(linear: nn.Linear, features: Tensor) -> Tensor:
        weight, bias = linear.weight[rows].float().cpu(), linear.bias[rows].float().cpu()
        return features @ weight.t() + bias

    q, k, v = mapped(attention.query, x), mapped(attention.key, y), mapped(attention.value, y)
    scores = torch.tensor([[float(q_i @ k_j) / size**0.5 for k_j in k] for q_i in q])
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), float("-inf"))
    exponentials = (scores - scores.max(1, keepdim=True).values).exp()
    shares = exponentials / exponentials.sum(1, keepdim=True)
    outputs = torch.stack([sum((a * v_j for a, v_j in zip(a_i, v, strict=True)), torch.zeros(size)) for a_i in shares])
    return Steps(*pieces, x, y, q, k, v, scores, shares, outputs, seen["heads"][:, rows].float().cpu())
