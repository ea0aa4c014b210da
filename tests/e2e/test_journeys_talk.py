"""A talk is given: from the exported file with no network, and from the page."""

import re

import pytest
from playwright.sync_api import Browser, expect
from serving import PATIENCE

from core.paths import ASSETS
from core.results import store
from core.talk import deck, report, stories

pytestmark = pytest.mark.browser

STORY = "generalize"
SCENES = stories.shipped()[STORY].scenes
READY = "[data-ready=yes]"


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("talk") / "talk.html"
    path.write_bytes(deck.build(stories.shipped()[STORY])[0])
    return path.as_uri()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_file_is_given_by_keyboard_with_the_network_cut(browser: Browser, exported, theme):
    context = browser.new_context(viewport={"width": 1920, "height": 1080}, color_scheme=theme, offline=True)
    page = context.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(exported)
    page.wait_for_selector(READY, state="attached", timeout=PATIENCE * 1000)
    for number, scene in enumerate(SCENES, 1):
        page.keyboard.press("ArrowRight" if number % 2 else "Space")
        expect(page.locator("section.present h2")).to_have_text(scene.sentence)
        for part in page.locator("section.present :is(.chart, img:not([hidden]), table.grid, ul.points)").all():
            box = part.bounding_box()
            assert box["width"] > 200
            assert box["x"] >= 0
            assert box["y"] >= 0
            assert box["x"] + box["width"] <= 1920
            assert box["y"] + box["height"] <= 1080
        small = page.evaluate(
            """() => [...document.querySelectorAll("section.present *")].filter((e) => e.checkVisibility() &&
              [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) && !e.closest("script"))
              .filter((e) => {
                const shown = e.getBoundingClientRect().height, own = e.closest("svg, .bars") ? 2 : 1;
                return shown > 0 && parseFloat(getComputedStyle(e).fontSize) * own < 24;
              }).map((e) => e.textContent)"""
        )
        assert small == [], scene.figure
        if page.locator("section.present .drag").count():
            before = page.locator("section.present output").inner_text()
            page.keyboard.press("ArrowDown")
            expect(page.locator("section.present output")).not_to_have_text(before)
            expect(page.locator("section.present .frame:not([hidden])")).to_have_count(1)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("b")
    assert page.evaluate("Reveal.isPaused()")
    page.keyboard.press("b")
    with context.expect_page() as opened:
        page.keyboard.press("s")
    notes = opened.value.locator(".speaker-controls-notes .value")
    expect(notes).to_have_text(re.compile(re.escape(SCENES[-2].notes.splitlines()[0][:40])))
    page.keyboard.press(".")
    expect(page.locator("section.present h2")).to_have_text("Where the numbers come from")
    assert [url for url in asked if not url.startswith((exported, "data:"))] == []
    assert complaints == []
    context.close()


def test_it_prints_a_page_a_scene(browser: Browser, exported):
    page = browser.new_page()
    page.goto(exported)
    page.wait_for_selector(READY, state="attached", timeout=PATIENCE * 1000)
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == len(SCENES) + 2
    page.close()


def test_the_talk_is_given_from_the_page_with_notes_beside_it(server, visit):
    visitor = visit(server)
    page = visitor.open("/talk")
    prepare = page.get_by_role("button", name="Prepare the talk")
    if prepare.count():  # else another journey on this machine has prepared it
        prepare.click()
    frame = page.frame_locator("[data-testid=stIFrame]")
    frame.locator(READY).wait_for(state="attached", timeout=3 * PATIENCE * 1000)
    address = page.get_by_role("link", name="In a window of its own").get_attribute("href")
    expect(page.locator("[data-testid=stSidebar]")).to_have_count(0)
    stage = page.context.new_page()
    stage.goto(f"{server}{address}")
    stage.wait_for_selector(READY, state="attached", timeout=PATIENCE * 1000)
    with page.context.expect_page() as opened:
        stage.keyboard.press("s")
    desk = opened.value.locator(".speaker-controls-notes .value")
    for scene in SCENES[:3]:
        stage.keyboard.press("ArrowRight")
        expect(stage.locator("section.present h2")).to_have_text(scene.sentence)
        expect(desk).to_have_text(re.compile(re.escape(scene.notes.splitlines()[0][:30])))
    assert visitor.complaints == []
    assert visitor.strangers() == []


