"""Labels in a table beside the images: which file, which columns, which image each row is about."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.datasets.groups import Sample, Samples
from core.datasets.legacy import text_of
from core.datasets.naming import natural, same
from core.datasets.options import FolderOptions
from core.datasets.parts import PARTS, listed, part_of_folder
from core.datasets.tree import WORDS, Tree, is_image, is_table
from core.errors import DataUnavailable, ImageError
from core.images.formats import SUFFIXES
from core.images.limits import MAX_BYTES

NAMES = {
    "label": (
        *("labelname", "classname", "categoryname", "label", "labels", "class", "classes", "category", "categories"),
        *("target", "diagnosis", "dx", "species", "breed", "disease", "variety", "cultivar", "labelid", "classid", "y"),
    ),
    "split": ("split", "set", "subset", "partition", "dataset", "part", "phase"),
    "group": ("group", "groupid", "patient", "patientid", "subject", "subjectid", "lesionid", "caseid", "studyid"),
}
"""What columns are usually called, letters and digits alone, the surer names first."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table and what its columns are for.

    Attributes:
        path: of its file.
        rows: (image path, label, split, group); the last two may be empty.
        columns: their names by use, as found.
        lost: rows that name no image of the tree, or have no label.
    """

    path: str
    rows: tuple[tuple[str, str, str, str], ...]
    columns: Mapping[str, str]
    lost: int


@dataclass(frozen=True, slots=True)
class Labelled:
    """Images with labels from tables: class names, samples by part (`""` to be split), and what is to be said."""

    classes: tuple[str, ...]
    samples: Samples
    rule: str
    notes: tuple[str, ...]


def find(tree: Tree, where: str, options: FolderOptions) -> Labelled | None:
    """What the tables of a tree say; None when no table says what images show.

    Raises:
        DataUnavailable: the table asked for is not there or says nothing of the kind; or one cannot be understood.
    """
    paths = sorted(path for path in tree.files if is_table(path) and path.rpartition("/")[2] != WORDS)
    if options.labels:
        known = {same(path): path for path in paths}
        asked = known.get(same(options.labels.replace("\\", "/").removeprefix("./")))
        if asked is None:
            raise DataUnavailable(f"{where} has no table '{options.labels}': it has {listed(paths) or 'none'}.")
        found = _read(tree, asked, where, options)
        if found is None:
            raise DataUnavailable(f"No column of {asked} in {where} names its images: check the table.")
        return _labelled([found], tree, where)
    tables, trouble = [], None
    for path in paths:
        try:
            table = _read(tree, path, where, options) if path.count("/") <= 1 else None
        except DataUnavailable as error:
            trouble = error  # another table may say all that is needed
        else:
            tables += [table] if table else []
    if trouble and not tables:
        raise trouble
    return _labelled(tables, tree, where) if tables else None


def mixes_folders(found: Labelled) -> bool:
    """Whether images of one folder have different labels, so that the folders are no classes."""
    labels: dict[str, int] = {}
    rows = (sample for part in found.samples.values() for sample in part)
    return any(labels.setdefault(row.path.rpartition("/")[0], row.label) != row.label for row in rows)


def _cells(tree: Tree, path: str, where: str) -> list[list[str]]:
    if tree.files[path].size > MAX_BYTES:
        raise DataUnavailable(f"{path} of {where} has over {MAX_BYTES >> 20} MB: keep the columns that are needed.")
    try:
        text = text_of(tree.read(path))
    except (ImageError, UnicodeDecodeError) as error:
        raise DataUnavailable(f"{path} of {where} cannot be read as text: save it as CSV in UTF-8.") from error
    head = text.partition("\n")[0]
    delimiter = max(",;\t|", key=head.count)
    try:
        return [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), delimiter=delimiter) if row]
    except csv.Error as error:
        raise DataUnavailable(f"{path} of {where} is no CSV table: {error}.") from error


class _Images:
    """The images of a tree by every ending of their path, with and without the suffix, capital letters aside."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._known: dict[str, str] = {}
        for path in paths:
            key = same(path).casefold()
            stem, dot, suffix = key.rpartition(".")
            for name in (key, stem) if dot and f".{suffix}" in SUFFIXES else (key,):
                pieces = name.split("/")
                for start in range(len(pieces)):
                    ending = "/".join(pieces[start:])
                    # Of several images of one name none is meant, until a folder tells them apart.
                    self._known[ending] = path if self._known.get(ending, path) == path else ""

    def find(self, cell: str) -> str:
        """The path of the image that a cell names; empty when none, or not one alone."""
        name = same(cell).casefold().replace("\\", "/").removeprefix("./").lstrip("/")
        while name and name not in self._known and "/" in name:  # folders of another machine
            name = name.partition("/")[2]
        return self._known.get(name, "") if name else ""


