import subprocess
import sys

import pytest

from mt.errors import UserError
from mt.text.metrics import Scorer

HYPOTHESES = ["The cat sat on the mat.", "He said: “hello, world”!", "", "1,000 dogs"]
REFERENCES = ["The cat is on the mat.", "He said, “Hello, world!”", "Something.", "1,000 dogs"]
CHINESE = (["我昨天买了三本书。", "他比我高"], ["我昨天买了两本书。", "他比我高很多。"])


@pytest.mark.parametrize(
    ("lang", "tokenizer", "texts"), [("de", "13a", (HYPOTHESES, REFERENCES)), ("zh", "zh", CHINESE)]
)
def test_scores_equal_those_of_the_sacrebleu_command(lang, tokenizer, texts, tmp_path):
    for name, lines in zip(("hyp", "ref"), texts, strict=True):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "sacrebleu",
        tmp_path / "ref",
        "-i",
        tmp_path / "hyp",
        "-m",
        "bleu",
        "chrf",
        "-b",
        "-w",
        "2",
    ]
    printed = subprocess.run([*command, "-tok", tokenizer], capture_output=True, text=True, check=True).stdout
    bleu, chrf = Scorer(lang).score(texts[0], [texts[1]])
    assert [f"{bleu.value:.2f}", f"{chrf.value:.2f}"] == [
        line.strip(' ",[]') for line in printed.split() if any(map(str.isdigit, line))
    ]
    assert f"tok:{tokenizer}" in str(bleu)
    assert "version:" in bleu.signature


def test_a_few_sentences_have_no_interval():
    for count, has_one in ((9, False), (10, True)):
        systems = [["The cat sat on the mat."] * count, ["The cat."] * count]
        first, second = Scorer("de").compare(systems, [["The cat is on the mat."] * count], 20)
        assert (first[0].half_interval is not None, second[0].p_value is not None) == (has_one, has_one)


def test_thai_is_scored_by_characters():
    bleu = Scorer("tha").score(["เขาไปโรงเรียนทุกวัน"], [["เขาไปตลาดทุกวัน"]])[0]
    assert "tok:char" in bleu.signature
    assert 30 < bleu.value < 90


def test_language_variants_and_missing_tokenizers():
    assert "tok:zh" in Scorer("zh_CN").score(CHINESE[0], [CHINESE[1]])[0].signature
    with pytest.raises(UserError, match=r"data\.tgt_lang=ja.*sacrebleu\[ja\]"):
        Scorer("ja")
