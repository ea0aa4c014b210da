"""Licences that must be accepted before weights are downloaded, and the record of who accepted what when."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

import core
from core.errors import LicenceNotAccepted, UnknownName
from core.files import write_whole
from core.paths import weights_folder


@dataclass(frozen=True, slots=True)
class Terms:
    """A licence with conditions of its own. The summary is no substitute for the text.

    Attributes:
        id: short; what the catalog and the command line call it.
        name: its title.
        version: date or year of the text that is summarised; another one has to be accepted again.
        summary: what it allows and asks, in one or two sentences.
        forbidden: what it forbids.
        url: where the text is.
        non_commercial: whether it forbids commercial use.
    """

    id: str
    name: str
    version: str
    summary: str
    forbidden: str
    url: str
    non_commercial: bool = False


# CC-BY-NC and its like are marked wherever an encoder appears and ask for no click: Creative Commons licences hold by
# use and say so. These three are agreements with their publisher that name forbidden uses.
TERMS: Mapping[str, Terms] = {
    terms.id: terms
    for terms in (
        Terms(
            id="dinov3",
            name="DINOv3 License",
            version="2025-08-19",
            summary=(
                "Free use, also commercial. Publications must acknowledge DINOv3; who passes on the weights or "
                "anything derived from them does it under this same agreement, with a copy of it, and shows "
                "“Built with DINOv3”."
            ),
            forbidden=(
                "activities subject to ITAR and end uses that trade controls prohibit: military or warfare, nuclear, "
                "espionage, weapons; reverse engineering"
            ),
            url="https://ai.meta.com/resources/models-and-libraries/dinov3-license/",
        ),
        Terms(
            id="seer",
            name="SEER License Agreement",
            version="2022",
            summary=(
                "For non-commercial research only; personal and revocable. Copies and derivatives carry the licence "
                "and its attribution notice."
            ),
            forbidden=(
                "commercial or production use; military, law enforcement, border control, surveillance; biometric "
                "processing, identifying people, predicting sensitive characteristics; changing its terms"
            ),
            url="https://github.com/facebookresearch/vissl/blob/main/projects/SEER/MODEL_LICENSE.md",
            non_commercial=True,
        ),
        Terms(
            id="sapiens2",
            name="Sapiens2 License",
            version="2026",
            summary=(
                "Research and commercial use within its restrictions. Publications must acknowledge Sapiens2; what is "
                "passed on goes under this same licence, with a copy of it."
            ),
            forbidden=(
                "surveillance, biometric processing, military and other end uses that trade controls prohibit, "
                "operating critical infrastructure, unlicensed practice of a profession"
            ),
            url="https://github.com/facebookresearch/sapiens2/blob/main/LICENSE.md",
        ),
    )
}


def terms(id: str) -> Terms:
    """The licence called `id`.

    Raises:
        UnknownName: there is none.
    """
    if id not in TERMS:
        raise UnknownName("licence to accept", id, TERMS)
    return TERMS[id]


def record_path() -> Path:
    """The file that says which licences were accepted; it stands beside the weights they are about."""
    return weights_folder() / "accepted-licences.json"


def _record() -> dict[str, Any]:
    try:
        found = json.loads(record_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # A record that cannot be read accepts nothing: to be asked again harms nobody.
        return {}
    return found if isinstance(found, dict) else {}


def accepted(id: str) -> bool:
    """Whether this version of a licence was accepted for this weights folder.

    Raises:
        UnknownName: there is no such licence.
    """
    entry = _record().get(terms(id).id)
    return isinstance(entry, dict) and entry.get("version") == terms(id).version


def accept(id: str) -> Path:
    """Record that a licence was accepted, today, in its present version; the path of the record comes back.

    Raises:
        UnknownName: there is no such licence.
        LicenceNotAccepted: the record could not be written.
    """
    agreed, path = terms(id), record_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(path.name + ".lock")):
            entry = {
                "name": agreed.name,
                "version": agreed.version,
                "url": agreed.url,
                "accepted": datetime.now(UTC).date().isoformat(),
                "with": f"invariscope {core.__version__}",
            }
            record = json.dumps(_record() | {id: entry}, indent=2, ensure_ascii=False) + "\n"
            write_whole(path, record.encode())
    except OSError as error:
        raise LicenceNotAccepted(
            f"That {agreed.name} was accepted could not be recorded in {path}: {error.strerror or error}. Choose a "
            "folder that can be written with --weights-dir.",
            id,
        ) from error
    return path


def require(id: str, file: str) -> None:
    """Nothing, when a licence was accepted.

    Args:
        id: of the licence.
        file: what is to be downloaded, for the message.

    Raises:
        UnknownName: there is no such licence.
        LicenceNotAccepted: it was not accepted; the message says where to read it and how to accept it.
    """
    if not accepted(id):
        asked = terms(id)
        raise LicenceNotAccepted(
            f"{file} comes under the {asked.name}, which has to be accepted once. {asked.summary} Forbidden: "
            f"{asked.forbidden}. Read it at {asked.url}, then accept it on the Models page or with "
            f"'invariscope models accept {id}'.",
            id,
        )
