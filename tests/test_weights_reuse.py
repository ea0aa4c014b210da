"""Files that huggingface_hub and torch.hub already have: taken when it is sure what they are, else left."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from weight_servers import CONTENT, MD5, OTHER, SHA256, Server, left, serving, settle

from core.encoders.files import reuse, weights
from core.encoders.spec import WeightFile
from core.errors import WeightsUnavailable

HUB_URL = "https://huggingface.co/timm/toy.dino/resolve/main/model.safetensors"
COMMIT = "c" * 40


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights folder; no test of these may use the network unless it has a server of its own."""
    chosen = settle(tmp_path, monkeypatch)
    monkeypatch.setenv("INVARISCOPE_OFFLINE", "1")
    return chosen


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("INVARISCOPE_OFFLINE")
    with serving() as served:
        yield served


def in_hub(cache: Path, content: bytes = CONTENT, blob: str = SHA256, revision: str = "main") -> Path:
    """A file in the layout of huggingface_hub; the path of its content."""
    repository = cache / "models--timm--toy.dino"
    for part in ("blobs", "refs", f"snapshots/{COMMIT}"):
        (repository / part).mkdir(parents=True)
    (repository / "refs" / revision).write_text(COMMIT)
    (repository / "blobs" / blob).write_bytes(content)
    (repository / f"snapshots/{COMMIT}/model.safetensors").symlink_to(f"../../blobs/{blob}")
    return repository / "blobs" / blob


def in_torch(tmp_path: Path, name: str, content: bytes = CONTENT) -> Path:
    path = tmp_path / "torch" / "hub" / "checkpoints" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_file_of_the_hub_is_taken_without_the_network(folder: Path, tmp_path: Path) -> None:
    blob = in_hub(tmp_path / "hf" / "hub")
    path = weights.fetch(WeightFile("toy.safetensors", HUB_URL))
    assert path.read_bytes() == CONTENT
    assert path.samefile(blob)
    assert not path.is_symlink()
    assert left(folder) == {"toy.safetensors", "toy.safetensors.sha256"}
    assert (folder / "toy.safetensors.sha256").read_text() == SHA256


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"])
def test_hub_cache_may_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv(variable, str(tmp_path / "there"))
    in_hub(tmp_path / "there" / ("huggingface/hub" if variable.startswith("XDG") else ""))
    assert weights.fetch(WeightFile("toy.safetensors", HUB_URL)).read_bytes() == CONTENT


def test_defaults_are_those_of_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert reuse.hub_cache() == Path.home() / ".cache/huggingface/hub"
    assert reuse.torch_cache() == Path.home() / ".cache/torch/hub/checkpoints"


def test_mirror_at_the_hub_is_looked_for_too(tmp_path: Path) -> None:
    in_hub(tmp_path / "hf" / "hub")
    file = WeightFile("toy.safetensors", "https://example.org/toy.pth", mirrors=(HUB_URL,))
    assert weights.fetch(file).read_bytes() == CONTENT


def test_other_revision_repository_or_file_is_left(tmp_path: Path) -> None:
    in_hub(tmp_path / "hf" / "hub")
    for url in (
        HUB_URL.replace("main", "v2"),
        HUB_URL.replace("toy.dino", "toy.mae"),
        HUB_URL.replace("model.safetensors", "pytorch_model.bin"),
        HUB_URL.replace("model.safetensors", "../../../blobs/" + SHA256),
        HUB_URL.replace("timm/", "a..b/"),
    ):
        with pytest.raises(WeightsUnavailable, match="nothing was tried"):
            weights.fetch(WeightFile("toy.safetensors", url))


def test_content_that_is_not_what_its_name_says_is_left(tmp_path: Path) -> None:
    """A blob that was damaged, or changed in place."""
    in_hub(tmp_path / "hf" / "hub", content=OTHER)
    with pytest.raises(WeightsUnavailable, match="nothing was tried"):
        weights.fetch(WeightFile("toy.safetensors", HUB_URL))


def test_content_that_is_not_what_the_catalog_says_is_left(tmp_path: Path) -> None:
    in_hub(tmp_path / "hf" / "hub")
    with pytest.raises(WeightsUnavailable, match="nothing was tried"):
        weights.fetch(WeightFile("toy.safetensors", HUB_URL, sha256="0000aaaa"))


