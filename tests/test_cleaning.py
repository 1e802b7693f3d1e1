"""Pairs dropped from the training data, the reasons, and how they are reported."""

import re
from random import Random

import numpy as np
import pytest
from conftest import overrides, toy_pairs, write_pairs

from mt.config.choices import Duplicates
from mt.config.data import CleanConfig
from mt.data.cleaning import NO_HASHES, REASONS, language_identifier, observe, reasons_to_drop
from mt.errors import UserError
from mt.text.tokenizer import load_tokenizer

PAIRS = [
    ("one two three four", "ONE TWO THREE FOUR"),
    ("one two three four", "ONE TWO THREE FOUR"),
    ("One, two three: four!", "one two three four"),
    ("same here", "same here"),
    ("a bell \x07 rings", "A BELL RINGS"),
    ("qz wz ez rz tz yz uz iz oz", "X"),
    ("", "NOTHING"),
    ("in the test", "IN THE TEST"),
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dirty")
    different = [f"{a}{b}{b} {b}{a}" for a in "abcdefghijklmnop" for b in "abcdefghijklmnop"][:200]
    write_pairs(folder / "train", [*PAIRS, *((text, text.upper()) for text in different)])
    write_pairs(folder / "valid", toy_pairs(20, 2))
    write_pairs(folder / "test", [("in the test", "anything"), ("not in training", "X")])
    return folder


@pytest.fixture
def train(corpus, mt, tmp_path):
    def run(*extra):
        own = [a for a in overrides(corpus, f"run_dir={tmp_path}/run") if not a.startswith("data.test")]
        limits = ["training.max_steps=1", "tokenizer.vocab_size=null", f"data.test={{mine: {corpus}/test}}"]
        outcome = mt(*own, *limits, *extra)
        assert outcome.code == 0, outcome.err
        return outcome.err

    return run


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ([], "1 with an empty side."),
        (["data.clean.duplicates=exact"], "1 that occurred before"),
        (["data.clean.duplicates=near"], "2 nearly identical to an earlier one"),
        (["data.clean.identical=true"], "1 with identical sides"),
        (["data.clean.control=true"], "1 with control characters"),
        (["data.clean.max_ratio=4"], "1 with sides of very different length"),
        (["data.clean.overlap=true"], "1 in validation or test data"),
    ],
)
def test_dropped_pairs_are_reported(train, setting, message):
    log = train(*setting)
    (line,) = [line for line in log.splitlines() if line.startswith("Training data:")]
    assert message in line


def test_numbers_make_a_difference():
    pairs = [("Room 1 is free.", "Raum 1 ist frei."), ("Room 2 is free.", "Raum 2 ist frei.")]
    pairs += [("12", "12"), ("13", "13")]
    hashes = observe(pairs, CleanConfig(duplicates=Duplicates.near)).pair_hashes
    assert len({*hashes.tolist()}) == 4


def test_faults_of_pairs_with_equal_sides_are_found():
    pairs = [("a bell \x07 rings",) * 2, ("The same on both sides, in English.",) * 2]
    for filters, identify in (({"control": True}, None), ({"control": True, "language": True}, lambda text: "en")):
        clean = CleanConfig(**filters)
        lens = (np.array([5, 5], np.int32),) * 2
        reasons = reasons_to_drop(observe(pairs, clean, ("en", "de"), identify), lens, clean, (99, 99), NO_HASHES)
        assert [REASONS[reason] for reason in reasons] == [
            "with control characters",
            "in another language" if identify else "kept",
        ]


def test_all_filters_together(train):
    log = train(
        *(f"data.clean.{key}=true" for key in ("identical", "control", "overlap")),
        "data.clean.duplicates=near",
        "data.clean.max_ratio=4",
    )
    assert "Training data: 201 pairs" in log


def test_training_on_test_sentences_triggers_a_warning(train):
    assert "1 of the 2 sources of data.test.mine are in the training data, too" in train()


def test_no_warning_about_test_sentences_that_are_dropped(train):
    assert "in the training data, too" not in train("data.clean.overlap=true")


