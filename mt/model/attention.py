"""Attention, the heart of the model.

For every position i with query q_i, and every position j with key k_j and value v_j:

    q_i = W_Q x_i      k_j = W_K y_j      v_j = W_V y_j
    s_ij = q_i · k_j / √K          score: how well j matches what i looks for
    a_i  = softmax over j of s_i   weights that sum to 1
    o_i  = Σ_j a_ij v_j            output for i

Self-attention is the case y = x. Several heads do this in parallel, each on its own K = D / H features.

Shapes: B batch, T queries, S keys, D model features, H heads, K features of a head.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mt.model.dropout import Dropout


def attention_weights(q: Tensor, k: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the weights a_ij of "Attention Is All You Need", section 3.2.1.

    Args:
        q: queries, (..., T, K).
        k: keys, (..., S, K).
        mask: broadcast to (..., T, S); either bool, True where a query may attend, or the numbers of `additive_mask`.
            Each query must be allowed to attend to something.

    Returns:
        Weights (..., T, S), each row summing to 1.
    """
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
    if mask is not None:
        scores = scores + (additive_mask(mask, scores.dtype) if mask.dtype is torch.bool else mask)
    return scores.softmax(dim=-1)


def additive_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return what a bool mask adds to scores: 0 where it is True, minus infinity elsewhere."""
    return torch.where(mask, 0.0, float("-inf")).to(dtype)


def causal_mask(n_queries: int, n_keys: int, device: torch.device) -> Tensor:
    """Return the bool mask (T, S) that lets position i attend to positions up to i."""
    return torch.ones(n_queries, n_keys, dtype=torch.bool, device=device).tril()


class MultiHeadAttention(nn.Module):
    """H parallel attentions whose outputs are concatenated and mixed by W_O ("Attention Is All You Need", 3.2.2).

    Called with one argument of shape (B, T, D) it is self-attention: `MultiHeadAttention(512, 8)(x)` maps (32, 10, 512)
    to (32, 10, 512). The rows of a batch do not influence each other.
    """

    def __init__(self, d_model: int, n_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if d_model % n_heads:
            raise ValueError(f"d_model={d_model} is not divisible by n_heads={n_heads}")
        self.n_heads = n_heads
        self.dropout = Dropout(dropout)
        self.query = nn.Linear(d_model, d_model)
        self.key = nn.Linear(d_model, d_model)
        self.value = nn.Linear(d_model, d_model)
        self.output = nn.Linear(d_model, d_model)

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
        first_heads: list[Tensor] | None = None,
    ) -> Tensor:
        """Let each position of `x` attend to `context`, or to `x` itself.

        Args:
            x: (B, T, D).
            context: (B, S, D).
            mask: broadcast to (B, H, T, S), as for `attention_weights`.
            causal: let position i attend to positions up to i only.
            first_heads: a list to which the weights of the first head are appended, (B, T, S); not if `causal`.

        Returns:
            Outputs (B, T, D).
        """
        return self.attend(x, *self.keys_values(x if context is None else context), mask, causal, first_heads)

    def keys_values(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values of `context` (B, S, D), each (B, H, S, K); a decoder keeps them between steps."""
        return self.split_heads(self.key(context)), self.split_heads(self.value(context))

    def attend(
        self,
        x: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None = None,
        causal: bool = False,
        first_heads: list[Tensor] | None = None,
    ) -> Tensor:
        """Compute `forward` from precomputed keys and values."""
        queries = self.split_heads(self.query(x))
        if first_heads is not None:
            first_heads.append(attention_weights(queries[:, :1], keys[:, :1], mask).squeeze(1))
        if x.device.type == "cpu" and self.training:  # with dropout, plain products are faster for short sentences
            mask = causal_mask(x.size(1), keys.size(2), x.device) if causal else mask
            heads = self.dropout(attention_weights(queries, keys, mask)) @ values
        else:
            dropout = self.dropout.p if self.training else 0.0
            heads = F.scaled_dot_product_attention(queries, keys, values, mask, dropout, is_causal=causal)
        mixed: Tensor = self.output(heads.transpose(1, 2).flatten(2))  # (B, H, T, K) -> (B, T, D)
        return mixed

    def split_heads(self, x: Tensor) -> Tensor:
        """Divide the features among the heads: (B, T, D) -> (B, H, T, K)."""
        return x.view(*x.shape[:-1], self.n_heads, -1).transpose(1, 2)

    def weights(
        self, x: Tensor, context: Tensor | None = None, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        """Return the weights a_ij that `forward` uses for the same arguments, (B, H, T, S)."""
        context = x if context is None else context
        if causal:
            mask = causal_mask(x.size(1), context.size(1), x.device)
        return self.weights_from_keys(x, self.split_heads(self.key(context)), mask)

    def weights_from_keys(self, x: Tensor, keys: Tensor, mask: Tensor | None = None) -> Tensor:
        """Compute `weights` from precomputed keys."""
        return attention_weights(self.split_heads(self.query(x)), keys, mask)


@contextmanager
def recorded_weights(attention: MultiHeadAttention) -> Iterator[list[Tensor]]:
    """Yield a list to which each call of `attention` within this context appends its weights (B, H, T, S)."""
    records: list[Tensor] = []

    def record(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], _: Tensor) -> None:
        assert isinstance(module, MultiHeadAttention)
        given = {name: value for name, value in kwargs.items() if name != "first_heads"}
        records.append(module.weights(*args, **given).detach())

    hook = attention.register_forward_hook(record, with_kwargs=True)
    try:
        yield records
    finally:
        hook.remove()
