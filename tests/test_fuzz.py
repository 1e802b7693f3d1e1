"""Damaged corpora in every format: each ends in pairs of sentences or in a message."""

import bz2
import gzip
import json
import lzma
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mt.data.context import SourceContext
from mt.data.sources import open_text
from mt.errors import UserError

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
    for number in range(60):
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
