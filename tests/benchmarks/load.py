"""What a crowd waits: many first visits at once, and many uploads at once, by Streamlit's own websocket protocol.

    python tests/benchmarks/load.py [--visitors 5,20,50] [--uploads 50] [--setting KEY=VALUE]

Each visitor is a session of its own: it connects, runs the Overview to its end, and, for uploads, opens Compare, sends
a photo of its own, and reads its own answers from what the page shows. A wrong answer (one that differs from the
packaged encoders' answer to that very photo, asked in this process) is counted.
"""

import argparse
import asyncio
import re
import statistics
import sys
import time
import urllib.request
from http.cookies import SimpleCookie
from pathlib import Path

import psutil
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from photos import encoded, photo  # noqa: E402
from serving import Server, serve  # noqa: E402

PATIENCE = 600


class Session:
    """One visitor: what the server last said of each widget, and every text it showed in the last run."""

    def __init__(self, socket: websockets.ClientConnection, address: str) -> None:
        self.socket, self.address = socket, address
        self.id = ""
        self.widgets: dict[str, str] = {}
        self.states: dict[str, WidgetState] = {}
        self.texts: list[str] = []
        self.page = ""
        with urllib.request.urlopen(f"{address}/_stcore/health") as answer:
            self.token = SimpleCookie(answer.headers["Set-Cookie"])["_streamlit_xsrf"].value

    async def run(self, page: str = "") -> float:
        """Run a page to its end; seconds from asking to the end of the script."""
        ask = BackMsg()
        ask.rerun_script.page_name = self.page = page or self.page
        ask.rerun_script.widget_states.widgets.extend(self.states.values())
        self.texts.clear()
        began = time.monotonic()
        await self.socket.send(ask.SerializeToString())
        async for data in self.socket:
            message = ForwardMsg.FromString(data)
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.id = message.new_session.initialize.session_id or self.id
            elif kind == "delta":
                self._read(message)
            elif kind == "script_finished":
                return time.monotonic() - began
        raise RuntimeError("the server hung up")

    def _read(self, message: ForwardMsg) -> None:
        element = message.delta.new_element
        name = element.WhichOneof("type")
        if name is None:
            return
        content = getattr(element, name)
        if identity := getattr(content, "id", ""):
            key = re.sub(r"^\$\$ID-\w+-", "", identity)
            self.widgets[key] = identity
        self.texts.append(str(getattr(content, "body", "")))

    async def upload(self, key: str, name: str, data: bytes) -> None:
        """Give the uploader called `key` one file; what it then holds goes with the next run."""
        ask = BackMsg()
        ask.file_urls_request.request_id = name
        ask.file_urls_request.file_names.append(name)
        ask.file_urls_request.session_id = self.id
        await self.socket.send(ask.SerializeToString())
        async for received in self.socket:
            message = ForwardMsg.FromString(received)
            if message.WhichOneof("type") == "file_urls_response":
                break
        place = message.file_urls_response.file_urls[0]
        boundary = "invariscope"
        body = (
            (
                f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
                "Content-Type: image/png\r\n\r\n"
            ).encode()
            + data
            + f"\r\n--{boundary}--\r\n".encode()
        )
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        headers |= {"Cookie": f"_streamlit_xsrf={self.token}", "X-Xsrftoken": self.token}
        request = urllib.request.Request(f"{self.address}{place.upload_url}", body, headers, method="PUT")
        await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=PATIENCE).close())
        state = WidgetState(id=self.widgets[key])
        held = state.file_uploader_state_value.uploaded_file_info.add()
        held.name, held.size, held.file_id = name, len(data), place.file_id
        held.file_urls.CopyFrom(place)
        self.states[key] = state

    def choose(self, key: str, value: str) -> None:
        """Let the segmented control called `key` hold one string."""
        state = WidgetState(id=self.widgets[key])
        state.string_array_value.data.append(value)
        self.states[key] = state


async def visit(server: Server) -> float:
    """Seconds of a first visit."""
    async with connect(server) as socket:
        return await Session(socket, server.address).run()


