"""What `mt translate` reads besides plain lines: tables, texts of several sentences, interrupted files."""

import json
import os
import pty
import shutil
import subprocess
import sys

import pytest
import torch
from conftest import ROOT, toy_pairs

from mt.display.terminal import shade_grid
from mt.text.markup import read_marks
from mt.text.sentences import split_text
from mt.translation.alignment import align, sum_by, word_numbers
from mt.translation.result import pharaoh
from mt.translation.tag_placement import restore_markup

LINES = [source for source, _ in toy_pairs(6, 9)]


@pytest.fixture(scope="module")
def plain(run_folder):
    from mt import Translator

    return Translator.load(run_folder).translate(LINES)


def test_one_column_of_a_table(run_folder, mt, tmp_path, plain):
    rows = [f"{number}\t{line}\tkept {number}" for number, line in enumerate(LINES)]
    (tmp_path / "in.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    outcome = mt("translate", run_folder, "-i", tmp_path / "in.tsv", "--column", "2", "-o", tmp_path / "out.tsv")
    assert outcome.code == 0, outcome.err
    found = (tmp_path / "out.tsv").read_text(encoding="utf-8").splitlines()
    assert found == [f"{number}\t{text}\tkept {number}" for number, text in enumerate(plain)]


def test_one_key_of_json_lines(run_folder, mt, tmp_path, plain):
    rows = [{"id": number, "text": line, "tags": ["ä", 1.5]} for number, line in enumerate(LINES)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = mt("translate", run_folder, "-i", tmp_path / "in.jsonl", "--column", "text").out.splitlines()
    assert [json.loads(row) for row in found] == [{**row, "text": text} for row, text in zip(rows, plain, strict=True)]


@pytest.mark.parametrize(
    ("name", "content", "column", "message"),
    [
        ("in.tsv", "a\tb\nc\n", "2", "line 2: 1 columns; there is no column 2"),
        ("in.tsv", "a\tb\n", "second", "counted from 1"),
        ("in.jsonl", '{"text": "a"}\n{"txt": "b"}\n', "text", "line 2: not a JSON object with the key 'text'"),
        ("in.jsonl", "[1]\n", "text", "line 1"),
        ("in.jsonl", '{"text": 1}\n', "text", "'text' must be text"),
        ("in.txt", "a\n", "1", "--column needs"),
        ("in.tsv", "a\tb\n", None, "say which column"),
        ("in.jsonl", '{"text": "a"}\n', None, "say which column"),
        ("in.vtt", "WEBVTT\n", None, "the lines of .vtt files are not plain text"),
    ],
)
def test_malformed_tables_are_refused(run_folder, mt, tmp_path, name, content, column, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    options = ["--column", column] if column else []
    outcome = mt("translate", run_folder, "-i", tmp_path / name, *options, "-o", tmp_path / "out")
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("en", "Mr. Li came. He left!\n\n  And then?  Nothing."),
        ("zh", "你好。他比我高！\n真的吗？"),
        ("en", ""),
        ("xx", " one without an end "),
    ],
)
def test_sentences_and_gaps_are_the_text(lang, text):
    split = split_text(text, lang)
    assert "".join(gap + sentence for gap, sentence in zip(split.gaps, [*split.sentences, ""], strict=True)) == text
    assert split.join(split.sentences, spaced=lang != "zh") == text


def test_spaces_are_those_of_the_target():
    assert split_text("你好。走吧。\n好。", "zh").join(["Hi.", "Go.", "Ok."], spaced=True) == "Hi. Go.\nOk."
    assert split_text("Hi. Go.\nOk.", "en").join(["你好。", "走吧。", "好。"], spaced=False) == "你好。走吧。\n好。"


def test_texts_are_translated_sentence_by_sentence(run_folder, mt, tmp_path, plain):
    text = f"{LINES[0]}.\n{LINES[1]}!\n\n{LINES[2]}."
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": text}) + "\n", encoding="utf-8")
    (row,) = mt("translate", run_folder, "-i", tmp_path / "in.jsonl", "--column", "text").out.splitlines()
    parts = mt("translate", run_folder, f"{LINES[0]}.", f"{LINES[1]}!", f"{LINES[2]}.").out.splitlines()
    assert json.loads(row)["text"] == f"{parts[0]}\n{parts[1]}\n\n{parts[2]}"
    assert mt("translate", run_folder, "--split", "--n-best", 2, text).code == 2


def test_an_interrupted_file_is_resumed(run_folder, mt, tmp_path, monkeypatch, plain):
    from mt.commands.translate import lines
    from mt.translation.translator import Translator

    monkeypatch.setattr(lines, "LINES_AT_ONCE", 2)
    (tmp_path / "in.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    command = ("translate", run_folder, "-i", tmp_path / "in.txt", "-o", tmp_path / "out.txt")
    original, calls = Translator.translate_texts, []

    def interrupted(translator, texts, *rest):
        calls.append(texts)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(translator, texts, *rest)

    monkeypatch.setattr(Translator, "translate_texts", interrupted)
    outcome = mt(*command)
    assert outcome.code == 130
    assert "Rerun the same command to resume." in outcome.err
    assert not (tmp_path / "out.txt").exists()
    (partial,) = tmp_path.glob("out.txt.partial-*")
    with open(partial, "a", encoding="utf-8") as stream:
        stream.write("half a li")  # as a kill may leave it
    other = mt(*command, "--beam-size", 1)  # another task does not use it
    assert other.code == 0
    assert partial.exists()
    calls.clear()
    again = mt(*command)
    assert "Resuming after line 4" in again.err
    assert [text for texts in calls for text in texts] == LINES[4:]
    assert (tmp_path / "out.txt").read_text(encoding="utf-8").splitlines() == plain
    assert not partial.exists()


def test_a_link_is_kept_and_its_target_written(run_folder, mt, tmp_path):
    """`--output /dev/stdout` is a link, too; replacing it by a file would break the machine."""
    (tmp_path / "target.txt").write_text("older\n", encoding="utf-8")
    (tmp_path / "link.txt").symlink_to(tmp_path / "target.txt")
    assert mt("translate", run_folder, LINES[0], "-o", tmp_path / "link.txt").code == 0
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "target.txt").read_text(encoding="utf-8") == mt("translate", run_folder, LINES[0]).out


def test_words_are_aligned_with_their_sources(run_folder, mt):
    """The toy language is translated word by word, so most links join a word with its copy in capitals."""
    right, total = 0, 0
    lines = [source for source, _ in toy_pairs(60, 21)]
    rows = map(json.loads, mt("translate", run_folder, "--align", "--json", *lines).out.splitlines())
    for row in rows:
        src, tgt = row["source"].split(), row["translations"][0]["text"].split()
        assert [target for _, target in row["alignment"]] == list(range(len(tgt)))
        right += sum(src[source].upper() == tgt[target] for source, target in row["alignment"])
        total += len(tgt)
    assert right / total > 0.7
    text, _, links = mt("translate", run_folder, "--align", lines[0]).out.strip().partition(" ||| ")
    first = json.loads(mt("translate", run_folder, "--align", "--json", lines[0]).out)
    assert (text, links) == (first["translations"][0]["text"], pharaoh(first["alignment"]))
    assert first["source_words"] == first["source"].split()
    assert first["target_words"] == text.split()
    assert mt("translate", run_folder, "--align", "--n-best", 2, lines[0]).code == 2


def test_the_words_of_an_alignment_are_shown_in_a_language_without_spaces(run_folder, mt, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    config = tmp_path / "run" / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("src_lang: aa", "src_lang: th"), encoding="utf-8")
    text, links, src, tgt = mt("translate", tmp_path / "run", "--align", LINES[0]).out.strip().split(" ||| ")
    assert src.replace(" ", "") == LINES[0].replace(" ", "")
    assert tgt == text
    assert max(int(link.split("-")[0]) for link in links.split()) < len(src.split())
    assert [int(link.split("-")[1]) for link in links.split()] == list(range(len(tgt.split())))


def test_an_output_in_a_folder_that_does_not_exist_is_refused(run_folder, mt, tmp_path):
    outcome = mt("translate", run_folder, "ba", "-o", tmp_path / "nodir" / "x")
    assert (outcome.code, f"there is no folder {tmp_path}/nodir" in outcome.err) == (2, True)
    assert not (tmp_path / "nodir").exists()


def test_pieces_are_summed_to_words():
    assert word_numbers(["▁a", "b", "▁c", "."], spaced=True) == [0, 0, 1, 1]
    assert word_numbers(["▁", "我", "们"], spaced=False) == [0, 0, 1]
    assert word_numbers(["▁我", "<0xE2>", "<0x98>", "<0x83>", "们"], spaced=False) == [0, 1, 1, 1, 2]
    assert sum_by(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), [0, 0, 1]).tolist() == [[4.0, 6.0], [5.0, 6.0]]


