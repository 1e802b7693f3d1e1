"""The limits that end training, early stopping and pruning among them, and the time left until then."""

from dataclasses import dataclass

from mt.config.training import TrainingConfig
from mt.runs.checkpoint import TrainState


@dataclass
class Limits:
    """The configured limits of training."""

    config: TrainingConfig

    def reason_to_stop(self, state: TrainState) -> str | None:
        """Return why training ends in this state, in words, if it does."""
        config, stopping = self.config, self.config.early_stopping
        if config.max_steps and state.step >= config.max_steps:
            return f"training.max_steps={config.max_steps} is reached"
        if config.max_epochs and state.epochs >= config.max_epochs:
            return f"training.max_epochs={config.max_epochs} is reached"
        if config.max_minutes and state.minutes >= config.max_minutes:
            return f"training.max_minutes={config.max_minutes:g} is reached"
        if stopping.patience and state.n_validations_since_best >= stopping.patience:
            return (
                f"validation {stopping.metric.value} has not improved since step {state.best_step}, "
                f"{stopping.patience} validations ago"
            )
        if stopping.prune_after and state.is_hopeless:
            return "other jobs of the sweep do better (training.early_stopping.prune_after)"
        return None

    def share_done(self, state: TrainState) -> float | None:
        """Return the share of training that is done, by the limit that will end it; None if there is no limit."""
        config = self.config
        limits = (
            (state.step, config.max_steps),
            (state.epochs, config.max_epochs),
            (state.minutes, config.max_minutes),
        )
        return max((done / limit for done, limit in limits if limit), default=None)

    def seconds_left(self, state: TrainState, epochs_per_step: float, seconds_per_step: float) -> float | None:
        """Estimate the seconds until the first limit, without validations; None if there is no limit."""
        config, estimates = self.config, []
        if config.max_steps:
            estimates.append((config.max_steps - state.step) * seconds_per_step)
        if config.max_epochs:
            estimates.append((config.max_epochs - state.epochs) / epochs_per_step * seconds_per_step)
        if config.max_minutes:
            estimates.append(60 * (config.max_minutes - state.minutes))
        return max(0.0, min(estimates)) if estimates else None
