"""Train one model for each option that may improve it, on little data, and print a table.

By default the models train for 400 steps on the first 3,000 pairs of the demo, with AdamW; `--steps` and `--pairs` give
other numbers. Overrides after `--` replace all of these defaults in every training:

    compare_options.py --only plain r_drop_5 --folder runs/mine -- experiment=mine data.train=corpus/small

The plain model is trained with three seeds, to show the influence of chance. A finished training is not repeated.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from small_demo import SMALL_MODEL, write_part

from mt.commands.sweep_summary import summarise
from mt.config.choices import StoppingMetric

PLAIN = [*SMALL_MODEL, "model.dropout=0.1", "optim=adamw", "optim.weight_decay=0", "training.log_every_steps=100"]
"""the settings of the demo's trainings; only the other dropouts are automatic, at most `model.dropout`"""
OPTIONS = {
    "plain": [],
    "plain-seed2": ["seed=2"],
    "plain-seed3": ["seed=3"],
    "no_dropout": ["model.dropout=0"],
    "dropout_0.2": ["model.dropout=0.2"],
    "dropout_0.3": ["model.dropout=0.3"],
    "activation_dropout_0.3": ["model.activation_dropout=0.3"],
    "layer_drop_0.1": ["model.layer_drop=0.1"],
    "no_label_smoothing": ["training.label_smoothing=0"],
    "ema_0.99": ["training.ema_decay=0.99"],
    "ema_0.995": ["training.ema_decay=0.995"],
    "average_best_3": ["training.average_best=3"],
    "r_drop_2": ["training.r_drop=2"],
    "r_drop_5": ["training.r_drop=5"],
    "subword_alpha_0.1": ["training.subword_alpha=0.1"],
    "subword_alpha_0.5": ["training.subword_alpha=0.5"],
    "weight_decay_0.1": ["optim.weight_decay=0.1"],
    "weight_decay_1": ["optim.weight_decay=1"],
    "l1_1e-6": ["optim.l1=1e-6"],
    "l1_1e-5": ["optim.l1=1e-5"],
    "l1_1e-3": ["optim.l1=1e-3"],
    "l1_1e-2": ["optim.l1=1e-2"],
    "adam": ["optim=adam"],
    "adam_l2_1e-4": ["optim=adam", "optim.weight_decay=1e-4"],
    "rmsprop": ["optim=rmsprop"],
    "rmsprop_lr_5e-4": ["optim=rmsprop", "optim.lr=5e-4"],
    "sgd_lr_0.1": ["optim=sgd", "optim.lr=0.1"],
    "lr_2.5e-4": ["optim.lr=2.5e-4"],
    "lr_1e-3": ["optim.lr=1e-3"],
    "lr_5e-3": ["optim.lr=5e-3"],
    "lr_1e-2": ["optim.lr=1e-2"],
}


def demo(folder: Path, n_pairs: int, n_steps: int) -> list[str]:
    """Write the first pairs of the demo beside the folder of runs, and return overrides that train on them."""
    train = write_part(folder.parent / f"{folder.name}-corpus" / "train", n_pairs)
    steps = [f"training.max_steps={n_steps}", f"training.valid_every_steps={max(1, n_steps // 4)}"]
    return ["experiment=demo", f"data.train={train}", *PLAIN, *steps]


def main() -> None:
    """Train a model for each option, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/options"), help="folder for the runs")
    parser.add_argument("--pairs", type=int, default=3000, help="of the demo, to train on; default: %(default)s")
    parser.add_argument("--steps", type=int, default=400, help="of each training on the demo; default: %(default)s")
    parser.add_argument("--only", nargs="+", choices=OPTIONS, default=list(OPTIONS))
    parser.add_argument(
        "overrides", nargs="*", help="overrides for every training, after --; they replace the defaults"
    )
    options = parser.parse_args()
    common = options.overrides or demo(options.folder, options.pairs, options.steps)
    for name in options.only:
        run = f"run_dir={options.folder}/{name}"
        subprocess.run([sys.executable, "-m", "mt", "train", *common, run, *OPTIONS[name]], check=True)
    print(summarise(options.folder, StoppingMetric.bleu))


if __name__ == "__main__":
    main()
