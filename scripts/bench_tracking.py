"""Time the writing of curves, tables and pictures, as a fraction of the training time.

Takes the arguments of `mt train`. The work of TensorBoard's own thread is not counted.
"""

import sys
import time
from collections import Counter

from mt import cli
from mt.training.tracking import Tracker
from mt.training.trainer import Trainer

METHODS = ("scalars", "samples", "attention", "embeddings", "hyperparameters", "close")


def main() -> None:
    """Train, then print seconds and fractions."""
    seconds: Counter[str] = Counter()

    def timed(owner: type, name: str, label: str) -> None:
        method = getattr(owner, name)

        def call(*arguments, **named):
            start = time.perf_counter()
            try:
                return method(*arguments, **named)
            finally:
                seconds[label] += time.perf_counter() - start

        setattr(owner, name, call)

    for name in METHODS:
        timed(Tracker, name, name)
    timed(Trainer, "fit", "training")
    code = cli.run(["train", *sys.argv[1:]])
    training = seconds.pop("training", None)
    if training is None:  # such as with --help
        sys.exit(code)
    print(f"\ntraining {training:.1f} s, validations included")
    for name, value in seconds.most_common():
        print(f"{name:<16} {value:6.2f} s  {100 * value / training:5.2f}%")
    print(f"{'together':<16} {sum(seconds.values()):6.2f} s  {100 * sum(seconds.values()) / training:5.2f}%")
    sys.exit(code)


if __name__ == "__main__":
    main()
