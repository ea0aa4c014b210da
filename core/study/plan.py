"""What a study is to do: contenders × data sets × protocols, as a file that reproduces it."""

import re
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from core.encoders.registry import encoder_spec
from core.errors import InvalidRequest, UnknownName
from core.study.measures import ANSWERS, MEASURES
from core.study.protocols import PROTOCOLS
from core.study.settings import Settings

MAX_SEEDS = 32
SEEDS = "seeds"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Plan:
    """A study before it is run; also what `study.toml` holds.

    Attributes:
        name: id of the study: lower-case letters, digits, `.`, `_`, `-`.
        encoders: ids.
        datasets: addresses (see `core.datasets.address`).
        protocols: ids.
        seeds: how many, where there is randomness: 0 to seeds − 1.
        title: as people read it.
        logits: whether to keep the logits of every sample in the side table.
        options: settings by protocol or measure id, such as `{"fine-tune": {"steps": 2000}}`. Any protocol may be
            given its own, smaller number of `seeds`.
        measures: what is measured: `answers`, which is what protocols give, and ids of `core.study.measures`.
    """

    name: str
    encoders: tuple[str, ...]
    datasets: tuple[str, ...]
    protocols: tuple[str, ...] = ("linear", "knn")
    seeds: int = 1
    title: str = ""
    logits: bool = True
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    measures: tuple[str, ...] = (ANSWERS,)

    def check(self) -> "Plan":
        """The plan itself, when every name in it is known.

        Raises:
            InvalidRequest: nothing to do, or a number out of range.
            UnknownName: an encoder, protocol or measure does not exist.
        """
        if not NAME.fullmatch(self.name):
            raise InvalidRequest(
                f"A study cannot be called '{self.name}': use lower-case letters, digits, '.', '_' and '-', at most 64."
            )
        for what, names in (
            ("encoder", self.encoders),
            ("data set", self.datasets),
            ("protocol", self.protocols),
            ("measure", self.measures),
        ):
            if not names:
                raise InvalidRequest(f"A study needs at least one {what}.")
            if len(set(names)) < len(names):
                raise InvalidRequest(f"A study names each {what} once; {', '.join(names)} repeats one.")
        for id in self.encoders:
            encoder_spec(id)
        for id in self.protocols:
            if id not in PROTOCOLS:
                raise UnknownName("protocol", id, PROTOCOLS)
        for id in self.measures:
            if id not in (ANSWERS, *MEASURES):
                raise UnknownName("measure", id, (ANSWERS, *MEASURES))
        for id, settings in self.options.items():
            if id not in PROTOCOLS and id not in MEASURES:
                raise UnknownName("protocol", id, (*PROTOCOLS, *MEASURES))
            known = (*PROTOCOLS[id].options, SEEDS) if id in PROTOCOLS else MEASURES[id].options
            if strange := sorted(set(settings) - set(known)):
                listed = ", ".join(known) or "none"
                kind = "protocol" if id in PROTOCOLS else "measure"
                raise InvalidRequest(f"The {kind} {id} has no option {', '.join(strange)}. Known: {listed}.")
        if not 1 <= self.seeds <= MAX_SEEDS:
            raise InvalidRequest(f"A study takes 1 to {MAX_SEEDS} seeds, not {self.seeds}.")
        return self

    def settings(self, id: str) -> dict[str, Any]:
        """What a protocol or measure is given; how often a protocol is asked is no business of its own."""
        own = self.options.get(id, {})
        return {name: value for name, value in own.items() if name != SEEDS} if id in PROTOCOLS else own

    def asked(self, protocol: str) -> int:
        """How many seeds a protocol is asked with."""
        return int(min(self.seeds, self.options.get(protocol, {}).get(SEEDS, self.seeds)))

    def check_options(self) -> None:
        """Nothing, when every option is in range; asked of what is to be run, while any plan can be read.

        Raises:
            InvalidRequest: one is not.
            UnknownName: one names what does not exist.
        """
        for id, given in self.options.items():
            (PROTOCOLS[id] if id in PROTOCOLS else MEASURES[id]).check(self.settings(id))
            if id in PROTOCOLS:
                Settings(f"protocol {id}", given, given).whole(SEEDS, 1, 1, MAX_SEEDS)


def read(path: Path) -> Plan:
    """The plan in a TOML file.

    Raises:
        InvalidRequest: the file is missing, or is no plan.
        UnknownName: it names what does not exist.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path} is no text: {error}.") from error
    return parse(text, str(path))


def parse(text: str, path: str) -> Plan:
    """The plan that a TOML text describes; `path` is what messages call it.

    Raises:
        InvalidRequest: it is no TOML, or no plan.
        UnknownName: it names what does not exist.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequest(f"{path} is no TOML file: {error}.") from error
    return of_table(table, path)


def of_table(table: dict[str, Any], path: str) -> Plan:
    """The plan that a table describes, as `table_of` gives it; `path` is what messages call it.

    Raises:
        InvalidRequest: it is no plan.
        UnknownName: it names what does not exist.
    """
    known = set(Plan.__dataclass_fields__)
    strange = sorted(set(table) - known)
    if strange:
        raise InvalidRequest(f"{path} has unknown settings: {', '.join(strange)}. Known: {', '.join(sorted(known))}.")
    try:
        for name in ("encoders", "datasets", "protocols", "measures"):
            if name in table:
                if not isinstance(table[name], list) or not all(isinstance(item, str) for item in table[name]):
                    raise TypeError(f"'{name}' is a list of names")
                table = table | {name: tuple(table[name])}
        return Plan(**table).check()
    except TypeError as error:
        raise InvalidRequest(f"{path} is no plan of a study: {error}.") from error


def table_of(plan: Plan) -> dict[str, Any]:
    """The plan as plain values."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(plan).items()}


def dump(plan: Plan) -> bytes:
    """The plan as TOML."""
    return tomli_w.dumps(table_of(plan)).encode()
