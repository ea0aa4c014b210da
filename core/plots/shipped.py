"""What the Overview shows of the shipped studies: the packaged pair's accuracy near and far, and the four findings."""

from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from core.errors import DataUnavailable
from core.plots import questions, study, study_words
from core.plots.style import short_labels, styles
from core.results import attribution, invariance, pairs, steadiness, summary
from core.results.info import StudyInfo

STUDY = "family"
PAIR = ("supervised", "simclr")
FAR = "digits"
"""The data set far from the encoders' source whose images are on every machine."""


@dataclass(frozen=True, slots=True, eq=False)
class Shipped:
    """A chart with the table it was drawn from, its words for who cannot see it, and the caption below it; and what the
    study says to the questions of accuracy and confidence."""

    chart: go.Figure
    table: pd.DataFrame
    alt: str
    caption: str
    accuracy: str
    confidence: str


def overview(info: StudyInfo) -> Shipped:
    """Accuracy of the packaged pair by data set, linear probe.

    Raises:
        DataUnavailable: the study has no such cells, or a file is damaged.
    """
    names, look = short_labels(study.encoders_of(info)), styles(study.encoders_of(info))
    accuracy, controls = summary.accuracy(info, "linear"), summary.controls(info, (), "linear")
    shown = accuracy[accuracy["encoder"].isin(PAIR)]
    paired = pairs.paired(info, "linear", *PAIR)
    said = study_words.accuracy_finding(accuracy, paired, names, *PAIR, "linear probe")
    return Shipped(
        chart=study.accuracy_bars(shown, controls, names, look, said, info.id),
        table=study_words.accuracy_table(accuracy, controls, list(names)),
        alt=study_words.accuracy_alt(shown, names, controls),
        accuracy=questions.accuracy(paired, *(names[id] for id in PAIR)),
        confidence=questions.confidence(shown, {id: names[id] for id in PAIR}),
        caption=f"{info.title}. {study.controls_note(controls, list(shown['dataset']), info.id, PAIR)}",
    )


def far_image(info: StudyInfo) -> tuple[str, str] | None:
    """The test image of `FAR` that the pair answers differently, either of them surer than on any other such image.

    Returns:
        Its id and its class; None where they agree on all.

    Raises:
        DataUnavailable: the study lacks these answers, or a file is damaged.
    """
    rows = pairs.samples(info, "linear", *PAIR, FAR, disagree=True, order="confidence", limit=1)
    if rows.empty:
        return None
    return str(rows["sample_id"].iloc[0]), str(info.datasets[FAR]["classes"][int(rows["label"].iloc[0])])


def looks_and_steadiness(info: StudyInfo) -> tuple[str, str]:
    """What a study with maps and sweeps says of the packaged pair: a sentence on attribution, one on invariance.

    Raises:
        DataUnavailable: the study measured neither, or a file is damaged.
    """
    names = short_labels([spec for spec in study.encoders_of(info) if spec.id in PAIR])
    mapped = info.measured(attribution.MEASURE, PAIR)
    tables = [attribution.agreement(info, *PAIR, id) for id in mapped]
    tables = [table for table in tables if len(table)]
    swept = tuple(info.measured(invariance.MEASURE, PAIR))
    if not tables or not swept:
        raise DataUnavailable(f"Study '{info.id}' measured no attribution, or no invariance, of the packaged pair.")
    areas = steadiness.areas_of_runs(info, "whitened", PAIR, swept)
    whole = steadiness.overall(info, areas, *PAIR, frozenset())
    return (
        questions.attribution_of_sets([table["iou"].mean() for table in tables], float(tables[0]["chance"].iloc[0])),
        questions.invariance(whole, {id: names[id] for id in PAIR}, len(swept)),
    )
