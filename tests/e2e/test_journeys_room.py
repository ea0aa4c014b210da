"""The people in the room: they vote on their phones, and a picture of theirs goes through a scene."""

import re

import pytest
from photos import encoded, photo
from playwright.sync_api import Page, expect
from serving import PATIENCE

from core.talk import deck, stories

pytestmark = pytest.mark.browser

READY = "[data-ready=yes]"
NOT_IN_THE_ROOM = """() => [...document.querySelectorAll("main *")].filter((e) => e.checkVisibility()
  && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())
  && parseFloat(getComputedStyle(e).fontSize) < 24).map((e) => e.textContent)"""


def fits(page: Page) -> None:
    """Nothing stands outside the window."""
    wide, high = page.viewport_size["width"], page.viewport_size["height"]
    for box in (one.bounding_box() for one in page.locator("main :is(img, svg, h1, h2, p, button, .scale)").all()):
        if box is not None:
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= wide + 1
            assert wide < 800 or box["y"] + box["height"] <= high + 1


STORY = """title = "Guess"

[[scenes]]
figure = "study/limits"
sentence = "Before"
view = { study = "family" }
""" + "".join(
    f"""
[[scenes]]
figure = "quiz/question"
sentence = "Which map of {image}?"
view = {{ image = "{image}", task = "tiny-imagenet", encoders = ["supervised", "simclr"], asks = "maps" }}
"""
    for image in ("coffee", "motorcycle")
)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_quiz_of_a_story_is_voted_on_in_its_scenes(server, visit, dark, tmp_path):
    (tmp_path / "guess.toml").write_text(STORY, encoding="utf-8")
    visitor = visit(server, dark=dark)
    page = visitor.open("/talk")
    page.locator("input[type=file]").last.set_input_files(tmp_path / "guess.toml")
    expect(page.get_by_role("heading", name="Guess")).to_be_visible()
    visitor.settle()
    if (prepare := page.get_by_role("button", name="Prepare the talk")).count():  # what was prepared stays so
        prepare.click()
    expect(page.locator("[data-testid=stIFrame]")).to_be_visible(timeout=4 * PATIENCE * 1000)
    visitor.make_quiz(server)
    expect(page.get_by_role("link", name="Open the stage")).to_be_visible()
    visitor.settle()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="In a window of its own").click()
    talk = opened.value
    complaints = []
    talk.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    talk.set_viewport_size({"width": 1920, "height": 1080})
    talk.wait_for_selector(READY, state="attached")
    assert "key=" not in talk.url, "the secret would be on the projector"
    frame, scene = talk.frame_locator(".stage-frame"), "section.present"
    expect(talk.locator(".stage-frame")).to_be_hidden()
    talk.keyboard.press("ArrowRight")
    expect(talk.locator(scene)).to_contain_text("Before")
    talk.keyboard.press("ArrowRight")
    expect(talk.locator(".stage-frame")).to_be_visible()
    expect(frame.locator("main[data-step='0'] .code")).to_be_visible()
    phone = visit(server, width=390, dark=dark)
    phone.page.goto(frame.locator(".url").inner_text())
    expect(frame.locator(".voted")).to_have_text("1 phone here")
    for question in range(2):
        if not question:
            talk.keyboard.press("ArrowRight")
        expect(frame.locator(f"main[data-step='{2 * question + 1}']")).to_be_visible()
        phone.page.get_by_role("button").nth(question).click()
        expect(frame.locator(".voted")).to_have_text("1 of 1 phone voted")
        talk.keyboard.press("Space")
        expect(frame.locator("aside")).to_contain_text("Votes: A 1, B 0." if question == 0 else "Votes: A 0, B 1.")
        talk.keyboard.press("ArrowRight")
    expect(frame.locator("main[data-step='5']")).to_be_visible()
    ground = frame.locator("body").evaluate("it => getComputedStyle(it).backgroundColor")
    assert ground == ("rgb(17, 22, 29)" if dark else "rgb(255, 255, 255)")
    talk.keyboard.press("ArrowRight")
    expect(talk.locator(".stage-frame")).to_be_hidden()
    expect(talk.locator(scene)).to_contain_text("Where the numbers come from")
    assert complaints == []


