"""Time `mt serve` on given text: one client alone, and many at once, beside the same search without HTTP.

python scripts/bench_serving.py RUN --input test.en --clients 32
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path

import httpx

from mt.translation.translator import Translator


def build_parser() -> argparse.ArgumentParser:
    """Build the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("--input", type=Path, required=True, help="sentences to translate, one a line")
    parser.add_argument("--lines", type=int, default=1000, help="number of sentences")
    parser.add_argument("--clients", type=int, default=32, help="clients that wait for an answer and send the next")
    parser.add_argument("--soak", type=int, default=0, help="further requests, to see whether memory grows")
    parser.add_argument("--single", type=int, default=50, help="sentences of a single client")
    return parser


async def ask(client: httpx.AsyncClient, langs: tuple[str, str], line: str) -> float:
    """Translate a line, and return the seconds until the answer."""
    start = time.perf_counter()
    answer = await client.post("/translate", json={"q": line, "source": langs[0], "target": langs[1]})
    answer.raise_for_status()
    return time.perf_counter() - start


async def measure(address: str, langs: tuple[str, str], lines: list[str], n_clients: int) -> tuple[float, list[float]]:
    """Return the seconds for all lines, and those of each."""
    left, seconds = iter(lines), []

    async def work() -> None:
        async with httpx.AsyncClient(base_url=address, timeout=600) as client:
            for line in left:
                seconds.append(await ask(client, langs, line))

    start = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(n_clients)))
    return time.perf_counter() - start, seconds


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers."""
    while server.poll() is None:
        try:
            httpx.get(f"{address}/health")
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit("mt serve has ended.")


def memory_mib(server: subprocess.Popen[bytes], what: str = "VmRSS") -> int:
    """Return the memory of the server in MiB, where Linux says it; `VmHWM`: at its peak."""
    status = Path(f"/proc/{server.pid}/status")
    rows = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return next((int(row.split()[1]) // 1024 for row in rows if row.startswith(what)), 0)


def main() -> None:
    """Time, and print."""
    options = build_parser().parse_args()
    lines = [line for line in options.input.read_text(encoding="utf-8").splitlines() if line.strip()][: options.lines]
    translator = Translator.load(options.run, "cpu")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    server = subprocess.Popen([sys.executable, "-m", "mt", "serve", str(options.run), "--port", str(port)])
    try:
        wait_for(address, server)
        own = []
        for line in lines[: options.single]:
            start = time.perf_counter()
            translator.translate([line])
            own.append(time.perf_counter() - start)
        _, alone = asyncio.run(measure(address, translator.langs, lines[: options.single], 1))
        start = time.perf_counter()
        translator.translate(lines)
        without = time.perf_counter() - start
        together, each = asyncio.run(measure(address, translator.langs, lines, options.clients))
        before = memory_mib(server)
        asyncio.run(measure(address, translator.langs, list(islice(cycle(lines), options.soak)), options.clients))
        after, peak = memory_mib(server), memory_mib(server, "VmHWM")
    finally:
        server.terminate()
        server.wait()
    rows = [
        ("one sentence at a time, ms: median, without HTTP", f"{1000 * statistics.median(own):.1f}"),
        ("the same by one client", f"{1000 * statistics.median(alone):.1f}"),
        ("all sentences at once, sentences/s, without HTTP", f"{len(lines) / without:.0f}"),
        (f"the same by {options.clients} clients", f"{len(lines) / together:.0f} ({without / together:.0%})"),
        (
            "ms until an answer: median, 95%",
            f"{1000 * statistics.median(each):.0f}, {1000 * sorted(each)[int(0.95 * len(each))]:.0f}",
        ),
        ("peak memory of the server", f"{peak} MiB"),
    ]
    if options.soak:
        rows.append((f"memory before and after {options.soak:,} more requests", f"{before}, {after} MiB"))
    print("\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]))


if __name__ == "__main__":
    main()
