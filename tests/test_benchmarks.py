"""Every script of scripts/ runs to its end in a tiny size; what the benchmarks measured is in docs/benchmarks.md."""

import importlib
import importlib.util
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DEMO, ROOT, SMALL, overrides, toy_pairs, write_pairs

TINY = [*SMALL, "data.test=null", "training.max_steps=4", "training.valid_every_steps=2"]


def script(name: str, *arguments: object, **environment: str) -> str:
    """Run a script in a process of its own, and return what it printed."""
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *map(str, arguments)]
    outcome = subprocess.run(
        command, capture_output=True, text=True, timeout=600, env={**os.environ, **environment}, check=False
    )
    assert outcome.returncode == 0, outcome.stderr[-3000:]
    return outcome.stdout


@pytest.mark.slow
def test_training_benchmark_with_every_peer(tmp_path):
    """JoeyNMT needs an environment of its own; where it is not installed, a stand-in with its signatures takes part."""
    for side in ("zh", "en"):
        lines = (DEMO / f"train.{side}").read_text(encoding="utf-8").splitlines()[:3000]
        (tmp_path / f"text.{side}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    environment = {}
    if importlib.util.find_spec("joeynmt") is None:
        environment["PYTHONPATH"] = str(ROOT / "tests" / "fakes")
    printed = script(
        "bench_training", "--src", tmp_path / "text.zh", "--tgt", tmp_path / "text.en", "--steps", 2, "--warmup", 1,
        "--max-tokens", 512, "--threads", 1, 2, "--model", "tiny", "--json", **environment,
    )  # fmt: skip
    results = {result["name"]: result for result in json.loads(printed)}
    assert set(results) == {"mt", "torch.nn.Transformer", "Hugging Face", "JoeyNMT", "mt, 2 threads"}
    for name, result in results.items():
        assert result["tgt_tokens_per_second"] > 0
        if name != "JoeyNMT" or not environment:  # others are the same model, perhaps with learned positions
            assert result["n_parameters"] == pytest.approx(results["mt"]["n_parameters"], rel=0.15)
        assert 0 <= result["padding_fraction"] < 1
        assert 0 < sum(result["phase_fractions"].values()) <= 1
    assert results["mt"]["median_ratio"] == 1


@pytest.mark.slow
def test_time_to_bleu(tmp_path, corpus):
    """A training ends at the goal, or when it is over; a stand-in reports 3.2 BLEU after 1,000 steps of JoeyNMT."""
    printed = script(
        "time_to_bleu", "--train", corpus / "train", "--valid", corpus / "valid", "--src", "aa", "--tgt", "bb",
        "--goal", 3, "--joeynmt", sys.executable, "--joeynmt-pieces", 60, "--folder", tmp_path, "--",
        "training.max_steps=4", "training.valid_every_steps=2", "model.d_model=16", "model.n_heads=2",
        PYTHONPATH=str(ROOT / "tests" / "fakes"),
    )  # fmt: skip
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines() if line.startswith("|")]
    assert rows[2][0] == "mt"
    assert float(rows[2][4]) > 0
    assert rows[2][5] == "1.0"
    assert rows[3][:4] == ["JoeyNMT", "1,000", "3.20", "reached"]
    assert float(rows[3][4]) > 0
    assert "JoeyNMT: step 1,000, BLEU 3.20" in printed


@pytest.mark.slow
def test_time_to_bleu_of_a_broken_peer_and_of_old_scores(tmp_path, corpus):
    command = [
        sys.executable, ROOT / "scripts" / "time_to_bleu.py", "--train", corpus / "train", "--valid", corpus / "valid",
        "--src", "aa", "--tgt", "bb", "--joeynmt", "/bin/false", "--joeynmt-pieces", 60, "--folder", tmp_path / "new",
    ]  # fmt: skip
    messages = []
    for _ in range(2):
        outcome = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, check=False)
        assert outcome.returncode != 0
        messages.append(outcome.stderr)
    assert f"JoeyNMT has failed: see {tmp_path}/new/joeynmt.log." in messages[0]
    assert f"{tmp_path}/new is not empty" in messages[1]


