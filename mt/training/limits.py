"""When training ends, and how long that is from now."""

from __future__ import annotations

from dataclasses import dataclass

from mt.config.schema import TrainingConfig


@dataclass
class Limits:
    """The limits of the configuration, asked with how far training is."""

    config: TrainingConfig

    def reason_to_stop(self, step: int, epochs: float, minutes: float) -> str | None:
        """The limit that is reached, in words."""
        config = self.config
        if config.max_steps and step >= config.max_steps:
            return f"training.max_steps={config.max_steps} is reached"
        if config.max_epochs and epochs >= config.max_epochs:
            return f"training.max_epochs={config.max_epochs} is reached"
        if config.max_minutes and minutes >= config.max_minutes:
            return f"training.max_minutes={config.max_minutes:g} are over"
        return None

    def seconds_left(
        self, step: int, epochs: float, minutes: float, epochs_per_step: float, pace: float
    ) -> float | None:
        """Until the first of the limits at `pace` seconds a step; validations not counted."""
        config, estimates = self.config, []
        if config.max_steps:
            estimates.append((config.max_steps - step) * pace)
        if config.max_epochs:
            estimates.append((config.max_epochs - epochs) / epochs_per_step * pace)
        if config.max_minutes:
            estimates.append(60 * (config.max_minutes - minutes))
        return max(0.0, min(estimates)) if estimates else None
