"""Every figure of `mt evaluate` equals that of the sacrebleu command for the same files."""

import errno
import json
import math
import shutil
import subprocess
import sys
from collections import Counter

import pytest
from conftest import toy_pairs

from mt.evaluation import test_sets
from mt.evaluation.breakdown import by_frequency, interval
from mt.evaluation.evaluation import rank


@pytest.fixture(scope="module")
def test_files(tmp_path_factory):
    """A test set of two domains; the model has not learnt the second one."""
    folder = tmp_path_factory.mktemp("test")
    pairs = toy_pairs(24, 5) + [(src, tgt.lower()) for src, tgt in toy_pairs(12, 6)]
    (folder / "t.aa").write_text("".join(f"{src}\n" for src, _ in pairs), encoding="utf-8")
    (folder / "t.bb").write_text("".join(f"{tgt}\n" for _, tgt in pairs), encoding="utf-8")
    (folder / "t.domain").write_text("loud\n" * 24 + "low\n" * 12, encoding="utf-8")
    return folder / "t"


def sacrebleu(*arguments):
    command = [sys.executable, "-m", "sacrebleu", *map(str, arguments), "-f", "json", "-w", "6"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_figures_equal_those_of_sacrebleu_and_mt_score(mt, run_folder, test_files):
    outcome = mt("evaluate", run_folder, "--test", f"t={test_files}", "--json", "--worst", 3)
    result = json.loads(outcome.out)
    found = {score["metric"]: score for score in result["runs"][0]["scores"]}
    translations = run_folder / "translations" / "t.bb"
    files = (test_files.with_suffix(".bb"), "-i", translations)
    expected = sacrebleu(*files, "-m", "bleu", "chrf", "ter")
    expected.append(sacrebleu(*files, "-m", "chrf", "--chrf-word-order", 2))
    for name, figure in zip(("BLEU", "chrF", "TER", "chrF++"), expected, strict=True):
        assert found[name]["value"] == pytest.approx(figure["score"], abs=1e-4)
        assert found[name]["signature"] == figure["signature"]
    rows = mt("score", run_folder, f"{test_files}.aa", f"{test_files}.bb", "--json").out.splitlines()
    log_probs = [value for row in map(json.loads, rows) for value in row["log_probs"]]
    assert found["perplexity"]["value"] == pytest.approx(math.exp(-sum(log_probs) / len(log_probs)), rel=1e-5)
    text = mt("evaluate", run_folder, "--test", f"t={test_files}", "--metrics", "ter", "bleu").out.splitlines()
    assert [line.split()[1:3] for line in text] == [[name, f"{found[name]['value']:.2f}"] for name in ("BLEU", "TER")]
    lines = translations.read_text(encoding="utf-8").splitlines()
    worst = [one["number"] for one in result["runs"][0]["worst"]]
    assert all(number > 24 for number in worst)  # in the domain that the model has not learnt
    assert result["runs"][0]["worst"][0]["translation"] == lines[worst[0] - 1]


def test_comparisons_equal_those_of_sacrebleu(mt, run_folder, worse_run, test_files, tmp_path):
    command = ("evaluate", run_folder, worse_run, "--test", f"t={test_files}", "--samples", 100)
    result = json.loads(mt(*command, "--json").out)
    files = [
        shutil.copy(run / "translations" / "t.bb", tmp_path / run.name) for run in (run_folder, worse_run)
    ]  # with different names
    options = ("-m", "bleu", "--paired-bs", "--paired-bs-n", 100)
    expected = sacrebleu(test_files.with_suffix(".bb"), "-i", *files, *options)
    for run, row in zip(result["runs"], expected, strict=True):
        scores = {score["metric"]: score for score in run["scores"]}
        bleu = scores["BLEU"]  # the only metric whose paired test sacrebleu can print as JSON
        assert bleu["value"] == pytest.approx(row["BLEU"]["score"], abs=1e-4)
        assert bleu["half_interval"] == pytest.approx(row["BLEU"]["ci"], abs=1e-4)
        assert bleu["p_value"] == row["BLEU"].get("p_value")
    text = mt(*command).out
    better, lower = (line.split() for line in text.splitlines()[3:5])
    assert (better[0], lower[0]) == ("toy", "worse")
    assert float(better[1]) > float(lower[1])
    assert "(p = 0.0" in text
    assert "seed:12345" in text


def test_breakdowns_equal_the_scores_of_their_sentences(mt, run_folder, test_files, tmp_path):
    command = ("evaluate", run_folder, "--test", f"t={test_files}", "--by", "domain", "length", "frequency", "--json")
    domains, lengths, words = json.loads(mt(*command).out)["breakdowns"]
    translations = (run_folder / "translations" / "t.bb").read_text(encoding="utf-8").splitlines(keepends=True)
    references = test_files.with_suffix(".bb").read_text(encoding="utf-8").splitlines(keepends=True)
    for row, part in zip(domains["rows"], (slice(0, 24), slice(24, None)), strict=True):
        (tmp_path / "hyp").write_text("".join(translations[part]), encoding="utf-8")
        (tmp_path / "ref").write_text("".join(references[part]), encoding="utf-8")
        bleu = sacrebleu(tmp_path / "ref", "-i", tmp_path / "hyp", "-m", "bleu")
        assert row["figures"][0]["BLEU"] == pytest.approx(bleu["score"], abs=1e-4)
    assert [(row["label"], row["count"]) for row in domains["rows"]] == [("loud", 24), ("low", 12)]
    assert sum(row["count"] for row in lengths["rows"]) == 36
    assert words["rows"][0]["label"] == "0"  # the lower-case domain, whose words are not in the training data
    assert words["rows"][0]["figures"][0]["F1"] < 5 < 70 < words["rows"][-1]["figures"][0]["F1"]
    assert "times in the training data" in mt(*command[:-1]).out


def test_f1_of_words_by_frequency():
    """Counted by hand: `a` is frequent, `b` was seen once, `c` never."""
    test = test_sets.TestSet("t", ["x", "y"], [["a b c", "a a b"]])
    rows = by_frequency(test, [["a b b", "a c"]], "en", Counter(a=1000, b=1)).rows
    assert [(row.label, row.count) for row in rows] == [("0", 1), ("1", 2), ("1000+", 3)]
    found = [row.figures[0]["F1"] for row in rows]
    # c: 0 correct of 1 and 1; b: 1 correct of 2 in translations and 2 in references; a: 2 correct of 2 and 3
    assert found == pytest.approx([0, 200 * 1 / 4, 200 * 2 / 5])
    assert [interval(number, (1, 11, 21)) for number in (0, 10, 11, 500)] == ["1-10", "1-10", "11-20", "21+"]


def test_sacrebleus_test_sets(mt, run_folder, tmp_path, monkeypatch):
    """A downloaded test set needs no network and may have several references."""
    from sacrebleu.dataset import DATASETS
    from sacrebleu.dataset.plain_text import PlainTextDataset

    class TwoReferences(PlainTextDataset):
        def fieldnames(self, langpair):
            return ["src", "ref:A", "ref:B"]

    known = TwoReferences("toy99", data=[], langpairs={"aa-bb": []})
    known._outdir = str(tmp_path)
    monkeypatch.setitem(DATASETS, "toy99", known)
    pairs = toy_pairs(12, 9)
    correct = [tgt for _, tgt in pairs]
    fields = {"src": [src for src, _ in pairs], "ref-A": ["NO"] * 6 + correct[6:], "ref-B": correct[:6] + ["NO"] * 6}
    for field, lines in fields.items():
        (tmp_path / f"toy99.aa-bb.{field}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    outcome = mt("evaluate", run_folder, "-t", "toy99", "--metrics", "chrf")
    assert "toy99  chrF" in outcome.out
    assert "nrefs:2" in outcome.out
    references = (tmp_path / "toy99.aa-bb.ref-A", tmp_path / "toy99.aa-bb.ref-B")
    figure = sacrebleu(*references, "-i", run_folder / "translations" / "toy99.bb", "-m", "chrf")
    assert f"chrF {figure['score']:.2f}" in outcome.out
    assert "-l aa-cc: toy99 is for aa-bb" in mt("evaluate", run_folder, "-t", "toy99", "-l", "aa-cc").err
    assert "toy99" in mt("evaluate", run_folder, "-t", "toy98").err
    assert "no domains for toy99" in mt("evaluate", run_folder, "-t", "toy99", "--by", "domain").err


def test_comet_uses_its_package(mt, run_folder, test_files, tmp_path, monkeypatch):
    """A stand-in with the same functions as the package checks what it is given."""
    (tmp_path / "comet.py").write_text(
        "from types import SimpleNamespace as S\n"
        "download_model = lambda name: name + '/path'\n"
        "def predict(rows, batch_size, gpus, progress_bar):\n"
        "    assert set(rows[0]) == {'src', 'mt', 'ref'}\n"
        "    return S(system_score=sum(row['mt'] == row['ref'] for row in rows) / len(rows))\n"
        "def load_from_checkpoint(path):\n"
        "    assert path == 'some/model/path'\n"
        "    return S(predict=predict)\n"
    )
    command = ("evaluate", run_folder, "--test", f"t={test_files}", "--metrics", "comet", "--comet-model", "some/model")
    missing = mt(*command)
    assert missing.code == 2
    assert "pip install unbabel-comet" in missing.err
    monkeypatch.syspath_prepend(tmp_path)
    outcome = mt(*command).out
    lines = (run_folder / "translations" / "t.bb").read_text(encoding="utf-8").splitlines()
    references = test_files.with_suffix(".bb").read_text(encoding="utf-8").splitlines()
    fraction = sum(a == b for a, b in zip(lines, references, strict=True)) / len(lines)
    assert outcome == f"t  COMET {100 * fraction:.2f}  model:some/model\n"


def test_runs_that_cannot_be_compared(mt, run_folder, test_files, tmp_path):
    """Runs of another direction are refused; runs with equal translations have no p-value."""
    other = tmp_path / "other"
    shutil.copytree(run_folder, other)
    result = json.loads(mt("evaluate", run_folder, other, "--test", f"t={test_files}", "--samples", 50, "--json").out)
    assert [score["p_value"] for score in result["runs"][1]["scores"]] == [None] * 5
    config = (other / "config.yaml").read_text(encoding="utf-8")
    (other / "config.yaml").write_text(config.replace("tgt_lang: bb", "tgt_lang: cc"), encoding="utf-8")
    outcome = mt("evaluate", run_folder, other, "--test", f"t={test_files}")
    assert outcome.code == 2
    assert "other translates aa to cc, the first run aa to bb" in outcome.err


def test_references_without_words(mt, run_folder, tmp_path):
    """They are a group of their own, and have no words to be grouped by frequency."""
    for name, text in (("one.aa", "ba de fi\n"), ("one.bb", "\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    test = ("--test", f"one={tmp_path}/one")
    (found,) = json.loads(mt("evaluate", run_folder, *test, "--by", "frequency", "length", "--json").out)["breakdowns"]
    assert [(row["label"], row["count"]) for row in found["rows"]] == [("0", 1)]
    assert mt("evaluate", run_folder, *test, "--by", "frequency").code == 0
    outcome = mt("report", run_folder, *test, "-o", tmp_path / "page.html")
    assert outcome.code == 0, outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metrics", "bleau"], "--metrics bleau: unknown metric; choose from BLEU"),
        (["-l", "aa-bb"], "-l needs -t"),
        (["--samples", "-5"], "--samples: -5 must be 0 or more"),
        (["--worst", "-1"], "--worst: -1 must be 0 or more"),
        (["-t", "wmt14", "--test", "t=x"], "Give -t or --test, not both."),
        (["--by", "domain"], "valid.domain with the domain of each sentence"),
        (["--stress", "--metrics", "ter"], "--stress has figures of its own: omit --metrics."),
    ],
)
def test_impossible_evaluations_are_refused(mt, run_folder, corpus, arguments, message):
    given = [] if "-t" in arguments else ["--test", f"v={corpus}/valid"] if "domain" in arguments else []
    outcome = mt("evaluate", run_folder, *given, *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err


def test_an_empty_line_that_stays_empty_is_not_among_the_worst():
    test = test_sets.TestSet("t", ["", "Hallo", "Ja"], [["", "Hello", "Yes"]])
    assert [(one.number, one.chrf) for one in rank(test, ["", "Help", "Yes"])][1:] == [(1, 100.0), (3, 100.0)]


def test_a_run_that_cannot_be_written_to_is_evaluated(mt, run_folder, monkeypatch):
    def refuse(path, _):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("mt.evaluation.evaluation.write_recorded", refuse)
    outcome = mt("evaluate", run_folder)
    assert outcome.code == 0
    assert "test  BLEU" in outcome.out
    assert "The translations could not be saved" in outcome.err
