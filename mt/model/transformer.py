"""The encoder-decoder Transformer of "Attention Is All You Need", bottom-up: layers, encoder, decoder, model.

Shapes: B sentences, N = B x beam hypotheses, S source and T target positions, D model features, H heads,
K features a head, V vocabulary. Masks are bool, True = may be attended to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from mt.choices import Positions
from mt.config import ModelConfig
from mt.model.attention import MultiHeadAttention
from mt.model.layers import Embedding, FeedForward, Residual


def build_attention(config: ModelConfig) -> MultiHeadAttention:
    """Attention of the configured size."""
    dropout = config.dropout if config.attention_dropout is None else config.attention_dropout
    return MultiHeadAttention(config.d_model, config.n_heads, dropout)


def build_feed_forward(config: ModelConfig) -> FeedForward:
    """A feed-forward network of the configured size."""
    dropout = config.dropout if config.activation_dropout is None else config.activation_dropout
    return FeedForward(config.d_model, config.d_ff, config.activation.value, dropout)


class EncoderLayer(nn.Module):
    """Self-attention, then a feed-forward network."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attention = build_attention(config)
        self.feed_forward = build_feed_forward(config)
        self.residuals = nn.ModuleList(Residual(config.d_model, config.norm.value, config.dropout) for _ in range(2))

    def forward(self, x: Tensor, src_mask: Tensor) -> Tensor:
        """(B, S, D) -> (B, S, D)."""
        x = self.residuals[0](x, lambda y: self.self_attention(y, mask=src_mask))
        x = self.residuals[1](x, self.feed_forward)
        return x


@dataclass
class LayerCache:
    """What one decoder layer keeps between steps."""

    keys: Tensor
    """of the target so far, (N, H, T, K)"""
    values: Tensor
    memory_keys: Tensor
    """of the source, one set a sentence, not a hypothesis, (B, H, S, K)"""
    memory_values: Tensor

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append the newest position's, (N, H, 1, K), and give all."""
        self.keys = torch.cat((self.keys, keys), dim=2)
        self.values = torch.cat((self.values, values), dim=2)
        return self.keys, self.values


