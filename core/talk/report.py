"""A study, or the views of a story, as one HTML file to read and to print: figures with findings, tables, sources.

Figures are those of the scenes (`core.talk.scenes`), so what a report says is what the pages and talks say. Charts are
drawn as SVG when the file is opened.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from core.errors import InvalidRequest
from core.plots.representation import MANY
from core.results import attribution, choices, geometry, pairs, summary
from core.results.info import StudyInfo
from core.study.protocols import PROTOCOLS
from core.talk import citing, paper, scenes
from core.talk.parts import Chart, Drawn, Marked
from core.talk.stories import Scene, Story, Value
from core.talk.view import Ask, View, asked_once, on_study


def figures(info: StudyInfo, protocol: str, pair: tuple[str, str]) -> Iterator[tuple[str, Scene]]:
    """What a report shows of a study, in the order of the pages: a heading and the scene behind it.

    Reliability stands once a data set, evidence on objects once a data set that has masks (and is left out once where
    none has), all else once.
    """
    view: dict[str, Value] = {"study": info.id, "protocol": protocol, "first": pair[0], "second": pair[1]}
    maps = info.measured(attribution.MEASURE, pair)
    masked = [id for id in maps if not attribution.on_objects(info, pair, id).empty]
    for id, figure in scenes.FIGURES.items():
        if not set(scenes.STUDY) <= set(figure.keys):
            continue
        if id == "confidence/reliability":
            # Two diagrams fit beside each other on a sheet of paper.
            answered = info.measured("answers", pair, protocol)
            turns: list[dict[str, Value]] = [{"dataset": each, "confidence_floor": False} for each in answered]
        elif id == "maps/objects":
            turns = [{"measured": each} for each in masked] or [{}]
        elif id == "representation/points":
            where = next(iter(info.measured(geometry.MEASURE, pair)), "")
            few = bool(where) and len(info.datasets[where]["classes"]) <= MANY
            turns = [{"colour": "class" if few else "who is right"}]
        else:
            turns = [{}]
        for more in turns:
            of = more.get("dataset", more.get("measured"))
            label = figure.label if of is None else f"{figure.label}: {info.datasets[str(of)]['label']}"
            yield label, Scene(id, label, "", view | more)


def build(
    info: StudyInfo,
    protocol: str = "",
    first: str = "",
    second: str = "",
    seen: Callable[[str], None] = lambda heading: None,
    ask: Ask | None = None,
) -> bytes:
    """The report of a study as an HTML file that fetches nothing.

    Args:
        info: the study.
        protocol: id; the first one with results without.
        first: contender that differences are taken from; a supervised one without.
        second: contender that differences are taken to; a self-supervised one without.
        seen: told the heading of each figure that is drawn.
        ask: through which numbers of the study are asked; without one they are computed.

    Raises:
        InvalidRequest: the study has no such protocol or contender, or no two contenders.
    """
    known = choices.protocols(info)
    protocol = protocol or next(iter(known), "")
    ids = choices.contenders(info, protocol) if protocol in known else []
    if len(ids) < 2:
        raise InvalidRequest(f"Study '{info.id}' has no two contenders with results by '{protocol}' to report on.")
    first = first or choices.first(info, ids)
    second = second or choices.second(info, ids, first)
    if strange := [id for id in (first, second) if id not in ids]:
        raise InvalidRequest(
            f"Study '{info.id}' has no results of {strange[0]} by {protocol}. It has {', '.join(ids)}."
        )
    sections, left_out, ask = [], [], ask or asked_once()
    for heading, scene in figures(info, protocol, (first, second)):
        shown = scenes.show(scene, ask=ask)
        if isinstance(shown, Marked):
            left_out.append(f"{heading}: {shown.reason}")
            continue
        seen(heading)
        sections.append(paper.figure(heading, shown))
    sections.append(paper.table("Accuracy of every contender", summary.accuracy(info, protocol)))
    paired = pairs.paired(info, protocol, first, second)
    sections.append(paper.table(f"{second} minus {first}, paired", paired))
    label = PROTOCOLS[protocol].label if protocol in PROTOCOLS else protocol
    made = f"Study {info.id} of {info.manifest['updated'][:10]}, {label}"
    cited = citing.bibtex(info, (first, second), [metric for page in scenes.CITED.values() for metric in page])
    return paper.page(info.title, made, sections, paper.Sources((info,), (), cited), left_out)


def of_story(
    story: Story,
    seen: Callable[[int, int], None] = lambda done, total: None,
    show: Callable[[Scene], Drawn | Marked] | None = None,
) -> tuple[bytes, list[tuple[int, str]]]:
    """The views of a story as an HTML file that fetches nothing, with all else as of `deck.build`.

    Each view stands with its settings, the command that makes it again, and the tables behind its charts.
    """
    if not story.scenes:
        raise InvalidRequest("The story has no scene yet: add views to it.")
    ask = asked_once()
    show = show or (lambda scene: scenes.show(scene, ask=ask))
    sections, without, studies = [], [], {}
    nets: dict[str, None] = {}  # in order, each once
    cited: dict[str, None] = {}
    for at, scene in enumerate(story.scenes, 1):
        shown = show(scene)
        seen(at, len(story.scenes))
        if isinstance(shown, Marked):
            without.append((at, shown.reason))
            sections.append(paper.marked(scene.sentence, shown.reason))
            continue
        bound, info = _bound(scene)
        if info is not None:
            studies[info.address] = info
        elif isinstance(named := bound.view.get("encoders"), tuple):
            nets |= dict.fromkeys(named)
        cited |= dict.fromkeys(scenes.bibtex(bound).strip().split("\n\n"))
        sections.append(paper.figure(scene.sentence, shown, [_settings(bound, shown)], tabled=True))
    sources = paper.Sources(tuple(studies.values()), tuple(nets), "\n\n".join(cited or [citing.OWN]) + "\n")
    made = f"{len(story.scenes)} views, {datetime.now(UTC):%Y-%m-%d}"
    return paper.page(story.title, made, sections, sources), without


def _bound(scene: Scene) -> tuple[Scene, StudyInfo | None]:
    """A scene that can be shown, with what its view leaves to be the default, and its study if it is of one."""
    keys, given, info = scenes.FIGURES[scene.figure].keys, dict[str, Value](), None
    if "study" in keys:
        on = on_study(View(scene.view), alone=True)
        given, info = {"study": on.info.id, "protocol": on.protocol, "first": on.first, "second": on.second}, on.info
    elif "encoders" in keys:
        given = {"encoders": ("supervised", "simclr")}
    return replace(scene, view=given | dict(scene.view)), info


def _settings(scene: Scene, shown: Drawn) -> str:
    """What a figure is of, in a line: as the command that writes its numbers, where it has any that are a study's."""
    label = scenes.FIGURES[scene.figure].label
    if (line := scenes.command(scene)) and any(isinstance(part, Chart) for part in shown.parts):
        return f"{label}. Its numbers again: {line}"
    held = {key: ", ".join(value) if isinstance(value, tuple) else value for key, value in scene.view.items()}
    return f"{label} ({scene.figure}): {'; '.join(f'{key} = {scenes.written(value)}' for key, value in held.items())}."
