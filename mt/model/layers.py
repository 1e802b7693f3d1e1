"""The other parts of a Transformer layer: feed-forward network, residual connection, embedding with positions.

Shapes: B batch, T positions, D model features.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mt.model.dropout import Dropout

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu, "silu": F.silu, "swiglu": F.silu}


FIRST_POSITIONS = 512
"""sinusoids that are computed in advance"""


class FeedForward(nn.Module):
    """Two linear maps with a non-linearity between them, applied at each position (section 3.3 of the paper).

    With the activation "swiglu" a third linear map gates the hidden features (Shazeer, "GLU Variants Improve
    Transformer", 2020); `d_ff` is not reduced to make up for it.
    """

    def __init__(self, d_model: int, d_ff: int, activation: str = "relu", dropout: float = 0.0) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.hidden = nn.Linear(d_model, d_ff)
        self.gate = nn.Linear(d_model, d_ff) if activation == "swiglu" else None
        self.output = nn.Linear(d_ff, d_model)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, D)."""
        hidden: Tensor = self.hidden(x)
        if self.gate is not None:
            hidden = self.dropout(hidden * self.activation(self.gate(x)))
        elif self.activation is F.relu:
            hidden = self.dropout.relu(hidden)
        else:
            hidden = self.dropout(self.activation(hidden))
        result: Tensor = self.output(hidden)
        return result


class Residual(nn.Module):
    """A residual connection x + sublayer(x) with dropout, and layer normalisation before or after the sublayer.

    "post" is the paper's order (section 5.4); "pre" trains more stably (Xiong et al., 2020).
    """

    def __init__(self, d_model: int, norm: str = "pre", dropout: float = 0.0) -> None:
        super().__init__()
        self.pre_norm = norm == "pre"
        self.norm = nn.LayerNorm(d_model)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """Map (B, T, D) to (B, T, D)."""
        result: Tensor
        if self.pre_norm:
            result = x + self.dropout(sublayer(self.norm(x)))
        else:
            result = self.norm(x + self.dropout(sublayer(x)))
        return result


def sinusoids(n_positions: int, d_model: int) -> Tensor:
    """Return position encodings (T, D), section 3.5: even features sin(t / 10000^(i/D)), odd ones the cosine."""
    rates = torch.exp(torch.arange(0, d_model, 2, dtype=torch.float64) * (-math.log(10000.0) / d_model))
    angles = torch.arange(n_positions, dtype=torch.float64).unsqueeze(1) * rates
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1).float()


class Embedding(nn.Module):
    """Embedding of tokens times √D, plus the embedding of positions, then dropout (sections 3.4 and 3.5)."""

    positions: Tensor

    def __init__(
        self, tokens: nn.Embedding, n_positions: int, learned_positions: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.scale = math.sqrt(tokens.embedding_dim)
        self.learned_positions = learned_positions
        if learned_positions:
            self.positions = nn.Parameter(torch.randn(n_positions, tokens.embedding_dim) / self.scale)
        else:
            first = sinusoids(min(n_positions, FIRST_POSITIONS), tokens.embedding_dim)  # more when they are needed
            self.register_buffer("positions", first, persistent=False)
        self.dropout = Dropout(dropout)

    def forward(self, ids: Tensor, start: int = 0, cut: float = 0.0) -> Tensor:
        """Embed ids (B, T), the first of which is at position `start`, as vectors (B, T, D).

        `cut` is the probability that a token is replaced by a vector of zeros.

        Raises:
            ValueError: the sequence is longer than the learned positions.
        """
        end = start + ids.size(1)
        if end > self.positions.size(0):
            if self.learned_positions:
                raise ValueError(f"position {end} exceeds the {self.positions.size(0)} learned ones")
            with torch.inference_mode(False):  # training uses them, too
                self.positions = sinusoids(2 * end, self.tokens.embedding_dim).to(self.positions)
        tokens = self.tokens(ids) * self.scale
        if cut:
            tokens = tokens * (torch.rand(ids.shape, device=ids.device) >= cut).unsqueeze(-1)
        embedded: Tensor = self.dropout(tokens + self.positions[start:end])
        return embedded


def store_by_columns(model: nn.Module) -> None:
    """Store the matrices of linear maps column by column; their values stay as they are.

    Products of few rows, as in search, then take up to half as long in float32 on a CPU, as MKL need not rearrange the
    matrix each time. Embeddings that are tied to the projection are stored likewise, so looking one up takes longer: a
    third of a millisecond for 500 tokens, far less than the projection gains.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.weight.data = module.weight.data.t().contiguous().t()
