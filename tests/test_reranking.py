"""`--reverse`: a model of the other direction chooses among the hypotheses."""

import shutil
from pathlib import Path

import pytest
import yaml
from conftest import overrides, toy_pairs, translations

from mt.config.search import SearchConfig
from mt.quality.estimator import search_key
from mt.runs.layout import RunLayout
from mt.runs.publishing import publish

LINES = [source for source, _ in toy_pairs(12, 9)]


@pytest.fixture(scope="module")
def back(corpus, tmp_path_factory) -> Path:
    """A model of the other direction, with a vocabulary of its own."""
    from mt import cli

    run = tmp_path_factory.mktemp("runs") / "back"
    directed = ["data.src_lang=bb", "data.tgt_lang=aa", "tokenizer.vocab_size=310", "data.noise.copies=0.1"]
    assert cli.run(overrides(corpus, f"run_dir={run}", "training.max_steps=60", "optim.lr=0.005", *directed)) == 0
    return run


@pytest.fixture(scope="module")
def both_ways(corpus, tmp_path_factory) -> Path:
    """One model of both directions."""
    from mt import cli

    run = tmp_path_factory.mktemp("runs") / "both"
    sources = f"data.train=[{{path: {corpus}/train}}, {{path: {corpus}/train, src_lang: bb, tgt_lang: aa}}]"
    arguments = overrides(corpus, f"run_dir={run}", "training.max_steps=60", "data.language_tags=true")
    assert cli.run([*(one for one in arguments if not one.startswith("data.train=")), sources]) == 0
    return run


def by_hand(mt, run, back, weight, folder):
    """Return the texts and scores that the scores of `mt translate` and `mt score` together give, best first."""
    expected = []
    for line, found in zip(LINES, translations(mt("translate", run, "--json", "--n-best", 5, *LINES)), strict=True):
        (folder / "a").write_text("".join(f"{one['text']}\n" for one in found), encoding="utf-8")
        (folder / "b").write_text(f"{line}\n" * len(found), encoding="utf-8")
        scores = [float(row.split("\t")[0]) for row in mt("score", back, folder / "a", folder / "b").out.splitlines()]
        both = [(one["text"], one["score"] + weight * score) for one, score in zip(found, scores, strict=True)]
        expected.append(sorted(both, key=lambda one: -one[1]))
    return expected


def test_the_score_is_that_of_both_models(worse_run, back, mt, tmp_path):
    expected = by_hand(mt, worse_run, back, 2, tmp_path)
    asked = ("translate", worse_run, "--reverse", back, "--set", "search.reverse_weight=2", "--json", "--n-best", 5)
    found = translations(mt(*asked, *LINES))
    for ours, hand in zip(found, expected, strict=True):
        assert [one["score"] for one in ours] == pytest.approx([score for _, score in hand], abs=1e-3)
    assert [ours[0]["text"] for ours in found] == [hand[0][0] for hand in expected]
    alone = translations(mt("translate", worse_run, "--json", *LINES))
    assert [one[0]["text"] for one in found] != [one[0]["text"] for one in alone]


def test_a_line_does_not_depend_on_the_others(worse_run, back, mt):
    asked = ("translate", worse_run, "--reverse", back)
    assert "".join(mt(*asked, line).out for line in LINES) == mt(*asked, *LINES).out


def test_engines_agree(run_folder, back, mt):
    """With a model that is sure of its translations: otherwise, rounding could decide."""
    pytest.importorskip("ctranslate2")
    asked = ("translate", run_folder, "--reverse", back, "--engine")
    assert mt(*asked, "ctranslate2", *LINES).out == mt(*asked, "torch", *LINES).out != ""


def test_without_weight_nothing_changes(worse_run, back, mt):
    weightless = mt("translate", worse_run, "--reverse", back, "--set", "search.reverse_weight=0", *LINES)
    assert weightless.out == mt("translate", worse_run, *LINES).out


def test_a_model_of_both_directions_is_its_own_reverse(both_ways, mt, tmp_path):
    asked = ("translate", both_ways, "--reverse", both_ways, "--json", "--n-best", 5)
    (found,) = translations(mt(*asked, LINES[0]))
    alone = {
        one["text"]: one["score"]
        for one in translations(mt("translate", both_ways, "--json", "--n-best", 5, LINES[0]))[0]
    }
    (tmp_path / "bb").write_text("".join(f"{one['text']}\n" for one in found), encoding="utf-8")
    (tmp_path / "aa").write_text(f"{LINES[0]}\n" * len(found), encoding="utf-8")
    rows = mt("score", both_ways, "--from", "bb", "--to", "aa", tmp_path / "bb", tmp_path / "aa").out.splitlines()
    for one, row in zip(found, rows, strict=True):
        assert one["score"] == pytest.approx(alone[one["text"]] + 0.2 * float(row.split("\t")[0]), abs=1e-3)


def test_the_direction_that_is_asked_for_counts(both_ways, run_folder, back, mt):
    backwards = ("translate", both_ways, "--from", "bb", "--to", "aa", "BA DE", "--reverse")
    assert mt(*backwards, run_folder).code == 0
    wrong = mt(*backwards, back)
    assert wrong.code == 2
    assert "that model translates from bb to aa, not from aa to bb" in wrong.err


