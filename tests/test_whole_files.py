"""Subtitles, message catalogues, Word documents and web pages come out as such, in another language."""

import gzip
import re
import time
import zipfile
from copy import deepcopy

import docx
import polib
import pytest
import srt
from conftest import toy_pairs
from docx.shared import Pt

from mt.text.documents.kinds import read_document
from mt.text.documents.subtitles import lines_of
from mt.text.documents.web_page import WebPage

LINES = [source for source, _ in toy_pairs(80, 4) if len(source.split()) in (2, 3) and not source.endswith(".")]
"""of which the translation is the same in capitals"""

SUBTITLES = f"""1
00:00:01,000 --> 00:00:02,500
{LINES[0]}

7
00:00:03,000 --> 00:00:05,000
<i>{LINES[1]}
{LINES[2]}</i>

8
00:00:06,000 --> 00:00:07,000
<i>- {LINES[3]}</i>
- {LINES[4]}

9
00:00:08,000 --> 00:00:09,000
{{\\an8}}<font color="#ff0000" face="Arial">{LINES[5]}</font>
{LINES[6]}
"""

CATALOGUE = f"""# A comment.
msgid ""
msgstr "Content-Type: text/plain; charset=ISO-8859-1\\n"

#: place.c:1
msgid "{LINES[0]}"
msgstr ""

#, c-format
msgid "{LINES[1]} %s"
msgstr ""

msgid "{LINES[2]}"
msgstr "Translated by hand"

#, fuzzy
msgid "{LINES[5]}"
msgstr "To be checked"

msgid "{LINES[6]}\\n"
msgstr ""

msgid "{LINES[3]}"
msgid_plural "{LINES[4]}"
msgstr[0] ""
msgstr[1] "By hand"
msgstr[2] ""
"""


@pytest.fixture
def translate_file(mt, run_folder, tmp_path):
    """Translate a file, and return the path of the result."""

    def translate(path, *options):
        output = tmp_path / f"out{path.suffix}"
        outcome = mt("translate", run_folder, "--input", path, "--output", output, *options)
        assert outcome.code == 0, outcome.err
        return output

    return translate


def translated(text):
    return " ".join(text.split()).upper()


def test_subtitles_keep_their_times_and_lines(translate_file, tmp_path):
    (tmp_path / "in.srt").write_text(SUBTITLES, encoding="utf-8")
    found = list(srt.parse(translate_file(tmp_path / "in.srt").read_text(encoding="utf-8")))
    before = list(srt.parse(SUBTITLES))
    assert [(one.index, one.start, one.end) for one in found] == [(one.index, one.start, one.end) for one in before]
    assert found[0].content == translated(LINES[0])
    lines = found[1].content.split("\n")
    assert len(lines) == 2
    assert translated(found[1].content) == f"<I>{translated(f'{LINES[1]} {LINES[2]}')}</I>"
    assert abs(len(lines[0]) - len(lines[1])) < 12
    assert found[2].content == f"<i>- {translated(LINES[3])}</i>\n- {translated(LINES[4])}"
    assert found[3].content.startswith("{\\an8}")
    assert found[3].content.count('<font color="#ff0000" face="Arial">') == found[3].content.count("</font>") == 1
    assert len(found[3].content.split("\n")) == 2


@pytest.mark.parametrize(
    ("text", "n_lines", "spaced", "lines"),
    [
        ("One two three four", 2, True, ["One two", "three four"]),
        ('<i class="a b">One two</i> three', 2, True, ['<i class="a b">One two</i>', "three"]),
        ("A", 2, True, ["A"]),
        ("", 3, True, [""]),
        ("<i>你好世界</i>", 2, False, ["<i>你好", "世界</i>"]),
        ("我们去 London 吧", 2, False, ["我们去", "London 吧"]),
        ("กินข้าวที่บ้านนี้", 2, False, ["กินข้าวที่", "บ้านนี้"]),  # vowel signs and tones stay with their letter
    ],
)
def test_lines_of_a_subtitle(text, n_lines, spaced, lines):
    assert lines_of(text, n_lines, spaced) == lines


