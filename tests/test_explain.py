"""`mt explain` and `mt report`: what is shown is what the model computed."""

import json
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import exp
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import torch
from conftest import toy_pairs, write_pairs
from sacrebleu.metrics.chrf import CHRF
from torch.nn import functional as F

from mt.commands.explained import explain_sentence
from mt.evaluation.differences import differences
from mt.evaluation.ngrams import compare_ngrams
from mt.translation import pipeline
from mt.translation.alignment import label_pieces
from mt.translation.explanation import PARTS, Head, explain
from mt.translation.translator import Translator


@pytest.fixture(scope="module")
def translator(run_folder):
    return Translator.load(run_folder, "cpu")


def test_what_is_explained_is_what_was_translated(translator):
    """The text as it is: without the changes that are undone in a translation, and in one piece."""
    sentence = "BA DE. fi go. ka"
    explained = explain_sentence(translator, sentence, Head("encoder", 0, 0))
    ((best,),) = translator.translate_texts([sentence], pipeline.Request(replace(translator.defaults, simplify=False)))
    assert explained.translation == best.text
    assert explained.explanation.probabilities == pytest.approx([exp(one) for one in best.log_probs], abs=1e-4)


@pytest.mark.parametrize("part", PARTS)
def test_the_formula_gives_the_models_outputs(translator, part):
    (src,), (tgt,) = translator.tokenizer.encode_src(["ba de fi go"]), translator.tokenizer.encode_tgt(["BA DE FI"])
    for head in (0, 1):
        explanation = explain(translator.model, translator.tokenizer, src, tgt, Head(part, 0, head))
        steps = explanation.steps
        assert steps.difference < 1e-5
        # torch's own attention on the same queries, keys and values
        expected = F.scaled_dot_product_attention(steps.q, steps.k, steps.v, is_causal=part == "decoder")
        assert torch.allclose(steps.outputs, expected, atol=1e-5)
        assert torch.allclose(steps.weights, explanation.weights[part][0][head], atol=1e-5)
        assert torch.allclose(steps.weights.sum(1), torch.ones(len(steps.weights)), atol=1e-5)
        assert steps.weights.shape == (len(steps.query_pieces), len(steps.key_pieces))


def test_a_model_that_deviates_from_the_formula_is_detected(translator, monkeypatch):
    """The difference is computed, not a constant: halving the model's sums increases it."""
    original = F.scaled_dot_product_attention
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda *a, **k: original(*a, **k) / 2)
    (src,), (tgt,) = translator.tokenizer.encode_src(["ba de"]), translator.tokenizer.encode_tgt(["BA"])
    assert explain(translator.model, translator.tokenizer, src, tgt, Head("encoder", 0, 0)).steps.difference > 1e-3


