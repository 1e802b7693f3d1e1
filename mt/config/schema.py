"""The configuration: typed dataclasses, and the checks across their fields.

Hydra composes YAML files and command-line overrides against these classes. `OmegaConf.to_object` then turns the result
into plain objects, which are all that the rest of the code sees. A field, its YAML key, the argument that takes it and
its key in a saved model share one name. `mt.config.facts` explains the facts that fields state.
"""

from dataclasses import dataclass
from typing import Optional

from mt.config.automatic import Auto, automatic
from mt.config.checks import require, require_fraction, require_not_negative, require_positive
from mt.config.choices import Activation, ModelType, Norm, OptimizerName, Positions, Schedule, Strategy
from mt.config.data import DataConfig
from mt.config.facts import section, setting
from mt.config.search import SearchConfig
from mt.config.training import TrainingConfig


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
        require(
            not self.training.guided_attention or self.model.n_decoder_layers != 1,
            "training.guided_attention teaches the decoder layers after the first: model.n_decoder_layers=1 has none.",
        )
