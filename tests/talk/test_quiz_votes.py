"""Three hundred phones vote at once, over HTTP, in the dashboard that people start; below a path, too."""

import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from serving import PATIENCE, free_port, healthy

from core.paths import ROOT
from pages.ui.quiz_routes import MOST_BYTES, PHONE

PHONES = 300
PNG = b"\x89PNG\r\n\x1a\n"
# The app itself, served as any server of its kind serves it, with a quiz that nobody had to click together.
SERVE = """
import json, sys
from pathlib import Path
import uvicorn
from streamlit import config
config.set_option("server.baseUrlPath", sys.argv[3])
import app
from core.talk.ballot import quizzes
from core.talk.quiz import Option, Question
option = Option(png=bytes.fromhex(sys.argv[4]), alt="A map.")
made = [Question(f"Question {i}?", option.png, "A picture", (option, option), i % 2, "Told.", "") for i in range(2)]
Path(sys.argv[2]).write_text(json.dumps(quizzes().begin(made, "http://192.0.2.7:8501")))
uvicorn.run(app.app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
"""


class Running(NamedTuple):
    port: int
    path: str
    host: str


class Browser:
    """Keeps its cookies, follows no redirect."""

    def __init__(self, port: int) -> None:
        self.port, self.cookies = port, dict[str, str]()

    def ask(self, path: str, form: dict[str, object] | str | None = None) -> tuple[int, str, str]:
        """Status, text, and where to go next."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        body = form if isinstance(form, str) or form is None else urllib.parse.urlencode(form)
        connection.request("GET" if form is None else "POST", path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        for header in answer.headers.get_all("Set-Cookie") or []:
            pair, *flags = header.split(";")
            assert " httponly" in [flag.lower() for flag in flags]
            name, _, value = pair.partition("=")
            self.cookies[name] = value
        connection.close()
        return answer.status, text.decode("utf-8", "replace"), answer.headers.get("Location", "")


@pytest.fixture(params=["", "lab/invariscope"], ids=["at the root", "below a path"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    port, told = free_port(), tmp_path / "quiz.json"
    (tmp_path / "serve.py").write_text(SERVE)
    command = [sys.executable, str(tmp_path / "serve.py"), str(port), str(told), request.param, PNG.hex()]
    found = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    settings = os.environ | {"INVARISCOPE_WEIGHTS": str(tmp_path / "weights"), "PYTHONPATH": found}
    with (tmp_path / "output").open("w+") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=settings, stdout=output, stderr=output)
        base = f"/{request.param}" if request.param else ""
        try:
            end = time.monotonic() + PATIENCE
            while not healthy(f"http://127.0.0.1:{port}{base}"):
                assert process.poll() is None, (tmp_path / "output").read_text()
                assert time.monotonic() < end
                time.sleep(0.1)
            id, host = json.loads(told.read_text())
            yield Running(port, f"{base}/quiz/{id}", host)
            assert "Traceback" not in (tmp_path / "output").read_text()
        finally:
            process.terminate()
            process.wait(15)


def led(running: Running) -> Browser:
    """The host's browser, after its secret has left the address."""
    host = Browser(running.port)
    status, _, place = host.ask(f"{running.path}/stage?key={running.host}")
    assert (status, place) == (303, f"{running.path}/stage")
    return host


def test_three_hundred_phones_vote_once_each_and_the_tally_is_exact(running):
    host, crowd = led(running), [Browser(running.port) for _ in range(PHONES)]
    stage = f"{running.path}/stage"
    faults: list[object] = []

    def together(act) -> None:
        barrier = threading.Barrier(PHONES)

        def one(i: int) -> None:
            barrier.wait()
            try:
                act(i)
            except (AssertionError, OSError) as error:
                faults.append(error)

        threads = [threading.Thread(target=one, args=(i,)) for i in range(PHONES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert faults == []

    def come(i: int) -> None:
        status, page, _ = crowd[i].ask(running.path)
        assert (status, "Wait here" in page) == (200, True)

    def vote(i: int) -> None:
        form = {"number": 0, "choice": int(i % 3 == 0)}
        assert crowd[i].ask(running.path, form)[0] == 303
        status, page, _ = crowd[i].ask(running.path, {"number": 0, "choice": int(i % 3 != 0)})
        assert (status, "voted already" in page) == (409, True)

    together(come)
    assert len({browser.cookies[PHONE] for browser in crowd}) == PHONES
    assert host.ask(stage, {"step": 0})[0] == 303
    together(vote)
    assert json.loads(host.ask(f"{stage}/count")[1]) == {"step": 1, "words": "300 of 300 phones voted"}
    # Open, nobody reads a vote: neither the host nor a phone, nor who is neither.
    for browser in (host, crowd[0], Browser(running.port)):
        for path in (running.path, stage, f"{stage}/count", f"{running.path}/0/0.png"):
            shown = re.sub("<style>.*?</style>|<script>.*?</script>", "", browser.ask(path)[1], flags=re.DOTALL)
            assert not re.search(r"\b(100|200)\b|right|%", shown)
    assert host.ask(stage, {"step": 1})[0] == 303
    assert "Votes: A 200, B 100." in host.ask(stage)[1]
    assert "200 of 300 were right: 67%" in crowd[1].ask(running.path)[1]
    status, page, _ = Browser(running.port).ask(running.path, {"number": 0, "choice": 0})
    assert (status, "Nothing was counted" in page) == (403, True)
    status, page, _ = crowd[0].ask(running.path, {"number": 0, "choice": 0})
    assert (status, "too late" in page) == (409, True)
    assert "Votes: A 200, B 100." in host.ask(stage)[1]


def test_only_the_host_leads_and_hostile_requests_change_nothing(running):
    host, stage = led(running), f"{running.path}/stage"
    for stranger in (Browser(running.port), Browser(running.port)):
        assert stranger.ask(f"{stage}?key=guess")[0] == 403
        assert stranger.ask(stage, {"step": 0})[0] == 403
        assert stranger.ask(f"{stage}/count")[0] == 403
        stranger.ask(running.path)
    long = ("step=0" + "&a=1" * 9, "step=0&a=" + "1" * MOST_BYTES, "step=" + "9" * 99)
    for form in ("step=x", "step=%C2%B2", "step=-1", "&" * 99, *long):
        host.ask(stage, form)
    assert json.loads(host.ask(f"{stage}/count")[1])["step"] == 0
    for place in ("0/0", "0/picture", "9" * 5000 + "/0", "-1/0", "x/0", "..%2f..%2fapp/0"):
        assert host.ask(f"{running.path}/{place}.png")[0] in (400, 404)
    host.ask(stage, {"step": 0})
    assert host.ask(f"{running.path}/0/picture.png")[:1] == (200,)
    assert host.ask(f"{running.path}/1/picture.png")[0] == 404, "a question that is not open yet"
    assert host.ask(f"{running.path}/0/app.png")[0] == 404
    for form in ("number=0&choice=2", "number=0&choice=x", "choice=0", "", "number=0&choice=0" + "&a=1" * 9):
        assert stranger.ask(running.path, form)[0] == 409
    stranger.cookies[PHONE] = "0" * 32 + "." + "0" * 64
    assert stranger.ask(running.path, {"number": 0, "choice": 0})[0] == 403
    assert "0 of 1 phone voted" in host.ask(f"{stage}/count")[1]
    assert stranger.ask(running.path.rpartition("/")[0] + "/nosuch")[0] == 404
