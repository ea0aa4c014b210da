"""Several addresses of one file, web pages where a file was meant, and which partial files may be continued."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from weight_servers import CONTENT, OTHER, SHA256, Server, left, serving, settle

from core.encoders.files import weights
from core.encoders.spec import WeightFile
from core.errors import WeightsInvalid, WeightsUnavailable
from core.fetching.download import SPARE, Origin

PAGE = b"\n<!DOCTYPE html><html><title>Sign in</title></html>"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return settle(tmp_path, monkeypatch)


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    with ExitStack() as stack:
        yield stack.enter_context(serving()), stack.enter_context(serving())


@pytest.fixture
def partial(folder: Path) -> Path:
    """The first 1,000,000 bytes, of which nobody says where they came from."""
    folder.mkdir()
    path = folder / "toy.pth.partial"
    path.write_bytes(CONTENT[:1_000_000])
    return path


def mirrored(servers: tuple[Server, Server], **facts: str) -> WeightFile:
    return WeightFile("toy.pth", servers[0].url, mirrors=(servers[1].url,), **facts)


@pytest.mark.parametrize("status", [404, 410, 500, 503])
def test_trap_9_3_a_publisher_that_is_gone_is_replaced_by_a_mirror(servers: tuple[Server, Server], status: int) -> None:
    servers[0].status = status
    assert weights.fetch(mirrored(servers)).read_bytes() == CONTENT
    assert [len(server.requests) for server in servers] == [1, 1]


def test_mirror_is_not_asked_while_the_publisher_answers(servers: tuple[Server, Server]) -> None:
    weights.fetch(mirrored(servers))
    assert [len(server.requests) for server in servers] == [1, 0]


def test_every_address_is_told_with_its_reason(servers: tuple[Server, Server], folder: Path) -> None:
    servers[0].status, servers[1].status = 404, 403
    with pytest.raises(WeightsUnavailable) as caught:
        weights.fetch(mirrored(servers))
    assert (
        f"{servers[0].url}: it answers 404 Not Found; {servers[1].url}: it answers 403 Forbidden, so it may want"
        in (str(caught.value))
    )
    assert f"put it at {folder / 'toy.pth'}" in str(caught.value)


def test_other_bytes_of_the_publisher_are_refused_and_the_mirrors_taken(servers: tuple[Server, Server]) -> None:
    servers[0].content = OTHER
    assert weights.fetch(mirrored(servers, sha256=SHA256[:8])).read_bytes() == CONTENT


def test_other_bytes_everywhere_are_an_invalid_file(servers: tuple[Server, Server], folder: Path) -> None:
    servers[0].content, servers[1].status = OTHER, 404
    with pytest.raises(WeightsInvalid, match=rf"{servers[0].url}: it gave not the file the catalog.*404"):
        weights.fetch(mirrored(servers, sha256=SHA256[:8]))
    assert left(folder) == set()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PAGE, "text/html"),
        (PAGE, "application/octet-stream"),
        (b"\xef\xbb\xbf<HTML>", ""),
        (b"Please sign in.", "text/html; charset=utf-8"),
    ],
)
def test_trap_9_12_a_login_page_is_no_weight_file(
    servers: tuple[Server, Server], folder: Path, content: bytes, kind: str
) -> None:
    """What Google Drive and storage.cloud.google.com answer without a browser, whatever they call it."""
    servers[0].content, servers[0].headers = content, {"Content-Type": kind} if kind else {}
    with pytest.raises(WeightsUnavailable) as caught:
        weights.fetch(WeightFile("toy.pth", servers[0].url))
    for words in ("a web page", "login or a confirmation", servers[0].url, "in a browser", str(folder / "toy.pth")):
        assert words in str(caught.value)
    assert left(folder) == set()
    assert weights.fetch(mirrored(servers)).read_bytes() == CONTENT


def test_continues_at_a_mirror_when_a_hash_will_tell(servers: tuple[Server, Server]) -> None:
    servers[0].stop_after = 1_000_000
    assert weights.fetch(mirrored(servers, sha256=SHA256)).read_bytes() == CONTENT
    assert servers[1].asked == ["bytes=1000000-"]


def test_starts_again_at_a_mirror_when_nothing_would_tell(servers: tuple[Server, Server]) -> None:
    """Halves of two versions of the same length would make a file that nobody published."""
    servers[0].stop_after, servers[1].content = 1_000_000, OTHER
    assert weights.fetch(mirrored(servers)).read_bytes() == OTHER
    assert servers[1].asked[-1] is None


def test_continues_at_a_mirror_with_the_same_strong_etag(servers: tuple[Server, Server]) -> None:
    for server in servers:
        server.headers = {"ETag": '"v1"'}
    servers[0].stop_after = 1_000_000
    assert weights.fetch(mirrored(servers)).read_bytes() == CONTENT
    assert servers[1].asked == ["bytes=1000000-"]


@pytest.mark.parametrize("conditions", [True, False], ids=["server heeds If-Range", "server does not"])
def test_file_that_changed_between_two_calls_is_started_again(servers: tuple[Server, Server], conditions: bool) -> None:
    server, file = servers[0], WeightFile("toy.pth", servers[0].url)
    server.headers, server.stop_after, server.conditions = {"ETag": '"v1"'}, 1_000_000, conditions
    with pytest.raises(WeightsUnavailable):
        weights.fetch(file)
    server.content, server.headers, server.stop_after = OTHER, {"ETag": '"v2"'}, None
    assert weights.fetch(file).read_bytes() == OTHER
    assert server.asked == [None, "bytes=1000000-"] + ([] if conditions else [None])


def test_file_that_grew_between_two_calls_is_started_again(servers: tuple[Server, Server]) -> None:
    server, file = servers[0], WeightFile("toy.pth", servers[0].url)
    server.stop_after = 1_000_000
    with pytest.raises(WeightsUnavailable):
        weights.fetch(file)
    server.content, server.stop_after = OTHER + b"more", None
    assert weights.fetch(file).read_bytes() == OTHER + b"more"


def test_weak_etag_proves_nothing(servers: tuple[Server, Server]) -> None:
    for server in servers:
        server.headers = {"ETag": 'W/"v1"'}
    servers[0].stop_after, servers[1].content = 1_000_000, OTHER
    assert weights.fetch(mirrored(servers)).read_bytes() == OTHER


def test_bytes_of_unknown_origin_are_not_continued(servers: tuple[Server, Server], partial: Path) -> None:
    weights.fetch(WeightFile("toy.pth", servers[0].url))
    assert servers[0].asked == [None]


def test_bytes_of_unknown_origin_are_continued_when_a_hash_will_tell(
    servers: tuple[Server, Server], partial: Path
) -> None:
    assert weights.fetch(WeightFile("toy.pth", servers[0].url, sha256=SHA256)).read_bytes() == CONTENT
    assert servers[0].asked == ["bytes=1000000-"]


def test_continued_file_with_the_wrong_hash_is_started_again(servers: tuple[Server, Server], partial: Path) -> None:
    partial.write_bytes(OTHER[:1_000_000])
    assert weights.fetch(WeightFile("toy.pth", servers[0].url, sha256=SHA256)).read_bytes() == CONTENT
    assert servers[0].asked == ["bytes=1000000-", None]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"nothing": 1}'])
def test_damaged_note_is_no_note(servers: tuple[Server, Server], partial: Path, damage: str) -> None:
    partial.with_name(partial.name + ".json").write_text(damage)
    assert weights.fetch(WeightFile("toy.pth", servers[0].url)).read_bytes() == CONTENT
    assert servers[0].asked == [None]


def test_whole_partial_file_only_gets_its_name(servers: tuple[Server, Server], partial: Path) -> None:
    partial.write_bytes(CONTENT)
    Origin(servers[0].url, total=len(CONTENT)).write(partial)
    assert weights.fetch(WeightFile("toy.pth", servers[0].url)).read_bytes() == CONTENT
    assert servers[0].asked == [f"bytes={len(CONTENT)}-"]


def test_partial_file_longer_than_the_real_one_is_started_again(servers: tuple[Server, Server], partial: Path) -> None:
    partial.write_bytes(CONTENT + b"more")
    Origin(servers[0].url).write(partial)
    assert weights.fetch(WeightFile("toy.pth", servers[0].url)).read_bytes() == CONTENT
    assert servers[0].asked == [f"bytes={len(CONTENT) + 4}-", None]


def test_too_little_room_is_told_before_anything_is_written(
    servers: tuple[Server, Server], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = SimpleNamespace(free=SPARE + len(CONTENT) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: room)
    with pytest.raises(WeightsUnavailable, match=rf"{folder} has 53 MB free, and 3 MB are to come.*--weights-dir"):
        weights.fetch(mirrored(servers))
    assert left(folder) == set()
    assert not servers[1].requests
    room.free += 1
    assert weights.fetch(mirrored(servers)).read_bytes() == CONTENT
