"""Processes that are killed at random instants, and disks that fail: what is there afterwards is what would have been.

`make test-faults` kills more often than `make test-all`: FAULTS is the number of kills in each configuration.
"""

import errno
import hashlib
import itertools
import json
import os
import random
from pathlib import Path

import faults
import pytest
from conftest import overrides, toy_pairs, write_pairs
from faults import Fault
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

N_KILLS = int(os.environ.get("FAULTS", "1"))
N_PLACES = max(3, 2 * N_KILLS)
"""at most, of the calls of a command of which one is made to fail"""
STEPS = [
    "training.max_steps=12", "training.valid_every_steps=4", "training.checkpoint_every_steps=3",
    "training.log_every_steps=1", "search.max_tokens=20",
]  # fmt: skip
WAYS = {
    "plain": ["training.log_every_steps=5"],
    "lora": ["training.init_from={base}", "training.lora.rank=4"],
    "mixture": [
        "data.train=[{path: CORPUS/train, weight: 2}, CORPUS/more]",
        "data.stages=[{until_step: 5, weights: [1, 0]}]",
    ],
    "moving average": ["training.ema_decay=0.9", "training.average_best=3", "training.keep_checkpoints=3"],
    "muon with noise": ["optim=muon", "data.noise={typos: 0.1, case: 0.1, copies: 0.1}", "training.subword_alpha=0.2"],
    "r-drop, accumulated": ["training.r_drop=1", "training.accumulate=2"],
    "held out": ["data.valid=30", "data.test={held: 20}"],
    "separate vocabularies": ["tokenizer.joint=false", "optim=rmsprop", "optim.l1=1e-4", "tokenizer.vocab_size=null"],
    "early stopping": ["training.early_stopping.patience=1", "optim.lr=1e-9"],
    "tags": ["data.language_tags=true", "optim=sgd", "optim.schedule=cosine"],
    "time": ["training.max_steps=null", "training.max_minutes=0.04", "optim.schedule=linear", "optim.warmup_steps=2"],
    "automatic": ["model.d_model=null", "training.valid_every_steps=null", "optim.lr=null", "optim.warmup_steps=null"],
}  # fmt: skip


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    for number, (name, count) in enumerate({"train": 300, "more": 200, "valid": 20}.items()):
        write_pairs(folder / name, toy_pairs(count, number))
    return folder


@pytest.fixture(scope="module")
def base(text, tmp_path_factory):
    run = tmp_path_factory.mktemp("base") / "run"
    ended = faults.run(overrides(text, f"run_dir={run}", *STEPS, "training.keep_checkpoints=2"), run.with_name("log"))
    assert ended.code == 0, ended.err
    return run


def arguments(text, base, folder, way):
    settings = [one.replace("{base}", str(base)).replace("CORPUS", str(text)) for one in WAYS[way]]
    given = {one.partition("=")[0] for one in settings}
    common = [one for one in STEPS if one.partition("=")[0] not in given]
    return overrides(text, f"run_dir={folder}/run", f"data.cache_dir={folder}/cache", *common, *settings)


def contents(run: Path) -> dict[str, object]:
    """Return everything in a run folder that must not depend on interruptions, without times and speeds."""
    found: dict[str, object] = {}
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        if path.name == "SHA256SUMS" or path.name == "train.log" or path.is_dir() or "events" in name:
            continue
        if path.name == "state.json":
            found[name] = {k: v for k, v in json.loads(path.read_text()).items() if k != "minutes"}
        elif path.name == "config.yaml":
            found[name] = path.read_text().replace(str(run.parent), "")
        elif path.name == "metrics.jsonl":
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            for number, row in enumerate(rows):
                found[f"{name}, row {number}"] = {k: v for k, v in row.items() if not k.startswith("speed/")}
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    curves = EventAccumulator(str(run)).Reload()
    for tag in curves.Tags()["scalars"]:
        if "speed/" not in tag:
            found[tag] = {event.step: event.value for event in curves.Scalars(tag)}
    return found


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_training_that_is_killed_again_and_again_ends_as_if_it_had_not_been(text, base, tmp_path, way):
    whole = faults.run(arguments(text, base, tmp_path / "whole", way), tmp_path / "log")
    assert whole.code == 0, whole.err
    expected, times, n_kills = contents(tmp_path / "whole" / "run"), random.Random(way), 0
    for folder in (tmp_path / f"killed-{number}" for number in itertools.count()):
        command, chosen, code = arguments(text, base, folder, way), set(), -9
        while code == -9:
            seconds = times.uniform(0.03, 0.7 * whole.seconds) if n_kills < N_KILLS else None
            ended = faults.run(command, tmp_path / "log", kill_after=seconds)
            code = ended.code
            assert code in (0, -9), ended.err
            n_kills += code == -9
            if (folder / "run" / "config.yaml").exists():
                chosen.add((folder / "run" / "config.yaml").read_text())
        found = contents(folder / "run")
        run = folder / "run"  # in the cache, which other trainings may be writing to, nothing is cleaned up
        assert not [*run.rglob("*.tmp"), *run.rglob(".*.replaced")]
        if way == "automatic":  # what is chosen depends on the speed at the first start, and stays
            assert len(chosen) == 1
        elif way == "time":
            steps = [row["step"] for name, row in found.items() if "metrics" in name and "train/loss" in row]
            assert steps == sorted(set(steps))
        else:
            assert found == expected
        if n_kills >= N_KILLS:
            return


