"""The figures of the pages about what a study measures: maps, invariance, spaces, and what explains accuracy.

A page, a talk and a report call the same function, so they say the same.
"""

import pandas as pd

from core.augmentations import AUGMENTATIONS
from core.errors import DataUnavailable
from core.metrics.explanation import Explained
from core.plots import explanation as explaining
from core.plots import representation, study_attribution, study_invariance
from core.plots.study_words import capital
from core.plots.style import finding_of
from core.results import attribution, curves, explanation, geometry, invariance, steadiness
from core.talk.parts import Chart, Drawn
from core.talk.view import OnStudy, View, on_study


def map_agreement(view: View) -> Drawn:
    """How far the maps of two contenders agree on a whole data set."""
    on = on_study(view)
    where = on.dataset(view, "measured", on.info.measured(attribution.MEASURE, on.pair))
    table = on.ask(attribution.agreement, *on.pair, where)
    if table.empty:
        raise DataUnavailable("The two contenders' maps have different grids, and are not laid over each other.")
    said = study_attribution.agreement_finding(table, *on.both)
    alt = f"Rank correlation of the two maps of the true class, {len(table)} images of {on.label(where)}. {said}"
    taken = table.drop(columns=["first_map", "second_map"])
    chart = study_attribution.agreement_chart(table, said)
    return on.drawn(said, chart, alt, taken, "map_agreement", f"{on.label(where)}, {len(table)} images.")


def map_concentration(view: View) -> Drawn:
    """How concentrated maps are, of right answers and wrong ones, near and far."""
    on = on_study(view)
    sets = on.info.measured(attribution.MEASURE, on.pair)
    if not sets:
        raise DataUnavailable(f"Study '{on.info.id}' holds no maps of both contenders.")
    figure = view.text("map_figure", "effective", attribution.FIGURES, "figure of maps")
    images = on.ask(attribution.images, on.pair, tuple(sets))
    means = attribution.means(images, ("dataset", "encoder", "right"))
    mine, what = means[means["figure"] == figure], attribution.FIGURES[figure]
    said = study_attribution.concentration_finding(mine, what, on.names, on.pair)
    labels = {id: on.label(id) for id in sets}
    chart = study_attribution.concentration_chart(mine, labels, on.names, on.look, on.pair, what, said)
    alt = f"{what} by data set, contender and outcome. {said}"
    return on.drawn(said, chart, alt, mine, "map_concentration")


def maps_on_objects(view: View) -> Drawn:
    """How much of the evidence lies on the object, where the data set says where that is."""
    on = on_study(view)
    found = on.info.measured(attribution.MEASURE, on.pair)
    masked = [id for id in found if not on.ask(attribution.on_objects, on.pair, id).empty]
    if found and not masked:
        raise DataUnavailable(f"No data set of study '{on.info.id}' comes with masks of its objects.")
    where = on.dataset(view, "measured", found, next(iter(masked), ""))
    objects = on.ask(attribution.on_objects, on.pair, where)
    if objects.empty:
        raise DataUnavailable(f"{on.label(where)} comes without masks of its objects.")
    said = study_attribution.objects_finding(objects, on.names)
    chart = study_attribution.objects_chart(objects, attribution.OBJECTS, on.names, on.look, said)
    alt = f"Evidence for the answer against masks of the object, {on.label(where)}. {said}"
    return on.drawn(said, chart, alt, objects, "map_objects", f"{on.label(where)}.")


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
    without = frozenset() if view.flag("trained_in", True) else invariance.learned(on.info, *on.pair)
    table, whole = on.ask(steadiness.compared, way, *on.pair, chosen, without)
    if whole is None:
        raise DataUnavailable("Every augmentation of this study was part of a contender's pre-training.")
    shown = table[~table["augmentation"].isin(list(without))]
    said = study_invariance.finding(shown, whole, on.names, *on.pair)
    alt, kind = study_invariance.alt(shown, on.names, *on.pair), invariance.WAYS[way]
    note = f"Of the {kind.label}. †: a contender was trained with it."
    if view.flag("outline", False):
        drawn = study_invariance.radar(shown, on.names, on.look, *on.pair, said)
        return on.drawn(said, drawn, alt, shown, "fingerprint_radar", note)
    drawn = study_invariance.fingerprint(shown, on.names, on.look, *on.pair, said, kind.unit)
    return on.drawn(said, drawn, alt, shown, "fingerprint", note)


