"""Time the translation of given text by a run: mt's search, and installed engines with the same weights.

Every engine runs in a process of its own. They translate parts of the text in turn, so that other load on the machine
affects all alike.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from decoding_engines import ENGINES, Models

from mt.runtime.devices import bf16_is_faster

BEAMS = (1, 5)
BASELINE = "CTranslate2 float32"


def build_parser() -> argparse.ArgumentParser:
    """Build the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("--input", type=Path, required=True, help="sentences to translate, one a line")
    parser.add_argument("--reference", type=Path, help="their translations, for BLEU")
    parser.add_argument("--lines", type=int, default=500, help="number of sentences")
    parser.add_argument("--parts", type=int, default=5, help="parts to translate in turn")
    parser.add_argument("--single", type=int, default=50, help="sentences to translate one by one")
    parser.add_argument("--starts", type=int, default=3, help="starts to time, of which the median is printed")
    parser.add_argument("--threads", type=int, default=1)
    usual = [name for name in ENGINES if "bf16" not in name or bf16_is_faster(torch.device("cpu"))]
    parser.add_argument("--only", nargs="+", choices=ENGINES, default=usual, help="default: all that suit this machine")
    return parser


@dataclass
class Result:
    """The measurements of one engine."""

    seconds: dict[int, list[float]] = field(default_factory=lambda: {beam: [] for beam in BEAMS})
    """time of each part, by beam size"""
    texts: dict[int, list[str]] = field(default_factory=lambda: {beam: [] for beam in BEAMS})
    latencies: dict[int, list[float]] = field(default_factory=lambda: {beam: [] for beam in BEAMS})
    """seconds for single sentences, by beam size"""
    peak_mib: float = 0.0
    start_seconds: float = 0.0
    """seconds from the start of a process to its first translation"""


def work(name: str, models: Models, connection: Connection) -> None:
    """Run an engine's process, which translates what it is sent, and reports its times and peak memory."""
    translate = ENGINES[name][1](models)
    translate(["."], 5)
    connection.send("ready")
    while (message := connection.recv()) is not None:
        lines, beam_size = message
        start = time.perf_counter()
        texts = translate(lines, beam_size)
        connection.send((time.perf_counter() - start, texts))
    connection.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def run_in_turn(names: list[str], models: Models, lines: list[str], options: argparse.Namespace) -> dict[str, Result]:
    """Translate parts of the text, then single sentences, with each engine in turn."""
    context = multiprocessing.get_context("spawn")
    connections, results = {}, {name: Result() for name in names}
    for name in names:
        connections[name], far = context.Pipe()
        context.Process(target=work, args=(name, models, far), daemon=True).start()
        far.close()  # so that a process that dies is an error here
        connections[name].recv()

    def ask(name: str, part: list[str], beam_size: int) -> tuple[float, list[str]]:
        connections[name].send((part, beam_size))
        answer: tuple[float, list[str]] = connections[name].recv()
        return answer

    for beam in BEAMS:
        for number in range(options.parts):
            for name in names:
                seconds, texts = ask(name, lines[number :: options.parts], beam)
                results[name].seconds[beam].append(seconds)
                results[name].texts[beam] += texts
        for line in lines[: options.single]:
            for name in names:
                results[name].latencies[beam].append(ask(name, [line], beam)[0])
    for name in names:
        connections[name].send(None)
        results[name].peak_mib = connections[name].recv()
        results[name].start_seconds = seconds_to_first(name, models, options.starts)
    return results


def seconds_to_first(name: str, models: Models, n_starts: int) -> float:
    """Return the time from the start of a new process to its first translation; median of several starts."""
    code = (
        "import sys; from pathlib import Path; from decoding_engines import ENGINES, Models; "
        "m = Models(Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5])); "
        "ENGINES[sys.argv[1]][1](m)(['.'], 5)"
    )
    arguments = [name, str(models.run), str(models.ctranslate2), str(models.huggingface), str(models.n_threads)]
    times = []
    for _ in range(n_starts):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code, *arguments], check=True, cwd=Path(__file__).parent)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def table(results: dict[str, Result], lines: list[str], run: Path, references: list[str] | None) -> str:
    """Return the figures as Markdown; ratios are medians over the parts."""
    from mt.runs.layout import RunLayout
    from mt.runs.run_files import load_run_config
    from mt.text.metrics import Scorer
    from mt.text.tokenizer import load_tokenizer

    config = load_run_config(RunLayout(run))
    tokenizer = load_tokenizer(RunLayout(run).tokenizer(config.tokenizer.joint))
    scorer = Scorer(config.data.tgt_lang)
    baseline = BASELINE if BASELINE in results else next(iter(results))
    rows = []
    for beam in BEAMS:
        rows += [f"\nBeam {beam}:\n" if beam > 1 else "\nGreedy:\n"]
        rows += [
            f"| engine | sentences/s | output tokens/s | times {baseline} | one sentence, ms: median, 95% | BLEU |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for name, result in results.items():
            total = sum(result.seconds[beam])
            n_tokens = sum(len(ids) + 1 for ids in tokenizer.encode_tgt(result.texts[beam]))
            pairs = zip(results[baseline].seconds[beam], result.seconds[beam], strict=True)
            ratio = statistics.median(base / own for base, own in pairs)
            latencies = sorted(1000 * seconds for seconds in result.latencies[beam])
            bleu = f"{scorer.score(result.texts[beam], [references])[0].value:.2f}" if references else ""
            rows.append(
                f"| {name} | {len(lines) / total:.1f} | {n_tokens / total:,.0f} | {ratio:.2f} | "
                f"{statistics.median(latencies):.0f}, {latencies[int(0.95 * len(latencies))]:.0f} | {bleu} |"
            )
    rows += ["\n| engine | peak memory | start to first translation |", "| --- | --- | --- |"]
    rows += [f"| {name} | {r.peak_mib:,.0f} MiB | {r.start_seconds:.1f} s |" for name, r in results.items()]
    return "\n".join(rows)


def main() -> None:
    """Export, time, print."""
    options = build_parser().parse_args()
    lines = options.input.read_text(encoding="utf-8").splitlines()[: options.lines]
    order = [i for number in range(options.parts) for i in range(number, len(lines), options.parts)]
    references = None
    if options.reference:
        references = options.reference.read_text(encoding="utf-8").splitlines()[: options.lines]
        references = [references[i] for i in order]
    names = [name for name in options.only if not ENGINES[name][0] or importlib.util.find_spec(str(ENGINES[name][0]))]
    with tempfile.TemporaryDirectory() as folder:
        models = Models(
            options.run.resolve(), Path(folder) / "ctranslate2", Path(folder) / "huggingface", options.threads
        )
        for engine in ("ctranslate2", "huggingface"):
            if importlib.util.find_spec({"huggingface": "transformers"}.get(engine, engine)):
                command = ["export", options.run, "--to", engine, Path(folder) / engine]
                subprocess.run([sys.executable, "-m", "mt", *command], check=True, stdout=subprocess.DEVNULL)
        results = run_in_turn(names, models, lines, options)
    print(f"{len(lines)} sentences, {options.threads} thread(s), each engine in turn, {options.parts} parts.")
    print(table(results, lines, options.run, references))


if __name__ == "__main__":
    main()