@pytest.mark.parametrize("known", [True, False])
def test_content_whose_name_is_no_sha256_needs_one_of_the_catalog(tmp_path: Path, known: bool) -> None:
    """Small files, which git keeps itself, are named after a hash of git's."""
    in_hub(tmp_path / "hf" / "hub", blob="b" * 40)
    file = WeightFile("toy.safetensors", HUB_URL, sha256=SHA256[:8] if known else "")
    if known:
        assert weights.fetch(file).read_bytes() == CONTENT
    else:
        with pytest.raises(WeightsUnavailable, match="nothing was tried"):
            weights.fetch(file)


@pytest.mark.parametrize("stated", [{"sha256": SHA256[:8]}, {"md5": MD5[:6]}], ids=["sha256", "md5"])
def test_file_of_torch_hub_is_taken_when_the_catalog_has_its_hash(tmp_path: Path, stated: dict[str, str]) -> None:
    cached = in_torch(tmp_path, "resnet50-0676ba61.pth")
    file = WeightFile("toy.pth", "https://download.pytorch.org/models/resnet50-0676ba61.pth", **stated)
    assert weights.fetch(file).samefile(cached)
    assert weights.verify(file) == SHA256


def test_trap_9_6_a_shared_name_in_torch_hub_is_no_proof(server: Server, tmp_path: Path) -> None:
    """Barlow Twins and VICReg are both resnet50.pth: what lies there may be the other one."""
    cached = in_torch(tmp_path, "resnet50.pth", OTHER)
    vicreg = WeightFile("resnet50-vicreg.pth", f"{server.root}/vicreg/resnet50.pth")
    assert weights.fetch(vicreg).read_bytes() == CONTENT
    assert len(server.requests) == 1
    assert cached.read_bytes() == OTHER


def test_trap_9_6_a_shared_name_with_the_hash_of_the_other_is_left(server: Server, tmp_path: Path) -> None:
    in_torch(tmp_path, "checkpoint_teacher.pth", OTHER)
    file = WeightFile("ibot-vits.pth", f"{server.root}/vits_16/checkpoint_teacher.pth", sha256=SHA256)
    assert weights.fetch(file).read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_trap_9_6_entries_with_one_basename_do_not_share_a_file(server: Server) -> None:
    first = weights.fetch(WeightFile("barlow.pth", f"{server.root}/ljng/resnet50.pth"))
    server.content = OTHER
    second = weights.fetch(WeightFile("vicreg.pth", f"{server.root}/vicreg/resnet50.pth"))
    assert (first.read_bytes(), second.read_bytes()) == (CONTENT, OTHER)


def test_trap_9_5_a_file_name_states_no_hash(server: Server, tmp_path: Path) -> None:
    """torch.hub's pattern finds the hash "300e" in this name; only what the catalog states is compared."""
    in_torch(tmp_path, "IN1K-vit.h.14-300e.pth.tar", OTHER)
    file = WeightFile("ijepa.pth", f"{server.root}/ijepa/IN1K-vit.h.14-300e.pth.tar")
    assert weights.fetch(file).read_bytes() == CONTENT


def test_trap_9_5_the_hash_is_compared_without_being_asked_for(tmp_path: Path, server: Server) -> None:
    """timm and torch.hub check none unless they are told to."""
    in_torch(tmp_path, "resnet50-0676ba61.pth", OTHER)
    file = WeightFile("toy.pth", f"{server.root}/resnet50-0676ba61.pth", sha256=SHA256[:8])
    assert weights.fetch(file).read_bytes() == CONTENT


def test_another_disk_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other_disk(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", other_disk)
    blob = in_hub(tmp_path / "hf" / "hub")
    path = weights.fetch(WeightFile("toy.safetensors", HUB_URL))
    assert path.read_bytes() == CONTENT
    assert not path.samefile(blob)


def test_copy_that_went_wrong_is_not_taken(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other_disk(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", other_disk)
    monkeypatch.setattr("shutil.copyfile", lambda source, target: target.write_bytes(CONTENT[:-1]))
    in_hub(tmp_path / "hf" / "hub")
    with pytest.raises(WeightsUnavailable, match="nothing was tried"):
        weights.fetch(WeightFile("toy.safetensors", HUB_URL))
    assert left(folder) == set()


def test_what_a_taking_left_when_it_broke_off_is_not_written_through(folder: Path, tmp_path: Path) -> None:
    """It is a hard link to a file of another program."""
    other = in_torch(tmp_path, "other.pth", OTHER)
    in_hub(tmp_path / "hf" / "hub")
    folder.mkdir()
    os.link(other, folder / "toy.safetensors.taken")
    assert weights.fetch(WeightFile("toy.safetensors", HUB_URL)).read_bytes() == CONTENT
    assert other.read_bytes() == OTHER
    assert left(folder) == {"toy.safetensors", "toy.safetensors.sha256"}
