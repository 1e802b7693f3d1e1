"""Text as people type it: capitals, quotation marks, emoji, addresses; and `mt evaluate --stress`."""

import json
import re
import time
import unicodedata
from random import Random

import pytest
import sacrebleu
from conftest import overrides, write_pairs

from mt import SearchConfig, Translator
from mt.data.noise import END
from mt.evaluation import test_sets
from mt.evaluation.stress import ADDED, build_stress_tests, ends_in_loop
from mt.text.copying import MARKERS
from mt.text.markup import read_marks
from mt.text.plain_form import to_plain
from mt.translation.result import Translation

URL = "https://example.org/a?b=1&c=D"
LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ.,'\"!?äöüß0123456789()-:/的").union(MARKERS)


def knows(text):
    return LETTERS.issuperset(text)


def plain(text):
    return to_plain(text, knows, MARKERS[:4]).text


@pytest.fixture(scope="module")
def translator(run_folder):
    return Translator.load(run_folder)


@pytest.mark.parametrize(("typed", "expected"), [
    ("TWO MEN ARE SLEEPING.", "two men are sleeping."),
    ("Two Young Men Are Sleeping.", "two young men are sleeping."),
    ("NASA", "NASA"),  # too short to tell from a name
    ("UNESCO的世界遗产", "UNESCO的世界遗产"),  # in a script without capitals
    ("在他们的电脑上用 Microsoft Word And Excel For Mac", "在他们的电脑上用 Microsoft Word And Excel For Mac"),
    ("New York City", "New York City"),
    ("Angela Merkel, Barack Obama, Nelson Mandela", "Angela Merkel, Barack Obama, Nelson Mandela"),
    ("Ein Hund und ein Mann.", "Ein Hund und ein Mann."),
    ('- "Two men." 😀 👍🏽', "Two men."),
    ('"Yes," he said, "no."', '"Yes," he said, "no."'),
    ("« Two men »", " Two men "),
    ("2) two men", "two men"),
    (f"See {URL}, or mail me@example.org.", "See 1, or mail 2."),
    ("It costs 1,234.50 kg in 2019, not 12.", "It costs 1 kg in 2, not 12."),
    ("The 1990s, 3D and A4", "The 1990s, 3D and A4"),
    ("See https://example.org/Foo_(bar) (or not).", "See 1 (or not)."),
    ("3000万 and 3000", "3000万 and 1"),
    ("a \ue001 and 123", "a 1 and 2"),  # a character that would be taken for a marker
    ("Łódź is nice", "1 is nice"),
    ("nice\u200b hou\u00adse", "nice house"),
    ("the ﬁrst ＨＯＵＳＥ", "the first HOUSE"),
    ("scho\u0308n", "schön"),
    ("我 and 世界 are unknown", "1 and 2 are unknown"),
    ("世界的遗产 is known in part", "世界的遗产 is known in part"),
    ("see WWW.Example.ORG/A", "see 1"),
    ("see Www.Example.Org", "see 1"),
    ("1. two men", "two men"),
    ("1.2) two men", "two men"),
    ("- [ ] two men", "two men"),
    ("## Two men", "Two men"),
    ("(a) two men", "two men"),
    ("2 men, 3. men", "2 men, 3. men"),
    ("A family: 👨‍👩‍👧 here", "A family: 1 here"),
    ("111 222 333 444 555 six", "1 2 3 4 555 six"),  # as many as there are markers
])  # fmt: skip
def test_the_plain_form(typed, expected):
    names = {MARKERS[number]: str(number + 1) for number in range(4)}
    assert plain(typed).translate(str.maketrans(names)) == expected


def test_turkish_has_an_i_with_and_one_without_a_dot():
    text, lower = "IŞIK VE İSTANBUL İYİ", "ışık ve istanbul iyi"
    form = to_plain(text, frozenset(lower).issuperset, MARKERS, ("tr", "tr"))
    assert (form.text, form.restore(lower)) == (lower, text)
    assert (
        to_plain(text, lambda _: True, MARKERS, ("tr-TR", "en")).restore("light and istanbul") == "LIGHT AND ISTANBUL"
    )
    assert to_plain("Her Gün Ve Her Gece", knows, MARKERS, ("tr", "az")).restore("iyi ve ışık") == "İyi Ve Işık"
    assert to_plain("THIS IS İSTANBUL", knows, MARKERS, ("en", "de")).text == "this is istanbul"


@pytest.mark.parametrize(
    "typed",
    ["😀", URL, "1,234.50 🎉", "12", "5 %", "7.", "我们", "...", "", "?! 👍🏽", "111 222 333 444 555 666 777 888 999"],
)
def test_what_needs_no_translation_is_copied(mt, run_folder, typed):
    assert mt("translate", run_folder, "--", typed).out == f"{typed}\n"


