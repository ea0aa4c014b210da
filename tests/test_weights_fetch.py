"""Downloads from a server on this machine: whole, broken off, resumed, wrong, refused, and several at once."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from weight_servers import CONTENT, MD5, SHA256, Server, left, serving, settle

from core.encoders.files import weights
from core.encoders.spec import WeightFile
from core.errors import Cancelled, WeightsInvalid, WeightsUnavailable
from core.fetching import download as downloads
from core.paths import ROOT


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return settle(tmp_path, monkeypatch)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as served:
        yield served


def test_download_is_checked_recorded_and_told(server: Server, folder: Path) -> None:
    told: list[tuple[int, int]] = []
    file = WeightFile("toy.pth", server.url, sha256=SHA256, md5=MD5[:8])
    path = weights.fetch(file, lambda done, total: told.append((done, total)))
    assert path == folder / "toy.pth"
    assert path.read_bytes() == CONTENT
    assert left(folder) == {"toy.pth", "toy.pth.sha256"}
    assert (folder / "toy.pth.sha256").read_text() == SHA256
    assert len(told) == 3
    assert told == sorted(told)
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_second_call_asks_nobody(server: Server) -> None:
    file = WeightFile("toy.pth", server.url)
    assert weights.fetch(file) == weights.fetch(file)
    assert server.asked == [None]


def test_unknown_hash_is_compared_with_the_first_download(server: Server) -> None:
    file = WeightFile("toy.pth", server.url)
    path = weights.fetch(file)
    weights.verify(file)
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(WeightsInvalid, match="is not the file that was fetched first"):
        weights.verify(file)


def test_file_that_was_deleted_must_come_back_the_same(server: Server, folder: Path) -> None:
    """Also when the catalog states no hash: the first download does."""
    file = WeightFile("toy.pth", server.url)
    weights.fetch(file).unlink()
    server.content = CONTENT[::-1]
    with pytest.raises(WeightsInvalid, match=r"not the file that was fetched first.*delete .*toy\.pth\.sha256"):
        weights.fetch(file)
    assert left(folder) == {"toy.pth.sha256"}
    server.content = CONTENT
    assert weights.fetch(file).read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
def test_broken_download_is_continued(server: Server, folder: Path, ranges: bool) -> None:
    """From where it broke; from the beginning when the server cannot."""
    file = WeightFile("toy.pth", server.url, sha256=SHA256)
    server.stop_after = 1_500_000
    with pytest.raises(WeightsUnavailable, match=r"after 1500000 of 3072000 bytes; try again"):
        weights.fetch(file)
    assert left(folder) == {"toy.pth.partial", "toy.pth.partial.json"}
    assert not weights.is_here(file)
    server.stop_after, server.ranges = None, ranges
    told: list[tuple[int, int]] = []
    assert weights.fetch(file, lambda done, total: told.append((done, total))).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1500000-"]
    assert told[0][0] == (1_500_000 if ranges else 0) + downloads.CHUNK
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert left(folder) == {"toy.pth", "toy.pth.sha256"}


def test_download_that_a_person_stopped_is_continued(server: Server, folder: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise Cancelled("Stopped.")

    file = WeightFile("toy.pth", server.url)
    with pytest.raises(Cancelled):
        weights.fetch(file, stop)
    assert weights.fetch(file).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={downloads.CHUNK}-"]


def test_broken_download_of_unknown_length_is_not_taken_for_whole(server: Server, folder: Path) -> None:
    server.chunked, server.stop_after = True, 1_500_000
    with pytest.raises(WeightsUnavailable, match="ended in the middle"):
        weights.fetch(WeightFile("toy.pth", server.url))
    assert not (folder / "toy.pth").exists()
    server.stop_after = None
    assert weights.fetch(WeightFile("toy.pth", server.url)).read_bytes() == CONTENT


def test_without_length_and_hash_nothing_would_tell_a_broken_download(server: Server, folder: Path) -> None:
    server.length = False
    with pytest.raises(WeightsUnavailable, match="does not say how long"):
        weights.fetch(WeightFile("toy.pth", server.url))
    assert left(folder) == set()
    assert weights.fetch(WeightFile("toy.pth", server.url, md5=MD5[:6])).read_bytes() == CONTENT


@pytest.mark.parametrize("stated", [{"sha256": "0000aaaa"}, {"md5": "0000aaaa"}])
def test_wrong_hash_leaves_nothing(server: Server, folder: Path, stated: dict[str, str]) -> None:
    with pytest.raises(WeightsInvalid, match=r"expected 0000aaaa.*nothing was kept"):
        weights.fetch(WeightFile("toy.pth", server.url, **stated))
    assert left(folder) == set()
    (folder / "toy.pth").write_bytes(CONTENT)
    with pytest.raises(WeightsInvalid, match="Delete it and fetch it again"):
        weights.verify(WeightFile("toy.pth", server.url, **stated))


def test_refusal_names_reason_address_and_place(server: Server, folder: Path) -> None:
    server.status = 404
    with pytest.raises(WeightsUnavailable) as caught:
        weights.fetch(WeightFile("toy.pth", server.url))
    for words in ("404 Not Found", server.url, str(folder / "toy.pth")):
        assert words in str(caught.value)
    assert left(folder) == set()


def test_no_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    with pytest.raises(WeightsUnavailable, match="refused"):
        weights.fetch(WeightFile("toy.pth", f"http://127.0.0.1:{port}/toy.pth"))


def test_answer_that_is_not_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"who are you?\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(WeightsUnavailable, match=r"fetching failed.*BadStatusLine: who are you"):
            weights.fetch(WeightFile("toy.pth", f"http://127.0.0.1:{listening.getsockname()[1]}/toy.pth"))
        thread.join()


def test_folder_that_cannot_be_written(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path / "file" / "below"))
    with pytest.raises(WeightsUnavailable, match="could not be written"):
        weights.fetch(WeightFile("toy.pth", server.url))


def test_file_without_an_address_is_unavailable(folder: Path) -> None:
    with pytest.raises(WeightsUnavailable, match=rf"toy\.pth is not on this machine.*Put it at {folder}"):
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


FETCH = """
import sys
from core.encoders.files import weights
from core.encoders.spec import WeightFile
print(weights.fetch(WeightFile("toy.pth", sys.argv[1])))
"""


def test_three_processes_at_once_download_once(server: Server, folder: Path) -> None:
    server.pause = 1.0
    running = [
        subprocess.Popen([sys.executable, "-c", FETCH, server.url], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in running] == [str(folder / "toy.pth")] * 3
    assert server.asked == [None]
    assert (folder / "toy.pth").read_bytes() == CONTENT


DIE = """
import os, sys
from filelock import FileLock
FileLock(sys.argv[1]).acquire()
os._exit(9)
"""


def test_lock_whose_owner_died_does_not_block(server: Server, folder: Path) -> None:
    folder.mkdir()
    lock = folder / "toy.pth.lock"
    assert subprocess.run([sys.executable, "-c", DIE, str(lock)], timeout=60, check=False).returncode == 9
    assert lock.exists()
    started = time.monotonic()
    assert weights.fetch(WeightFile("toy.pth", server.url)).read_bytes() == CONTENT
    assert time.monotonic() - started < downloads.GLANCE


def test_who_waits_is_told_how_far_the_other_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "GLANCE", 0.02)
    folder.mkdir()
    partial = folder / "toy.pth.partial"
    partial.write_bytes(CONTENT[:1000])
    downloads.Origin("https://example.org/toy.pth", total=len(CONTENT)).write(partial)
    told: list[tuple[int, int]] = []
    with FileLock(folder / "toy.pth.lock") as other:

        def finish(done: int, total: int) -> None:
            told.append((done, total))
            if len(told) == 1:
                partial.rename(folder / "toy.pth")
                other.release()

        weights.fetch(WeightFile("toy.pth", "https://example.org/toy.pth"), finish)
    assert told == [(1000, len(CONTENT))]
