import re
import subprocess
import sys

from conftest import DEMO, ROOT


def lines(name: str, lang: str) -> list[str]:
    return (DEMO / f"{name}.{lang}").read_text(encoding="utf-8").splitlines()


def test_sizes_and_no_leakage():
    for name, least in (("train", 20_000), ("valid", 500), ("test", 500), ("probe", 60)):
        assert len(lines(name, "zh")) == len(lines(name, "en")) >= least
    parts = {name: lines(name, "zh") for name in ("train", "valid", "test", "probe")}
    assert len({line for part in parts.values() for line in part}) == sum(len(part) for part in parts.values())


def test_the_script_writes_what_is_committed(tmp_path):
    (tmp_path / "probe.zh").write_bytes((DEMO / "probe.zh").read_bytes())
    subprocess.run([sys.executable, ROOT / "scripts" / "make_demo_corpus.py", "--folder", tmp_path], check=True)
    for name in ("train", "valid", "test"):
        for lang in ("zh", "en"):
            assert (tmp_path / f"{name}.{lang}").read_bytes() == (DEMO / f"{name}.{lang}").read_bytes()


def test_sentences_are_well_formed():
    for name in ("train", "valid", "test", "probe"):
        for zh, en in zip(lines(name, "zh"), lines(name, "en"), strict=True):
            assert zh[-1] in "。？！", zh
            assert en[0].isupper(), en
            assert en[-1] in ".?!", en
            assert (zh[-1] == "？") == (en[-1] == "?"), (zh, en)
            assert "  " not in en, en
            assert "{" not in zh + en, (zh, en)


def test_the_lexicon_is_large():
    words = {
        word.strip(".?!,") for name in ("train", "probe") for line in lines(name, "en") for word in line.lower().split()
    }
    assert len(words) > 600


def test_composed_sentences_are_grammatical():
    reporting = "(?:says|thinks|knows|told [A-Z][a-z ]+) that "
    named_again = re.compile(rf"([A-Z][a-z]+(?: [A-Z][a-z]+)?|My [a-z ]+) {reporting}.*\b\1\b")
    reported, joined = set(), 0
    for zh, en in zip(lines("train", "zh"), lines("train", "en"), strict=True):
        assert "不有意思" not in zh, zh
        assert "听说" not in zh[1:], zh
        assert not re.search("[欢买借]的[这那][^，。？是]*[欢买借]的", zh), zh  # two relative clauses for one thing
        assert not re.search(r"\b(I|[Ww]e) say that", en), en
        assert not named_again.match(en), en
        reported |= {*re.split(reporting, en)[1:]}
        joined += ", but " in en
    assert len(reported) > 1000
    assert joined > 1000