def test_prompt_on_a_terminal(run_folder, plain, tmp_path):
    terminal, other_end = pty.openpty()
    command = [sys.executable, "-m", "mt", "translate", str(run_folder)]
    process = subprocess.Popen(command, stdin=other_end, stdout=other_end, stderr=other_end, cwd=ROOT)
    os.close(other_end)
    picture = tmp_path / "seen.png"
    lines = [":attention", LINES[0], ":attention", ":n 2", LINES[1], f":picture {picture}", ":what", "\x04"]
    seen = ""
    try:
        for line in lines:
            while not seen.endswith("> "):  # the prompt
                seen += os.read(terminal, 4096).decode()
            seen += "\n"
            os.write(terminal, line.encode() + (b"" if line == "\x04" else b"\n"))
        while block := os.read(terminal, 4096):
            seen += block.decode()
    except OSError:  # the process has closed the terminal
        pass
    assert process.wait() == 0, seen
    assert "Translate a sentence first." in seen
    assert plain[0] in seen
    assert plain[1] in seen
    assert "█" in seen
    assert "▁" in seen
    assert ":picture FILE.png" in seen  # an unknown command shows the help
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_attention_in_characters():
    weights = [[1.0, 0.0, 0.0], [0.25, 0.5, 0.25]]
    assert shade_grid(weights, ["▁we", "</s>"], ["▁我", "们", "</s>"]).splitlines() == [
        "▁we  ██    ",
        "</s> ░░▒▒░░",
        "      1 2 3",
        "1 ▁我  2 们  3 </s>",
    ]


