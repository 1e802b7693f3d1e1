"""Noise on pairs, and random segmentation of the same text."""

from dataclasses import replace
from random import Random

import pytest
import regex
from conftest import overrides

from mt.config.data import NoiseConfig
from mt.config.schema import TokenizerConfig
from mt.data.corpus import CorpusEncoder
from mt.data.derived import in_memory
from mt.data.loader import BatchLoader
from mt.data.mixture import Member, Mixture, Stage
from mt.data.noise import add_noise
from mt.data.variation import Variation
from mt.text.tokenizer_training import Extras, train_tokenizer

LINE = "The gray dogs, who bark, ran away!"
OTHER = "Die grauen Hunde, die bellen, liefen weg!"


@pytest.fixture(scope="module")
def tokenizer():
    lines = [f"{word} {LINE}" for word in "abcdefgh"] * 3
    return train_tokenizer(lambda: lines, lambda: lines, TokenizerConfig(), Extras(["<2de>", "<web>"]))


LANGS = ["en"] * 50
QUIET = {"typos": 0.0, "case": 0.0, "punctuation": 0.0, "copies": 0.0}
ALMOST = 0.999999


def many(markers=(), pair=(LINE, OTHER), count=400, **noise):
    random = Random(1)
    return [add_noise(pair, NoiseConfig(**(QUIET | noise)), markers, random) for _ in range(count)]


def test_every_kind_of_noise_occurs_at_its_probability():
    pairs = many(case=0.2)
    assert {*pairs} == {(LINE, OTHER), (LINE.lower(), OTHER)}
    assert 50 < sum(pair != (LINE, OTHER) for pair in pairs) < 110  # 80 expected
    pairs = many(punctuation=0.3)
    assert {*pairs} == {(LINE, OTHER), (LINE[:-1], OTHER[:-1])}
    assert 85 < sum(pair != (LINE, OTHER) for pair in pairs) < 155  # 120 expected
    assert {*many(punctuation=ALMOST, pair=("我走", "I go."))} == {("我走", "I go.")}  # neither, or both
    assert {*many(case=ALMOST, pair=("我走。", "I go."))} == {("我走。", "I go.")}
    ends = ("Wachstum von 5%.", "Growth (of 5%).")
    assert {*many(punctuation=ALMOST, pair=ends)} == {("Wachstum von 5%", "Growth (of 5%)")}
    assert add_noise(("IŞIK İYİ", ""), NoiseConfig(**QUIET | {"case": ALMOST}), (), Random(1), "tr")[0] == "ışık iyi"
    pairs = many(typos=0.1)
    words = [word for src, _ in pairs for word in src.split()]
    wrong = [word for word in words if word not in LINE.split()]
    assert 0.07 < len(wrong) / len(words) < 0.13
    assert {"hte", "Te", "TThe", "dgos,", "barkk,", "awya!"} - {*wrong} <= {"hte", "barkk,", "awya!"}
    assert all(len(word) >= 2 for word in wrong)
    assert {tgt for _, tgt in pairs} == {OTHER}


def test_typos_leave_accents_and_vowel_signs_with_their_letters():
    marked = {*many(typos=ALMOST, pair=("e\u0301te\u0301s", OTHER)), *many(typos=ALMOST, pair=("कार्यक्रम", OTHER))}
    assert len(marked) > 4
    for src, _ in marked:
        assert {*regex.findall(r"\X", src)} <= {"e\u0301", "t", "s", *regex.findall(r"\X", "कार्यक्रम")}


def test_markers_stand_in_corresponding_places():
    assert {*many(copies=ALMOST, markers="*")} == {
        ("* The gray dogs, who bark, ran away!", "* Die grauen Hunde, die bellen, liefen weg!"),
        ("The gray dogs, * who bark, ran away!", "Die grauen Hunde, * die bellen, liefen weg!"),
        ("The gray dogs, who bark, * ran away!", "Die grauen Hunde, die bellen, * liefen weg!"),
        ("The gray dogs, who bark, ran away *!", "Die grauen Hunde, die bellen, liefen weg *!"),
        ("The gray dogs, who bark, ran away! *", "Die grauen Hunde, die bellen, liefen weg! *"),
    }
    assert ("I saw *.", "Ich sah *.") in many(copies=ALMOST, markers="*", pair=("I saw Kofi.", "Ich sah Kofi."))
    assert {*many(copies=ALMOST, markers="*", pair=("我走。", "I go."))} == {
        ("*我走。", "* I go."), ("我走*。", "I go *."), ("我走。*", "I go. *"),
    }  # fmt: skip
    assert {*many(copies=ALMOST)} == {(LINE, OTHER)}  # no marker in the vocabulary


