"""What SECURITY.md promises: a model folder from a stranger is data, whatever it contains."""

import json
import os
import pickle
import shutil
import struct
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from mt.config.file import load_config


@pytest.fixture
def folder(run_folder, tmp_path):
    """A copy of the toy run, to be changed by an attacker."""
    copy = tmp_path / "stranger"
    shutil.copytree(run_folder, copy, ignore=shutil.ignore_patterns("checkpoints", "tensorboard"))
    return copy


def change(folder: Path, **values) -> None:
    """Set dotted keys (with __ for the dots) of config.yaml."""
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    for key, value in values.items():
        *sections, name = key.split("__")
        section = config
        for part in sections:
            section = section[part]
        section[name] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")


def refuse(outcome, *words):
    assert outcome.code == 2, outcome
    assert outcome.err.startswith("mt: ") or "\nmt: " in outcome.err, outcome.err
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err


class Bomb:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch exploded",)


COMMANDS = (("translate", "ba de"), ("evaluate",), ("report",), ("explain", "ba de"))


@pytest.fixture(params=COMMANDS, ids=[command[0] for command in COMMANDS])
def use(request, mt):
    """Use a folder with one of the commands."""
    command, *rest = request.param
    return lambda folder: mt(command, folder, *rest)


@pytest.mark.parametrize("value", ["/../../../victim/.bashrc", "../x", "a/b", "", "a b", "a\x00b"])
@pytest.mark.parametrize("key", ["data__tgt_lang", "data__src_lang"])
def test_a_language_is_no_path(folder, mt, tmp_path, key, value):
    change(folder, **{key: value})
    refuse(mt("evaluate", folder), key.replace("__", "."), "plain word")
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("name", ["../x", "/etc/x", "..", "a/b", ".x"])
def test_the_name_of_a_test_set_is_no_path(folder, use, name):
    change(folder, data__test={name: "x"})
    refuse(use(folder), "plain name")


@pytest.mark.parametrize("command", [["evaluate"], ["evaluate", "--stress"], ["report"]])
def test_a_link_does_not_lead_out_of_the_folder(folder, mt, tmp_path, command):
    victim = tmp_path / "victim"
    victim.mkdir()
    shutil.rmtree(folder / "translations")
    (folder / "translations").symlink_to(victim)
    refuse(mt(command[0], folder, *command[1:]), "lies outside of")
    assert not any(victim.iterdir())


