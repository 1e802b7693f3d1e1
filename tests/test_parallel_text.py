"""From a downloaded file to training data: columns, direction, encodings, and parts that are held out."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
from conftest import DEMO, overrides, toy_pairs, write_pairs

from mt.config.corpora import TrainingSource
from mt.config.data import DataConfig
from mt.data.context import training_context
from mt.data.direction import fit_by_identification

LIMITS = ["training.max_steps=2", "training.valid_every_steps=2"]
DEMO_PAIRS = list(
    zip(
        *((DEMO / f"train.{lang}").read_text(encoding="utf-8").splitlines()[:400] for lang in ("zh", "en")), strict=True
    )
)


def write_table(path: Path, rows: list[tuple[str, ...]]) -> Path:
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def prepare(corpus, tmp_path, mt):
    """`mt prepare` in a new folder with these overrides."""

    def run(*extra: str, name: str = "run"):
        return mt("prepare", *overrides(corpus, f"run_dir={tmp_path}/{name}", *LIMITS, *map(str, extra))[1:])

    return run


def sizes(outcome) -> tuple[str, str]:
    return re.search(r"Training data: ([\d,]+) pairs", outcome.err)[1], re.search(
        r"Validation data: ([\d,]+)", outcome.err
    )[1]


def test_columns_of_a_table(prepare, tmp_path):
    pairs = toy_pairs(300, 7)
    right = write_table(tmp_path / "right.tsv", pairs)
    assert prepare(f"data.train={right}", name="right").code == 0
    expected = (tmp_path / "right" / "tokenizer.model").read_bytes()
    exchanged = [(tgt, src, "CC-BY 2.0") for src, tgt in pairs]
    tables = {
        "named.txt": (exchanged, ["data.columns=[bb,aa]"]),
        "header.txt": ([("bb", "aa", "attribution"), *exchanged], []),
        "named_header.tsv": ([("BB", "AA", "attribution"), *exchanged], ["data.columns=[bb,aa]"]),
        "further.txt": ([(src, tgt, "CC-BY 2.0") for src, tgt in pairs], []),
    }
    for name, (rows, extra) in tables.items():
        outcome = prepare(f"data.train={write_table(tmp_path / name, rows)}", *extra, name=Path(name).stem)
        assert outcome.code == 0, outcome.err
        assert (tmp_path / Path(name).stem / "tokenizer.model").read_bytes() == expected, name
        assert ("the first is read as aa and the second as bb" in outcome.err) == (name == "further.txt")


def test_columns_of_one_corpus_of_several(prepare, tmp_path):
    table = write_table(tmp_path / "a.tsv", [("1", tgt, src) for src, tgt in toy_pairs(50, 7)])
    outcome = prepare(f"data.train=[{{path: {table}, columns: [id, bb, aa]}}]")
    assert outcome.code == 0, outcome.err
    assert sizes(outcome)[0] == "50"
    outcome = prepare(f"data.train=[{{path: {table}, columns: [id, bb]}}]", name="other")
    assert (outcome.code, "data.train[0].columns=['id', 'bb'] must name each column once" in outcome.err) == (2, True)


def test_columns_of_a_corpus_in_other_languages():
    """`data.columns` names those of the main languages."""
    data = DataConfig("zh", "en", train="a.tsv", valid="b", columns=["en", "zh"])
    assert training_context(data, TrainingSource("a.tsv")).columns == ("en", "zh")
    assert training_context(data, TrainingSource("a.tsv", src_lang="fr")).columns is None


def test_wrong_tables_are_refused(prepare, tmp_path):
    path = write_table(tmp_path / "a.tsv", [("x", "y", "z"), ("x", "y")])
    assert f"{path}, line 2: 2 columns, but line 1 has 3" in prepare(f"data.train={path}").err
    path = write_table(tmp_path / "a.txt", [("no tab",)])
    assert f"{path} has no tab between source and target" in prepare(f"data.train={path}").err
    assert "data.columns=['aa'] must name each column once" in prepare("data.columns=[aa]").err


@pytest.mark.parametrize(
    ("langs", "pairs"),
    [
        (("zh", "en"), [(tgt, src) for src, tgt in DEMO_PAIRS]),
        (
            ("de", "en"),
            [("The little dog is running across the meadow.", "Der kleine Hund läuft über die Wiese."),
             ("Nobody wanted to buy the old bicycle.", "Niemand wollte das alte Fahrrad kaufen.")],
        ),
    ],
    ids=["by script", "by py3langid"],
)  # fmt: skip
def test_an_exchanged_direction_is_refused(prepare, tmp_path, langs, pairs):
    if "de" in langs:
        pytest.importorskip("py3langid")
    write_pairs(tmp_path / "text", pairs, langs)
    languages = [f"data.src_lang={langs[0]}", f"data.tgt_lang={langs[1]}"]
    text = [f"data.train={tmp_path}/text", f"data.valid={tmp_path}/text", "data.test=null"]
    outcome = prepare(*languages, *text)
    assert outcome.code == 2
    assert f"the sources are in {langs[1]}, the targets in {langs[0]}" in outcome.err
    assert f"'data.columns=[{langs[1]},{langs[0]}]'" in outcome.err
    assert not (tmp_path / "run").exists()
    write_pairs(tmp_path / "text", [(tgt, src) for src, tgt in pairs], langs)
    assert "exchanged" not in prepare(*languages, *text).err


def test_one_sentence_exchanges_nothing():
    pytest.importorskip("py3langid")
    short, misleading = [["Ja."] * 299, ["Yes."] * 299], ["The little dog is running.", "Der kleine Hund läuft."]
    sides = [[*texts, one] for texts, one in zip(short, misleading, strict=True)]
    assert fit_by_identification(sides, ("de", "en")) is None
    assert fit_by_identification([texts[-1:] * 10 for texts in sides], ("deu_Latn", "eng")) == [[0.0, 1.0], [1.0, 0.0]]


def test_a_check_that_is_left_out_is_mentioned(prepare, tmp_path, monkeypatch):
    write_pairs(tmp_path / "text", DEMO_PAIRS, ("de", "en"))
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "py3langid" else find_spec(name))
    text = [f"data.train={tmp_path}/text", f"data.valid={tmp_path}/text", "data.test=null", "tokenizer.vocab_size=null"]
    outcome = prepare("data.src_lang=de", "data.tgt_lang=en", *text)
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("Whether source and target are exchanged is not checked: pip install py3langid.") == 1
    assert "on both sides" not in outcome.err


def test_a_side_in_another_script_is_reported(prepare, tmp_path):
    write_pairs(tmp_path / "text", [(tgt, tgt) for _, tgt in DEMO_PAIRS], ("zh", "en"))
    text = [f"data.train={tmp_path}/text", f"data.valid={tmp_path}/text", "data.test=null"]
    languages = ["data.src_lang=zh", "data.tgt_lang=en"]
    outcome = prepare(*languages, *text)
    assert outcome.code == 2
    assert "the sources of" in outcome.err
    assert "100% of the first pairs of" in outcome.err
    assert "do not look like zh: 0% of their letters are in its script. Is it the right column?" in outcome.err
    fits = "tokenizer.vocab_size=null"
    assert prepare(*languages, *text, fits, "data.check_languages=false", name="accepted").code == 0
    mixed = [DEMO_PAIRS[i] if i % 3 == 0 else (DEMO_PAIRS[i][1], DEMO_PAIRS[i][1]) for i in range(400)]
    write_pairs(tmp_path / "text", mixed, ("zh", "en"))
    outcome = prepare(*languages, *text, fits, name="mixed")
    assert outcome.code == 0, outcome.err
    assert "Warning: data.train: the sources of" in outcome.err


def test_the_likely_encoding_is_named(prepare, tmp_path):
    write_pairs(tmp_path / "text", DEMO_PAIRS, ("zh", "en"))
    chinese = tmp_path / "text.zh"
    chinese.write_bytes(chinese.read_text(encoding="utf-8").encode("gb18030"))
    outcome = prepare("data.src_lang=zh", "data.tgt_lang=en", f"data.train={tmp_path}/text", "data.test=null")
    assert outcome.code == 2
    assert f"{chinese}, line 1: not UTF-8" in outcome.err
    assert f"iconv -f GB18030 -t UTF-8 {chinese} > NEW" in outcome.err
    chinese.write_bytes("\n".join(src for src, _ in DEMO_PAIRS).encode() + b"\n\xff")
    both = [f"data.train={tmp_path}/text", f"data.valid={tmp_path}/text", "data.test=null"]
    outcome = prepare("data.src_lang=zh", "data.tgt_lang=en", *both)
    assert "iconv -c -f UTF-8" in outcome.err


def test_text_in_both_directions_is_held_out_of_both(prepare, tmp_path):
    pairs = toy_pairs(200, 3)
    write_pairs(tmp_path / "all", pairs)
    both = f"data.train=[{{path: {tmp_path}/all, src_lang: bb, tgt_lang: aa}}, {{path: {tmp_path}/all}}]"
    outcome = prepare(both, "data.valid=20", "data.language_tags=true")
    assert outcome.code == 0, outcome.err
    held_out = {sentence for pair in read_part(tmp_path / "run" / "held_out", "valid") for sentence in pair}
    rest = [pair for pair in pairs if not held_out & set(pair)]
    assert len(rest) < len(pairs)
    counts = re.findall(r"([\d,]+) pairs, [\d,]+ source", outcome.err)
    assert counts.count(str(len(rest))) == 2, outcome.err  # in each direction


def test_lines_that_a_text_file_cannot_hold_are_not_held_out(prepare, tmp_path):
    rows = [{"aa": f"{src}\nmore" if i % 2 else src, "bb": tgt} for i, (src, tgt) in enumerate(toy_pairs(200, 3))]
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for _ in range(2):
        outcome = prepare(f"data.train={tmp_path}/all.jsonl", "data.valid=50")
        assert outcome.code == 0, outcome.err
        assert sizes(outcome)[1] == "50"
        assert int(sizes(outcome)[0]) > 140  # less what has the target of a held-out pair
    assert "Held out" not in outcome.err  # as recorded


def test_a_column_that_joins_all_pairs_is_named(prepare, tmp_path):
    table = write_table(tmp_path / "a.tsv", [(src, "CC-BY 2.0") for src, _ in toy_pairs(100, 1)])
    outcome = prepare(f"data.train={table}", "data.valid=20")
    assert (outcome.code, "is the right column read?" in outcome.err) == (2, True), outcome.err


def test_training_on_validation_sentences_is_reported(prepare, corpus):
    outcome = prepare(f"data.train={corpus}/valid")
    assert "40 of the 40 sources of data.valid are in the training data" in outcome.err
    outcome = prepare(f"data.train=[{corpus}/train,{corpus}/valid]", "data.clean.overlap=true", name="clean")
    assert outcome.code == 0, outcome.err
    assert "in validation or test data" in outcome.err
    assert "sources of data.valid" not in outcome.err


def read_part(folder: Path, part: str) -> list[tuple[str, str]]:
    return list(zip(*((folder / f"{part}.{lang}").read_text().splitlines() for lang in ("aa", "bb")), strict=True))


@pytest.mark.slow
def test_validation_and_test_data_from_the_training_text(corpus, tmp_path, mt):
    """Some sentences have several translations: these stay together."""
    pairs = toy_pairs(600, 3)
    pairs += [(src, f"{tgt} XA") for src, tgt in pairs[:100]] + [(f"{src} xa", tgt) for src, tgt in pairs[50:150]]
    write_pairs(tmp_path / "all", pairs)
    arguments = overrides(
        corpus,
        f"data.train={tmp_path}/all",
        "data.valid=100",
        "data.test={held.tsv: 0.05}",
        f"run_dir={tmp_path}/run",
        *LIMITS,
    )
    outcome = mt(*arguments)
    assert outcome.code == 0, outcome.err
    assert "Held out of data.train: 100 pairs for valid and 40 pairs for test.held.tsv." in outcome.err
    assert sizes(outcome) == ("660", "100")
    folder = tmp_path / "run" / "held_out"
    parts = {part: read_part(folder, part) for part in ("valid", "test.held.tsv")}
    parts["train"] = [pair for pair in pairs if pair not in parts["valid"] + parts["test.held.tsv"]]
    assert [len(parts[part]) for part in ("valid", "test.held.tsv", "train")] == [100, 40, 660]
    for side in (0, 1):
        sentences = [{pair[side] for pair in part} for part in parts.values()]
        assert not sentences[0] & sentences[1]
        assert not (sentences[0] | sentences[1]) & sentences[2]
    assert mt("evaluate", tmp_path / "run").out.startswith("held.tsv ")
    assert "its domains are not known" in mt("evaluate", tmp_path / "run", "--by", "domain").err
    assert "sources of" not in outcome.err  # no overlap
    for change in (
        "data.test={held.tsv: 0.05, more: 10}",
        "data.test={held.tsv: 50}",
        "data.test=null",
        "data.valid=90",
    ):
        changed = mt(*arguments, change)  # sentences of the training would be tested, or of the tests trained on
        assert (changed.code, "different configuration" in changed.err) == (2, True), change
    tuning = [f"training.init_from={tmp_path}/run", f"run_dir={tmp_path}/tuned", "seed=2"]
    assert mt(*arguments[:-3], *LIMITS, *tuning).code == 0  # what its start was not trained on
    assert read_part(tmp_path / "tuned" / "held_out", "valid") == parts["valid"]
    # a run keeps its parts when the text grows
    write_pairs(tmp_path / "all", [*toy_pairs(200, 9), *pairs])
    longer = [*arguments[:-2], "training.max_steps=3", "training.valid_every_steps=3"]
    assert "The text of data.train has changed" in mt(*longer).err
    again = mt(*longer, "data.accept_changes=true")
    assert again.code == 0, again.err
    assert sizes(again)[1] == "100"
    assert {part: read_part(folder, part) for part in ("valid", "test.held.tsv")} == {
        part: parts[part] for part in ("valid", "test.held.tsv")
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0", "number of pairs"),
        ("inf", "number of pairs"),
        ("1.5", "number of pairs"),
        ("1.0", "number of pairs, or a fraction of them below 1"),
        ("900", "too few"),
        ("799", "too few"),
    ],
)
def test_sizes_that_cannot_be_held_out(prepare, value, message):
    outcome = prepare(f"data.valid={value}")
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err


def test_held_out_pairs_of_one_language(prepare):
    outcome = prepare("data.tgt_lang=aa", "data.valid=50")
    assert (outcome.code, "give two codes, not aa twice" in outcome.err) == (2, True)


def test_split(tmp_path, mt):
    pairs = toy_pairs(500, 5)
    table = write_table(tmp_path / "all.txt", [(tgt, src, "x") for src, tgt in pairs])
    languages = ["--src-lang", "aa", "--tgt-lang", "bb", "--columns", "bb,aa,attribution"]
    outcome = mt("split", table, *languages, "--valid", "50", "--test", "0.1", "-o", tmp_path / "parts")
    assert outcome.code == 0, outcome.err
    parts = [read_part(tmp_path / "parts", part) for part in ("train", "valid", "test")]
    assert [len(part) for part in parts] == [400, 50, 50]
    assert sorted(pair for part in parts for pair in part) == sorted(pairs)
    assert f"data.train={tmp_path}/parts/train" in outcome.err
    # most stay where they are when the text grows
    grown = write_table(tmp_path / "all.txt", [(tgt, src, "x") for src, tgt in [*toy_pairs(50, 6), *pairs]])
    assert mt("split", grown, *languages, "--valid", "50", "--test", "50", "-o", tmp_path / "grown").code == 0
    assert len(set(read_part(tmp_path / "grown", "valid")) & set(parts[1])) > 35
    # another seed, other parts
    assert (
        mt("split", table, *languages, "--seed", "2", "--test", "50", "--valid", "50", "-o", tmp_path / "other").code
        == 0
    )
    assert len(set(read_part(tmp_path / "other", "valid")) & set(parts[1])) < 25
    for extra, message in (
        (["-o", tmp_path / "parts"], "already exists"),
        (["-o", tmp_path / "x", "--valid", "5000"], "too few"),
        (["-o", tmp_path / "x", "--columns", "bb"], "must name each column once"),
        (["-o", tmp_path / "x", "--valid", "nan"], "neither a number of pairs nor a fraction"),
        (["-o", tmp_path / "x", "--tgt-lang", "aa"], "give two codes, not aa twice"),
    ):
        outcome = mt("split", table, *languages, *extra)
        assert (outcome.code, message in outcome.err) == (2, True), outcome.err
        assert not (tmp_path / "x").exists()


def test_a_prepared_folder_takes_another_configuration(prepare, mt, corpus, tmp_path):
    assert prepare("data.valid=50").code == 0
    outcome = prepare("data.valid=60", "data.clean.duplicates=exact", "tokenizer.vocab_size=310")
    assert outcome.code == 0, outcome.err
    assert "was only prepared" in outcome.err
    assert len(read_part(tmp_path / "run" / "held_out", "valid")) == 60
    assert (
        "was only prepared"
        not in prepare("data.valid=60", "data.clean.duplicates=exact", "tokenizer.vocab_size=310").err
    )
    assert mt(*overrides(corpus, f"run_dir={tmp_path}/run", *LIMITS)).code == 0
    outcome = prepare("data.clean.duplicates=exact")
    assert (outcome.code, "holds a run with a different configuration" in outcome.err) == (2, True)
