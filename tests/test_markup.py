"""Tags and placeholders are removed from the source and put into the translation, each exactly once."""

import random
import re
import time

import pytest
import torch

from mt import SearchConfig
from mt.text.markup import MARK, read_marks, write_marks
from mt.text.sentences import split_marked
from mt.translation.pipeline import Request
from mt.translation.tag_placement import Placement, best_run, piece_spans, word_spans
from mt.translation.translator import Translator

LINES = {
    "Click <b>here</b>, please.": "Click here, please.",
    "<p>One.</p><p>Two.</p>": "One. Two.",
    "un<b>believ</b>able": "unbelievable",
    "one<br/>two<br>three": "one two three",
    "Hello {name}, you have %1$s  new ${kind} (%(count)s).": "Hello, you have new ().",
    "a < b and <3, 5 > 4": "a < b and <3, 5 > 4",
    "see <a href=\"x>y\" title='</a>'>this</a>": "see this",
    "R&amp;D <i>&lt;x&gt;</i>": "R&D <x>",
    "http://x.org/?a=1&region=2&copy=3": "http://x.org/?a=1&region=2&copy=3",
    "AT&T": "AT&T",
    "100% of them and %5.2f of %ld, %%": "100% of them and of,",
    "<b>open, </i>closed": "open, closed",
    "{only}": "",
    "已删除%d个文件，%(name)s様": "已删除个文件，様",
    "A&B; C": "A&B; C",
    " <b> spaces  </b> ": "spaces",
    "<!-- a note -->你好<g id='1'>世界</g>": "你好世界",
}


def test_tags_end_at_the_first_closing_tag():
    elements = read_marks("<b>one <i>two</b> three</b>").root.children
    assert [(element.opening, element.source, element.closing) for element in elements] == [
        ("<b>", (0, 7), "</b>"),
        ("</b>", (13, 13), ""),
    ]


def marks_of(text: str) -> list[str]:
    return [match[0] for match in MARK.finditer(text)]


def word_for_word(text: str, translation: str, weights: torch.Tensor | None = None, src_spaced: bool = True) -> str:
    """Put the marks of `text` into `translation`; without `weights`, each word comes from the one at its position."""
    marked = read_marks(text)
    pieces = word_spans(marked.plain)
    words = word_spans(translation)
    Placement(words, torch.eye(len(pieces)) if weights is None else weights, pieces).place(marked.root, (0, len(words)))
    return write_marks(marked, translation, (src_spaced, True))


@pytest.mark.parametrize("line", LINES)
def test_plain_text_has_no_markup(line):
    assert read_marks(line).plain == LINES[line]


@pytest.mark.parametrize(
    "line",
    [
        "Click <b>here</b>, please.",
        "<p>All <b>of <i>it</i></b> and {more}.</p>",
        "<b>one</b> <i>two</i><br/>three {a} {b} four.",
        "%s files (in {folder}) were <x id='1'/>copied",
        "R&amp;D <i>&lt;x&gt;</i>",
        "<b>left open, and </i>closed",
        "<b></b>empty <i></i>",
        "<b>one</b> two</b> <b>three</b>",
    ],
)
def test_a_translation_word_for_word_restores_the_line(line):
    plain = read_marks(line).plain
    assert word_for_word(line, plain) == line


def test_entities_become_characters():
    marked = read_marks("1 &lt; 2&nbsp;kg, caf&eacute;")
    assert marked.plain == "1 < 2 kg, café"
    assert write_marks(marked, marked.plain, (True, True)) == "1 &lt; 2 kg, café"


