"""A model that only has embeddings: it takes what JoeyNMT's takes and returns what JoeyNMT's returns."""

from typing import Any

import torch
from torch import Tensor, nn

from joeynmt.vocabulary import Vocabulary


class Model(nn.Module):
    """Called with `return_type="loss"` and the attributes of a batch."""

    def __init__(self, n_tokens: int, d_model: int, pad_index: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_tokens, d_model)
        self.pad_index = pad_index
        self.loss_function: tuple[str, float] | None = None

    def forward(self, return_type: str | None = None, **kwargs: Any) -> tuple[Tensor, Tensor, None, int]:
        assert return_type == "loss"
        assert self.loss_function is not None
        name, smoothing = self.loss_function
        assert name == "crossentropy"
        memory = self.embedding(kwargs["src"]).masked_fill(~kwargs["src_mask"].transpose(1, 2), 0).mean(1, keepdim=True)
        log_probs = ((self.embedding(kwargs["trg_input"]) + memory) @ self.embedding.weight.T).log_softmax(-1)
        loss = nn.functional.cross_entropy(
            log_probs.flatten(0, 1), kwargs["trg"].flatten(), ignore_index=self.pad_index, label_smoothing=smoothing,
            reduction="sum",
        )  # fmt: skip
        n_correct = int((log_probs.argmax(-1) == kwargs["trg"])[kwargs["trg_mask"].squeeze(1)].sum())
        return loss, log_probs, None, n_correct


def build_model(cfg: dict, src_vocab: Vocabulary | None = None, trg_vocab: Vocabulary | None = None) -> Model:
    """Build a model from the `model` section of a configuration."""
    assert src_vocab is not None
    assert trg_vocab is not None
    for side in (cfg["encoder"], cfg["decoder"]):
        assert side["type"] == "transformer"
        assert side["hidden_size"] == side["embeddings"]["embedding_dim"]
        assert side["hidden_size"] % side["num_heads"] == 0
    assert cfg["tied_embeddings"]
    assert cfg["tied_softmax"]
    assert len(src_vocab) == len(trg_vocab)
    torch.manual_seed(1)
    return Model(len(trg_vocab), cfg["decoder"]["hidden_size"], trg_vocab.pad_index)