def test_any_text_is_restored_if_its_translation_is_itself():
    """The way back undoes the way there, but for the case of letters in text that is not wholly in capitals."""
    random = Random(3)
    parts = [
        "two ",
        "MEN ",
        "Łódź ",
        URL + " ",
        "😀",
        "🎉 ",
        '"',
        "« ",
        " »",
        "- ",
        "1) ",
        "2019 ",
        "12.5",
        "我",
        ". ",
        "I ",
    ]
    for _ in range(3000):
        text = "".join(random.choices(parts, k=random.randint(1, 9)))
        form = to_plain(text, knows, MARKERS[: random.randint(0, 8)])
        assert form.restore(form.text).strip().lower() == text.strip().lower()


@pytest.mark.parametrize("translation", ["", "x", "1 x 1", "2 x", "x 3", "1 x 2 3"])
def test_what_is_copied_arrives_once_whatever_the_model_does(translation):
    """Markers that are missing, repeated or invented."""
    form = to_plain(f"see {URL} and 2019", knows, MARKERS)
    restored = form.restore(translation.translate({ord(str(n + 1)): marker for n, marker in enumerate(MARKERS)}))
    assert restored.count(URL) == restored.count("2019") == 1
    assert not set(restored) & {*MARKERS}


def test_parts_are_found_again():
    """A part of the plain form in the source, and a part of its translation in what is restored."""
    random = Random(4)
    parts = ["ba ", "DE ", f"{URL} ", "12.5 ", "- ", "😀 ", '"', "go. ", "MEI ", "Łódź ", "me\u00adi ", "o\u0308de "]
    for _ in range(500):
        text = "".join(random.choices(parts, k=random.randint(1, 9))).strip()
        form = to_plain(text, knows, MARKERS[: random.randint(0, 8)])
        whole = form.restore(form.text)
        for start in range(len(form.text)):
            here = (start, start + 1)
            in_source, restored = form.source_span(here), form.restored_span(form.text, here)
            expected = dict(zip(MARKERS, form.copied, strict=False)).get(form.text[start], form.text[start])
            found = unicodedata.normalize("NFC", text[slice(*in_source)].replace("\u00ad", ""))
            assert found.lower() == whole[slice(*restored)].lower() == expected.lower()


def test_tags_beside_what_is_not_translated(mt, run_folder):
    """Tags around quotation marks, list marks, emoji and numbers keep their place; numbers are copied."""
    typed = [
        '<b>"ba de fi go"</b>', '"<b>ba de fi go</b>"', "- <b>BA DE FI GO</b> 😀", "<b>- ba de fi go</b>",
        "<i>ba de fi go</i><b>😀</b>", "<b>1,234</b>", "<b>😀</b><i>😀</i>", "<b>😀</b><i>😀</i> ba de",
        "<p>2,500 <b>😀</b></p>",
    ]  # fmt: skip
    out = mt("translate", run_folder, "--markup", "--", *typed).out.splitlines()
    assert out[:4] == [text.upper().replace("B>", "b>") for text in typed[:4]]
    assert out[4].count("<b>😀</b>") == 1
    assert out[7].startswith("<b>😀</b><i>😀</i> ")
    assert [*out[5:7], out[8]] == [*typed[5:7], typed[8]]
    copied = {"12,345.50": "<b>ba</b> 12,345.50 de", URL: f"ba <b>{URL}</b> de"}
    out = mt("translate", run_folder, "--markup", "--", *copied.values()).out.splitlines()
    for line, expected in zip(out, copied, strict=True):
        assert line.count(expected) == line.count("<b>") == line.count("</b>") == 1


@pytest.mark.parametrize("typed", [
    "“ba <b>2019</b> de”", "“ba 2019 <b>de.{x}{y}</b>”", "<i>ba <b>2019</b> de 10:30</i>{x} 😀", "<b>ba</b> 2019 {x}",
])  # fmt: skip
def test_what_has_no_marker_is_written_once_and_in_its_tags(translator, typed):
    """The translation lacks the markers, whatever the model would have done."""
    marked, tokenizer = read_marks(typed), translator.tokenizer
    form = tokenizer.plain_form(marked.plain, translator.langs)
    ids = (tokenizer.encode_src([form.text])[0], tokenizer.encode_tgt(["BA DE"])[0])
    translation = Translation(form.restore("BA DE"), 0.0, 0.0, parts=[ids], form=form, plain="BA DE")
    restored = translator.restore_markup(marked, translation)
    assert re.sub(r"</?[bi]>|\{.\}| ", "", restored) == translation.text.replace(" ", "")
    assert restored.count("{x}") == typed.count("{x}")
    assert ("2019</b>" in restored) == ("2019</b>" in typed)


