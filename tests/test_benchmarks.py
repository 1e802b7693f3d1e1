"""The benchmark scripts run; what they measure is in docs/benchmarks.md."""

import json
import subprocess
import sys

import pytest
from conftest import DEMO, ROOT


@pytest.mark.slow
def test_training_benchmark(tmp_path):
    for side in ("zh", "en"):
        lines = (DEMO / f"train.{side}").read_text(encoding="utf-8").splitlines()[:3000]
        (tmp_path / f"text.{side}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, ROOT / "scripts" / "bench_training.py", "--src", tmp_path / "text.zh"]
    command += ["--tgt", tmp_path / "text.en", "--steps", "2", "--warmup", "1", "--max-tokens", "512", "--json"]
    command += ["--only", "torch.nn.Transformer", "--threads", "1", "2"]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    results = {result["name"]: result for result in json.loads(outcome.stdout)}
    assert set(results) == {"mt", "torch.nn.Transformer", "mt, 2 threads"}
    for result in results.values():
        assert result["tgt_tokens_per_second"] > 0
        assert 0 <= result["padding_share"] < 1
        assert sum(result["phase_shares"].values()) == pytest.approx(1, abs=0.1)
    assert results["mt"]["median_ratio"] == 1
