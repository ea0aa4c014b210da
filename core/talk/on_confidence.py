"""The figures of the page about a study's confidence: calibration, ranking of errors, and abstaining.

A page, a talk and a report call the same function, so they say the same.
"""

from core.errors import DataUnavailable
from core.plots import reliability, selective
from core.results import confidence
from core.results.measures import MEASURES
from core.talk.parts import Chart, Drawn
from core.talk.view import OnStudy, View, on_study

RAW, SCALED = "raw", "temperature-scaled"


def _with_floor(view: View, on: OnStudy) -> tuple[str, ...]:
    """The contenders, and the first untrained encoder with results unless it is one of them or not wanted."""
    pair, encoders = tuple(dict.fromkeys(on.pair)), on.info.encoders
    floors = [id for id, about in encoders.items() if about["family"] == "random" and on.info.done(on.protocol, (id,))]
    wanted = view.flag("confidence_floor", True)
    return (*pair, *[id for id in floors if wanted and id not in pair][:1])


def _tables(view: View) -> tuple[OnStudy, str, confidence.Tables]:
    """The study, the data set, and what its answers say of confidence."""
    on = on_study(view, alone=True)
    answered = [id for id in on.info.by_domain() if on.info.done(on.protocol, on.pair, (id,))]
    where = on.dataset(view, "dataset", answered)
    scaled = view.text("probabilities", RAW, (RAW, SCALED)) == SCALED
    scheme = view.text("bins", "width", ("width", "mass"))
    tables = on.ask(confidence.tables, on.protocol, _with_floor(view, on), where, scaled, scheme)
    if tables.figures.empty:
        raise DataUnavailable(f"No temperature was fitted for a contender on {where}: show raw probabilities.")
    return on, where, tables


def calibration(view: View) -> Drawn:
    """Reliability of the contenders on one data set, beside an untrained encoder's."""
    on, where, tables = _tables(view)
    here = list(dict.fromkeys(tables.figures["encoder"]))
    charts = []
    for id in here:
        mine = tables.reliability[tables.reliability["encoder"] == id]
        said = reliability.diagram_finding(on.names[id], tables.figures, id)
        drawn, alt = reliability.diagram(mine, on.look[id], said), reliability.diagram_alt(on.names[id], mine)
        charts.append(Chart(drawn, alt, mine, f"reliability_{id}", on.names[id]))
    note = f"{on.label(where)}. Dotted: confidence is the chance of being right. Grey: a perfect model, 95 %."
    if missing := [on.names[id] for id in on.pair if id not in here]:
        return Drawn("", tuple(charts), on.source, f"{note} Without {', '.join(missing)}: nothing to show of it.")
    said = reliability.headline(tables.differences, tables.figures, on.names, on.pair) if len({*on.pair}) > 1 else ""
    return Drawn(said, tuple(charts), on.source, note)


def outcomes(view: View) -> Drawn:
    """How confidence is spread over right and wrong answers."""
    on, where, tables = _tables(view)
    said = selective.outcome_finding(tables.differences, tables.figures, on.names, _with_floor(view, on))
    chart = selective.outcome_chart(tables.outcomes, on.names, on.look, said)
    alt = selective.outcome_alt(tables.outcomes, on.names)
    return on.drawn(said, chart, alt, tables.outcomes, "confidence_outcomes", f"{on.label(where)}.")


def risks(view: View) -> Drawn:
    """The share of wrong answers among the surest, over how many are answered."""
    on, where, tables = _tables(view)
    said = selective.risk_finding(tables.differences, tables.figures, on.names, _with_floor(view, on))
    chart = selective.risk_chart(tables.risks, on.names, on.look, said)
    alt = selective.risk_alt(tables.risks, on.names)
    return on.drawn(said, chart, alt, tables.risks, "confidence_risk", f"{on.label(where)}.")


def at_threshold(view: View) -> Drawn:
    """What is answered and how much of it is right, over the confidence that is asked for."""
    on, where, tables = _tables(view)
    table, threshold = tables.answered, view.number("threshold", 0.8, 0, 1)
    floors = [id for id in on.info.encoders if on.info.encoders[id]["family"] == "random" and id not in on.pair]
    trained = table[~table["encoder"].isin(floors)]
    said = selective.threshold_finding(trained if len(trained) else table, on.names, threshold)
    chart = selective.threshold_chart(table, on.names, on.look, threshold, said)
    alt = f"{said}. Accuracy of what is answered, and the share answered, over the threshold."
    return on.drawn(said, chart, alt, table, "confidence_threshold", f"{on.label(where)}.")


def confidence_by_domain(view: View) -> Drawn:
    """A figure of confidence on every data set, raw and after temperature."""
    on, known = on_study(view, alone=True), {measure.id: measure for measure in MEASURES}
    measure = known[view.text("figure", "ece", known, "figure of confidence")]
    encoders = _with_floor(view, on)
    sets, sides = on.ask(confidence.by_domain, on.protocol, encoders, measure.id)
    names = {id: on.names[id] for id in encoders}
    said = reliability.domain_finding(sides, measure, names, tuple(dict.fromkeys(on.pair)))
    chart = reliability.domain_chart(sets, measure, names, on.look, said)
    alt = reliability.domain_alt(sets, measure, names)
    return on.drawn(said, chart, alt, sets, "confidence_domains")
