"""What a tree of files says about classes and parts: `class/…` or `train|val|test/class/…`, or why it says neither."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from core.datasets import splits, tables
from core.datasets.clutter import told
from core.datasets.groups import Sample, Samples
from core.datasets.naming import natural, same
from core.datasets.options import FolderOptions
from core.datasets.parts import PARTS, listed
from core.datasets.tables import Labelled
from core.datasets.tree import WORDS, Tree, is_image, is_table
from core.errors import DataUnavailable, ImageError
from core.images.formats import SUFFIXES
from core.tasks import distinct_names

DEFAULTS = FolderOptions({})


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How a tree is read.

    Attributes:
        folders: the class folders, or a table's words, in label order.
        names: display names, all different.
        split_rule: where the parts come from, as a sentence; empty when the samples are to be split.
        samples: by part, sorted; under `""` when to be split.
        notes: what was left out or read in another way, as sentences.
    """

    folders: tuple[str, ...]
    names: tuple[str, ...]
    split_rule: str
    samples: Samples
    notes: tuple[str, ...]


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


def arrange(tree: Tree, where: str, options: FolderOptions = DEFAULTS) -> Arrangement:
    """How a tree, already unwrapped, is read: by its folders, or by a table where that says what folders do not.

    Args:
        tree: the files.
        where: what messages call it.
        options: of the address; `every` takes the classes 0, `every`, 2 × `every` … of the sorted ones.

    Raises:
        DataUnavailable: it is no set of labelled images that an encoder could be compared on; the message says why.
    """
    if not any(map(is_image, tree.files)):
        raise DataUnavailable(f"{where} holds no images ({', '.join(sorted(SUFFIXES))}).{_others(tree)}")
    trouble: DataUnavailable | None = None
    labelled: Labelled | None = None
    try:
        labelled = tables.find(tree, where, options)
    except DataUnavailable as error:
        if options.labels:
            raise
        trouble = error  # the folders may say all that is needed
    if labelled and (options.labels or tables.mixes_folders(labelled)):
        return _by_table(labelled, tree, where, options)
    try:
        return _by_folders(tree, where, options)
    except DataUnavailable:
        if labelled:
            return _by_table(labelled, tree, where, options)
        if trouble:
            raise trouble from None
        raise


def _by_table(found: Labelled, tree: Tree, where: str, options: FolderOptions) -> Arrangement:
    classes = _chosen(list(found.classes), where, options.every)
    index = {name: label for label, name in enumerate(classes)}
    samples: Samples = {}
    for part, rows in found.samples.items():
        kept = [replace(s, label=index[name]) for s in rows if (name := found.classes[s.label]) in index]
        _check_counts(kept, classes, part, where)
        samples[part] = sorted(kept)
    notes = (*found.notes, *filter(None, (told(tree.left_out), tree.said)))
    return Arrangement(tuple(classes), distinct_names(classes), found.rule, samples, notes)


def _by_folders(tree: Tree, where: str, options: FolderOptions) -> Arrangement:
    top = sorted(path for path in tree.folders if "/" not in path)
    parts = _part_folders(top, where)
    all_folders = _classes(tree, parts.get("train", ""), where)
    folders = _chosen(all_folders, where, options.every)
    names = _display(tree, folders, where)
    for part, folder in parts.items():
        if part != "train":
            _compare(all_folders, folders, _classes(tree, folder, where), part, where)
    index = {same(name): label for label, name in enumerate(folders)}
    samples: Samples = {}
    for part, parent in parts.items() if parts else [("", "")]:
        samples[part] = sorted(_samples(tree, parent, folders, index))
        _check_counts(samples[part], folders, part, where)
    rule = "folders of the data: " + ", ".join(f"{name} from '{path}'" for name, path in parts.items())
    return Arrangement(tuple(folders), names, rule if parts else "", samples, _notes(tree, top, parts))


def split_by_hash(groups: str) -> str:
    """The rule of a split that the data does not have, as a sentence."""
    if groups:
        return f"about {splits.TEST_SHARE:.0%} of each class for testing, groups by {groups} kept in one part"
    return (
        f"{splits.TEST_SHARE:.0%} of each class for testing, chosen by a hash of the file name; "
        "the data has no split of its own"
    )


def check_parts(parts: Samples, folders: Sequence[str], where: str) -> None:
    """Nothing, when every class has images in the training and in the test part.

    Raises:
        DataUnavailable: one has none.
    """
    for part in ("train", "test"):
        _check_counts(parts.get(part, []), folders, part, where)


def _chosen(classes: list[str], where: str, every: int) -> list[str]:
    chosen = classes[::every]
    if len(chosen) < 2:
        why = f", when one in {every} is taken" if every > 1 and len(classes) > 1 else ""
        raise DataUnavailable(f"{where} has only one class, '{chosen[0]}'{why}: two or more are needed.")
    return chosen


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
            f"{where} has no folder 'train' beside {listed(found.values())}: add it, or keep the class folders alone."
        )
    return {}