def test_a_catalogue_gets_what_it_lacks(translate_file, tmp_path):
    (tmp_path / "in.po").write_text(CATALOGUE, encoding="utf-8")
    found = polib.pofile(str(translate_file(tmp_path / "in.po")))
    assert [entry.msgid for entry in found] == [entry.msgid for entry in polib.pofile(CATALOGUE)]
    assert found[0].msgstr == translated(LINES[0])
    assert found[0].occurrences == [("place.c", "1")]
    assert found[1].msgstr.count("%s") == 1
    assert found[1].msgstr.replace("%s", "").split() == translated(LINES[1]).split()
    assert (found[2].msgstr, found[2].fuzzy) == ("Translated by hand", False)
    assert found[3].msgstr == "To be checked"
    assert found[4].msgstr == translated(LINES[6]) + "\n"
    assert found.metadata["Content-Type"] == "text/plain; charset=UTF-8"
    assert found[5].msgstr_plural == {0: translated(LINES[3]), 1: "By hand", 2: translated(LINES[4])}
    assert [entry.fuzzy for entry in found] == [True, True, False, True, True, True]


def test_a_word_document_keeps_its_formats(translate_file, tmp_path):
    document = docx.Document()
    document.add_heading(LINES[0], level=1)
    paragraph = document.add_paragraph(LINES[1])
    paragraph.add_run().add_tab()
    bold = paragraph.add_run(LINES[2])
    bold.bold = True
    bold.font.size = Pt(20)
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = LINES[3], "2,019"
    document.sections[0].header.paragraphs[0].text = LINES[4]
    document.add_paragraph("")
    document.save(tmp_path / "in.docx")

    found = docx.Document(str(translate_file(tmp_path / "in.docx")))
    assert (found.paragraphs[0].text, found.paragraphs[0].style.name) == (translated(LINES[0]), "Heading 1")
    assert found.paragraphs[1].text == f"{translated(LINES[1])}\t{translated(LINES[2])}"
    (bold,) = [run for run in found.paragraphs[1].runs if run.bold]
    assert (bold.text, bold.font.size) == (translated(LINES[2]), Pt(20))
    assert [cell.text for cell in found.tables[0].rows[0].cells] == [translated(LINES[3]), "2,019"]
    assert found.sections[0].header.paragraphs[0].text == translated(LINES[4])


def test_formats_move_with_their_tags(tmp_path):
    """Neighbouring runs of one format are one text, as Word divides text that is edited."""
    document = docx.Document()
    paragraph = document.add_paragraph()
    for part in ("One", " & ", "two "):
        paragraph.add_run(part)
    paragraph.add_run("three").bold = True
    document.save(tmp_path / "in.docx")
    read = read_document(tmp_path / "in.docx")
    assert read.texts == ["One &amp; two <r1>three</r1>"]
    read.save(["<r1>Drei</r1> &amp; eins <b>"], tmp_path / "out.docx", spaced=True)
    (paragraph,) = docx.Document(str(tmp_path / "out.docx")).paragraphs
    assert [(run.text, bool(run.bold)) for run in paragraph.runs] == [("Drei", True), (" & eins <b>", False)]


def test_fields_stay_whole(translate_file, tmp_path):
    """The page number is a field of several runs, none of which may be translated or moved alone."""
    document = docx.Document()
    paragraph = document.add_paragraph(LINES[0] + " ")
    for kind, text in (("begin", None), (None, "PAGE"), ("separate", None), ("", "one"), ("end", None)):
        run = paragraph.add_run(text if kind == "" else None)
        if kind:
            mark = docx.oxml.OxmlElement("w:fldChar")
            mark.set(docx.oxml.ns.qn("w:fldCharType"), kind)
            run._r.append(mark)
        elif kind is None:
            code = docx.oxml.OxmlElement("w:instrText")
            code.text = text
            run._r.append(code)
    document.save(tmp_path / "in.docx")
    found = docx.Document(str(translate_file(tmp_path / "in.docx"))).paragraphs[0]._p.xml
    parts = ["begin", ">PAGE<", "separate", ">one<", '"end"']
    assert [found.count(part) for part in parts] == [1] * 5
    assert sorted(parts, key=found.index) == parts
    assert translated(LINES[0]).split()[0] in found


