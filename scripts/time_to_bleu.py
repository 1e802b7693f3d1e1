r"""Train mt and JoeyNMT beside each other, on one thread each, and print what each needs to reach a validation BLEU.

    time_to_bleu.py --train multi30k/train --valid multi30k/val --src en --tgt de --joeynmt joey/bin/python -- \
        training.max_steps=2000

Both translate the whole validation text greedily and score it with sacreBLEU's 13a. A training ends as soon as it has
reached the score. Time is that of the processor, start, tokenizer and validations included, so a training may be
stopped for a while, or share its core. mt chooses its settings itself, but for the arguments after `--`; a number of
steps is better than minutes where other jobs run. JoeyNMT follows joeynmt_small.yaml, with 10,000 joint pieces.

JoeyNMT 2.3 needs an environment of its own:

    python3.11 -m venv joey
    joey/bin/pip install torch==2.13.0 sentencepiece==0.2.0 subword-nmt==0.3.8 importlib_metadata sacrebleu datasets \
        tensorboard pyyaml pandas matplotlib seaborn packaging numpy
    joey/bin/pip install --no-deps joeynmt==2.3.0
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from string import Template

import sentencepiece as spm
from tabulate import tabulate

# torch's scheduler no longer accepts the argument `verbose` that JoeyNMT 2.3 passes.
JOEYNMT = """
import runpy, sys
from torch.optim import lr_scheduler

class ReduceLROnPlateau(lr_scheduler.ReduceLROnPlateau):
    def __init__(self, *args, verbose=False, **kwargs):
        super().__init__(*args, **kwargs)

lr_scheduler.ReduceLROnPlateau = ReduceLROnPlateau
sys.argv = ["joeynmt", "train", sys.argv[1]]
runpy.run_module("joeynmt", run_name="__main__")
"""
N_PIECES = 10_000
POLL_SECONDS = 1.0
Scores = list[tuple[int, float]]
"""the step and the BLEU of each validation"""


@dataclass
class Training:
    """A training in a process of its own."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    """its output"""
    read_scores: Callable[[], Scores]
    cpu_seconds: float | None = None
    """processor time that the whole training took; None while it runs"""
    reached: bool = False
    """whether a validation has reached the goal"""
    n_printed: int = 0

    def goes_on(self, goal: float) -> bool:
        """Print new validations, and end the training if one has reached the goal; return whether it goes on."""
        if self.cpu_seconds is not None:
            return False
        self.reached = any(bleu >= goal for _, bleu in self.report())
        if self.reached:
            os.killpg(self.process.pid, signal.SIGKILL)
        return not self.has_ended()

    def report(self) -> Scores:
        """Print the validations that are new, and return all."""
        scores = self.read_scores()
        for step, bleu in scores[self.n_printed :]:
            print(f"{self.name}: step {step:,}, BLEU {bleu:.2f}, {self.cpu_seconds_so_far():,.0f} s", flush=True)
        self.n_printed = len(scores)
        return scores

    def has_ended(self) -> bool:
        """Return whether the process has ended, and note its processor time; `SystemExit`: it has failed."""
        pid, status, usage = os.wait4(self.process.pid, 0 if self.reached else os.WNOHANG)
        if pid:
            self.cpu_seconds = usage.ru_utime + usage.ru_stime
            if status and not self.reached:
                sys.exit(f"{self.name} has failed: see {self.log}.")
        return bool(pid)

    def cpu_seconds_so_far(self) -> float:
        """Return the processor time until now (proc(5): fields 14 and 15 of stat)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End the process if it still runs."""
        if self.cpu_seconds is None:
            os.killpg(self.process.pid, signal.SIGKILL)


def start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a command on one thread, in a process group of its own, with its output in a file."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("wb") as output:
        return subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )


def start_mt(options: argparse.Namespace, folder: Path) -> Training:
    """Start `mt train` with automatic settings."""
    metrics = folder / "run" / "metrics.jsonl"
    languages = [f"data.src_lang={options.src}", f"data.tgt_lang={options.tgt}"]
    texts = [f"data.train={options.train}", f"data.valid={options.valid}", "training.valid_pairs=0"]
    arguments = ["data=files", *languages, *texts, f"run_dir={metrics.parent}", *options.overrides]

    def read_scores() -> Scores:
        text = metrics.read_text(encoding="utf-8") if metrics.is_file() else ""
        lines = text.rpartition("\n")[0].splitlines()  # the last one may be half written
        records = [json.loads(line) for line in lines if '"valid/bleu"' in line]
        return [(record["step"], record["valid/bleu"]) for record in records]

    log = folder / "mt.log"
    return Training("mt", start([sys.executable, "-m", "mt", "train", *arguments], log), log, read_scores)


def start_joeynmt(options: argparse.Namespace, folder: Path) -> Training:
    """Train JoeyNMT's vocabulary, and start its training."""
    prefix, config, validations = folder / "sp", folder / "joeynmt.yaml", folder / "model" / "validations.txt"
    spm.SentencePieceTrainer.train(
        input=[f"{options.train}.{lang}" for lang in (options.src, options.tgt)],
        model_prefix=str(prefix),
        model_type="bpe",
        vocab_size=options.joeynmt_pieces,
        unk_id=0,
        pad_id=1,
        bos_id=2,
        eos_id=3,
        minloglevel=1,
    )
    pieces = [line.split("\t")[0] for line in prefix.with_suffix(".vocab").read_text(encoding="utf-8").splitlines()]
    (folder / "vocabulary.txt").write_text("\n".join(pieces[4:]) + "\n", encoding="utf-8")
    recipe = Template((Path(__file__).parent / "joeynmt_small.yaml").read_text(encoding="utf-8"))
    values = {name: getattr(options, name) for name in ("train", "valid", "src", "tgt")}
    every, epochs = options.joeynmt_every, options.joeynmt_epochs
    config.write_text(recipe.safe_substitute(values, folder=folder, every=every, epochs=epochs), encoding="utf-8")

    def read_scores() -> Scores:
        text = validations.read_text(encoding="utf-8") if validations.is_file() else ""
        return [(int(step), float(bleu)) for step, bleu in re.findall(r"Steps: (\d+).*?bleu: ([\d.]+)", text)]

    command, log = [str(options.joeynmt), "-c", JOEYNMT, str(config)], folder / "joeynmt.log"
    return Training("JoeyNMT", start(command, log), log, read_scores)


