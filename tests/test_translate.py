import io
import json
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, toy_pairs

from mt.config.search import SearchConfig
from mt.text.long_lines import cut_long
from mt.translation.translator import Translator

LINES = [source for source, _ in toy_pairs(120, 9)]


@pytest.fixture(scope="module")
def translator(run_folder):
    return Translator.load(run_folder)


def stdin(monkeypatch: pytest.MonkeyPatch, text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_arguments_standard_input_and_files_agree(run_folder, mt, monkeypatch, tmp_path):
    lines = [*LINES[:5], "", "  ", *LINES[5:9]]
    arguments = mt("translate", run_folder, *lines)
    assert arguments.code == 0
    assert len(arguments.out.splitlines()) == len(lines)
    assert arguments.out.splitlines()[5:7] == ["", ""]
    stdin(monkeypatch, "\n".join(lines))
    assert mt("translate", run_folder).out == arguments.out
    (tmp_path / "in.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert mt("translate", run_folder, "--input", tmp_path / "in.txt", "--output", tmp_path / "out.txt").out == ""
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == arguments.out


def test_only_a_line_feed_ends_a_line(run_folder, mt, monkeypatch):
    stdin(monkeypatch, "ba\u2028de\x0bfi\x85go\nhu\r\n")
    assert len(mt("translate", run_folder).out.split("\n")) == 3


def test_the_model_is_three_files(run_folder, mt, tmp_path):
    for name in ("config.yaml", "tokenizer.model", "model.safetensors"):
        shutil.copy(run_folder / name, tmp_path)
    assert mt("translate", tmp_path, LINES[0]).out == mt("translate", run_folder, LINES[0]).out


@pytest.mark.parametrize("beam_size", [1, 5])
def test_batch_size_changes_no_translation(translator, beam_size, record_property):
    together = translator.n_best(LINES, SearchConfig(beam_size=beam_size))
    alone = [translator.n_best([line], SearchConfig(beam_size=beam_size))[0] for line in LINES]
    differing = [i for i in range(len(LINES)) if together[i][0].text != alone[i][0].text]
    ties = [i for i in differing if abs(together[i][0].score - alone[i][0].score) < 1e-4]
    record_property("ties", len(ties))
    print(f"beam {beam_size}: {len(ties)} of {len(LINES)} translations differ, all at scores equal to rounding")
    assert differing == ties
    assert len(ties) <= 1


def test_scores_are_the_models_own(translator):
    """The search reports log p(translation | source), here recomputed from all positions at once."""
    import torch

    from mt.data.batch import build_batch
    from mt.search.hypotheses import Scoring
    from mt.training.objective import Objective
    from mt.translation.engine import Segment

    tokenizer = translator.tokenizer
    search = SearchConfig(beam_size=4, n_best=4, length_penalty=0.7)
    for line in LINES[:5]:
        sources = tokenizer.encode_src([line])
        for hypothesis in translator.search([Segment(sources[0], [], 1)], search)[0]:
            batch = build_batch([(sources[0], hypothesis.tokens)], tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id)
            with torch.no_grad():
                log_prob = -Objective(translator.model).eval()(batch)[1].item()
            assert hypothesis.log_prob == pytest.approx(log_prob, abs=1e-3)
            assert hypothesis.score == pytest.approx(
                log_prob / Scoring(alpha=0.7).penalty(len(hypothesis.tokens) + 1), abs=1e-3
            )


def test_n_best_and_json(run_folder, mt):
    plain = mt("translate", run_folder, LINES[0]).out.strip()
    rows = [
        row.split(" ||| ") for row in mt("translate", run_folder, "--n-best", 3, LINES[0], LINES[1]).out.splitlines()
    ]
    assert [row[0] for row in rows] == ["1"] * 3 + ["2"] * 3
    assert rows[0][1] == plain
    scores = [float(row[2]) for row in rows[:3]]
    assert scores == sorted(scores, reverse=True)
    first = json.loads(mt("translate", run_folder, "--json", "--n-best", 7, LINES[0]).out)
    assert first["source"] == LINES[0]
    assert len(first["translations"]) == 7
    assert first["translations"][0]["text"] == plain


def test_a_line_of_many_sentences_loses_none(run_folder, mt):
    sentences = [
        LINES[i % 5].rstrip(".") + "!" for i in range(60)
    ]  # short words with a full stop look like abbreviations
    single = mt("translate", run_folder, *sentences).out.splitlines()
    outcome = mt("translate", run_folder, " ".join(sentences))
    assert outcome.out == " ".join(single) + "\n"
    assert outcome.err == ""
    whole = mt("translate", run_folder, "--no-split", " ".join(sentences))
    assert "line 1: longer than" in whole.err
    assert len(whole.out.splitlines()) == 1


def test_parts_of_a_long_sentence_are_no_longer_than_the_training_sentences(run_folder, translator, mt):
    config = yaml.safe_load((run_folder / "config.yaml").read_text(encoding="utf-8"))
    part_len = config["data"]["part_len"]
    assert 5 < part_len < 32
    outcome = mt("translate", run_folder, "--json", "ba", "ba de fi go hu ka " * 20)
    assert (
        f"line 2: longer than the training sentences, translated in parts of at most {part_len} pieces" in outcome.err
    )
    long = json.loads(outcome.out.splitlines()[1])["translations"][0]
    assert len(long["text"].split()) > 60  # nothing is lost
    (best,) = translator.n_best(["ba de fi go hu ka " * 20], translator.defaults)[0]
    assert max(len(src) for src, _ in best.parts) <= part_len


def test_cuts_are_at_sentence_ends(translator):
    tokenizer, max_len = translator.tokenizer, translator.max_len

    def parts_of(ids):
        return cut_long(ids, max_len, tokenizer.src.id_to_piece)

    ids = tokenizer.encode_src(["ba de fi. " * 200])[0]
    parts = parts_of(ids)
    assert [i for part in parts for i in part] == ids
    assert all(len(part) <= max_len for part in parts)
    assert all(tokenizer.decode_src(part).endswith(".") for part in parts)
    assert [len(part) for part in parts_of([10] * (3 * max_len + 1))] == [max_len] * 3 + [1]


def test_a_translation_cut_at_its_limit_gives_a_warning(run_folder, mt):
    outcome = mt(
        "translate", run_folder, LINES[0] * 3, "--set", "search.max_len_ratio=0.01", "--set", "search.max_len_offset=2"
    )
    assert outcome.code == 0
    assert "line 1: translation cut at search.max_len_ratio" in outcome.err


def test_lines_are_answered_while_input_continues(run_folder):
    """A program can send a line and wait for its translation."""
    command = [sys.executable, "-m", "mt", "translate", str(run_folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin
        assert process.stdout
        for line in LINES[:3]:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            assert process.stdout.readline().strip()
        process.stdin.close()
    assert process.returncode == 0


def test_a_closed_reader_is_not_an_error(run_folder):
    script = f"yes 'ba de' | head -n 5000 | {sys.executable} -m mt translate {run_folder} --beam-size 1 | head -n 1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert "Traceback" not in done.stderr
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("end", ["interrupted", "no reader"])
def test_ending_while_standard_input_is_open(run_folder, end):
    """A thread waits for the next line; Python must not abort because of it."""
    command = [sys.executable, "-m", "mt", "translate", str(run_folder)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    listen = partial(signal.signal, signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    with subprocess.Popen(command, **pipes, text=True, cwd=ROOT, preexec_fn=listen) as process:
        process.stdin.write("ba\n")
        process.stdin.flush()
        assert process.stdout.readline()
        if end == "interrupted":
            process.send_signal(signal.SIGINT)
        else:
            process.stdout.close()
            process.stdin.write("de\n")
            process.stdin.flush()
        assert process.wait(30) == (130 if end == "interrupted" else 0)
        assert "Fatal" not in process.stderr.read()


def test_help_does_not_import_torch():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mt", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "torch" not in done.stderr
    assert "translate" in done.stdout


def test_evaluate_given_test_sets(run_folder, corpus, mt):
    outcome = mt("evaluate", run_folder, "--test", f"mine={corpus}/valid", "--beam-size", 1)
    assert outcome.code == 0
    assert outcome.out.startswith("mine  BLEU ")
    translations = (run_folder / "translations" / "mine.bb").read_text(encoding="utf-8").splitlines()
    assert len(translations) == len(Path(f"{corpus}/valid.bb").read_text(encoding="utf-8").splitlines())


def test_the_output_does_not_replace_the_input(mt, run_folder, tmp_path):
    (tmp_path / "in").write_text("ba de\n")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    for output in ("in", "link"):
        outcome = mt("translate", run_folder, "--input", tmp_path / "in", "--output", tmp_path / output)
        assert (outcome.code, "is the file of --input" in outcome.err) == (2, True)
    assert (tmp_path / "in").read_text() == "ba de\n"


def test_a_bare_text_is_no_list_of_texts(run_folder):
    with pytest.raises(TypeError, match="a list of texts"):
        Translator.load(run_folder).translate("ba de")