def test_marks_follow_their_words():
    weights = torch.tensor([[0.0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    assert word_for_word("<b>one two</b> {x} three.", "THREE ONE TWO.", weights) == "THREE <b>ONE TWO</b> {x}."
    assert word_for_word("one <b>two three</b>.", "THREE ONE TWO.", weights) == "<b>THREE</b> ONE TWO."


def test_a_single_tag_separates_words_if_the_source_has_no_spaces():
    assert word_for_word("一</u>二", "one two", torch.eye(2, 1), src_spaced=False) == "one </u> two"
    assert word_for_word("one<br/>two", "eins zwei") == "eins<br/>zwei"


def test_a_mark_that_belongs_beyond_its_element_stays_inside():
    """Text is written once, wherever attention would put a mark."""
    marked = read_marks("“<b>ab cd{x}{y}</b>”")
    (bold,) = marked.root.children
    bold.target = (1, 6)
    for child in bold.children:
        child.target = (7, 7)
    assert write_marks(marked, "“ab cd”", (True, True)) == "“<b>ab cd {x}{y}</b>”"


def test_neighbours_do_not_share_words():
    weights = torch.tensor([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.05, 0.4, 0.55]])
    assert word_for_word("<b>one</b> <i>two</i> three", "EIN ZWEI DREI", weights) == "<b>EIN ZWEI</b> <i>DREI</i>"


def test_a_piece_starts_after_its_space():
    assert piece_spans([b" a", b" b", b"c"]) == [(0, 1), (2, 3), (3, 4)]
    euro = " €".encode()  # spelled in bytes: the last one is the character
    assert piece_spans([b" x", euro[:2], euro[2:3], euro[3:], b" y"]) == [(0, 1), (2, 2), (2, 2), (2, 3), (4, 5)]


def test_best_run_is_the_best():
    r = random.Random(1)
    for _ in range(200):
        gains = [r.uniform(-1, 1) for _ in range(7)]
        runs = [(sum(gains[a:b]), (a, b)) for a in range(1, 6) for b in range(a + 1, 7)]
        assert best_run(gains, (1, 6)) == max(runs)[1]


def test_every_mark_occurs_once_and_nesting_is_kept():
    """This holds for any attention."""
    r = random.Random(2)
    for seed in range(300):
        parts, open_tags = [], []
        for number in range(r.randint(1, 10)):
            kind = r.choice(["word", "word", "open", "close", "void", "placeholder"])
            if kind == "open":
                open_tags.append(f"t{number}")
                parts.append(f"<t{number}>")
            elif kind == "close" and open_tags:
                parts.append(f"</{open_tags.pop()}>")
            else:
                parts.append({"void": f"<v{number}/>", "placeholder": f"{{p{number}}}"}.get(kind, f"word{number}"))
        parts += [f"</{tag}>" for tag in reversed(open_tags)]
        line = r.choice(["", " "]).join(parts)
        marked = read_marks(line)
        n_pieces, n_words = len(word_spans(marked.plain)), r.randint(1, 6)
        if not n_pieces:
            continue
        translation = " ".join(f"w{number}" for number in range(n_words))
        weights = torch.rand(n_words, n_pieces, generator=torch.Generator().manual_seed(seed)).softmax(1)
        result = word_for_word(line, translation, weights)
        assert sorted(marks_of(result)) == sorted(marks_of(line)), line
        assert re.findall(r"w\d+", MARK.sub("", result)) == translation.split(), line
        path = []
        for match in MARK.finditer(result):
            if match["close"]:
                assert path.pop() == match["name"], (line, result)
            elif match["name"] and not match["single"]:
                path.append(match["name"])
        assert not path


def test_markup_on_the_command_line(run_folder, mt, tmp_path):
    lines = ["ba <b>de fi</b> xa", "<p>ba de <i>fi</i> {name}</p>", "ba de", "", "{0}"]
    plain = mt("translate", run_folder, "ba de fi xa", "ba de fi", "ba de").out.splitlines()
    source = tmp_path / "in.txt"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    out = mt("translate", run_folder, "--markup", "-i", source).out.splitlines()
    assert len(out) == 5
    assert out[2:] == [plain[2], "", "{0}"]
    assert [re.sub(r" ?\{name\}|</?\w>", "", line) for line in out[:2]] == plain[:2]
    assert [sorted(marks_of(line)) for line in out[:2]] == [sorted(marks_of(line)) for line in lines[:2]]
    if plain[0] == "BA DE FI XA":
        assert out[0] == "BA <b>DE FI</b> XA"
    assert mt("translate", run_folder, "--markup", "--align", "ba").code == 2
    assert Translator.load(run_folder, "cpu").translate(lines, markup=True) == out


def test_the_python_interface_has_the_options_of_the_command(run_folder, mt):
    translator = Translator.load(run_folder, "cpu")
    text = "ba de. fi go."
    split = translator.translate([text], split=True)
    assert split == [" ".join(translator.translate(["ba de.", "fi go."]))]
    assert split == mt("translate", run_folder, "--split", text).out.splitlines()
    begun = translator.translate(["ba de"], prefix="XA")
    assert begun[0].startswith("XA")
    assert begun == mt("translate", run_folder, "--prefix", "XA", "ba de").out.splitlines()
    with pytest.raises(ValueError, match="do not combine markup=True with align=True"):
        Request(SearchConfig(), markup=True, align=True)


def test_texts_of_several_sentences_keep_their_markup(run_folder, mt):
    """They are translated one by one, unless a tag encloses several; tags around the whole text do not count."""
    one_by_one = mt("translate", run_folder, "ba de.", "fi go.").out.splitlines()
    text = "<p>ba de.</p> <p>fi go.</p>"
    (line,) = mt("translate", run_folder, "--markup", text, f"<i>{text}</i>").out.splitlines()[:1]
    assert line.startswith("<p>")
    assert line.count("</p> <p>") == 1
    assert re.sub("<[^>]*>", "", line) == " ".join(one_by_one)
    assert mt("translate", run_folder, "--markup", f"<i>{text}</i>").out.strip() == f"<i>{line}</i>"


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One two. Three four.", ["One two.", "Three four."]),
        ("<b>One two.</b> Three four.", ["<b>One two.</b>", "Three four."]),
        ("One two. <b>Three</b> four.", ["One two.", "<b>Three</b> four."]),
        ("One <b>two. Three</b> four.", ["One <b>two. Three</b> four."]),
        ("<i><b>One two. Three four.</b></i>", ["One two.", "Three four."]),
        ("One {name}. <br/> Three four.", ["One {name}.", "<br/> Three four."]),
        ("<p></p>", ["<p></p>"]),
        ("<b>One two. Three four.", ["<b>One two.", "Three four."]),
    ],
)
def test_sentences_of_a_text_with_markup(text, sentences):
    split = split_marked(text, "en")
    assert split.sentences == sentences
    assert split.join(split.sentences, spaced=True) == text


def test_marks_on_letters_are_parts_of_words():
    assert word_spans("हिन्दी, a") == [(0, 6), (6, 7), (8, 9)]


@pytest.mark.parametrize(
    "text",
    ["%" + "0" * 50_000, "<a>" * 90 + "<c></b>" * 10_000, "<a '\"" * 15_000, "<b>ba</b>. " * 3_000, "<!--" * 10_000],
)
def test_no_text_takes_a_time_that_grows_with_its_square(text):
    """The first took four minutes, and held up everybody whom `mt serve` answers."""
    start = time.process_time()
    read_marks(text)
    split_marked(text, "en")
    assert time.process_time() - start < 20