def test_a_linked_file_is_replaced_and_not_what_it_points_to(folder, mt, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in ("report.html", "translations/test.bb"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(victim)
    assert mt("report", folder).code == 0
    assert victim.read_text() == "mine"


def test_the_cache_of_a_folder_is_not_used(folder, mt, tmp_path):
    change(folder, data__cache_dir=str(tmp_path / "victim"))
    assert mt("evaluate", folder).code == 0
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize(
    "source", ["pkg://evil/x", "pkg://mt.demo/../../x", "pkg://mt.demo/a/b", "pkg://mt/demo/x", "pkg://"]
)
def test_no_package_is_imported(folder, mt, tmp_path, monkeypatch, source):
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    change(folder, data__test={"x": source})
    refuse(mt("evaluate", folder), "only the demo corpus comes with the program")
    assert "evil" not in sys.modules


@pytest.mark.parametrize("spelling", ["${oc.env:SECRET}", "\\x24{oc.env:SECRET}", "\\u0024\\x7boc.env:SECRET}"])
@pytest.mark.parametrize("place", [
    {"data__train": "ATTACK"}, {"data__test": {"x": "ATTACK"}}, {"data__test": {"ATTACK": "x"}}, {"name": "ATTACK"},
    {"search__forbidden": ["ATTACK"]},
])  # fmt: skip
def test_the_environment_stays_secret(folder, use, monkeypatch, spelling, place):
    monkeypatch.setenv("SECRET", "s3cret")
    change(folder, **place)
    text = (folder / "config.yaml").read_text(encoding="utf-8")
    (folder / "config.yaml").write_text(text.replace("ATTACK", f'"hub:x/{spelling}"'), encoding="utf-8")
    outcome = use(folder)
    refuse(outcome)
    assert "s3cret" not in outcome.err


@pytest.mark.parametrize("text", [
    "_target_: os.system", "!!python/object/apply:os.system [id]", "a: &a [x]\nb: *a", "[" * 5000, "a: " + "[" * 5000,
    "seed: " + "1" * 5000, "name: 2024-13-45", "name: 2024-01-01", "seed: !!int abc", "name: !!binary aGk=",
    'data: {src_lang: aa, tgt_lang: bb, train: x, valid: x, columns: !!pairs [ "${oc.env:HOME}": "x" ]}',
    "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]", "\x00", "- 1", "", "data: {src_lang: 1", "name: ${name}",
])  # fmt: skip
def test_a_configuration_is_plain_data(folder, use, text):
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    refuse(use(folder), "config.yaml")


@pytest.mark.parametrize(("key", "value"), [
    ("model__d_model", 10**9), ("model__d_ff", 10**9), ("model__n_encoder_layers", 10**6),
    ("model__n_decoder_layers", 10**6), ("model__n_encoder_layers", 2), ("search__beam_size", 10**7),
    ("search__max_len_offset", 10**9), ("search__max_len_ratio", 1e9), ("search__n_samples", 10**9),
    ("search__max_tokens", 10**12), ("data__max_len", 10**9), ("data__part_len", 10**12),
])  # fmt: skip
def test_sizes_have_bounds(folder, mt, key, value):
    """A second would not suffice to build what is asked for."""
    change(folder, **{key: value})
    if key == "model__d_model":
        change(folder, model__n_heads=1)
    started = time.monotonic()
    outcome = mt("translate", folder, "ba de")
    assert time.monotonic() - started < 60
    if key != "data__part_len":  # which is no more than data.max_len
        refuse(outcome)


def test_empty_tensors_stand_for_no_large_ones(folder, mt):
    size = 1 << 20
    tensors = load_file(folder / "model.safetensors")
    for name, tensor in tensors.items():
        if name.endswith(".tokens.weight"):
            tensors[name] = torch.zeros(0, size)
        elif name.endswith("feed_forward.hidden.weight"):
            tensors[name] = torch.zeros(size, 0)
        else:
            tensors[name] = tensor
    save_file(tensors, folder / "model.safetensors")
    change(folder, model__d_model=size, model__d_ff=size)
    (folder / "SHA256SUMS").unlink(missing_ok=True)
    refuse(mt("translate", folder, "ba de"), "does not fit")


@pytest.mark.parametrize("source", ["hub:pandas", "hub:csv", "hub:json@x", "hub:text:a:b"])
def test_the_hub_is_asked_for_data_alone(folder, mt, tmp_path, monkeypatch, source):
    """Such a name would stand for a program of the datasets library that reads the working folder."""
    (tmp_path / "test.pkl").write_bytes(pickle.dumps(Bomb()))
    monkeypatch.chdir(tmp_path)
    change(folder, data__test={"x": source})
    refuse(mt("evaluate", folder), "give OWNER/NAME")
    (tmp_path / source[4:].split(":")[0].split("@")[0]).mkdir()
    mt("evaluate", folder)
    assert not (tmp_path / "exploded").exists()


def test_no_link_waits_for_a_temporary_file(folder, mt, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for number in range(max(1, os.getpid() - 5), os.getpid() + 6):
        (folder / "translations" / f".test.bb.{number}.tmp").symlink_to(victim)
    (tmp_path / ".out.lock").symlink_to(victim)
    (tmp_path / "in").write_text("ba de\n")
    assert mt("evaluate", folder).code == 0
    refuse(mt("translate", folder, "--input", tmp_path / "in", "--output", tmp_path / "out"), "is a link")
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("name", ["config.yaml", "tokenizer.model", "model.safetensors"])
@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "huge"])
def test_files_are_regular_and_not_too_large(folder, mt, name, kind):
    (folder / name).unlink()
    if kind == "fifo":
        os.mkfifo(folder / name)
    elif kind == "device":
        (folder / name).symlink_to("/dev/zero")
    elif kind == "folder":
        (folder / name).mkdir()
    else:
        with open(folder / name, "wb") as file:
            file.truncate(1 << 36)  # a sparse file
    refuse(mt("translate", folder, "ba de"), name)


@pytest.mark.parametrize("name", ["metrics.jsonl", "train.log"])
@pytest.mark.parametrize("kind", ["pipe", "endless", "nested"])
def test_logs_and_curves_are_files_of_bounded_size(folder, mt, name, kind):
    (folder / name).unlink()
    if kind == "pipe":
        os.mkfifo(folder / name)
    elif kind == "endless":
        (folder / name).symlink_to("/dev/zero")
    else:
        (folder / name).write_text('{"step": 5, "a": ' + "[" * 50_000 + "]" * 50_000 + "}\n")
    outcome = mt("report", folder)
    if kind == "nested":
        assert outcome.code == 0
    else:
        refuse(outcome, name)


HEADER = b'{"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'


@pytest.mark.parametrize("content", [
    b"", b"\x00" * 8, struct.pack("<Q", 1 << 62) + b"{}", struct.pack("<Q", len(HEADER)) + HEADER,
    struct.pack("<Q", len(HEADER)) + HEADER + b"\0" * 8, struct.pack("<Q", 4) + b"[[[[" , struct.pack("<Q", 2) + b"{}",
    struct.pack("<Q", 65) + b'{"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]}}   ' + b"\0" * 8,
])  # fmt: skip
def test_malformed_weights_are_refused(folder, mt, content):
    (folder / "model.safetensors").write_bytes(content)
    refuse(mt("translate", folder, "ba de"), "model.safetensors")


def test_no_file_is_unpickled(folder, use, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bomb = pickle.dumps(Bomb())
    for name in ("model.safetensors", "tokenizer.model", "config.yaml", "metrics.jsonl", "train.log"):
        original = (folder / name).read_bytes()
        (folder / name).write_bytes(bomb)
        use(folder)
        (folder / name).write_bytes(original)
    for name in ("model.pt", "pytorch_model.bin", "optimizer.pt"):
        (folder / name).write_bytes(bomb)
    use(folder)
    assert not (tmp_path / "exploded").exists()


def test_an_imported_model_runs_no_code(mt, tmp_path, monkeypatch):
    """transformers would ask whether to run the code that `auto_map` names; a script would wait for the answer."""
    pytest.importorskip("transformers")
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "model"
    model.mkdir()
    for name in ("source.spm", "target.spm", "vocab.json"):
        (model / name).write_text("{}")
    settings = {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil"}}
    (model / "config.json").write_text(json.dumps(settings))
    (model / "evil.py").write_text("open('exploded', 'w')")
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    refuse(mt("import", model, tmp_path / "run"))
    assert not (tmp_path / "exploded").exists()


ENTITIES = {
    "XXE": '<!ENTITY x SYSTEM "{secret}">',
    "billion laughs": '<!ENTITY a "ha">' + "".join(f'<!ENTITY {b} "{99 * f"&{a};"}">' for a, b in pairwise("abcdx")),
}


@pytest.mark.parametrize("entities", ENTITIES.values(), ids=ENTITIES)
def test_entities_of_a_translation_memory(mt, run_folder, tmp_path, entities):
    pytest.importorskip("translate")
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    unit = '<tu><tuv xml:lang="aa"><seg>&x; ba</seg></tuv><tuv xml:lang="bb"><seg>&x; BA</seg></tuv></tu>'
    body = f'<tmx version="1.4"><header srclang="aa"/><body>{unit}</body></tmx>'
    (tmp_path / "x.tmx").write_text(
        f'<?xml version="1.0"?><!DOCTYPE tmx [{entities.format(secret=secret.as_uri())}]>{body}'
    )
    outcome = mt("evaluate", run_folder, "--test", f"x={tmp_path}/x.tmx", "--worst", 5)
    assert "s3cret" not in outcome.out + outcome.err
    assert len(outcome.out) < 10**6  # not expanded


def test_sentences_are_text_in_pages(mt, folder, tmp_path):
    attack = "<script>alert(1)</script> \" onload='x' ba"
    for lang in ("aa", "bb"):
        (tmp_path / f"t.{lang}").write_text(f"{attack}\n" * 3, encoding="utf-8")
    change(folder, data__test={"t": str(tmp_path / "t")}, name="<script>alert(2)</script>")
    assert mt("report", folder).code == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert mt("explain", folder, attack, "--html", tmp_path / "e.html").code == 0
    assert "<script>alert" not in (tmp_path / "e.html").read_text(encoding="utf-8")


def test_what_mt_writes_it_reads(run_folder):
    load_config(run_folder / "config.yaml")