def test_a_view_is_taken_as_a_file_and_into_a_story_that_is_edited(server, visit, tmp_path):
    visitor = visit(server)
    page = visitor.open("/explanation?study=family")
    page.get_by_text("Take this view along").first.click()
    page.get_by_label("What readers and audience read").fill("Does it *explain* it?")
    page.get_by_label("What readers and audience read").press("Tab")
    visitor.settle()
    with page.expect_download() as taken:
        page.get_by_role("button", name="This view as one file (HTML)").click()
    taken.value.save_as(tmp_path / "view.html")
    reader = page.context.new_page()
    reader.goto((tmp_path / "view.html").as_uri())
    reader.wait_for_selector(READY, state="attached", timeout=PATIENCE * 1000)
    reader.keyboard.press("ArrowRight")
    expect(reader.locator("section.present h2")).to_have_text("Does it *explain* it?")
    expect(reader.locator("section.present .js-plotly-plot, section.present .plot-container").first).to_be_visible()
    reader.close()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("Added. The page Talk")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Talk", exact=True).click()
    visitor.arrive("Tell it to an audience")
    mine = page.get_by_role("option", name="own-1")
    for _ in range(3):  # a list that is open while its page is drawn again closes
        page.get_by_role("combobox", name="Story").click()
        page.wait_for_timeout(1000)
        if mine.is_visible():
            break
    mine.click()
    visitor.settle()
    expect(page.get_by_label("Title")).to_have_value("My story")
    page.get_by_label("Title").fill("Mine")
    page.get_by_role("button", name="Apply").click()
    visitor.settle()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Story (TOML)").click()
    (scene,) = stories.read(waiting.value.path().read_bytes()).scenes
    assert scene.figure == "explanation/sets"
    assert scene.sentence == "Does it *explain* it?"
    assert scene.view["study"] == "family"
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Report of these views").click()
    assert "<h2>Does it *explain* it?</h2>" in waiting.value.path().read_text(encoding="utf-8")
    page = visitor.open("/study?protocol=knn")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Report of this study").click()
    head = waiting.value.path().read_text(encoding="utf-8").partition("<section>")[0]
    assert re.search(r"<p>Study family of [\d-]+, k-NN;", head)


@pytest.mark.parametrize("of", ["study", "story"])
def test_a_report_prints_on_a4_with_every_figure_whole(browser: Browser, tmp_path, of):
    if of == "study":
        made = report.build(store.study("family", [str(ASSETS / "results")]))
    else:
        made, _ = report.of_story(stories.shipped()["generalize"])
    (tmp_path / "report.html").write_bytes(made)
    page = browser.new_page(viewport={"width": 794, "height": 1123})  # A4 at 96 px an inch
    complaints = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_selector(READY, state="attached", timeout=PATIENCE * 1000)
    charts = page.locator(".chart").all()
    assert len(charts) > 10
    assert page.locator("canvas").count() == 0, "all is SVG"
    for chart in charts:
        drawn, place = chart.locator("svg.main-svg").first.bounding_box(), chart.bounding_box()
        assert drawn["x"] + drawn["width"] <= place["x"] + place["width"] + 1
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 8
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 1009})  # what margins leave of a sheet
    for section in page.locator("section").all()[:-1]:  # the last one, of sources, may be longer
        size = section.evaluate("it => [it.scrollWidth - it.clientWidth, it.clientHeight]")
        assert size[0] <= 1, "wider than a sheet"
        if section.locator(".chart").count():
            assert size[1] <= 1009, "higher than a sheet"
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert complaints == []
    page.close()