def test_in_a_file_a_question_stands_with_its_answer_after_one_key(browser, tmp_path):
    made, _ = deck.build(stories.read(STORY.encode()))
    (tmp_path / "talk.html").write_bytes(made)
    page = browser.new_page(viewport={"width": 1920, "height": 1080})
    page.goto((tmp_path / "talk.html").as_uri() + "?quiz=abcde&key=x#/2")
    page.wait_for_selector(READY, state="attached")
    expect(page.locator("section.present")).to_contain_text("No vote is counted here")
    assert page.locator(".stage-frame").count() == 0
    answer = page.locator("section.present .fragment")
    expect(answer).to_have_css("opacity", "0")
    page.keyboard.press("ArrowRight")
    expect(answer).to_have_css("opacity", "1")
    expect(answer).to_contain_text("is SimCLR, self-supervised")
    page.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_quiz_is_made_led_and_voted_on(server, visit, dark):
    visitor = visit(server, dark=dark)
    page = visitor.open("/talk")
    visitor.make_quiz(server)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open the stage").click()
    stage = opened.value
    stage.set_viewport_size({"width": 1920, "height": 1080})
    expect(stage.locator("main[data-step='0']")).to_be_visible()
    assert "key=" not in stage.url, "the secret would be on the projector"
    join = stage.locator(".url").inner_text()
    phones = [visit(server, width=390, dark=dark) for _ in range(3)]
    for phone in phones:
        phone.page.goto(join)
        expect(phone.page.get_by_role("heading")).to_have_text(re.compile("Wait here"))
    expect(stage.locator(".voted")).to_have_text("3 phones here")
    for question in range(2):
        fits(stage)
        stage.keyboard.press("ArrowRight" if question else "Space")
        expect(stage.locator(f"main[data-step='{2 * question + 1}']")).to_be_visible()
        for phone, choice in zip(phones, (0, 1, 1), strict=True):
            phone.page.get_by_role("button").nth(choice).wait_for()
            fits(phone.page)
            phone.page.get_by_role("button").nth(choice).click()
            expect(phone.page.get_by_text("Your vote:")).to_be_visible()
        expect(stage.locator(".voted")).to_have_text("3 of 3 phones voted")
        assert stage.evaluate(NOT_IN_THE_ROOM) == []
        fits(stage)
        stage.get_by_role("button", name="Close the vote").click()
        expect(stage.locator("aside")).to_contain_text("Votes: A 1, B 2.")
        assert stage.evaluate(NOT_IN_THE_ROOM) == []
        told = stage.locator("aside h2").inner_text()
        right = 2 if told.startswith("B is SimCLR") else 1
        expect(stage.locator("aside")).to_contain_text(f"{right} of 3 were right")
        expect(phones[0].page.get_by_text("You were")).to_have_text(re.compile("wrong" if right == 2 else "right"))
        fits(phones[0].page)
    for each in (visitor, *phones):
        assert each.complaints == []
        assert each.strangers() == []
    page.get_by_role("button", name="End the quiz").click()
    visitor.settle()
    phones[0].page.reload()
    expect(phones[0].page.get_by_role("alert")).to_contain_text("no such quiz any more")


@pytest.mark.parametrize("figure", ["compare/answers", "attribution/maps"])
def test_a_picture_from_the_room_goes_through_a_scene_and_nowhere_else(server, visit, tmp_path, figure):
    scenes = stories.shipped()["generalize"].scenes
    at = [scene.figure for scene in scenes].index(figure)
    visitor = visit(server)
    page = visitor.open("/talk")
    visitor.open_part("A picture from the room")
    page.get_by_role("combobox", name="Scene").click()
    page.get_by_role("option", name=f"{at + 1}. {scenes[at].sentence}").click()
    visitor.settle()
    data = encoded(photo(3), "PNG")
    page.set_input_files(
        "[data-testid=stFileUploaderDropzoneInput] >> nth=0",
        [{"name": "me.png", "mimeType": "image/png", "buffer": data}],
    )
    link = page.get_by_role("link", name="In a window of its own").first
    link.wait_for(timeout=2 * PATIENCE * 1000)
    shown = page.frame_locator("[data-testid=stIFrame]").first
    expect(shown.locator("section.present h2")).to_have_text(scenes[at].sentence)
    address = server + link.get_attribute("href")
    window = page.context.new_page()
    window.set_viewport_size({"width": 1920, "height": 1080})
    window.goto(address)
    window.wait_for_selector(READY, state="attached")
    expect(window.locator("section.present .source")).to_contain_text("A picture from the room, not kept")
    assert window.evaluate("() => [...document.querySelectorAll('section.present img')].every((i) => i.naturalWidth)")
    assert visitor.complaints == []
    assert visitor.strangers() == []
