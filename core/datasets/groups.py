"""Images that belong together, such as the slices of one patient: found, and kept on one side of a split.

A split by image that puts a patient on both sides asks how well the patient is known again, and flatters every figure.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from core.datasets import splits
from core.errors import InvalidRequest

FOLDER, NONE = "folder", "none"
ENOUGH = 5
"""Groups that each class must have for folders below classes to decide the split unasked."""


@dataclass(frozen=True, slots=True, order=True)
class Sample:
    """An image of a tree: its class, its name below the part, its path, and what it belongs to (empty: nothing)."""

    label: int
    name: str
    path: str
    group: str = ""


Samples = dict[str, list[Sample]]
"""Samples by part, sorted; under `""` when still to be split."""


def assign(samples: Samples, how: str) -> tuple[Samples, str]:
    """The samples with their groups, and where these come from, as the words after "groups by"; empty without groups.

    Args:
        samples: with the groups that a table names, if it names any.
        how: the option `group` of an address.

    Raises:
        InvalidRequest: the regular expression, or the folders, give no groups.
    """
    every = [sample for part in samples.values() for sample in part]
    if how == NONE:
        return {part: [replace(sample, group="") for sample in found] for part, found in samples.items()}, ""
    if how not in ("", FOLDER):
        found = _by_pattern(samples, re.compile(how))
        return found, f"'{how}'"
    if any(sample.group for sample in every) and not how:
        return samples, "the table's column"
    nested = _by_folder(samples)
    count = defaultdict(set)
    for sample in (sample for part in nested.values() for sample in part):
        count[sample.label].add(sample.group)
    whole = all(sample.group for part in nested.values() for sample in part)
    if how == FOLDER:
        if not any(any(names - {""}) for names in count.values()):
            raise InvalidRequest("There are no folders below the classes to group by: leave 'group=folder' out.")
        return nested, "the folders below the classes"
    if whole and "" in samples and all(len(names) >= ENOUGH for names in count.values()):
        return nested, "the folders below the classes"
    return samples, ""


def _by_folder(samples: Samples) -> Samples:
    """Groups by the first folder below the class; of one name, they are one group in whichever class."""

    def group(sample: Sample) -> str:
        pieces = sample.name.split("/")
        return pieces[1] if len(pieces) > 2 else ""

    return {part: [replace(sample, group=group(sample)) for sample in found] for part, found in samples.items()}


def _by_pattern(samples: Samples, pattern: re.Pattern[str]) -> Samples:
    def group(sample: Sample) -> str:
        match = pattern.search(sample.name)
        return (match.group(1 if pattern.groups else 0) or "") if match else ""

    found = {part: [replace(sample, group=group(sample)) for sample in rows] for part, rows in samples.items()}
    if not any(sample.group for rows in found.values() for sample in rows):
        example = next(sample.name for rows in found.values() for sample in rows)
        raise InvalidRequest(
            f"The option group, '{pattern.pattern}', is found in no name, such as '{example}': write a regular "
            "expression whose first group, or whole, names what belongs together."
        )
    return found


def split(rows: list[Sample]) -> Samples:
    """A training and a test part, by a hash of names; with groups, a validation part too, and no group in two parts.

    Of a group of its own is each sample without a group.
    """
    labels = np.array([sample.label for sample in rows], np.int64)
    if not any(sample.group for sample in rows):
        tested = splits.held_out([sample.name for sample in rows], labels, splits.TEST_SHARE, salt="test")
        return _parted(rows, np.where(tested, "test", "train"))
    names = [sample.group or f"/{sample.name}" for sample in rows]
    tested = splits.groups_held_out(names, labels, splits.TEST_SHARE, salt="test")
    if missing := sorted(set(labels.tolist()) - set(labels[tested].tolist())):
        example = next(sample.name for sample in rows if sample.label == missing[0])
        raise InvalidRequest(
            f"{len(missing)} class(es), such as that of '{example}', have one group alone, which cannot be in training "
            "and test part at once: give the set parts of its own, or write 'group=none'."
        )
    parts = np.where(tested, "test", "train")
    rest = np.flatnonzero(~tested)
    held = splits.groups_held_out([names[i] for i in rest], labels[rest])
    if set(labels[rest][held].tolist()) == set(labels.tolist()):
        parts[rest[held]] = "val"
    return _parted(rows, parts)


def _parted(rows: list[Sample], parts: "np.ndarray") -> Samples:
    order = [name for name in ("train", "val", "test") if name in parts]
    return {name: [row for row, part in zip(rows, parts, strict=True) if part == name] for name in order}


def across(parts: Samples) -> int:
    """How many groups have images in the test part and in another one."""

    def names(rows: Iterable[Sample]) -> set[str]:
        return {sample.group for sample in rows} - {""}

    return len(names(parts["test"]) & names(s for name, rows in parts.items() if name != "test" for s in rows))


def nested_across(parts: Samples) -> tuple[int, int]:
    """How many folders below classes there are, and how many have images in the test part and in another one.

    (0, 0) when every class has at most one such folder, which groups nothing.
    """
    nested = _by_folder(parts)
    per_class = defaultdict(set)
    for sample in (sample for rows in nested.values() for sample in rows):
        per_class[sample.label].add(sample.group)
    if all(len(names - {""}) < 2 for names in per_class.values()):
        return 0, 0
    return len(set().union(*per_class.values()) - {""}), across(nested)
