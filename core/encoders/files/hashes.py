"""Whether a file is the one that is meant: against the catalog, and against what was fetched the first time."""

import hashlib
from pathlib import Path

from core.encoders.spec import WeightFile
from core.files import place, write_whole

BLOCK = 1 << 20


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests_of(path: Path, with_md5: bool) -> dict[str, str]:
    """SHA-256 and, when asked for, MD5 of a file in hex, from one pass over it.

    MD5 tells damage from wholeness where a publisher states nothing else; it guards against nobody.
    """
    if not with_md5:
        return {"SHA-256": sha256_of(path)}
    found = {"SHA-256": hashlib.sha256(), "MD5": hashlib.md5(usedforsecurity=False)}
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            for digest in found.values():
                digest.update(block)
    return {name: digest.hexdigest() for name, digest in found.items()}


def ledger_of(path: Path) -> Path:
    """The small file beside a weight file that keeps the SHA-256 of its first verified download."""
    return path.with_name(path.name + ".sha256")


def recorded(path: Path) -> str:
    """The SHA-256 a weight file had when it was fetched first; empty when it never was."""
    ledger = ledger_of(path)
    return ledger.read_text(encoding="ascii", errors="replace").strip() if ledger.is_file() else ""


def is_known(weights: WeightFile, path: Path) -> bool:
    """Whether anything is known that a file for `path` can be compared with."""
    return bool(weights.sha256 or weights.md5 or recorded(path))


def compare(file: Path, weights: WeightFile, path: Path, announced: str = "") -> tuple[str, str]:
    """The SHA-256 of a file, and what is wrong with it as a clause, empty when all that is known agrees.

    Args:
        file: the content, wherever it is now.
        weights: what the catalog says.
        path: where the file is or will be, beside its ledger.
        announced: SHA-256 that the server stated; may be empty.
    """
    found = digests_of(file, bool(weights.md5))
    for kind, expected, whose in (
        ("SHA-256", weights.sha256, "the catalog describes"),
        ("MD5", weights.md5, "the catalog describes"),
        ("SHA-256", recorded(path), "that was fetched first"),
        ("SHA-256", announced, "the server announced"),
    ):
        if expected and not found[kind].startswith(expected.lower()):
            clause = f"not the file {whose}: its {kind} starts {found[kind][:12]}, expected {expected[:12]}"
            return found["SHA-256"], clause
    return found["SHA-256"], ""


def keep(arrived: Path, path: Path, digest: str) -> None:
    """Give a checked file its name, whole or not at all, and record its SHA-256 for ever after."""
    write_whole(ledger_of(path), digest.encode())
    place(arrived, path)