def parse_options() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="training text, without the languages' suffixes")
    parser.add_argument("--valid", type=Path, required=True, help="validation text, likewise")
    parser.add_argument("--src", default="en")
    parser.add_argument("--tgt", default="de")
    parser.add_argument("--goal", type=float, default=35.0, help="BLEU at which a training ends")
    parser.add_argument("--joeynmt", type=Path, help="Python of an environment with JoeyNMT; without it, mt alone")
    parser.add_argument("--joeynmt-every", type=int, default=1000, help="steps between its validations")
    parser.add_argument("--joeynmt-epochs", type=int, default=100, help="epochs after which it gives up")
    parser.add_argument("--joeynmt-pieces", type=int, default=N_PIECES, help="size of its vocabulary")
    parser.add_argument("--folder", type=Path, default=Path("runs/time-to-bleu"), help="a new folder for both")
    parser.add_argument("overrides", nargs="*", help="arguments of mt train, after --")
    options = parser.parse_args()
    if options.folder.is_dir() and any(options.folder.iterdir()):
        parser.error(f"{options.folder} is not empty: scores of an earlier training would count")
    return options


def main() -> None:
    """Train both, print every validation, and at the end the times."""
    options = parse_options()
    options.folder.mkdir(parents=True, exist_ok=True)
    trainings = [start_mt(options, options.folder)]
    try:
        if options.joeynmt is not None:
            trainings.append(start_joeynmt(options, options.folder))
        while sum(training.goes_on(options.goal) for training in trainings):
            time.sleep(POLL_SECONDS)
    finally:
        for training in trainings:
            training.stop()
    rows = []
    for training in trainings:
        step, bleu = max(training.read_scores(), key=lambda score: score[1], default=(0, 0.0))
        seconds = training.cpu_seconds or 0.0
        reached = "reached" if training.reached else "not reached"
        rows.append([training.name, step, bleu, reached, seconds, seconds / (trainings[0].cpu_seconds or 1.0)])
    names = ["toolkit", "steps", "BLEU", f"{options.goal:g}", "processor time (s)", "ratio"]
    print(tabulate(rows, names, tablefmt="github", floatfmt=("", "", ".2f", "", ",.0f", ".1f"), intfmt=","))


if __name__ == "__main__":
    main()
