"""What a sub-command that computes is given: the images of files and folders, and contenders by name."""

from pathlib import Path

import torch

from core.commands.common import fetch_progress, say
from core.datasets.folder import SUFFIXES
from core.doubts import doubts
from core.errors import DataUnavailable, ImageError, UnreadableImage
from core.images import SafeImage, open_image, working_copy
from core.readout import Contender, shared_contender


def read_image(path: Path) -> SafeImage:
    """The image in a file.

    Raises:
        ImageError: there is no such file, or it is no usable image; the message names the file.
    """
    try:
        return working_copy(open_image(path.read_bytes()))
    except OSError as error:
        raise UnreadableImage(f"{path} cannot be read: {error.strerror or error}.") from error
    except ImageError as error:
        raise type(error)(f"{path}: {error}") from error


def read_images(paths: list[str]) -> tuple[list[tuple[Path, SafeImage]], int]:
    """The usable images among files and folders, and how many were not; each bad one is named on standard error.

    Raises:
        ImageError: none is usable.
        DataUnavailable: a folder holds no image.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            if not inside:
                raise DataUnavailable(f"{path} holds no image files.")
            found += inside
        else:
            found.append(path)
    images, bad = [], 0
    for path in found:
        try:
            images.append((path, read_image(path)))
        except ImageError as error:
            if len(found) == 1:
                raise
            bad += 1
            say(f"invariscope: {error}")
    if not images:
        raise UnreadableImage(f"None of the {len(found)} files is a usable image.")
    return images, bad


def open_contenders(ids: list[str], task: str, device: torch.device) -> list[Contender]:
    """The contenders called `ids`, fetched with progress when they are not here."""
    found = [shared_contender(id, task, device, fetch_progress(id)) for id in ids]
    for contender in found:
        for doubt in doubts(contender):
            say(f"{contender.encoder.spec.id} loaded, and may be untrained: {doubt}")
    return found
