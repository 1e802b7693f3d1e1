"""Several models that translate together: the mean of their distributions.

Shapes as in `mt.model.transformer`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mt.model.cache import DecodingState
from mt.model.transformer import Transformer


@dataclass
class EnsembleState:
    """The decoding states of all models."""

    states: list[DecodingState]

    def follow(self, parents: Tensor) -> None:
        """Apply `DecodingState.follow` to every state."""
        for state in self.states:
            state.follow(parents)

    def keep(self, rows: Tensor) -> None:
        """Apply `DecodingState.keep` to every state."""
        for state in self.states:
            state.keep(rows)

    def attention(self) -> Tensor:
        """Return the mean of the models' attention to the source, (B, N, S)."""
        return torch.stack([state.attention() for state in self.states]).mean(0)


@dataclass(frozen=True)
class Ensemble:
    """Models of any size and kind with the same vocabularies."""

    models: Sequence[Transformer]

    def start(self, src: Tensor, src_mask: Tensor, n_hypotheses: int, records_attention: bool = False) -> EnsembleState:
        """Encode source ids (B, S) and return the state before the first step."""
        states = []
        for model in self.models:
            model.eval()
            states.append(model.start(model.encode(src, src_mask), src_mask, n_hypotheses, records_attention))
        return EnsembleState(states)

    def step(self, tokens: Tensor, state: EnsembleState) -> Tensor:
        """Return logits (B, N, V) of the models' mean probabilities for the token after `tokens` (B, N)."""
        if len(self.models) == 1:
            return self.models[0].step(tokens, state.states[0])
        log_probs = [
            model.step(tokens, own).float().log_softmax(-1)
            for model, own in zip(self.models, state.states, strict=True)
        ]
        return torch.stack(log_probs).logsumexp(0) - math.log(len(log_probs))

    @property
    def n_target_positions(self) -> float:
        """Most positions of a translation, BOS included; infinite if no model has learned positions."""
        return min(model.n_target_positions for model in self.models)
