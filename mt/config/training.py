"""The settings of training: batches, limits, regularisation, the start, and what is reported and saved when."""

from dataclasses import dataclass
from typing import Optional

from mt.config.automatic import Auto, automatic
from mt.config.checks import require, require_fraction, require_not_negative, require_positive
from mt.config.choices import Part, Precision, StoppingMetric, Strategy
from mt.config.facts import section, setting


@dataclass
class EarlyStoppingConfig:
    """Conditions for stopping training that no longer improves."""

    metric: StoppingMetric = setting(StoppingMetric.bleu, may_change=False)
    """Validation metric that decides which model is best and when to stop. Until BLEU reaches 1, the loss decides."""
    patience: int = setting(10, may_change=True)
    """Stop after this many validations without an improvement; 0: never."""
    prune_after: int = setting(0, may_change=True)
    """Stop a job of a sweep that is worse than the median of the others, from this validation on; 0: never."""

    def __post_init__(self) -> None:
        require_not_negative("training.early_stopping", self, "patience", "prune_after")


@dataclass
class LoraConfig:
    """Low-rank adaptation (Hu et al., 2021): train only two thin matrices beside each linear map."""

    rank: int = setting(0, tracked=True)
    """Inner size of the two matrices; 0: off."""
    alpha: float = setting(16.0, tracked=False)
    """Scale their product by alpha / rank."""

    def __post_init__(self) -> None:
        require_not_negative("training.lora", self, "rank")
        require_positive("training.lora", self, "alpha")

    @property
    def scale(self) -> float:
        """Factor of the product of the two matrices."""
        return self.alpha / self.rank if self.rank else 0.0


