"""Links and the way back: what an address holds comes again, and what it cannot hold is said."""

import pytest
from photos import encoded, photo
from playwright.sync_api import expect
from test_journeys import DROPZONE, nothing_broke, upload

from core.samples import samples
from pages.ui import pickers
from pages.ui.inputs import DEFAULT_IMAGE

pytestmark = pytest.mark.browser

GONE = "This link was made from a picture of somebody's own"


def test_the_way_back_restores_a_choice_and_the_address_holds_ids(server, visit):
    visitor = visit(server)
    page = visitor.open("/compare")
    for id in ("moon", "flower"):
        page.get_by_role("combobox", name="Sample").click()
        page.locator("[role=option]").get_by_text(samples()[id].title, exact=True).click()
        visitor.settle()
        assert page.url.endswith(f"/compare?image={id}")
    page.wait_for_timeout(1000 * pickers.LATE)  # sooner it could be the browser that is late
    page.go_back()
    visitor.settle()
    assert page.url.endswith("/compare?image=moon")
    expect(page.get_by_alt_text(f"The image that is compared: {samples()['moon'].title}.")).to_be_visible()
    page.go_back()
    visitor.settle()
    expect(page.get_by_alt_text(f"The image that is compared: {samples()[DEFAULT_IMAGE].title}.")).to_be_visible()
    nothing_broke(page)


def test_a_link_to_an_upload_says_that_it_is_not_here_until_the_same_file_is(server, visit):
    visitor, other = visit(server), visit(server)
    page = visitor.open("/compare")
    picture = encoded(photo(1), "PNG")
    upload(visitor, ("mine.png", picture))
    page.get_by_role("button", name="Share").click()
    shared = page.locator("[data-testid=stPopoverBody]")
    expect(shared).to_contain_text("Your picture is not part of the link")
    link = shared.locator("code").inner_text().strip()
    assert "/compare?own=" in link

    there = other.open(link.removeprefix(server))
    expect(there.get_by_text(GONE)).to_be_visible()
    expect(there.get_by_alt_text("The image that is compared")).to_have_count(0)
    there.set_input_files(DROPZONE, [{"name": "mine.png", "mimeType": "image/png", "buffer": picture}])
    expect(there.get_by_alt_text("The image that is compared: mine.png.")).to_be_visible()
    other.settle()
    expect(there.get_by_text(GONE)).to_have_count(0)
    nothing_broke(there)
