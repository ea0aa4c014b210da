"""Downloads of data sets from a server on this machine: whole, broken off, continued, wrong, in the way."""

import gzip
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from dataset_files import md5, miniature

from core.datasets import download as downloading
from core.datasets.torchvision_readers import Archive
from core.datasets.torchvision_sets import TorchvisionSet
from core.errors import DataUnavailable


class Server(ThreadingHTTPServer):
    """Serves `files`; cuts the first answer of a name in `cut` short."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.cut: set[str] = set()
        self.asked: list[tuple[str, str | None]] = []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name, wanted = self.path[1:], self.headers.get("Range")
        self.server.asked.append((name, wanted))
        if name not in self.server.files:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        body = self.server.files[name][start:]
        if wanted and not body:
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body)))
        if wanted:
            whole = len(self.server.files[name])
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        self.end_headers()
        if name in self.server.cut:
            self.server.cut.remove(name)
            body = body[: len(body) // 2]
        self.wfile.write(body)

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
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


def tar_of(folder: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
    return out.getvalue()


def zip_of(folder: Path) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return out.getvalue()


def shipped(id: str, tmp_path: Path, patch: pytest.MonkeyPatch, server: Server, checked: bool = True) -> TorchvisionSet:
    """A miniature that is not here yet, packed as its publishers pack theirs, on the server."""
    made = tmp_path / "published"
    adapter = miniature(id, made, patch)
    archives = []
    for archive in adapter.layout.archives:
        name = archive.url.rpartition("/")[2]
        place = made / adapter.layout.below / archive.into
        if archive.inner:
            inside = tmp_path / "inside" / archive.inner
            inside.parent.mkdir(parents=True)
            inside.write_bytes(tar_of(place))
            data = zip_of(tmp_path / "inside")
        elif name.endswith(".zip"):
            data = zip_of(place)
        elif name.endswith((".tar.gz", ".tgz")):
            data = tar_of(place)
        elif name.endswith(".gz"):
            data = gzip.compress((place / name.removesuffix(".gz")).read_bytes())
        else:
            data = (place / name).read_bytes()
        server.files[name] = data
        (tmp_path / name).write_bytes(data)
        sum = md5(tmp_path / name) if checked else ""
        archives.append(Archive(server.url(name), sum, archive.into, archive.inner))
    return replace(adapter, layout=replace(adapter.layout, archives=tuple(archives)))


@pytest.mark.parametrize("id", ["cifar10", "caltech101", "flowers102", "eurosat", "svhn", "fashion-mnist", "pcam"])
def test_fetched_and_opened(
    id: str, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    adapter = shipped(id, tmp_path, monkeypatch, server)
    seen: list[tuple[int, int]] = []
    adapter.fetch(root, lambda done, total: seen.append((done, total)))
    assert adapter.is_here(root)
    assert len(adapter.open(root).parts["train"]) > 0
    done = [d for d, _ in seen]
    assert done == sorted(done)
    assert seen[-1][0] == seen[-1][1] == sum(map(len, server.files.values()))
    assert not list((root / ".fetching").rglob("*.gz")), "what was unpacked is not kept twice"
    asked = len(server.asked)
    adapter.fetch(root, lambda done, total: None)
    assert len(server.asked) == asked, "what is here is not fetched again"


def test_a_broken_download_leaves_nothing_to_open_and_goes_on(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    adapter = shipped("svhn", tmp_path, monkeypatch, server)
    server.cut = {"test_32x32.mat"}
    with pytest.raises(DataUnavailable, match=r"ended after .* run the same command again to continue"):
        adapter.fetch(root, lambda done, total: None)
    assert not adapter.is_here(root)
    with pytest.raises(DataUnavailable, match="--fetch svhn"):
        adapter.open(root)
    adapter.fetch(root, lambda done, total: None)
    assert len(adapter.open(root).parts["test"]) == 3
    assert [name for name, _ in server.asked] == ["train_32x32.mat", "test_32x32.mat", "test_32x32.mat"]
    assert server.asked[-1][1] is not None, "continued, not begun again"


def test_what_was_not_published_is_thrown_away(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    adapter = shipped("eurosat", tmp_path, monkeypatch, server)
    server.files["EuroSAT.zip"] += b"more"
    with pytest.raises(DataUnavailable, match=r"it gave not what was published.*nothing was kept"):
        adapter.fetch(root, lambda done, total: None)
    assert not adapter.is_here(root)
    assert not [path for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.parametrize("loss", [1, 1000])
def test_without_a_checksum_the_content_is_counted(
    loss: int, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    adapter = shipped("fgvc-aircraft", tmp_path, monkeypatch, server, checked=False)
    name = "fgvc-aircraft-2013b.tar.gz"
    whole = server.files[name]
    server.files[name] = whole[:-loss]
    with pytest.raises(DataUnavailable, match="damaged and cannot be unpacked"):
        adapter.fetch(root, lambda done, total: None)
    assert not adapter.is_here(root)
    server.files[name] = whole
    adapter.fetch(root, lambda done, total: None)
    assert len(adapter.open(root).parts["test"]) == 100


def test_an_archive_that_lacks_files(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    adapter = shipped("eurosat", tmp_path, monkeypatch, server)
    adapter = replace(adapter, layout=replace(adapter.layout, counts={"all": 51}))
    with pytest.raises(DataUnavailable, match="not whole: 50 of 51"):
        adapter.fetch(root, lambda done, total: None)
    assert not adapter.is_here(root)
    assert not (root / ".fetching" / "eurosat" / "unpacked").exists()


def test_something_in_the_way(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    adapter = shipped("eurosat", tmp_path, monkeypatch, server)
    mine = root / "eurosat" / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(DataUnavailable, match="in the way"):
        adapter.fetch(root, lambda done, total: None)
    assert mine.read_text() == "mine"
    mine.unlink()
    asked = len(server.asked)
    adapter.fetch(root, lambda done, total: None)
    assert len(server.asked) == asked, "the download was kept"
    assert adapter.is_here(root)


def test_half_a_set_is_named_and_left_alone(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    adapter = shipped("eurosat", tmp_path, monkeypatch, server)
    (root / "eurosat" / "2750" / "Land0").mkdir(parents=True)
    with pytest.raises(DataUnavailable, match="cannot be opened"):
        adapter.fetch(root, lambda done, total: None)
    assert (root / "eurosat" / "2750" / "Land0").is_dir()
    assert not server.asked


def test_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    with pytest.raises(DataUnavailable, match="answers 404 Not Found"):
        downloading.download(server.url("nothing"), tmp_path / "file")
    with pytest.raises(DataUnavailable, match=r"Fetching http://127.0.0.1:9/x failed"):
        downloading.download("http://127.0.0.1:9/x", tmp_path / "file")
    server.files["x"] = b"content"
    (tmp_path / "file.partial").write_bytes(b"content")
    assert downloading.download(server.url("x"), tmp_path / "file", md5(tmp_path / "file.partial")).read_bytes()
    (tmp_path / "taken").write_text("a file where a folder should be")
    with pytest.raises(DataUnavailable, match="could not be written"):
        downloading.download(server.url("x"), tmp_path / "taken" / "file")


@pytest.mark.parametrize("checked", [True, False])
def test_a_file_that_changed_between_two_calls_is_started_again(tmp_path: Path, server: Server, checked: bool) -> None:
    """Else halves of two versions are put together, and without a checksum nobody notices."""
    old, new = bytes(range(256)) * 8, bytes(range(255, -1, -1)) * 9
    server.files, server.cut = {"x": old}, {"x"}
    (tmp_path / "published").write_bytes(new)
    stated = md5(tmp_path / "published") if checked else ""
    with pytest.raises(DataUnavailable, match="ended after 1024 of 2048"):
        downloading.download(server.url("x"), tmp_path / "file", stated)
    server.files["x"] = new
    assert downloading.download(server.url("x"), tmp_path / "file", stated).read_bytes() == new
    assert {path.name for path in tmp_path.iterdir()} == {"published", "file", "file.lock"}


def test_eight_at_once_download_once(tmp_path: Path, server: Server) -> None:
    server.files["x"] = bytes(3_000_000)
    wanted = server.url("x"), tmp_path / "file"
    threads = [threading.Thread(target=downloading.download, args=wanted) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.asked == [("x", None)]
    assert (tmp_path / "file").stat().st_size == 3_000_000


def test_a_login_page_is_no_data_set(tmp_path: Path, server: Server) -> None:
    server.files["x"] = b"<!DOCTYPE html><html>Sign in</html>"
    with pytest.raises(DataUnavailable, match="a web page instead of the file"):
        downloading.download(server.url("x"), tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file.lock"]


def test_offline_nothing_is_tried(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVARISCOPE_OFFLINE", "1")
    with pytest.raises(DataUnavailable, match=r"INVARISCOPE_OFFLINE is set.*put it at .*file"):
        downloading.download(server.url("x"), tmp_path / "file")
    assert not server.asked


def test_too_little_room_is_told_first(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["x"] = b"content"
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(DataUnavailable, match=r"0 MB free.*INVARISCOPE_DATA"):
        downloading.download(server.url("x"), tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file.lock"]


def test_a_data_folder_that_cannot_be_written(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    adapter = shipped("eurosat", tmp_path, monkeypatch, server)
    root.write_text("a file where the data folder should be")
    with pytest.raises(DataUnavailable, match="another folder with INVARISCOPE_DATA"):
        adapter.fetch(root, lambda done, total: None)
