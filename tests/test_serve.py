"""`mt serve`: the interface of LibreTranslate, our own, batches, limits, and the page in a browser."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from importlib import metadata
from urllib.parse import quote_plus

import httpx
import pytest
from conftest import ROOT, toy_pairs
from fastapi.testclient import TestClient
from libretranslatepy import LibreTranslateAPI
from server import serving

from mt import SearchConfig
from mt.config.choices import EngineName, SearchMethod
from mt.errors import UserError
from mt.serving.app import create_app
from mt.serving.batching import Batcher, Options, QueueFull
from mt.serving.models import Models, Served
from mt.serving.service import Limits
from mt.translation.pipeline import Request
from mt.translation.translator import Translator

LINES = [source for source, _ in toy_pairs(40, 21)]


@pytest.fixture(scope="module")
def translator(run_folder):
    return Translator.load(run_folder, "cpu", engine=EngineName.torch)


def models_of(translator, max_queue=1000):
    return Models([Served("toy", ["aa"], ["bb"], Batcher(translator, max_queue))])


@pytest.fixture
def client(translator):
    with TestClient(create_app(models_of(translator), Limits(max_characters=200))) as client:
        yield client


def test_a_text_as_libretranslate_translates_it(client, translator):
    expected = translator.translate(LINES[:3])
    asked = {"source": "aa", "target": "bb"}
    for send in ({"data": asked | {"q": LINES[0]}}, {"json": asked | {"q": LINES[0]}}):
        answer = client.post("/translate", **send)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"translatedText": expected[0]}
    assert client.post("/translate", json=asked | {"q": LINES[:3]}).json() == {"translatedText": expected}
    found = client.post("/translate", json={"q": LINES[0], "source": "auto", "target": "bb", "alternatives": 2}).json()
    assert found["translatedText"] == expected[0]
    assert len(found["alternatives"]) == 2
    assert found["detectedLanguage"] == {"language": "aa", "confidence": 100.0}


def test_alternatives_of_several_sentences(client):
    """The best translation is the same as without alternatives: sentence by sentence."""
    text = "Ba de. Fi go."
    alone = client.post("/translate", json={"q": text, "target": "bb"}).json()["translatedText"]
    found = client.post("/translate", json={"q": text, "target": "bb", "alternatives": 2}).json()
    assert found["translatedText"] == alone
    assert found["alternatives"]


@pytest.mark.parametrize("settings", [{"beam_size": 6, "diverse_groups": 3}, {"method": SearchMethod.sample}])
def test_alternatives_of_any_search(run_folder, settings):
    translator = Translator.load(run_folder, "cpu", engine=EngineName.torch)
    translator.defaults = replace(translator.defaults, **settings)
    with TestClient(create_app(models_of(translator), Limits())) as client:
        answer = client.post("/translate", json={"q": LINES[0], "target": "bb", "alternatives": 6})
    assert answer.status_code == 200, answer.text


def test_the_language_of_a_text_is_identified(translator):
    batcher = Batcher(translator, 1000)
    models = Models([Served("one", ["en"], ["bb"], batcher), Served("other", ["de"], ["bb"], batcher)])
    with TestClient(create_app(models, Limits())) as client:
        for lang, text in (("en", "The children are playing in the garden."), ("de", "Die Kinder spielen im Garten.")):
            (found,) = client.post("/detect", json={"q": text}).json()
            assert found["language"] == lang
            answer = client.post("/translate", json={"q": text, "target": "bb"}).json()
            assert answer["detectedLanguage"]["language"] == lang
    many = Models([Served("many", ["de", "en", "fr"], ["de", "en", "fr"], batcher, True)])
    assert many.identify("Die Kinder spielen im Garten.", "en")[0] == "de"
    assert many.identify("Die Kinder spielen im Garten.", "de")[0] != "de"  # it is to be translated into German


def test_directions_between_many_languages(translator):
    """A source has every other language as a target; a message lists some of the directions only."""
    many = Served("many", ["de", "en", "fr"], ["de", "en", "fr"], Batcher(translator, 10), True)
    models = Models([many, Served("one", ["en"], ["sw"], Batcher(translator, 10))])
    assert models.sources == ["de", "en", "fr"]
    assert models.targets("en") == ["de", "fr", "sw"]
    ways = [models.find(*pair) for pair in ((None, None), ("en", None), (None, "de"), ("en", "sw"), ("fr", "de"))]
    assert [(way.served.name, way.source, way.target) for way in ways] == [
        ("many", "de", "en"), ("many", "en", "de"), ("many", "en", "de"), ("one", "en", "sw"), ("many", "fr", "de"),
    ]  # fmt: skip
    assert models.find("eng", "swa") == models.find("eng_Latn", "swh_Latn") == models.find("en", "sw")
    own_codes = Models(
        [Served(str(n), [src], [tgt], many.batcher) for n, (src, tgt) in enumerate([("de", "swa"), ("en", "sw")])]
    )
    assert own_codes.find("en", "swh").served.name == "1"  # the other model has another code for Swahili
    for pair in (("en", "en"), ("sw", "en"), ("de", "sw")):
        with pytest.raises(UserError, match=f"no model from {pair[0]} to {pair[1]}. There are: de to en, de to fr"):
            models.find(*pair)
    languages = [f"l{number}" for number in range(200)]
    with pytest.raises(UserError) as error:
        Models([Served("all", languages, languages, Batcher(translator, 10), True)]).find("xx", None)
    assert len(str(error.value)) < 500
    assert str(error.value).endswith("and 39,780 more.")


def test_texts_keep_their_lines_and_their_markup(client, translator):
    text = f"{LINES[0]}\n\n{LINES[1]}\n"
    expected = translator.translate([LINES[0], "", LINES[1], ""])
    asked = {"source": "aa", "target": "bb"}
    assert client.post("/translate", json=asked | {"q": text}).json()["translatedText"] == "\n".join(expected)
    html = client.post("/translate", json=asked | {"q": "<b>ba</b> de", "format": "html"}).json()["translatedText"]
    assert html.count("<b>") == html.count("</b>") == 1
    broken = {"q": "<a href='x'\n title='y'>ba</a> de\nfi", "format": "html"}
    answer = client.post("/translate", json=asked | broken).json()["translatedText"]
    assert answer.count("<a href='x'\n title='y'>") == answer.count("</a>") == 1
    assert answer.count("\n") == 1  # that in the tag; in the text, it is a space


def test_items_and_cells_of_html_are_texts_of_their_own(client, translator):
    asked = {"source": "aa", "target": "bb", "format": "html", "alternatives": 1}
    page = f"<ul><li>{LINES[0]}</li><li>{LINES[1]}</li></ul><script>ba()</script>"
    first, second = translator.translate(LINES[:2])
    answer = client.post("/translate", json=asked | {"q": [page, "12"]}).json()
    assert answer["translatedText"] == [f"<ul><li>{first}</li><li>{second}</li></ul><script>ba()</script>", "12"]
    (other,), none = answer["alternatives"]
    assert other.count("<li>") == 2
    assert none == []


def test_a_form_is_utf8_as_curl_sends_it(client, translator):
    """curl's -d sends the bytes as they are."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    accented = f"{LINES[0]} é"
    for body in (f"q={accented}".encode(), f"q={quote_plus(accented)}".encode()):
        answer = client.post("/translate", content=body + b"&source=aa&target=bb", headers=form)
        assert answer.json() == {"translatedText": translator.translate([accented])[0]}, body
    answer = client.post("/translate", content=b"q=%ff&target=bb", headers=form)
    assert (answer.status_code, "not a form in UTF-8" in answer.json()["error"]) == (400, True)
    answer = client.post("/translate", files={"q": (None, LINES[0]), "target": (None, "bb")})
    assert answer.json()["translatedText"] == translator.translate(LINES[:1])[0]


