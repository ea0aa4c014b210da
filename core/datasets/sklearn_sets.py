"""The image set that scikit-learn carries: always at hand, nothing to fetch."""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.datasets import reading, splits
from core.datasets.options import refuse_options
from core.datasets.spec import DatasetSpec, ImageSet, Part, Progress
from core.errors import DataUnavailable

SPEC = DatasetSpec(
    id="digits",
    label="Handwritten digits",
    domain="different",
    metric="top-1",
    split_rule="a fifth of each class for testing, chosen by a hash of the sample's number; no split was published",
    licence="CC BY 4.0",
    citation="Alpaydin and Kaynak 1998",
    source="https://archive.ics.uci.edu/dataset/80",
    classes=10,
    images="1,797 in all",
    note="Images of 8 × 8 pixels: a quick check that a study runs, and no more than that.",
)


@dataclass(frozen=True, slots=True)
class Digits:
    """Handwritten digits of 8 × 8 pixels."""

    spec: DatasetSpec = SPEC

    def variant(self, options: dict[str, str]) -> "Digits":
        """The set itself; it has no options.

        Raises:
            InvalidRequest: there are options.
        """
        refuse_options(self.spec.id, options)
        return self

    def is_here(self, _root: Path) -> bool:
        """Always."""
        return True

    def open(self, _root: Path) -> ImageSet:
        """The set; the data folder is not looked at.

        Raises:
            DataUnavailable: scikit-learn is not installed, or keeps the file elsewhere.
        """
        # The file that `load_digits` reads. scikit-learn takes a second to import, and the first page shows a digit.
        package = importlib.util.find_spec("sklearn")
        folders = (package.submodule_search_locations if package else None) or [""]
        file = Path(folders[0]) / "datasets" / "data" / "digits.csv.gz"
        if not file.is_file():
            raise DataUnavailable(f"scikit-learn's digits are not at {file}: install Invariscope's own scikit-learn.")
        rows = np.loadtxt(file, delimiter=",")
        # Sixteen grey levels, as counted in 4 × 4 blocks of the scans; ink is bright.
        images = np.rint(rows[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
        labels = rows[:, -1].astype(np.int64)
        numbers = [f"{i:04d}" for i in range(len(labels))]
        mask = splits.held_out(numbers, labels, splits.TEST_SHARE, salt="test")
        parts = {}
        for name, chosen in (("train", np.flatnonzero(~mask)), ("test", np.flatnonzero(mask))):
            ids = tuple(f"{name}/{numbers[i]}" for i in chosen)
            parts[name] = Part(ids, labels[chosen], reading.array_reader(images[chosen]))
        digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
        return ImageSet(self.spec, tuple(map(str, range(10))), parts, digest, self.spec.id)

    def fetch(self, root: Path, progress: Progress) -> None:
        """Nothing: it comes with scikit-learn."""
