"""The image behind a row: a study stores answers and ids, and finds the pixels again where the data set is at hand."""

import hashlib
from dataclasses import dataclass, field

import numpy as np

from core.datasets.spec import ImageSet
from core.errors import ImageError
from core.images.image import SafeImage, working_copy
from core.paths import data_folder
from core.results.info import StudyInfo

HOW = (
    "Set INVARISCOPE_DATA to the folder that holds your data sets, or run the study again on a folder that is still "
    "there."
)


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """An opened data set, asked for samples by id.

    Attributes:
        images: the set.
        changed: whether it is no longer the set that the study read: a file, a label or the order differs.
        places: part and position of every sample, the test part's first.
    """

    images: ImageSet
    changed: bool
    places: dict[str, tuple[str, int]] = field(repr=False)

    def image(self, sample_id: str) -> SafeImage | None:
        """The image of a sample; None when the set has no such sample, or its file cannot be read.

        The digest is of the decoded pixels, since a set need not keep files.
        """
        place = self.places.get(sample_id)
        if place is None:
            return None
        try:
            pixels = np.ascontiguousarray(self.images.parts[place[0]].read(place[1]))
        except ImageError:
            return None
        pixels.setflags(write=False)
        height, width, _ = pixels.shape
        digest = hashlib.sha256(f"{height}x{width}\n".encode() + pixels.tobytes()).hexdigest()
        return working_copy(SafeImage(pixels, digest, width, height))


def open_gallery(address: str, fingerprint: str) -> Gallery:
    """The data set at an address, for looking samples up.

    Args:
        address: as a manifest has it.
        fingerprint: of the set that the study read.

    Raises:
        InvariscopeError: the set is not at hand.
    """
    from core.datasets.address import open_address  # pages that show no image need no data set

    images = open_address(address)
    parts = sorted(images.parts, key=lambda name: name != "test")
    places: dict[str, tuple[str, int]] = {}
    for name in parts:
        for position, id in enumerate(images.parts[name].ids):
            places.setdefault(id, (name, position))
    return Gallery(images, images.fingerprint != fingerprint, places)


def absent(info: StudyInfo, dataset: str, reason: str) -> tuple[str, str]:
    """That a study's images are not at hand, in one line; and where they are looked for and what brings them."""
    about = info.datasets[dataset]
    where = f"They are looked for at {about['address']}, data folder {data_folder()}."
    return f"The images of {about['label']} are not at hand: rows hold the recorded answers.", f"{where} {reason} {HOW}"