@pytest.mark.slow
def test_decoding_benchmark_with_every_engine(run_folder, corpus):
    valid = corpus / "valid"
    printed = script(
        "bench_decoding", run_folder, "--input", f"{valid}.aa", "--reference", f"{valid}.bb", "--lines", 12, "--parts",
        2, "--single", 2, "--starts", 1, "--only", "mt", "mt, exact stopping", "mt, bf16", "CTranslate2 float32",
        "CTranslate2 int8", "Hugging Face generate()",
    )  # fmt: skip
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines() if line.startswith("|")]
    for engine in ("mt", "CTranslate2 float32", "Hugging Face generate()"):
        assert len([row for row in rows if row[0] == engine]) >= 2, printed  # one row for each beam size


@pytest.mark.slow
def test_gpu_benchmark(run_folder, corpus):
    printed = script(
        "bench_gpu", "--device", "cpu", "--steps", 2, "--warmup", 1, "--max-tokens", 300, "--d-model", 32, "--n-layers",
        1, "--vocab-size", 200, "--run", run_folder, "--input", corpus / "valid.aa", "--lines", 12,
    )  # fmt: skip
    rows = [line.split("|")[1].strip() for line in printed.splitlines() if line.startswith("|")]
    assert [row for row in rows if row and row[0] not in "-b"] == ["mt", "Hugging Face", "mt", "CTranslate2 float32"]


@pytest.mark.slow
def test_serving_benchmark(run_folder, corpus):
    printed = script(
        "bench_serving", run_folder, "--input", corpus / "valid.aa", "--clients", 4, "--single", 3, "--soak", 20
    )
    assert "the same by 4 clients" in printed
    assert "before and after 20 more requests" in printed


def test_attention_benchmark():
    printed = script("bench_attention", "--lengths", 4, 8, "--d-model", 32, "--n-heads", 2, "--seconds", 0.01)
    rows = [line.split("|")[1].strip() for line in printed.splitlines() if line.startswith("|")]
    assert rows[-2:] == ["4", "8"]


@pytest.mark.slow
def test_startup_benchmark():
    printed = script("bench_startup", "--starts", 1)
    assert printed.startswith("first step ")
    assert "import torch" in printed
    assert "mt --help" in printed


@pytest.mark.slow
def test_tracking_benchmark(corpus, tmp_path):
    printed = script("bench_tracking", *TINY, f"data.train={corpus}/train", f"data.valid={corpus}/valid",
                     f"run_dir={tmp_path}/run")  # fmt: skip
    rows = [line.split()[0] for line in printed.splitlines() if line.endswith("%")]
    assert {"scalars", "samples", "close", "together"} <= set(rows)


@pytest.mark.slow
def test_results_of_several_seeds(corpus, tmp_path):
    """The second start repeats no training, and prints the same table."""
    settings = [*overrides(corpus)[1:], "training.max_steps=4", "training.valid_every_steps=2"]
    command = ("results", "--folder", tmp_path, "--seeds", 1, 2, "--", *settings)
    printed = script(*command)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines() if line.startswith("|")]
    header, _, first, second, mean = rows
    assert header[:5] == ["seed", "steps", "epochs", "minutes", "FLOPs"]
    assert header[5:] == ["test: BLEU", "test: papers", "test: chrF"]
    assert [first[0], second[0], mean[0], first[1]] == ["1", "2", "mean", "4"]
    assert float(first[4]) > 1e6
    assert float(mean[7]) == pytest.approx((float(first[7]) + float(second[7])) / 2, abs=0.01)
    assert "nrefs:1|case:mixed" in printed
    assert "threads" in printed
    assert script(*command) == printed


@pytest.mark.slow
def test_comparing_options(corpus, tmp_path):
    printed = script("compare_options", "--folder", tmp_path / "runs", "--only", "plain", "adam", "--", *TINY,
                     f"data.train={corpus}/train", f"data.valid={corpus}/valid")  # fmt: skip
    table = printed[printed.rindex("| run") :] if "| run" in printed else printed
    assert "plain" in table
    assert "adam" in table


@pytest.mark.slow
def test_comparing_options_on_a_part_of_the_demo(tmp_path):
    printed = script("compare_options", "--folder", tmp_path / "runs", "--pairs", 500, "--steps", 2, "--only", "plain")
    assert "plain" in printed
    assert len((tmp_path / "runs-corpus" / "train.zh").read_text(encoding="utf-8").splitlines()) == 500