def test_a_prefix_counts_for_each_text(client):
    asked = {"texts": ["ba"] * 10, "prefix": "BA " * 10}
    answer = client.post("/v1/translate", json=asked)
    assert (answer.status_code, answer.json()["error"]) == (
        413,
        "The text has 320 characters: at most 200 are allowed.",
    )


def test_a_failure_of_the_server_is_json(translator, monkeypatch):
    monkeypatch.setattr("mt.serving.service.Service.request", lambda *_, **__: 1 / 0)
    with TestClient(create_app(models_of(translator), Limits()), raise_server_exceptions=False) as client:
        answer = client.post("/translate", json={"q": "ba", "target": "bb"})
    assert (answer.status_code, answer.json()) == (
        500,
        {"error": "The server failed at this request; its log says why."},
    )


def test_languages_settings_health_and_description(client):
    assert [one["code"] for one in client.get("/languages").json()] == ["aa"]
    assert client.get("/languages").json()[0]["targets"] == ["bb"]
    assert client.get("/frontend/settings").json()["charLimit"] == 200
    assert client.get("/health").json() == {"status": "ok"}
    assert client.post("/detect", json={"q": "ba"}).json()[0]["language"] == "aa"
    described = client.get("/openapi.json").json()
    assert {"/translate", "/v1/translate", "/languages", "/metrics"} <= set(described["paths"])


