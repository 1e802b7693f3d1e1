"""Noise on sources, and random segmentation of the same text."""

from random import Random

import pytest
from conftest import overrides, write_pairs

from mt.config.data import NoiseConfig
from mt.config.schema import TokenizerConfig
from mt.data.noise import add_noise
from mt.data.variation import Variation
from mt.text.tokenizer_training import Extras, train_tokenizer

LINE = "The gray dogs, who bark, ran away!"


@pytest.fixture(scope="module")
def tokenizer():
    lines = [f"{word} {LINE}" for word in "abcdefgh"] * 3
    return train_tokenizer(lambda: lines, lambda: lines, TokenizerConfig(), Extras(["<2de>", "<web>"]))


def many(noise, text=LINE, count=400):
    random = Random(1)
    return [add_noise(text, noise, random) for _ in range(count)]


def test_every_kind_of_noise_occurs_at_its_probability():
    lines = many(NoiseConfig(case=0.2))
    assert {*lines} == {LINE, LINE.lower(), LINE.upper()}
    assert 50 < sum(line != LINE for line in lines) < 110  # 80 expected
    lines = many(NoiseConfig(punctuation=0.3))
    assert {*lines} == {LINE, "The gray dogs who bark ran away"}
    assert 85 < sum(line != LINE for line in lines) < 155  # 120 expected
    words = [word for line in many(NoiseConfig(typos=0.1)) for word in line.split()]
    wrong = [word for word in words if word not in LINE.split()]
    assert 0.07 < len(wrong) / len(words) < 0.13
    assert {"hte", "Te", "TThe", "dgos,", "barkk,", "awya!"} - {*wrong} <= {"hte", "barkk,", "awya!"}
    assert all(len(word) >= 2 for word in wrong)


def test_text_without_letters():
    almost = 0.999999
    assert add_noise("", NoiseConfig(almost, almost, almost), Random(1)) == ""
    assert add_noise("?!", NoiseConfig(punctuation=almost), Random(1)) == "?!"  # not empty, or the pair would be lost
    text = "ab 12345 我买书"
    assert add_noise(text, NoiseConfig(typos=almost), Random(1)) != text  # words of three letters only


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_sources_change_but_tags_and_targets_stay(tokenizer, alpha):
    tags = tokenizer.encode_tags(["<2de>", "<web>"])
    (ids,) = tokenizer.encode_src([LINE])
    pairs = [([*tags, *ids], ids)] * 50
    varied = Variation(tokenizer, 100, NoiseConfig(typos=0.3), alpha)(pairs, 7)
    assert varied == Variation(tokenizer, 100, NoiseConfig(typos=0.3), alpha)(pairs, 7)
    assert varied != Variation(tokenizer, 100, NoiseConfig(typos=0.3), alpha)(pairs, 8)
    assert all(src[:2] == tags for src, _ in varied)
    assert {tokenizer.decode_tgt(tgt) for _, tgt in varied} == {LINE}
    assert len({tokenizer.decode_src(src) for src, _ in varied}) > 25
    if not alpha:
        assert all(tgt == ids for _, tgt in varied)
    longest = Variation(tokenizer, len(ids) + 2, NoiseConfig(typos=0.3), alpha)(pairs, 7)
    assert max(len(src) for src, _ in longest) <= len(ids) + 2


@pytest.mark.slow
def test_training_with_noise_helps_on_noisy_text(mt, corpus, tmp_path):
    """With the same steps, the model trained with noise is better on capitals, which the other never saw."""
    lines = (corpus / "valid.aa").read_text(encoding="utf-8").splitlines()
    references = (corpus / "valid.bb").read_text(encoding="utf-8").splitlines()
    write_pairs(
        tmp_path / "loud", [(line.upper(), reference) for line, reference in zip(lines, references, strict=True)]
    )
    scores = {}
    for name, noise in (("plain", []), ("noise", ["data.noise.case=0.5"])):
        learn = ["training.max_steps=300", "training.valid_every_steps=300", "optim.lr=0.005", "model.dropout=0"]
        tests = [f"data.test={{loud: {tmp_path}/loud}}", "optim.warmup_steps=50"]
        outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/{name}", *learn, *tests, *noise))
        assert outcome.code == 0, outcome.err
        scores[name] = float(outcome.err.split("loud  chrF ")[1].split()[0])
    assert scores["noise"] > scores["plain"] + 10


def test_an_impossible_probability_is_refused(mt, corpus):
    outcome = mt(*overrides(corpus, "data.noise.typos=2"))
    assert outcome.code == 2
    assert "data.noise.typos=2" in outcome.err
