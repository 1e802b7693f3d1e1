"""Time training on given text: mt, a plain torch.nn.Transformer loop, and other toolkits that are installed.

Every toolkit runs in a process of its own, with its own memory and allocator. They make one update each in turn, so
that other load on the machine affects all alike. Before each round mt's process measures how fast this machine
multiplies matrices at that moment.

An environment for all four, on Python 3.11 (JoeyNMT declares an old protobuf and does not declare importlib_metadata):

    python3.11 -m venv bench && . bench/bin/activate
    pip install -c constraints.txt torch==2.13.0 -e . transformers importlib_metadata==8.7.1 subword-nmt==0.3.8
    pip install --no-deps joeynmt==2.3.0
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import platform
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from flops import training_flops
from training_peers import LOOPS, Step, Task, timed_step

CONF = Path(__file__).resolve().parent.parent / "conf"
SIZE = 1024
MODELS = ("tiny", "small", "base")
SEPARATOR = ", "
"""between a toolkit's name and its number of threads, if that differs from the others'"""


def build_parser() -> argparse.ArgumentParser:
    """Build the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--src", type=Path, required=True, help="source sentences, one a line")
    parser.add_argument("--tgt", type=Path, required=True, help="their translations")
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[1], help="threads of all toolkits; further numbers are for mt alone"
    )
    parser.add_argument("--bf16", action="store_true", help="compute matrix products in bfloat16, for all")
    parser.add_argument("--steps", type=int, default=15, help="timed updates of each toolkit")
    parser.add_argument("--warmup", type=int, default=3, help="updates of each toolkit before that")
    parser.add_argument("--max-tokens", type=int, default=4096, help="budget of a batch")
    parser.add_argument("--vocab-size", type=int, help="pieces; default: as many as the text gives, up to 8,000")
    parser.add_argument("--model", choices=MODELS, default="small", help="size, as in conf/model")
    parser.add_argument(
        "--optimizer", choices=("adam", "muon"), default="adam", help="of mt, whose default is muon; others use Adam"
    )
    parser.add_argument("--only", nargs="+", choices=LOOPS, default=list(LOOPS), help="time only these")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


def prepare_task(options: argparse.Namespace, folder: Path) -> Task:
    """Train the tokenizer and encode the text, once for all toolkits."""
    import numpy as np
    from omegaconf import OmegaConf

    from mt.config.choices import OptimizerName, Precision
    from mt.config.data import DataConfig
    from mt.config.schema import Config, ModelConfig, OptimConfig, TokenizerConfig
    from mt.config.training import TrainingConfig
    from mt.data.preparation import prepare
    from mt.runs.folder import start_run_folder
    from mt.runs.layout import RunLayout
    from mt.runs.record import Start

    for side, path in (("src", options.src), ("tgt", options.tgt)):
        (folder / f"train.{side}").symlink_to(path.resolve())
        head = path.read_text(encoding="utf-8").splitlines(keepends=True)[:100]
        (folder / f"valid.{side}").write_text("".join(head), encoding="utf-8")
    data = DataConfig(
        src_lang="src",
        tgt_lang="tgt",
        train=f"{folder}/train",
        valid=f"{folder}/valid",
        cache_dir=f"{folder}/cache",
        max_len=min(DataConfig.max_len, options.max_tokens - 1),
    )
    precision = Precision.bf16 if options.bf16 else Precision.float32
    training = TrainingConfig(max_tokens=options.max_tokens, device="cpu", precision=precision)
    run = folder / "run"
    sizes = OmegaConf.load(CONF / "model" / f"{options.model}.yaml")
    dropout = Task.dropout  # what is not set here would be automatic
    model = ModelConfig(**sizes, dropout=dropout, attention_dropout=dropout, activation_dropout=dropout)
    tokenizer_config = TokenizerConfig(vocab_size=options.vocab_size)
    optim = OptimConfig(name=OptimizerName(options.optimizer))
    config = Config("bench", 1, str(run), data, tokenizer_config, model, optim, training)
    prepared = prepare(config)
    start_run_folder(RunLayout(run), config, prepared, Start())
    corpus, tokenizer = prepared.train, prepared.tokenizer
    return Task(
        corpus.pairs(np.arange(len(corpus))), run, tokenizer.vocab_sizes[0], tokenizer.pad_id, tokenizer.bos_id,
        tokenizer.eos_id, options.max_tokens, model.d_model, model.d_ff, model.n_heads, model.n_encoder_layers,
        bf16=options.bf16,
    )  # fmt: skip


def work(name: str, n_threads: int, task: Task, connection: Connection) -> None:
    """Run a toolkit's process: send its number of parameters, answer "step" and "rate", and send its peak memory."""
    import torch

    torch.set_num_threads(n_threads)
    torch.manual_seed(1)
    if name == "mt":  # as `mt train` does when it starts; the others run as their users run them
        from mt.runtime.start import keep_freed_memory

        keep_freed_memory()
    loop = LOOPS[name][1](task)
    connection.send(sum(parameter.numel() for parameter in loop.model.parameters() if parameter.requires_grad))
    while (message := connection.recv()) != "end":
        connection.send(timed_step(loop) if message == "step" else product_rate(torch.bfloat16 if task.bf16 else None))
    connection.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def product_rate(dtype: Any = None, device: str = "cpu", size: int = SIZE) -> float:
    """Return the floating-point operations per second of a product of two square matrices; median of a few."""
    import torch

    a = torch.ones(size, size, dtype=dtype, device=device)
    out = torch.empty_like(a)
    times = []
    for _ in range(7):
        start = time.perf_counter()
        torch.mm(a, a, out=out)
        out[0, 0].item()  # waits for a GPU
        times.append(time.perf_counter() - start)
    return 2 * size**3 / statistics.median(times)