def test_samples_of_sentences_depend_on_their_line_alone(run_folder, mt, tmp_path, monkeypatch):
    """Neither the arrival of the lines nor what precedes them matters; warnings name lines."""
    from mt.commands.translate import lines

    texts = [f"{LINES[0]}. {LINES[1]}.", f"{LINES[2]}. {LINES[3]}. {LINES[4]}."]
    (tmp_path / "in.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    options = ["--split", "--set", "search.method=sample", "--set", "search.temperature=2"]
    together = mt("translate", run_folder, "-i", tmp_path / "in.txt", *options).out
    monkeypatch.setattr(lines, "LINES_AT_ONCE", 1)
    assert mt("translate", run_folder, "-i", tmp_path / "in.txt", *options).out == together
    cut = mt("translate", run_folder, "-i", tmp_path / "in.txt", "--split", "--set", "search.max_len_ratio=0.1",
             "--set", "search.max_len_offset=0")  # fmt: skip
    assert "line 1: translation cut" in cut.err
    assert "line 2: translation cut" in cut.err
    assert "line 3" not in cut.err


def test_alignment_stays_within_the_parts_of_a_line(run_folder):
    """Markup stays within them, too."""
    from mt import SearchConfig, Translator

    translator = Translator.load(run_folder, "cpu")
    lines = [line.rstrip(".") + "." for line in LINES[:3]]
    sizes = [len(ids) for ids in translator.tokenizer.encode_src(lines)]
    translator.part_len = max(sizes)
    (whole,) = translator.n_best([" ".join(lines)], SearchConfig(), quiet=True)[0]
    assert len(whole.parts) > 1
    links = align(translator.model, translator.tokenizer, whole.parts, translator.spaced)
    bounds = [(0, 0)]
    for src, tgt in whole.parts:
        counts = len(translator.tokenizer.decode_src(src).split()), len(translator.tokenizer.decode_tgt(tgt).split())
        own = align(translator.model, translator.tokenizer, [(src, tgt)], translator.spaced)
        start = bounds[-1]
        assert [(s - start[0], t - start[1]) for s, t in links if start[1] <= t < start[1] + counts[1]] == own
        bounds.append((start[0] + counts[0], start[1] + counts[1]))
    words = " ".join(lines).split()
    marked = read_marks(" ".join([*words[:-1], f"<b>{words[-1]}</b>"]))
    text = restore_markup(marked, whole, translator.model, translator.tokenizer, translator.spaced)
    assert text.index("<b>") > len(whole.text) * 0.6  # in the last part, with its word


@pytest.mark.parametrize(
    ("name", "content"), [("t.tsv", "a\tba de\n\nb\tfi go\n"), ("t.jsonl", '{"t": "ba de"}\n\n{"t": "fi"}\n')]
)
def test_an_empty_line_of_a_table_stays_empty(run_folder, mt, tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    column = "2" if name.endswith("tsv") else "t"
    lines = mt("translate", run_folder, "-i", tmp_path / name, "--column", column).out.split("\n")
    assert lines[1] == ""
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--n-best", 2, "-i", "{t}.tsv", "--column", 2], "--json and --n-best print lines of their own"),
        (["--split", "--n-best", 3, "--json", "ba. de."], "omit --n-best"),
        (["-o", "{t}.gz", "ba"], "is plain text; omit .gz"),
        (["-i", "{t}.tsv", "--column", "²"], "--column ²"),
        (["-i", "{t}.jsonl", "--column", "t"], "line 1: not a JSON object"),
        (["--markup", "<b>" * 200 + "ba" + "</b>" * 200], "nested more than 100 deep"),
        (["-o", "/proc/nope/x", "ba"], "/proc/nope"),
    ],
)
def test_conflicting_options_are_refused(run_folder, mt, tmp_path, options, message):
    (tmp_path / "t.tsv").write_text("1\tba\n", encoding="utf-8")
    (tmp_path / "t.jsonl").write_text("[" * 100_000 + "\n", encoding="utf-8")
    outcome = mt("translate", run_folder, *(str(option).replace("{t}", f"{tmp_path}/t") for option in options))
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err