@pytest.mark.slow
def test_pairs_in_other_languages_are_dropped(mt, tmp_path):
    pytest.importorskip("py3langid")
    german = "Der Mann fährt mit dem Fahrrad durch die alte Stadt."
    english = "The man rides his bicycle through the old city."
    write_pairs(
        tmp_path / "train",
        [(german, english), (english, english + " Yes."), (german, german + " Ja."), ("Ja", "Yes")] * 9,
        ("de", "en"),
    )
    outcome = mt(
        "train", "data=files", "data.src_lang=de", "data.tgt_lang=en", f"data.train={tmp_path}/train",
        f"data.valid={tmp_path}/train", "model=tiny", "training.max_steps=1", f"run_dir={tmp_path}/run",
        "data.clean.language=true", "training.device=cpu",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "Training data: 18 pairs" in outcome.err
    assert "18 in another language" in outcome.err


def test_languages_may_have_any_of_their_codes():
    pytest.importorskip("py3langid")
    assert language_identifier(("deu_Latn", "eng"), "data.train")[1] == ("de", "en")
    assert language_identifier(("nb", "swh_Latn"), "data.train")[1] == ("no", "sw")
    with pytest.raises(UserError, match=r"data\.train: data\.clean\.language=true cannot identify 'xx': omit it\."):
        language_identifier(("en", "xx"), "data.train")


def test_vowel_signs_distinguish_sentences():
    pairs = [("हाँ जी", "a"), ("हूँ जो", "a"), ("ที่นี่", "b"), ("ทีนี", "b"), ("Ja!", "c"), ("ja", "c")]
    hashes = observe(pairs, CleanConfig(duplicates=Duplicates.near)).pair_hashes
    assert len(set(hashes.tolist())) == 5


def test_impossible_settings_are_refused(corpus, mt, tmp_path):
    for setting, message in [
        ("data.clean.max_ratio=0.5", "must be 1 or more"),
        ("data.clean.duplicates=some", "duplicates"),
    ]:
        outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/run", setting))
        assert outcome.code == 2
        assert message in outcome.err


def test_the_report_shows_dropped_pairs_and_statistics(mt, corpus, tmp_path):
    pairs = [*toy_pairs(300, 21), ("ba <b>", ""), ("same", "same"), ("di du", "DI DU"), ("di du", "DI DU")]
    write_pairs(tmp_path / "train", pairs)
    write_pairs(tmp_path / "test", pairs[:7])
    command = overrides(
        corpus,
        f"run_dir={tmp_path}/run",
        f"data.train={tmp_path}/train",
        f"data.test={{seen: {tmp_path}/test}}",
        "data.clean.identical=true",
        "data.clean.duplicates=exact",
    )[1:]
    assert mt("prepare", *command, "--report").code == 0
    page = (tmp_path / "run" / "data.html").read_text(encoding="utf-8")
    text = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page))
    assert "with an empty side 1 301 ba &lt;b&gt; |||" in text  # the count, and the number and text of the first
    assert "with identical sides 1 302 same ||| same" in text
    assert re.search(r"that occurred before [\d,]+ ", text)
    assert "sources of data.test.seen are in the training data" in text
    assert page.count("<svg") == 2
    tokenizer = load_tokenizer([tmp_path / "run" / "tokenizer.model"])
    kept = list(dict.fromkeys(pair for pair in pairs if pair[1] and pair[0] != pair[1]))
    n_pieces = []
    for side, encode in enumerate((tokenizer.encode_src, tokenizer.encode_tgt)):
        n_pieces.append(sum(map(len, encode([pair[side] for pair in kept]))))
        n_words = sum(len(pair[side].split()) for pair in kept)
        assert f" {n_words:,} " in text
        assert f" {n_pieces[side] / n_words:.2f} " in text
    assert f"pieces of the text {n_pieces[0]:,} {n_pieces[1]:,} " in text  # the same count above and in the table
    assert f"Training data: {len(kept):,} pairs, {n_pieces[0]:,} source and {n_pieces[1]:,} target pieces" in text


def test_the_report_gives_advice(mt, corpus, tmp_path):
    odd = [("ba", "BA DE FI GO HU KA LE MI NO PU RA SE TI VO WU XA")] * 100
    rare = [(f"ba{chr(0x4E00 + i)}", "BA") for i in range(100)]

    def report(pairs, *extra):
        write_pairs(tmp_path / "train", pairs)
        command = overrides(corpus, f"run_dir={tmp_path}/other", f"data.train={tmp_path}/train", *extra)
        assert mt("prepare", *command[1:], "--report").code == 0
        return (tmp_path / "other" / "data.html").read_text(encoding="utf-8")

    text = [*odd, *toy_pairs(400, 22), *[("ba", "")] * 50]
    page = report(text, "tokenizer.vocab_size=310")
    assert "9% of the pairs, those with an empty side, are dropped" in page
    percent = float(re.search(r"In ([\d.]+)% of the pairs one side has over 3 times the pieces", page)[1])
    dropped = report(text, "tokenizer.vocab_size=310", "data.clean.max_ratio=3")
    n_dropped = int(re.search(r"<td>with sides of very different length</td><td>(\d+)</td>", dropped)[1])
    assert percent == pytest.approx(100 * n_dropped / 500, abs=0.05)
    assert "max_ratio=3 drops" not in dropped
    covered = report(rare, "tokenizer.vocab_size=null", "tokenizer.character_coverage=0.98")
    assert re.search(r"aa: [\d.]+% of the pieces are single bytes .* tokenizer.character_coverage=1 gives", covered)
    complete = report(rare, "tokenizer.vocab_size=null", "tokenizer.character_coverage=1")
    assert "tokenizer.character_coverage=1 gives" not in complete
    assert "Nothing unusual was found." in report(toy_pairs(800, 23), "tokenizer.vocab_size=310")
    letters = Random(1)
    words = ["".join(letters.choices("abcdefghij", k=9)) for _ in range(300)]
    pairs = [(word, word.upper()) for word in words]
    page = report(pairs, "tokenizer.model_type=bpe", "tokenizer.vocab_size=900")
    assert re.search(r"aa: \d+ of the \d+ pieces in use .*? tokenizer.vocab_size=900 may be too large", page)
    page = report(pairs, "tokenizer.model_type=bpe", "tokenizer.vocab_size=null")
    assert "too seldom to be learned" not in page  # a size that experiments recommend
