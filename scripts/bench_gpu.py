"""Time training and translation on a GPU: mt and Hugging Face in one process, and CTranslate2 beside mt's search.

Training is that of a model of the size "base" (Vaswani et al., 2017) on random ids with the lengths of news: batches of
`--max-tokens`, sorted by length, products in bfloat16, Adam. Both make one update each in turn. Translation is timed
with the weights of a run, if one is given.

    python scripts/bench_gpu.py --run RUN --input FILE
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from bench_training import count_flops, product_rate
from training_peers import HuggingFace, Loop, Phases, SortedBatches, Step, Task, timed_step

from mt.config.choices import EngineName, LengthNorm, OptimizerName, Schedule
from mt.config.schema import ModelConfig, OptimConfig
from mt.config.search import SearchConfig
from mt.data.batch import build_batch
from mt.model.transformer import Transformer
from mt.runtime.devices import choose_device
from mt.training.objective import Objective
from mt.training.optim import LearningRate, Update, build_optimizer
from mt.translation.translator import Translator

N_SPECIAL = 4
"""ids of padding, unknown, BOS and EOS come first"""
MEAN_LENGTH, SPREAD = 27, 0.6
"""pieces of a sentence of news, and the standard deviation of the logarithm"""
BEAM = 4
SIZES = {True: 4096, False: 512}
"""sizes of the matrices whose product is timed, on a GPU or not"""


def build_parser() -> argparse.ArgumentParser:
    """Build the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="default: cuda")
    parser.add_argument("--steps", type=int, default=30, help="timed updates of each")
    parser.add_argument("--warmup", type=int, default=10, help="updates of each before that")
    parser.add_argument("--max-tokens", type=int, default=25_000, help="budget of a batch")
    parser.add_argument("--d-model", type=int, default=512)
    parser.add_argument("--n-layers", type=int, default=6)
    parser.add_argument("--vocab-size", type=int, default=32_000)
    parser.add_argument("--compile", action="store_true", help="compile mt's objective, as training.compile does")
    parser.add_argument("--run", type=Path, help="folder of a run to translate with")
    parser.add_argument("--input", type=Path, help="sentences to translate, one a line")
    parser.add_argument("--lines", type=int, default=2000, help="number of sentences")
    return parser


def random_pairs(count: int, vocab_size: int) -> list[tuple[list[int], list[int]]]:
    """Return pairs of random ids with the lengths of news."""
    rng = np.random.default_rng(1)
    lengths = np.exp(rng.normal(np.log(MEAN_LENGTH), SPREAD, count)).clip(3, 200)
    ratios = rng.normal(1.0, 0.1, count).clip(0.7, 1.3)
    sides = [
        [rng.integers(N_SPECIAL, vocab_size, int(length)).tolist() for length in side]
        for side in (lengths, lengths * ratios)
    ]
    return list(zip(*sides, strict=True))


class BareMt:
    """The objective, optimizer and batches of `mt train`, without its reports and checkpoints."""

    def __init__(self, task: Task, compiled: bool) -> None:
        config = ModelConfig(
            d_model=task.d_model, d_ff=task.d_ff, n_heads=task.n_heads, n_encoder_layers=task.n_layers,
            n_decoder_layers=task.n_layers, dropout=task.dropout, attention_dropout=task.dropout,
            activation_dropout=task.dropout,
        )  # fmt: skip
        optim = OptimConfig(
            name=OptimizerName.adam, lr=1e-4, schedule=Schedule.constant, warmup_steps=0, weight_decay=0.0
        )
        model = Transformer(config, task.vocab_size, task.vocab_size, joint=True).to(task.device)
        self.task, self.model = task, model
        self.objective = Objective(model, label_smoothing=0.1, bf16=task.bf16).train()
        if compiled:
            self.objective.compile(dynamic=True)
        self.update = Update(build_optimizer(optim, model, task.bf16), optim, LearningRate(optim))
        self.batches = SortedBatches(task)

    def step(self, phase: Phases) -> Step:
        """Make one update."""
        task = self.task
        with phase("data"):
            sources, targets = self.batches.next()
            batch = build_batch(list(zip(sources, targets, strict=True)), task.pad_id, task.bos_id, task.eos_id)
        with phase("forward"):
            loss_sum, nll_sum = self.objective(batch.to(torch.device(task.device)))
        with phase("backward"):
            loss_sum.backward()
        with phase("optimizer"):
            self.update.apply(self.model, batch.n_tgt_tokens, 1)
        return Step(batch.n_src_tokens, batch.n_tgt_tokens, batch.n_padded, float(nll_sum) / batch.n_tgt_tokens)


