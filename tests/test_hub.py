"""Models on the Hugging Face Hub: `mt push`, and `hub:OWNER/NAME` where a run is meant, with a stand-in for the Hub."""

import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
import yaml
from hub_stand_in import TOKEN, Hub

SENTENCE = "b d f"


@pytest.fixture
def hub():
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def mt_with_hub(hub, tmp_path):
    """Run mt in a process that knows no other Hub, and no login but the given token."""

    def run(*arguments, token=TOKEN, **environment):
        known = {
            **os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": token,
            "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_ETAG_TIMEOUT": "5", **environment,
        }  # fmt: skip
        outcome = subprocess.run(
            [sys.executable, "-m", "mt", *map(str, arguments)],
            capture_output=True, text=True, timeout=120, env=known, check=False,
        )  # fmt: skip
        return SimpleNamespace(code=outcome.returncode, out=outcome.stdout, err=outcome.stderr)

    return run


@pytest.fixture
def pushed(mt, mt_with_hub, copy_of_run):
    """A run whose card and model are on the Hub, and what `mt push` printed."""
    assert mt("card", copy_of_run, "--license", "cc-by-4.0").code == 0
    outcome = mt_with_hub("push", copy_of_run, "hub:we/toy")
    assert outcome.code == 0, outcome.err
    return SimpleNamespace(run=copy_of_run, out=outcome.out, err=outcome.err, commit=outcome.out.split("@")[1].strip())


def test_a_model_is_pushed_and_used_elsewhere(pushed, hub, mt_with_hub):
    here = mt_with_hub("translate", pushed.run, SENTENCE)
    there = mt_with_hub("translate", "hub:we/toy", SENTENCE)
    assert there.code == 0, there.err
    assert there.out == here.out != ""
    assert f"hub:we/toy@{pushed.commit}" in there.err
    assert hub.repositories["we/toy"].private
    assert set(hub.repositories["we/toy"].commits[pushed.commit]) == {
        "config.yaml", "model.safetensors", "tokenizer.model", "README.md", "SHA256SUMS",
    }  # fmt: skip


def test_what_is_pushed_names_no_folder_of_this_machine(pushed, hub, corpus):
    files = hub.repositories["we/toy"].commits[pushed.commit]
    for name in ("config.yaml", "README.md"):
        text = files[name].decode()
        for folder in (corpus, pushed.run, os.path.expanduser("~") + "/"):
            assert str(folder) not in text
    config = yaml.safe_load(files["config.yaml"])
    assert (config["data"]["train"], config["data"]["test"]) == ("train", {"test": "valid"})
    assert [start["command"] for start in config["record"]] == [""]
    assert config["record"][0]["inputs"]["data.train"]


def test_revisions(pushed, hub, mt_with_hub):
    """A commit stays what it was; a branch moves; what is in the cache needs no network."""
    first = mt_with_hub("translate", f"hub:we/toy@{pushed.commit}", SENTENCE).out
    assert mt_with_hub("push", pushed.run, "hub:we/toy", "--message", "again").code == 0
    assert hub.repositories["we/toy"].messages[-1] == "again"
    moved = mt_with_hub("translate", "hub:we/toy", SENTENCE)
    assert f"@{list(hub.repositories['we/toy'].commits)[-1]}" in moved.err
    hub.requests.clear()
    pinned = mt_with_hub("translate", f"hub:we/toy@{pushed.commit}", SENTENCE)
    assert (pinned.out, hub.requests) == (first, [])
    hub.repositories.clear()
    hub.server_close()  # no network
    for address in (f"hub:we/toy@{pushed.commit}", "hub:we/toy"):
        assert mt_with_hub("translate", address, SENTENCE).out == first


def test_an_interrupted_download_is_completed(pushed, mt_with_hub, tmp_path):
    address = f"hub:we/toy@{pushed.commit}"
    whole = mt_with_hub("translate", address, SENTENCE)
    (weights,) = (tmp_path / "hf").rglob(f"snapshots/{pushed.commit}/model.safetensors")
    weights.unlink()
    assert mt_with_hub("translate", address, SENTENCE).out == whole.out != ""


@pytest.mark.slow
def test_other_commands_take_an_address(pushed, mt_with_hub, corpus):
    scored = mt_with_hub("evaluate", "hub:we/toy", "--test", f"own={corpus}/valid")
    assert "BLEU" in scored.out, scored.err
    missing = mt_with_hub("evaluate", "hub:we/toy")
    assert missing.code == 2
    assert "test" in missing.err


@pytest.mark.slow
def test_dry_run_and_public_exports(mt, mt_with_hub, hub, copy_of_run):
    assert mt("card", copy_of_run).code == 0
    formats = ("--export", "huggingface", "ctranslate2")
    shown = mt_with_hub("push", copy_of_run, "hub:we/toy", "--dry-run", *formats)
    assert shown.code == 0, shown.err
    assert "ctranslate2/model.bin" in shown.err
    assert "states no licence" in shown.err
    assert "private" in shown.out
    assert hub.requests == []
    assert mt_with_hub("push", copy_of_run, "hub:we/toy", "--public", *formats).code == 0
    repository = hub.repositories["we/toy"]
    assert not repository.private
    files = list(repository.commits.values())[-1]
    assert {"huggingface/config.json", "huggingface/model.safetensors", "ctranslate2/model.bin"} <= set(files)
    assert mt_with_hub("translate", "hub:we/toy", SENTENCE, token="").code == 0  # everybody may see it


@pytest.mark.slow
def test_what_goes_wrong_is_said(pushed, hub, mt_with_hub, run_folder, tmp_path):
    cases = [
        (("translate", "hub:we/other", SENTENCE), {}, "there is no such model"),
        (("translate", "hub:we/toy", SENTENCE), {"token": ""}, "you are not logged in"),
        (("translate", "hub:we/toy@none", SENTENCE), {}, "no revision none"),
        (("translate", "hub:toy", SENTENCE), {}, "give hub:OWNER/NAME"),
        (("translate", "hub:we/..", SENTENCE), {}, "hub:we/.."),
        (("translate", "hub:we/new", SENTENCE), {"HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot be reached"),
        (("push", pushed.run, "hub:we/toy"), {"token": ""}, "hf auth login"),
        (("push", pushed.run, "hub:we/toy@main"), {}, "omit @main"),
        (("push", pushed.run, "we/toy"), {}, "give hub:OWNER/NAME"),
        (("push", pushed.run, "hub:we/..", "--dry-run"), {}, "give hub:OWNER/NAME"),
        (("push", pushed.run, "hub:we/toy"), {"HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot be reached"),
        (("push", run_folder, "hub:we/toy"), {}, "mt card"),
    ]
    n_commits = len(hub.repositories["we/toy"].commits)
    for number, (arguments, options, message) in enumerate(cases):
        outcome = mt_with_hub(*arguments, **{"HF_HOME": str(tmp_path / f"hf{number}"), **options})
        assert outcome.code == 2, (arguments, outcome.err)
        assert message in outcome.err, (arguments, outcome.err)
        assert "Traceback" not in outcome.err
    assert len(hub.repositories["we/toy"].commits) == n_commits


def test_a_damaged_model_is_not_pushed(pushed, hub, mt_with_hub):
    weights = pushed.run / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    outcome = mt_with_hub("push", pushed.run, "hub:we/toy")
    assert outcome.code == 2
    assert "model.safetensors is damaged" in outcome.err
    assert len(hub.repositories["we/toy"].commits) == 2
