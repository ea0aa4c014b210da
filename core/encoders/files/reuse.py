"""Files that huggingface_hub, timm or torch.hub already have on this machine, taken when it is sure what they are."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.encoders.files import hashes
from core.encoders.spec import WeightFile
from core.fetching.addresses import HUB
from core.fetching.download import SPARE
from core.paths import expanded

RESOLVED = re.compile(re.escape(HUB) + r"/((?:[^/]+/)?[^/]+)/resolve/([^/]+)/([^?#]+)")
CONTENT_NAME = re.compile(r"[0-9a-f]{64}")


def _folder(*choices: tuple[str, str]) -> Path:
    """The first folder that a variable of the environment names, with what is below it."""
    for variable, below in choices:
        if chosen := os.environ.get(variable):
            return expanded(os.path.expandvars(chosen), variable) / below
    return expanded("~/.cache", "The cache of other programs") / choices[-1][1]


def hub_cache() -> Path:
    """Where huggingface_hub, and with it timm, keeps what it downloaded."""
    return _folder(
        ("HF_HUB_CACHE", ""),
        ("HUGGINGFACE_HUB_CACHE", ""),
        ("HF_HOME", "hub"),
        ("XDG_CACHE_HOME", "huggingface/hub"),
    )


def torch_cache() -> Path:
    """Where torch.hub, and with it torchvision, keeps what it downloaded."""
    return _folder(("TORCH_HOME", "hub/checkpoints"), ("XDG_CACHE_HOME", "torch/hub/checkpoints"))


def _candidates(weights: WeightFile) -> Iterator[tuple[Path, str]]:
    """Files that may be the one, each with the SHA-256 its name promises (empty when it promises nothing).

    huggingface_hub keeps a file by repository and revision, and names its content after its SHA-256. torch.hub keeps
    it by the last part of its address, which different files share: Barlow Twins and VICReg are both resnet50.pth.
    """
    from huggingface_hub import try_to_load_from_cache  # half a second, for whoever fetches

    for url in weights.addresses:
        if match := RESOLVED.fullmatch(url):
            repository, revision, file = map(unquote, match.groups())
            # An address that is no proper repository and file has nothing in the cache.
            with suppress(ValueError, OSError):
                found = try_to_load_from_cache(repository, file, cache_dir=hub_cache(), revision=revision)
                if isinstance(found, str):
                    blob = Path(found).resolve()
                    yield blob, blob.name if CONTENT_NAME.fullmatch(blob.name) else ""
        name = urlsplit(url).path.rpartition("/")[2]
        if name and (torch_cache() / name).is_file():
            yield (torch_cache() / name).resolve(), ""


def take(weights: WeightFile, path: Path) -> bool:
    """Whether the file was found on this machine and is now at `path`, as a hard link or a copy.

    Only what can be identified is taken: its content has a hash that the catalog, the first download or its
    content-addressed name states. Everything else is left where it is, whatever it is called.

    Args:
        weights: the file.
        path: where it goes; its folder exists, and nobody else writes there.

    Raises:
        OSError: it could not be written.
    """
    known = hashes.is_known(weights, path)
    for candidate, promised in _candidates(weights):
        if not (known or promised):
            continue
        try:
            digest, complaint = hashes.compare(candidate, weights, path, promised)
        except OSError:
            # Another program's file that cannot be read is as good as none.
            continue
        if not complaint and _bring(candidate, path, digest):
            return True
    return False


def _bring(source: Path, path: Path, digest: str) -> bool:
    # Never the name of the partial file: a download would go on writing into the other program's cache.
    arrived = path.with_name(path.name + ".taken")
    arrived.unlink(missing_ok=True)
    try:
        os.link(source, arrived)
    except OSError:
        # Another disk, or a file system without hard links.
        if source.stat().st_size + SPARE > shutil.disk_usage(path.parent).free:
            return False
        shutil.copyfile(source, arrived)
        if hashes.sha256_of(arrived) != digest:
            arrived.unlink()
            return False
    hashes.keep(arrived, path, digest)
    return True