def _read(tree: Tree, path: str, where: str, options: FolderOptions) -> Table | None:
    """The table in a file; None when it is about something else than the images.

    Raises:
        DataUnavailable: it is about images, and which column is the label cannot be told.
    """
    cells = _cells(tree, path, where)
    paths = [image for image in tree.files if is_image(image)]
    part = PARTS.get(path.rpartition("/")[2].partition(".")[0].lower())
    inside = [image for image in paths if part and part_of_folder(image.partition("/")[0]) == part]
    images = _Images(inside or paths)
    width = Counter(map(len, cells)).most_common(1)[0][0] if cells else 0
    headless = any(images.find(cell) for cell in cells[0]) if cells else False
    header = [str(n + 1) for n in range(width)] if headless else (cells[0] if cells else [])
    columns = {
        name: [row[i] for row in cells[not headless :] if len(row) == len(header)] for i, name in enumerate(header)
    }
    if len(columns) < 2 or not any(columns.values()):
        return None
    chosen = dict(options.columns or {})
    for use, name in chosen.items():
        if name not in columns:
            raise DataUnavailable(f"{path} of {where} has no column '{name}' ({use}): it has {listed(header)}.")
    hits = {name: sum(bool(images.find(cell)) for cell in column) for name, column in columns.items()}
    file = chosen.get("file") or max(hits, key=lambda name: hits[name])
    if hits[file] < max(1, len(columns[file]) // 2):
        return None
    used = {"file": file}
    for use in ("split", "group", "label"):
        guess = chosen.get(use) or _named(columns, use, set(used.values()))
        if guess and (use != "split" or chosen.get(use) or _is_split(columns[guess])):
            used[use] = guess
    labels = columns.get(used.get("label", "")) or _one_hot(columns, set(used.values()))
    if labels is None:
        used["label"] = _only(columns, set(used.values()))
        if not used["label"]:
            if part == "test":
                return None
            raise DataUnavailable(
                f"Which column of {path} in {where} is the label cannot be told: it has {listed(header)}, and "
                "'label_column=…' says it."
            )
        labels = columns[used["label"]]
    used.setdefault("label", "one column for each class")
    blank = [""] * len(labels)
    rows = zip(
        columns[file], labels, *(columns.get(used.get(use, ""), blank) for use in ("split", "group")), strict=True
    )
    found = [(images.find(cell), label, split or part or "", group) for cell, label, split, group in rows]
    kept = tuple(row for row in found if row[0] and row[1])
    return Table(path, kept, used, len(found) - len(kept)) if kept else None


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _named(columns: Mapping[str, list[str]], use: str, taken: set[str]) -> str:
    """The column called as such columns usually are; empty when none is."""
    plain = {_plain(name): name for name in columns if name not in taken and len(set(columns[name])) > 1}
    return next((plain[word] for word in NAMES[use] if word in plain), "")


def _is_split(column: list[str]) -> bool:
    return all(cell.lower() in PARTS for cell in column)


def _one_hot(columns: Mapping[str, list[str]], taken: set[str]) -> list[str] | None:
    """The names of the columns that hold the one 1 of each row; None when columns are no such thing."""
    names = [
        name
        for name, column in columns.items()
        if name not in taken and set(column) <= {"0", "1", "0.0", "1.0"} and len(set(column)) > 1
    ]
    rows = list(zip(*(columns[name] for name in names), strict=True))
    if len(names) < 2 or any(sum(map(float, row)) != 1 for row in rows):
        return None
    return [next(name for name, cell in zip(names, row, strict=True) if float(cell)) for row in rows]


def _only(columns: Mapping[str, list[str]], taken: set[str]) -> str:
    """The one column left that could be labels: more than one value, and values that come again; empty when none."""
    left = [name for name, column in columns.items() if name not in taken and 1 < len(set(column)) <= len(column) / 2]
    return left[0] if len(left) == 1 else ""


def _labelled(tables: list[Table], tree: Tree, where: str) -> Labelled:
    labels: dict[str, tuple[str, str, str]] = {}
    for table in tables:
        for path, label, split, group in table.rows:
            before = labels.setdefault(path, (label, split, group))
            if before[0] != label:
                raise DataUnavailable(
                    f"{table.path} of {where} gives {path} two labels, '{before[0]}' and '{label}': keep one row for "
                    "each image."
                )
    forms: dict[str, str] = {}
    for label, _, _ in labels.values():
        forms.setdefault(same(label), label)
    classes = sorted(forms.values(), key=natural)
    index = {same(name): i for i, name in enumerate(classes)}
    named = {part_of_folder(path.partition("/")[0]) for path in labels}
    by_folder = len(named) > 1 and "" not in named
    samples: Samples = {}
    for path, (label, split, group) in labels.items():
        part = PARTS.get(split.lower(), "") or (part_of_folder(path.partition("/")[0]) if by_folder else "")
        samples.setdefault(part, []).append(Sample(index[same(label)], path, path, group))
    if set(samples) == {"train"} or "train" not in samples:
        samples = {"": [row for rows in samples.values() for row in rows]}
    if "" not in samples and "test" not in samples:
        samples["test"] = samples.pop("val")
    said = [f"Labels from {t.path}: {_uses(t.columns)}." for t in tables]
    lost = sum(table.lost for table in tables)
    if lost:
        said.append(f"{lost:,} rows without a label, or about images that are not there, were left out.")
    others = sum(map(is_image, tree.files)) - len(labels)
    if others:
        said.append(f"{others:,} images that no table names were left out.")
    ordered: Samples = {part: sorted(samples[part]) for part in ("", *dict.fromkeys(PARTS.values())) if part in samples}
    return Labelled(tuple(classes), ordered, "parts as the tables say" if "" not in samples else "", tuple(said))


def _uses(columns: Mapping[str, str]) -> str:
    order = [use for use in ("file", "label", "split", "group") if use in columns]
    return ", ".join(f"{use} from '{columns[use]}'" for use in order)
