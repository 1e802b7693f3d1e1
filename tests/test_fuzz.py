"""Damaged corpora and run folders, odd configurations, odd text: each ends in a result or in a message.

FUZZ is the number of cases; 100,000 take about an hour.
"""

import bz2
import gzip
import json
import lzma
import math
import os
import random
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Union, get_args, get_origin, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from omegaconf import OmegaConf
from safetensors.torch import load_file, save_file

from mt.config.file import load_config
from mt.config.schema import Config
from mt.data.context import SourceContext
from mt.data.sources import open_text
from mt.errors import UserError

N_CASES = int(os.environ.get("FUZZ", "3000"))
SENTENCES = [f"ba de {number}" for number in range(60)]
TSV = "".join(f"{line}\t{line.upper()}\n" for line in SENTENCES).encode()
JSONL = "".join(json.dumps({"aa": line, "bb": line.upper()}) + "\n" for line in SENTENCES).encode()
UNITS = "".join(
    f'<tu><tuv xml:lang="aa"><seg>{line}</seg></tuv><tuv xml:lang="bb"><seg>{line.upper()}</seg></tuv></tu>'
    for line in SENTENCES
)
TMX = f'<?xml version="1.0"?><tmx version="1.4"><header srclang="aa"/><body>{UNITS}</body></tmx>'.encode()
TRANSLATED = "".join(
    f'<trans-unit id="{line}"><source>{line}</source><target>{line.upper()}</target></trans-unit>' for line in SENTENCES
)
XLIFF = (
    '<?xml version="1.0"?><xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2"><file '
    'source-language="aa" target-language="bb" datatype="plaintext" original="x"><body>'
    f"{TRANSLATED}</body></file></xliff>"
).encode()


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"aa": SENTENCES, "bb": [line.upper() for line in SENTENCES]}), sink)
    return bytes(sink.getvalue())


FORMATS = {
    "x.tsv": TSV, "x.tsv.gz": gzip.compress(TSV), "x.tsv.bz2": bz2.compress(TSV), "x.tsv.xz": lzma.compress(TSV),
    "x.jsonl": JSONL, "x.jsonl.gz": gzip.compress(JSONL), "x.tmx": TMX, "x.xlf": XLIFF, "x.parquet": parquet(),
}  # fmt: skip


def damage(content: bytes, r: random.Random) -> bytes:
    """Change, cut, insert or delete some bytes."""
    damaged = bytearray(content)
    for _ in range(r.choice([1, 1, 2, 8])):
        place = r.randrange(len(damaged) + 1)
        match r.randrange(4):
            case 0:
                damaged[place : place + 1] = bytes([r.randrange(256)])
            case 1:
                del damaged[place:]
            case 2:
                damaged[place:place] = r.randbytes(r.randrange(9))
            case 3:
                del damaged[place : place + r.randrange(30)]
    return bytes(damaged)


