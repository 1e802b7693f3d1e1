"""The steps of attention for a trained model and a sentence: by the formula, beside what the model computed.

    q_i = W_Q x_i   k_j = W_K y_j   v_j = W_V y_j   s_ij = q_i · k_j / √K   a_i = softmax_j(s_i)   o_i = Σ_j a_ij v_j

Shapes: T queries, S keys, D model features, H heads, K = D / H features of a head.
"""

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
"""the encoder's self-attention, the decoder's self-attention, and the decoder's attention to the source"""


@dataclass(frozen=True)
class Steps:
    """The computation of one head of one layer, step by step."""

    query_pieces: list[str]
    key_pieces: list[str]
    x: Tensor
    """input of the attention for each query, (T, D)"""
    y: Tensor
    """input for each key, (S, D); x itself in self-attention"""
    q: Tensor
    """queries, (T, K)"""
    k: Tensor
    """keys, (S, K)"""
    v: Tensor
    """values, (S, K)"""
    scores: Tensor
    """(T, S); -inf where a query may not attend"""
    weights: Tensor
    """(T, S)"""
    outputs: Tensor
    """(T, K)"""
    model_outputs: Tensor
    """the outputs that the model itself computed, (T, K)"""

    @property
    def difference(self) -> float:
        """Largest difference between the outputs of the formula and those of the model."""
        return float((self.outputs - self.model_outputs).abs().max())


@dataclass(frozen=True)
class Explanation:
    """The computation of the model for a sentence and its translation."""

    src_pieces: list[str]
    tgt_pieces: list[str]
    """pieces of the translation and its EOS"""
    probabilities: list[float]
    """probability of each target piece, given the earlier ones"""
    weights: dict[str, list[Tensor]]
    """for each of `PARTS` the weights of every layer, (H, T, S)"""
    steps: Steps
    """steps of the chosen head"""

    @property
    def source_attention(self) -> Attention:
        """The middle decoder layer's attention to the source, at the position that predicts each target piece."""
        return Attention(self.weights["source"][len(self.weights["source"]) // 2], self.src_pieces, self.tgt_pieces)


@dataclass(frozen=True)
class Head:
    """An attention head of a model."""

    part: str
    """one of `PARTS`"""
    layer: int
    """number of the layer, from 0"""
    number: int
    """number of the head, from 0"""


@torch.inference_mode()
def explain(
    model: Transformer, tokenizer: Tokenizer, src_ids: list[int], tgt_ids: list[int], head: Head
) -> Explanation:
    """Run a source and its translation through the model and record what attention computes.

    Args:
        src_ids: with tags, without EOS.
        tgt_ids: with tags, without marks.
        head: whose steps to compute by the formula.
    """
    batch = build_batch([(src_ids, tgt_ids)], tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id)
    batch = batch.to(model.eval().projection.weight.device)
    chosen = attentions_of(model, head.part)[head.layer]
    with ExitStack() as stack:
        records = {
            part: [stack.enter_context(recorded_weights(attention)) for attention in attentions_of(model, part)]
            for part in PARTS
        }
        seen = stack.enter_context(recorded_inputs(chosen))
        logits = model(batch.src, batch.src_mask, batch.tgt_in)[0].float()
    log_probs = logits.log_softmax(-1).gather(1, batch.tgt_out.unsqueeze(1)).squeeze(1)
    src = [tokenizer.src.id_to_piece(i) for i in (*src_ids, tokenizer.eos_id)]
    tgt_in = [tokenizer.tgt.id_to_piece(i) for i in (tokenizer.bos_id, *tgt_ids)]
    tgt_out = [tokenizer.tgt.id_to_piece(i) for i in (*tgt_ids, tokenizer.eos_id)]
    queries_keys = {"encoder": (src, src), "decoder": (tgt_in, tgt_in), "source": (tgt_in, src)}[head.part]
    steps = compute_steps(chosen, head.number, seen, head.part == "decoder", queries_keys)
    weights = {part: [layer[0][0].float().cpu() for layer in layers] for part, layers in records.items()}
    return Explanation(src, tgt_out, log_probs.exp().tolist(), weights, steps)


def attentions_of(model: Transformer, part: str) -> list[MultiHeadAttention]:
    """Return the attention of every layer for one of `PARTS`."""
    layers: Any = model.encoder if part == "encoder" else model.decoder
    return [layer.source_attention if part == "source" else layer.self_attention for layer in layers]


@contextmanager
def recorded_inputs(attention: MultiHeadAttention) -> Iterator[dict[str, Tensor]]:
    """Yield a dictionary that receives the inputs `x` and `y` of an attention, and the outputs `heads` of its heads."""
    seen: dict[str, Tensor] = {}

    def record_input(module: nn.Module, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        context = args[1] if len(args) > 1 else kwargs.get("context")
        seen["x"], seen["y"] = args[0][0], args[0][0] if context is None else context[0]

    def record_heads(module: nn.Module, args: Sequence[Any]) -> None:
        seen["heads"] = args[0][0]

    hooks = [
        attention.register_forward_pre_hook(record_input, with_kwargs=True),
        attention.output.register_forward_pre_hook(record_heads),
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def compute_steps(
    attention: MultiHeadAttention, head: int, seen: dict[str, Tensor], causal: bool, pieces: tuple[list[str], list[str]]
) -> Steps:
    """Compute the formula, written out, for one head."""
    x, y = seen["x"].float().cpu(), seen["y"].float().cpu()
    size = x.size(1) // attention.n_heads
    rows = slice(head * size, (head + 1) * size)

    def project(linear: nn.Linear, features: Tensor) -> Tensor:
        weight, bias = linear.weight[rows].float().cpu(), linear.bias[rows].float().cpu()
        return features @ weight.t() + bias

    q, k, v = project(attention.query, x), project(attention.key, y), project(attention.value, y)
    scores = torch.tensor([[float(q_i @ k_j) / size**0.5 for k_j in k] for q_i in q])
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), float("-inf"))
    exponentials = (scores - scores.max(1, keepdim=True).values).exp()
    weights = exponentials / exponentials.sum(1, keepdim=True)
    outputs = torch.stack([sum((a * v_j for a, v_j in zip(a_i, v, strict=True)), torch.zeros(size)) for a_i in weights])
    return Steps(*pieces, x, y, q, k, v, scores, weights, outputs, seen["heads"][:, rows].float().cpu())
