import bz2
import gzip
import hashlib
import json
import lzma
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import DEMO, overrides, write_pairs
from datasets import Dataset

from mt.config.corpora import Stage
from mt.config.schema import TokenizerConfig
from mt.data import preparation, sampler, store
from mt.data.batch import build_batch
from mt.data.context import SourceContext
from mt.data.corpus import CorpusEncoder
from mt.data.derived import fraction_of
from mt.data.loader import BatchLoader
from mt.data.mixture import Member, Mixture
from mt.data.sampler import Epoch, plan_batches
from mt.data.sources import ParallelText, open_text
from mt.errors import UserError
from mt.text.scripts import fraction_in, scripts_of
from mt.text.tokenizer_training import train_tokenizer

PAIRS = [
    ("ein Haus", "a house"),
    ("", "nothing"),
    ("zwei\u2028Bäume", "two trees"),
    ("drei\x0bKatzen", "three\u0085cats"),
]


@pytest.fixture
def load(tmp_path):
    def run(*sources: object, split: str = "train") -> list[tuple[str, str]]:
        context = SourceContext("data.train", split, "de", "en", tmp_path / "cache")
        return list(open_text([str(source) for source in sources], context).read())

    return run


def test_moses_files_and_their_compressions(load, tmp_path):
    write_pairs(tmp_path / "plain", PAIRS, ("de", "en"))
    assert load(tmp_path / "plain") == PAIRS
    for suffix, compress in ((".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)):
        for lang in ("de", "en"):
            Path(f"{tmp_path}/packed{suffix}.{lang}{suffix}").write_bytes(
                compress(Path(f"{tmp_path}/plain.{lang}").read_bytes())
            )
        assert load(tmp_path / f"packed{suffix}") == PAIRS


def test_tsv_jsonl_parquet(load, tmp_path):
    (tmp_path / "x.tsv").write_text("".join(f"{s}\t{t}\n" for s, t in PAIRS), encoding="utf-8")
    assert load(tmp_path / "x.tsv") == PAIRS
    (tmp_path / "y.tsv.gz").write_bytes(gzip.compress((tmp_path / "x.tsv").read_bytes()))
    assert load(tmp_path / "y.tsv.gz") == PAIRS
    rows = [{"de": s, "en": t, "id": 1} for s, t in PAIRS]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert load(tmp_path / "x.jsonl") == PAIRS
    nested = [{"translation": {"en": t, "de": s}} for s, t in PAIRS]
    (tmp_path / "n.jsonl").write_text("".join(json.dumps(row) + "\n" for row in nested), encoding="utf-8")
    assert load(tmp_path / "n.jsonl") == PAIRS
    Dataset.from_list(rows).to_parquet(tmp_path / "x.parquet")
    assert load(tmp_path / "x.parquet") == PAIRS
    Dataset.from_list(nested).to_parquet(tmp_path / "n.parquet")
    assert load(tmp_path / "n.parquet") == PAIRS


def test_the_fingerprint_of_a_table_is_that_of_its_content(tmp_path):
    """Its place and its date do not matter."""
    rows = [{"de": s, "en": t} for s, t in PAIRS]
    fingerprints = []
    for folder, some in (("a", rows), ("b", rows), ("c", rows[1:])):
        (tmp_path / folder).mkdir()
        Dataset.from_list(some).to_parquet(tmp_path / folder / "x.parquet")
        context = SourceContext("data.train", "train", "de", "en", tmp_path / "cache")
        fingerprints.append(open_text([str(tmp_path / folder / "x.parquet")], context).fingerprint)
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


@pytest.mark.parametrize("name", ["x.tsv", "x.jsonl"])
def test_an_empty_line_is_named(load, tmp_path, name):
    (tmp_path / name).write_text("a\tb\n\n" if name == "x.tsv" else '{"de": "a", "en": "b"}\n\n')
    with pytest.raises(UserError, match=rf"{name}, line 2 is empty: delete it"):
        load(tmp_path / name)


def test_tables_with_gaps(load, tmp_path):
    Dataset.from_list([{"de": "eins", "en": None}, {"de": None, "en": "two"}]).to_parquet(tmp_path / "gaps.parquet")
    assert load(tmp_path / "gaps.parquet") == [("eins", ""), ("", "two")]
    for number, row in enumerate([{"translation": {"de": "eins"}}, {"translation": "eins"}]):
        Dataset.from_list([row]).to_parquet(tmp_path / f"{number}.parquet")
        with pytest.raises(UserError, match=r"has no column .*en; it has translation"):
            load(tmp_path / f"{number}.parquet")
    Dataset.from_list([{"de": ["eins"], "en": ["one"]}]).to_parquet(tmp_path / "lists.parquet")
    with pytest.raises(UserError, match="de or en is not a column of text"):
        load(tmp_path / "lists.parquet")


def test_several_sources_follow_each_other(load, tmp_path):
    write_pairs(tmp_path / "a", PAIRS[:1], ("de", "en"))
    (tmp_path / "b.tsv").write_text("x\ty\n", encoding="utf-8")
    assert load(tmp_path / "a", tmp_path / "b.tsv") == [*PAIRS[:1], ("x", "y")]


def test_a_hub_data_set_in_a_folder(load, tmp_path):
    folder = tmp_path / "multi"
    folder.mkdir()
    for split, count in (("train", 3), ("validation", 2), ("test", 1)):
        rows = [{"de": s, "en": t} for s, t in PAIRS[:count]]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert load(f"hub:{folder}") == PAIRS[:3]
    assert load(f"hub:{folder}", split="validation") == PAIRS[:2]
    assert load(f"hub:{folder}", split="test") == PAIRS[:1]


def test_a_file_that_changes_is_read_again(load, tmp_path):
    write_pairs(tmp_path / "a", [("eins", "one")], ("de", "en"))
    assert load(tmp_path / "a") == [("eins", "one")]
    write_pairs(tmp_path / "a", [("zwei", "two")], ("de", "en"))
    assert load(tmp_path / "a") == [("zwei", "two")]


def text_of(pairs: list[tuple[str, str]]) -> ParallelText:
    return ParallelText("x", hashlib.sha256(repr(pairs).encode()).hexdigest(), len(pairs), lambda: iter(pairs))


@pytest.fixture(scope="module")
def tokenizer():
    lines = [f"{a} {b}" for a in "abcdefgh" for b in "abcdefgh"] * 3
    return train_tokenizer(lambda: lines, lambda: lines, TokenizerConfig())


def test_dropped_pairs_are_counted(tokenizer, tmp_path):
    corpus = CorpusEncoder(tokenizer, 10, tmp_path).encode(
        text_of([("a b", "b a"), ("", "a"), ("a", " "), ("a", "b " * 50), ("c", "c")]), ("de", "en"), "k"
    )
    assert len(corpus) == 2
    assert corpus.dropped() == {"with an empty side": 2, "too long": 1}
    assert "2 pairs" in corpus.describe()
    assert "2 with an empty side and 1 too long" in corpus.describe()
    (pair,) = corpus.pairs(np.array([1]))
    assert tokenizer.decode_src(pair[0]) == "c"
    assert corpus.src_lens[1] == len(pair[0]) + 1


def test_a_corpus_without_usable_pairs_is_an_error(tokenizer, tmp_path):
    with pytest.raises(UserError, match=r"data\.x: none of the 2 pairs can be used: 1 with an empty side, 1 too long"):
        CorpusEncoder(tokenizer, 5, tmp_path).encode(text_of([("a " * 50, "b"), ("", "b")]), ("de", "en"), "data.x")
    with pytest.raises(UserError, match=r"data\.x: no pair of x is left for training \(data\.fraction, or"):
        CorpusEncoder(tokenizer, 5, tmp_path).encode(text_of([]), ("de", "en"), "data.x")


def test_encoded_text_is_reused(tokenizer, tmp_path, monkeypatch):
    write_pairs(tmp_path / "a", [("a b c", "c b a")] * 3, ("de", "en"))
    context = SourceContext("data.train", "train", "de", "en", tmp_path / "cache")
    first = CorpusEncoder(tokenizer, 10, tmp_path).encode(open_text([str(tmp_path / "a")], context), ("de", "en"), "k")
    monkeypatch.setattr(type(tokenizer), "encode_src", lambda *_: pytest.fail("encoded twice"))
    again = CorpusEncoder(tokenizer, 10, tmp_path).encode(open_text([str(tmp_path / "a")], context), ("de", "en"), "k")
    assert again.pairs(np.arange(3)) == first.pairs(np.arange(3))


def random_lengths(count: int) -> tuple[np.ndarray, np.ndarray]:
    r = np.random.default_rng(1)
    src = r.integers(1, 60, count)
    return src, np.clip(src + r.integers(-9, 10, count), 1, 60)


def test_every_pair_is_in_one_batch_within_the_budget():
    src, tgt = random_lengths(5000)
    batches = Epoch(src, tgt, 500, np.arange(5000), seed=1, number=2).batches(0)
    assert sorted(np.concatenate(batches)) == list(range(5000))
    assert all(len(batch) * max(src[batch].max(), tgt[batch].max()) <= 500 for batch in batches)
    with pytest.raises(ValueError, match="over the budget"):
        plan_batches(src, tgt, 50)


def test_order_is_a_function_of_seed_and_epoch():
    src, tgt = random_lengths(1000)

    def order(seed: int, epoch: int) -> list[int]:
        return list(np.concatenate(Epoch(src, tgt, 500, np.arange(1000), seed, epoch).batches(0)))

    assert order(1, 1) == order(1, 1)
    assert order(1, 1) != order(1, 2)
    assert order(1, 1) != order(2, 1)


def test_nine_tenths_of_a_batch_are_real_tokens():
    src, tgt = ((DEMO / f"train.{lang}").read_text(encoding="utf-8").splitlines() for lang in ("zh", "en"))
    src_lens, tgt_lens = np.array([len(s) for s in src]), np.array([len(t.split()) + 1 for t in tgt])
    padded = sum(
        len(batch) * (src_lens[batch].max() + tgt_lens[batch].max()) for batch in plan_batches(src_lens, tgt_lens, 2048)
    )
    assert (src_lens.sum() + tgt_lens.sum()) / padded >= 0.9


def test_loader_resumes_at_a_position(tokenizer, tmp_path):
    corpus = CorpusEncoder(tokenizer, 10, tmp_path).encode(
        text_of([(f"a {c}", f"{c} b") for c in "abcdefgh" * 5]), ("de", "en"), "k"
    )
    mixture = Mixture([Member("x", corpus)], [Stage([1.0])])
    whole = BatchLoader(mixture, 24, seed=3)
    expected = [whole.next_batch() for _ in range(40)]
    assert whole.position.epoch >= 2
    again = BatchLoader(mixture, 24, seed=3)
    for _ in range(17):
        again.next_batch()
    resumed = BatchLoader(mixture, 24, seed=3)
    resumed.position = again.position
    for batch in expected[17:]:
        assert batch.src.equal(resumed.next_batch().src)


def test_epochs_and_their_batches_are_counted_in_pairs(tokenizer, tmp_path, monkeypatch):
    """The last pool of an epoch is smaller than the others."""
    monkeypatch.setattr(sampler, "POOL_SIZE", 200)
    text = text_of([(f"a {c}", f"{c} b") for c in "abcdefgh" * 30])
    corpus = CorpusEncoder(tokenizer, 10, tmp_path).encode(text, ("de", "en"), "k")
    loader = BatchLoader(Mixture([Member("x", corpus)], [Stage([1.0])]), 24, seed=3)
    n_pairs, estimates = 0, []
    while loader.epochs < 1:
        estimates.append(loader.batches_per_epoch)
        n_pairs += len(loader.next_batch().src)
        assert loader.epochs == pytest.approx(n_pairs / 240, abs=0.05)
    assert n_pairs == 240
    assert estimates == pytest.approx([len(estimates)] * len(estimates), rel=0.15)


def test_batch_layout():
    batch = build_batch([([5, 6], [7]), ([8], [9, 10, 11])], pad_id=0, bos_id=2, eos_id=3)
    assert batch.src.tolist() == [[5, 6, 3], [8, 3, 0]]
    assert batch.tgt_in.tolist() == [[2, 7, 0, 0], [2, 9, 10, 11]]
    assert batch.tgt_positions.tolist() == [0, 1, 4, 5, 6, 7]
    assert batch.tgt_out.tolist() == [7, 3, 9, 10, 11, 3]
    assert batch.src_mask.tolist() == [[True, True, True], [True, True, False]]
    assert batch.n_tgt_tokens == 6


def test_preparation_alone_and_then_training(corpus, mt, tmp_path, monkeypatch):
    """`mt train` after `mt prepare` reuses the tokenizer and the encoded text, with the same result."""
    arguments = [*overrides(corpus, "training.max_steps=4")[1:], f"data.cache_dir={tmp_path}/cache"]
    prepared = mt("prepare", *arguments, f"run_dir={tmp_path}/run")
    assert prepared.code == 0, prepared.err
    assert "Training data: 800 pairs" in prepared.err
    assert not (tmp_path / "run" / "model.safetensors").exists()
    monkeypatch.setattr(store, "as_array", lambda *_: pytest.fail("encoded again"))
    trained = mt("train", *arguments, f"run_dir={tmp_path}/run")
    assert trained.code == 0, trained.err
    assert "Training the tokenizer" not in trained.err
    monkeypatch.undo()
    assert mt("train", *arguments, f"run_dir={tmp_path}/whole").code == 0
    assert (tmp_path / "run/model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()


@pytest.mark.parametrize("name", ["text.csv", "text.csv.gz"])
def test_tables_with_commas_are_refused(corpus, mt, tmp_path, name):
    (tmp_path / name).write_bytes(b"a,b\n" if name.endswith("csv") else gzip.compress(b"a,b\n"))
    refused = mt(*overrides(corpus, f"data.train={tmp_path}/{name}", f"run_dir={tmp_path}/run"))
    assert (refused.code, "save the table with tabs between its columns" in refused.err) == (2, True), refused.err


def test_languages_in_two_scripts_have_letters():
    assert fraction_in(scripts_of("zh-Hanb"), ["ㄅㄆ 漢字"]) == 1


def test_a_fraction_of_the_text(corpus, mt, tmp_path):
    """It is the same every time, a part of every larger fraction, and in proportion."""
    pairs = [(f"source {n}", f"target {n}") for n in range(2000)] + [("source 1", "target 1")]
    parts = [set(fraction_of(text_of(pairs), fraction).read()) for fraction in (0.25, 0.5, 1.0)]
    assert parts[0] < parts[1] < parts[2] == set(pairs)
    assert [len(part) / 2000 for part in parts] == pytest.approx([0.25, 0.5, 1.0], abs=0.03)
    backwards = fraction_of(text_of([(tgt, src) for src, tgt in pairs]), 0.5).read()
    assert {(src, tgt) for tgt, src in backwards} == parts[1]
    settings = [*overrides(corpus)[1:], f"data.cache_dir={tmp_path}/cache", f"run_dir={tmp_path}/run"]
    outcome = mt("prepare", *settings, "data.fraction=0.5")
    assert outcome.code == 0, outcome.err
    assert 300 < int(outcome.err.split("Training data: ")[1].split()[0]) < 500
    nothing = mt("prepare", *settings, "data.fraction=1e-9")
    assert (nothing.code, "data.fraction=1e-09 leaves none" in nothing.err) == (2, True), nothing.err
    assert "data.fraction=0.0 must be above 0" in mt("prepare", *settings, "data.fraction=0").err


def test_another_automatic_size_needs_another_tokenizer(corpus, mt, tmp_path, monkeypatch):
    """The cache does not answer with the tokenizer of a version that chose another size."""
    arguments = [*overrides(corpus)[1:], "tokenizer.vocab_size=null", f"data.cache_dir={tmp_path}/cache"]
    vocabularies = []
    for size in (320, 330, 330):
        monkeypatch.setattr(preparation, "vocab_size_for", lambda _, size=size: size)
        outcome = mt("prepare", *arguments, f"run_dir={tmp_path}/run-{len(vocabularies)}")
        assert outcome.code == 0, outcome.err
        vocabularies.append((tmp_path / f"run-{len(vocabularies)}" / "tokenizer.model").read_bytes())
    assert vocabularies[0] != vocabularies[1] == vocabularies[2]
    assert "was trained on this text before" in outcome.err


def test_an_interrupted_preparation_resumes(tokenizer, tmp_path, monkeypatch):
    pairs = [(f"a {c}", f"{c} b") for c in "abcdefgh" * 5]
    monkeypatch.setattr(store, "PAIRS_PER_PART", 7)
    expected = CorpusEncoder(tokenizer, 10, tmp_path / "whole").encode(text_of(pairs), ("de", "en"), "k")
    calls = []

    def encode(self, lines):
        calls.append(len(lines))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(self, lines)

    original = type(tokenizer).encode_src
    monkeypatch.setattr(type(tokenizer), "encode_src", encode)
    with pytest.raises(KeyboardInterrupt):
        CorpusEncoder(tokenizer, 10, tmp_path / "parts").encode(text_of(pairs), ("de", "en"), "k")
    again = CorpusEncoder(tokenizer, 10, tmp_path / "parts").encode(text_of(pairs), ("de", "en"), "k")
    assert calls == [7, 7, 7, 7, 7, 7, 5]
    rows = np.arange(40)
    assert again.pairs(rows) == expected.pairs(rows)
    assert [tokenizer.decode_src(src) for src, _ in again.pairs(rows)] == [src for src, _ in pairs]


TMX = """<?xml version="1.0" encoding="UTF-8"?>
<tmx version="1.4"><header creationtool="x" creationtoolversion="1" segtype="sentence" o-tmf="x" adminlang="en"
srclang="EN-US" datatype="plaintext"/><body>
<tu><tuv xml:lang="EN-US"><seg>Press <bpt i="1">&lt;b&gt;</bpt>Start<ept i="1">&lt;/b&gt;</ept> &amp; wait.</seg></tuv>
<tuv xml:lang="DE-DE"><seg>Start <hi>drücken</hi>
 und warten.</seg></tuv></tu>
<tu><tuv xml:lang="de"><seg>Zwei</seg></tuv><tuv xml:lang="en-GB"><seg>Two</seg></tuv><tuv xml:lang="fr"><seg>Deux</seg>
</tuv></tu><tu><tuv xml:lang="en"><seg>No German</seg></tuv></tu></body></tmx>"""
XLIFF_1 = """<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2"><file original="f" source-language="en"
target-language="de" datatype="plaintext"><body><trans-unit id="1"><source>Hello <g id="1">big</g> <bpt
id="2">&lt;b&gt;</bpt>world.</source>
<target>Hallo <g id="1">große</g> Welt.</target></trans-unit><trans-unit id="2"><source>Open</source></trans-unit>
</body></file></xliff>"""
XLIFF_2 = """<xliff version="2.0" xmlns="urn:oasis:names:tc:xliff:document:2.0" srcLang="en" trgLang="de"><file id="f">
<unit id="u"><segment><source>One <pc id="1">two</pc>.</source><target>Eins <pc id="1">zwei</pc>.</target></segment>
<segment><source>Three.</source><target>Drei.</target></segment></unit></file></xliff>"""


def test_translation_memories_and_bilingual_documents(load, tmp_path):
    (tmp_path / "a.tmx").write_text(TMX, encoding="utf-8")
    assert load(tmp_path / "a.tmx") == [("Start drücken und warten.", "Press Start & wait."), ("Zwei", "Two")]
    (tmp_path / "a.tmx.gz").write_bytes(gzip.compress(TMX.encode()))
    assert load(tmp_path / "a.tmx.gz") == load(tmp_path / "a.tmx")
    (tmp_path / "b.xlf").write_text(XLIFF_1, encoding="utf-8")
    (tmp_path / "c.xliff").write_text(XLIFF_2, encoding="utf-8")
    assert load(tmp_path / "b.xlf") == [
        ("Hallo große Welt.", "Hello big world.")
    ]  # from German, the requested direction
    assert load(tmp_path / "c.xliff") == [("Eins zwei.", "One two."), ("Drei.", "Three.")]
    context = SourceContext("data.train", "train", "en", "fr", tmp_path / "cache")
    assert list(open_text([str(tmp_path / "a.tmx")], context).read()) == [("Two", "Deux")]
    with pytest.raises(UserError, match=r"b\.xlf is from en to de, but the configuration has data\.src_lang=en"):
        list(open_text([str(tmp_path / "b.xlf")], context).read())
    context = SourceContext("data.train", "train", "deu", "eng_Latn", tmp_path / "cache")
    assert list(open_text([str(tmp_path / "a.tmx")], context).read()) == load(tmp_path / "a.tmx")
    assert list(open_text([str(tmp_path / "b.xlf")], context).read()) == load(tmp_path / "b.xlf")
    context = SourceContext("data.train", "train", "de", "sw", tmp_path / "cache")
    with pytest.raises(UserError, match=r"a\.tmx has no text in both de and sw; its languages: .*\bfr\b"):
        list(open_text([str(tmp_path / "a.tmx")], context).read())
    (tmp_path / "cut.tmx.gz").write_bytes(gzip.compress(TMX.encode())[:200])
    with pytest.raises(UserError, match=r"cut\.tmx\.gz cannot be read"):
        list(open_text([str(tmp_path / "cut.tmx.gz")], context).read())
    (tmp_path / "bad.tmx").write_text(TMX[:300], encoding="utf-8")
    with pytest.raises(UserError, match=r"bad\.tmx cannot be read"):
        list(open_text([str(tmp_path / "bad.tmx")], context).read())


def test_splits_of_a_hub_data_set_and_reversed_language_pairs(load, tmp_path):
    folder = tmp_path / "multi"
    (folder / "de-en").mkdir(parents=True)
    rows = [{"translation": {"de": f"de {i}", "en": f"en {i}"}} for i in range(10)]
    (folder / "de-en" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    card = "configs:\n- config_name: de-en\n  data_files:\n  - split: train\n    path: de-en/train.jsonl\n"
    (folder / "README.md").write_text(f"---\n{card}---\n", encoding="utf-8")
    assert load(f"hub:{folder}:de-en:train[:40%]") == [(f"de {i}", f"en {i}") for i in range(4)]
    assert load(f"hub:{folder}:en-de:train[90%:]") == [("de 9", "en 9")]
    with pytest.raises(UserError, match=r"data\.train: hub:.*de-fr.*de-en"):
        load(f"hub:{folder}:de-fr")


@pytest.mark.parametrize("name", ["wmt14", "wmt16", "iwslt2017", "opus100", "tatoeba", "multi30k"])
def test_ready_data_sets_use_the_requested_languages(mt, name):
    outcome = mt("train", f"data={name}", "data.src_lang=en", "data.tgt_lang=fr", "--cfg", "job", "--resolve")
    data = yaml.safe_load(outcome.out)["data"]
    assert data["train"].startswith("hub:")
    assert "en-fr" in data["train"] or name == "multi30k"
    assert {*data["test"]} == {"test2016" if name == "multi30k" else name}
