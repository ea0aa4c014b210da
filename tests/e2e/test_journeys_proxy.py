"""Behind nginx, below a path, from a read-only folder, as the page on serving says: links, uploads and talks."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from photos import encoded
from PIL import Image
from playwright.sync_api import expect
from serving import PATIENCE, READ_ONLY, free_port, healthy, own_mounts, serve
from test_journeys import nothing_broke, upload

from core.paths import ROOT
from core.public import VARIABLE

pytestmark = pytest.mark.browser

BASE = "invariscope"
GUIDE = (ROOT / "pages" / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def proxied(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address at which nginx serves a dashboard, for `strangers` or for people of one's `own`."""
    public = {"strangers": {VARIABLE: "1"}, "own": {}}[request.param]
    if (nginx := shutil.which("nginx", path="/usr/sbin:/usr/bin")) is None:
        pytest.fail("There is no nginx: install it (Debian: nginx-light).")
    (block,) = re.findall(r"```nginx\n(.*?)```", GUIDE, flags=re.DOTALL)
    settings = {"STREAMLIT_SERVER_BASE_URL_PATH": BASE, "INVARISCOPE_CACHE": str(tmp_path / "cache")} | public
    with serve(settings, before=READ_ONLY if own_mounts() else ()) as server:
        port = free_port()
        block = block.replace("listen 80;", f"listen 127.0.0.1:{port};").replace("lab.example.org", "localhost")
        block = block.replace("http://127.0.0.1:8501", server.address.removesuffix(f"/{BASE}"))
        temporary = "".join(
            f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        own = f"daemon off; pid {tmp_path}/pid; user root; error_log stderr; events {{}}"
        (tmp_path / "nginx.conf").write_text(f"{own} http {{ access_log off; {temporary} {block} }}")
        process = subprocess.Popen([nginx, "-c", str(tmp_path / "nginx.conf")], stderr=subprocess.DEVNULL)
        try:
            address, end = f"http://localhost:{port}/{BASE}", time.monotonic() + PATIENCE
            while not healthy(address):
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)
            yield address
        finally:
            process.terminate()
            process.wait()


@pytest.mark.parametrize("proxied", ["strangers"], indirect=True)
def test_nginx_passes_pages_links_uploads_and_talks_on(proxied, visit):
    visitor = visit(proxied)
    page = visitor.open("/compare?image=coffee")
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
    large = encoded(Image.fromarray(noise), "PNG")
    assert len(large) > 2 << 20, "more than nginx takes unless it is told"
    upload(visitor, ("large.png", large))
    expect(page.get_by_alt_text("The image that is compared: large.png.")).to_be_visible()
    page.get_by_role("button", name="Share").click()
    link = page.locator("[data-testid=stPopoverBody] code").inner_text().strip()
    assert link.startswith(f"{proxied}/compare?")
    nothing_broke(page)
    page = visitor.open("/talk")
    page.get_by_role("button", name="Prepare the talk").click()
    frame = page.locator("[data-testid=stIFrame]")
    expect(frame).to_be_visible(timeout=4 * PATIENCE * 1000)
    address = page.get_by_role("link", name="In a window of its own").get_attribute("href")
    answer = page.request.get(proxied.removesuffix(f"/{BASE}") + address)
    assert answer.status == 200
    assert "reveal" in answer.text()
    assert visitor.strangers() == []


@pytest.mark.parametrize("proxied", ["own"], indirect=True)
def test_a_quiz_is_voted_on_through_nginx(proxied, visit):
    visitor = visit(proxied)
    page = visitor.open("/talk")
    visitor.make_quiz(proxied.removesuffix(f"/{BASE}"))
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open the stage").click()
    stage = opened.value
    join = stage.locator(".url").inner_text()
    assert join.startswith(f"{proxied}/quiz/")
    phone = visit(proxied, width=390)
    phone.page.goto(join)
    expect(stage.locator(".voted")).to_have_text("1 phone here")
    stage.keyboard.press("Space")
    phone.page.get_by_role("button").first.click()
    expect(phone.page.get_by_text("Your vote:")).to_be_visible()
    expect(stage.locator(".voted")).to_have_text("1 of 1 phone voted")
    stage.keyboard.press("Space")
    expect(stage.locator("aside")).to_contain_text("Votes: A 1, B 0.")
    assert stage.locator("main img").first.evaluate("it => it.naturalWidth") > 0
    expect(phone.page.get_by_text("You were")).to_be_visible()
    for each in (visitor, phone):
        assert each.complaints == []
        assert each.strangers() == []
