"""The page of `mt serve`, in Chromium."""

import shutil
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import toy_pairs
from playwright.sync_api import expect, sync_playwright
from server import serving

from mt.config.choices import EngineName
from mt.translation.translator import Translator

CHROMIUM = shutil.which("chromium")
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
LINES = [source for source, _ in toy_pairs(40, 21)]
SHORT = next(line for line in LINES if len(line.split()) == 3 and not line.endswith("."))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")]


@pytest.fixture(scope="module")
def translator(run_folder):
    return Translator.load(run_folder, "cpu", engine=EngineName.torch)


@pytest.fixture(scope="module")
def site(run_folder):
    """A server and a browser."""
    with serving(run_folder) as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield SimpleNamespace(address=address, browser=browser)
        browser.close()


@contextmanager
def visit(site, **options):
    """Open the page; at the end, nothing may have been requested from elsewhere, and nothing may have failed."""
    context = site.browser.new_context(**{"locale": "en-US", **options})
    page = context.new_page()
    messages, requested = [], []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: requested.append(request.url))
    page.goto(site.address)
    yield page
    context.close()
    assert all(url.startswith((site.address, "data:", "blob:")) for url in requested)
    assert [message for message in messages if "413" not in message and "400" not in message] == []


def words_of(page):
    return page.locator("#target [role=button]")


def test_text_is_translated_as_it_is_typed(site, translator):
    with visit(site) as page:
        page.fill("#source", LINES[0])
        expect(page.locator("#target")).to_have_text(translator.translate([LINES[0]])[0])
        page.fill("#source", "<img src=x onerror=alert(1)>\nba")
        expect(page.locator("#target")).to_contain_text("BA")
        assert page.locator("#target img").count() == 0
        page.fill("#source", "ba " * 2000)
        expect(page.locator("#error")).to_contain_text("at most 5,000")
        page.click("#clear")
        expect(page.locator("#target")).to_be_empty()


def test_files(site, translator):
    with visit(site) as page:
        page.set_input_files("#file", {"name": "a.txt", "mimeType": "text/plain", "buffer": LINES[1].encode()})
        expect(page.locator("#target")).to_have_text(translator.translate([LINES[1]])[0])
        with page.expect_download() as saved:
            page.click("#save")
        assert Path(saved.value.path()).read_text(encoding="utf-8").strip() == translator.translate([LINES[1]])[0]
        subtitles = f"1\n00:00:01,000 --> 00:00:02,000\n{SHORT}\n"
        with page.expect_download() as saved:
            page.set_input_files("#file", {"name": "film.srt", "mimeType": "text/plain", "buffer": subtitles.encode()})
        assert saved.value.suggested_filename == "film.bb.srt"
        assert SHORT.upper() in Path(saved.value.path()).read_text(encoding="utf-8")
        page.set_input_files("#file", {"name": "film.srt", "mimeType": "text/plain", "buffer": b"\xff"})
        expect(page.locator("#error")).to_contain_text("no subtitles")


def test_a_word_shows_where_it_comes_from(site):
    """And the other way round; the server says which words belong together."""
    asked = {"texts": [SHORT], "align": True}
    (line,) = httpx.post(f"{site.address}/v1/translate", json=asked).json()["results"][0]["lines"]
    sources, pairs = line[0]["source_words"], line[0]["alignment"]
    with visit(site) as page:
        page.fill("#source", SHORT)
        expect(words_of(page)).to_have_count(3)
        origin, number = pairs[1]
        words_of(page).nth(number).click()
        expect(page.locator("#word")).to_contain_text(sources[origin])
        expect(page.locator("#mirror mark")).to_have_text([sources[origin]])
        page.keyboard.press("Escape")
        expect(page.locator("#word")).to_be_hidden()
        expect(words_of(page).nth(number)).to_be_focused()
        page.evaluate(
            "at => { const box = document.getElementById('source'); box.focus(); box.setSelectionRange(at, at);"
            " box.click(); }",
            SHORT.index(sources[origin]),
        )
        expect(page.locator("#mirror mark")).to_have_text([sources[origin]])
        linked = [target for source, target in pairs if source == origin]
        expect(page.locator("#target .linked")).to_have_count(len(linked))


def test_another_word_can_be_chosen(site):
    """A model that is sure has nothing to offer, so the server's answer is made up."""
    first, *others = SHORT.upper().split()
    made_up = [" ".join([first, *others]), " ".join([first, "XU", others[1]]), f"{first} XU"]
    lines = [[{"text": text, "score": 0, "log_prob": 0, "pieces": [], "log_probs": []} for text in made_up]]
    with visit(site) as page:
        page.route(
            "**/v1/translate",
            lambda route: (
                route.fulfill(json={"results": [{"lines": lines}]})
                if route.request.post_data_json.get("prefix") == first
                else route.continue_()
            ),
        )
        page.fill("#source", SHORT)
        expect(words_of(page)).to_have_count(3)
        words_of(page).first.focus()
        page.keyboard.press("ArrowRight")
        expect(words_of(page).nth(1)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#word button")).to_have_text(["XU"])
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("#target")).to_have_text(made_up[1])


def test_the_estimated_quality_is_shown(site):
    """That of the worst line; the toy model is not calibrated, so the answers are made up."""
    row = {"score": 0, "log_prob": 0, "pieces": [], "log_probs": []}
    lines = [[{**row, "text": "BA", "quality": 82.4}], [{**row, "text": "DE", "quality": 35.6}]]
    settings = httpx.get(f"{site.address}/frontend/settings").json()
    with visit(site) as page:
        page.route("**/v1/translate", lambda route: route.fulfill(json={"results": [{"lines": lines}]}))
        page.fill("#source", "ba")
        expect(words_of(page)).to_have_count(2)
        expect(page.locator("#quality")).to_have_text("Estimated quality: 36 of 100")
        asked = []
        page.route(
            "**/frontend/settings",
            lambda route: route.fulfill(json=settings | {"calibrated": [{"source": "aa", "target": "bb"}]}),
        )
        page.on("request", lambda request: asked.append(request.post_data_json) if request.post_data else None)
        page.reload()
        page.fill("#source", "de")
        expect(words_of(page)).to_have_count(2)
    assert [one["quality"] for one in asked] == [True]


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (800, "dark"), (390, "light"), (390, "dark")])
def test_it_can_be_used_by_everybody(site, width, scheme):
    """axe finds no violation of the WCAG in what is shown, and nothing lies outside of the window."""
    options = {"locale": "zh-CN", "viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    with visit(site, **options) as page:
        expect(page.locator("#target-label")).to_have_text("译文")
        page.fill("#source", SHORT)
        expect(words_of(page)).to_have_count(3)
        words_of(page).nth(1).click()
        expect(page.locator("#word")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(page)
        assert found.response["violations"] == [], found.generate_report()
