"""Addresses of data sets: `cifar10`, `pathmnist?size=224`, `folder:birds?domain=similar`, `folder:birds.zip`."""

import unicodedata
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote

from core.datasets import DATASETS
from core.datasets.folder import open_folder
from core.datasets.medmnist_sets import left_out
from core.datasets.options import one_of, parse_options
from core.datasets.spec import Adapter, Address, ImageSet
from core.errors import DataUnavailable, InvalidRequest, UnknownName
from core.paths import data_folder, expanded

FOLDER = "folder:"
SAFE = "/\\:~ @+()[]!$'=*;"
"""What may stand in a path as it is."""


def parse(address: str, root: Path | None = None) -> Address:
    """What an address names.

    With a data folder at hand, a path that exists as it was typed is that path, whatever letters it has:
    `folder:set?v=2` is the folder `set?v=2` where there is one. Otherwise `?` begins the options, and in the path and
    in values of options `?`, `&`, `,` and `%` are percent-encoded, as in web addresses.

    Args:
        address: as a person types it, or as `text_of` writes it.
        root: the data folder.

    Raises:
        InvalidRequest: it is empty, or its options are not `name=value`.
    """
    text = address.strip()
    folder = text.startswith(FOLDER)
    body, _, query = text.partition("?")
    target = unquote(body.removeprefix(FOLDER)) if folder else body
    if folder and root is not None:
        rest = text.removeprefix(FOLDER)
        ends = [len(rest), *(i for i in reversed(range(len(rest))) if rest[i] == "?")]
        for end, form in ((i, form) for i in ends for form in (rest[:i], unquote(rest[:i]))):
            if form and _place(form, root) is not None:
                target, query = form, rest[end + 1 :]
                break
    options: dict[str, str] = {}
    for item in filter(None, query.split("&")):
        name, equals, value = item.partition("=")
        if not equals or not name or name in options:
            raise InvalidRequest(
                f"The options of '{address}' cannot be read: write each once, as in '?domain=similar&every=2'."
            )
        options[name] = unquote(value)
    if not target:
        raise InvalidRequest(
            "An address names a data set, such as 'cifar10', or a folder or archive, such as 'folder:birds'."
        )
    return Address("folder" if folder else "registry", target, options)


def listed(text: str, root: Path) -> list[str]:
    """The addresses in a text that separates them by commas, where a path may have commas too.

    Args:
        text: such as `cifar10,folder:Birds, cropped?every=2`.
        root: the data folder: a comma belongs to a path that exists with it.
    """
    pieces, found, start = text.split(","), [], 0
    while start < len(pieces):
        stop = start + 1
        if pieces[start].strip().startswith(FOLDER):
            for longer in range(len(pieces), stop, -1):
                joined = ",".join(pieces[start:longer]).strip()
                target = parse(joined, root).target
                if target.count(",") >= longer - start - 1 and _place(target, root) is not None:
                    stop = longer
                    break
        found.append(",".join(pieces[start:stop]).strip())
        start = stop
    return list(dict.fromkeys(filter(None, found)))


def text_of(address: Address) -> str:
    """The address as text, which `parse` reads back."""
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in address.options.items())
    kind = FOLDER if address.kind == "folder" else ""
    return f"{kind}{quote(address.target, safe=SAFE)}{'?' if query else ''}{query}"


def adapter_of(address: Address) -> Adapter:
    """The set of the registry that an address names, with its own options.

    Raises:
        UnknownName: there is none of that id.
        InvalidRequest: it is left out for a reason, or has no such option.
    """
    why = left_out().get(address.target)
    if why:
        raise InvalidRequest(f"{address.target} is left out: it {why}.")
    if address.target not in DATASETS:
        if expanded(address.target, "The data set").exists():
            raise InvalidRequest(
                f"There is no data set called '{address.target}', but a path: write '{FOLDER}{address.target}'."
            )
        raise UnknownName("data set", address.target, DATASETS)
    own = {name: value for name, value in address.options.items() if name != "unreadable"}
    return DATASETS[address.target].variant(own)


def path_of(address: Address, root: Path) -> Path:
    """Where the folder or archive of an address is: below the data folder, else below the working directory.

    Raises:
        DataUnavailable: nowhere.
    """
    place = _place(address.target, root)
    if place is None:
        places = " or ".join(map(str, _places(address.target, root)))
        raise DataUnavailable(f"There is no folder or archive at {places}: check the path.")
    return place


def _places(target: str, root: Path) -> list[Path]:
    given = expanded(target, "The data set")
    return [given] if given.is_absolute() else [root / given, Path.cwd() / given]


def _place(target: str, root: Path) -> Path | None:
    # A keyboard may give the accents of a name in the other form than the disk has.
    forms = dict.fromkeys((target, *(unicodedata.normalize(form, target) for form in ("NFC", "NFD"))))
    try:
        return next((place for form in forms for place in _places(form, root) if place.exists()), None)
    except (OSError, ValueError, InvalidRequest):  # a name too long to be one, a null byte, an unknown `~user`
        return None


def open_address(address: str, root: Path | None = None) -> ImageSet:
    """The data set at an address: labels and ids in memory, pixels read one at a time.

    Args:
        address: `ID`, `ID?size=224`, or `folder:PATH?domain=different&every=2&id=birds&label=My%20birds`, where PATH is
            a folder or an archive.
        root: the data folder; the app's own by default.

    Raises:
        UnknownName: there is no such set.
        InvalidRequest: the address makes no sense; the message lists what it could say.
        DataUnavailable: files are absent (the message says how to get them), damaged, or no set of labelled images.
    """
    root = data_folder() if root is None else root
    found = parse(address, root)
    if found.kind == "folder":
        options = parse_options(found.options)
        return open_folder(path_of(found, root), options, text_of(found))
    adapter = adapter_of(found)
    skip = one_of("unreadable", found.options.get("unreadable", "refuse"), ("skip", "refuse")) == "skip"
    return replace(adapter.open(root), address=text_of(found), skip_unreadable=skip)
