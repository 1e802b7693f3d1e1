"""`mt card`: what a model card says, and what it does not give away."""

import os
import re

import pytest
import yaml
from conftest import overrides, toy_pairs, write_pairs
from huggingface_hub import ModelCard

from mt.config.corpora import public_name


@pytest.fixture
def card(mt, copy_of_run):
    """Write the card of a run with these options, and read it as the Hub does."""

    def write(*options):
        outcome = mt("card", copy_of_run, *options)
        assert outcome.code == 0, outcome.err
        return ModelCard.load(copy_of_run / "README.md"), outcome

    return write


def test_a_few_sentences_have_scores_without_intervals(card, copy_of_run, tmp_path):
    config = copy_of_run / "config.yaml"
    write_pairs(tmp_path / "few", toy_pairs(5, 3))
    text = config.read_text(encoding="utf-8")
    config.write_text(re.sub(r"(?m)^    test: .*$", f"    test: {tmp_path}/few", text), encoding="utf-8")
    found, _ = card()
    assert re.search(r"\| test +\| 5 +\| [\d.]+ +\|", found.content)


def test_metadata_and_scores(card, mt, copy_of_run):
    found, _ = card("--license", "cc-by-4.0", "--data-license", "cc0-1.0")
    assert (found.data.language, found.data.license, found.data.pipeline_tag) == (
        ["aa", "bb"],
        "cc-by-4.0",
        "translation",
    )
    printed = mt("evaluate", copy_of_run, "--metrics", "BLEU", "chrF").out
    for result in found.data.eval_results:
        assert f"{result.metric_value:.2f}" in printed
        name, signature = result.metric_name.split(", ")
        assert signature in printed
        assert f"- {name}: {signature}" in found.text
    assert [result.metric_type for result in found.data.eval_results] == ["bleu", "chrf"]
    assert "Licence of the text: cc0-1.0." in found.text
    assert "- Training data: 800 pairs" in found.text
    assert "as people type" not in found.text


def test_no_folder_of_this_machine_is_named(card, corpus, copy_of_run):
    found, _ = card()
    assert str(corpus) not in str(found)
    assert str(copy_of_run) not in str(found)
    assert os.path.expanduser("~") + "/" not in str(found)
    assert "train. Fingerprint of the text: `" in found.text
    assert "The licence of the text is not stated." in found.text


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/home/me/news.tsv", "news.tsv"), ("C:\\Users\\me\\news", "news"), ("hub:/data/me/set", "set"),
        ("hub:we/set@v2:de-en", "hub:we/set@v2:de-en"), ("pkg://mt.demo/train", "pkg://mt.demo/train"),
        ("hub:mine/set", "set"),
    ],
)  # fmt: skip
def test_names_of_sources(source, name, tmp_path, monkeypatch):
    (tmp_path / "mine" / "set").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert public_name(source) == name


def test_what_people_type(card):
    found, _ = card("--stress")
    assert "### test, as people type" in found.text
    assert "| capitals" in found.text.lower()


def test_a_run_without_test_sets(card, copy_of_run):
    config = copy_of_run / "config.yaml"
    lines = config.read_text(encoding="utf-8").splitlines(keepends=True)
    start = next(n for n, line in enumerate(lines) if line.startswith("  test:"))
    assert lines[start + 1].startswith("    test: ")
    config.write_text("".join([*lines[:start], "  test: null\n", *lines[start + 2 :]]), encoding="utf-8")
    found, outcome = card()
    assert "The card has no scores." in outcome.err
    assert "It has not been scored on a test set." in found.text
    assert found.data.eval_results is None


def test_metadata_are_those_that_the_hub_takes(card, copy_of_run):
    """Languages without script and region, data sets without revision, configuration and split."""
    path = copy_of_run / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    names = ["hub:we/texts@refs/convert/parquet:en-pt:train[:96%]", "hub:we/texts:en-pt", "hub:we/more"]
    config["data"] |= {"src_lang": "zho_Hans", "tgt_lang": "pt_BR", "train": names, "test": None}
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    found, _ = card()
    assert (found.data.language, found.data.datasets) == (["zh", "pt"], ["we/texts", "we/more"])


def test_every_corpus_is_named(corpus, mt, tmp_path):
    corpora = f"data.train=[{{path: {corpus}/train}}, {{path: {corpus}/valid, weight: 2}}]"
    assert mt(*overrides(corpus, f"run_dir={tmp_path}/run", corpora, "training.max_steps=2")).code == 0
    assert mt("card", tmp_path / "run").code == 0
    text = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert "- Training data: 2 corpora: train: 800 pairs, " in text
    assert "valid: 40 pairs, " in text
    assert str(corpus) not in text


def test_a_link_is_not_followed(mt, copy_of_run, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (copy_of_run / "README.md").symlink_to(victim)
    mt("card", copy_of_run)
    assert victim.read_text() == "mine"


def test_a_link_that_the_user_names_is_written_to(mt, copy_of_run, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file")
    assert mt("card", copy_of_run, "-o", link).code == 0
    assert link.is_symlink()
    assert (tmp_path / "file").read_text(encoding="utf-8").startswith("---")
