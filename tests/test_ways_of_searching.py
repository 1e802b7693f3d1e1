"""Every search option of `mt translate`, and `mt score`, with a trained model."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT, overrides, toy_pairs, translations
from sacrebleu.metrics.chrf import CHRF

from mt.config.schema import TokenizerConfig
from mt.search.rules import Forbidden
from mt.text import words
from mt.text.terminology import Terminology
from mt.text.tokenizer_training import train_tokenizer
from mt.text.words import WordFinder
from mt.translation.mbr import expected_utilities
from mt.translation.translator import Translator

LINES = [source for source, _ in toy_pairs(12, 9)]


@pytest.fixture(scope="module")
def other_run(corpus, tmp_path_factory) -> Path:
    """Another model on the same data, and so with the same tokenizer."""
    from mt import cli

    run = tmp_path_factory.mktemp("runs") / "other"
    assert cli.run(overrides(corpus, f"run_dir={run}", "training.max_steps=60", "optim.lr=0.005", "seed=2")) == 0
    return run


def test_score_equals_what_search_reports(run_folder, mt, tmp_path):
    """This holds for every translation that is segmented into the pieces of the search."""
    found = translations(mt("translate", run_folder, "--json", "--n-best", 4, *LINES))
    pairs = [(line, t) for line, n_best in zip(LINES, found, strict=True) for t in n_best]
    (tmp_path / "a").write_text("".join(f"{line}\n" for line, _ in pairs), encoding="utf-8")
    (tmp_path / "b").write_text("".join(f"{t['text']}\n" for _, t in pairs), encoding="utf-8")
    scored = mt("score", run_folder, tmp_path / "a", tmp_path / "b", "--json")
    compared, log_prob, n_pieces = 0, 0.0, 0
    for (_, t), row in zip(pairs, map(json.loads, scored.out.splitlines()), strict=True):
        log_prob, n_pieces = log_prob + row["log_prob"], n_pieces + len(row["log_probs"])
        assert row["log_prob"] == pytest.approx(sum(row["log_probs"]), abs=1e-4)
        if t["pieces"] == row["pieces"]:
            compared += 1
            assert row["log_probs"] == pytest.approx(t["log_probs"], abs=1e-3)
            assert row["score"] == pytest.approx(t["score"], abs=1e-3)
    assert compared > len(pairs) / 2
    assert f"Perplexity {math.exp(-log_prob / n_pieces):.3f} over {n_pieces:,} pieces" in scored.err
    plain = mt("score", run_folder, tmp_path / "a", tmp_path / "b").out.splitlines()
    assert [float(column) for column in plain[0].split("\t")] == pytest.approx(
        [found[0][0][k] for k in ("score", "log_prob")], abs=1e-3
    )


def test_score_refuses_wrong_files(run_folder, mt, tmp_path):
    (tmp_path / "a").write_text("ba\nde\n")
    (tmp_path / "b").write_text("BA\n")
    assert "has 2 lines but" in mt("score", run_folder, tmp_path / "a", tmp_path / "b").err
    (tmp_path / "empty").write_text("")
    assert f"{tmp_path}/empty are empty" in mt("score", run_folder, tmp_path / "empty", tmp_path / "empty").err
    missing = mt("score", run_folder, tmp_path / "a", tmp_path / "nowhere")
    assert (missing.code, "nowhere" in missing.err) == (2, True)


def test_a_model_that_is_loaded_for_search_is_stored_by_columns(run_folder):
    """A product of few rows is then faster on a CPU; `mt.model.layers.store_by_columns` changes no value."""
    model = Translator.load(run_folder, "cpu").model
    for weight in (model.projection.weight, model.encoder[0].self_attention.query.weight):
        assert weight.t().is_contiguous()
        assert not weight.is_contiguous()


def test_an_ensemble_of_one_model_equals_it(run_folder, other_run, mt):
    alone = mt("translate", run_folder, "--json", "--n-best", 3, *LINES)
    twice = mt("translate", run_folder, "--ensemble", run_folder, "--json", "--n-best", 3, *LINES)
    for a, b in zip(translations(alone), translations(twice), strict=True):
        assert [t["text"] for t in a] == [t["text"] for t in b]
        assert [t["score"] for t in a] == pytest.approx([t["score"] for t in b], abs=1e-4)
    both = translations(mt("translate", run_folder, "--ensemble", other_run, "--json", *LINES))
    assert both != translations(mt("translate", run_folder, "--json", *LINES))


def test_an_ensemble_gives_the_mean_of_the_probabilities(run_folder, other_run, mt, tmp_path):
    (best, *_), *_ = translations(mt("translate", run_folder, "--ensemble", other_run, "--json", LINES[0]))
    (tmp_path / "a").write_text(LINES[0] + "\n", encoding="utf-8")
    (tmp_path / "b").write_text(best["text"] + "\n", encoding="utf-8")
    rows = [
        json.loads(mt("score", run, tmp_path / "a", tmp_path / "b", "--json").out) for run in (run_folder, other_run)
    ]
    assert rows[0]["pieces"] == best["pieces"]
    means = [
        math.log((math.exp(x) + math.exp(y)) / 2) for x, y in zip(*(row["log_probs"] for row in rows), strict=True)
    ]
    assert best["log_probs"] == pytest.approx(means, abs=1e-4)


def test_ensemble_takes_one_run_each_time(run_folder, other_run, mt):
    outcome = mt("translate", run_folder, "--ensemble", run_folder, other_run)
    assert outcome.code == 2
    assert "--ensemble and --reverse take one run each: for more, repeat --ensemble" in outcome.err
    assert mt("translate", run_folder, "--ensemble", run_folder, "ba de " * 100).code == 0  # no name of a folder


def test_runs_of_other_vocabularies_do_not_mix(run_folder, corpus, mt, tmp_path):
    run = tmp_path / "run"
    arguments = overrides(corpus, f"run_dir={run}", "training.max_steps=1")
    assert mt(*[a for a in arguments if "vocab_size" not in a], "tokenizer.vocab_size=310").code == 0
    outcome = mt("translate", run_folder, "--ensemble", run, LINES[0])
    assert outcome.code == 2
    assert "differ in tokenizer" in outcome.err


def test_runs_of_other_directions_do_not_mix(run_folder, copy_of_run, mt):
    config = (copy_of_run / "config.yaml").read_text(encoding="utf-8")
    swapped = config.replace("src_lang: aa", "src_lang: bb").replace("tgt_lang: bb", "tgt_lang: aa")
    (copy_of_run / "config.yaml").write_text(swapped, encoding="utf-8")
    (copy_of_run / "SHA256SUMS").unlink()
    outcome = mt("translate", run_folder, "--ensemble", copy_of_run, LINES[0])
    assert outcome.code == 2
    assert "translates from bb to aa" in outcome.err


def test_samples_are_the_same_whatever_the_batch(run_folder, mt):
    sampled = ["--set", "search.method=sample", "--set", "search.n_samples=4", "--set", "search.temperature=2"]
    together = mt("translate", run_folder, *sampled, *LINES)
    one_by_one = mt("translate", run_folder, *sampled, "--set", "search.max_tokens=1", *LINES)
    assert together.out == one_by_one.out
    assert mt("translate", run_folder, *sampled, "--set", "search.seed=2", *LINES).out != together.out
    several = translations(mt("translate", run_folder, *sampled, "--json", "--n-best", 4, LINES[0]))[0]
    assert len({t["text"] for t in several}) > 1


def test_forced_prefixes(run_folder, mt):
    plain = mt("translate", run_folder, *LINES).out.splitlines()
    for line in mt("translate", run_folder, "--prefix", "XA TI", *LINES).out.splitlines():
        assert line.startswith("XA TI")
    beginning = " ".join(plain[0].split()[:2])
    assert mt("translate", run_folder, "--prefix", beginning, LINES[0]).out.splitlines() == plain[:1]


def test_forbidden_words_and_lengths(run_folder, mt):
    plain = mt("translate", run_folder, LINES[0]).out.split()
    without = mt(
        "translate", run_folder, "--set", f"search.forbidden=[{plain[0]}, {plain[1]} {plain[2]}]", LINES[0]
    ).out
    assert plain[0] not in without.split()
    assert f"{plain[1]} {plain[2]}" not in without
    longer = translations(mt("translate", run_folder, "--json", "--set", "search.min_len_ratio=1.9", LINES[0]))[0][0]
    assert len(longer["pieces"]) > len(translations(mt("translate", run_folder, "--json", LINES[0]))[0][0]["pieces"])


def test_required_phrases(run_folder, mt):
    ask = ("translate", run_folder, "--set", "search.required=[XA TI|FI FI, DE]")
    together = mt(*ask, *LINES).out.splitlines()
    plain = mt("translate", run_folder, *LINES).out.splitlines()
    for number, line in enumerate(together):
        words = " " + line.replace(".", "") + " "
        assert " DE " in words
        assert " XA TI " in words or " FI FI " in words
        assert mt(*ask, LINES[number]).out == f"{line}\n"
    tight = ("--set", "search.max_len_ratio=0.1", "--set", "search.max_len_offset=0")
    assert "XA TI GO" in mt("translate", run_folder, *tight, "--set", "search.required=[XA TI GO]", LINES[0]).out
    word = plain[0].split()[0]  # requiring what is written anyway changes nothing
    assert mt("translate", run_folder, "--set", f"search.required=[{word}]", LINES[0]).out == f"{plain[0]}\n"


def test_score_reads_pipes(run_folder):
    script = f"{sys.executable} -m mt score {run_folder} <(echo ba de) <(echo BA DE)"
    outcome = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert len(outcome.stdout.splitlines()) == 1


def test_terminology(run_folder, mt, tmp_path):
    terms = tmp_path / "terms.tsv"
    words = LINES[0].split()
    assert words[0] not in words[1:]
    other = "XA TI" if "xa" not in words else "FI FI"
    terms.write_text(f"{words[0].upper()}\t{other}|{other.lower()}\n\nnowhere\tNOWHERE\n", encoding="utf-8")
    ask = ("translate", run_folder, "--set", f"search.terminology={terms}")
    with_term, without = mt(*ask, LINES[0], " ".join(words[1:])).out.splitlines()
    assert other in with_term or other.lower() in with_term
    assert without == mt("translate", run_folder, " ".join(words[1:])).out.rstrip("\n")
    (tmp_path / "in").write_text(f"{words[0]}{words[0]}\n", encoding="utf-8")  # a part of a word is not a term
    inside = mt(*ask, "-i", tmp_path / "in").out
    assert inside == mt("translate", run_folder, "-i", tmp_path / "in").out


def test_the_longest_term_counts(run_folder):
    tokenizer = Translator.load(run_folder, "cpu").tokenizer
    terms = Terminology({"machine": ("Maschine",), "machine translation": ("MÜ",)})

    def find(text: str) -> list[tuple[str, ...]]:
        return terms.find(text, WordFinder("en", tokenizer).boundaries(text))

    assert find("Machine translation by a machine.") == [("MÜ",), ("Maschine",)]
    assert find("machinery") == []
    assert Terminology({"ankara": ("Ankara",)}).find("İstanbul ve Ankara", {0, 8, 9, 11, 12, 18}) == [("Ankara",)]


@pytest.mark.parametrize("segmenter", ["jieba", "pieces"])
def test_terms_in_a_language_without_spaces_are_whole_words(monkeypatch, caplog, segmenter):
    """书, a book, is only a part of 图书馆, a library."""
    caplog.set_level("INFO", logger="mt")
    if segmenter == "jieba":
        pytest.importorskip("jieba")
    else:
        monkeypatch.setattr(words, "chinese_segmenter", lambda: None)
    terms = Terminology({"书": ("volume",), "图书馆": ("library",)})
    lines = ["图书馆", "他在图书馆看了", "有", "书", "他", "喜欢"] * 100
    finder = WordFinder("zh", train_tokenizer(lambda: lines, lambda: lines, TokenizerConfig()))

    def find(text: str) -> list[tuple[str, ...]]:
        return terms.find(text, finder.boundaries(text))

    assert find("图书馆") == [("library",)]
    assert Terminology({"书": ("volume",)}).find("图书馆", finder.boundaries("图书馆")) == []
    assert find("他喜欢书") == [("volume",)]
    assert ("pip install jieba" in caplog.text) == (segmenter == "pieces")


@pytest.mark.parametrize("line", ["one column", "a\tb\tc", "a\t", "a\tb|", "\tb"])
def test_malformed_terminology_is_refused(run_folder, mt, tmp_path, line):
    terms = tmp_path / "terms.tsv"
    terms.write_text(f"ba\tBA\n{line}\n", encoding="utf-8")
    outcome = mt("translate", run_folder, "--set", f"search.terminology={terms}", LINES[0])
    assert outcome.code == 2
    assert f"{terms}, line 2: not `source term <tab> target term`" in outcome.err
    terms.write_text("ba\t" + "x" * 5000 + "\n")
    long = mt("translate", run_folder, "--set", f"search.terminology={terms}", LINES[0])
    assert (long.code, "line 1: a term has at most 200 characters" in long.err) == (2, True)
    missing = mt("translate", run_folder, "--set", "search.terminology=nowhere.tsv", LINES[0])
    assert missing.code == 2
    assert "there is no file nowhere.tsv" in missing.err


SAMPLED = ["search.method=sample", "search.n_samples=4", "search.temperature=1.5"]


@pytest.mark.parametrize(
    "settings",
    [
        ["search.patience=0.2"],
        ["search.diverse_groups=5", "search.diversity=20"],
        ["search.coverage_penalty=5"],
        ["search.length_norm=none"],
        ["search.length_penalty=0"],
        ["search.repetition_penalty=40"],
        ["search.no_repeat_ngram=2"],
        ["search.max_len_ratio=0.1", "search.max_len_offset=0"],
        ["search.temperature=0.1"],
        ["search.top_k=1"],
        ["search.top_p=0.01"],
        ["search.seed=5"],
    ],
)
def test_every_setting_reaches_the_search(run_folder, mt, settings):
    """The effects are tested with the search itself; here, that there is one."""
    line = " ".join(["ba de ba de ba de fi"] * 3)
    drawn = SAMPLED if settings[0].startswith(("search.temp", "search.top", "search.seed")) else []

    def translate(extra):
        options = [part for setting in [*drawn, *extra] for part in ("--set", setting)]
        return mt("translate", run_folder, "--json", "--n-best", 4, *options, line, *LINES).out

    assert translate(settings) != translate([])


def test_mbr_returns_the_most_similar_translation(run_folder, mt):
    chrf = CHRF()
    sampled = ["--set", "search.method=sample", "--set", "search.n_samples=8", "--set", "search.temperature=1.5"]
    mbr = translations(
        mt("translate", run_folder, *sampled, "--set", "search.mbr=chrf", "--json", "--n-best", 8, LINES[0])
    )[0]
    texts = [t["text"] for t in mbr]
    scores = [t["score"] for t in mbr]
    assert scores == sorted(scores, reverse=True)
    table = [[chrf.sentence_score(a, [b]).score for b in texts] for a in texts]
    if len(texts) == 8:  # all samples differ
        assert scores == pytest.approx([sum(row) / 8 for row in table])
    for utility in ("chrf", "bleu"):
        beam = translations(mt("translate", run_folder, "--set", f"search.mbr={utility}", "--json", *LINES))
        assert all(0 <= n_best[0]["score"] <= 100 for n_best in beam)


def test_expected_utility_counts_repeated_samples():
    def same_length(a: str, b: str) -> float:
        return 100.0 if len(a) == len(b) else 0.0

    assert expected_utilities(["a", "b", "cc"], [1, 1, 2], same_length) == [50.0, 50.0, 50.0]
    assert expected_utilities(["a", "cc"], [1, 3], same_length) == [25.0, 75.0]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("search.patience=0", "must be a number above 0"),
        ("search.diverse_groups=2", "must divide search.beam_size=5"),
        ("search.top_p=1.5", "at most 1"),
        ("search.temperature=1e308", "must be from 0.001 to 1000"),
        ("search.no_repeat_ngram=1", "set 0, or 2 or more"),
        ("search.method=beem", "search.method"),
        ("search.mbr=rouge", "search.mbr"),
        ("search.n_best=6", "search.beam_size=5"),
        ("search.required=[a|]", "alternatives, is empty"),
        ("search.forbidden=[a|]", "alternatives, is empty"),
        (f"search.required=[{'x' * 201}]", "a phrase has at most 200 characters"),
        ("search.terminology=none.tsv", "there is no file none.tsv"),
        ("search.required=[a", "search.required: '[a' is not YAML: close the bracket"),
        ("search.forbidden=[${x}]", "search.forbidden: a value must not contain '${'"),
        ("search.min_len_ratio=3", "search.max_len_ratio=2"),
    ],
)
def test_impossible_settings_are_refused(run_folder, mt, setting, message):
    outcome = mt("translate", run_folder, "--set", setting, LINES[0])
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err


def test_required_phrases_need_a_beam(run_folder, mt):
    for others in (["search.method=sample"], ["search.beam_size=1"], ["search.diverse_groups=5"]):
        settings = [part for setting in ["search.required=[a]", *others] for part in ("--set", setting)]
        outcome = mt("translate", run_folder, *settings, LINES[0])
        assert outcome.code == 2
        assert "need search.method=beam and at least two hypotheses per group" in outcome.err


def test_required_and_forbidden_phrases_together(run_folder, mt, tmp_path):
    forbidden = ["--set", "search.forbidden=[x|DE]"]
    refused = mt("translate", run_folder, *forbidden, "--set", "search.required=[BA DE]", LINES[0])
    assert refused.code == 2
    assert "search.required has 'BA DE', which contains 'DE' of search.forbidden" in refused.err
    either = mt("translate", run_folder, *forbidden, "--set", "search.required=[DE|BA]", LINES[0])
    assert re.search(r"\bBA\b", either.out)
    assert mt("translate", run_folder, *forbidden, "--prefix", "DE", LINES[0]).out.startswith("DE")


@pytest.mark.parametrize("phrase", ["no", "10:30", "2.50", "null", "1e3"])
def test_phrases_are_text_whatever_yaml_makes_of_them(run_folder, mt, phrase):
    outcome = mt("translate", run_folder, "--set", f"search.required=[{phrase}]", LINES[0])
    assert phrase in outcome.out
    outcome = mt("translate", run_folder, "--set", f"search.forbidden=[{phrase}]", LINES[0])
    assert outcome.code == 0


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("search.required=[a: b]", "search.required: {'a': 'b'} is not text"),
        ("search.required=Hut", "must be a list: search.required='[Hut]'"),
        ("search.length_penalty=1000", "search.length_penalty=1000.0 must be at most 10"),
        ("search.max_len_ratio=1e300", "search.max_len_ratio=1e+300 must be at most 100"),
        ("search.temperature=1e-40", "search.temperature=1e-40 must be from 0.001 to 1000"),
    ],
)
def test_extreme_values_are_refused(run_folder, mt, setting, message):
    outcome = mt("translate", run_folder, "--set", setting, LINES[0])
    assert outcome.code == 2
    assert message in outcome.err


def test_mbr_never_prefers_a_translation_that_was_cut(run_folder, mt):
    settings = ["search.mbr=chrf", "search.method=sample", "search.n_samples=12", "search.max_len_offset=0",
                "search.max_len_ratio=0.9", "search.temperature=1.5"]  # fmt: skip
    options = [part for setting in settings for part in ("--set", setting)]
    for line in LINES:
        (found,) = translations(mt("translate", run_folder, "--json", "--n-best", 12, *options, line))
        complete = [one["complete"] for one in found]
        assert complete == sorted(complete, reverse=True)


@pytest.mark.parametrize("mark", ["„", "»", "–", "(", "。", " "])
def test_forbidden_phrases_after_any_punctuation(mark):
    pieces = [b"", b" ", b"Hu", b"nd", b"T", b"-", b"Shirt", b"e", mark.encode()]
    forbidden = Forbidden([b" Hund", b" T-Shirt"], pieces)
    for begun, last in (([2], 3), ([4, 5], 6)):
        for before, is_banned in ((8, True), (7, False)):  # after punctuation; inside a word
            scores = torch.zeros(1, 1, len(pieces))
            forbidden(scores, torch.tensor([[[7, before, *begun]]]), [0])
            assert (scores[0, 0, last] == float("-inf")) == is_banned, (mark, begun, before)


def test_bf16_translates_nearly_the_same(run_folder, mt):
    lines = [source for source, _ in toy_pairs(40, 31)]
    plain, bf16 = (
        mt("translate", run_folder, *extra, *lines).out.splitlines() for extra in ([], ["--precision", "bf16"])
    )
    assert sum(a == b for a, b in zip(plain, bf16, strict=True)) >= 36
    scores = [
        [t["log_prob"] for (t,) in translations(mt("translate", run_folder, "--json", *extra, *lines))]
        for extra in ([], ["--precision", "bf16"])
    ]
    assert scores[0] != scores[1]
    links = mt("translate", run_folder, "--precision", "bf16", "--align", *lines[:3])
    assert links.code == 0, links.err


def test_from_python(run_folder, mt):
    from mt import SearchConfig, Translator

    translator = Translator.load(run_folder)
    assert translator.translate([*LINES, ""]) == [*mt("translate", run_folder, *LINES).out.splitlines(), ""]
    greedy = translator.translate(LINES[:2], SearchConfig(beam_size=1))
    assert greedy == mt("translate", run_folder, "--beam-size", 1, *LINES[:2]).out.splitlines()
    (n_best,) = translator.n_best(LINES[:1], SearchConfig(n_best=3))
    assert [t.text for t in n_best] == [
        row.split(" ||| ")[1] for row in mt("translate", run_folder, "--n-best", 3, LINES[0]).out.splitlines()
    ]
