"""The bound state of a figure, read as its page reads its address, but for one thing: what is not here is said.

A page shows its default where an address names what is not here; a talk must never show another picture.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pandas as pd
import plotly.graph_objects as go

from core import pipeline, samples
from core.encoders.registry import encoder_spec
from core.errors import DataUnavailable, InvalidRequest, UnknownName, WeightsUnavailable
from core.heads import store as heads
from core.images.image import SafeImage
from core.plots import study
from core.plots.style import Style, short_labels, styles
from core.readout import Contender
from core.results import choices, pairs, store
from core.results.info import StudyInfo
from core.study.protocols import PROTOCOLS
from core.talk.parts import Chart, Drawn
from core.talk.stories import Value
from core.tasks import Task, task

FROM_THE_ROOM = "A picture from the room"
T = TypeVar("T")
Ask = Callable[..., Any]
"""Gives `compute(info, *arguments)` of (info, compute, *arguments), from a cache where it has one."""


def asked_once() -> Ask:
    """Computes what is asked of a study once, for several figures of one file."""
    found: dict[tuple[Any, ...], Any] = {}

    def ask(info: StudyInfo, compute: Callable[..., T], *arguments: Any) -> T:
        key = (info.version, compute.__module__, compute.__qualname__, arguments)
        if key not in found:
            found[key] = compute(info, *arguments)
        answer: T = found[key]
        return answer

    return ask


@dataclass(frozen=True, slots=True)
class View:
    """Parameters by name; each is read once, with its default and what it may be.

    Attributes:
        values: the parameters.
        picture: of somebody in the room, in the place of the sample; it is in no address.
        ask: through which numbers of a study are asked.
        dark: whether the figure is for a dark page.
    """

    values: Mapping[str, Value]
    picture: SafeImage | None = None
    ask: Ask = field(default_factory=asked_once)
    dark: bool = False

    def text(self, key: str, default: str, known: Iterable[str] | None = None, kind: str = "") -> str:
        """A word.

        Raises:
            UnknownName: it is none of those `known`.
            InvalidRequest: it is no text.
        """
        value = self.values.get(key, default)
        if not isinstance(value, str):
            raise InvalidRequest(f"'{key}' is a text here, not {value}.")
        if known is not None and value not in (options := list(known)):
            raise UnknownName(kind or key, value, options)
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise InvalidRequest(f"'{key}' is true or false here, not {value}.")
        return value

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise InvalidRequest(f"'{key}' is a number from {low:g} to {high:g} here, not {value}.")
        return value


@dataclass(frozen=True, slots=True)
class OnStudy:
    """A study with what its pages share: protocol, the two contenders, and how encoders are called and drawn.

    `first` and `second` are the same where the study has one contender by the protocol.
    """

    info: StudyInfo
    protocol: str
    first: str
    second: str
    names: Mapping[str, str]
    look: Mapping[str, Style]
    through: Ask

    @property
    def pair(self) -> tuple[str, str]:
        """Both ids; differences are the second minus the first."""
        return self.first, self.second

    @property
    def both(self) -> tuple[str, str]:
        """Names of both."""
        return self.names[self.first], self.names[self.second]

    @property
    def paired(self) -> pd.DataFrame:
        """Paired tests of the two; empty of one."""
        if self.first == self.second:
            return pd.DataFrame(columns=list(pairs.PAIRED))
        found: pd.DataFrame = self.ask(pairs.paired, self.protocol, *self.pair)
        return found

    @property
    def protocol_label(self) -> str:
        """The protocol as people read it."""
        return PROTOCOLS[self.protocol].label if self.protocol in PROTOCOLS else self.protocol

    def label(self, dataset: str) -> str:
        """A data set as people read it."""
        return str(self.info.datasets[dataset]["label"])

    def drawn(self, said: str, figure: go.Figure, alt: str, table: pd.DataFrame, name: str, note: str = "") -> Drawn:
        """A figure of one chart; arguments as of `Chart` and `Drawn`."""
        return Drawn(said, (Chart(figure, alt, table, name),), self.source, note)

    def ask(self, compute: Callable[..., T], *arguments: Any) -> T:
        """`compute(info, *arguments)`."""
        found: T = self.through(self.info, compute, *arguments)
        return found

    def dataset(self, view: View, key: str, among: list[str], default: str = "") -> str:
        """A data set of the study that has what the figure shows.

        Raises:
            UnknownName: the view names another one.
            DataUnavailable: none has.
        """
        if not among:
            raise DataUnavailable(f"Study '{self.info.id}' holds nothing of this figure for {' and '.join(self.pair)}.")
        return view.text(key, default or among[0], [*among, *([default] if default else [])], "data set in this study")

    @property
    def source(self) -> str:
        """Where the numbers come from, in a line."""
        weights = ", ".join(f"{id} {str(self.info.encoders[id].get('weights', ''))[:8]}" for id in self.pair)
        return f"Study {self.info.id}, {str(self.info.manifest['updated'])[:10]}, {self.protocol}. Weights: {weights}."


def on_study(view: View, alone: bool = False) -> OnStudy:
    """The study of a view.

    Args:
        view: names it.
        alone: whether one contender is enough, where a study has no second one.

    Raises:
        InvariscopeError: the study, its version, the protocol or a contender is not here.
    """
    info = store.study(view.text("study", next(iter(store.studies()), "")))
    version = view.text("version", info.manifest["updated"])
    if version != info.manifest["updated"]:
        raise DataUnavailable(f"Study '{info.id}' is here as of {info.manifest['updated']}, not as of {version}.")
    known = choices.protocols(info)
    if not known:
        raise DataUnavailable(f"Study '{info.id}' has no results yet.")
    protocol = view.text("protocol", known[0], known, "protocol in this study")
    ids = choices.contenders(info, protocol)
    first = view.text("first", choices.first(info, ids), ids, "contender in this study")
    second = view.text("second", choices.second(info, ids, first), ids, "contender in this study")
    if first == second and not (alone and len(ids) == 1):
        raise DataUnavailable(f"This figure compares two contenders; {first} would stand beside itself.")
    nets = study.encoders_of(info)
    return OnStudy(info, protocol, first, second, short_labels(nets), styles(nets), view.ask)


@dataclass(frozen=True, slots=True)
class OnImage:
    """A picture with what the pages about one image share; `credit` says whose it is."""

    image: SafeImage
    title: str
    credit: str
    truth: tuple[str, ...]
    task: Task
    contenders: tuple[Contender, ...]

    @property
    def names(self) -> dict[str, str]:
        """Short names of the contenders by id."""
        return short_labels([contender.encoder.spec for contender in self.contenders])

    @property
    def source(self) -> str:
        """Where the numbers come from, in a line."""
        weights = ", ".join(f"{c.encoder.spec.id} {c.encoder.sha256[:8]}" for c in self.contenders)
        return f"{self.credit}; {self.task.label}. Weights: {weights}; {pipeline.versions()}."


def on_image(view: View) -> OnImage:
    """The picture, task and contenders of a view.

    Raises:
        InvariscopeError: one of them is not here.
    """
    found = task(view.text("task", "tiny-imagenet"))
    asked = view.values.get("encoders", ("supervised", "simclr"))
    if not isinstance(asked, tuple) or not 1 <= len(asked) <= 4:
        raise InvalidRequest("'encoders' is a list of one to four ids here.")
    contenders = tuple(_here(encoder, found) for encoder in asked)
    if view.picture is not None:
        return OnImage(view.picture, FROM_THE_ROOM, f"{FROM_THE_ROOM}, not kept", (), found, contenders)
    id = view.text("image", "cat", samples.samples(), "sample")
    about = samples.samples()[id]
    credit = f"Sample {about.title} ({about.author}, {about.licence})"
    return OnImage(samples.image(id), about.title, credit, samples.true_classes(id, found), found, contenders)


def _here(encoder: str, found: Task) -> Contender:
    """A contender without a download: a talk begins where there may be no network."""
    if not heads.is_here(encoder_spec(encoder), found.id):
        raise WeightsUnavailable(
            f"{encoder} is not on this machine: fetch it with 'invariscope models --fetch {encoder}'."
        )
    return pipeline.load(encoder, found.id)
