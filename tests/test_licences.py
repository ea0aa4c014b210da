"""Licences that are accepted once, before a download."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from weight_servers import CONTENT, SHA256, Server, serving, settle

from core.encoders.files import licences, weights
from core.encoders.spec import WeightFile
from core.errors import InvariscopeError, LicenceNotAccepted, UnknownName, WeightsUnavailable

each = pytest.mark.parametrize("id", licences.TERMS)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return settle(tmp_path, monkeypatch)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as served:
        yield served


def test_the_licences_of_the_zoo_are_there() -> None:
    assert set(licences.TERMS) == {"dinov3", "seer", "sapiens2"}
    assert [id for id, terms in licences.TERMS.items() if terms.non_commercial] == ["seer"]


@each
def test_terms_are_whole(id: str) -> None:
    terms = licences.terms(id)
    assert terms.id == id
    assert terms.url.startswith("https://")
    assert 1 <= terms.summary.count(". ") + 1 <= 2
    assert terms.summary.endswith(".")
    assert not terms.forbidden.endswith(".")
    assert all((terms.name, terms.version, terms.forbidden))


@each
def test_trap_9_7_nothing_is_fetched_before_the_licence_is_accepted(server: Server, folder: Path, id: str) -> None:
    file = WeightFile("toy.pth", server.url, terms=id)
    with pytest.raises(LicenceNotAccepted) as caught:
        weights.fetch(file)
    terms = licences.terms(id)
    for words in (
        "toy.pth",
        terms.name,
        terms.url,
        terms.forbidden,
        f"invariscope models accept {id}",
        "the Models page",
    ):
        assert words in str(caught.value)
    assert caught.value.terms == id
    assert not server.requests
    licences.accept(id)
    assert weights.fetch(file).read_bytes() == CONTENT


def test_trap_9_7_a_copy_in_another_cache_is_not_taken_before_either(tmp_path: Path) -> None:
    cached = tmp_path / "torch" / "hub" / "checkpoints" / "toy.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(CONTENT)
    file = WeightFile("mine.pth", "https://example.org/toy.pth", sha256=SHA256, terms="dinov3")
    with pytest.raises(LicenceNotAccepted):
        weights.fetch(file)
    licences.accept("dinov3")
    assert weights.fetch(file).samefile(cached)


def test_file_that_a_person_put_there_asks_for_nothing(folder: Path) -> None:
    folder.mkdir()
    (folder / "toy.pth").write_bytes(CONTENT)
    assert weights.fetch(WeightFile("toy.pth", "https://example.org/toy.pth", terms="dinov3")).is_file()


def test_acceptance_is_kept_readable_beside_the_weights(folder: Path) -> None:
    assert not licences.accepted("dinov3")
    path = licences.accept("dinov3")
    assert path == folder / "accepted-licences.json"
    assert licences.accepted("dinov3")
    assert not licences.accepted("seer")
    entry = json.loads(path.read_text())["dinov3"]
    assert entry["accepted"] == datetime.now(UTC).date().isoformat()
    assert entry["version"] == licences.terms("dinov3").version
    assert entry["url"] == licences.terms("dinov3").url
    licences.accept("seer")
    assert set(json.loads(path.read_text())) == {"dinov3", "seer"}


def test_another_weights_folder_accepted_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    licences.accept("dinov3")
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path / "elsewhere"))
    assert not licences.accepted("dinov3")


def test_new_version_of_a_licence_is_asked_for_again() -> None:
    path = licences.accept("dinov3")
    path.write_text(path.read_text().replace(licences.terms("dinov3").version, "2019-01-01"))
    assert not licences.accepted("dinov3")
    licences.accept("dinov3")
    assert licences.accepted("dinov3")


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"dinov3": true}', "\x00"])
def test_record_that_cannot_be_read_accepts_nothing(folder: Path, damage: str) -> None:
    folder.mkdir()
    licences.record_path().write_text(damage)
    assert not licences.accepted("dinov3")
    licences.accept("dinov3")
    assert licences.accepted("dinov3")


def test_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path / "file" / "below"))
    with pytest.raises(LicenceNotAccepted, match=r"could not be recorded in .*--weights-dir"):
        licences.accept("dinov3")


@pytest.mark.parametrize("action", [licences.accepted, licences.accept])
def test_unknown_licence_is_named(action) -> None:
    with pytest.raises(UnknownName, match="There is no licence to accept called 'mit'"):
        action("mit")


def test_place_in_the_tree_of_errors() -> None:
    assert issubclass(LicenceNotAccepted, WeightsUnavailable)
    assert issubclass(LicenceNotAccepted, InvariscopeError)
