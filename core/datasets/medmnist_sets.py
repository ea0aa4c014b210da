"""The two-dimensional MedMNIST sets, in every published size."""

import hashlib
import shutil
import tomllib
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from core.datasets import reading
from core.datasets.download import CHUNK, download, md5_of, writing
from core.datasets.options import one_of, refuse_options
from core.datasets.spec import DatasetSpec, ImageSet, Part, Progress
from core.datasets.torchvision_sets import in_words
from core.errors import DataUnavailable
from core.files import place
from core.paths import cache_folder

CATALOG = Path(__file__).parent / "catalog" / "medmnist.toml"
EXTRA = 'pip install "invariscope[medmnist]"'


@dataclass(frozen=True, slots=True)
class MedmnistSet:
    """One set at one size.

    Attributes:
        spec: its id ends in the size, but for the smallest one.
        flag: name in the medmnist package.
        counts: published number of images by part.
        sizes: what there is, in pixels, the default first.
        size: side in pixels.
    """

    spec: DatasetSpec
    flag: str
    counts: dict[str, int]
    sizes: tuple[int, ...]
    size: int

    def variant(self, options: dict[str, str]) -> "MedmnistSet":
        """The set at `options["size"]` pixels.

        Raises:
            InvalidRequest: another option, or no published size.
        """
        refuse_options(self.spec.id, options, ("size",))
        if "size" not in options:
            return self
        size = int(one_of("size", options["size"], map(str, self.sizes)))
        if size == self.sizes[0]:
            return self
        label = f"{self.spec.label}, {size} px"
        return replace(self, size=size, spec=replace(self.spec, id=f"{self.flag}-{size}", label=label, megabytes=0.0))

    @property
    def _suffix(self) -> str:
        return "" if self.size == self.sizes[0] else f"_{self.size}"

    @property
    def address(self) -> str:
        """What opens it again."""
        return f"{self.flag}?size={self.size}" if self._suffix else self.flag

    def _file(self, root: Path) -> Path:
        return root / "medmnist" / f"{self.flag}{self._suffix}.npz"

    def _published(self) -> dict[str, Any]:
        """What the package says of the set.

        Raises:
            DataUnavailable: the package is not installed.
        """
        try:
            from medmnist.info import INFO
        except ImportError as error:
            raise DataUnavailable(
                f"{self.spec.label} needs the medmnist package, which knows its checksums and class names: "
                f"run '{EXTRA}'."
            ) from error
        return INFO[self.flag]

    def is_here(self, root: Path) -> bool:
        """Whether its file is there."""
        return self._file(root).is_file()

    def open(self, root: Path) -> ImageSet:
        """The set, memory-mapped: on the first call its file is checked and unpacked into the cache.

        Raises:
            DataUnavailable: the file or the package is absent, or the file is damaged.
        """
        published, file = self._published(), self._file(root)
        if not file.is_file():
            raise DataUnavailable(
                f"{self.spec.label} is not on this machine: run 'invariscope datasets --fetch \"{self.address}\"', "
                f"or put {file.name} of MedMNIST into {file.parent}."
            )
        md5 = published[f"MD5{self._suffix}"]
        folder = self._unpacked(file, md5)
        labels = {part: np.load(folder / f"{part}_labels.npy").reshape(-1).astype(np.int64) for part in self.counts}
        parts = {}
        for name, count in self.counts.items():
            images = np.load(folder / f"{name}_images.npy", mmap_mode="r")
            if not len(images) == len(labels[name]) == count or images.shape[1] != self.size:
                raise DataUnavailable(f"{file} does not hold what was published: remove it and fetch it again.")
            ids = tuple(f"{name}/{i:06d}" for i in range(count))
            parts[name] = Part(ids, labels[name], reading.array_reader(images))
        classes = tuple(published["label"][str(i)] for i in range(len(published["label"])))
        digest = hashlib.sha256(f"medmnist {self.flag} {self.size} {md5}".encode()).hexdigest()
        return ImageSet(self.spec, classes, parts, digest, self.address)

    def _unpacked(self, file: Path, md5: str) -> Path:
        """The folder of the arrays; the checksum is compared before anything is unpacked."""
        folder = cache_folder() / "medmnist" / md5
        names = [f"{part}_{kind}.npy" for part in self.counts for kind in ("images", "labels")]

        def whole() -> bool:
            return all((folder / name).is_file() for name in names)

        if whole():
            return folder
        with writing(folder, "INVARISCOPE_CACHE"):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_name(f"{md5}.lock")):
                if not whole():
                    _unpack(file, folder, names, md5)
        return folder

    def fetch(self, root: Path, progress: Progress) -> None:
        """Download the file, checked.

        Raises:
            DataUnavailable: the package is absent, there is no network, or what came is not what was published.
        """
        published, file = self._published(), self._file(root)
        download(published[f"url{self._suffix}"], file, published[f"MD5{self._suffix}"], progress)


def _unpack(file: Path, folder: Path, names: list[str], md5: str) -> None:
    if (found := md5_of(file)) != md5:
        raise DataUnavailable(
            f"{file} is not what was published: its MD5 is {found}, expected {md5}. Remove it and fetch it again."
        )
    partial = folder.with_name(f".{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        with zipfile.ZipFile(file) as archive:
            for name in names:
                with archive.open(name) as source, (partial / name).open("wb") as target:
                    shutil.copyfileobj(source, target, CHUNK)
        shutil.rmtree(folder, ignore_errors=True)  # what somebody has emptied
        place(partial, folder)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError) as error:
        raise DataUnavailable(f"{file} is damaged ({error}): remove it and fetch it again.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _catalog() -> dict[str, Any]:
    return tomllib.loads(CATALOG.read_text(encoding="utf-8"))


def left_out() -> dict[str, str]:
    """Why a set that people look for here is not offered, by its id."""
    return dict(_catalog()["left_out"])


def entries() -> dict[str, MedmnistSet]:
    """All sets of the catalog at their smallest size, by id."""
    catalog = _catalog()
    sizes = tuple(catalog["sizes"])
    shared = {key: catalog[key] for key in ("split_rule", "citation", "source", "domain", "metric")}
    found = {}
    for id, table in catalog["sets"].items():
        fields = dict(table)
        counts = fields.pop("counts")
        note = " ".join(filter(None, (fields.pop("note", ""), catalog["note"])))
        spec = DatasetSpec(id=id, images=in_words(counts), note=note, **shared, **fields)
        found[id] = MedmnistSet(spec, id, counts, sizes, sizes[0])
    return found
