"""The figures of a study's own page: what is compared, accuracy near and far, and what the numbers do not support.

A page, a talk and a report call the same function, so they say the same.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from core.errors import DataUnavailable
from core.plots import claims as claim_words
from core.plots import classes as class_charts
from core.plots import study, study_domains, study_gap
from core.plots import study_words as words
from core.results import claims, classes, distances, origin, pairs, store, summary, training_noise
from core.results.info import StudyInfo
from core.results.published import published
from core.study.protocols import PROTOCOLS
from core.talk.parts import Drawn, Grid, Points
from core.talk.view import View, on_study

DIFFERENCE = "difference"
CROWD = 4  # encoders that bars of accuracy show without being asked
FACTS = {"regime": "regime", "method": "method"} | origin.CONTROLLED


def compared(view: View) -> Drawn:
    """What two contenders are, and which of it differs."""
    on = on_study(view)
    about = [on.info.encoders[id] for id in on.pair]
    rows = [(name, *(str(each.get(key, "") or "not stated") for each in about)) for key, name in FACTS.items()]
    unlike = origin.differences(on.info, *on.pair)
    same = "Architecture, pictures, epochs, augmentation and input are the same"
    names = ", ".join(text.partition(" (")[0] for text in unlike)
    said = f"Not fully controlled: besides the regime these differ: {names}" if unlike else f"Controlled. {same}"
    marked = frozenset(i for i, row in enumerate(rows) if row[1] != row[2])
    grid = Grid(("", *on.both), tuple(rows), marked)
    return Drawn(f"{said}.", (grid,), on.source, "Marked rows differ.")


def controls(info: StudyInfo, protocol: str, versions: tuple[str, ...]) -> pd.DataFrame:
    """What accuracies are seen beside, of the studies at hand that have one of these versions."""
    others = [study for study in store.studies().values() if study.version in versions]
    return summary.controls(info, others, protocol)


def literature(protocol: str, datasets: Iterable[str]) -> pd.DataFrame:
    """Published accuracies of data sets by a protocol."""
    found = published(protocol=protocol)
    return found[found["dataset"].isin(list(datasets))].dropna(subset=["accuracy"])


def accuracy(view: View) -> Drawn:
    """Accuracy by data set, near the source and far from it, with paired tests.

    Of a crowd the two contenders alone, unless all are asked for; an untrained encoder is a line across the bars and no
    contender, unless it was chosen as one.
    """
    on = on_study(view, alone=True)
    table = on.ask(summary.accuracy, on.protocol)
    beside = on.ask(controls, on.protocol, tuple(study.version for study in store.studies().values()))
    answered = [id for id in on.names if id in set(table["encoder"])]
    trained = [id for id in answered if id in on.pair or on.info.encoders[id]["family"] != "random"]
    everyone = view.flag("study_everyone", False) or len(answered) <= CROWD
    shown = trained if everyone else list(dict.fromkeys(on.pair))
    drawn, names = table[table["encoder"].isin(shown)], {id: on.names[id] for id in shown}
    said = words.accuracy_finding(table, on.paired, on.names, *on.pair, on.protocol_label)
    marks = literature(on.protocol, drawn["dataset"]) if view.flag("study_published", False) else None
    ink = study.INK["dark" if view.dark else "light"]
    bars = study.accuracy_bars(drawn, beside, names, on.look, said, on.info.id, marks, ink)
    alt, taken = words.accuracy_alt(drawn, on.names, beside), words.accuracy_table(table, beside, answered)
    note = study.controls_note(beside, list(drawn["dataset"]), on.info.id, shown)
    return on.drawn(said, bars, alt, taken, "study_accuracy", note)


def advantage(view: View) -> Drawn:
    """The difference of two contenders over the measured distance from the source."""
    on = on_study(view)
    measure = view.text("measure", "frechet", study_domains.MEASURES)
    measured = on.ask(distances.distances)
    if measured.empty:
        raise DataUnavailable(
            "No distance was measured in this study: "
            + (
                "its source set or the others have too few images, or the run has not come to its end."
                if any(about["domain"] == "source" for about in on.info.datasets.values())
                else "no data set is declared as the source that distances are from (domain=source), and none of these "
                "encoders ships with images of its own."
            )
        )
    eyes = view.text("features", on.first, sorted(set(measured["encoder"])), "encoder with distances in this study")
    table = distances.by_distance(on.paired, measured, eyes, measure)
    if table.empty:
        raise DataUnavailable(
            f"No set that both contenders answered has a distance in the features of {on.names[eyes]}."
        )
    floor = distances.floor_of(measured, eyes, measure)
    said = study_domains.advantage_finding(distances.trend(table, measure), *on.both)
    chart = study_domains.advantage_chart(table, floor, measure, *on.both, said)
    alt = study_domains.advantage_alt(table, floor, measure, *on.both)
    return on.drawn(said, chart, alt, table, "study_advantage")


def gap(view: View) -> Drawn:
    """Accuracy on different sets minus that on similar ones."""
    on = on_study(view, alone=True)
    table = on.ask(summary.generalization_gap, on.protocol)
    if table.empty:
        raise DataUnavailable("A gap takes results on a set declared similar and on one declared different.")
    noise = training_noise.of_gap(on.info, table, on.pair)
    said = study_gap.gap_finding(table, pairs.gap_difference(on.paired), noise, on.names, *on.pair)
    chart = study_gap.gap_chart(table, on.names, on.look, said)
    return on.drawn(said, chart, study_gap.gap_alt(table, on.names), table, "study_gap")


def limits(view: View) -> Drawn:
    """What the numbers of a study do not support."""
    on = on_study(view)
    runs = [len(training_noise.runs_of(on.info, id)) for id in on.pair]
    few = min(runs) < 2
    lines = [
        "Training runs: "
        + " and ".join(f"{n} of {on.names[id]}" for n, id in zip(runs, on.pair, strict=True))
        + (". Nothing here tells a regime from the luck of one run." if few else ".")
    ]
    if unlike := origin.differences(on.info, *on.pair):
        lines.append(f"Besides the regime these differ: {'; '.join(unlike)}. Any of it may be the cause.")
    paired = on.paired
    unsure = [str(label) for label in paired["label"][paired["verdict"] == "no difference found"]]
    if unsure:
        lines.append(f"No difference found on {', '.join(unsure)}: too few images to say is not the same as equal.")
    sizes, kinds = paired["samples"], paired["domain"].value_counts()
    counted = ", ".join(f"{count} {words.DOMAIN_WORDS[str(kind)]}" for kind, count in kinds.items())
    lines.append(
        f"{len(paired)} data sets ({counted}), {sizes.min():,} to {sizes.max():,} test images: others may differ."
    )
    built = sorted({str(on.info.encoders[id].get("architecture", "not stated")) for id in on.pair})
    data = sorted({str(on.info.encoders[id].get("data", "not stated")) for id in on.pair})
    lines.append(f"Architecture: {', '.join(built)}; pre-trained on {'; '.join(data)}. Larger ones were not asked.")
    return Drawn("", (Points(tuple(lines)),), on.source)


def every_claim(info: StudyInfo, first: str, second: str) -> dict[str, claims.Judged]:
    """All claims, as an export in the study's folder holds them, or judged now."""
    found = claims.kept(info, first, second)
    return found if found is not None else {id: claims.judge(info, id, first, second) for id in claims.CLAIMS}


