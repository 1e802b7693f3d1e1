"""The named choices that the configuration offers."""

from enum import Enum


class ModelType(Enum):
    """Algorithms by which SentencePiece chooses subword pieces."""

    unigram = "unigram"
    bpe = "bpe"


class Duplicates(Enum):
    """Pairs of a corpus that count as duplicates of an earlier pair."""

    none = "none"
    exact = "exact"
    near = "near"


class UnicodeForm(Enum):
    """Unicode normalisation forms; nfkc also replaces variants such as full-width letters."""

    none = "none"
    nfc = "nfc"
    nfkc = "nfkc"


class Chinese(Enum):
    """Ways of writing Chinese."""

    none = "none"
    simplified = "simplified"
    traditional = "traditional"


class Norm(Enum):
    """Layer normalisation before or after each sublayer."""

    pre = "pre"
    post = "post"


class Positions(Enum):
    """Representations of token positions."""

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
    muon = "muon"
    rmsprop = "rmsprop"
    sgd = "sgd"


class Schedule(Enum):
    """The learning-rate schedules of `mt.training.optim`."""

    inverse_sqrt = "inverse_sqrt"
    cosine = "cosine"
    linear = "linear"
    constant = "constant"


class Precision(Enum):
    """The number format of matrix products; auto chooses the faster one on this machine."""

    auto = "auto"
    float32 = "float32"
    bf16 = "bf16"


class EngineName(Enum):
    """The program that searches for translations; auto: CTranslate2 if it finds the same ones, else our search."""

    auto = "auto"
    torch = "torch"
    ctranslate2 = "ctranslate2"


class Strategy(Enum):
    """Distribution of a model over processes: a whole copy in each (ddp), or a shard of every layer in each (fsdp)."""

    ddp = "ddp"
    fsdp = "fsdp"


class StoppingMetric(Enum):
    """The validation metric by which models are compared."""

    loss = "loss"
    bleu = "bleu"
    chrf = "chrf"

    @property
    def sign(self) -> int:
        """Factor that makes a larger value a better one: -1 for the loss, else 1."""
        return -1 if self is StoppingMetric.loss else 1


class Part(Enum):
    """Parts of a model that can be frozen."""

    encoder = "encoder"
    decoder = "decoder"
    embeddings = "embeddings"
    self_attention = "self_attention"
    source_attention = "source_attention"
    feed_forward = "feed_forward"


class LengthNorm(Enum):
    """The divisor of log-probabilities when hypotheses of different lengths are compared (`mt.search.hypotheses`)."""

    gnmt = "gnmt"
    average = "average"
    none = "none"


class SearchMethod(Enum):
    """The search algorithms of `mt.search`."""

    beam = "beam"
    sample = "sample"


class Utility(Enum):
    """The similarity that minimum Bayes risk decoding maximises."""

    chrf = "chrf"
    bleu = "bleu"