def read(path: Path) -> list[tuple[str, str]]:
    return list(open_text([str(path)], SourceContext("data.train", "train", "aa", "bb", path.parent / "cache")).read())


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files(name, tmp_path):
    if name.endswith((".tmx", ".xlf")):
        pytest.importorskip("translate")
    r = random.Random(5)
    n_refused = 0
    for number in range(max(60, N_CASES // 20)):
        path = tmp_path / f"{number}-{name}"
        path.write_bytes(damage(FORMATS[name], r) if number else FORMATS[name])
        try:
            assert all(isinstance(side, str) for pair in read(path) for side in pair)
        except UserError:
            assert number, "the undamaged file is refused"
            n_refused += 1
    assert n_refused


@pytest.mark.parametrize("line", [
    r'{"aa": "\ud800", "bb": "x"}', "[" * 100_000, '{"aa": ' * 50_000, '{"aa": 1e999, "bb": "x"}', '{"aa": null}',
    "null", '{"aa": "x"}', "\x00", '"aa"', "NaN",
])  # fmt: skip
def test_odd_rows(line, tmp_path):
    (tmp_path / "x.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"x\.jsonl"):
        read(tmp_path / "x.jsonl")


TEXTS = ["", " ", "a", "zh", "a/b", "../x", "\x00", "ü" * 300, "${oc.env:HOME}", "null", "1", "-", "a b", "\U0001f600"]
NUMBERS = [0, 1, -1, 2, 3, 7, 64, 100, 10**6, 2**31, 10**18, -(10**9)]
FRACTIONS = [0.0, 1.0, -0.1, 0.5, 0.9999, 1e-9, 1e9, 1e300, math.nan, math.inf, -math.inf]


def draw(kind, r: random.Random):
    """Draw a value of a type, an odd one as often as not."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return draw(parts[0], r)
    if origin in (Union, UnionType):
        return draw(r.choice(parts), r)
    if origin is list:
        return [draw(parts[0], r) for _ in range(r.choice([0, 1, 1, 3]))]
    if origin is dict:
        return {r.choice(TEXTS): draw(parts[1], r) for _ in range(r.choice([0, 1, 2]))}
    if is_dataclass(kind):
        return changed(kind(), r)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return r.choice(list(kind))
    by_type = {bool: [True, False], int: NUMBERS, float: [*FRACTIONS, *map(float, NUMBERS)], str: TEXTS}
    return None if kind is type(None) else r.choice(by_type.get(kind, [*TEXTS, *NUMBERS, [], {}, ["a"], {"a": "b"}]))


def changed(config, r: random.Random):
    """Return a configuration with some fields drawn anew."""
    types = get_type_hints(type(config))
    names = [one.name for one in fields(config)]
    return replace(config, **{name: draw(types[name], r) for name in r.sample(names, r.randint(0, min(4, len(names))))})


def test_any_configuration_is_accepted_or_refused_in_words():
    r = random.Random(7)
    n_refused = 0
    for _ in range(N_CASES):
        try:
            changed(Config(), r)
        except UserError:
            n_refused += 1
    assert 0 < n_refused < N_CASES


def test_any_configuration_file_is_accepted_or_refused_in_words(tmp_path):
    r = random.Random(8)
    values = yaml.safe_load(OmegaConf.to_yaml(OmegaConf.structured(Config())))
    path = tmp_path / "config.yaml"
    for _ in range(N_CASES // 20):
        section = r.choice(list(values))
        odd = r.choice([*TEXTS, *NUMBERS, *FRACTIONS, None, [], {}, ["a"], {"a": {"b": 1}}, True])
        if isinstance(values[section], dict) and r.random() < 0.9:
            written = values | {section: values[section] | {r.choice(list(values[section])): odd}}
        else:
            written = values | {section: odd}
        path.write_text(yaml.safe_dump(written, allow_unicode=True), encoding="utf-8")
        with suppress(UserError):
            load_config(path)


def test_a_column_whose_name_is_not_utf8(tmp_path):
    (tmp_path / "x.parquet").write_bytes(parquet().replace(b"aa", b"a\x95"))
    with pytest.raises(UserError, match=r"x\.parquet"):
        read(tmp_path / "x.parquet")


@pytest.mark.parametrize("key", ["src_lang", "valid", "train"])
def test_a_configuration_without_a_required_value(mt, copy_of_run, key):
    lines = (copy_of_run / "config.yaml").read_text().splitlines()
    (copy_of_run / "config.yaml").write_text("\n".join(line for line in lines if not line.startswith(f"  {key}:")))
    outcome = mt("translate", copy_of_run, "ba")
    assert outcome.code == 2
    assert f"missing mandatory value: {key}" in outcome.err


@pytest.mark.parametrize("value", [math.nan, 3e38])
@pytest.mark.parametrize("beam_size", [1, 5])
def test_weights_that_are_not_finite(mt, copy_of_run, value, beam_size):
    weights = load_file(copy_of_run / "model.safetensors")
    weights["encoder_norm.weight"][:] = value
    save_file(weights, copy_of_run / "model.safetensors")
    (copy_of_run / "SHA256SUMS").unlink()
    outcome = mt("translate", copy_of_run, "ba", "--beam-size", beam_size)
    assert outcome.code == 2
    reason = "holds numbers that are not finite" if math.isnan(value) else "gives no finite probabilities"
    assert reason in outcome.err


DAMAGED = ["config.yaml", "tokenizer.model", "model.safetensors", "metrics.jsonl", "train.log", "translations/test.bb"]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["translate", "evaluate", "report", "score", "explain"])
def test_damaged_run_folders(mt, copy_of_run, corpus, tmp_path, command):
    texts = [f"{corpus}/valid.aa", f"{corpus}/valid.bb"]
    more = {"translate": ["ba de"], "evaluate": ["--samples", 0], "report": ["-o", tmp_path / "page.html"],
            "score": texts, "explain": ["ba de"]}[command]  # fmt: skip
    r = random.Random(command)
    for _ in range(max(8, N_CASES // 200)):
        file = copy_of_run / r.choice(DAMAGED)
        sound = file.read_bytes()
        file.write_bytes(damage(sound, r))
        if r.random() < 0.5:  # as somebody who wants to do harm would
            (copy_of_run / "SHA256SUMS").unlink(missing_ok=True)
        outcome = mt(command, copy_of_run, *more)
        assert outcome.code in (0, 1, 2)
        file.write_bytes(sound)


@pytest.mark.slow
def test_any_text_is_translated_line_by_line(mt, run_folder, tmp_path):
    r = random.Random(9)
    ranges = [(32, 127), (0, 32), (0x80, 0x250), (0x300, 0x370), (0x590, 0x700), (0x2000, 0x2070), (0x3040, 0x30ff),
              (0x4e00, 0x9fff), (0xac00, 0xd7a3), (0xe000, 0xe100), (0xfe00, 0xfe10), (0x1f300, 0x1f700)]  # fmt: skip
    lines = [
        "".join(chr(r.randrange(*r.choice(ranges))) for _ in range(r.choice([0, 1, 3, 20, 200])))
        .replace("\n", " ").replace("\r", " ") for _ in range(N_CASES // 5)
    ]  # fmt: skip
    (tmp_path / "in").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="")
    arguments = ["-i", tmp_path / "in", "-o", tmp_path / "out", "--beam-size", 1, "--set", "search.max_len_offset=5"]
    outcome = mt("translate", run_folder, *arguments)
    assert outcome.code == 0, outcome.err
    assert len((tmp_path / "out").read_bytes().decode().split("\n")) == len(lines) + 1