def _classes(tree: Tree, parent: str, where: str) -> list[str]:
    """The class folders right below a folder, sorted."""
    prefix = f"{parent}/" if parent else ""
    found = sorted(
        (
            path.removeprefix(prefix)
            for path in tree.folders
            if path.startswith(prefix) and "/" not in path.removeprefix(prefix)
        ),
        key=natural,
    )
    if not found:
        raise DataUnavailable(
            f"There are no class folders in {where + ('/' + parent if parent else '')}: expected one folder for each "
            "class, with its images inside, or such folders below 'train' and 'test', or a table of labels."
        )
    seen: dict[str, str] = {}
    for name in found:
        key = same(name).casefold()
        if key in seen:
            how = "by the form of their accents" if same(seen[key]) == same(name) else "by capital letters"
            raise DataUnavailable(
                f"The class folders '{seen[key]}' and '{name}' in {where} differ {how} alone: join or rename them."
            )
        seen[key] = name
    return found


def _display(tree: Tree, folders: list[str], where: str) -> tuple[str, ...]:
    if WORDS in tree.files:
        try:
            text = tree.read(WORDS).decode("utf-8")
        except (ImageError, UnicodeDecodeError) as error:
            raise DataUnavailable(f"{WORDS} of {where} cannot be read as text: save it as UTF-8.") from error
        table = {same(a): b for a, b in (line.split("\t", 1) for line in text.splitlines() if "\t" in line)}
        return distinct_names([table.get(same(name), name) for name in folders])
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


def _compare(all_train: list[str], train: list[str], other: list[str], part: str, where: str) -> None:
    known, there = set(map(same, all_train)), set(map(same, other))
    extra = [name for name in other if same(name) not in known]
    if extra:
        raise DataUnavailable(
            f"The {part} part of {where} has {listed(extra)}, which the training part lacks: "
            "add training images, or remove the class."
        )
    missing = [name for name in train if same(name) not in there]
    if missing and part == "test":
        raise DataUnavailable(
            f"The {part} part of {where} lacks {listed(missing)}, which the training part has: "
            "add test images, or remove the class."
        )


def _samples(tree: Tree, parent: str, folders: list[str], index: dict[str, int]) -> Iterable[Sample]:
    prefix = f"{parent}/" if parent else ""
    for path in filter(is_image, tree.files):
        if path.startswith(prefix):
            name, slash, rest = path.removeprefix(prefix).partition("/")
            label = index.get(same(name))
            if slash and label is not None:
                # By the training part's form of the class's name, so that it stands in tables in one form.
                yield Sample(label, f"{folders[label]}/{rest}", path)


def _check_counts(samples: list[Sample], folders: Sequence[str], part: str, where: str) -> None:
    counts = Counter(sample.label for sample in samples)
    empty = [name for label, name in enumerate(folders) if not counts[label]]
    if empty and part != "val":
        place = f"the {part} part of {where}" if part else where
        verb = "has" if len(empty) == 1 else "have"
        raise DataUnavailable(f"In {place}, {listed(empty)} {verb} no images: add some, or remove the class.")
    single = [name for label, name in enumerate(folders) if counts[label] == 1]
    if single and not part:
        verb = "has" if len(single) == 1 else "have"
        raise DataUnavailable(
            f"In {where}, {listed(single)} {verb} a single image, which cannot be in training and test part at once: "
            "add another, or remove the class."
        )


def _others(tree: Tree) -> str:
    """The files that are neither images nor tables, by their endings, as a sentence; empty when there are none."""
    kinds = Counter(
        PurePosixPath(path).suffix.lower() or "no ending"
        for path in tree.files
        if not is_image(path) and not is_table(path)
    )
    if not kinds:
        return ""
    verb = "files that are no images were" if kinds.total() > 1 else "file that is no image was"
    named = ", ".join(kind for kind, _ in kinds.most_common(3)) + (", …" if len(kinds) > 3 else "")
    return f" {kinds.total():,} {verb} left out ({named})."


def _notes(tree: Tree, top: list[str], parts: dict[str, str]) -> tuple[str, ...]:
    depth = 2 if parts else 1
    roots = set(parts.values())
    loose = sum(
        1
        for path in filter(is_image, tree.files)
        if len(PurePosixPath(path).parts) <= depth and (not parts or path.partition("/")[0] in {*roots, path})
    )
    notes = []
    if loose:
        were = "images outside of class folders were" if loose > 1 else "image outside of class folders was"
        notes.append(f"{loose:,} {were} left out.")
    others = sorted(set(top) - roots) if parts else []
    if others:
        notes.append(f"Folders beside the parts were left out: {listed(others)}.")
    return (*notes, *filter(None, (_others(tree).strip(), told(tree.left_out), tree.said)))