def test_a_text_box_is_translated_where_it_is(translate_file, tmp_path):
    document = docx.Document()
    run = document.add_paragraph(f"{LINES[0]} ").add_run()
    box = docx.oxml.OxmlElement("w:txbxContent")
    picture = docx.oxml.OxmlElement("w:pict")
    picture.append(box)
    run._r.append(picture)
    inner = docx.text.paragraph.Paragraph(docx.oxml.OxmlElement("w:p"), document)
    inner.add_run(LINES[1])
    box.append(inner._p)
    document.save(tmp_path / "in.docx")
    (paragraph,) = docx.Document(str(translate_file(tmp_path / "in.docx"))).paragraphs
    assert paragraph.text.strip() == translated(LINES[0])
    (box,) = paragraph._p.iter(docx.oxml.ns.qn("w:txbxContent"))
    assert "".join(text.text for text in box.iter(docx.oxml.ns.qn("w:t"))) == translated(LINES[1])


def test_what_is_no_plain_text_stays_where_it_is(translate_file, tmp_path):
    """A caption's number, a content control, a link with a picture in it; and the header of the first page."""
    document = docx.Document()
    document.sections[0].different_first_page_header_footer = True
    document.sections[0].first_page_header.paragraphs[0].text = LINES[0]
    paragraph = document.add_paragraph("Figure ")
    kept = [docx.oxml.OxmlElement(f"w:{name}") for name in ("fldSimple", "sdt", "hyperlink")]
    for element, text in zip(kept, ("1", "inside", "link"), strict=True):
        run = docx.oxml.OxmlElement("w:r")
        run.add_t(text)
        element.append(run)
        paragraph._p.append(element)
    picture = docx.oxml.OxmlElement("w:drawing")
    run.append(picture)
    paragraph.add_run(f" {LINES[1]}")
    paragraph.add_run().add_break()
    paragraph.add_run(LINES[2])
    document.save(tmp_path / "in.docx")
    found = docx.Document(str(translate_file(tmp_path / "in.docx")))
    assert found.sections[0].first_page_header.paragraphs[0].text == translated(LINES[0])
    children = [child.tag.rpartition("}")[2] for child in found.paragraphs[0]._p]
    assert [child for child in children if child != "r"] == ["fldSimple", "sdt", "hyperlink"]
    assert children[-1] == "r"
    assert len(list(found.paragraphs[0]._p.iter(docx.oxml.ns.qn("w:drawing")))) == 1
    assert found.paragraphs[0].text.rpartition("\n")[2] == translated(LINES[2])


def test_sections_may_share_a_header(translate_file, tmp_path):
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = LINES[0]
    shared = document.sections[0]._sectPr.headerReference_lst[0]
    document.add_section()._sectPr.insert(0, deepcopy(shared))
    document.save(tmp_path / "in.docx")
    found = docx.Document(str(translate_file(tmp_path / "in.docx")))
    assert [section.header.paragraphs[0].text for section in found.sections] == [translated(LINES[0])] * 2


@pytest.mark.parametrize("wrapper", ["hyperlink", "smartTag", "customXml", "dir"])
def test_text_in_a_wrapper_is_translated(translate_file, tmp_path, wrapper):
    """With the marks that Word's spelling checker leaves in it."""
    document = docx.Document()
    paragraph = document.add_paragraph()
    outside, first, second = (docx.oxml.OxmlElement("w:r") for _ in range(3))
    for run, text in zip((outside, first, second), (f"{LINES[0]} ", LINES[1], f" {LINES[2]}"), strict=True):
        run.add_t(text)
    around = docx.oxml.OxmlElement(f"w:{wrapper}")
    around.extend([docx.oxml.OxmlElement("w:proofErr"), first, docx.oxml.OxmlElement("w:bookmarkStart"), second])
    paragraph._p.extend([outside, around])
    document.save(tmp_path / "in.docx")
    (found,) = docx.Document(str(translate_file(tmp_path / "in.docx"))).paragraphs
    text = "".join(part.text for part in found._p.iter(docx.oxml.ns.qn("w:t")))
    assert sorted(text.split()) == sorted(translated(" ".join(LINES[:3])).split())


