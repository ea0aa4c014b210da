"""A server for strangers: closed is closed, and the token opens it."""

import os
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from dataset_files import labelled
from serving import serve

from core import public
from core.datasets import upload
from core.datasets.upload import store_upload
from core.encoders import own
from core.errors import DataUnavailable


@pytest.fixture
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(public.VARIABLE, "1")
    monkeypatch.setenv("INVARISCOPE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("INVARISCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def archive(folder: Path, name: str, seed: int) -> Path:
    pets = labelled(folder / f"{name}-{seed}", {"cat": 3 + seed, "dog": 3})
    return Path(shutil.make_archive(str(folder / name), "zip", pets))


@pytest.mark.parametrize(
    ("token", "given", "opened"), [("", "", 0), ("", "x", 0), ("x", "", 0), ("x", "y", 0), ("x", " x ", 1)]
)
def test_only_the_token_opens(token: str, given: str, opened: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(public.TOKEN, token)
    assert public.opens(given) == bool(opened)


def test_strangers_name_no_files_of_the_server(strangers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(own.PERMISSION, "1")
    assert not own.allowed()
    monkeypatch.delenv(public.VARIABLE)
    assert own.allowed()


def test_archives_of_strangers_have_a_quota(strangers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = archive(strangers, "one", 0), archive(strangers, "two", 1)
    kept = store_upload(first, "one.zip")
    monkeypatch.setattr(public, "QUOTA", kept.stat().st_size + 10)
    with pytest.raises(DataUnavailable, match="are full"):
        store_upload(second, "two.zip")
    assert [path.name for path in kept.parent.iterdir()] == [kept.name], "nothing of what was refused stays"
    assert store_upload(first, "again.zip") == kept
    monkeypatch.delenv(public.VARIABLE)
    assert store_upload(second, "two.zip") != kept


def test_archives_of_strangers_go_when_they_are_old(strangers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = store_upload(archive(strangers, "one", 0), "one.zip")
    written = kept.stat().st_mtime
    upload.drop_old(written + public.MAX_AGE - 1)
    upload.drop_old(written - 10 * public.MAX_AGE)  # a clock that went back
    assert kept.is_file()
    old = time.time() - public.MAX_AGE - 1
    os.utime(kept, (old, old))
    monkeypatch.setenv(public.VARIABLE, "0")
    upload.drop_old()
    assert kept.is_file(), "a server of one's own drops nothing"
    monkeypatch.setenv(public.VARIABLE, "1")
    upload.drop_old()
    assert not kept.exists()


def answer(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=10) as found:
            return int(found.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize(("mode", "status"), [("1", 404), ("", 200)])
def test_a_public_server_tells_no_metrics(mode: str, status: int) -> None:
    with serve({public.VARIABLE: mode}) as server:
        assert answer(f"{server.address}/_stcore/health") == 200
        assert answer(f"{server.address}/_stcore/metrics") == status
