"""TensorBoard's own server returns through HTTP what training has written."""

import gzip
import json
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest
from conftest import overrides

from mt.training.tracking import FIRST_COLUMNS

ALL_SESSIONS = {"startIndex": 0, "sliceSize": 10, "allowedStatuses": ["STATUS_SUCCESS"], "colParams": []}


@pytest.fixture
def run(corpus, tmp_path, mt):
    """A run that was interrupted by its limit and resumed."""
    for steps in (6, 12):
        arguments = overrides(
            corpus,
            f"run_dir={tmp_path}/runs/mine",
            f"training.max_steps={steps}",
            "training.valid_every_steps=3",
            "training.log_every_steps=2",
        )
        assert mt(*arguments).code == 0
    return tmp_path / "runs" / "mine"


@pytest.fixture
def get(run):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        "--logdir",
        run.parent,
        "--port",
        str(port),
        "--load_fast=false",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:

        def fetch(path: str, body: dict | None = None, **query: str) -> bytes:
            url = f"http://127.0.0.1:{port}/data/{path}?{urllib.parse.urlencode(query)}"
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.read()

        end = time.monotonic() + 60
        while True:
            try:
                if json.loads(fetch("plugin/scalars/tags")):
                    break
            except OSError:
                pass
            assert time.monotonic() < end
            time.sleep(0.3)
        yield fetch
        server.kill()


def test_curves_tables_and_pictures(get):
    (name,) = json.loads(get("runs"))
    assert name == "mine"
    tags = set(json.loads(get("plugin/scalars/tags"))[name])
    assert tags >= {
        "1_training/loss",
        "1_training/nll",
        "1_training/perplexity",
        "1_training/learning_rate",
        "1_training/gradient_norm",
        "2_validation/loss",
        "2_validation/perplexity",
        "2_validation/bleu",
        "2_validation/chrf",
        "3_final/test_bleu",
        "3_final/test_chrf",
        "3_final/best_valid_bleu",
        "4_speed/target_tokens_per_second",
        "4_speed/padding_share",
    }
    points = json.loads(get("plugin/scalars/scalars", run=name, tag="1_training/loss"))
    assert [point[1] for point in points] == [
        2,
        3,
        4,
        6,
        8,
        9,
        10,
        12,
    ]  # every 2 steps and before each validation, without gap or repetition at the resume
    points = json.loads(get("plugin/scalars/scalars", run=name, tag="2_validation/bleu"))
    assert [point[1] for point in points] == [3, 6, 9, 12]
    layout = json.loads(get("plugin/custom_scalars/layout"))
    first = layout["category"][0]
    assert first["title"] == "Training beside validation"
    for category in layout["category"]:  # every chart finds curves
        for chart in category["chart"]:
            for pattern in chart["multiline"]["tag"]:
                assert any(re.search(pattern, tag) for tag in tags), pattern
    text_tags = json.loads(get("plugin/text/tags"))[name]
    (text_tag,) = [tag for tag in text_tags if "sample translations" in tag]
    table = get("plugin/text/text", run=name, tag=text_tag).decode()
    assert "reference" in table
    assert table.count("tr>") // 2 > 8
    images = json.loads(get("plugin/images/tags"))[name]
    (image_tag,) = images
    entries = json.loads(get("plugin/images/images", run=name, tag=image_tag, sample="0"))
    picture = get(f"plugin/images/individualImage?{entries[-1]['query']}#")
    assert picture.startswith(b"\x89PNG")
    (projected,) = json.loads(get("plugin/projector/info", run=name))["embeddings"]
    table = get("plugin/projector/metadata", run=name, name=projected["tensorName"]).decode().rstrip("\n")
    header, *rows = [line.split("\t") for line in table.split("\n")]
    assert header == ["piece", "language"]
    assert projected["tensorShape"] == [len(rows), 32]
    assert dict(rows)["▁hu"] == "aa"
    assert dict(rows)["▁HU"] == "bb"


def test_a_run_of_an_earlier_version_keeps_its_folder(run, corpus, mt):
    (run / "tensorboard").mkdir(exist_ok=True)
    for file in run.glob("events.*"):
        file.rename(run / "tensorboard" / file.name)
    outcome = mt(*overrides(corpus, f"run_dir={run}", "training.max_steps=14", "training.valid_every_steps=3"))
    assert outcome.code == 0, outcome.err
    assert not list(run.glob("events.*"))
    assert len(list((run / "tensorboard").glob("events.*"))) >= 2


def test_the_table_of_hyperparameters_names_runs_and_ends_with_scores(get, run):
    (row,) = json.loads(get("plugin/hparams/session_groups", body=ALL_SESSIONS))["sessionGroups"]
    assert row["name"] == "mine"
    assert row["hparams"]["optim.lr"] == 0.001
    found = {value["name"]["tag"]: value["value"] for value in row["metricValues"]}
    scores = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines() if "test/test_bleu" in line]
    assert found["3_final/test_bleu"] == pytest.approx(scores[-1]["test/test_bleu"])
    columns = json.loads(get("plugin/hparams/experiment", body={"experimentName": ""}))["hparamInfos"]
    assert [column["name"] for column in columns[:5]] == sorted(FIRST_COLUMNS)


def test_steps_are_profiled_on_request(corpus, tmp_path, mt):
    short = ["training.max_steps=13", "training.valid_every_steps=13"]
    assert mt(*overrides(corpus, f"run_dir={tmp_path}/run", *short, "training.profile_steps=2")).code == 0
    with gzip.open(tmp_path / "run" / "profile" / "trace.json.gz") as file:
        events = json.load(file)["traceEvents"]
    assert sum(event.get("name", "").startswith("ProfilerStep#") and event.get("ph") == "X" for event in events) >= 2
    assert "aten::addmm" in (tmp_path / "run" / "profile" / "operations.txt").read_text()


@pytest.mark.parametrize("n_steps", [3, 11])
def test_a_training_that_is_too_short_for_its_profile_is_named(corpus, tmp_path, mt, n_steps):
    short = [f"training.max_steps={n_steps}", f"training.valid_every_steps={n_steps}"]
    outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/run", *short, "training.profile_steps=2"))
    assert outcome.code == 0
    assert "training.profile_steps=2 needs 12 steps" in outcome.err


def test_pictures_have_chinese_glyphs(recwarn):
    """matplotlib warns about every glyph that no font has."""
    import io

    import torch

    from mt.display.plotting import draw_attention

    figure = draw_attention(torch.eye(3), ["我▁", "昨天", "</s>"], ["▁Yesterday", "naïve", "们"])
    figure.savefig(io.BytesIO(), format="png")
    assert not [w for w in recwarn if "Glyph" in str(w.message)]
