"""Downloads from a server on this machine: whole, broken off, resumed, wrong, refused."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core.encoders import weights
from core.encoders.spec import WeightFile
from core.errors import WeightsInvalid, WeightsUnavailable

CONTENT = bytes(range(256)) * 12_000  # three chunks


class Server(ThreadingHTTPServer):
    """Serves `CONTENT`, in whatever broken way a test asks for."""

    daemon_threads = True
    ranges = True
    stop_after: int | None = None
    status = 200
    chunked = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/toy.pth"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.server.ranges else 0
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = CONTENT[start:]
        self.send_response(206 if start else 200)
        if self.server.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n" % len(body) + body[: self.server.stop_after])
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.stop_after])

    def log_message(self, *arguments: object) -> None:
        """Silence."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        served.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path / "new"))
    return tmp_path / "new"


def digest_of(content: bytes, tmp_path: Path) -> str:
    (tmp_path / "reference").write_bytes(content)
    return weights.sha256_of(tmp_path / "reference")


def left(folder: Path) -> set[str]:
    """The files in the folder but for the lock."""
    return {path.name for path in folder.iterdir()} - {"toy.pth.lock"}


def test_download_is_checked_recorded_and_told(server: Server, folder: Path, tmp_path: Path) -> None:
    digest = digest_of(CONTENT, tmp_path)
    told: list[tuple[int, int]] = []
    path = weights.fetch(
        WeightFile("toy.pth", server.url, sha256=digest), lambda done, total: told.append((done, total))
    )
    assert path == folder / "toy.pth"
    assert path.read_bytes() == CONTENT
    assert left(folder) == {"toy.pth", "toy.pth.sha256"}
    assert (folder / "toy.pth.sha256").read_text() == digest
    assert len(told) == 3
    assert told == sorted(told)
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_second_call_asks_nobody(server: Server, folder: Path) -> None:
    file = WeightFile("toy.pth", server.url)
    assert weights.fetch(file) == weights.fetch(file)
    assert server.asked == [None]


def test_unknown_hash_is_compared_with_the_first_download(server: Server, folder: Path) -> None:
    file = WeightFile("toy.pth", server.url)
    path = weights.fetch(file)
    weights.verify(file)
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(WeightsInvalid, match="is not the file"):
        weights.verify(file)


@pytest.mark.parametrize("ranges", [True, False])
def test_broken_download_is_continued(server: Server, folder: Path, tmp_path: Path, ranges: bool) -> None:
    """From where it broke; from the beginning when the server cannot."""
    file = WeightFile("toy.pth", server.url, sha256=digest_of(CONTENT, tmp_path))
    server.stop_after = 1_500_000
    with pytest.raises(WeightsUnavailable, match=r"after 1500000 of 3072000 bytes; try again"):
        weights.fetch(file)
    assert left(folder) == {"toy.pth.partial"}
    assert not weights.is_here(file)
    server.stop_after, server.ranges = None, ranges
    told: list[tuple[int, int]] = []
    assert weights.fetch(file, lambda done, total: told.append((done, total))).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1500000-"]
    assert told[0][0] == (1_500_000 if ranges else 0) + weights.CHUNK
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert left(folder) == {"toy.pth", "toy.pth.sha256"}


def test_whole_partial_file_only_gets_its_name(server: Server, folder: Path) -> None:
    folder.mkdir()
    (folder / "toy.pth.partial").write_bytes(CONTENT)
    assert weights.fetch(WeightFile("toy.pth", server.url)).read_bytes() == CONTENT


def test_partial_file_longer_than_the_real_one_is_started_again(server: Server, folder: Path) -> None:
    """A leftover of another version; without a known hash nothing else would tell."""
    folder.mkdir()
    (folder / "toy.pth.partial").write_bytes(CONTENT + b"more")
    assert weights.fetch(WeightFile("toy.pth", server.url)).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT) + 4}-", None]


def test_broken_download_of_unknown_length_is_not_taken_for_whole(server: Server, folder: Path) -> None:
    server.chunked, server.stop_after = True, 1_500_000
    Handler.protocol_version, before = "HTTP/1.1", Handler.protocol_version
    try:
        with pytest.raises(WeightsUnavailable, match="fetching failed"):
            weights.fetch(WeightFile("toy.pth", server.url))
    finally:
        Handler.protocol_version = before
    assert not (folder / "toy.pth").exists()


def test_wrong_hash_leaves_nothing(server: Server, folder: Path) -> None:
    with pytest.raises(WeightsInvalid, match=r"expected 0000aaaa.*Nothing was kept"):
        weights.fetch(WeightFile("toy.pth", server.url, sha256="0000aaaa"))
    assert left(folder) == set()


def test_refusal_names_reason_address_and_place(server: Server, folder: Path) -> None:
    server.status = 404
    with pytest.raises(WeightsUnavailable) as caught:
        weights.fetch(WeightFile("toy.pth", server.url))
    for words in ("Not Found", server.url, str(folder / "toy.pth")):
        assert words in str(caught.value)
    assert left(folder) == set()


def test_no_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    with pytest.raises(WeightsUnavailable, match="refused"):
        weights.fetch(WeightFile("toy.pth", f"http://127.0.0.1:{port}/toy.pth"))


def test_answer_that_is_not_http(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"who are you?\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(WeightsUnavailable, match="fetching failed"):
            weights.fetch(WeightFile("toy.pth", f"http://127.0.0.1:{listening.getsockname()[1]}/toy.pth"))
        thread.join()


def test_folder_that_cannot_be_written(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path / "file" / "below"))
    with pytest.raises(WeightsUnavailable, match="could not be written"):
        weights.fetch(WeightFile("toy.pth", server.url))


def test_file_without_an_address_is_unavailable(folder: Path) -> None:
    with pytest.raises(WeightsUnavailable, match=r"toy\.pth is not on this machine"):
        weights.fetch(WeightFile("toy.pth"))


def test_eight_at_once_download_once(server: Server, folder: Path) -> None:
    file = WeightFile("toy.pth", server.url)
    threads = [threading.Thread(target=weights.fetch, args=(file,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.asked == [None]
    assert (folder / "toy.pth").read_bytes() == CONTENT
