"""Every page is one click away, without a menu: two lines of names beside the sidebar of a laptop."""

import pytest

pytestmark = pytest.mark.browser

TOPS = """() => [...new Set([...document.querySelectorAll(".st-key-navigation a")]
  .map((link) => Math.round(link.getBoundingClientRect().top / 12)))].length"""


def test_pages_stand_in_two_lines_on_a_laptop_and_without_a_drawer_on_a_phone(server, visit):
    page = visit(server, width=1280).open("/attribution")
    assert page.evaluate(TOPS) <= 2
    phone = visit(server, width=390).open("/attribution")
    links = phone.locator(".st-key-navigation a")
    assert links.count() == 17
    assert all(link.is_visible() for link in links.all())
    assert min(link.bounding_box()["height"] for link in links.all()) >= 24, "WCAG 2.2, 2.5.8"
