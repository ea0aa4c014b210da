"""What people do, in a browser, against a running server."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from navigation import page_paths
from photos import BROKEN, encoded, photo
from PIL import Image
from playwright.sync_api import Page, expect

from core.augmentations import AUGMENTATIONS
from core.encoders.registry import encoders
from core.heads import store
from core.samples import samples
from core.tasks import tasks
from pages.ui import inputs

pytestmark = pytest.mark.browser

STREAMLITS = ("katex-display",)
"""What Streamlit draws by itself: a formula that scrolls and is no stop of the keyboard."""
PAGES = [f"/{path}" for path in page_paths().values()]
POSSIBLE = store.encoders_for(inputs.DEFAULT_TASK)
DEFAULT = [id for id in inputs.DEFAULT_PAIR if id in POSSIBLE] or POSSIBLE[:2]
DROPZONE = "[data-testid=stFileUploaderDropzoneInput]"


def upload(visitor, *files: tuple[str, bytes]) -> None:
    page = visitor.page
    page.get_by_role("radio", name="Upload").or_(page.get_by_role("button", name="Upload", exact=True)).first.click()
    page.wait_for_selector(DROPZONE, state="attached")
    page.set_input_files(DROPZONE, [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files])
    page.get_by_text(files[-1][0]).first.wait_for()
    visitor.settle()


def download(page: Page, name: str) -> bytes:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name).first.click()
    return waiting.value.path().read_bytes()


def nothing_broke(page: Page) -> None:
    expect(page.locator("[data-testid=stException]")).to_have_count(0)


def test_the_overview_opens_on_a_result_and_asks_nobody_else(server, visit):
    visitor = visit(server)
    page = visitor.open("/")
    visitor.arrive("Invariscope")
    maps = page.locator("[data-testid=stImage] img")
    expect(maps).to_have_count(2 * (1 + len(DEFAULT)))
    for image in maps.all():
        assert len(image.get_attribute("alt")) > 20
        assert image.evaluate("i => i.naturalWidth") > 0
    for chart in page.locator("[data-testid=stPlotlyChart]").all():
        described = chart.locator("xpath=descendant-or-self::*[@aria-label]").first
        assert len(described.get_attribute("aria-label")) > 20
    bars = page.locator("[data-testid=stHtml] [role=img]")
    expect(bars).to_have_count(2 * len(DEFAULT))
    for drawn in bars.all():
        assert len(drawn.get_attribute("aria-label")) > 20
        assert drawn.bounding_box()["height"] > 100
    assert page.get_by_text(re.compile(r"answers? .+\d+%")).count() > 0
    nothing_broke(page)
    assert visitor.complaints == []
    assert visitor.strangers() == []


def test_the_first_visitor_of_a_server_may_come_by_a_deep_link(fresh_server, visit):
    ids = ["random", "supervised"]
    visitor = visit(fresh_server)
    page = visitor.open("/invariance?augmentation=blur&" + "&".join(f"encoders={id}" for id in ids))
    for _ in range(2):
        visitor.arrive("What leaves the representation unmoved?")
        expect(page.get_by_role("link", name="Study", exact=True)).to_be_visible()
        sidebar = page.locator("[data-testid=stSidebar]")
        for id in ids:
            expect(sidebar.get_by_text(encoders()[id].label, exact=True).first).to_be_visible()
        finding = re.compile(f"at {AUGMENTATIONS['blur'].label.lower()} .* keeps ")
        expect(page.locator("strong").get_by_text(finding)).to_be_visible()
        nothing_broke(page)
        page.reload()
        page.wait_for_selector("h1")
        visitor.settle()
    assert visitor.strangers() == []


def test_an_upload_is_named_and_changes_the_answers(server, visit):
    visitor = visit(server)
    page = visitor.open("/compare?image=coffee")
    before = page.locator("h2").all_inner_texts()
    upload(visitor, ("holiday.png", encoded(photo(3), "PNG")))
    expect(page.get_by_alt_text("The image that is compared: holiday.png.")).to_be_visible()
    assert page.locator("h2").all_inner_texts() != before
    nothing_broke(page)


def test_a_broken_upload_is_explained_and_the_chosen_sample_stays(server, visit):
    visitor = visit(server)
    page = visitor.open("/compare?image=coffee")
    upload(visitor, ("half.jpg", BROKEN["half.jpg"]))
    errors = page.locator("[data-testid=stAlertContentError]")
    expect(errors).to_have_count(1)
    expect(errors).to_contain_text("half.jpg: ")
    expect(page.get_by_alt_text(f"The image that is compared: {samples()['coffee'].title}.")).to_be_visible()
    nothing_broke(page)


def test_another_class_is_explained_by_name(server, visit):
    visitor = visit(server)
    page = visitor.open("/attribution")
    name = tasks()[inputs.DEFAULT_TASK].classes[11]
    box = page.get_by_role("combobox", name=re.compile("Class to explain"))
    box.click()
    box.fill(name)
    page.get_by_role("option", name=name, exact=True).click()
    visitor.settle()
    expect(page.locator("strong").get_by_text(name, exact=True)).to_have_count(len(DEFAULT))
    alts = [image.get_attribute("alt") for image in page.locator("[data-testid=stImage] img").all()]
    assert sum(name in alt for alt in alts) == len(DEFAULT)
    assert "class=" in page.url
    nothing_broke(page)


def test_what_is_downloaded_is_what_is_shown(server, visit):
    visitor = visit(server)
    page = visitor.open("/compare?image=rocket")
    answers = pd.read_csv(io.BytesIO(download(page, "All shown probabilities")))
    assert list(answers["encoder"].unique()) == DEFAULT
    best = answers[answers["rank"] == 1].iloc[0]
    assert page.get_by_text(re.compile(re.escape(best["class"]))).count() > 0

    page = visitor.open("/attribution?image=rocket")
    shown = page.locator("[data-testid=stImage] img").first
    with Image.open(io.BytesIO(download(page, "PNG"))) as picture:
        assert picture.format == "PNG"
        assert picture.width == shown.evaluate("i => i.naturalWidth")
    with np.load(io.BytesIO(download(page, "Raw"))) as archive:
        assert archive["map"].ndim == 2
        assert np.isfinite(archive["map"]).all()
        assert DEFAULT[0] in str(archive["facts"])
    nothing_broke(page)


def test_a_long_sweep_can_be_stopped_and_run_again(server, visit):
    visitor = visit(server)
    page = visitor.open("/invariance?augmentation=noise")
    upload(visitor, *((f"{i}.png", encoded(photo(i), "PNG")) for i in range(25)))
    page.get_by_role("button", name="Run the sweep").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("The sweep was stopped")).to_be_visible()
    visitor.settle()
    nothing_broke(page)
    page.get_by_role("button", name="Run the sweep").click()
    expect(page.get_by_text("The sweep was stopped")).to_have_count(0)
    visitor.settle()
    expect(page.get_by_text("The curves below are from the last run")).to_have_count(0)
    expect(page.get_by_text("95 % interval over images")).to_be_visible()
    expect(page.locator("[data-testid=stPlotlyChart]")).to_have_count(1)
    nothing_broke(page)


def test_a_choice_survives_a_walk_through_the_pages(server, visit):
    visitor = visit(server)
    page = visitor.open("/compare?image=moon&encoders=random")
    for name in ("Models", "Study", "How it works", "Samples", "Attribution"):
        page.get_by_role("link", name=name, exact=True).first.click()
        expect(page.get_by_role("heading", level=1).filter(has_text="Compare encoders on an image")).to_have_count(0)
        visitor.settle()
        nothing_broke(page)
    visitor.arrive("Where does the answer come from?")
    expect(page.get_by_role("combobox", name="Sample")).to_have_value(samples()["moon"].title)
    expect(page.get_by_role("button", name=re.compile("^Remove "))).to_have_count(1)
    expect(page.get_by_role("button", name=f"Remove {encoders()['random'].label}")).to_be_visible()
    assert "image=moon" in page.url
    assert encoders()["random"].label in page.locator("[data-testid=stMain]").inner_text()


def test_an_upload_survives_a_sample_and_a_walk_through_the_studies(server, visit):
    visitor = visit(server)
    page = visitor.open("/compare")
    upload(visitor, ("first.png", encoded(photo(1), "PNG")), ("second.png", encoded(photo(2), "PNG")))
    page.get_by_role("combobox", name="Show").click()
    page.locator("[role=option]").get_by_text("second.png").click()
    visitor.settle()
    for source in ("Samples", "Upload"):
        page.get_by_role("radio", name=source).click()
        visitor.settle()
        nothing_broke(page)
    for name in ("Study", "Samples", "Compare"):
        page.get_by_role("link", name=name, exact=True).first.click()
        page.wait_for_function("name => location.pathname.endsWith(name)", arg=name.lower())
        visitor.settle()
        nothing_broke(page)
    expect(page.get_by_role("combobox", name="Show")).to_have_value("second.png")
    expect(page.locator("[data-testid=stMain]")).to_contain_text("second.png")


def test_no_page_is_wider_than_a_phone(server, visit):
    visitor = visit(server, width=390)
    for path in PAGES:
        page = visitor.open(path)
        wide = page.evaluate(
            "() => [document.scrollingElement, document.querySelector('[data-testid=stMain]')]"
            ".map(e => e.scrollWidth - e.clientWidth)"
        )
        assert max(wide) <= 1, f"{path} is {max(wide)} px too wide"
        nothing_broke(page)


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious_and_headings_in_order(server, visit, dark):
    visitor = visit(server, dark=dark)
    for path in PAGES:
        found = Axe().run(visitor.open(path)).response["violations"]
        wrong = [
            f"{path}: {rule['id']}: {node['html'][:200]} {node['failureSummary']}"
            for rule in found
            if rule["impact"] in ("serious", "critical") or rule["id"] == "heading-order"
            for node in rule["nodes"]
            if not any(part in node["html"] for part in STREAMLITS)
        ]
        assert not wrong, "\n".join(wrong)


def test_dark_pages_are_dark(server, visit, tmp_path):
    visitor = visit(server, dark=True)
    for path in ("/", "/invariance", "/how-it-works"):
        page = visitor.open(path)
        colour = page.locator("[data-testid=stApp]").evaluate("e => getComputedStyle(e).backgroundColor")
        assert max(map(int, re.findall(r"\d+", colour)[:3])) < 80
        page.screenshot(path=tmp_path / f"{path.strip('/') or 'overview'}.png", full_page=True)
        nothing_broke(page)
    assert visitor.complaints == []
