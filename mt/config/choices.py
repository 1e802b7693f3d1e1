"""The named choices that a configuration offers."""

from __future__ import annotations

from enum import Enum


class ModelType(Enum):
    """SentencePiece's ways of choosing pieces."""

    unigram = "unigram"
    bpe = "bpe"


class Duplicates(Enum):
    """Which pairs of a corpus count as one."""

    none = "none"
    exact = "exact"
    near = "near"


class Norm(Enum):
    """Layer normalisation before or after each sublayer."""

    pre = "pre"
    post = "post"


class Positions(Enum):
    """How the order of tokens reaches the model."""

    sinusoidal = "sinusoidal"
    learned = "learned"


class Activation(Enum):
    """The non-linearity of the feed-forward network."""

    relu = "relu"
    gelu = "gelu"
    silu = "silu"
    swiglu = "swiglu"


class OptimizerName(Enum):
    """The optimizers of `mt.training.optim`."""

    adamw = "adamw"
    adam = "adam"
    rmsprop = "rmsprop"
    sgd = "sgd"


class Schedule(Enum):
    """The learning-rate schedules of `mt.training.optim`."""

    inverse_sqrt = "inverse_sqrt"
    cosine = "cosine"
    linear = "linear"
    constant = "constant"


class Precision(Enum):
    """What matrix products are computed in; auto: whichever is faster here."""

    auto = "auto"
    float32 = "float32"
    bf16 = "bf16"


class Strategy(Enum):
    """How several processes share a model: a whole copy in each, or a part of every layer in each."""

    ddp = "ddp"
    fsdp = "fsdp"


class StoppingMetric(Enum):
    """What validation decides by."""

    loss = "loss"
    bleu = "bleu"
    chrf = "chrf"


class Part(Enum):
    """Parts of a model that can be kept as they are."""

    encoder = "encoder"
    decoder = "decoder"
    embeddings = "embeddings"
    self_attention = "self_attention"
    source_attention = "source_attention"
    feed_forward = "feed_forward"


class LengthNorm(Enum):
    """What the log-probabilities of translations are divided by before they are compared (`mt.search.hypotheses`)."""

    gnmt = "gnmt"
    average = "average"
    none = "none"


class SearchMethod(Enum):
    """The ways of searching in `mt.search`."""

    beam = "beam"
    sample = "sample"


class Utility(Enum):
    """What minimum Bayes risk decoding compares translations by."""

    chrf = "chrf"
    bleu = "bleu"