def test_the_line_breaks_and_the_mark_of_subtitles_are_kept(translate_file, tmp_path):
    content = SUBTITLES.replace("\n", "\r\n")
    for encoding in ("utf-8-sig", "utf-16"):  # Windows players tell UTF-8 by its mark
        (tmp_path / "in.srt").write_bytes(content.encode(encoding))
        found = translate_file(tmp_path / "in.srt").read_bytes()
        assert found.startswith(b"\xef\xbb\xbf1\r\n")
        assert found.count(b"\n") == found.count(b"\r\n")


def test_speakers_of_a_dialogue_keep_their_marks(translate_file, tmp_path):
    content = f"1\n00:00:01,000 --> 00:00:02,000\n>> {LINES[0]}\\N>> {LINES[1]}\n"
    (tmp_path / "in.srt").write_text(content)
    (found,) = srt.parse(translate_file(tmp_path / "in.srt").read_text(encoding="utf-8"))
    assert found.content == f">> {translated(LINES[0])}\n>> {translated(LINES[1])}"


def test_long_lines_of_a_catalogue_stay_long(translate_file, tmp_path):
    """And short lines short, whatever the length of a comment is."""
    long = 'msgid "' + "word " * 40 + '"\nmsgstr "by hand"\n'
    short = str(polib.POEntry(msgid="word " * 40, msgstr="by hand", comment="x" * 120))
    for line in (long, short):
        (tmp_path / "in.po").write_text(f'msgid ""\nmsgstr ""\n\n{line}\nmsgid "{LINES[0]}"\nmsgstr ""\n')
        assert line in translate_file(tmp_path / "in.po").read_text()


PAGE = f"""<!DOCTYPE html>\r
<html><head><title>{LINES[0]}</title>
<style>p {{ color: red }}</style><script>if (a < b) {{ run("<p>ba</p>"); }}</script></head>
<body><!-- a <p> of
 {LINES[1]}, {"very " * 300} -->
<!--[if lt IE 9]><script src="old.js"></script><![endif]--><![if !IE]><?php echo "<p>{LINES[1]}</p>" ?>
<ul><li>{LINES[1]}</li><li>{LINES[2]}</li></ul>
<table><tr><td>{LINES[3]}</td><td>12</td><td>&nbsp;</td></tr></table>
<p TRANSLATE="no">{LINES[4]}</p><p class=notranslate>{LINES[4]}</p><p><kept-3/>{LINES[8]}</p><pre>
  {LINES[4]}
</pre>
<p>
  {LINES[5].replace(" ", chr(10))}
</p>
{LINES[6]}<pre>ba</pre>
<ul><li translate="no">{LINES[4]}<li>{LINES[7]}</ul></body></html>
"""


def test_a_page_keeps_all_but_its_texts(translate_file, tmp_path):
    """Each item and each cell is a text of its own; a line break is a space."""
    for name in ("in.html", "in.htm"):
        (tmp_path / name).write_bytes(PAGE.encode())
        expected = PAGE.replace(LINES[5].replace(" ", "\n"), LINES[5].upper())
        for tag, text in (
            ("<title>", LINES[0]), ("<li>", LINES[1]), ("<li>", LINES[2]), ("<td>", LINES[3]), ("p>\n", LINES[6]),
            ("<li>", LINES[7]), ("<kept-3/>", LINES[8]),
        ):  # fmt: skip
            expected = expected.replace(tag + text, tag + text.upper())
        assert translate_file(tmp_path / name).read_bytes().decode() == expected