def test_a_page_never_replaces_a_folder(mt, run_folder, tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "precious").write_text("x")
    monkeypatch.chdir(tmp_path / "folder")
    for target in (tmp_path / "folder", ".", ".."):
        for arguments in (["explain", run_folder, "ba", "--html", target], ["report", run_folder, "-o", target]):
            outcome = mt(*arguments)
            assert outcome.code == 2, outcome.err
            assert f"{target} is a folder: name a file" in outcome.err
            assert (tmp_path / "folder" / "precious").read_text() == "x"
            assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_sentence_is_explained_on_the_terminal(mt, run_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    sentence = "ba de fi go."
    outcome = mt("explain", run_folder, "--head", 2, sentence)
    translation = mt("translate", run_folder, sentence).out.strip()
    assert outcome.out.splitlines()[:2] == [sentence, translation]
    assert "Q = W_Q x" in outcome.out
    assert "head 2 of 2" in outcome.out
    assert float(re.search(r"those of the model: (\S+)", outcome.out)[1]) < 1e-5
    sums = outcome.out.partition("The sums o_i")[2].split("\n\n")[0].splitlines()[1:]
    points = {tuple(match.start() for match in re.finditer(r"\.(?=\d{3}\b)", line)) for line in sums}
    assert len(points) == 1, sums  # the decimal points are in columns
    last = outcome.out.strip().splitlines()[-1]
    (tmp_path / "s").write_text(f"{sentence}\n", encoding="utf-8")
    (tmp_path / "t").write_text(f"{translation}\n", encoding="utf-8")
    row = json.loads(mt("score", run_folder, tmp_path / "s", tmp_path / "t", "--json").out)
    assert float(last.split()[1]) == pytest.approx(torch.tensor(row["log_probs"][-1]).exp().item(), abs=0.006)
    narrow = mt("explain", run_folder, " ".join(["ba de fi go"] * 6), "--part", "source").out
    monkeypatch.setenv("COLUMNS", "60")
    assert "too wide" in mt("explain", run_folder, " ".join(["ba de fi go"] * 6)).out
    assert "attention to the source" in narrow


def test_a_sentence_is_explained_on_a_page_and_in_a_picture(mt, run_folder, tmp_path):
    outcome = mt("explain", run_folder, "ba <b> de", "--html", tmp_path / "x.html", "--picture", tmp_path / "x.png")
    assert outcome.code == 0
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "ba &lt;b&gt; de" in page  # text is escaped
    assert "http" not in page.replace("http-equiv", "")  # it loads nothing else
    data = json.loads(re.search(r"const data = (.*);", page)[1])
    assert set(data["weights"]) == set(PARTS)
    assert sum(data["weights"]["encoder"][0][1][0]) == pytest.approx(1, abs=1e-3)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ba", "--layer", 2], "layer 2: this part has layers 1 to 1"),
        (["ba", "--head", 0], "head 0: the model has heads 1 to 2"),
        ([" "], "The sentence is empty"),
        (["ba " * 2000], "pieces; the model takes"),
        (["ba", "--picture", "x.docx"], "--picture x.docx"),
    ],
)
def test_unexplainable_input_is_refused(mt, run_folder, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = mt("explain", run_folder, *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_report_is_one_page(mt, run_folder, corpus, tmp_path):
    pairs = toy_pairs(12, 11)
    (tmp_path / "t.aa").write_text("".join(f"{src}\n" for src, _ in pairs), encoding="utf-8")
    (tmp_path / "t.bb").write_text("".join(f"{tgt} <i>\n" for _, tgt in pairs), encoding="utf-8")
    command = ("--test", f"news={tmp_path}/t")
    assert mt("report", run_folder, *command, "-o", tmp_path / "r.html", "--sentences", 2).code == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    scores = json.loads(mt("evaluate", run_folder, *command, "--json").out)["runs"][0]["scores"]
    for score in scores:
        interval = f" ± {score['half_interval']:.2f}" if score["half_interval"] is not None else ""
        assert f"<td>{score['value']:.2f}{interval}</td>" in page
    assert page.count('class="sentence"') == 8  # the worst, the best, middling and random ones
    bleu = next(score for score in scores if score["metric"] == "BLEU")
    assert f"BLEU {bleu['value']:.1f} ± {bleu['half_interval']:.1f} on news: good." in page
    for fact in (
        "<dt>Training data</dt><dd>800 pairs",
        "<dt>Duration</dt>",
        "<dt>Date</dt>",
        "<dt>Best validation</dt>",
    ):
        assert fact in page
    assert "<mark>model.d_model: 64</mark>" in page
    assert "<mark>optim.grad_clip" not in page
    assert all(json.dumps(src) in page for src, _ in pairs)  # every sentence can be searched
    assert page.count('lang="aa" dir="auto"') > 8
    assert "<del>&lt;i&gt;</del>" in page
    assert page.count("<svg") == 4  # the curves, and three pictures of attention
    assert "times in the training data" in page
    assert "vocab_size: 320" in page
    assert re.findall(r'(?:src|href)="(?!#)', page.split("<svg")[0]) == []  # it loads nothing else


def test_bytes_are_labelled_with_their_character():
    assert label_pieces(["▁a", "<0xE2>", "<0x98>", "<0x83>", "<0xC3>", "<0xA9>", "<0xE2>"]) == [
        "▁a", "☃", "☃", "☃", "é", "é", "<0xE2>",
    ]  # fmt: skip


def test_differences_are_marked():
    reference, translation = differences("the cat sat on it", "a cat sat down", spaced=True)
    assert [(span.text, span.differs) for span in reference] == [("the", True), ("cat sat", False), ("on it", True)]
    assert [(span.text, span.differs) for span in translation] == [("a", True), ("cat sat", False), ("down", True)]
    reference, _ = differences("我买书", "我卖书", spaced=False)
    assert [(span.text, span.differs) for span in reference] == [("我", False), ("买", True), ("书", False)]


@contextmanager
def served(run, *options):
    """Start `mt explain --serve` and yield a function that gets a page: its status and text."""
    command = [sys.executable, "-m", "mt", "explain", str(run), "--serve", "--port", "0", *options]
    # a job in the background of a shell ignores SIGINT, and so would the server
    interruptible = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible)
    try:
        assert process.stderr is not None
        url = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())[0]

        def get(path="/", host=None, **query):
            request = Request(f"{url}{path}?{urlencode(query)}", headers={"Host": host} if host else {})
            try:
                with urlopen(request) as response:
                    return response.status, response.read().decode()
            except HTTPError as error:
                return error.code, error.read().decode()

        yield get
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_sentences_are_explained_in_a_browser(mt, run_folder):
    with served(run_folder) as get:
        status, page = get()
        assert (status, "<form" in page, "const data" in page) == (200, True, False)
        status, page = get(sentence="ba <b> de", part="source", head=2)
        assert status == 200
        assert 'value="ba &lt;b&gt; de"' in page
        as_it_is = ("--set", "search.simplify=false", "ba <b> de")
        assert mt("translate", run_folder, *as_it_is).out.strip().replace("<", "&lt;").replace(">", "&gt;") in page
        data = json.loads(re.search(r"const data = (.*);", page)[1])
        assert (data["part"], data["layer"], data["head"]) == ("source", 0, 1)
        for query, message in [
            ({"sentence": "ba", "head": 9}, "has heads 1 to 2"),
            ({"sentence": "ba", "head": 0}, "has heads 1 to 2"),
            ({"sentence": "ba", "layer": "x"}, "layer=x is not a number"),
            ({"sentence": "ba", "part": "<p>"}, "part=&lt;p&gt;"),
            ({"sentence": "ba " * 2000}, "pieces; the model takes"),
        ]:
            status, page = get(**query)
            assert (status, message in page, "<form" in page) == (400, True, True)
        assert get("/etc/passwd")[0] == 404
        assert get(host="localhost")[0] == 200  # browsers leave port 80 out
        assert get(host="evil.example")[0] == 403
    with served(run_folder, "de fi", "--head", "2") as get:
        assert json.loads(re.search(r"const data = (.*);", get()[1])[1])["head"] == 1


