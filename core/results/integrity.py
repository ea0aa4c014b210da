"""Whether the files of a study are those that its manifest names: looked at once a version of each file.

Object stores keep checksums of their own, and are not asked.
"""

import hashlib
import os
from collections.abc import Iterable
from functools import lru_cache

from core.errors import DataUnavailable
from core.results.info import StudyInfo


def check(info: StudyInfo, files: Iterable[str]) -> None:
    """Nothing, when the files of a study in a folder have the hashes of its manifest, as far as it knows them.

    Raises:
        DataUnavailable: one has not: it is damaged, or the content is another file's.
    """
    known = {("", "distances"): info.manifest.get("distances", "")}
    for id, cell in info.cells.items():
        known |= {(folder, id): sha256 for folder, sha256 in cell.get("sha256", {}).items()}
    for path in files:
        name = os.path.basename(path).removesuffix(".parquet")
        folder = "" if name == "distances" else os.path.basename(os.path.dirname(path))
        expected = known.get((folder, name))
        facts = os.stat(path)
        if expected and expected != _sha256(path, (facts.st_ino, facts.st_size, facts.st_mtime_ns)):
            raise DataUnavailable(
                f"{path} is damaged: its content is not what the study's manifest says. Delete it and run the study "
                f"again: only {'the distances are' if name == 'distances' else 'this cell is'} computed."
            )


# As many as a page may ask for: some hundred cells of a few studies.
@lru_cache(maxsize=4096)
def _sha256(path: str, version: tuple[int, int, int]) -> str:  # noqa: ARG001 (part of the key)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