def test_characters_that_are_markers_are_copied():
    form = to_plain(f"ba {MARKERS[0]} de {MARKERS[1]} 2019", knows, MARKERS)
    assert form.restore(form.text) == f"ba {MARKERS[0]} de {MARKERS[1]} 2019"
    assert form.restore(f"{MARKERS[2]} {MARKERS[1]} {MARKERS[0]}") == f"2019 {MARKERS[1]} {MARKERS[0]}"


def test_the_translation_is_written_as_the_source_is(mt, run_folder):
    """The toy language's translations are in capitals, whatever the source's case."""
    typed = ["BA DE FI GO", "Ba De Fi Go Hu", '"ba de fi go"', "- ba de fi go 😀", "ba de fi go"]
    expected = ["BA DE FI GO", "BA DE FI GO HU", '"BA DE FI GO"', "- BA DE FI GO 😀", "BA DE FI GO"]
    assert mt("translate", run_folder, "--", *typed).out.splitlines() == expected
    unchanged = mt("translate", run_folder, "--set", "search.simplify=false", "--", typed[0]).out.splitlines()
    assert unchanged != expected[:1]  # the vocabulary has hardly met capitals


@pytest.mark.parametrize("typed", [
    "a" + " " * 50_000 + "b", "a" + "😀\u200d" * 10_000 + "b", "a" * 50_000 + " @", "🇩🇪" * 10_000, "1." * 30_000,
    "(" * 50_000,    "https://" + "(" * 20_000, "x" + "." * 50_000 + "x", "\"" * 50_000,
    "123 Ł " * 8_000,
])  # fmt: skip
def test_long_odd_text_takes_no_time(typed):
    started = time.process_time()
    plain(typed)
    END.sub("", typed)
    ends_in_loop(typed)
    assert time.process_time() - started < 2


def test_what_has_to_be_in_a_translation_may_repeat(translator):
    """A prefix and required phrases are stronger than the rule against loops."""
    prefix = " ".join(["BA"] * 12)
    assert translator.translate(["ba de"], prefix=prefix)[0].startswith(prefix)
    assert prefix in translator.translate(["ba de"], SearchConfig(required=[prefix]))[0]


def test_copied_text_arrives_through_a_model_that_knows_no_markers(translator):
    """The toy model was trained without noise, so that its markers mean nothing to it."""
    lines = [f"ba de {thing} fi" for things in ADDED.values() for thing in things]
    for line, found in zip(lines, translator.translate(lines), strict=True):
        assert found.count(line.split()[2]) == 1


def test_phrases_and_prefixes_get_the_text_as_it_is(translator):
    search = SearchConfig(simplify=False)
    assert translator.translate(["BA DE FI"], prefix="XA") == translator.translate(["BA DE FI"], search, prefix="XA")
    for key in ("forbidden", "required"):
        phrases = {key: ["WU"]}
        given = [SearchConfig(simplify=simplify, **phrases) for simplify in (True, False)]
        assert translator.translate(["BA DE FI"], given[0]) == translator.translate(["BA DE FI"], given[1])


def test_training_text_has_markers_for_what_both_sides_share(translator):
    tokenizer = translator.tokenizer
    (src,), (tgt,) = tokenizer.encode_pairs([(f"ba {URL} de 2019", f"BA 2019 DE {URL}")])
    assert tokenizer.decode_src(src) == f"ba {MARKERS[0]} de {MARKERS[1]}"
    assert tokenizer.decode_tgt(tgt) == f"BA {MARKERS[1]} DE {MARKERS[0]}"
    (src,), _ = tokenizer.encode_pairs([("ba 2019", "BA 2020")])
    assert tokenizer.decode_src(src) == "ba 2019"


@pytest.mark.slow
def test_copying_is_learnt(mt, corpus, tmp_path):
    """Noise puts markers into the text; the model then keeps an address where it is."""
    learn = ["training.max_steps=700", "optim.lr=0.005", "optim.warmup_steps=50", "optim.schedule=cosine"]
    size = ["model.d_model=64", "model.d_ff=128", "model.dropout=0", "data.noise.copies=0.3"]
    assert mt(*overrides(corpus, f"run_dir={tmp_path}/run", *learn, *size)).code == 0
    found = mt("translate", tmp_path / "run", f"{URL} ba de fi", f"ba de fi {URL}", f"ba de {URL}.").out.splitlines()
    assert found == [f"{URL} BA DE FI", f"BA DE FI {URL}", f"BA DE {URL}."]


