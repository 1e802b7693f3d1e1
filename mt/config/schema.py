"""The configuration: typed dataclasses, and the checks that go across their fields.

Hydra composes YAML files and command-line overrides against these classes; `OmegaConf.to_object` then makes plain
objects of them, which is all the rest of the code sees. A field here, its YAML key, the argument that takes it and the
key in a saved model are one word.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from mt.config.checks import require, require_fraction, require_not_negative, require_positive
from mt.config.choices import (
    Activation,
    ModelType,
    Norm,
    OptimizerName,
    Part,
    Positions,
    Precision,
    Schedule,
    StoppingMetric,
    Strategy,
)
from mt.config.data import DataConfig
from mt.config.search import SearchConfig


@dataclass
class TokenizerConfig:
    """How the tokeniser is trained."""

    model_type: ModelType = ModelType.unigram
    vocab_size: Optional[int] = None  # noqa: UP045
    """Exactly this many pieces; null: as many as the corpus gives, up to 8,000."""
    joint: bool = True
    """One vocabulary for both languages, or one each."""
    character_coverage: float = 0.9995
    """Share of the text's characters that get a piece; the others are spelt in bytes."""
    max_train_sentences: int = 500_000
    """Lines the tokeniser is trained on, drawn at random from a larger corpus: a million take more than 1 GB."""

    def __post_init__(self) -> None:
        require_positive("tokenizer", self, "vocab_size", "max_train_sentences")
        require(0.9 <= self.character_coverage <= 1, "tokenizer.character_coverage must be between 0.9 and 1.")


@dataclass
class ModelConfig:
    """The Transformer's sizes and variants."""

    d_model: int = 256
    n_heads: int = 4
    d_ff: int = 1024
    n_encoder_layers: int = 4
    n_decoder_layers: int = 4
    dropout: float = 0.1
    attention_dropout: Optional[float] = None  # noqa: UP045
    """Of the shares of attention; null: as `dropout`."""
    activation_dropout: Optional[float] = None  # noqa: UP045
    """Of the feed-forward network's hidden features; null: as `dropout`."""
    layer_drop: float = 0.0
    """Probability that a layer is skipped in a training step (Fan et al., 2020)."""
    norm: Norm = Norm.pre
    positions: Positions = Positions.sinusoidal
    activation: Activation = Activation.relu
    tie_embeddings: bool = True
    """One matrix for target embedding and output projection, and for the source too when the vocabulary is joint."""
    output_bias: bool = False
    """A bias for each target piece at the output, as models of Marian have."""
    depth_scaled_init: bool = False
    """Smaller initial weights the deeper a layer lies (Zhang et al., 2019): deep models then train steadily."""

    def __post_init__(self) -> None:
        require_positive("model", self, "d_model", "n_heads", "d_ff", "n_encoder_layers", "n_decoder_layers")
        require_fraction("model", self, "dropout", "attention_dropout", "activation_dropout", "layer_drop")
        require(
            self.d_model % self.n_heads == 0,
            f"model.d_model={self.d_model} is not divisible by model.n_heads={self.n_heads}: "
            "each head takes an equal share of the d_model features.",
        )
        require(
            self.d_model % 2 == 0 or self.positions is Positions.learned,
            f"model.d_model={self.d_model} must be even for model.positions=sinusoidal (sine and cosine pairs).",
        )


@dataclass
class OptimConfig:
    """How weights change."""

    name: OptimizerName = OptimizerName.adamw
    lr: float = 1e-3
    """The highest learning rate, reached at the end of warm-up."""
    schedule: Schedule = Schedule.inverse_sqrt
    warmup_steps: int = 1000
    weight_decay: float = 0.0
    """L2: decoupled in adamw, part of the gradient in the others."""
    l1: float = 0.0
    """L1: weights are drawn towards zero by lr * l1 a step, and stay there."""
    grad_clip: float = 1.0
    """Largest Euclidean norm of the whole gradient; 0: no clipping."""

    def __post_init__(self) -> None:
        require_positive("optim", self, "lr")
        require_not_negative("optim", self, "warmup_steps", "weight_decay", "l1", "grad_clip")


@dataclass
class EarlyStoppingConfig:
    """When training has stopped helping."""

    metric: StoppingMetric = StoppingMetric.bleu
    """What decides which model is the best, and when to stop."""
    patience: int = 10
    """Validations without a better value before training stops; 0: never."""
    prune_after: int = 0
    """In a sweep: from this validation on, a job that is worse than the median of the others stops; 0: never."""

    def __post_init__(self) -> None:
        require_not_negative("training.early_stopping", self, "patience", "prune_after")


@dataclass
class LoraConfig:
    """Low-rank adaptation (Hu et al., 2021): only two thin matrices beside each linear map are trained."""

    rank: int = 0
    """Their inner size; 0: off."""
    alpha: float = 16.0
    """Their product is scaled by alpha / rank."""

    def __post_init__(self) -> None:
        require_not_negative("training.lora", self, "rank")
        require_positive("training.lora", self, "alpha")

    @property
    def scale(self) -> float:
        """What the product of the two matrices is multiplied by."""
        return self.alpha / self.rank if self.rank else 0.0