def test_a_page_states_its_new_encoding(translate_file, tmp_path):
    for old in (
        '<meta charset="iso-8859-1">',
        "<meta content='text/html; charset=windows-1252'>",
        "<meta charset=latin1>",
    ):
        (tmp_path / "in.html").write_text(f"{old}<p>{LINES[0]}</p>", encoding="utf-8-sig")
        found = translate_file(tmp_path / "in.html").read_bytes()
        assert found.startswith(b"\xef\xbb\xbf<meta ")
        assert b"charset=utf-8" in found.replace(b'"', b"")


def test_inline_tags_move_with_their_words_and_code_stays(translate_file, tmp_path):
    content = f"<p>{LINES[0]} <code>a &lt;b> c</code> <b class='x\ny'>{LINES[1]}</b></p>"
    (tmp_path / "in.html").write_text(content)
    found = translate_file(tmp_path / "in.html").read_text()
    assert found.count("<code>a &lt;b> c</code>") == found.count("<b class='x\ny'>") == found.count("</b>") == 1
    words = re.sub(r"<code>.*</code>|<[^>]*>", " ", found).split()
    assert sorted(words) == sorted(translated(f"{LINES[0]} {LINES[1]}").split())


@pytest.mark.parametrize(
    "page", ["<code>" * 20_000, "<!--" * 20_000, "<script></script" * 6_000, "<pre><p></pre>" * 6_000, "<b " * 30_000]
)
def test_no_page_takes_a_time_that_grows_with_its_square(page):
    start = time.process_time()
    divided = WebPage(page)
    assert divided.fill(divided.texts) == page
    assert time.process_time() - start < 20


@pytest.mark.parametrize("suffix", [".srt", ".po", ".docx"])
def test_damaged_files_are_named(mt, run_folder, tmp_path, suffix):
    path, output = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    huge = b"1\n99999999999999:00:00,000 --> 0:00:01,000\nmsgid\n"
    for content in (b"\xff\xfe\x00 no such file \x80", b"1\n00:00:xx --> y\nmsgid", huge):
        path.write_bytes(content)
        outcome = mt("translate", run_folder, "--input", path, "--output", output)
        assert outcome.code == 2, outcome.out
        assert str(path) in outcome.err
        assert not output.exists()


def test_a_bomb_is_refused(mt, run_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("mt.text.documents.word.MAX_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "in.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"\0" * 100_000)
    outcome = mt("translate", run_folder, "--input", tmp_path / "in.docx", "--output", tmp_path / "out.docx")
    assert outcome.code == 2
    assert "larger than 1,000 bytes" in outcome.err
    monkeypatch.undo()
    monkeypatch.setattr("mt.text.documents.word.MAX_XML_TAGS", 1000)  # 50 bytes of memory for each of its bytes
    with zipfile.ZipFile(tmp_path / "in.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", "<w:p/>" * 1001)
    outcome = mt("translate", run_folder, "--input", tmp_path / "in.docx", "--output", tmp_path / "out.docx")
    assert outcome.code == 2
    assert "more than 1,000 tags" in outcome.err


def test_wrong_options(mt, run_folder, tmp_path):
    path = tmp_path / "in.srt"
    path.write_text(SUBTITLES, encoding="utf-8")
    packed = tmp_path / "in.srt.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    text = tmp_path / "in.txt"
    text.write_text("ba\n")
    for source, output, message in ((packed, "out.txt", "unpack it first"), (text, "out.docx", "only the translation")):
        outcome = mt("translate", run_folder, "--input", source, "--output", tmp_path / output)
        assert outcome.code == 2
        assert message in outcome.err
    for options, message in (
        ([], "add --output FILE.srt"),
        (["--output", tmp_path / "out.txt"], "add --output FILE.srt"),
        (["--output", tmp_path / "out.srt", "--json"], "--json is for lines"),
        (["--output", tmp_path / "out.srt", "--n-best", 2], "--n-best is for lines"),
        (["--output", tmp_path / "out.srt", "--no-split"], "--split is for lines"),
    ):
        outcome = mt("translate", run_folder, "--input", path, *options)
        assert outcome.code == 2
        assert message in outcome.err
