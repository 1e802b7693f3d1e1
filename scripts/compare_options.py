"""What the options that are said to improve a model do on little data: the demo's first 3,000 pairs, some minutes each.

One job an option, the plain one with three seeds to show how much is chance; a table as after a sweep ends it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from mt.commands.sweep_summary import summarise

DEMO = Path(__file__).parent.parent / "data" / "demo"
COMMON = ["training.max_steps=400", "training.valid_every_steps=100", "training.log_every_steps=100"]
OPTIONS = {
    "plain": [],
    "plain-seed2": ["seed=2"],
    "plain-seed3": ["seed=3"],
    "no_dropout": ["model.dropout=0"],
    "dropout_0.2": ["model.dropout=0.2"],
    "activation_dropout_0.3": ["model.activation_dropout=0.3"],
    "layer_drop_0.1": ["model.layer_drop=0.1"],
    "no_label_smoothing": ["training.label_smoothing=0"],
    "ema_0.99": ["training.ema_decay=0.99"],
    "average_best_3": ["training.average_best=3"],
    "r_drop_2": ["training.r_drop=2"],
    "subword_alpha_0.1": ["training.subword_alpha=0.1"],
    "weight_decay_0.1": ["optim.weight_decay=0.1"],
}


def main() -> None:
    """Train one job an option, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/options"), help="where the runs go")
    parser.add_argument("--pairs", type=int, default=3000, help="training pairs")
    parser.add_argument("--only", nargs="+", choices=OPTIONS, default=list(OPTIONS))
    options = parser.parse_args()
    corpus = options.folder.parent / f"{options.folder.name}-corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for side in ("zh", "en"):
        lines = (DEMO / f"train.{side}").read_text(encoding="utf-8").splitlines(keepends=True)
        (corpus / f"train.{side}").write_text("".join(lines[: options.pairs]), encoding="utf-8")
    for name in options.only:
        run = f"run_dir={options.folder}/{name}"
        command = [sys.executable, "-m", "mt", "train", f"data.train={corpus}/train", run, *COMMON, *OPTIONS[name]]
        subprocess.run(command, check=True)
    print(summarise(options.folder, "bleu"))


if __name__ == "__main__":
    main()
