"""Any labelled image folder, or an archive of one, as a data set."""

import hashlib
import json
import re
import unicodedata
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from core.datasets import archives, clutter, duplicates, groups, object_masks, reading, tars, torchvision_sets
from core.datasets.groups import Sample, Samples
from core.datasets.layout import Arrangement, arrange, check_parts, split_by_hash, unwrapped
from core.datasets.options import FolderOptions
from core.datasets.spec import DatasetSpec, ImageSet, Part
from core.datasets.tree import Tree, scan
from core.errors import DataUnavailable, ImageError
from core.images.opening import open_image
from core.tasks import Task, tasks
from core.text import spoken

VERSION = 2
"""Raise it when the same files should make another set."""

KNOWN_AGAIN = "it is known again there, and figures flatter every encoder"
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


def safe_id(name: str) -> str:
    """An id made of a file's name: lower-case letters, digits, `_` and `-`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_-]+", "-", plain).strip("-_")[:64] or "folder"


def open_tree(path: Path, encoding: str = "") -> Tree:
    """The files of a folder or of an archive, without a folder that wraps them all.

    Args:
        path: of either.
        encoding: of the names in an archive; empty for what they say or look like.

    Raises:
        DataUnavailable: it is neither, cannot be read, or is refused.
    """
    if path.is_dir():
        return unwrapped(scan(path))
    kind = archives.kind_of(path)
    if not kind:
        raise DataUnavailable(f"{path} is neither a folder nor a zip or tar archive of one.")
    opened = archives.open_zip(path, encoding=encoding) if kind == "zip" else tars.open_tar(path, encoding=encoding)
    return unwrapped(opened)


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
        and not clutter.is_clutter(path.name)
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
    whole = open_tree(path, options.encoding)
    tree, masks = object_masks.taken_apart(whole)
    found = arrange(tree, path.name, options)
    parts, rule, notes = _split(found, options, path.name)
    facts = [VERSION, options.every, found.folders, found.names, options.bands]
    rows = {part: [(s.label, s.name, s.path) for s in samples] for part, samples in parts.items()}
    text = f"{tree.fingerprint}\n{json.dumps([*facts, rows])}"
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    twice = duplicates.find(tree, parts, fingerprint)
    notes += twice.told(len(parts["test"]), options.drop_duplicates)
    if options.drop_duplicates:
        parts, dropped = duplicates.without(parts, twice)
        check_parts(parts, found.folders, path.name)
        fingerprint = hashlib.sha256(f"{fingerprint}\ndropped {dropped}".encode()).hexdigest()
    read = {
        name: replace(
            _part(tree, name, samples, options.bands),
            mask=object_masks.of_paths([sample.path for sample in samples], masks, whole),
        )
        for name, samples in parts.items()
    }
    if masks:
        notes.append(f"{len(masks):,} images have a mask of their object in '{object_masks.FOLDER}'.")
    if said := _example(tree, parts["train"][0], options.bands):
        notes.append(said)
    stem = path.name if path.is_dir() else path.name.partition(".")[0]
    spec = _spec(safe_id(stem), stem, found, rule, options)
    note = " ".join(filter(None, (spec.note, *notes)))
    counted = ", ".join(f"{len(samples):,} {name}" for name, samples in parts.items())
    spec = replace(spec, note=note, images=counted, classes=len(found.names))
    checks = {"left_out": len(tree.left_out), **twice.counts()}
    return ImageSet(spec, found.names, read, fingerprint, address, options.skip_unreadable, checks)


def _split(found: Arrangement, options: FolderOptions, where: str) -> tuple[Samples, str, list[str]]:
    """The parts, where they come from, and what is to be said of images that belong together."""
    samples, by = groups.assign(found.samples, options.group)
    notes = list(found.notes)
    if "" in samples:
        parts, rule = groups.split(samples[""]), split_by_hash(by)
        if by:
            count = len({sample.group for sample in samples[""]} - {""})
            notes.append(f"{count:,} groups, by {by}, are each in one part.")
    else:
        parts, rule = samples, found.split_rule
    check_parts(parts, found.folders, where)
    both = groups.across(parts)
    if both:
        notes.append(f"{both:,} groups, by {by}, have images in the test part and in another: {KNOWN_AGAIN}.")
    elif not by and options.group != groups.NONE:
        count, both = groups.nested_across(parts)
        if both:
            notes.append(
                f"{both:,} of {count:,} folders below the classes have images in the test part and in another: if a "
                f"folder is a patient or a scene, {KNOWN_AGAIN}; 'group=folder' keeps each in one part."
            )
    return parts, rule, notes


def _part(tree: Tree, name: str, samples: list[Sample], bands: tuple[int, ...]) -> Part:
    ids = tuple(f"{name}/{sample.name}" for sample in samples)
    paths = [sample.path for sample in samples]
    labels = np.array([sample.label for sample in samples], np.int64)
    return Part(ids, labels, lambda i: reading.decode(tree.read(paths[i]), bands))


def _example(tree: Tree, sample: Sample, bands: tuple[int, ...]) -> str:
    """What was done to the first image to show it, as a sentence; empty when nothing was."""
    with suppress(ImageError):
        said = open_image(tree.read(sample.path), bands=bands).notes
        if said:
            return f"Images are not shown as they are stored; of {sample.path}: {'; '.join(said)}."
    return ""


def _task(id: str, names: tuple[str, ...]) -> Task | None:
    """The task that has this id, `-` and `_` alike, and these classes."""
    same = (task for task in tasks().values() if task.id.replace("-", "_") == id.replace("-", "_"))
    return next((task for task in same if task.classes == spoken(names)), None)


def _spec(id: str, stem: str, found: Arrangement, rule: str, options: FolderOptions) -> DatasetSpec:
    task = _task(options.id or id, found.names)
    known = {"label": PurePosixPath(stem).name.replace("_", " "), "domain": "unknown", "licence": "unknown"}
    if task:
        known |= {"label": task.label, "domain": task.domain, "licence": task.licence}
        known |= {"source": task.source, "note": task.note}
    fields = {"metric": "top-1", "citation": "", "source": "", "note": ""} | known | dict(options.given)
    return DatasetSpec(
        id=options.id or (task.id if task else id),
        split_rule=rule,
        **fields,  # type: ignore[arg-type]  # domain and metric were checked against the same words
    )
