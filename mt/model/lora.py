"""Low-rank adaptation (Hu et al., 2021): a frozen linear map, and a trained low-rank map beside it."""

import math

from torch import Tensor, nn

from mt.model.attention import MultiHeadAttention
from mt.model.layers import FeedForward


class LowRankLinear(nn.Module):
    """The map base(x) + alpha / rank * up(down(x)); `up` starts at zero, so that nothing changes at first."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)
        self.scale = alpha / rank
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        result: Tensor = self.base(x) + self.scale * self.up(self.down(x))
        return result


def add_lora(model: nn.Module, rank: int, alpha: float) -> None:
    """Add a low-rank map to each linear map of attention and feed-forward, and train nothing else."""
    model.requires_grad_(False)
    blocks = [block for block in model.modules() if isinstance(block, (MultiHeadAttention, FeedForward))]
    for block in blocks:
        for name, linear in list(block.named_children()):
            if isinstance(linear, nn.Linear):
                setattr(block, name, LowRankLinear(linear, rank, alpha))


def merge_lora(weights: dict[str, Tensor], scale: float) -> dict[str, Tensor]:
    """Merge low-rank maps into the weights of a model, by name: base + scale * up @ down.

    Weights without low-rank maps are returned unchanged.
    """
    owners = {name.removesuffix(".base.weight") for name in weights if name.endswith(".base.weight")}
    merged = {}
    for name, tensor in weights.items():
        owner, _, rest = name.rpartition(".base.")
        if owner in owners:
            product = scale * weights[f"{owner}.up.weight"] @ weights[f"{owner}.down.weight"]
            merged[f"{owner}.{rest}"] = tensor + product if rest == "weight" else tensor
        elif name.removesuffix(".up.weight").removesuffix(".down.weight") not in owners:
            merged[name] = tensor
    return merged