def connect(server: Server) -> websockets.connect:
    """A websocket as the browser opens it."""
    address = server.address.replace("http", "ws", 1) + "/_stcore/stream"
    return websockets.connect(
        address,
        max_size=None,
        open_timeout=PATIENCE,
        ping_timeout=None,
        subprotocols=["streamlit"],
        origin=server.address,
    )


async def upload(server: Server, seed: int, ready: asyncio.Barrier) -> tuple[float, str]:
    """Seconds from sending a photo to the end of the run that answers it, and the sentence of the answers."""
    async with connect(server) as socket:
        session = Session(socket, server.address)
        await session.run("compare")
        session.choose("image_source", "Upload")
        await session.run()
        data = encoded(photo(seed), "PNG")
        async with ready:
            began = time.monotonic()
        await session.upload("uploads", f"{seed}.png", data)
        await session.run()
        seconds = time.monotonic() - began
        return seconds, next((text for text in session.texts if re.search(r"answers? ", text)), "")


def expected(seeds: range) -> list[str]:
    """What the page should say of each photo, asked of the encoders in this process."""
    from core import pipeline
    from core.images.image import working_copy
    from core.images.opening import open_image
    from core.plots import answers
    from core.tasks import tasks
    from pages.ui.inputs import DEFAULT_PAIR, DEFAULT_TASK

    contenders = [pipeline.load(id, DEFAULT_TASK) for id in DEFAULT_PAIR]
    specs = [contender.encoder.spec for contender in contenders]
    found = []
    for seed in seeds:
        image = working_copy(open_image(encoded(photo(seed), "PNG")))
        predictions = [pipeline.predict(c, pipeline.read_images(c, [image])[0]) for c in contenders]
        found.append(answers.finding(specs, predictions, tasks()[DEFAULT_TASK].classes))
    return found


def line(name: str, seconds: list[float]) -> str:
    """The figures of a crowd."""
    ordered = sorted(seconds)
    return (
        f"{name:36} median {statistics.median(ordered):6.2f} s, first {ordered[0]:6.2f}, "
        f"95 % {ordered[int(0.95 * (len(ordered) - 1))]:6.2f}, last {ordered[-1]:6.2f}"
    )


def memory(server: Server) -> float:
    """Gigabytes of the server and its children."""
    process = psutil.Process(server.pid)
    return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)]) / 1e9


async def crowd(server: Server, count: int) -> list[float]:
    """Seconds of `count` first visits at once."""
    return await asyncio.gather(*(visit(server) for _ in range(count)))


async def uploads(server: Server, count: int) -> list[tuple[float, str]]:
    """Seconds and answers of `count` people who upload at once."""
    ready = asyncio.Barrier(count)
    return await asyncio.gather(*(upload(server, seed, ready) for seed in range(count)))


def main() -> int:
    """Measure and print; 1 when an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", default="5,20,50", help="sizes of crowds, each on a fresh server")
    parser.add_argument("--uploads", type=int, default=50, help="people who upload at once; 0 for none")
    parser.add_argument("--setting", action="append", default=[], metavar="KEY=VALUE", help="environment of the server")
    arguments = parser.parse_args()
    settings = dict(setting.split("=", 1) for setting in arguments.setting)
    for count in (int(number) for number in arguments.visitors.split(",") if number):
        with serve(settings) as server:
            for state in ("started just now", "warm"):
                print(line(f"{count} first visits, {state}", asyncio.run(crowd(server, count))), flush=True)
    wrong = 0
    if arguments.uploads:
        with serve(settings) as server:
            found = asyncio.run(uploads(server, arguments.uploads))
            print(line(f"{arguments.uploads} uploads", [seconds for seconds, _ in found]), flush=True)
            print(f"memory of the server: {memory(server):.2f} GB")
        for seed, ((_, said), right) in enumerate(zip(found, expected(range(arguments.uploads)), strict=True)):
            if right not in said:
                wrong += 1
                print(f"photo {seed}: expected {right!r}, the page said {said!r}")
        print(f"right answers: {arguments.uploads - wrong} of {arguments.uploads}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
