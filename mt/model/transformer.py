"""The encoder-decoder Transformer of "Attention Is All You Need", bottom-up: layers, encoder, decoder, model.

Shapes: B sentences, N hypotheses of each, S source and T target positions, D model features, V vocabulary. Masks are
bool, True = may be attended to.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mt.config.choices import Positions
from mt.config.schema import ModelConfig
from mt.model.attention import MultiHeadAttention, additive_mask
from mt.model.cache import FIRST_POSITIONS, DecodingState, LayerCache
from mt.model.layers import Embedding, FeedForward, Residual


def build_attention(config: ModelConfig) -> MultiHeadAttention:
    """Build attention of the configured size."""
    dropout = config.dropout if config.attention_dropout is None else config.attention_dropout
    return MultiHeadAttention(config.d_model, config.n_heads, dropout)


def build_feed_forward(config: ModelConfig) -> FeedForward:
    """Build a feed-forward network of the configured size."""
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
        """Map (B, S, D) to (B, S, D)."""
        x = self.residuals[0](x, lambda y: self.self_attention(y, mask=src_mask))
        x = self.residuals[1](x, self.feed_forward)
        return x


class DecoderLayer(nn.Module):
    """Self-attention over the target so far, attention to the source, then a feed-forward network."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attention = build_attention(config)
        self.source_attention = build_attention(config)
        self.feed_forward = build_feed_forward(config)
        self.residuals = nn.ModuleList(Residual(config.d_model, config.norm.value, config.dropout) for _ in range(3))

    def forward(self, x: Tensor, memory: Tensor, src_mask: Tensor, first_heads: list[Tensor] | None = None) -> Tensor:
        """Map all target positions, (B, T, D) to (B, T, D). Padding is at the end, so a causal mask suffices.

        `first_heads` is a list to which the weights of the first head's attention to the source are appended.
        """
        x = self.residuals[0](x, lambda y: self.self_attention(y, causal=True))
        x = self.residuals[1](x, lambda y: self.source_attention(y, memory, src_mask, first_heads=first_heads))
        x = self.residuals[2](x, self.feed_forward)
        return x

    def start(self, memory: Tensor, n_hypotheses: int) -> LayerCache:
        """Return an empty cache over `memory` (B, S, D), for up to `n_hypotheses` of each sentence."""
        keys, values = (part.contiguous() for part in self.source_attention.keys_values(memory))
        shape = (*keys.shape[:2], n_hypotheses * FIRST_POSITIONS, keys.size(3))
        return LayerCache(keys, values, keys.new_empty(shape), values.new_empty(shape))

    def step(self, x: Tensor, cache: LayerCache, state: DecodingState, mask: Tensor | None) -> Tensor:
        """Map the newest position of all hypotheses, (B, N, D) to (B, N, D), and add it to `cache`.

        The hypotheses of a sentence are the query positions of one row; `mask` is that of `DecodingState.extend`.
        """

        def attend_to_target(y: Tensor) -> Tensor:
            end = state.length * state.n_hypotheses
            cache.put(*self.self_attention.keys_values(y), slice(end - state.n_hypotheses, end))
            return self.self_attention.attend(y, cache.keys[:, :, :end], cache.values[:, :, :end], mask)

        def attend_to_source(y: Tensor) -> Tensor:
            if state.records_attention:  # every layer overwrites this, so that the last one's remain
                weights = self.source_attention.weights_from_keys(y, cache.memory_keys, state.src_mask)
                state.source_weights = weights.mean(1)
            return self.source_attention.attend(y, cache.memory_keys, cache.memory_values, state.src_mask)

        x = self.residuals[0](x, attend_to_target)
        x = self.residuals[1](x, attend_to_source)
        x = self.residuals[2](x, self.feed_forward)
        return x


