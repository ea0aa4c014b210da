"""Finds studies under the result roots."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from core.errors import DataUnavailable, InvalidRequest, InvariscopeError, UnknownName
from core.paths import result_roots
from core.results.info import StudyInfo, fault
from core.results.writing import filesystem, reason, transport_errors


@dataclass(frozen=True, slots=True)
class Trouble:
    """A folder that looks like a study, or a root, that cannot be read.

    Attributes:
        address: of it.
        reason: a sentence for people.
    """

    address: str
    reason: str


def survey(roots: list[str] | None = None) -> tuple[dict[str, StudyInfo], list[Trouble]]:
    """The readable studies by id, and what else is there but cannot be read, with the reason.

    The first root's studies come first; of two with one id the first root's counts. A folder without a manifest is no
    study, and a root that does not exist holds none: neither is a trouble.
    """
    found: dict[str, StudyInfo] = {}
    troubles: list[Trouble] = []
    for root in roots if roots is not None else result_roots():
        try:
            fs, path = filesystem(root)
            entries = sorted(fs.ls(path, detail=False)) if fs.isdir(path) else []
        except InvariscopeError as error:
            troubles.append(Trouble(root, str(error)))
            continue
        except transport_errors() as error:
            troubles.append(Trouble(root, f"{root} cannot be listed: {reason(error)}."))
            continue
        for entry in entries:
            name = entry.rstrip("/").rpartition("/")[2]
            manifest = f"{entry.rstrip('/')}/manifest.json"
            address = fs.unstrip_protocol(entry.rstrip("/"))
            if name.startswith("."):
                continue
            if name in found:
                hidden = f"Study '{name}' here is hidden by the one in {found[name].address}: rename its folder."
                troubles.append(Trouble(address, hidden))
                continue
            try:
                if not fs.isfile(manifest):
                    continue
                table, wrong = _read(fs.cat_file(manifest))
            except transport_errors() as error:
                wrong = f"its manifest.json cannot be read: {reason(error)}"
            except (ValueError, RecursionError):
                wrong = "its manifest.json is damaged: run the study again, which keeps the cells that are whole"
            if wrong is None:
                found[name] = StudyInfo(name, address, table)
            else:
                troubles.append(Trouble(address, f"Study '{name}' cannot be read: {wrong}."))
    return found, troubles


# Every figure of a page asks for its study: looking through what did not change took a tenth of a second each time.
@lru_cache(maxsize=16)
def _read(manifest: bytes) -> tuple[dict[str, Any], str | None]:
    """A manifest, which nobody may change, and what keeps it from being read."""
    table = json.loads(manifest)
    return table, fault(table)


def studies(roots: list[str] | None = None) -> dict[str, StudyInfo]:
    """All readable studies by id, the first root's first; `survey` also says what cannot be read."""
    return survey(roots)[0]


def free_name(id: str, address: str) -> None:
    """Nothing, when a study at an address would be found under its id.

    Raises:
        InvalidRequest: another study has that id, and would be shown instead.
    """
    taken = studies().get(id)
    if taken is not None and filesystem(taken.address)[1] != filesystem(address)[1]:
        raise InvalidRequest(f"There is a study called '{id}' in {taken.address}: give this one another name.")


def study(id: str, roots: list[str] | None = None) -> StudyInfo:
    """The study called `id`.

    Raises:
        DataUnavailable: it is there and cannot be read, or there is no study at all.
        UnknownName: there are others only.
    """
    known, troubles = survey(roots)
    if id in known:
        return known[id]
    for trouble in troubles:
        if trouble.address.rstrip("/").rpartition("/")[2] == id:
            raise DataUnavailable(trouble.reason)
    if not known:
        raise DataUnavailable(
            f"There is no study called '{id}', and no other. Run one with 'invariscope study', or name its folder in "
            "INVARISCOPE_RESULTS."
        )
    raise UnknownName("study", id, known)
