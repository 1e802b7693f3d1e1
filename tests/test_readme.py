"""The commands of the README work as written, on the demo corpus, shortened."""

import re
import shlex
import shutil
from pathlib import Path

import docx
import pytest
from conftest import DEMO, ROOT

READMES = ["README.md", "README.zh-CN.md"]
TRANSLATING = "docs/translating.md"
EVALUATING = "docs/evaluating.md"
ATTENTION = ["docs/self-attention.md", "docs/self-attention.zh-CN.md"]
SHORT = [
    "model.d_model=32",
    "model.d_ff=64",
    "model.n_heads=2",
    "model.n_encoder_layers=1",
    "model.n_decoder_layers=1",
    "training.max_steps=2",
    "training.device=cpu",
    "tokenizer.vocab_size=1200",
    "data.test=null",
]


def commands(readme: str) -> list[str]:
    """Return every line that begins with `mt ` in a block of code, without its comment."""
    blocks = re.findall(r"```[a-z]*\n(.*?)```", (ROOT / readme).read_text(encoding="utf-8"), flags=re.S)
    return [re.sub(r"\s+#.*", "", line) for block in blocks for line in block.splitlines() if line.startswith("mt ")]


def test_the_python_in_the_readmes_runs(mt, workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    assert mt(*shortened("mt train", workplace)).code == 0
    blocks = {
        block
        for document in (*READMES, TRANSLATING, *ATTENTION)
        for block in re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), flags=re.S)
    }
    assert len(blocks) == 3
    for block in blocks:
        capsys.readouterr()
        exec(block, {})
        assert capsys.readouterr().out.startswith(("['", "[32, 10, 512] [32, 8, 10, 10]"))


def head(source: Path, target: Path, count: int) -> None:
    target.write_text("\n".join(source.read_text(encoding="utf-8").splitlines()[:count]) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with the files that the README mentions, and a small demo run."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "corpus").mkdir()
    (folder / "data" / "demo").mkdir(parents=True)
    for part, count in (("train", 1500), ("valid", 10), ("test", 10), ("probe", 10)):
        for lang, other in (("zh", "de"), ("en", "en")):
            head(DEMO / f"{part}.{lang}", folder / "corpus" / f"{part}.{other}", count)
            head(DEMO / f"{part}.{lang}", folder / "data" / "demo" / f"{part}.{lang}", count)
    pairs = zip(
        *((DEMO / f"train.{lang}").read_text(encoding="utf-8").splitlines()[:4000] for lang in ("en", "zh")),
        strict=True,
    )
    table = [f"{src}\t{tgt}\tCC-BY 2.0\n" for src, tgt in pairs]
    (folder / "all.tsv").write_text("".join(table), encoding="utf-8")
    for lang in ("de", "en"):
        (folder / "corpus" / f"news.{lang}").write_bytes((folder / "corpus" / f"test.{lang}").read_bytes())
    return folder


def shortened(command: str, folder: Path) -> list[str]:
    arguments = shlex.split(command)[1:]
    if arguments[0] != "train":
        return arguments
    mine = (
        SHORT[:-1]
        if "data=files" in arguments
        else [*SHORT, f"data.train={folder}/data/demo/train", f"data.valid={folder}/data/demo/valid"]
    )
    given = {argument.split("=")[0] for argument in arguments}
    return [
        *arguments,
        *(override for override in mine if override.split("=")[0] not in given - {"training.max_steps"}),
    ]


def test_both_readmes_have_the_same_commands():
    assert commands("README.md") == commands("README.zh-CN.md")
    assert len(commands("README.md")) >= 15


def test_readmes_are_short_and_their_files_exist():
    for readme in READMES:
        text = (ROOT / readme).read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 200
        assert "@" not in text
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (ROOT / link).is_file(), link


@pytest.mark.slow
def test_train_and_help(mt, workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    assert mt("train", "--help").code == 0
    composed = mt("train", "--cfg", "job")
    assert composed.code == 0
    assert "vocab_size: 3000" in composed.out
    assert mt(*shortened("mt train", workplace)).code == 0  # runs/demo, which some begin with
    for number, command in enumerate(c for c in commands("README.md") if c.startswith("mt train")):
        extra = [] if "data=files" in command else [f"name=run{number}"]
        outcome = mt(*shortened(command, workplace), *extra)
        assert outcome.code == 0, (command, outcome.err)
    assert (workplace / "runs" / "de-en" / "translations" / "news.en").is_file()
    assert len(list((workplace / "runs").glob("run*/*/model.safetensors"))) == 4  # the sweep


@pytest.mark.slow
def test_translate_and_evaluate(mt, workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    test = f"data.test={{test: {workplace}/data/demo/test}}"
    assert (
        mt(
            *shortened("mt train", workplace)[:-3],
            test,
            f"data.train={workplace}/data/demo/train",
            f"data.valid={workplace}/data/demo/valid",
        ).code
        == 0
    )
    back = shlex.join(["mt", "train", "name=back", "data.src_lang=en", "data.tgt_lang=zh"])
    assert mt(*shortened(back, workplace)).code == 0
    head(DEMO / "test.zh", workplace / "sentences.zh", 3)
    import gzip

    (workplace / "book.zh.gz").write_bytes(gzip.compress((workplace / "sentences.zh").read_bytes()))
    (workplace / "table.tsv").write_text("1\t他比我高。\n", encoding="utf-8")
    (workplace / "notes.jsonl").write_text('{"text": "他比我高。"}\n', encoding="utf-8")
    (workplace / "film.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\n他比我高。\n", encoding="utf-8")
    (workplace / "app.po").write_text('msgid ""\nmsgstr ""\n\nmsgid "他比我高。"\nmsgstr ""\n', encoding="utf-8")
    (workplace / "page.html").write_text("<p>他比我高。</p>", encoding="utf-8")
    letter = docx.Document()
    letter.add_paragraph("他比我高。")
    letter.save(workplace / "letter.docx")
    (workplace / "terms.tsv").write_text("书\tbook|books\n", encoding="utf-8")
    shutil.copytree(workplace / "runs" / "demo", workplace / "runs" / "other")
    for command in [*commands("README.md"), *commands(TRANSLATING), *commands(EVALUATING)]:
        if command.startswith(
            ("mt translate", "mt evaluate", "mt report", "mt explain", "mt score", "mt export", "mt runs")
        ):
            redirected = re.search(r" < (\S+) > (\S+)", command)
            if redirected:
                import io
                import sys

                data = (workplace / redirected[1]).read_bytes()
                monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
                command = command[: redirected.start()]
            outcome = mt(*shlex.split(command)[1:])
            assert outcome.code == 0, (command, outcome.err)
            if redirected:
                (workplace / redirected[2]).write_text(outcome.out, encoding="utf-8")
    assert (workplace / "exported" / "tokenizer_config.json").is_file()
    assert (workplace / "letter.en.docx").is_file()
    assert len((workplace / "book.en").read_text(encoding="utf-8").splitlines()) == 3
