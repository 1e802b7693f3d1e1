"""Shared by the tests: the command line in this process, a small corpus, and a small trained model."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from mt import cli

# The models of the tests are so small that a second thread only waits for the first. OMP_NUM_THREADS=2 tries two.
N_THREADS = int(os.environ.setdefault("OMP_NUM_THREADS", "1"))
torch.set_num_threads(N_THREADS)

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "data" / "demo"
WORDS = "ba de fi go hu ka le mi no pu ra se ti vo wu xa".split()

SMALL = [
    "data=files",
    "data.src_lang=aa",
    "data.tgt_lang=bb",
    "data.noise={typos: 0, case: 0, punctuation: 0, copies: 0}",
    "model=tiny",
    "model.dropout=0.1",
    "optim=adamw",
    "optim.lr=1e-3",
    "optim.weight_decay=0",
    "optim.schedule=inverse_sqrt",
    "optim.warmup_steps=1000",
    "training.valid_every_steps=1000",
    "training.checkpoint_every_steps=500",
    "training.keep_checkpoints=1",
    "model.d_model=32",
    "model.d_ff=64",
    "model.n_heads=2",
    "model.n_encoder_layers=1",
    "model.n_decoder_layers=1",
    "tokenizer.vocab_size=320",
    "training.max_tokens=600",
    "training.device=cpu",
    "training.precision=float32",
    "training.guided_attention=0",
    "training.lexicon_embeddings=false",
    "training.valid_pairs=0",
    "training.log_every_steps=5",
]


@dataclass
class Outcome:
    code: int
    out: str
    err: str


def overrides(folder: Path, *extra: str) -> list[str]:
    """Return the arguments of `mt train` on the small corpus, with a model that trains in a second."""
    corpus = [f"data.train={folder}/train", f"data.valid={folder}/valid", f"data.test={{test: {folder}/valid}}"]
    given = dict(argument.partition("=")[::2] for argument in extra)
    dropout = given.get("model.dropout", "0.1")
    small = [*SMALL, f"model.attention_dropout={dropout}", f"model.activation_dropout={dropout}"]
    return ["train", *(one for one in small if one.partition("=")[0] not in given), *corpus, *extra]


def translations(outcome: Outcome) -> list[list[dict[str, Any]]]:
    """Return what `mt translate --json` printed: the translations of each line."""
    assert outcome.code == 0, outcome.err
    return [json.loads(line)["translations"] for line in outcome.out.splitlines()]


def slow_except(fast: object, values: Iterable[object]) -> list[object]:
    """Return the values of a parameter; the tests with all others than `fast` are slow."""
    several = [value if isinstance(value, tuple) else (value,) for value in values]
    slow = pytest.mark.slow
    return [pytest.param(*value, marks=() if fast in (value, value[0]) else slow) for value in several]


def write_pairs(prefix: Path, pairs: list[tuple[str, str]], langs: tuple[str, str] = ("aa", "bb")) -> None:
    for side, lang in enumerate(langs):
        lines = "".join(f"{pair[side]}\n" for pair in pairs)
        Path(f"{prefix}.{lang}").write_text(lines, encoding="utf-8")


def toy_pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Return pairs in which the "translation" of a sentence is the same words in capitals."""
    r = random.Random(seed)
    sentences = [" ".join(r.choices(WORDS, k=r.randint(1, 7))) + r.choice(["", "."]) for _ in range(count)]
    return [(sentence, sentence.upper()) for sentence in sentences]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Put encoded corpora into a folder of the tests."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("converted"))
    os.environ["HF_DATASETS_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _threads() -> None:
    """Start each test with the same number of threads. CTranslate2 changes torch's, and so how sums round."""
    torch.set_num_threads(N_THREADS)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_pairs(folder / "train", toy_pairs(800, 1))
    write_pairs(folder / "valid", toy_pairs(40, 2))
    return folder


@pytest.fixture
def mt(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command in this process."""

    def run(*arguments: object) -> Outcome:
        torch.manual_seed(0)
        capsys.readouterr()
        try:
            code = cli.run([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 2
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def run_folder(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt the toy task completely, so that no test depends on what it has learnt by chance."""
    run = tmp_path_factory.mktemp("runs") / "toy"
    arguments = overrides(
        corpus, f"run_dir={run}", "training.max_steps=700", "training.valid_every_steps=350", "optim.lr=0.005",
        "optim.warmup_steps=50", "optim.schedule=cosine", "model.d_model=64", "model.d_ff=128", "model.dropout=0",
    )  # fmt: skip
    assert cli.run(arguments) == 0
    return run


@pytest.fixture(scope="session")
def worse_run(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with noise on its weights."""
    run = tmp_path_factory.mktemp("runs") / "worse"
    shutil.copytree(run_folder, run, ignore=shutil.ignore_patterns("checkpoints", "tensorboard", "SHA256SUMS"))
    weights = load_file(run / "model.safetensors")
    noise = torch.Generator().manual_seed(1)
    noisy = {name: w + 0.08 * torch.randn(w.shape, generator=noise) for name, w in weights.items()}
    save_file(noisy, run / "model.safetensors", metadata={"format": "pt"})
    return run


@pytest.fixture
def copy_of_run(run_folder: Path, tmp_path: Path) -> Path:
    """Return a copy of the small model's folder, to be damaged."""
    shutil.copytree(run_folder, tmp_path / "copy")
    return tmp_path / "copy"