def test_the_full_interface(client, translator):
    asked = {"texts": LINES[:2], "source": "aa", "target": "bb", "n_best": 3, "align": True}
    answer = client.post("/v1/translate", json=asked).json()
    assert (answer["model"], answer["source"], answer["target"]) == ("toy", "aa", "bb")
    for line, result in zip(LINES[:2], answer["results"], strict=True):
        (rows,) = result["lines"]
        assert len(rows) == 3
        assert rows[0]["log_prob"] == pytest.approx(sum(rows[0]["log_probs"]), abs=1e-4)
        assert rows[0]["source_words"] == line.split()
        assert all(len(link) == 2 for link in rows[0]["alignment"])
    begun = client.post("/v1/translate", json={"texts": ["ba de"], "prefix": "XA"}).json()
    assert begun["results"][0]["lines"][0][0]["text"].startswith("XA")


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/translate", {"q": "ba", "source": "aa", "target": "cc"}, 400, "There are: aa to bb"),
        ("/translate", {"q": "ba", "source": "zz", "target": "bb"}, 400, "no model from zz"),
        ("/translate", {"q": "ba"}, 400, "target"),
        ("/translate", {"target": "bb"}, 400, "q"),
        ("/translate", {"q": 5, "target": "bb"}, 400, "q"),
        ("/translate", {"q": "ba", "target": "bb", "format": "pdf"}, 400, "format"),
        ("/translate", {"q": "ba", "target": "bb", "alternatives": 10**6}, 400, "alternatives"),
        ("/translate", {"q": "ba " * 100, "target": "bb"}, 413, "at most 200"),
        ("/translate", {"q": "ba " * 100_000, "target": "bb"}, 413, "too long"),
        ("/v1/translate", {"texts": ["ba"], "beam": 3}, 400, "beam"),
        ("/v1/translate", {"texts": ["ba"], "beam_size": 10**9}, 400, "beam_size"),
        ("/v1/translate", {"texts": ["ba"], "tag": "law"}, 400, "no tag <law>"),
        ("/v1/translate", {"texts": ["ba"], "align": True, "markup": True}, 422, "omit align"),
        ("/nowhere", {}, 405, "Method Not Allowed"),
    ],
)
def test_wrong_requests_are_told_why(client, path, body, status, message):
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    assert message in answer.json()["error"]


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b"[" * 100_000, b""])
def test_a_body_that_is_not_json(content, translator):
    with TestClient(create_app(models_of(translator), Limits(max_characters=20_000))) as client:
        answer = client.post("/translate", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "error" in answer.json()


def test_odd_text_is_text(client):
    for text in ("<script>alert(1)</script>", "\0", "\u202eba\u202c", "😀", "   ", ""):
        answer = client.post("/v1/translate", json={"texts": [text]})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
    for path, body in (
        ("/translate", r'{"q": "\ud83d", "target": "bb"}'),
        ("/translate", r'{"q": "ba", "target": "\ud83d"}'),
        ("/v1/translate", r'{"texts": ["\ud83d"]}'),
    ):
        answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, answer.text
    assert "script-src 'self'" in client.get("/").headers["content-security-policy"]


def test_a_key(translator):
    with TestClient(create_app(models_of(translator), Limits(api_key="geheim"))) as client:
        asked = {"q": "ba", "source": "aa", "target": "bb"}
        assert client.post("/translate", json=asked).status_code == 403
        assert client.post("/translate", json=asked | {"api_key": "falsch"}).status_code == 403
        half = r'{"q": "ba", "source": "aa", "target": "bb", "api_key": "\ud83d"}'
        assert client.post("/translate", content=half, headers={"Content-Type": "application/json"}).status_code == 403
        assert client.post("/translate", json=asked | {"api_key": "geheim"}).status_code == 200
        bearer = {"Authorization": "bearer geheim"}  # the case of the scheme does not matter
        assert client.post("/v1/translate", json={"texts": ["ba"]}, headers=bearer).status_code == 200
        assert client.post("/v1/translate", json={"texts": ["ba"]}).status_code == 403
        assert client.post("/detect", json={"q": "ba"}).status_code == 403
        assert client.get("/frontend/settings").json()["keyRequired"] is True


def test_metrics(client):
    client.post("/translate", json={"q": "ba", "source": "aa", "target": "bb"})
    client.post("/translate", json={"q": "ba"})
    text = client.get("/metrics").text
    assert 'mt_requests_total{path="/translate",status="200"} 1.0' in text
    assert 'mt_requests_total{path="/translate",status="400"} 1.0' in text
    assert "mt_waiting_lines 0.0" in text


class SlowTranslator:
    """Counts the lines of each batch; translates `bad` to an error."""

    def __init__(self):
        self.batches = []
        self.on_progress = lambda fraction: None
        self.go = threading.Event()

    def set_direction(self, src_lang, tgt_lang, tag):
        pass

    def translate_texts(self, lines, request):
        self.batches.append(list(lines))
        self.go.wait(10)
        if "bad" in lines:
            raise UserError("bad line")
        return [[line.upper()] for line in lines]


def in_batches(*jobs, max_queue=100, cancel=(), late=None):
    """Return the results of jobs that are asked for while another is translated, and the batches.

    Args:
        cancel: numbers of jobs that are given up.
        late: a job that comes after that.
    """
    slow = SlowTranslator()

    async def ask():
        batcher = Batcher(slow, max_queue)
        first = asyncio.create_task(batcher.translate(["first"], Options(Request(None))))
        while not slow.batches:
            await asyncio.sleep(0.001)
        tasks = [asyncio.create_task(batcher.translate(lines, Options(Request(None), tag=tag))) for lines, tag in jobs]
        await asyncio.sleep(0.01)
        for number in cancel:
            tasks[number].cancel()
        await asyncio.sleep(0.01)
        if late is not None:
            tasks.append(asyncio.create_task(batcher.translate(late[0], Options(Request(None), tag=late[1]))))
            await asyncio.sleep(0.01)
        slow.go.set()
        found = await asyncio.gather(first, *tasks, return_exceptions=True)
        await batcher.close()
        return found[1:]

    return asyncio.run(ask()), slow.batches[1:]


def test_requests_that_wait_are_translated_together():
    found, batches = in_batches((["a", "b"], None), (["c"], None), (["d"], "law"), (["e"], None))
    assert found == [[["A"], ["B"]], [["C"]], [["D"]], [["E"]]]
    assert batches == [["a", "b", "c", "e"], ["d"]]


def test_a_client_that_leaves_costs_nothing():
    found, batches = in_batches((["a"], None), (["b"], None), cancel=[0])
    assert isinstance(found[0], asyncio.CancelledError)
    assert batches == [["b"]]


def test_what_nobody_waits_for_any_longer_is_given_up():
    class Endless(SlowTranslator):
        def translate_texts(self, lines, request):
            if lines == ["endless"]:
                while True:
                    self.on_progress(0.5)
            return super().translate_texts(lines, request)

    async def ask():
        endless = Endless()
        endless.go.set()
        batcher = Batcher(endless, 100)
        first = asyncio.create_task(batcher.translate(["endless"], Options(Request(None))))
        await asyncio.sleep(0.05)
        assert batcher.is_busy
        first.cancel()
        found = await batcher.translate(["a"], Options(Request(None)))
        await batcher.close()
        return found, batcher.is_busy

    assert asyncio.run(ask()) == ([["A"]], False)


def test_the_end_does_not_wait_for_a_batch():
    async def end():
        slow = SlowTranslator()
        batcher = Batcher(slow, 100)
        first = asyncio.create_task(batcher.translate(["a"], Options(Request(None))))
        await asyncio.sleep(0.05)
        first.cancel()
        start = time.monotonic()
        await batcher.close()
        seconds = time.monotonic() - start
        is_busy = batcher.is_busy
        slow.go.set()
        return seconds, is_busy

    seconds, is_busy = asyncio.run(end())
    assert is_busy
    assert seconds < 5  # a batch of this translator takes ten seconds


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", 99999], "port must be 0-65535"),
        (["--host", "256.1.1.1"], "--host 256.1.1.1"),
        (["--tls-cert", "nowhere.pem", "--tls-key", "nowhere.key"], "nowhere.pem does not exist"),
        (["--tls-cert", "README.md", "--tls-key", "README.md"], "--tls-cert README.md"),
    ],
)
def test_an_address_or_a_certificate_that_cannot_be_used_is_named_at_once(mt, run_folder, options, message):
    outcome = mt("serve", run_folder, *options)
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err


