"""Mistakes of users give one short message that names the key, file or line, exit code 2, and no partial output."""

import gzip
import importlib.util
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT, overrides, write_pairs

from mt import __version__


@pytest.fixture
def refuses(mt, corpus, tmp_path):
    """`mt train` with these overrides exits with 2, reports all of `words`, and leaves no run folder."""

    def check(*extra: object, words: list[str], folder: Path = corpus) -> None:
        outcome = mt(*overrides(folder, f"run_dir={tmp_path}/run", "training.max_steps=2", *map(str, extra)))
        assert outcome.code == 2, outcome.err
        for word in words:
            assert word in outcome.err
        assert "Traceback" not in outcome.err
        assert outcome.out == ""
        assert not (tmp_path / "run").exists()

    return check


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optim.lrr=1", ["'optim.lrr'", "Did you mean 'lr'?", "warmup_steps"]),
        ("modle.dropout=0", ["'modle.dropout'", "Did you mean 'model'?"]),
        ("model=hugee", ["model/hugee", "base", "big", "small", "tiny"]),
        ("modell=base", ["modell", "Did you mean 'model'?"]),
        ("optim.lr=fast", ["optim.lr", "fast"]),
        ("model.norm=middle", ["model.norm", "middle", "pre", "post"]),
        ("training.early_stopping.metric=blue", ["early_stopping.metric", "blue", "bleu"]),
        ("model.d_model=30 model.n_heads=4", ["model.d_model=30 is not divisible by model.n_heads=4"]),
        ("model.dropout=1.5", ["model.dropout=1.5"]),
        ("training.max_tokens=0", ["training.max_tokens=0 must be a number above 0"]),
        ("data.max_len=5000", ["data.max_len=5000", "training.max_tokens=600"]),
        ("search.n_best=9", ["search.n_best=9", "search.beam_size=5"]),
        ("optim.lr", ["optim.lr"]),
        ("+optim.lrr=1", ["'optim.lrr'", "Did you mean 'lr'?"]),
        ("seed=-1", ["seed=-1"]),
        ("data.test={../x:valid}", ["../x"]),
        ("tokenizer.vocab_size=90000", ["tokenizer.vocab_size=90000", "at most"]),
        ("tokenizer.vocab_size=262", ["tokenizer.vocab_size=262", "characters"]),
        ("training.device=cuda:77", ["no device 'cuda:77'", "cpu"]),
        ("training.device=abacus", ["no device 'abacus'"]),
        ("data.train=5", ["data.train=5 must be a corpus"]),
        ("data.train=hub:", ["data.train='hub:' must be a corpus"]),
        ("data.train=pkg://no.such/x", ["only the demo corpus comes with the program"]),
        ("=3", ["'=3' has no key"]),
        ("--data.train=x", ["no option '--data.train'", "no dashes: data.train=x"]),
        ("--multirum", ["no option '--multirum'", "Did you mean '--multirun'?", "KEY=VALUE"]),
        ("data.test=nothing", ["data.test='nothing' must name its test sets"]),
    ],
)
def test_configuration(refuses, override, words):
    refuses(*override.split(" "), words=words)


@pytest.mark.parametrize(
    "arguments", [["translate", "{run}", "ba", "--prefix", "\udcff"], ["explain", "{run}", "\udcff"]]
)
def test_arguments_that_are_not_utf8(mt, run_folder, arguments):
    outcome = mt(*(one.format(run=run_folder) for one in arguments))
    assert (outcome.code, "The text '\\udcff' is not UTF-8, at character 1." in outcome.err) == (2, True), outcome.err


def test_missing_keys_are_named(mt):
    outcome = mt("train", "data=files", "data.src_lang=de", "data.tgt_lang=en", "data.valid=x")
    assert outcome.code == 2
    assert "data.train is not set" in outcome.err
    outcome = mt("train", "data=files")
    assert outcome.code == 2
    assert outcome.err.startswith("mt: data.src_lang is not set")
    assert len(outcome.err.splitlines()) == 1