def ways_to_ask(view: View) -> Drawn:
    """A claim in every way to ask it, as a specification curve."""
    on = on_study(view)
    judged = on.ask(every_claim, *on.pair)
    known = [id for id, one in judged.items() if len(one.ways)]
    if not known:
        raise DataUnavailable(f"Study '{on.info.id}' holds nothing that a claim could be judged by.")
    one = judged[view.text("claim", known[0], known, "claim that this study says anything of")]
    said = claim_words.finding(one, *on.both)
    drawn = claim_words.curve(one, {id: protocol.label for id, protocol in PROTOCOLS.items()}, said)
    alt = f"Specification curve of {len(one.ways)} ways to ask. {said}."
    note = "Ways share their images and answers: they are no independent tests."
    return on.drawn(said, drawn, alt, pd.concat([one.ways, one.sets], ignore_index=True), "claims", note)


def confusion(view: View) -> Drawn:
    """What is taken for what on a data set, by one contender or in the difference of both."""
    on = on_study(view)
    where = on.dataset(view, "dataset", on.info.measured("answers", on.pair, on.protocol))
    kind = view.text("confusion", on.first, (*on.pair, DIFFERENCE))
    known = [str(name) for name in on.info.datasets[where]["classes"]]
    shares = [on.ask(classes.confusion, on.protocol, id, where) for id in on.pair]
    shown = shares[1] - shares[0] if kind == DIFFERENCE else shares[on.pair.index(kind)]
    off = np.where(np.eye(len(known), dtype=bool), np.nan, shown)
    said = "Nothing is taken for anything else"
    if np.isfinite(off).any() and np.nanmax(np.abs(off)) > 0:
        row, column = np.unravel_index(np.nanargmax(np.abs(off)), off.shape)
        amount = f"{off[row, column]:+.0%}" if kind == DIFFERENCE else f"{off[row, column]:.0%}"
        whose = "Largest difference" if kind == DIFFERENCE else f"{on.names[kind]} errs most on"
        said = f"{whose}: {known[row]} taken for {known[column]}, {amount.replace('-', '−')} of its images"
    long = pd.DataFrame(shown, index=known, columns=known).rename_axis("class").reset_index()
    drawn = class_charts.matrix(shown, known, said, kind == DIFFERENCE)
    return on.drawn(said, drawn, f"{on.label(where)}. {said}.", long, "confusion_matrix")
