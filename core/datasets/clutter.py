"""What lies in a folder and is none of the user's: the one rule of what belongs to a set of images."""

from collections import Counter
from collections.abc import Iterable

NAMED = 4  # kinds that a sentence names

CLUTTER = frozenset(
    {
        # Windows
        *("thumbs.db", "thumbs.db:encryptable", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"),
        *("$recycle.bin", "recycler", "system volume information", "found.000"),
        # macOS
        *("__macosx", "icon\r", "network trash folder", "temporary items", "resource.frk"),
        # network storage: Synology, QNAP
        *("@eadir", "@tmp", "@recycle", "@recently-snapshot", "@sharebin", "#recycle", "#snapshot"),
        # Linux, notebooks, version control
        *("lost+found", "__pycache__", "cvs"),
        # picture managers
        *("picasa.ini", "zbthumbnail.info", "synophoto_thumb"),
    }
)
"""What file managers, network disks and notebooks leave behind, in lower case; hidden names are left out too."""


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name is none of the user's: hidden, a sidecar, or a bin."""
    return name.startswith((".", "~$")) or name.lower() in CLUTTER


def told(left_out: Iterable[str]) -> str:
    """What was left out as a sentence, the most frequent names first; empty when nothing was.

    Args:
        left_out: paths; of a folder that was left out, the folder alone.
    """
    names: Counter[str] = Counter()
    for path in left_out:
        name = path.rpartition("/")[2]
        name = name if name.isprintable() else ascii(name)[1:-1]
        names["._*" if name.startswith("._") else name] += 1
    if not names:
        return ""
    listed = ", ".join(name for name, _ in names.most_common(NAMED)) + (", …" if len(names) > NAMED else "")
    count = sum(names.values())
    verb = "things of other programs were" if count > 1 else "thing of another program was"
    return f"{count:,} {verb} left out ({listed})."
