"""The limits that end training, and the time left until then."""

from dataclasses import dataclass

from mt.config.schema import TrainingConfig


@dataclass
class Limits:
    """The configured limits of training."""

    config: TrainingConfig

    def reason_to_stop(self, step: int, epochs: float, minutes: float) -> str | None:
        """Return the limit that is reached, in words, if there is one."""
        config = self.config
        if config.max_steps and step >= config.max_steps:
            return f"training.max_steps={config.max_steps} is reached"
        if config.max_epochs and epochs >= config.max_epochs:
            return f"training.max_epochs={config.max_epochs} is reached"
        if config.max_minutes and minutes >= config.max_minutes:
            return f"training.max_minutes={config.max_minutes:g} is reached"
        return None

    def seconds_left(
        self, step: int, epochs: float, minutes: float, epochs_per_step: float, seconds_per_step: float
    ) -> float | None:
        """Estimate the seconds until the first limit, without validations; None if there is no limit."""
        config, estimates = self.config, []
        if config.max_steps:
            estimates.append((config.max_steps - step) * seconds_per_step)
        if config.max_epochs:
            estimates.append((config.max_epochs - epochs) / epochs_per_step * seconds_per_step)
        if config.max_minutes:
            estimates.append(60 * (config.max_minutes - minutes))
        return max(0.0, min(estimates)) if estimates else None