@dataclass
class TrainingConfig:
    """Batches, limits, and what is reported and saved when."""

    max_tokens: Auto[int] = automatic(may_change=False, tracked=True)
    """Budget of a batch: rows times the longest side, padding and EOS included; null: more for a larger corpus."""
    accumulate: int = setting(1, may_change=True, tracked=True)
    """Batches whose gradients each process sums before an update."""
    batches_per_step: Optional[int] = setting(None, may_change=True, tracked=True)  # noqa: UP045
    """Batches of an update in all processes together; determines `accumulate` from the number of processes."""
    strategy: Strategy = setting(Strategy.ddp, may_change=True, tracked=False)
    max_steps: Optional[int] = setting(None, may_change=True, tracked=False)  # noqa: UP045
    """null: no limit if `max_epochs` or `max_minutes` is set, otherwise as many as the corpus usually needs."""
    max_epochs: Optional[int] = setting(None, may_change=True, tracked=False)  # noqa: UP045
    max_minutes: Optional[float] = setting(None, may_change=True, tracked=False)  # noqa: UP045
    """Minutes of training, over all sessions."""
    valid_every_steps: Auto[int] = automatic(may_change=True, tracked=False)
    """null: 8 to 20 times during training, fewer if validations are slow."""
    valid_pairs: Auto[int] = automatic(may_change=False, tracked=False)
    """Pairs of the validation text that each validation uses, spread over it; 0: all; null: all, or 200, 400, 800 …
    if all would take more than 15% of the time."""
    checkpoint_every_steps: Auto[int] = automatic(may_change=True, tracked=False)
    """null: about every two minutes, besides each validation."""
    log_every_steps: int = setting(50, may_change=True, tracked=False)
    keep_checkpoints: int = setting(2, may_change=True, tracked=False)
    device: str = setting("auto", may_change=True, tracked=False)
    precision: Precision = setting(Precision.auto, may_change=False, tracked=False)
    label_smoothing: float = setting(0.1, may_change=False, tracked=True)
    ema_decay: float = setting(0.0, may_change=False, tracked=True)
    """Decay of an exponential moving average of the weights, which is then validated and kept; 0: no average."""
    early_stopping: EarlyStoppingConfig = section(EarlyStoppingConfig, tracked=False)
    guided_attention: Auto[float] = automatic(may_change=False, tracked=True)
    """Weight with which a lexicon, learnt from the training text, teaches the decoder where to look (Chen et al.,
    2016); 0: off; null: 0.4 in a short training or for a small corpus."""
    lexicon_embeddings: Auto[bool] = automatic(may_change=False, tracked=True)
    """Initialise the embeddings such that those of translations are similar, according to a lexicon that is learnt from
    the training text; null: in a short training or for a small corpus."""
    average_best: int = setting(0, may_change=True, tracked=True)
    """At the end, average this many of the best models and keep the mean if it is better than each; 0: off."""
    r_drop: float = setting(0.0, may_change=False, tracked=True)
    """Weight of R-Drop (Liang et al., 2021), which makes two passes with different dropout agree; usually 5; 0: off."""
    simcut: float = setting(0.0, may_change=False, tracked=True)
    """Weight of SimCut (Gao et al., 2022), which makes a pass without 5% of the tokens agree; usually 3; 0: off."""
    subword_alpha: float = setting(0.0, may_change=False, tracked=True)
    """Segment the text differently in every epoch (Kudo, 2018): the smoothing of unigram (smaller: more random, often
    0.5) or the dropout of BPE merges (usually 0.1); 0: off."""
    init_from: Optional[str] = setting(None, may_change=False, tracked=True, names_files=True)  # noqa: UP045
    """Run whose model and tokenizer training starts from; tags that it lacks are added."""
    new_vocab: bool = setting(False, may_change=False, tracked=False)
    """With `init_from`: train a tokenizer on the new text, or take that of `tokenizer.from_run`; pieces that both have
    keep their embeddings. With `lora`, the embeddings are trained, too."""
    freeze: list[Part] = setting([], may_change=False, tracked=True)
    """Parts that are not trained. `embeddings` are those of both sides with their positions, and the projection."""
    lora: LoraConfig = section(LoraConfig, may_change=False)
    gradient_checkpointing: bool = setting(False, may_change=True, tracked=False)
    """Compute each layer twice instead of storing what the backward pass needs: less memory, more time."""
    compile: bool = setting(False, may_change=True, tracked=False)
    """Compile the model with torch.compile: worth its start-up time on a GPU, slower on a CPU."""
    n_samples: int = setting(8, may_change=True, tracked=False)
    """Validation sentences whose translations appear in TensorBoard."""
    profile_steps: int = setting(0, may_change=True, tracked=False)
    """After ten steps, record this many in RUN/profile: a trace, and a table of the slowest operations; 0: none."""

    def __post_init__(self) -> None:
        require_positive("training", self, "max_tokens", "accumulate", "max_steps", "max_epochs", "max_minutes")
        require_positive("training", self, "valid_every_steps", "checkpoint_every_steps", "log_every_steps")
        require_positive("training", self, "keep_checkpoints", "batches_per_step")
        require_fraction("training", self, "label_smoothing", "ema_decay")
        require_not_negative("training", self, "guided_attention", "average_best", "r_drop", "simcut", "subword_alpha")
        require_not_negative("training", self, "n_samples", "profile_steps")
        require(
            not (self.r_drop and self.simcut),
            "training.r_drop and training.simcut both compare two passes: set one of them.",
        )
        require(self.average_best != 1, "training.average_best=1: a mean needs 2 models or more; 0 turns it off.")
        require(self.subword_alpha <= 1, f"training.subword_alpha={self.subword_alpha} must be at most 1.")
        require(
            self.batches_per_step is None or self.accumulate == 1,
            "training.batches_per_step and training.accumulate set the same thing: give one of them.",
        )
        require(
            not self.guided_attention or self.strategy is not Strategy.fsdp,
            "training.guided_attention does not work with training.strategy=fsdp: use ddp.",
        )
        require(
            not self.lexicon_embeddings or self.init_from is None,
            "training.lexicon_embeddings=true replaces the embeddings of training.init_from: set only one of the two.",
        )
        self._check_start()

    def _check_start(self) -> None:
        require(
            self.init_from is not None or not self.new_vocab,
            "training.new_vocab=true replaces the vocabulary of training.init_from: set training.init_from, too.",
        )
        require(
            self.init_from is not None or not self.lora.rank,
            "training.lora.rank adapts a trained model: set training.init_from, too.",
        )
        require(
            not self.new_vocab or Part.embeddings not in self.freeze,
            "training.new_vocab=true has to train the embeddings: remove training.freeze=[embeddings].",
        )

    @property
    def is_unlimited(self) -> bool:
        """True if nothing but early stopping ends training."""
        return self.max_steps is None and self.max_epochs is None and self.max_minutes is None

    def batches_per_process(self, n_processes: int) -> int:
        """Return how many batches each of `n_processes` sums for an update."""
        if self.batches_per_step is None:
            return self.accumulate
        require(
            self.batches_per_step % n_processes == 0,
            f"training.batches_per_step={self.batches_per_step} is not divisible by {n_processes} processes.",
        )
        return self.batches_per_step // n_processes
