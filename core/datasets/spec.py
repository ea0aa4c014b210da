"""What a data set is to this project: labelled images in parts, each sample with an id that never changes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Domain = Literal["source", "similar", "different", "unknown"]
Metric = Literal["top-1", "mean-per-class"]
Progress = Callable[[int, int], None]
DOMAINS: tuple[str, ...] = ("source", "similar", "different", "unknown")
METRICS: tuple[str, ...] = ("top-1", "mean-per-class")


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """What is known of a data set without opening it.

    Attributes:
        id: short; it stands in tables, links and file names.
        label: as people read it.
        domain: declared distance from what encoders are usually pre-trained on (ImageNet-like photographs):
            `source`, `similar`, `different`, or `unknown` when nobody declared one.
        metric: the customary figure, `top-1` or `mean-per-class`.
        split_rule: where the parts come from, as a sentence.
        licence: of the images; `unknown` when it is.
        citation: short reference.
        source: page of the data.
        classes: how many; None before it is opened.
        images: how many by part, in words; may be empty before it is opened.
        megabytes: to download, approximate; 0 when unknown or nothing is fetched.
        note: what a reader must know before trusting a number; may be empty.
    """

    id: str
    label: str
    domain: Domain
    metric: Metric
    split_rule: str
    licence: str
    citation: str
    source: str
    classes: int | None = None
    images: str = ""
    megabytes: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The samples of one part of a data set.

    Attributes:
        ids: stable and unique within the data set, such as `test/rose/0001.jpg`.
        labels: (N,) integers, indices into the classes.
        read: the pixels of sample i, (H, W, 3) uint8 RGB, read-only use. Raises UnreadableImage or ImageTooLarge,
            never another exception, for a sample that cannot be used.
        mask: where the object is in sample i, (H, W) bool in the picture's proportions, None for a sample without one;
            raises as `read`. None for a part without masks.
    """

    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    read: Callable[[int], NDArray[np.uint8]]
    mask: Callable[[int], NDArray[np.bool_] | None] | None = None

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.ids)


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """An opened data set: everything but pixels is in memory.

    Attributes:
        spec: what is known of it.
        classes: display names in label order, all different.
        parts: `train` and `test` always; `val` when the publishers have one.
        fingerprint: hex digest that changes when a file, a label or the order of samples does; part of every key.
        address: what opens it again (see `core.datasets.address`).
        skip_unreadable: whether samples that cannot be read are left out, and counted, rather than refused.
        checks: counts of what was found when it was opened, such as test images that training has too; None for what
            was not looked into.
    """

    spec: DatasetSpec
    classes: tuple[str, ...]
    parts: dict[str, Part]
    fingerprint: str
    address: str
    skip_unreadable: bool = False
    checks: dict[str, int | None] = field(default_factory=dict)


class Adapter(Protocol):
    """A data set that can be asked for by id."""

    @property
    def spec(self) -> DatasetSpec:
        """What is known of it without opening it."""

    def variant(self, options: dict[str, str]) -> "Adapter":
        """The same set with options of its own, such as `{"size": "224"}`; itself when there are none.

        Raises:
            InvalidRequest: an option or a value that the set does not know; the message lists what it knows.
        """

    def is_here(self, root: Path) -> bool:
        """Whether the files seem to be below the data folder; looks at names only, so that listing is quick."""

    def open(self, root: Path) -> ImageSet:
        """The data set from its files below the data folder.

        Raises:
            DataUnavailable: files are absent (the message says how to get them) or damaged.
        """

    def fetch(self, root: Path, progress: Progress) -> None:
        """Download what `open` needs, checked, and whole or not at all.

        Args:
            root: the data folder.
            progress: told (bytes done, bytes in all; 0 when unknown).

        Raises:
            DataUnavailable: no network, or what came is not what was published.
        """


@dataclass(frozen=True, slots=True)
class Address:
    """What names a data set: an id of the registry, or a folder or archive with options.

    Attributes:
        kind: `registry` or `folder`.
        target: the id, or the path as given.
        options: such as `{"domain": "different"}`.
    """

    kind: Literal["registry", "folder"]
    target: str
    options: dict[str, str] = field(default_factory=dict)