@pytest.mark.slow
def test_recipes_with_more_data(corpus, tmp_path):
    (tmp_path / "mono.aa").write_text("ba de fi\ngo hu\n" * 5, encoding="utf-8")
    (tmp_path / "mono.bb").write_text("BA DE FI\nGO HU\n" * 5, encoding="utf-8")
    write_pairs(tmp_path / "train", toy_pairs(100, seed=1))
    tiny = [setting for setting in TINY if not setting.startswith(("data=", "data.src_lang", "data.tgt_lang"))]
    common = ["--folder", tmp_path / "runs", "--parallel", tmp_path / "train", "--langs", "aa", "bb"]
    overrides = ["tokenizer.vocab_size=null", f"data.valid={corpus}/valid", f"data.test={{valid: {corpus}/valid}}"]
    printed = script("more_data", "back-translation", "distillation", *common, "--mono", tmp_path / "mono.bb",
                     "--", *tiny, *overrides)  # fmt: skip
    printed += script("more_data", "self-training", "--without-plain", *common, "--mono", tmp_path / "mono.aa",
                      "--", *tiny, *overrides)  # fmt: skip
    for run in ("plain", "back-translation-beam", "back-translation-sampling", "self-training", "student-distilled"):
        assert (tmp_path / "runs" / run / "model.safetensors").exists(), printed


def test_translations_of_another_text_are_not_taken(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    more_data = importlib.import_module("more_data")
    monkeypatch.setattr(more_data, "mt", lambda *arguments: Path(arguments[5]).write_text("neu\n", encoding="utf-8"))
    recipe, source = more_data.Recipe(tmp_path, tmp_path / "parallel", ("aa", "bb"), []), tmp_path / "mono"
    for text in ("new\n", "new\n", "other\n"):
        source.write_text(text, encoding="utf-8")
        if text == "other\n":
            with pytest.raises(SystemExit, match=r"synthetic\.bb has the translations of another text"):
                recipe.synthesise(tmp_path / "run", source, tmp_path / "synthetic", "aa", "bb")
        else:
            recipe.synthesise(tmp_path / "run", source, tmp_path / "synthetic", "aa", "bb")
    assert (tmp_path / "synthetic.aa").read_text(encoding="utf-8") == "new\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--students", "0"], "--students 0: at least 1"),
        (["translation"], "translation: choose from"),
        (["back-translation", "--parallel", "x"], "--mono is missing"),
        (["--parallel", "x", "--mono", "y"], "--mono is one language: name the recipe"),
        (["back-translation", "--mono", "x"], "--parallel is missing"),
        (["diversification", "--parallel", "x", "--", "data.valid=100"], "data.valid=100: translations of these pairs"),
        (["diversification", "--", "data.test={a: b, c: 0.1}"], "make files of them with `mt split`"),
        (["diversification", "--parallel", "x", "--", "data.valid=y"], "there is no"),
    ],
)
def test_recipes_refuse_what_they_cannot_do(tmp_path, arguments, message):
    command = [sys.executable, str(ROOT / "scripts" / "more_data.py"), "--folder", str(tmp_path / "runs"), *arguments]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert outcome.returncode == 2
    assert message in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_recipes_divide_the_demo(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "more_data.py"), "--folder", str(tmp_path), "--", "seed=-1"]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert (outcome.returncode, "mt: seed=-1" in outcome.stderr) == (2, True)  # the first training refuses it
    for lang in ("zh", "en"):
        parts = [(tmp_path / f"{name}.{lang}").read_text(encoding="utf-8") for name in ("parallel", "mono")]
        assert parts[0].count("\n") == 3000
        assert "".join(parts) == (ROOT / "data" / "demo" / f"train.{lang}").read_text(encoding="utf-8")


@pytest.mark.slow
def test_diversification_ends_with_the_command_of_all_models(corpus, tmp_path, mt):
    write_pairs(tmp_path / "train", toy_pairs(100, seed=1))
    tiny = [setting for setting in TINY if not setting.startswith(("data=", "data.src_lang", "data.tgt_lang"))]
    printed = script("more_data", "diversification", "--folder", tmp_path / "runs", "--parallel", tmp_path / "train",
                     "--langs", "aa", "bb", "--students", 1, "--", *tiny,
                     "tokenizer.vocab_size=null", f"data.valid={corpus}/valid")  # fmt: skip
    start, *command = shlex.split(printed.splitlines()[-1].removeprefix("Together: "))
    assert start == "mt"
    assert str(tmp_path / "runs" / "plain") in command
    outcome = mt(*command, "ba de fi")
    assert outcome.code == 0, outcome.err
    assert len(outcome.out.splitlines()) == 1
