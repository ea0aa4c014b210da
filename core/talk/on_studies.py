"""The figures of the pages about a study: what is compared, accuracy near and far, confidence, maps, invariance."""

from core.augmentations import AUGMENTATIONS
from core.augmentations.training import trained_in
from core.errors import DataUnavailable
from core.plots import explanation as explaining
from core.plots import reliability, study, study_attribution, study_domains, study_gap, study_invariance
from core.plots import study_words as words
from core.results import (
    attribution,
    confidence,
    curves,
    distances,
    explanation,
    invariance,
    origin,
    pairs,
    steadiness,
    summary,
    training_noise,
)
from core.results.measures import MEASURES
from core.study.protocols import PROTOCOLS
from core.talk.parts import Chart, Drawn, Grid, Points
from core.talk.view import OnStudy, View, on_study

RAW, SCALED = "raw", "temperature-scaled"
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
    grid = Grid(("", on.names[on.first], on.names[on.second]), tuple(rows), marked)
    return Drawn(f"{said}.", (grid,), on.source, "Marked rows differ.")


def accuracy(view: View) -> Drawn:
    """Accuracy by data set, near the source and far from it, with paired tests."""
    on = on_study(view)
    table, controls = summary.accuracy(on.info, on.protocol), summary.controls(on.info, (), on.protocol)
    paired = pairs.paired(on.info, on.protocol, *on.pair)
    label = PROTOCOLS[on.protocol].label if on.protocol in PROTOCOLS else on.protocol
    said = words.accuracy_finding(table, paired, on.names, *on.pair, label)
    shown = table[table["encoder"].isin(on.pair)]
    names = {id: on.names[id] for id in on.pair}
    chart = study.accuracy_bars(shown, controls, names, on.look, said, on.info.id)
    note = study.controls_note(controls, list(shown["dataset"]), on.info.id, on.pair)
    return Drawn(said, (Chart(chart, words.accuracy_alt(shown, on.names, controls)),), on.source, note)


def advantage(view: View) -> Drawn:
    """The difference of two contenders over the measured distance from the source."""
    on = on_study(view)
    measure = view.text("measure", "frechet", study_domains.MEASURES)
    measured = distances.distances(on.info)
    eyes = view.text("features", on.first, sorted(set(measured["encoder"])), "encoder with distances in this study")
    table = distances.by_distance(pairs.paired(on.info, on.protocol, *on.pair), measured, eyes, measure)
    if table.empty:
        raise DataUnavailable(f"Study '{on.info.id}' has no set with a distance that both contenders answered.")
    floor, both = distances.floor_of(measured, eyes, measure), (on.names[on.first], on.names[on.second])
    said = study_domains.advantage_finding(distances.trend(table, measure), *both)
    chart = study_domains.advantage_chart(table, floor, measure, *both, said)
    return Drawn(said, (Chart(chart, study_domains.advantage_alt(table, floor, measure, *both)),), on.source)


def gap(view: View) -> Drawn:
    """Accuracy on different sets minus that on similar ones."""
    on = on_study(view)
    table = summary.generalization_gap(on.info, on.protocol)
    if table.empty:
        raise DataUnavailable("A gap takes results on a set declared similar and on one declared different.")
    difference = pairs.gap_difference(pairs.paired(on.info, on.protocol, *on.pair))
    noise = training_noise.of_gap(on.info, table, on.pair)
    said = study_gap.gap_finding(table, difference, noise, on.names, *on.pair)
    chart = study_gap.gap_chart(table, on.names, on.look, said)
    return Drawn(said, (Chart(chart, study_gap.gap_alt(table, on.names)),), on.source)


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
    paired = pairs.paired(on.info, on.protocol, *on.pair)
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


def calibration(view: View) -> Drawn:
    """Reliability of both contenders on one data set."""
    on = on_study(view)
    answered = [id for id in on.info.by_domain() if all(on.info.done(on.protocol, (e,), (id,)) for e in on.pair)]
    where = on.dataset(view, "dataset", answered)
    scaled = view.text("probabilities", RAW, (RAW, SCALED)) == SCALED
    scheme = view.text("bins", "width", ("width", "mass"))
    tables = confidence.tables(on.info, on.protocol, on.pair, where, scaled, scheme)
    here = [id for id in on.pair if id in set(tables.figures["encoder"])]
    if len(here) < 2:
        raise DataUnavailable(f"No temperature was fitted for both contenders on {where}: show raw probabilities.")
    charts = []
    for id in here:
        mine = tables.reliability[tables.reliability["encoder"] == id]
        said = reliability.diagram_finding(on.names[id], tables.figures, id)
        alt = reliability.diagram_alt(on.names[id], mine)
        charts.append(Chart(reliability.diagram(mine, on.look[id], said), alt, on.names[id]))
    said = reliability.headline(tables.differences, tables.figures, on.names, on.pair)
    note = "Dotted: confidence is the chance of being right. Grey: a perfect model, 95 %."
    return Drawn(said, tuple(charts), on.source, f"{on.info.datasets[where]['label']}. {note}")


def confidence_by_domain(view: View) -> Drawn:
    """A figure of confidence on every data set, raw and after temperature."""
    on, known = on_study(view), {measure.id: measure for measure in MEASURES}
    measure = known[view.text("figure", "ece", known, "figure of confidence")]
    sets, sides = confidence.by_domain(on.info, on.protocol, on.pair, measure.id)
    said = reliability.domain_finding(sides, measure, on.names, on.pair)
    names = {id: on.names[id] for id in on.pair}
    chart = reliability.domain_chart(sets, measure, names, on.look, said)
    return Drawn(said, (Chart(chart, reliability.domain_alt(sets, measure, names)),), on.source)


