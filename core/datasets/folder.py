"""Any labelled image folder, or an archive of one, as a data set."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from core.datasets import archives, reading, splits, tars, torchvision_sets
from core.datasets.layout import Arrangement, arrange, unwrapped
from core.datasets.leaks import count_leaks
from core.datasets.options import one_of
from core.datasets.spec import DOMAINS, METRICS, DatasetSpec, ImageSet, Part
from core.datasets.tree import SUFFIXES as SUFFIXES
from core.datasets.tree import Tree, is_clutter, scan
from core.errors import DataUnavailable, InvalidRequest
from core.tasks import Task, tasks

VERSION = 1
"""Raise it when the same files should make another set."""

ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
TEXTS = ("label", "licence", "citation", "source", "note")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
OPTIONS = ("domain", "every", "id", "metric", "unreadable", *TEXTS)
"""Options of a folder's address."""


@dataclass(frozen=True, slots=True)
class FolderOptions:
    """The options of an address, checked.

    Attributes:
        given: what describes the set and was said by the user, by the name of the field.
        id: empty when not given.
        every: use one class in so many.
        skip_unreadable: leave unreadable images out rather than refuse the set.
    """

    given: dict[str, str]
    id: str = ""
    every: int = 1
    skip_unreadable: bool = False


def parse_options(options: Mapping[str, str]) -> FolderOptions:
    """The options, checked.

    Raises:
        InvalidRequest: an option is not known or has a value that makes no sense; the message lists what is known.
    """
    strange = sorted(set(options) - set(OPTIONS))
    if strange:
        raise InvalidRequest(f"A folder has no option {', '.join(strange)}. Known: {', '.join(sorted(OPTIONS))}.")
    given = {name: options[name] for name in TEXTS if name in options}
    if "domain" in options:
        given["domain"] = one_of("domain", options["domain"], DOMAINS)
    if "metric" in options:
        given["metric"] = one_of("metric", options["metric"], METRICS)
    if "unreadable" in options:
        one_of("unreadable", options["unreadable"], ("skip", "refuse"))
    every = options.get("every", "1")
    if not re.fullmatch("[1-9][0-9]{0,5}", every):
        raise InvalidRequest(f"The option every takes a whole number from 1 on, not '{every}'.")
    id = options.get("id", "")
    if "id" in options and not ID.fullmatch(id):
        raise InvalidRequest(
            f"A data set cannot be called '{id}': use lower-case letters, digits, '_' and '-', at most 64."
        )
    return FolderOptions(given, id, int(every), options.get("unreadable") == "skip")


def safe_id(name: str) -> str:
    """An id made of a file's name: lower-case letters, digits, `_` and `-`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_-]+", "-", plain).strip("-_")[:64] or "folder"


def open_tree(path: Path) -> Tree:
    """The files of a folder or of an archive, without a folder that wraps them all.

    Raises:
        DataUnavailable: it is neither, cannot be read, or is refused.
    """
    if path.is_dir():
        return unwrapped(scan(path))
    kind = archives.kind_of(path)
    if not kind:
        raise DataUnavailable(f"{path} is neither a folder nor a zip or tar archive of one.")
    return unwrapped(archives.open_zip(path) if kind == "zip" else tars.open_tar(path))


def here(root: Path) -> list[str]:
    """Names of the folders and archives below the data folder that are the user's own, sorted; none when there is none.

    Looks at names only: opening one may still find that it is no set of labelled images.
    """
    layouts = [adapter.layout for adapter in torchvision_sets.entries().values()]
    reserved = {(Path(layout.below) / layout.folder).parts[0] for layout in layouts} | {"medmnist", "uploads"}
    if not root.is_dir():
        return []
    return sorted(
        path.name
        for path in root.iterdir()
        if path.name not in reserved
        and not is_clutter(path.name)
        and (path.is_dir() or path.name.lower().endswith(ARCHIVES))
    )


def open_folder(path: Path, options: FolderOptions, address: str) -> ImageSet:
    """The data set in a folder or archive.

    Args:
        path: of the folder or archive.
        options: see `parse_options`.
        address: what opens it again.

    Raises:
        DataUnavailable: it is missing, refused, or no set of labelled images; the message says why in one sentence.
    """
    tree = open_tree(path)
    found = arrange(tree, path.name, options.every)
    parts, paths = _parts(tree, found)
    facts = [VERSION, options.every, found.folders, found.names, sorted(found.parts.items())]
    fingerprint = hashlib.sha256(f"{tree.fingerprint}\n{json.dumps(facts)}".encode()).hexdigest()
    others = [p for name, part in paths.items() if name != "test" for p in part]
    leaks = count_leaks(tree, paths["test"], others, fingerprint)
    notes = list(found.notes)
    if leaks is None:
        notes.append("Whether test images are among the training images too was not looked into: there are too many.")
    elif leaks:
        notes.append(
            f"{leaks:,} of {len(paths['test']):,} test images are byte for byte among the training images too: "
            "figures on this set flatter every encoder."
        )
    stem = path.name if path.is_dir() else path.name.partition(".")[0]
    spec = _spec(safe_id(stem), stem, found, options)
    note = " ".join(filter(None, (spec.note, *notes)))
    images = ", ".join(f"{len(part):,} {name}" for name, part in parts.items())
    spec = replace(spec, note=note, images=images, classes=len(found.names))
    return ImageSet(spec, found.names, parts, fingerprint, address, options.skip_unreadable)


def _parts(tree: Tree, found: Arrangement) -> tuple[dict[str, Part], dict[str, list[str]]]:
    """The parts, and the files of each."""
    samples = found.samples
    if not found.parts:
        rows = samples[""]
        labels = np.array([label for label, _, _ in rows], np.int64)
        names = [f"{found.folders[label]}/{rest}" for label, rest, _ in rows]
        mask = splits.held_out(names, labels, splits.TEST_SHARE, salt="test")
        samples = {
            name: [row for row, tested in zip(rows, mask, strict=True) if tested == (name == "test")]
            for name in ("train", "test")
        }
    parts, files = {}, {}
    for name, rows in samples.items():
        files[name] = [path for _, _, path in rows]
        ids = tuple(f"{name}/{found.folders[label]}/{rest}" for label, rest, _ in rows)
        parts[name] = Part(ids, np.array([label for label, _, _ in rows], np.int64), _reader(tree, files[name]))
    return parts, files


def _reader(tree: Tree, paths: list[str]) -> reading.Read:
    return lambda i: reading.decode(tree.read(paths[i]))


def _task(id: str, names: tuple[str, ...]) -> Task | None:
    """The task that has this id, `-` and `_` alike, and these classes."""
    same = (task for task in tasks().values() if task.id.replace("-", "_") == id.replace("-", "_"))
    return next((task for task in same if task.classes == names), None)


def _spec(id: str, stem: str, found: Arrangement, options: FolderOptions) -> DatasetSpec:
    task = _task(options.id or id, found.names)
    known = {"label": PurePosixPath(stem).name.replace("_", " "), "domain": "unknown", "licence": "unknown"}
    if task:
        known |= {"label": task.label, "domain": task.domain, "licence": task.licence}
        known |= {"source": task.source, "note": task.note}
    fields = {"metric": "top-1", "citation": "", "source": "", "note": ""} | known | options.given
    return DatasetSpec(
        id=options.id or (task.id if task else id),
        split_rule=found.split_rule,
        **fields,  # type: ignore[arg-type]  # domain and metric were checked against the same words
    )
