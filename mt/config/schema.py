"""The configuration: typed dataclasses, and the checks across their fields.

Hydra composes YAML files and command-line overrides against these classes. `OmegaConf.to_object` then turns the result
into plain objects, which are all that the rest of the code sees. A field, its YAML key, the argument that takes it and
its key in a saved model share one name. `mt.config.facts` explains the facts that fields state.
"""

from dataclasses import dataclass
from typing import Optional

from mt.config.automatic import Auto, automatic
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
from mt.config.facts import section, setting
from mt.config.search import SearchConfig


@dataclass
class TokenizerConfig:
    """Settings for training the subword tokenizer."""

    model_type: ModelType = ModelType.unigram
    vocab_size: Optional[int] = None  # noqa: UP045
    """Exact number of pieces; null: a number that fits the amount of text, or as many as it yields if that is less."""
    joint: bool = True
    """Train one vocabulary for both languages, not one for each."""
    character_coverage: float = 0.9995
    """Fraction of the text's characters that get a piece of their own; the others are spelled in bytes."""
    copy_markers: int = 4
    """Pieces that stand for an address, an emoji, a number or an unknown word that both sides have in common, so that
    the model learns to copy; 0: spell them."""
    max_train_sentences: int = 500_000
    """Train on this many lines, drawn at random from a larger corpus; a million take more than 1 GB of memory."""
    from_run: Optional[str] = setting(None, names_files=True)  # noqa: UP045
    """Run whose vocabulary this one takes instead of training its own: only models with the same vocabulary can
    translate together (`--ensemble`)."""

    def __post_init__(self) -> None:
        require_positive("tokenizer", self, "vocab_size", "max_train_sentences")
        require(0 <= self.copy_markers <= 8, "tokenizer.copy_markers must be between 0 and 8.")
        require(0.98 <= self.character_coverage <= 1, "tokenizer.character_coverage must be between 0.98 and 1.")


@dataclass
class ModelConfig:
    """Sizes and variants of the Transformer. Sizes and dropout that are null fit the corpus and the time."""

    d_model: Auto[int] = automatic(shapes_model=True)
    n_heads: Auto[int] = automatic(shapes_model=True)
    d_ff: Auto[int] = automatic(shapes_model=True)
    n_encoder_layers: Auto[int] = automatic(shapes_model=True)
    n_decoder_layers: Auto[int] = automatic(shapes_model=True)
    dropout: Auto[float] = automatic(shapes_model=False)
    attention_dropout: Auto[float] = automatic(shapes_model=False)
    """Dropout of attention weights; null: the value of `dropout`, but at most 0.1."""
    activation_dropout: Auto[float] = automatic(shapes_model=False)
    """Dropout of the feed-forward network's hidden features; null: the value of `dropout`, but at most 0.1."""
    layer_drop: float = setting(0.0, shapes_model=False)
    """Probability that a training step skips a layer (Fan et al., 2020)."""
    norm: Norm = setting(Norm.pre, shapes_model=True)
    positions: Positions = setting(Positions.sinusoidal, shapes_model=True)
    activation: Activation = setting(Activation.relu, shapes_model=True)
    tie_embeddings: bool = setting(True, shapes_model=True)
    """Share one matrix between target embedding and output projection, and the source embedding if `joint`."""
    output_bias: bool = setting(False, shapes_model=True)
    """Add a bias for each target piece to the logits, as Marian does."""
    depth_scaled_init: bool = setting(False, shapes_model=False)
    """Initialise deeper layers with smaller weights (Zhang et al., 2019), which keeps deep models stable."""

    def __post_init__(self) -> None:
        require_positive("model", self, "d_model", "n_heads", "d_ff", "n_encoder_layers", "n_decoder_layers")
        require_fraction("model", self, "dropout", "attention_dropout", "activation_dropout", "layer_drop")
        if self.d_model is None:
            return
        require(
            self.n_heads is None or self.d_model % self.n_heads == 0,
            f"model.d_model={self.d_model} is not divisible by model.n_heads={self.n_heads}: "
            "every head takes the same number of features.",
        )
        require(
            self.d_model % 2 == 0 or self.positions is Positions.learned,
            f"model.d_model={self.d_model} must be even for model.positions=sinusoidal (sine and cosine pairs).",
        )