def map_agreement(view: View) -> Drawn:
    """How far the maps of two contenders agree on a whole data set."""
    on = on_study(view)
    where = on.dataset(view, "measured", on.info.measured(attribution.MEASURE, on.pair))
    table = attribution.agreement(on.info, *on.pair, where)
    if table.empty:
        raise DataUnavailable("The two contenders' maps have different grids, and are not laid over each other.")
    said = study_attribution.agreement_finding(table, on.names[on.first], on.names[on.second])
    label = on.info.datasets[where]["label"]
    alt = f"Rank correlation of the two maps of the true class, {len(table)} images of {label}. {said}"
    chart = study_attribution.agreement_chart(table, said)
    return Drawn(said, (Chart(chart, alt),), on.source, f"{label}, {len(table)} images.")


ALL = "all data sets"


def _invariance(view: View) -> tuple[OnStudy, tuple[str, ...], str]:
    """The study, the data sets that are chosen, and what invariance is read of."""
    on = on_study(view)
    found = on.info.measured(invariance.MEASURE, on.pair)
    where = on.dataset(view, "measured", found, ALL)
    return on, tuple(found) if where == ALL else (where,), view.text("way", "whitened", invariance.WAYS)


def fingerprint(view: View) -> Drawn:
    """What leaves the contenders unmoved, augmentation by augmentation."""
    on, chosen, way = _invariance(view)
    recipes = (trained_in(str(on.info.encoders[id].get("augmentation", ""))) for id in on.pair)
    without = frozenset() if view.flag("trained_in", True) else frozenset().union(*recipes)
    table, whole = steadiness.compared(on.info, way, *on.pair, chosen, without)
    if whole is None:
        raise DataUnavailable("Every augmentation of this study was part of a contender's pre-training.")
    shown = table[~table["augmentation"].isin(list(without))]
    said = study_invariance.finding(shown, whole, on.names, *on.pair)
    kind = invariance.WAYS[way]
    chart = study_invariance.fingerprint(shown, on.names, on.look, *on.pair, said, kind.unit)
    note = f"Of the {kind.label}. †: a contender was trained with it."
    return Drawn(said, (Chart(chart, study_invariance.alt(shown, on.names, *on.pair)),), on.source, note)


def one_augmentation(view: View) -> Drawn:
    """What is kept, and which answers stay, over the strength of one augmentation."""
    on, chosen, way = _invariance(view)
    augmentation = AUGMENTATIONS[view.text("curve_of", "rotation", AUGMENTATIONS, "augmentation")]
    curve = curves.curve(on.info, way, augmentation.id, on.pair, chosen[0])
    flips = curves.tipping(on.info, augmentation.id, on.pair, chosen[0])
    if flips.empty:
        raise DataUnavailable(f"Study '{on.info.id}' did not measure {augmentation.label.lower()}.")
    staying = curves.survival(flips, augmentation.id)
    kept = study_invariance.curves(curve, augmentation, on.names, on.look, invariance.WAYS[way].unit)
    answered = study_invariance.survival(staying, augmentation, on.names, on.look)
    charts = (
        Chart(kept, f"Kept over strength of {augmentation.label}.", "The representation"),
        Chart(answered, f"Answers that stay over strength of {augmentation.label}.", "The answer"),
    )
    said = ". ".join(words.capital(str(chart.figure.layout.meta["finding"])) for chart in charts)
    return Drawn(said, charts, on.source, f"{on.info.datasets[chosen[0]]['label']}.")


def _explaining(view: View) -> tuple[OnStudy, list[str], str, str]:
    """The study, its data sets with all that explaining takes, what invariance is read of, and the property."""
    on = on_study(view)
    sets = explanation.datasets(on.info, *on.pair)
    if not sets:
        raise DataUnavailable(f"Study '{on.info.id}' holds no invariance and attribution of both contenders.")
    way = view.text("way", "whitened", invariance.NORMALISATIONS)
    return on, sets, way, view.text("property", "invariance", explanation.PROPERTIES)


def explained_sets(view: View) -> Drawn:
    """Is the more invariant contender of a data set the more accurate one there?"""
    on, _, way, prop = _explaining(view)
    over, both = explanation.both(on.info, *on.pair, way)[0], (on.names[on.first], on.names[on.second])
    what, known = explanation.PROPERTIES[prop].capitalize(), int(over.sets[prop].notna().sum())
    said = explaining.across_verdict(over.correlation[prop], known, what, *both)
    chart = explaining.sets_chart(over.sets, prop, said, *both)
    return Drawn(said, (Chart(chart, f"{what} and accuracy by data set. {said}"),), on.source)


def explained_images(view: View) -> Drawn:
    """Is the contender that is right about an image the steadier one on it?"""
    on, sets, way, prop = _explaining(view)
    found = explanation.within(explanation.images(on.info, *on.pair, sets, way))
    said = explaining.over_sets(explanation.PROPERTIES[prop].capitalize(), prop, found)
    labels = {id: str(on.info.datasets[id]["label"]) for id in sets}
    chart = explaining.within_chart(found, labels, explanation.PROPERTIES, on.look[on.second], said)
    return Drawn(said, (Chart(chart, f"AUROC by data set and property. {said}."),), on.source)
