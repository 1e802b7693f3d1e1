"""Time self-attention at lengths from 16 to 2,048, and compare with a prediction from the number of its products.

For n positions of d features, the maps W_Q, W_K, W_V and W_O take 4 n d² products, the scores and the sums 2 n² d. A
product and its sum are two operations. The prediction divides them by the rate of a large matrix product on the same
thread. Times are medians in milliseconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from tabulate import tabulate

from mt.model.attention import MultiHeadAttention, attention_weights

LENGTHS = (16, 32, 64, 128, 256, 512, 1024, 2048)


def milliseconds(work: Callable[[], object], seconds: float) -> float:
    """Return the median of as many rounds as fit into some seconds, at least seven."""
    work()
    rounds, end = [], time.perf_counter() + seconds
    while len(rounds) < 7 or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        rounds.append(1000 * (time.perf_counter() - start))
    return median(rounds)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--d-model", type=int, default=512)
    parser.add_argument("--n-heads", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds spent on each measurement")
    options = parser.parse_args()
    torch.set_num_threads(1)
    d = options.d_model
    attention = MultiHeadAttention(d, options.n_heads).eval()
    square = torch.randn(1024, 1024)
    rate = 2 * 1024**3 / milliseconds(lambda: square @ square, options.seconds)  # operations a millisecond
    rows = []
    with torch.inference_mode():
        for n in options.lengths:
            x = torch.randn(1, n, d)
            q, (k, v) = attention.split_heads(attention.query(x)), attention.keys_values(x)

            def maps(x: torch.Tensor = x) -> None:
                for linear in (attention.query, attention.key, attention.value, attention.output):
                    linear(x)

            def core(q: torch.Tensor = q, k: torch.Tensor = k, v: torch.Tensor = v) -> None:
                attention_weights(q, k) @ v

            measured = [milliseconds(work, options.seconds) for work in (maps, core, lambda x=x: attention(x))]
            predicted = 8 * n * d * d / rate, 4 * n * n * d / rate
            rows.append(
                [n, measured[0], predicted[0], measured[1], predicted[1], measured[1] / n**2 * 1e6, measured[2]]
            )
    headers = ["n", "maps", "predicted", "scores, softmax, sums", "predicted", "ns per pair of positions", "forward"]
    print(f"d = {d}, {options.n_heads} heads, one thread, {rate / 1e6:.0f} GFLOP/s in a product of 1,024² matrices\n")
    print(tabulate(rows, headers, floatfmt=("", ".2f", ".2f", ".2f", ".2f", ".0f", ".2f"), tablefmt="github"))


if __name__ == "__main__":
    main()