class DecoderLayer(nn.Module):
    """Self-attention over the target so far, attention to the source, then a feed-forward network."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attention = build_attention(config)
        self.source_attention = build_attention(config)
        self.feed_forward = build_feed_forward(config)
        self.residuals = nn.ModuleList(Residual(config.d_model, config.norm.value, config.dropout) for _ in range(3))

    def forward(self, x: Tensor, memory: Tensor, src_mask: Tensor) -> Tensor:
        """All target positions at once, (B, T, D) -> (B, T, D). Padding stands at the end, so causal is enough."""
        x = self.residuals[0](x, lambda y: self.self_attention(y, causal=True))
        x = self.residuals[1](x, lambda y: self.source_attention(y, memory, mask=src_mask))
        x = self.residuals[2](x, self.feed_forward)
        return x

    def start(self, memory: Tensor, n_hypotheses: int) -> LayerCache:
        """An empty cache for `n_hypotheses` rows over `memory` (B, S, D)."""
        keys, values = self.source_attention.keys_values(memory)
        empty = keys.new_empty(n_hypotheses, keys.size(1), 0, keys.size(3))
        return LayerCache(empty, empty, keys, values)

    def step(self, x: Tensor, cache: LayerCache, src_mask: Tensor) -> Tensor:
        """The newest position alone, (N, 1, D) -> (N, 1, D); `cache` grows by it."""
        n_sentences = cache.memory_keys.size(0)

        def attend_to_source(y: Tensor) -> Tensor:
            # A sentence's hypotheses all look at the same source: they are the query positions of one row.
            rows = y.view(n_sentences, -1, y.size(-1))  # (N, 1, D) -> (B, beam, D)
            seen = self.source_attention.attend(rows, cache.memory_keys, cache.memory_values, mask=src_mask)
            return seen.view_as(y)

        x = self.residuals[0](
            x, lambda y: self.self_attention.attend(y, *cache.extend(*self.self_attention.keys_values(y)))
        )
        x = self.residuals[1](x, attend_to_source)
        x = self.residuals[2](x, self.feed_forward)
        return x


@dataclass
class DecodingState:
    """The caches of all layers: what decoding one more position needs to know of the earlier ones."""

    layers: list[LayerCache]
    src_mask: Tensor
    length: int = 0

    def select(self, rows: Tensor) -> None:
        """Go on with the hypotheses `rows` (each in 0..N-1), the same number for each sentence that is kept.

        The rows of a sentence stand together, and sentences keep their order.
        """
        n_hypotheses, n_sentences = self.layers[0].keys.size(0), self.src_mask.size(0)
        beam = n_hypotheses // n_sentences
        sentences = rows[::beam] // beam if len(rows) < n_hypotheses else None
        if sentences is not None:
            self.src_mask = self.src_mask[sentences]
        for cache in self.layers:
            cache.keys, cache.values = cache.keys[rows], cache.values[rows]
            if sentences is not None:
                cache.memory_keys, cache.memory_values = cache.memory_keys[sentences], cache.memory_values[sentences]


class Transformer(nn.Module):
    """Source ids to memory (`encode`), memory and target ids to the next token's logits (`decode`)."""

    def __init__(
        self, config: ModelConfig, src_vocab_size: int, tgt_vocab_size: int, joint: bool, n_positions: int = 512
    ) -> None:
        """`joint`: both languages share a vocabulary, so that tied embeddings tie the source too."""
        super().__init__()
        self.config = config
        learned = config.positions is Positions.learned
        tgt_tokens = nn.Embedding(tgt_vocab_size, config.d_model)
        share = config.tie_embeddings and joint
        src_tokens = tgt_tokens if share else nn.Embedding(src_vocab_size, config.d_model)
        self.src_embedding = Embedding(src_tokens, n_positions, learned, config.dropout)
        self.tgt_embedding = Embedding(tgt_tokens, n_positions, learned, config.dropout)
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.n_encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(config) for _ in range(config.n_decoder_layers))
        # With normalisation before each sublayer, nothing has normalised the sum that leaves the last layer.
        pre = config.norm.value == "pre"
        self.encoder_norm = nn.LayerNorm(config.d_model) if pre else nn.Identity()
        self.decoder_norm = nn.LayerNorm(config.d_model) if pre else nn.Identity()
        self.projection = nn.Linear(config.d_model, tgt_vocab_size, bias=False)
        self.gradient_checkpointing = False
        self.initialise()
        if config.tie_embeddings:
            self.projection.weight = tgt_tokens.weight

    def initialise(self) -> None:
        """Glorot for the linear maps; embeddings so that, times √D, they have unit variance.

        Embeddings that are tied to the projection then give logits of unit variance, too. With `depth_scaled_init` the
        l-th layer's maps are smaller by √l (Zhang, Titov and Sennrich, 2019, equation 4).
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=1 / math.sqrt(self.config.d_model))
        if self.config.depth_scaled_init:
            for depth, layer in [*enumerate(self.encoder, 1), *enumerate(self.decoder, 1)]:
                for module in layer.modules():
                    if isinstance(module, nn.Linear):
                        nn.init.xavier_uniform_(module.weight, gain=1 / math.sqrt(depth))

    def forward(self, src: Tensor, src_mask: Tensor, tgt_in: Tensor) -> Tensor:
        """Logits (B, T, V) for the token after each of `tgt_in` (B, T), given `src` (B, S) with its `src_mask`."""
        logits: Tensor = self.projection(self.decode(tgt_in, self.encode(src, src_mask), src_mask))
        return logits

    def encode(self, src: Tensor, src_mask: Tensor) -> Tensor:
        """Source ids (B, S) -> memory (B, S, D)."""
        x = self.src_embedding(src)
        mask = src_mask[:, None, None, :]  # (B, S) -> (B, 1, 1, S): the same for all heads and queries
        for layer in self.layers_of_step(self.encoder):
            x = self.run(layer, x, mask)
        memory: Tensor = self.encoder_norm(x)
        return memory

    def decode(self, tgt_in: Tensor, memory: Tensor, src_mask: Tensor) -> Tensor:
        """All positions at once, for training and scoring: what the projection reads, (B, T, D)."""
        x = self.tgt_embedding(tgt_in)
        mask = src_mask[:, None, None, :]
        for layer in self.layers_of_step(self.decoder):
            x = self.run(layer, x, memory, mask)
        features: Tensor = self.decoder_norm(x)
        return features

    def layers_of_step(self, layers: nn.ModuleList) -> list[nn.Module]:
        """All layers; while training, those that `layer_drop` leaves."""
        drop = self.config.layer_drop if self.training else 0.0
        return [layer for layer in layers if not drop or float(torch.rand(())) >= drop]

    def run(self, layer: nn.Module, *arguments: Tensor) -> Tensor:
        """A layer's output, with what its backward pass needs, or without if that is to be computed again."""
        result: Tensor
        if self.training and self.gradient_checkpointing:
            result = checkpoint(layer, *arguments, use_reentrant=False)
        else:
            result = layer(*arguments)
        return result

    def start(self, memory: Tensor, src_mask: Tensor, beam_size: int = 1) -> DecodingState:
        """The state before the first step, for `beam_size` hypotheses a sentence."""
        n_hypotheses = memory.size(0) * beam_size
        layers = [layer.start(memory, n_hypotheses) for layer in self.decoder]  # type: ignore[operator]
        return DecodingState(layers, src_mask[:, None, None, :])

    def step(self, tokens: Tensor, state: DecodingState) -> Tensor:
        """Logits (N, V) for the token after `tokens` (N,), the newest of each hypothesis; `state` grows by them."""
        x = self.tgt_embedding(tokens.unsqueeze(1), start=state.length)
        for layer, cache in zip(self.decoder, state.layers, strict=True):
            x = layer.step(x, cache, state.src_mask)  # type: ignore[operator]
        state.length += 1
        return F.linear(self.decoder_norm(x).squeeze(1), self.projection.weight)

    def n_parameters(self, trained: bool = False) -> int:
        """How many numbers the model has, or those that are `trained`; a shared matrix counts once."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad or not trained)