def test_an_error_is_for_those_who_caused_it():
    found, _ = in_batches((["a"], None), (["bad"], None), (["c"], None))
    assert found[0] == [["A"]]
    assert isinstance(found[1], UserError)
    assert found[2] == [["C"]]


def test_a_full_queue_refuses():
    found, batches = in_batches((["a"] * 3, None), (["b"] * 3, None), (["c"], None), max_queue=4)
    assert isinstance(found[1], QueueFull)
    assert batches == [["a", "a", "a", "c"]]


def test_a_client_that_leaves_makes_room():
    found, _ = in_batches((["a"] * 3, None), (["b"], None), cancel=[0], max_queue=4, late=(["c"] * 3, None))
    assert found[1:] == [[["B"]], [["C"], ["C"], ["C"]]]


def test_a_full_queue_is_429(translator, monkeypatch):
    async def refuse(*_):
        raise QueueFull

    models = models_of(translator)
    monkeypatch.setattr(models.served[0].batcher, "translate", refuse)
    with TestClient(create_app(models, Limits())) as client:
        answer = client.post("/translate", json={"q": "ba", "source": "aa", "target": "bb"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")


def test_libretranslates_own_client(run_folder, translator):
    with serving(run_folder) as (address, process):
        theirs = LibreTranslateAPI(address)
        assert theirs.languages()[0]["code"] == "aa"
        assert theirs.detect("ba de")[0]["language"] == "aa"
        assert [theirs.translate(line, "aa", "bb") for line in LINES[:5]] == translator.translate(LINES[:5])
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) in (0, -signal.SIGTERM, 143)


def clear_lines(translator, lines, margin=0.1):
    """Return the lines of which the best translation is better than the next by so much, with that translation.

    Of the others, another engine, or another batch, may find either: sums are rounded differently.
    """
    found = translator.n_best(list(lines), SearchConfig(n_best=2), quiet=True)
    return {line: a.text for line, (a, b) in zip(lines, found, strict=True) if a.score - b.score > margin}


def test_many_clients_get_their_own_translations(run_folder, translator):
    expected = clear_lines(translator, LINES)
    assert len(expected) > 20
    lines, found = list(expected), {}

    def ask(address, lines):
        with httpx.Client(base_url=address, timeout=60) as own:
            for line in lines:
                asked = {"q": line, "source": "aa", "target": "bb"}
                found[line] = own.post("/translate", json=asked).json()["translatedText"]

    with serving(run_folder) as (address, _):
        clients = [threading.Thread(target=ask, args=(address, lines[number::8])) for number in range(8)]
        for one in clients:
            one.start()
        for one in clients:
            one.join()
    assert found == expected


def test_wrong_options(run_folder, mt, tmp_path):
    for arguments, message in (
        ([tmp_path / "nothing"], "There is no folder"),
        ([run_folder, "--tls-cert", "x"], "belong together"),
        ([run_folder, "--max-queue", "0"], "1 or more"),
    ):
        outcome = mt("serve", *arguments)
        assert outcome.code == 2
        assert message in outcome.err


def test_the_health_check_of_the_image(run_folder):
    """Docker runs it every half minute; the rest of the Dockerfile is run by those who build it."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    check = json.loads(re.search(r"HEALTHCHECK.*?(\[.*?\])", text, re.S)[1])
    assert set(re.search(r"\.whl\)\[(.*?)\]", text)[1].split(",")) <= set(
        metadata.metadata("mt").get_all("Provides-Extra")
    )
    with serving(run_folder) as (address, _):
        port = address.rpartition(":")[2]
        command = [sys.executable, *(part.replace("8000", port) for part in check[1:])]
        assert subprocess.run(command, check=False).returncode == 0
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