def test_codes_of_a_language_may_differ(worse_run, back, mt, tmp_path):
    run = tmp_path / "a=😀, [b] 'c'"
    shutil.copytree(back, run)
    config = (run / "config.yaml").read_text(encoding="utf-8")
    (run / "config.yaml").write_text(config.replace("src_lang: bb", "src_lang: bb_Latn"), encoding="utf-8")
    (run / "SHA256SUMS").unlink()
    outcome = mt("translate", worse_run, "--reverse", run, *LINES)
    assert outcome.code == 0, outcome.err
    assert outcome.out == mt("translate", worse_run, "--reverse", back, *LINES).out


def test_commands_that_do_not_search_need_no_reverse(copy_of_run, mt, tmp_path):
    config = (copy_of_run / "config.yaml").read_text(encoding="utf-8")
    (copy_of_run / "config.yaml").write_text(config.replace("reverse: null", "reverse: gone"), encoding="utf-8")
    (copy_of_run / "SHA256SUMS").unlink()
    (tmp_path / "aa").write_text(f"{LINES[0]}\n", encoding="utf-8")
    assert mt("score", copy_of_run, tmp_path / "aa", tmp_path / "aa").code == 0
    assert mt("explain", copy_of_run, LINES[0]).code == 0
    outcome = mt("translate", copy_of_run, LINES[0])
    assert outcome.code == 2
    assert "search.reverse=gone: There is no folder gone" in outcome.err


def test_the_card_says_that_translations_were_reranked(worse_run, back, mt, tmp_path):
    for options, says in ((["--reverse", back], True), ([], False)):
        assert mt("card", worse_run, *options, "--output", tmp_path / "card.md").code == 0
        assert ("reranked by a model of the other direction" in (tmp_path / "card.md").read_text()) is says


def test_a_published_run_has_no_reverse(copy_of_run, tmp_path, caplog):
    config = (copy_of_run / "config.yaml").read_text(encoding="utf-8")
    (copy_of_run / "config.yaml").write_text(config.replace("reverse: null", "reverse: gone"), encoding="utf-8")
    (copy_of_run / "SHA256SUMS").unlink()
    publish(RunLayout(copy_of_run), tmp_path / "public", with_quality=True)
    assert "reverse: null" in (tmp_path / "public" / "config.yaml").read_text(encoding="utf-8")
    assert "search.reverse is not published" in caplog.text


def test_the_quality_is_that_of_a_search_with_any_reverse():
    plain, wide = search_key(SearchConfig()), search_key(SearchConfig(beam_size=8))
    reranked = [search_key(SearchConfig(reverse=run)) for run in ("a", "b")]
    assert reranked[0] == reranked[1]
    assert len({plain, wide, reranked[0]}) == 3


def test_evaluation_translates_likewise(worse_run, back, mt, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(worse_run, run)
    outcome = mt("evaluate", run, "--reverse", back, "--samples", 0)
    assert outcome.code == 0, outcome.err
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    source = Path(config["data"]["test"]["test"] + ".aa")
    expected = mt("translate", run, "--reverse", back, "--no-split", "--input", source).out
    assert (run / "translations" / "test.bb").read_text(encoding="utf-8") == expected


def test_texts_beyond_the_learned_positions(run_folder, corpus, mt, tmp_path):
    run = tmp_path / "short"
    directed = ["data.src_lang=bb", "data.tgt_lang=aa", "model.positions=learned", "data.max_len=8"]
    assert mt(*overrides(corpus, f"run_dir={run}", "training.max_steps=2", *directed)).code == 0
    long = " ".join([*"abcdefghij"] * 3)
    outcome = mt("translate", run_folder, "--reverse", run, long)
    assert outcome.code == 0, outcome.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--reverse", "{run}"], "that model translates from aa to bb, not from bb to aa"),
        (["--reverse", "nowhere"], "search.reverse=nowhere: There is no folder nowhere"),
        (["--reverse", "{back}", "--beam-size", "1"], "needs several hypotheses to choose from: search.beam_size=1"),
        (["--reverse", "{back}", "{run}"], "--ensemble and --reverse take one run each"),
        (["--reverse", "{back}", "--set", "search.mbr=chrf"], "each choose among the hypotheses: omit one"),
        (["--reverse", "{back}", "--set", "search.reverse_weight=-1"], "search.reverse_weight"),
    ],
)
def test_what_is_refused(run_folder, back, mt, options, message):
    outcome = mt("translate", run_folder, *(one.format(run=run_folder, back=back) for one in options), LINES[0])
    assert outcome.code == 2
    assert message in outcome.err
    assert not outcome.out


def test_training_scores_its_test_sets_with_it(corpus, back, mt, tmp_path):
    run = tmp_path / "run"
    outcome = mt(*overrides(corpus, f"run_dir={run}", "training.max_steps=4", f"search.reverse={back}"))
    assert outcome.code == 0, outcome.err
    lines = (corpus / "valid.aa").read_text(encoding="utf-8").splitlines()
    reranked = mt("translate", run, "--no-split", *lines).out
    assert (run / "translations" / "test.bb").read_text(encoding="utf-8") == reranked


def test_training_refuses_what_its_test_sets_would_lack(corpus, mt, tmp_path):
    for setting, message in (
        ("search.reverse=nowhere", "no folder nowhere"),
        ("search.terminology=nowhere", "nowhere"),
    ):
        outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/run", setting))
        assert outcome.code == 2
        assert message in outcome.err
        assert not (tmp_path / "run" / "metrics.jsonl").exists()
