"""Options of addresses: what is known, said in one way."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.datasets.spec import DOMAINS, METRICS
from core.errors import InvalidRequest

ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
TEXTS = ("label", "licence", "citation", "source", "note")
COLUMNS = ("file_column", "label_column", "split_column", "group_column")
CHOICES = {"unreadable": ("skip", "refuse"), "duplicates": ("drop", "keep")}
KNOWN = ("domain", "every", "id", "metric", "group", "labels", "encoding", "bands", *TEXTS, *COLUMNS, *CHOICES)
"""Options of a folder's address."""


@dataclass(frozen=True, slots=True)
class FolderOptions:
    """The options of a folder's address, checked.

    Attributes:
        given: what describes the set and was said by the user, by the name of the field.
        id: empty when not given.
        every: use one class in so many.
        skip_unreadable: leave unreadable images out rather than refuse the set.
        drop_duplicates: leave out test images that training has too, and images under labels that contradict.
        group: what keeps images together: `folder`, `none`, a regular expression, or empty for what is found.
        labels: path of a table of labels; empty for what is found.
        columns: of that table, by use (`file`, `label`, `split`, `group`); absent when to be guessed.
        encoding: of names in an archive; empty for what is found.
        bands: three bands, from 1, to show of images that have more; empty for what is found.
    """

    given: Mapping[str, str]
    id: str = ""
    every: int = 1
    skip_unreadable: bool = False
    drop_duplicates: bool = False
    group: str = ""
    labels: str = ""
    columns: Mapping[str, str] | None = None
    encoding: str = ""
    bands: tuple[int, ...] = ()


def parse_options(options: Mapping[str, str]) -> FolderOptions:
    """The options, checked.

    Raises:
        InvalidRequest: an option is not known or has a value that makes no sense; the message lists what is known.
    """
    strange = sorted(set(options) - set(KNOWN))
    if strange:
        raise InvalidRequest(f"A folder has no option {', '.join(strange)}. Known: {', '.join(sorted(KNOWN))}.")
    given = {name: options[name] for name in TEXTS if name in options}
    if "domain" in options:
        given["domain"] = one_of("domain", options["domain"], DOMAINS)
    if "metric" in options:
        given["metric"] = one_of("metric", options["metric"], METRICS)
    chosen = {name: one_of(name, options.get(name, values[1]), values) for name, values in CHOICES.items()}
    every = options.get("every", "1")
    if not re.fullmatch("[1-9][0-9]{0,5}", every):
        raise InvalidRequest(f"The option every takes a whole number from 1 on, not '{every}'.")
    id = options.get("id", "")
    if "id" in options and not ID.fullmatch(id):
        raise InvalidRequest(
            f"A data set cannot be called '{id}': use lower-case letters, digits, '_' and '-', at most 64."
        )
    return FolderOptions(
        given,
        id,
        int(every),
        chosen["unreadable"] == "skip",
        chosen["duplicates"] == "drop",
        _pattern(options.get("group", "")),
        options.get("labels", ""),
        {name.removesuffix("_column"): options[name] for name in COLUMNS if name in options},
        _encoding(options.get("encoding", "")),
        parse_bands(options.get("bands", "")),
    )


def parse_bands(text: str) -> tuple[int, ...]:
    """Three bands of `4,3,2` or `4-3-2`, counted from 1; none of an empty text.

    Raises:
        InvalidRequest: it is something else.
    """
    if text and not re.fullmatch(r"[1-9]\d{0,3}([,-][1-9]\d{0,3}){2}", text):
        raise InvalidRequest(
            f"Bands are three numbers from 1 on, for red, green and blue, such as 4,3,2, not '{text}'."
        )
    return tuple(map(int, re.findall(r"\d+", text)))


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise InvalidRequest(
            f"The option group takes folder, none, or a regular expression, and '{text}' is none: {error}."
        ) from error
    return text


def _encoding(text: str) -> str:
    try:
        "".encode(text or "utf-8")
    except LookupError as error:
        raise InvalidRequest(
            f"There is no encoding called '{text}': gbk, big5, shift_jis, euc_kr, cp866 and cp1251 are usual ones."
        ) from error
    return text


def refuse_options(id: str, options: Iterable[str], known: Iterable[str] = ()) -> None:
    """Nothing, when every option is known.

    Raises:
        InvalidRequest: one is not; the message lists those that are.
    """
    strange = sorted(set(options) - set(known))
    if strange:
        names = ", ".join(sorted(known))
        raise InvalidRequest(
            f"The data set {id} has no option {', '.join(strange)}. "
            + (f"Known: {names}." if names else "It has none.")
        )


def one_of(name: str, value: str, allowed: Iterable[str]) -> str:
    """The value of an option, when it is allowed.

    Raises:
        InvalidRequest: it is not; the message lists what is.
    """
    choices = list(allowed)
    if value not in choices:
        raise InvalidRequest(f"The option {name} takes {', '.join(choices)}, not '{value}'.")
    return value