def test_without_markers_nothing_is_marked(mt, corpus, tmp_path):
    few = [f"run_dir={tmp_path}/run", "training.max_steps=2", "tokenizer.copy_markers=0", "data.noise.copies=0.5"]
    assert mt(*overrides(corpus, *few)).code == 0
    assert Translator.load(tmp_path / "run").tokenizer.markers == []
    outcome = mt(*overrides(corpus, "tokenizer.copy_markers=9"))
    assert (outcome.code, "tokenizer.copy_markers must be between 0 and 8" in outcome.err) == (2, True)


def test_stress_tests(mt, run_folder, corpus, tmp_path):
    """Figures as sacreBLEU computes them from the translations that are written."""
    sources = (corpus / "valid.aa").read_text(encoding="utf-8").splitlines()[:12]
    pairs = [(f"{source} ba de fi", f"{source} ba de fi".upper()) for source in sources]
    write_pairs(tmp_path / "test", pairs)
    test = ["--test", f"few={tmp_path}/test"]
    data = json.loads(mt("evaluate", run_folder, "--stress", "--json", *test).out)
    rows = {row["name"]: row for row in data["results"]}
    assert len(rows) == 12  # sources in lower case, without punctuation, and with words too short for typos
    folder = run_folder / "translations" / "stress"
    for name in ("as it is", "CAPITALS", "two on a line"):
        translations = (folder / f"few.{name.replace(' ', '-').lower()}.bb").read_text(encoding="utf-8").splitlines()
        references = [tgt for _, tgt in pairs]
        if name == "two on a line":
            references = [f"{one} {other}" for one, other in zip(references[::2], references[1::2], strict=True)]
        assert rows[name]["bleu"] == pytest.approx(sacrebleu.corpus_bleu(translations, [references]).score)
    assert rows["as it is"]["bleu"] == pytest.approx(rows["CAPITALS"]["bleu"])  # the target is in capitals anyhow
    assert [rows[name]["exact"] for name in ADDED] == [100.0] * len(ADDED)
    assert rows["one word"]["bleu"] is None
    assert rows["as it is"]["share"] == rows["CAPITALS"]["share"] == pytest.approx(100)
    write_pairs(tmp_path / "one", pairs[:1])
    assert mt("evaluate", run_folder, "--stress", "--test", f"one={tmp_path}/one").code == 0
    assert "omit --by" in mt("evaluate", run_folder, "--stress", "--worst", 3).err
    table = mt("evaluate", run_folder, "--stress", *test).out
    assert "CAPITALS" in table
    assert "100.0%" in table


def test_punctuation_is_only_taken_from_references_of_sources_that_had_it():
    pairs = test_sets.TestSet("t", ["Hello there", "Hello."], [["Hallo du.", "Hallo."]])
    (test,) = [test for test in build_stress_tests(pairs, ("en", "de")) if test.name == "no final punctuation"]
    assert test.src == ["Hello there", "Hello"]
    assert test.tgt(pairs.references[0]) == ["Hallo du.", "Hallo"]


def test_capitals_are_only_tested_where_the_source_has_them(mt, run_folder, tmp_path):
    """The translation of a line that cannot be typed in capitals is compared with its reference as it is."""
    names = {}
    for name, sources in (("none", ["我们去 UNESCO", "他们 ba de"]), ("half", ["我们去 UNESCO", "Ba de fi"])):
        write_pairs(tmp_path / name, [(source, "ga mu lo ne") for source in sources])
        table = mt("evaluate", run_folder, "--stress", "--json", "--test", f"{name}={tmp_path}/{name}").out
        rows = {row["name"]: row for row in json.loads(table)["results"]}
        names[name] = {"lower case", "CAPITALS", "Title Case"} & rows.keys()
    assert names == {"none": {"lower case"}, "half": {"lower case", "CAPITALS", "Title Case"}}
    written = run_folder / "translations" / "stress" / "half.capitals.bb"
    translations, references = written.read_text(encoding="utf-8").splitlines(), ["ga mu lo ne", "GA MU LO NE"]
    assert rows["CAPITALS"]["chrf"] == pytest.approx(sacrebleu.corpus_chrf(translations, [references]).score)


@pytest.mark.parametrize(("text", "loops"), [
    ("Ein Mann MANNMANNMANNMANN", True), ("a b a b a b a b a b.", True), ("----------------", True),
    ("ha ha ha", False), ("ha ha ha ha", True), ("nein, nein, nein, nein.", True), ("Name: ________", False),
    ("Bitte warten........", False), ("1000000000000000", False), ("Ein Mann schläft.", False), ("", False),
])  # fmt: skip
def test_loops_are_recognised(text, loops):
    assert ends_in_loop(text) is loops
