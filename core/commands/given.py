"""What a sub-command that computes is given: the images of files and folders, and contenders by name."""

from pathlib import Path

import torch

from core.commands.common import fetch_progress, say
from core.datasets.clutter import told
from core.datasets.reading import file_bytes
from core.datasets.tree import is_image, scan
from core.doubts import doubts
from core.encoders.registry import encoder_spec
from core.errors import DataUnavailable, ImageError, UnreadableImage
from core.heads import store
from core.images.image import Fit, SafeImage, crop_told, framed
from core.images.opening import open_copy
from core.readout import Contender, shared_contender, shared_without_head
from core.tasks import task as label_space


def read_image(path: Path, fit: Fit = "crop", bands: tuple[int, ...] = ()) -> SafeImage:
    """The image in a file.

    Args:
        path: of the file.
        fit: how an oblong image meets a square input.
        bands: to show of one that has more than three.

    Raises:
        ImageError: there is no such file, or it is no usable image; the message names the file.
        InvalidRequest: the image has no such bands.
    """
    try:
        return framed(open_copy(file_bytes(path), bands), fit)
    except ImageError as error:
        raise type(error)(f"{path}: {error}") from error


def read_images(
    paths: list[str], fit: Fit = "crop", bands: tuple[int, ...] = ()
) -> tuple[list[tuple[Path, SafeImage]], int]:
    """The usable images among files and folders, and how many were not; each bad one is named on standard error.

    Of a folder, what belongs to a set of images is read, as a study would; what was left out is told.

    Raises:
        ImageError: none is usable.
        DataUnavailable: a folder holds no image.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            tree = scan(path)
            inside = [path / name for name in tree.files if is_image(name)]
            if not inside:
                raise DataUnavailable(f"{path} holds no image files.")
            if left_out := told(tree.left_out):
                say(f"{path}: {left_out}")
            found += inside
        else:
            found.append(path)
    images, bad = [], 0
    for path in found:
        try:
            images.append((path, read_image(path, fit, bands)))
        except ImageError as error:
            if len(found) == 1:
                raise
            bad += 1
            say(f"invariscope: {error}")
    if not images:
        raise UnreadableImage(f"None of the {len(found)} files is a usable image.")
    return images, bad


def remarks(image: SafeImage) -> list[str]:
    """What a person must know of how an image is shown, as sentences."""
    notes = [f"{note[0].upper()}{note[1:]}." for note in image.notes]
    return [*notes, *filter(None, (crop_told(image),))]


def open_contenders(ids: list[str], task: str, device: torch.device, headless: bool = False) -> list[Contender]:
    """The contenders called `ids`, fetched with progress when they are not here.

    Args:
        ids: of encoders.
        task: label space of the heads.
        device: to compute on.
        headless: whether an encoder that has no head for any task will do; it is told what is missing then.

    Raises:
        InvariscopeError: a name is unknown, a file is missing or wrong, or a head is needed and not there.
    """
    label_space(task)
    found = []
    for id in ids:
        if headless and not store.tasks_of(encoder_spec(id)):
            say(f"{id} has no head, so only its features are compared; {store.fit_command(id, task)} gives it one.")
            found.append(shared_without_head(id, device, fetch_progress(id)))
        else:
            found.append(shared_contender(id, task, device, fetch_progress(id)))
    for contender in found:
        for doubt in doubts(contender):
            say(f"{contender.encoder.spec.id} loaded, and may be untrained: {doubt}")
    return found