def test_a_server_that_cannot_start_says_why(mt, run_folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments, message in [
            (["--serve", "--port", port], f"--port {port}: Address already in use"),
            (["--serve", "--port", 99999], "--port 99999"),
            (["--serve", "--head", 9], "the model has heads 1 to 2"),
            ([], "give a sentence, or --serve"),
            (["--serve", "--html", "x.html"], "--serve writes no files: omit --html and --picture"),
        ]:
            outcome = mt("explain", run_folder, *arguments)
            assert outcome.code == 2
            assert message in outcome.err


def sentence_chrf(hypothesis, reference):
    return CHRF().sentence_score(hypothesis, [reference]).score


def test_two_runs_are_compared_on_one_page(mt, run_folder, worse_run, tmp_path):
    write_pairs(tmp_path / "t", toy_pairs(120, 11))
    command = ("--test", f"news={tmp_path}/t", "-o", tmp_path / "r.html", "--sentences", 3)
    assert mt("report", run_folder, *command, worse_run).code == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    text = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page.split("<script>")[0]))
    rows = mt("evaluate", run_folder, worse_run, "--test", f"news={tmp_path}/t", "--json").out
    scores = [run["scores"] for run in json.loads(rows)["runs"]]
    for score in scores[1]:
        if score["p_value"] is not None:
            assert f"{score['value']:.2f} ± {score['half_interval']:.2f} (p = {score['p_value']:.3f})" in text
    difference = scores[0][0]["value"] - scores[1][0]["value"]
    assert f"On news, toy is {difference:.1f} BLEU better than worse, probably not by chance" in text
    better, worse = map(int, re.search(r"translates (\d+) sentences better and (\d+) worse", text).groups())
    systems = [(run / "translations" / "news.bb").read_text().splitlines() for run in (run_folder, worse_run)]
    references = [tgt for _, tgt in toy_pairs(120, 11)]
    pairs = list(zip(*(map(sentence_chrf, system, references) for system in systems), strict=True))
    assert better == sum(first > second for first, second in pairs) > 0
    assert worse == sum(first < second for first, second in pairs)
    for other, message in ((tmp_path / "none", str(tmp_path / "none")), (run_folder, "cannot be compared with itself")):
        outcome = mt("report", run_folder, other, *command)
        assert (outcome.code, message in outcome.err) == (2, True), outcome.err


def test_ngrams_of_two_systems_are_counted_against_the_references():
    references = ["the cat sat on the mat", "a dog ran"]
    first, second = ["the cat sat on a mat", "a dog"], ["the the the the", "the dog ran"]
    firsts, seconds = compare_ngrams(first, second, references, "en", 100)
    counts = {one.text: (one.n_first, one.n_second) for one in firsts + seconds}
    # "the" is twice in the first reference, so that four of them match twice; "dog" matches in both, so it is left out
    assert counts["the"] == (1, 2)
    assert counts["cat sat on"] == (1, 0)
    assert counts["dog ran"] == (0, 1)
    assert "dog" not in counts
    assert {one.text for one in seconds} == {"the", "ran", "dog ran"}
    assert next(one.ratio for one in firsts if one.text == "cat") == pytest.approx(2 / 3)  # (1 + 1) / (1 + 0 + 2)
    assert len(compare_ngrams(first, second, references, "en", 1)[0]) == 1
