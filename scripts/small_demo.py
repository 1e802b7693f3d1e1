"""A part of the demo corpus, and the settings of small models that train on it in minutes."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

DEMO = Path(__file__).parent.parent / "data" / "demo"
LANGS = ("zh", "en")
SMALL_MODEL = [
    "tokenizer.model_type=bpe", "tokenizer.vocab_size=3000",
    "model=tiny", "model.n_encoder_layers=2", "model.n_decoder_layers=2",
    "optim.lr=2.5e-3", "optim.warmup_steps=150", "optim.schedule=cosine",
    "training.max_tokens=1024", "training.early_stopping.patience=0",
]  # fmt: skip


def write_part(prefix: Path, n_pairs: int | None = None, start: int = 0) -> Path:
    """Write `n_pairs` training pairs, or all, from the pair `start` as PREFIX.zh and PREFIX.en, and return PREFIX."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    for lang in LANGS:
        with open(DEMO / f"train.{lang}", encoding="utf-8") as file:
            stop = None if n_pairs is None else start + n_pairs
            Path(f"{prefix}.{lang}").write_text("".join(islice(file, start, stop)), encoding="utf-8")
    return prefix