def test_text_without_letters():
    everything = dict.fromkeys(QUIET, ALMOST)
    assert {*many(pair=("", ""), **everything)} == {("", "")}
    assert {*many(pair=("?!", "?!"), punctuation=ALMOST)} == {("?!", "?!")}  # not empty, or the pair would be lost
    text = "ab 12345 我买书"
    assert many(pair=(text, text), typos=ALMOST, count=1)[0][0] != text  # words of three letters only


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_sources_change_but_tags_and_targets_stay(tokenizer, alpha):
    tags = list(tokenizer.encode_tags(["<2de>", "<web>"]).src)
    (ids,) = tokenizer.encode_src([LINE])
    pairs = [([*tags, *ids], [*tags[:1], *ids])] * len(LANGS)
    varied = Variation(tokenizer, 100, NoiseConfig(**QUIET | {"typos": 0.3}), alpha)(pairs, LANGS, 7)
    assert varied == Variation(tokenizer, 100, NoiseConfig(**QUIET | {"typos": 0.3}), alpha)(pairs, LANGS, 7)
    assert varied != Variation(tokenizer, 100, NoiseConfig(**QUIET | {"typos": 0.3}), alpha)(pairs, LANGS, 8)
    assert all(src[:2] == tags and tgt[:1] == tags[:1] for src, tgt in varied)
    assert {tokenizer.decode_tgt(tgt) for _, tgt in varied} == {LINE}
    assert len({tokenizer.decode_src(src) for src, _ in varied}) > 25
    if not alpha:
        assert all(tgt[1:] == ids for _, tgt in varied)
    longest = Variation(tokenizer, len(ids) + 2, NoiseConfig(**QUIET | {"typos": 0.3}), alpha)(pairs, LANGS, 7)
    assert max(len(src) for src, _ in longest) <= len(ids) + 2


def test_each_corpus_is_noisy_in_its_language(tokenizer, tmp_path):
    """I is a capital of ı in Turkish, and of i elsewhere."""
    pairs = [("I I. ran", "x")]
    encoder = CorpusEncoder(tokenizer, 200, tmp_path)
    members = [
        Member(lang, encoder.encode(in_memory(lang, pairs), (lang, "de"), "k"), src_lang=lang) for lang in ("en", "tr")
    ]
    vary = Variation(tokenizer, 200, NoiseConfig(**QUIET | {"case": ALMOST}))
    batch = BatchLoader(Mixture(members, [Stage([1.0, 1.0])]), 2000, seed=3, vary=vary).next_batch()
    assert {tokenizer.decode_src(row) for row in batch.src.tolist()} == {"i i. ran", "ı ı. ran"}


def test_an_impossible_probability_is_refused(mt, corpus):
    outcome = mt(*overrides(corpus, "data.noise.typos=2"))
    assert outcome.code == 2
    assert "data.noise.typos=2" in outcome.err


def test_batches_of_noisy_pairs_keep_the_budget(tokenizer, tmp_path):
    """They are divided into batches by the lengths that they have with noise, different in every epoch."""
    pairs = [(f"{word} {LINE}", f"{word} {OTHER}") for word in "abcdefgh"] * 40
    text = in_memory("text", pairs)
    mixture = Mixture(
        [Member("x", CorpusEncoder(tokenizer, 200, tmp_path).encode(text, ("en", "de"), "k"))], [Stage([1.0])]
    )
    noise = NoiseConfig(typos=0.3, case=0.2, punctuation=0.2, copies=0.0)
    loader = BatchLoader(mixture, 2000, seed=3, vary=Variation(tokenizer, 200, noise))
    n_rows, seen = 0, []
    while loader.position.epoch < 2:
        batch = loader.next_batch()
        assert max(batch.src.numel(), batch.tgt_in.numel()) <= 2000
        seen.append(batch.src.tolist())
        n_rows += len(batch.src)
    assert n_rows - len(seen[-1]) == 2 * len(pairs)
    assert seen[0] not in seen[1:]
    resumed = BatchLoader(mixture, 2000, seed=3, vary=Variation(tokenizer, 200, noise))
    resumed.position = replace(loader.position, epoch=1, cursor=2)
    again = BatchLoader(mixture, 2000, seed=3, vary=Variation(tokenizer, 200, noise))
    while (again.position.epoch, again.position.cursor) != (1, 2):
        again.next_batch()
    assert resumed.next_batch().src.equal(again.next_batch().src)
