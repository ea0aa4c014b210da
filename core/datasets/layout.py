"""What a tree of files says about classes and parts: `class/…` or `train|val|test/class/…`, or why it says neither."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from core.datasets import splits
from core.datasets.tree import SUFFIXES, WORDS, Entry, Tree, is_image
from core.errors import DataUnavailable, ImageError
from core.tasks import distinct_names

PARTS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Names of folders that are parts, in lower case."""

NAMED = 5  # classes that a message names


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How a tree is read.

    Attributes:
        folders: the class folders, in label order.
        names: display names, all different.
        parts: folder of each part, such as `{"train": "Training"}`; empty when the tree is to be split by hash.
        samples: (class index, path below the class folder, whole path) by part, sorted; `""` when to be split.
        notes: what was left out or read in another way, as sentences.
    """

    folders: tuple[str, ...]
    names: tuple[str, ...]
    parts: dict[str, str]
    samples: dict[str, list[tuple[int, str, str]]]
    notes: tuple[str, ...]

    @property
    def split_rule(self) -> str:
        """Where the parts come from, as a sentence."""
        if self.parts:
            return "folders of the data: " + ", ".join(f"{name} from '{path}'" for name, path in self.parts.items())
        return (
            f"{splits.TEST_SHARE:.0%} of each class for testing, chosen by a hash of the file name; "
            "the data has no split of its own"
        )


def unwrapped(tree: Tree) -> Tree:
    """The tree below a single folder that wraps everything else, as packed folders often come."""
    while True:
        top = {path.partition("/")[0] for path in tree.files} | {path.partition("/")[0] for path in tree.folders}
        if len(top) != 1:
            return tree
        (name,) = top
        prefix = f"{name}/"
        # A folder of images is a class, not a wrapper.
        if not any(f.startswith(prefix) for f in tree.folders) or any(
            "/" not in path.removeprefix(prefix) and is_image(path) for path in tree.files
        ):
            return tree
        tree = _below(tree, prefix)


def _below(tree: Tree, prefix: str) -> Tree:
    read = tree.read
    return replace(
        tree,
        files={p.removeprefix(prefix): e for p, e in tree.files.items() if p.startswith(prefix)},
        folders=frozenset(p.removeprefix(prefix) for p in tree.folders if p.startswith(prefix)),
        read=lambda path: read(prefix + path),
    )


def _listed(names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return ", ".join(f"'{name}'" for name in found[:NAMED]) + more


def _part_folders(top: list[str], where: str) -> dict[str, str]:
    """Folder of each part; empty when the folders are classes."""
    found: dict[str, str] = {}
    for folder in top:
        part = PARTS.get(folder.lower())
        if part and part in found:
            raise DataUnavailable(f"{where} has two folders for the part '{part}': '{found[part]}' and '{folder}'.")
        if part:
            found[part] = folder
    if "train" in found and len(found) > 1:
        if "test" not in found:
            found["test"] = found.pop("val")
        return {part: found[part] for part in ("train", "val", "test") if part in found}
    if found and len(found) == len(top):
        raise DataUnavailable(
            f"{where} has no folder 'train' beside {_listed(found.values())}: add it, or keep the class folders alone."
        )
    return {}


def _classes(tree: Tree, parent: str, where: str) -> list[str]:
    """The class folders right below a folder, sorted."""
    prefix = f"{parent}/" if parent else ""
    found = sorted(
        path.removeprefix(prefix)
        for path in tree.folders
        if path.startswith(prefix) and "/" not in path.removeprefix(prefix)
    )
    if not found:
        raise DataUnavailable(
            f"There are no class folders in {where + ('/' + parent if parent else '')}: expected one folder for each "
            "class, with its images inside, or such folders below 'train' and 'test'."
        )
    seen: dict[str, str] = {}
    for name in found:
        if name.casefold() in seen:
            raise DataUnavailable(
                f"The class folders '{seen[name.casefold()]}' and '{name}' in {where} differ by capital letters alone: "
                "join or rename them."
            )
        seen[name.casefold()] = name
    return found


def _display(tree: Tree, folders: list[str], where: str) -> tuple[str, ...]:
    if WORDS in tree.files:
        try:
            text = tree.read(WORDS).decode("utf-8")
        except (ImageError, UnicodeDecodeError) as error:
            raise DataUnavailable(f"{WORDS} of {where} cannot be read as text: save it as UTF-8.") from error
        table = dict(line.split("\t", 1) for line in text.splitlines() if "\t" in line)
        return distinct_names([table.get(name, name) for name in folders])
    names = tuple(name.replace("_", " ") for name in folders)
    shown: dict[str, str] = {}
    for folder, name in zip(folders, names, strict=True):
        if name.casefold() in shown:
            raise DataUnavailable(
                f"The class folders '{shown[name.casefold()]}' and '{folder}' in {where} would both be shown as "
                f"'{name}': rename one."
            )
        shown[name.casefold()] = folder
    return names


def arrange(tree: Tree, where: str, every: int = 1) -> Arrangement:
    """How a tree, already unwrapped, is read.

    Args:
        tree: the files.
        where: what messages call it.
        every: use the classes 0, `every`, 2 × `every` … of the sorted ones.

    Raises:
        DataUnavailable: it is no set of labelled images that an encoder could be compared on; the message says why.
    """
    images = {path: entry for path, entry in tree.files.items() if is_image(path)}
    if not images:
        raise DataUnavailable(f"{where} holds no images ({', '.join(sorted(SUFFIXES))}).")
    top = sorted(path for path in tree.folders if "/" not in path)
    parts = _part_folders(top, where)
    all_folders = _classes(tree, parts.get("train", ""), where)
    folders = all_folders[::every]
    if len(folders) < 2:
        chosen = f", when one in {every} is taken" if every > 1 and len(all_folders) > 1 else ""
        raise DataUnavailable(f"{where} has only one class, '{folders[0]}'{chosen}: two or more are needed.")
    names = _display(tree, folders, where)
    for part, folder in parts.items():
        if part != "train":
            _compare(all_folders, folders, _classes(tree, folder, where), part, where)
    index = {name: label for label, name in enumerate(folders)}
    samples: dict[str, list[tuple[int, str, str]]] = {}
    for part, parent in parts.items() if parts else [("", "")]:
        samples[part] = sorted(_samples(images, parent, index))
        _check_counts(samples[part], folders, part, where)
    return Arrangement(tuple(folders), names, parts, samples, _notes(images, top, parts))


def _compare(all_train: list[str], train: list[str], other: list[str], part: str, where: str) -> None:
    extra = set(other) - set(all_train)
    if extra:
        raise DataUnavailable(
            f"The {part} part of {where} has {_listed(extra)}, which the training part lacks: "
            "add training images, or remove the class."
        )
    missing = set(train) - set(other)
    if missing and part == "test":
        raise DataUnavailable(
            f"The {part} part of {where} lacks {_listed(missing)}, which the training part has: "
            "add test images, or remove the class."
        )


def _samples(images: dict[str, Entry], parent: str, index: dict[str, int]) -> Iterable[tuple[int, str, str]]:
    prefix = f"{parent}/" if parent else ""
    for path in images:
        if path.startswith(prefix):
            name, slash, rest = path.removeprefix(prefix).partition("/")
            if slash and name in index:
                yield index[name], rest, path


def _check_counts(samples: list[tuple[int, str, str]], folders: list[str], part: str, where: str) -> None:
    counts: defaultdict[int, int] = defaultdict(int)
    for label, _, _ in samples:
        counts[label] += 1
    empty = [name for label, name in enumerate(folders) if not counts[label]]
    if empty and part != "val":
        place = f"the {part} part of {where}" if part else where
        verb = "has" if len(empty) == 1 else "have"
        raise DataUnavailable(f"In {place}, {_listed(empty)} {verb} no images: add some, or remove the class.")
    single = [name for label, name in enumerate(folders) if counts[label] == 1]
    if single and not part:
        verb = "has" if len(single) == 1 else "have"
        raise DataUnavailable(
            f"In {where}, {_listed(single)} {verb} a single image, which cannot be in training and test part at once: "
            "add another, or remove the class."
        )


def _notes(images: dict[str, Entry], top: list[str], parts: dict[str, str]) -> tuple[str, ...]:
    depth = 2 if parts else 1
    roots = set(parts.values())
    loose = sum(
        1
        for path in images
        if len(PurePosixPath(path).parts) <= depth and (not parts or path.partition("/")[0] in {*roots, path})
    )
    notes = []
    if loose:
        were = "images outside of class folders were" if loose > 1 else "image outside of class folders was"
        notes.append(f"{loose:,} {were} left out.")
    others = sorted(set(top) - roots) if parts else []
    if others:
        notes.append(f"Folders beside the parts were left out: {_listed(others)}.")
    return tuple(notes)