def one_augmentation(view: View) -> Drawn:
    """What is kept, and which answers stay, over the strength of one augmentation; beside an untrained encoder."""
    on, chosen, way = _invariance(view)
    augmentation = AUGMENTATIONS[view.text("curve_of", "rotation", AUGMENTATIONS, "augmentation")]
    floors = [id for id, about in on.info.encoders.items() if about["family"] == "random" and id not in on.pair]
    measured = [id for id in floors if chosen[0] in on.info.measured(invariance.MEASURE, (id,))]
    encoders = (*on.pair, *measured[:1])
    curve = on.ask(curves.curve, way, augmentation.id, encoders, chosen[0])
    flips = on.ask(curves.tipping, augmentation.id, encoders, chosen[0])
    if flips.empty:
        raise DataUnavailable(f"Study '{on.info.id}' did not measure {augmentation.label.lower()}.")
    staying = curves.survival(flips, augmentation.id)
    kept = study_invariance.curves(curve, augmentation, on.names, on.look, invariance.WAYS[way].unit)
    answered = study_invariance.survival(staying, augmentation, on.names, on.look)
    over = f"over strength of {augmentation.label}."
    charts = (
        Chart(kept, f"Kept {over}", curve, "study_curve", "The representation"),
        Chart(answered, f"Answers that stay {over}", staying, "study_survival", "The answer"),
    )
    said = ". ".join(capital(finding_of(chart.figure)) for chart in charts)
    return Drawn(said, charts, on.source, f"{on.label(chosen[0])}.")


def _explaining(view: View) -> tuple[OnStudy, explanation.Across, dict[str, dict[str, Explained]], str]:
    """The study, what relates over data sets and within each, and the property."""
    on = on_study(view)
    if not explanation.datasets(on.info, *on.pair):
        raise DataUnavailable(f"Study '{on.info.id}' holds no invariance and attribution of both contenders.")
    way = view.text("way", "whitened", invariance.NORMALISATIONS)
    over, within = on.ask(explanation.both, *on.pair, way)
    return on, over, within, view.text("property", "invariance", explanation.PROPERTIES)


def explained_sets(view: View) -> Drawn:
    """Is the more invariant contender of a data set the more accurate one there?"""
    on, over, _, prop = _explaining(view)
    what, known = explanation.PROPERTIES[prop].capitalize(), int(over.sets[prop].notna().sum())
    said = explaining.across_verdict(over.correlation[prop], known, what, *on.both)
    chart = explaining.sets_chart(over.sets, prop, said, *on.both)
    alt = f"{what} and accuracy by data set. {said}"
    return on.drawn(said, chart, alt, over.sets, "explanation_sets")


def explained_images(view: View) -> Drawn:
    """Is the contender that is right about an image the steadier one on it?"""
    on, _, found, prop = _explaining(view)
    said = explaining.over_sets(explanation.PROPERTIES[prop].capitalize(), prop, found)
    labels = {id: on.label(id) for id in found}
    chart = explaining.within_chart(found, labels, explanation.PROPERTIES, on.look[on.second], said)
    rows = [
        (
            *(labels[id], key, each.auroc.estimate, each.auroc.low, each.auroc.high),
            *(each.beyond.estimate, each.beyond.low, each.beyond.high, each.only_first, each.only_second),
        )
        for id in found
        for key, each in found[id].items()
    ]
    columns = ["data set", "property", "AUROC", "low", "high", "beyond", "beyond low", "beyond high"]
    table = pd.DataFrame(rows, columns=[*columns, "only first", "only second"])
    alt = f"AUROC by data set and property. {said}."
    return on.drawn(said, chart, alt, table, "explanation_images")


def likeness(view: View) -> Drawn:
    """How alike the feature spaces of all encoders of a study are, two by two."""
    on = on_study(view)
    where = on.dataset(view, "measured", on.info.measured(geometry.MEASURE, on.pair))
    measure = view.text("likeness", "cka", ("cka", "neighbours"))
    table = on.ask(geometry.kinship, where)
    here = [id for id in on.info.encoders if id in {*table["first"], *table["second"]}]
    said = representation.kinship_finding(table, measure, on.names, *on.pair)
    chart = representation.matrix(table, measure, on.names, here, said)
    alt = f"Likeness of feature spaces on {on.label(where)}. {said}"
    return on.drawn(said, chart, alt, table, "kin", f"{on.label(where)}.")


def spaces(view: View) -> Drawn:
    """The images of a data set as points in both contenders' spaces."""
    on = on_study(view)
    where = on.dataset(view, "measured", on.info.measured(geometry.MEASURE, on.pair))
    kind = view.text("projection", "pca", ("pca", "tsne"))
    by = view.text("colour", "class", ("class", "who is right"))
    first, second = on.both
    words = {"both": "both", "first": f"only {first}", "second": f"only {second}", "none": "neither"}
    classes = [str(name) for name in on.info.datasets[where]["classes"]]
    charts = []
    for id in on.pair:
        places = on.ask(geometry.projection, where, id, kind)
        if by == "class":
            colour = places["label"].map(lambda i: classes[int(i)])
        else:
            right = on.ask(geometry.who_is_right, where, *on.pair)
            colour = places["sample_id"].map(right).fillna("none").map(words)
        said = f"{on.names[id]} on {on.label(where)}: {len(places)} images"
        alt = f"Two coordinates of each image in the space of {on.names[id]}."
        charts.append(Chart(representation.points(places, colour, said, by), alt, places, f"points_{id}", on.names[id]))
    return Drawn("", tuple(charts), on.source, f"{on.label(where)}.")