def time_training(task: Task, options: argparse.Namespace) -> str:
    """Time both loops in turn, and return the figures as Markdown."""
    loops: dict[str, Loop] = {"mt": BareMt(task, options.compile), "Hugging Face": HuggingFace(task)}
    steps: dict[str, list[Step]] = {name: [] for name in loops}
    rates = []
    for number in range(options.warmup + options.steps):
        rate = product_rate(torch.bfloat16 if task.bf16 else None, task.device, SIZES[task.bf16])
        for name, loop in loops.items():
            step = timed_step(loop)  # reads the loss, so that the GPU has finished
            if number >= options.warmup:
                steps[name].append(step)
        if number >= options.warmup:
            rates.append(rate)
    rows = [
        "| | target tokens/s | source+target | of the product rate | mt's speed |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, taken in steps.items():
        seconds = sum(step.seconds for step in taken)
        n_src, n_tgt = sum(step.n_src_tokens for step in taken), sum(step.n_tgt_tokens for step in taken)
        shares = [
            count_flops(task, step.n_src_tokens, step.n_tgt_tokens) / step.seconds / rate
            for step, rate in zip(taken, rates, strict=True)
        ]
        ratio = statistics.median(step.seconds / own.seconds for step, own in zip(taken, steps["mt"], strict=True))
        rows.append(
            f"| {name} | {n_tgt / seconds:,.0f} | {(n_src + n_tgt) / seconds:,.0f} | {statistics.median(shares):.0%} "
            f"| {ratio:.2f} |"
        )
    return f"Products: {statistics.median(rates) / 1e12:.1f} TFLOP/s.\n\n" + "\n".join(rows)


def time_translation(options: argparse.Namespace, device: torch.device) -> str:
    """Time mt's search and CTranslate2 on the same sentences, and return the figures as Markdown."""
    lines = options.input.read_text(encoding="utf-8").splitlines()[: options.lines]
    search = SearchConfig(beam_size=BEAM, patience=1.0, length_norm=LengthNorm.average)
    own = Translator.load(options.run, str(device), engine=EngineName.torch)
    engines: dict[str, Callable[[], object]] = {"mt": lambda: own.n_best(lines, search, quiet=True)}
    if device.type == "cuda":
        half = Translator.load(options.run, str(device), engine=EngineName.torch)
        half.torch_engine.use_bf16()
        engines["mt, bf16"] = lambda: half.n_best(lines, search, quiet=True)
    with tempfile.TemporaryDirectory() as folder:
        engines |= ctranslate2_engines(own, lines, Path(folder), device)
        seconds: dict[str, list[float]] = {name: [] for name in engines}
        for _ in range(4):
            for name, translate in engines.items():
                start = time.perf_counter()
                translate()  # ends when its texts are there
                seconds[name].append(time.perf_counter() - start)
    rows = [f"| beam {BEAM} | sentences/s |", "| --- | --- |"]
    rows += [f"| {name} | {len(lines) / statistics.median(taken[1:]):,.0f} |" for name, taken in seconds.items()]
    return "\n".join(rows)


def ctranslate2_engines(
    own: Translator, lines: list[str], folder: Path, device: torch.device
) -> dict[str, Callable[[], object]]:
    """Return CTranslate2 with the same weights, if it is built for this device, in its usual number formats."""
    import ctranslate2

    from mt.interop.to_ctranslate2 import save_ctranslate2

    if device.type == "cuda" and not ctranslate2.get_cuda_device_count():
        return {}
    formats = ("float32", "bfloat16") if device.type == "cuda" else ("float32",)
    pieces = [[own.tokenizer.src.id_to_piece(i) for i in ids] for ids in own.tokenizer.encode_src(lines)]
    save_ctranslate2(own.model, own.tokenizer, folder / "model", "float32", own.max_len + 2)

    def engine(name: str) -> Callable[[], object]:
        model = ctranslate2.Translator(str(folder / "model"), device.type, compute_type=name)
        return lambda: model.translate_batch(
            pieces, beam_size=BEAM, length_penalty=1, max_batch_size=8192, batch_type="tokens", disable_unk=True
        )

    return {f"CTranslate2 {name}": engine(name) for name in formats}


def main() -> None:
    """Time, and print."""
    parser = build_parser()
    options = parser.parse_args()
    if (options.run is None) != (options.input is None):
        parser.error("--run and --input belong together")
    device = choose_device(options.device)
    pairs = random_pairs(max(2000, 4 * options.max_tokens), options.vocab_size)
    task = Task(
        pairs, Path(), options.vocab_size, pad_id=0, bos_id=2, eos_id=3, max_tokens=options.max_tokens,
        d_model=options.d_model, d_ff=4 * options.d_model, n_heads=8, n_layers=options.n_layers,
        bf16=device.type == "cuda", device=str(device),
    )  # fmt: skip
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    print(f"{name}, torch {torch.__version__}, {options.steps} updates each, in turn.")
    print(time_training(task, options))
    if options.run:
        print()
        print(time_translation(options, device))


if __name__ == "__main__":
    main()