def test_places_that_cannot_be_written(mt, corpus, run_folder):
    outcome = mt(*overrides(corpus, "run_dir=/dev/null/run"))
    assert (outcome.code, outcome.err) == (2, "mt: run_dir=/dev/null/run cannot be made: Not a directory.\n")
    outcome = mt("translate", run_folder, "ba", "--output", "/proc/none.txt")
    assert (outcome.code, outcome.err.count("mt: --output /proc/none.txt cannot be written: ")) == (2, 1), outcome.err


def test_corpus_files(refuses, corpus, tmp_path):
    refuses(f"data.train={tmp_path}/none", words=["data.train", f"{tmp_path}/none.aa"])
    refuses(f"data.test={{x: {tmp_path}/none}}", words=["data.test.x", f"{tmp_path}/none.aa"])
    refuses(f"data.valid={tmp_path}/none.tsv", words=["data.valid", "none.tsv"])

    bad = tmp_path / "bad"
    write_pairs(bad, [("ba", "BA"), ("de", "DE"), ("fi", "FI")])
    with open(f"{bad}.aa", "a", encoding="utf-8") as file:
        file.write("hu\nka\n")
    refuses(f"data.train={bad}", words=[f"{bad}.aa has 5 lines", f"{bad}.bb has 3"])

    Path(f"{bad}.aa").write_bytes(b"ba\nd\xe9j\xe0\nfi\n")
    refuses(f"data.train={bad}", words=[f"{bad}.aa, line 2: not UTF-8"])

    write_pairs(bad, [])
    refuses(f"data.train={bad}", words=[f"{bad}.aa", "no pair of sentences"])

    write_pairs(bad, [("", ""), (" ", "x")])
    refuses(f"data.valid={bad}", words=["data.valid: none of the 2 pairs", "empty side"])
    write_pairs(bad, [("ba de fi", "BA DE FI")] * 30)
    refuses(f"data.valid={bad}", "data.max_len=2", words=["data.valid: none of the 30 pairs", "data.max_len=2"])

    (tmp_path / "bad.tsv").write_text("a\tb\nc\n", encoding="utf-8")
    refuses(f"data.train={tmp_path}/bad.tsv", words=["bad.tsv, line 2: there is no column 2"])
    (tmp_path / "bad.jsonl").write_text('{"aa": "x", "bb": "y"}\n{"aa": "x"}\n', encoding="utf-8")
    refuses(f"data.train={tmp_path}/bad.jsonl", words=["bad.jsonl, line 2", "'bb'"])
    write_pairs(bad, [("ba", "BA")] * 50)
    packed = gzip.compress(Path(f"{bad}.aa").read_bytes())
    Path(f"{bad}.aa").unlink()
    Path(f"{bad}.aa.gz").write_bytes(packed[: len(packed) // 2])
    refuses(f"data.train={bad}", words=["bad.aa.gz is damaged"])


def test_the_hub_without_a_network(corpus, tmp_path):
    """The hub is switched off in a process of its own, as without a network."""
    script = "import sys; from mt.cli import main; main()"
    arguments = overrides(corpus, f"run_dir={tmp_path}/run", "data.train=hub:nobody/nothing")
    environment = {"HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "data.train: hub:nobody/nothing could not be loaded" in done.stderr
    assert "data.train=hub:FOLDER" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_folder_of_another_configuration(mt, corpus, tmp_path):
    arguments = overrides(corpus, f"run_dir={tmp_path}/run", "training.max_steps=2")
    assert mt(*arguments).code == 0
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    outcome = mt(*arguments, "model.d_model=64", "optim.lr=0.5", "training.max_steps=9")
    assert outcome.code == 2
    assert "model.d_model: 32 there, 64 now" in outcome.err
    assert "optim.lr: 0.001 there, 0.5 now" in outcome.err
    assert "max_steps" not in outcome.err
    assert "early_stopping.metric" in mt(*arguments, "training.early_stopping.metric=loss").err
    assert "give another name=" in outcome.err
    assert {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()} == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("precious")
    outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/other"))
    assert outcome.code == 2
    assert "neither empty nor a run folder" in outcome.err


@pytest.mark.parametrize("file", ["tokenizer.model", "model.safetensors", "config.yaml"])
def test_a_damaged_or_missing_model_file(mt, copy_of_run, file):
    content = (copy_of_run / file).read_bytes()
    (copy_of_run / file).write_bytes(content[: len(content) // 3] + b"\x00")
    outcome = mt("translate", copy_of_run, "ba")
    assert outcome.code == 2
    assert file in outcome.err
    (copy_of_run / file).unlink()
    outcome = mt("translate", copy_of_run, "ba")
    assert outcome.code == 2
    assert f"{file} is missing" in outcome.err


@pytest.mark.parametrize("file", ["state.json", "optimizer.safetensors", "model.safetensors"])
def test_a_damaged_or_missing_checkpoint(mt, corpus, tmp_path, file):
    arguments = overrides(corpus, f"run_dir={tmp_path}/run", "training.max_steps=2")
    assert mt(*arguments).code == 0
    checkpoint = tmp_path / "run" / "checkpoints" / "step-000000002"
    for damage in (lambda path: path.write_bytes(path.read_bytes()[:40]), Path.unlink):
        damage(checkpoint / file)
        outcome = mt(*arguments, "training.max_steps=4")
        assert outcome.code == 2
        assert str(checkpoint) in outcome.err
        assert "Delete that folder" in outcome.err


def test_a_model_of_another_shape(mt, copy_of_run):
    text = (copy_of_run / "config.yaml").read_text()
    (copy_of_run / "config.yaml").write_text(text.replace("d_model: 64", "d_model: 32"))
    outcome = mt("translate", copy_of_run, "ba")
    assert outcome.code == 2
    assert "does not fit the model that config.yaml describes" in outcome.err


def test_no_run(mt, tmp_path):
    assert "there is no folder" in mt("translate", tmp_path / "none", "x").err.lower()
    assert mt("translate", tmp_path / "none", "x").code == 2
    outcome = mt("translate", tmp_path, "x")
    assert outcome.code == 2
    assert "is not a run folder of `mt train`" in outcome.err
    assert mt("evaluate", tmp_path).code == 2


def test_translate_options(mt, run_folder, monkeypatch, tmp_path):
    for arguments, words in (
        (["--set", "search.beam=3", "x"], ["search.beam", "Did you mean 'beam_size'?"]),
        (["--set", "model.dropout=3", "x"], ["only search.KEY=VALUE"]),
        (["--beam-size", "many", "x"], ["search.beam_size", "many"]),
        (["--beam-size", "2", "--n-best", "3", "x"], ["search.n_best=3", "search.beam_size=2"]),
        (["--device", "abacus", "x"], ["no device 'abacus'"]),
        (["--input", str(tmp_path / "none")], ["there is no file"]),
        (["--input", "x", "y"], ["not both"]),
        (["--bogus"], ["--bogus"]),
    ):
        outcome = mt("translate", run_folder, *arguments)
        assert outcome.code == 2, arguments
        for word in words:
            assert word in outcome.err
    (tmp_path / "latin").write_bytes(b"ba\n\xe9\n")
    outcome = mt("translate", run_folder, "--input", tmp_path / "latin", "--output", tmp_path / "out")
    assert outcome.code == 2
    assert "latin, line 2: not UTF-8" in outcome.err
    assert not (tmp_path / "out").exists()


def test_commands(mt):
    outcome = mt("trian")
    assert outcome.code == 2
    assert "Did you mean 'train'?" in outcome.err
    assert mt().code == 2
    assert mt("--help").code == 0
    version = mt("--version").out
    assert version.startswith(f"mt {__version__}")
    assert f"torch {torch.__version__.partition('+')[0]}" in version
    if (ROOT / ".git").exists():
        assert re.search(r"\(commit [0-9a-f]{7,}(-dirty)?\)", version)


def test_missing_optional_packages_are_named(mt, refuses, run_folder, corpus, tmp_path, monkeypatch):
    optional, find_spec = {"ctranslate2", "transformers", "comet", "py3langid", "translate"}, importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in optional else find_spec(name))
    for arguments, package in (
        (("export", run_folder, "--to", "ctranslate2", tmp_path / "x"), "ctranslate2"),
        (("export", run_folder, "--to", "huggingface", tmp_path / "x"), "transformers"),
        (("import", tmp_path, tmp_path / "x"), "transformers"),
        (("translate", run_folder, "--engine", "ctranslate2", "ba"), "ctranslate2"),
        (("evaluate", run_folder, "--test", f"x={corpus}/valid", "--metrics", "COMET"), "unbabel-comet"),
    ):
        outcome = mt(*map(str, arguments))
        assert (outcome.code, outcome.err.endswith(f"pip install {package}.\n")) == (2, True), outcome.err
        assert not (tmp_path / "x").exists()
    (tmp_path / "memory.tmx").touch()
    refuses(f"data.train={tmp_path}/memory.tmx", words=["memory.tmx", "pip install translate-toolkit."])
    refuses("data.clean.language=true", words=["data.clean.language", "pip install py3langid."])


def test_a_full_disk_while_translating(run_folder):
    """/dev/full refuses every byte, like a full disk."""
    done = subprocess.run(
        [sys.executable, "-m", "mt", "translate", run_folder, "ba de", "--output", "/dev/full"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_full_disk_while_training(corpus, tmp_path):
    """A limit on the size of files acts as a full disk; the last checkpoint stays intact and training resumes."""
    arguments = [sys.executable, "-m", "mt", *overrides(corpus, f"run_dir={tmp_path}/run")]
    first = subprocess.run([*arguments, "training.max_steps=3"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert first.returncode == 0, first.stderr

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    full = subprocess.run(
        [*arguments, "training.max_steps=6"], capture_output=True, text=True, cwd=ROOT, check=False, preexec_fn=limit
    )
    assert full.returncode == 2, full.stderr
    assert "File too large" in full.stderr
    assert "Traceback" not in full.stderr
    assert [p.name for p in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-000000003"]
    again = subprocess.run([*arguments, "training.max_steps=6"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert again.returncode == 0, again.stderr
    assert "Resuming from step 3" in again.stderr


def test_an_error_in_one_job_of_a_sweep_is_the_sweeps(mt, corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = mt(*overrides(corpus, "name=s", "training.max_steps=2", "model.n_heads=3,2", "--multirun"))
    assert outcome.code == 2
    assert "not divisible by model.n_heads=3" in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("failing", ["optim.lr=0.001,-1", "optim.lr=0.001,1e30"])
def test_a_job_on_a_cluster_that_fails_is_the_sweeps_failure(mt, corpus, tmp_path, monkeypatch, failing):
    monkeypatch.chdir(tmp_path)
    launcher = ["hydra/launcher=submitit_local", "hydra.launcher.gpus_per_node=0", "hydra.launcher.cpus_per_task=1"]
    limits = ["training.max_steps=12", "optim.warmup_steps=0", "optim.grad_clip=0"]
    arguments = overrides(corpus, "name=s", *limits, failing, *launcher)
    outcome = mt(arguments[0], "--multirun", "experiment=slurm", *arguments[1:])
    assert outcome.code in (1, 2)
    assert "optim.lr=-1" in outcome.err or "diverged" in outcome.err
    assert "Traceback" not in outcome.err
    assert len([*(tmp_path / "runs" / "s").glob("*/model.safetensors")]) >= 1  # of the other job


def test_a_value_that_cannot_be_is_named_with_its_file_or_its_override(mt, copy_of_run):
    path = copy_of_run / "config.yaml"
    text = path.read_text()
    outcome = mt("translate", copy_of_run, "ba", "--set", "search.beam_size=0")
    assert outcome.code == 2
    assert "search.beam_size=0 must be" in outcome.err
    assert "config.yaml" not in outcome.err  # which is sound
    outcome = mt("translate", copy_of_run, "ba", "--set", "search.beam_size=2001-13-45")  # no date of YAML's
    assert outcome.code == 2
    assert "search.beam_size: month" in outcome.err
    path.write_text(text.replace("beam_size: 5", "beam_size: 0"))
    for extra in ([], ["--set", "search.n_best=1"]):
        outcome = mt("translate", copy_of_run, "ba", *extra)
        assert outcome.code == 2
        assert f"{path}: search.beam_size=0 must be" in outcome.err


def test_a_foreign_configuration_is_only_data(mt, copy_of_run):
    text = (copy_of_run / "config.yaml").read_text()
    (copy_of_run / "config.yaml").write_text(text.replace("name: ", "name: ${oc.env:HOME} # "))
    assert mt("translate", copy_of_run, "ba").code == 2
    (copy_of_run / "config.yaml").write_text(text + "\nextra: !!python/object/apply:os.system ['true']\n")
    assert mt("translate", copy_of_run, "ba").code == 2


@pytest.mark.parametrize("command", ["report", "runs", "train"])
def test_a_damaged_row_of_the_metrics_is_left_out(mt, corpus, tmp_path, command):
    """One bad byte, a number instead of a row, values that are no numbers, and the beginning of a row."""
    run = tmp_path / "run"
    steps = [f"run_dir={run}", "training.max_steps=4", "training.valid_every_steps=2"]
    assert mt(*overrides(corpus, *steps)).code == 0
    rows = (run / "metrics.jsonl").read_bytes()
    odd = b'{"step": 1, "valid/loss": \xff}\n17\n{"step": 5, "valid/loss": null, "valid/bleu": "x", "valid/chrf": 1}\n'
    (run / "metrics.jsonl").write_bytes(odd + rows + b'{"step": 9')
    (run / "train.log").write_bytes(b"\xff\n" + (run / "train.log").read_bytes())
    arguments = {"report": ["report", run], "runs": ["runs", tmp_path], "train": overrides(corpus, *steps)}
    outcome = mt(*arguments[command])
    assert outcome.code == 0, outcome.err


@pytest.mark.parametrize(
    "argument", ["model=3", "tokenizer=[1,2]", "experiment=5", "optim=[]", "data=null", "training=1.5"]
)
def test_a_group_takes_a_name(mt, argument):
    outcome = mt("train", argument, "data.train=nowhere")
    assert (outcome.code, "must be the name of a file of that group" in outcome.err) == (2, True)


def test_the_highest_dropout(mt, corpus, tmp_path):
    assert mt(*overrides(corpus, f"run_dir={tmp_path}/run", "training.max_steps=2", "model.dropout=0.9999")).code == 0


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["translate", "RUN", "ba de"]])
def test_standard_output_is_full_or_closed(run_folder, arguments):
    command = [sys.executable, "-m", "mt", *(str(run_folder) if one == "RUN" else one for one in arguments)]
    with open("/dev/full", "w") as full:
        outcome = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert outcome.returncode == 2
    assert outcome.stderr.strip() == "mt: Could not write: No space left on device. What was saved before is intact."
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" >&- <&-', "sh", *command], stderr=subprocess.PIPE, text=True, check=False
    )
    assert closed.returncode == 2
    assert closed.stderr.strip() == "mt: Could not write: Bad file descriptor. What was saved before is intact."
