"""TensorBoard's own server, started on a run, gives back through HTTP what training has written."""

import json
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest
from conftest import overrides


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

        def fetch(path: str, **query: str) -> bytes:
            url = f"http://127.0.0.1:{port}/data/{path}?{urllib.parse.urlencode(query)}"
            with urllib.request.urlopen(url, timeout=20) as answer:
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


def test_what_training_wrote_comes_back(get):
    (name,) = json.loads(get("runs"))
    assert name == "mine/tensorboard"
    tags = set(json.loads(get("plugin/scalars/tags"))[name])
    assert tags >= {
        "train/loss",
        "train/nll",
        "train/perplexity",
        "train/learning_rate",
        "train/gradient_norm",
        "speed/target_tokens_per_second",
        "speed/padding_share",
        "valid/loss",
        "valid/perplexity",
        "valid/bleu",
        "valid/chrf",
        "test/test_bleu",
        "test/test_chrf",
    }
    points = json.loads(get("plugin/scalars/scalars", run=name, tag="train/loss"))
    assert [point[1] for point in points] == [
        2,
        3,
        4,
        6,
        8,
        9,
        10,
        12,
    ]  # each 2 steps and before each validation; no gap or repeat where it was resumed
    points = json.loads(get("plugin/scalars/scalars", run=name, tag="valid/bleu"))
    assert [point[1] for point in points] == [3, 6, 9, 12]
    (text_tag,) = json.loads(get("plugin/text/tags"))[name]
    table = get("plugin/text/text", run=name, tag=text_tag).decode()
    assert "reference" in table
    assert table.count("tr>") // 2 > 8
    images = json.loads(get("plugin/images/tags"))[name]
    (image_tag,) = images
    entries = json.loads(get("plugin/images/images", run=name, tag=image_tag, sample="0"))
    picture = get(f"plugin/images/individualImage?{entries[-1]['query']}#")
    assert picture.startswith(b"\x89PNG")
    assert "hparams" in json.loads(get("plugins_listing"))


def test_pictures_have_chinese_glyphs(recwarn):
    """matplotlib warns of each glyph that no font has."""
    import io

    import torch

    from mt.plotting import draw_attention

    figure = draw_attention(torch.eye(3), ["我▁", "昨天", "</s>"], ["▁Yesterday", "naïve", "们"])
    figure.savefig(io.BytesIO(), format="png")
    assert not [w for w in recwarn if "Glyph" in str(w.message)]