def count_flops(task: Task, n_src: int, n_tgt: int) -> float:
    """Return the floating-point operations of one update on so many real tokens."""
    return training_flops(task.d_model, task.d_ff, task.n_layers, task.n_layers, task.vocab_size, n_src, n_tgt)


@dataclass
class Result:
    """The figures of one toolkit."""

    name: str
    n_parameters: int
    """trained ones"""
    tgt_tokens_per_second: float
    tokens_per_second: float
    padding_fraction: float
    flops_fraction: float
    """fraction of the rate of matrix products measured beside it"""
    peak_mib: float
    phase_fractions: dict[str, float]
    median_ratio: float
    """speed of mt relative to this toolkit in target tokens per second, median over the rounds"""


def run_in_turn(
    names: list[str], task: Task, options: argparse.Namespace
) -> tuple[dict[str, int], dict[str, list[Step]], list[float], dict[str, float]]:
    """Return parameters and steps of each toolkit, the rate of matrix products before each round, and peak MiB."""
    context = multiprocessing.get_context("spawn")
    connections, sizes = {}, {}
    for name in names:
        connections[name], far = context.Pipe()
        loop, _, threads = name.partition(SEPARATOR)
        n_threads = int(threads.split()[0]) if threads else options.threads[0]
        context.Process(target=work, args=(loop, n_threads, task, far), daemon=True).start()
        far.close()
        sizes[name] = connections[name].recv()

    def ask(name: str, what: str) -> Any:
        connections[name].send(what)
        return connections[name].recv()

    steps: dict[str, list[Step]] = {name: [] for name in names}
    rates = []
    for i in range(options.warmup + options.steps):
        print(f"\rround {i + 1} of {options.warmup + options.steps}", end="", file=sys.stderr, flush=True)
        rates.append(ask(names[0], "rate"))
        for name in names:
            steps[name].append(ask(name, "step"))
    print(file=sys.stderr)
    peaks = {name: ask(name, "end") for name in names}
    return sizes, {name: taken[options.warmup :] for name, taken in steps.items()}, rates[options.warmup :], peaks


def evaluate(
    name: str, n_parameters: int, steps: list[Step], own: list[Step], task: Task, rates: list[float], peak: float
) -> Result:
    """Summarise a toolkit's steps; `own` are mt's."""
    seconds = sum(step.seconds for step in steps)
    n_src, n_tgt = sum(step.n_src_tokens for step in steps), sum(step.n_tgt_tokens for step in steps)
    fractions = [
        count_flops(task, step.n_src_tokens, step.n_tgt_tokens) / step.seconds / rate
        for step, rate in zip(steps, rates, strict=True)
    ]
    phases = {phase: sum(step.phases[phase] for step in steps) / seconds for phase in steps[0].phases}
    ratios = [
        (mt.n_tgt_tokens / mt.seconds) / (step.n_tgt_tokens / step.seconds) for step, mt in zip(steps, own, strict=True)
    ]
    return Result(
        name, n_parameters, n_tgt / seconds, (n_src + n_tgt) / seconds,
        1 - (n_src + n_tgt) / sum(step.n_padded for step in steps),
        statistics.median(fractions), peak, phases, statistics.median(ratios),
    )  # fmt: skip


def report(results: list[Result], rates: list[float], options: argparse.Namespace) -> str:
    """Return the figures as a table in Markdown."""
    dtype = "bfloat16" if options.bf16 else "float32"
    rate = statistics.median(rates) / 1e9
    lines = [
        f"{platform.processor() or platform.machine()}, {options.threads[0]} thread(s), {dtype}: products of {SIZE} x "
        f"{SIZE} matrices at {rate:.0f} GFLOP/s (median; {min(rates) / 1e9:.0f}-{max(rates) / 1e9:.0f}); "
        f"{options.steps} updates each, in turn.",
        "",
        "| toolkit | parameters | target tokens/s | source+target | mt's speed | padding | of the product rate "
        "| peak memory | forward, backward, optimizer, data |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in results:
        phases = ", ".join(f"{r.phase_fractions.get(p, 0):.0%}" for p in ("forward", "backward", "optimizer", "data"))
        lines.append(
            f"| {r.name} | {r.n_parameters:,} | {r.tgt_tokens_per_second:,.0f} | {r.tokens_per_second:,.0f} "
            f"| {r.median_ratio:.2f} | {r.padding_fraction:.0%} | {r.flops_fraction:.0%} "
            f"| {r.peak_mib:,.0f} MiB | {phases} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Prepare, time, report."""
    parser = build_parser()
    options = parser.parse_args()
    for path in (options.src, options.tgt):
        if not path.is_file():
            parser.error(f"there is no file {path}")
    if options.steps < 1:
        parser.error("--steps must be 1 or more")
    names = ["mt", *(name for name in LOOPS if name in options.only and name != "mt")]
    missing = [name for name in names if LOOPS[name][0] and importlib.util.find_spec(LOOPS[name][0] or "") is None]
    for name in missing:
        print(f"{name} is skipped: the package {LOOPS[name][0]} is not installed.", file=sys.stderr)
    names = [name for name in names if name not in missing]
    names += [f"mt{SEPARATOR}{n} threads" for n in options.threads[1:]]
    with tempfile.TemporaryDirectory() as folder:
        task = prepare_task(options, Path(folder))
        sizes, steps, rates, peaks = run_in_turn(names, task, options)
    results = [evaluate(name, sizes[name], steps[name], steps["mt"], task, rates, peaks[name]) for name in names]
    print(
        json.dumps([asdict(result) for result in results], indent=1)
        if options.json
        else report(results, rates, options)
    )


if __name__ == "__main__":
    main()