@dataclass
class OptimConfig:
    """The optimizer, its learning rate and its regularisation. What is null fits the model and the time."""

    name: Auto[OptimizerName] = automatic()
    lr: Auto[float] = automatic()
    """Peak learning rate, reached at the end of warm-up."""
    schedule: Auto[Schedule] = automatic()
    warmup_steps: Auto[int] = automatic()
    weight_decay: Auto[float] = automatic()
    """L2 regularisation: decoupled in muon and adamw, part of the gradient in the others, where null is 0."""
    l1: float = 0.0
    """L1 regularisation: every step moves weights towards zero by lr * l1, but not past it."""
    grad_clip: float = 1.0
    """Largest Euclidean norm of the whole gradient; 0: no clipping."""

    def __post_init__(self) -> None:
        require_positive("optim", self, "lr")
        require_not_negative("optim", self, "warmup_steps", "weight_decay", "l1", "grad_clip")


@dataclass
class EarlyStoppingConfig:
    """Conditions for stopping training that no longer improves."""

    metric: StoppingMetric = setting(StoppingMetric.bleu, may_change=False)
    """Validation metric that decides which model is best and when to stop. Until BLEU reaches 1, the loss decides."""
    patience: int = setting(10, may_change=True)
    """Stop after this many validations without an improvement; 0: never."""
    prune_after: int = setting(0, may_change=True)
    """In a sweep, from this validation on, stop a job that is worse than the median of the others; 0: never."""

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
    """null: eight times or more during training."""
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
        require_not_negative(
            "training", self, "average_best", "r_drop", "simcut", "subword_alpha", "n_samples", "profile_steps"
        )
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


@dataclass
class Config:
    """The whole configuration of a run."""

    name: str = setting("${data.src_lang}-${data.tgt_lang}", may_change=True, tracked=False)
    seed: int = setting(1, may_change=False, tracked=True)
    run_dir: str = setting("runs/${name}", may_change=True, tracked=False, names_files=True)
    data: DataConfig = section(DataConfig, may_change=False, tracked=False)
    tokenizer: TokenizerConfig = section(TokenizerConfig, may_change=False, tracked=True)
    model: ModelConfig = section(ModelConfig, may_change=False, tracked=True)
    optim: OptimConfig = section(OptimConfig, may_change=False, tracked=True)
    training: TrainingConfig = section(TrainingConfig)
    search: SearchConfig = section(SearchConfig, may_change=True, tracked=False)

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**63, f"seed={self.seed} must be a number from 0 to 2^63 - 1.")
        require(bool(self.name and self.run_dir), "name and run_dir must not be empty.")
        require(
            self.tokenizer.from_run is None or self.training.init_from is None or self.training.new_vocab,
            "training.init_from brings its own vocabulary: with tokenizer.from_run, set training.new_vocab=true.",
        )
        require(
            self.training.max_tokens is None or self.data.max_len < self.training.max_tokens,
            f"data.max_len={self.data.max_len} (and EOS) does not fit into a batch of "
            f"training.max_tokens={self.training.max_tokens}: lower data.max_len or raise training.max_tokens.",
        )
        require(
            self.model.d_model is None
            or self.model.d_ff is None
            or self.training.lora.rank < min(self.model.d_model, self.model.d_ff),
            f"training.lora.rank={self.training.lora.rank} must be below model.d_model={self.model.d_model} and "
            f"model.d_ff={self.model.d_ff}.",
        )
        require(
            not self.model.layer_drop or self.training.strategy is not Strategy.fsdp,
            "model.layer_drop does not work with training.strategy=fsdp, which needs every layer in all processes: "
            "use ddp.",
        )