class Transformer(nn.Module):
    """The model: `encode` turns source ids into memory, `decode` memory and target ids into features for logits."""

    def __init__(
        self, config: ModelConfig, src_vocab_size: int, tgt_vocab_size: int, joint: bool, n_positions: int = 512
    ) -> None:
        """Build the model with new weights; if the vocabulary is `joint`, tied embeddings include the source."""
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
        # With pre-norm, nothing has normalised the output of the last layer.
        pre = config.norm.value == "pre"
        self.encoder_norm = nn.LayerNorm(config.d_model) if pre else nn.Identity()
        self.decoder_norm = nn.LayerNorm(config.d_model) if pre else nn.Identity()
        self.projection = nn.Linear(config.d_model, tgt_vocab_size, bias=config.output_bias)
        self.gradient_checkpointing = False
        self.initialise()
        if config.tie_embeddings:
            self.projection.weight = tgt_tokens.weight

    def initialise(self) -> None:
        """Apply Glorot initialisation to linear maps; give embeddings, times √D, unit variance.

        Embeddings tied to the projection then give logits of unit variance, too. With `depth_scaled_init` the maps of
        layer l are divided by √l (Zhang, Titov and Sennrich, 2019, equation 4).
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
        """Return logits (B, T, V) for the token after each of `tgt_in` (B, T), given `src` and `src_mask` (B, S)."""
        logits: Tensor = self.projection(self.decode(tgt_in, self.encode(src, src_mask), src_mask))
        return logits

    def encode(self, src: Tensor, src_mask: Tensor, cut: float = 0.0) -> Tensor:
        """Encode source ids (B, S) as memory (B, S, D), without the share `cut` of the tokens, drawn at random."""
        x = self.src_embedding(src, cut=cut)
        mask = src_mask[:, None, None, :]  # (B, S) -> (B, 1, 1, S): the same for all heads and queries
        for layer in self.layers_of_step(self.encoder):
            x = self.run(layer, x, mask)
        memory: Tensor = self.encoder_norm(x)
        return memory

    def decode(
        self,
        tgt_in: Tensor,
        memory: Tensor,
        src_mask: Tensor,
        cut: float = 0.0,
        first_heads: list[Tensor] | None = None,
    ) -> Tensor:
        """Decode all positions at once, for training and scoring; return the projection's input (B, T, D).

        `cut` is as for `encode`. `first_heads` is a list to which every layer after the first appends how its first
        head attends to the source, (B, T, S).
        """
        x = self.tgt_embedding(tgt_in, cut=cut)
        mask = src_mask[:, None, None, :]
        for layer in self.layers_of_step(self.decoder):
            x = self.run(layer, x, memory, mask, None if layer is self.decoder[0] else first_heads)
        features: Tensor = self.decoder_norm(x)
        return features

    def layers_of_step(self, layers: nn.ModuleList) -> list[nn.Module]:
        """Return all layers, or during training those that `layer_drop` does not skip, one of them at least."""
        if not self.training or not self.config.layer_drop:
            return [*layers]
        draws = [float(torch.rand(())) for _ in layers]
        return [
            layer
            for layer, draw in zip(layers, draws, strict=True)
            if draw >= self.config.layer_drop or draw == max(draws)  # without any, nothing might be left to train
        ]

    def run(self, layer: nn.Module, *arguments: Any) -> Tensor:
        """Run a layer; with gradient checkpointing, its backward pass computes activations again."""
        result: Tensor
        if self.training and self.gradient_checkpointing:
            result = checkpoint(layer, *arguments, use_reentrant=False)
        else:
            result = layer(*arguments)
        return result

    def start(
        self, memory: Tensor, src_mask: Tensor, n_hypotheses: int = 1, records_attention: bool = False
    ) -> DecodingState:
        """Return the state before the first step, for up to `n_hypotheses` of each sentence."""
        layers = [layer.start(memory, n_hypotheses) for layer in self.decoder]  # type: ignore[operator]
        mask = additive_mask(src_mask[:, None, None, :], memory.dtype)
        return DecodingState(layers, mask, n_hypotheses, records_attention)

    def step(self, tokens: Tensor, state: DecodingState) -> Tensor:
        """Return logits (B, N, V) for the token after `tokens` (B, N), the newest of each hypothesis."""
        x = self.tgt_embedding(tokens.reshape(-1, 1), start=state.length).view(*tokens.shape, -1)  # (B, N, D)
        mask = state.extend(tokens.size(1))
        for layer, cache in zip(self.decoder, state.layers, strict=True):
            x = layer.step(x, cache, state, mask)  # type: ignore[operator]
        logits: Tensor = self.projection(self.decoder_norm(x))
        return logits

    @property
    def n_target_positions(self) -> float:
        """Most positions of a translation, BOS included; infinite unless they are learned."""
        return len(self.tgt_embedding.positions) if self.tgt_embedding.learned_positions else math.inf

    def n_parameters(self, trained: bool = False) -> int:
        """Count the parameters, or only the trained ones; a shared matrix counts once."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad or not trained)