@dataclass
class TrainingConfig:
    """Batches, limits, and what is reported and saved when."""

    max_tokens: int = 4096
    """A batch's budget: rows x the longest side in it, padding and end marks counted."""
    accumulate: int = 1
    """Batches whose gradients each process sums for one update."""
    batches_per_step: Optional[int] = None  # noqa: UP045
    """Batches for one update, all processes together: `accumulate` then follows from how many there are."""
    strategy: Strategy = Strategy.ddp
    max_steps: Optional[int] = 100_000  # noqa: UP045
    max_epochs: Optional[int] = None  # noqa: UP045
    max_minutes: Optional[float] = None  # noqa: UP045
    """Minutes of training, all starts of it together."""
    valid_every_steps: int = 1000
    checkpoint_every_steps: int = 500
    log_every_steps: int = 50
    keep_checkpoints: int = 1
    device: str = "auto"
    precision: Precision = Precision.auto
    label_smoothing: float = 0.1
    ema_decay: float = 0.0
    """Of the exponential moving average of the weights, which is then what is validated and kept; 0: none."""
    early_stopping: EarlyStoppingConfig = field(default_factory=EarlyStoppingConfig)
    average_best: int = 0
    """At the end, the mean of this many of the best validated models is kept if it is better than each; 0: no."""
    r_drop: float = 0.0
    """Weight of R-Drop (Liang et al., 2021): two passes with different dropout should agree; 5 is usual, 0: off."""
    subword_alpha: float = 0.0
    """Text is cut into other, more pieces each time (Kudo, 2018): unigram's smoothing (smaller is wilder; 0.5), BPE's
    dropout (0.1); 0: off. A batch may then be larger than `max_tokens`."""
    init_from: Optional[str] = None  # noqa: UP045
    """A run whose model and tokeniser training begins with."""
    new_vocab: bool = False
    """With `init_from`: a tokeniser for the new text; pieces that both have keep their embeddings."""
    freeze: list[Part] = field(default_factory=list)
    """Parts that are not trained. `embeddings` are those of both sides with their positions, and the projection."""
    lora: LoraConfig = field(default_factory=LoraConfig)
    gradient_checkpointing: bool = False
    """Compute each layer twice instead of keeping what the backward pass needs: less memory, more time."""
    compile: bool = False
    """Compile the model with torch.compile: worth its start-up on a GPU; on a CPU it has been slower."""
    n_samples: int = 8
    """Validation sentences whose translations are shown in TensorBoard."""
    profile_steps: int = 0
    """After ten steps, record so many in RUN/profile: a trace, and a table of what took the time; 0: none."""

    def __post_init__(self) -> None:
        require_positive("training", self, "max_tokens", "accumulate", "max_steps", "max_epochs", "max_minutes")
        require_positive("training", self, "valid_every_steps", "checkpoint_every_steps", "log_every_steps")
        require_positive("training", self, "keep_checkpoints", "batches_per_step")
        require(
            self.batches_per_step is None or self.accumulate == 1,
            "training.batches_per_step and training.accumulate say the same in two ways: set one of them.",
        )
        require_fraction("training", self, "label_smoothing", "ema_decay")
        require_not_negative("training", self, "average_best", "r_drop", "subword_alpha")
        require(self.average_best != 1, "training.average_best=1: a mean needs 2 models or more; 0 is none.")
        require(self.subword_alpha <= 1, f"training.subword_alpha={self.subword_alpha} must be at most 1.")
        require(
            self.init_from is not None or not self.new_vocab,
            "training.new_vocab=true says what becomes of training.init_from's vocabulary: set that, too.",
        )
        require(
            self.init_from is not None or not self.lora.rank,
            "training.lora.rank adapts a model that is trained already: set training.init_from, too.",
        )
        require(
            not self.new_vocab or not (self.lora.rank or Part.embeddings in self.freeze),
            "training.new_vocab=true needs embeddings that are trained: no training.lora.rank, and no "
            "training.freeze=[embeddings].",
        )
        require_not_negative("training", self, "n_samples", "profile_steps")
        require(
            any((self.max_steps, self.max_epochs, self.max_minutes, self.early_stopping.patience)),
            "Training would never end: set training.max_steps, max_epochs, max_minutes or early_stopping.patience.",
        )

    def batches_per_process(self, n_processes: int) -> int:
        """Batches that each of some processes sums for one update.

        Raises:
            UserError: `batches_per_step` cannot be shared out evenly.
        """
        if self.batches_per_step is None:
            return self.accumulate
        require(
            self.batches_per_step % n_processes == 0,
            f"training.batches_per_step={self.batches_per_step} cannot be shared evenly by {n_processes} processes.",
        )
        return self.batches_per_step // n_processes


@dataclass
class Config:
    """Everything."""

    name: str = "${data.src_lang}-${data.tgt_lang}"
    seed: int = 1
    run_dir: str = "runs/${name}"
    data: DataConfig = field(default_factory=DataConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    search: SearchConfig = field(default_factory=SearchConfig)

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**63, f"seed={self.seed} must be a number from 0 to 2^63 - 1.")
        require(bool(self.name and self.run_dir), "name and run_dir must not be empty.")
        require(
            self.data.max_len < self.training.max_tokens,
            f"data.max_len={self.data.max_len} (and an end mark) does not fit into a batch of "
            f"training.max_tokens={self.training.max_tokens}: lower the one or raise the other.",
        )
        require(
            self.training.max_steps is not None
            or self.training.max_minutes is not None
            or self.optim.schedule in (Schedule.inverse_sqrt, Schedule.constant),
            f"optim.schedule={self.optim.schedule.value} falls to zero at training.max_steps or max_minutes; "
            "both are null: set one.",
        )
        require(
            self.training.lora.rank < min(self.model.d_model, self.model.d_ff),
            f"training.lora.rank={self.training.lora.rank} is no low rank for model.d_model={self.model.d_model}.",
        )
        require(
            not self.model.layer_drop or self.training.strategy is not Strategy.fsdp,
            "model.layer_drop does not go with training.strategy=fsdp, where all processes need every layer: take ddp.",
        )
