"""Several models that translate together: the mean of their distributions.

Shapes as in `mt.model.transformer`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mt.model.cache import DecodingState
from mt.model.transformer import Transformer


@dataclass
class EnsembleState:
    """The decoding state of each model."""

    states: list[DecodingState]

    def follow(self, parents: Tensor) -> None:
        """As `DecodingState.follow`."""
        for state in self.states:
            state.follow(parents)

    def keep(self, rows: Tensor) -> None:
        """As `DecodingState.keep`."""
        for state in self.states:
            state.keep(rows)

    def attention(self) -> Tensor:
        """The mean of the models', (B, N, S)."""
        return torch.stack([state.attention() for state in self.states]).mean(0)


@dataclass(frozen=True)
class Ensemble:
    """Models of the same vocabularies; of any size and kind."""

    models: Sequence[Transformer]

    def start(self, src: Tensor, src_mask: Tensor, n_hypotheses: int, watched: bool = False) -> EnsembleState:
        """Encode source ids (B, S); the state before the first step."""
        states = []
        for model in self.models:
            model.eval()
            states.append(model.start(model.encode(src, src_mask), src_mask, n_hypotheses, watched))
        return EnsembleState(states)

    def step(self, tokens: Tensor, state: EnsembleState) -> Tensor:
        """Logits (B, N, V) of the mean of the models' probabilities for the token after `tokens` (B, N)."""
        if len(self.models) == 1:
            return self.models[0].step(tokens, state.states[0])
        log_probs = [
            model.step(tokens, own).float().log_softmax(-1)
            for model, own in zip(self.models, state.states, strict=True)
        ]
        return torch.stack(log_probs).logsumexp(0) - math.log(len(log_probs))

    @property
    def n_target_positions(self) -> float:
        """The most positions of a translation, start mark counted: infinite where no model has learned them."""
        return min(model.n_target_positions for model in self.models)
