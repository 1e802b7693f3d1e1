"""Normalisation becomes a part of the tokenizer, and so of everything that uses it."""

import unicodedata

import pytest
from conftest import overrides, toy_pairs, write_pairs

from mt.config.choices import Chinese, UnicodeForm
from mt.config.data import NormalizeConfig
from mt.config.schema import TokenizerConfig
from mt.runs.layout import RunLayout
from mt.text.normalization import build_rules
from mt.text.tokenizer import load_tokenizer
from mt.text.tokenizer_training import Extras, train_tokenizer

LINES = ["汤姆说他爱读书。", "湯姆說他愛讀書。", "Ｔｏｍ reads ﬁne café", "cafe\u0301 e\u0302\u0323 각 각"] * 30


def tokenizer(langs=("zh", "en"), **settings):
    rules = build_rules(NormalizeConfig(**settings), langs)
    return train_tokenizer(lambda: LINES, lambda: LINES, TokenizerConfig(), Extras(rules=(rules, rules)))


def written(one, text: str) -> str:
    return one.decode_src(one.encode_src([text])[0])


@pytest.mark.parametrize("form", [UnicodeForm.nfc, UnicodeForm.nfkc])
def test_unicode_forms_are_those_of_python(form):
    one = tokenizer(unicode=form)
    for line in LINES[:4]:
        assert written(one, line) == unicodedata.normalize(form.value.upper(), line)


def test_chinese_is_written_in_one_way():
    pytest.importorskip("opencc")
    assert written(tokenizer(), LINES[1]) == LINES[1]
    assert written(tokenizer(chinese=Chinese.simplified), LINES[1]) == LINES[0]
    assert written(tokenizer(chinese=Chinese.traditional), LINES[0]) == LINES[1]
    assert written(tokenizer(langs=("ja", "en"), chinese=Chinese.simplified), LINES[1]) == LINES[1]
    both = tokenizer(chinese=Chinese.simplified, unicode=UnicodeForm.nfkc)
    assert written(both, "Ｔｏｍ愛\u2fd4") == "Tom爱龟"  # a radical, which NFKC makes the traditional 龜


@pytest.mark.slow
def test_normalisation_applies_in_training_and_in_translation(corpus, tmp_path, mt):
    pytest.importorskip("opencc")
    pairs = [(src.replace("ba", "書").replace("de", "书"), tgt) for src, tgt in toy_pairs(300, 4)]
    write_pairs(tmp_path / "train", pairs, ("zh", "bb"))
    text = ["data.src_lang=zh", f"data.train={tmp_path}/train", f"data.valid={tmp_path}/train", "data.test=null"]
    arguments = overrides(corpus, *text, f"run_dir={tmp_path}/run", "training.max_steps=20")
    outcome = mt(*arguments, "data.normalize.chinese=simplified")
    assert outcome.code == 0, outcome.err
    first, second = mt("translate", tmp_path / "run", "go 書", "go 书").out.splitlines()
    assert first == second
    own = load_tokenizer(RunLayout(tmp_path / "run").tokenizer(joint=True))
    assert own.encode_src(["書"]) == own.encode_src(["书"])
    refused = mt(*overrides(corpus, f"run_dir={tmp_path}/x"), "data.normalize.chinese=simplified")
    assert (refused.code, "is for Chinese (zh), not for aa and bb" in refused.err) == (2, True)
    # without the setting it is suggested
    outcome = mt(*arguments[:-2], f"run_dir={tmp_path}/other", "training.max_steps=1")
    assert "of the zh sentences would be written in another way with data.normalize.chinese=" in outcome.err
    # a run that starts from this one has its vocabulary, and so its normalisation
    tuned = [*overrides(corpus, *text, f"run_dir={tmp_path}/tuned"), f"training.init_from={tmp_path}/run"]
    refused = mt(*tuned, "training.max_steps=1", "data.normalize.chinese=traditional")
    assert (refused.code, "data.normalize.chinese=simplified" in refused.err) == (2, True)
    assert mt(*tuned, "training.max_steps=1").code == 0
    assert "chinese: simplified" in (tmp_path / "tuned" / "config.yaml").read_text(encoding="utf-8")