@pytest.fixture(scope="module")
def commands(base, text):
    """The commands that write, as functions of a folder to write to."""
    source = text / "valid.aa"
    return {
        "train": lambda folder: arguments(text, base, folder, "moving average"),
        "translate": lambda folder: ["translate", str(base), "-i", str(source), "-o", f"{folder}/out"],
        "average": lambda folder: ["average", str(base), "--last", "2", "-o", f"{folder}/mean"],
        "report": lambda folder: ["report", str(base), "-o", f"{folder}/page.html"],
        "export": lambda folder: ["export", str(base), "--to", "ctranslate2", f"{folder}/exported"],
        "split": lambda folder: [
            "split",
            f"{text}/train",
            "--src-lang=aa",
            "--tgt-lang=bb",
            "--valid=30",
            "--test=20",
            "-o",
            f"{folder}/parts",
        ],
    }


def check(ended, expected=(1, 2)):
    assert ended.code in expected, ended.err
    assert "Traceback" not in ended.err, ended.err
    assert "Fatal" not in ended.err, ended.err
    assert len(ended.err.splitlines()) >= (ended.code > 0)


KINDS = {
    "full disk": {"code": errno.ENOSPC},
    "no permission": {"code": errno.EACCES, "lasts": False},
    "vanished": {"code": errno.ENOENT, "lasts": False, "of_reading": True},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", ["train", "translate", "average", "report", "export", "split"])
def test_any_write_may_fail(commands, tmp_path, command, kind):
    whole = tmp_path / "whole"
    whole.mkdir()
    counted = faults.run(commands[command](whole), tmp_path / "log", Fault(str(whole), **KINDS[kind], at_call=0))
    assert counted.code == 0, counted.err
    assert counted.n_calls
    for place in sorted({round(1 + (counted.n_calls - 1) * i / (N_PLACES - 1)) for i in range(N_PLACES)}):
        folder = tmp_path / f"at-{place}"
        folder.mkdir()
        ended = faults.run(
            commands[command](folder), tmp_path / "log", Fault(str(folder), **KINDS[kind], at_call=place)
        )
        check(ended, (0, 1, 2))
        if ended.code:  # not if the command went on without a file, or if the fault did not reach it
            check(faults.run(commands[command](folder), tmp_path / "log"), (0,))
        assert_same(folder, whole)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "translate", "average", "report", "export", "split"])
def test_files_may_be_cut_at_any_size(commands, tmp_path, command):
    whole = tmp_path / "whole"
    whole.mkdir()
    assert faults.run(commands[command](whole), tmp_path / "log").code == 0
    for power in range(0, 19, 6 if N_KILLS < 10 else 1):
        folder = tmp_path / f"at-{power}"
        folder.mkdir()
        ended = faults.run(commands[command](folder), tmp_path / "log", Fault("/none", max_bytes=2**power))
        check(ended, (0, 1, 2))
        if ended.code:
            check(faults.run(commands[command](folder), tmp_path / "log"), (0,))
        assert_same(folder, whole)


def assert_same(folder: Path, whole: Path) -> None:
    """Check that a command has made the same in both folders, and left nothing else."""
    if (whole / "run").exists():
        assert contents(folder / "run") == contents(whole / "run")
        return
    names = [sorted(str(path.relative_to(one)) for path in one.rglob("*")) for one in (folder, whole)]
    assert names[0] == names[1]
    for name in names[0]:
        if (whole / name).is_file() and not name.endswith((".html", "SHA256SUMS")):
            assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
