"""Files that are sent to `mt serve` come back translated."""

import polib
import pytest
import srt
from conftest import toy_pairs
from fastapi.testclient import TestClient

from mt.config.choices import EngineName
from mt.serving.app import create_app
from mt.serving.batching import Batcher
from mt.serving.models import Models, Served
from mt.serving.service import Limits
from mt.translation.translator import Translator

LINES = [source for source, _ in toy_pairs(40, 4) if len(source.split()) in (2, 3) and not source.endswith(".")]


@pytest.fixture(scope="module")
def client(run_folder):
    translator = Translator.load(run_folder, "cpu", engine=EngineName.torch)
    models = Models([Served("toy", ["aa"], ["bb"], Batcher(translator, 1000))])
    with TestClient(create_app(models, Limits(max_file_characters=2000))) as client:
        yield client


@pytest.fixture
def send(client):
    """Send a file, fetch its translation, and return its name and content."""

    def translate(name, content, **fields):
        answer = client.post("/translate_file", files={"file": (name, content)}, data={"target": "bb", **fields})
        assert answer.status_code == 200, answer.text
        fetched = client.get(answer.json()["translatedFileUrl"])
        disposition = fetched.headers["Content-Disposition"]
        return disposition.removeprefix("attachment; filename*=UTF-8''"), fetched.content.decode()

    return translate


def test_text_and_tables_keep_their_lines_and_cells(send):
    assert send("a.txt", f"{LINES[0]}\r\n\r\n{LINES[1]}\n".encode()) == (
        "a.bb.txt",
        f"{LINES[0].upper()}\r\n\r\n{LINES[1].upper()}\n",
    )
    assert send("../ü b.TSV", f"{LINES[0]}\t2,019\n\t{LINES[1]}".encode(), source="aa") == (
        "%C3%BC%20b.bb.TSV",
        f"{LINES[0].upper()}\t2,019\n\t{LINES[1].upper()}",
    )


def test_documents(send):
    assert send("page.HTML", f"<li>{LINES[0]}<li>{LINES[1]}".encode("utf-16"))[1] == (
        f"\ufeff<li>{LINES[0].upper()}<li>{LINES[1].upper()}"
    )
    subtitles = f"1\n00:00:01,000 --> 00:00:02,000\n{LINES[0]}\n"
    assert next(srt.parse(send("film.srt", subtitles.encode())[1])).content == LINES[0].upper()
    catalogue = f'msgid ""\nmsgstr ""\n\nmsgid "{LINES[1]}"\nmsgstr ""\n'
    assert polib.pofile(send("app.po", catalogue.encode())[1])[0].msgstr == LINES[1].upper()


@pytest.mark.parametrize(
    ("name", "content", "fields", "status", "message"),
    [
        ("a.exe", b"ba", {}, 400, "'.exe' files are not translated"),
        ("a", b"ba", {}, 400, "'' files are not translated"),
        ("a.txt", b"\xff", {}, 400, "not UTF-8"),
        ("a.txt", "ba de".encode("utf-16-le"), {}, 400, "UTF-16 without a byte order mark"),
        ("a.docx", b"ba", {}, 400, "FILE is not a Word document"),
        ("a.txt", b"ba " * 1000, {}, 413, "at most 2,000"),
        ("a.txt", b"ba", {"target": "cc"}, 400, "no model"),
        ("a.txt", b"x" * 21_000_000, {}, 413, "too long"),
    ],
)
def test_wrong_files_are_told_why(client, name, content, fields, status, message):
    answer = client.post("/translate_file", files={"file": (name, content)}, data={"target": "bb", **fields})
    assert answer.status_code == status, answer.text
    assert message in answer.json()["error"]


def test_files_are_forgotten(client, monkeypatch):
    monkeypatch.setattr("mt.serving.files.MAX_STORED_BYTES", 10)
    urls = [
        client.post("/translate_file", files={"file": ("a.txt", b"ba de")}, data={"target": "bb"}).json()[
            "translatedFileUrl"
        ]
        for _ in range(3)
    ]
    assert [client.get(url).status_code for url in urls] == [404, 200, 200]
    assert client.get("/download_file/nothing").status_code == 404


def test_a_key_is_asked_for(run_folder):
    translator = Translator.load(run_folder, "cpu", engine=EngineName.torch)
    models = Models([Served("toy", ["aa"], ["bb"], Batcher(translator, 1000))])
    with TestClient(create_app(models, Limits(api_key="geheim"))) as client:
        for key, status in (("", 403), ("geheim", 200)):
            data = {"target": "bb", "api_key": key}
            assert client.post("/translate_file", files={"file": ("a.txt", b"ba")}, data=data).status_code == status
