"""What the Overview shows of the shipped study: the packaged pair's accuracy near and far, with paired tests."""

from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from core.plots import questions, study, study_words
from core.plots.style import short_labels, styles
from core.results import pairs, summary
from core.results.info import StudyInfo

PAIR = ("supervised", "simclr")


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
