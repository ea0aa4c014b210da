"""The figures of the pages about one image: answers, maps, and what moves them."""

from collections.abc import Mapping, Sequence

import pandas as pd

from core import pipeline, sweeps
from core.attribution import METHODS
from core.augmentations import AUGMENTATIONS
from core.augmentations.spec import Augmentation
from core.encoders.registry import encoder_spec
from core.images.image import encode_png, thumbnail
from core.metrics.attribution import overlaps
from core.plots import answers, curves, map_pictures, questions, strip
from core.plots.bars import bars
from core.plots.style import REGIME_NAMES, finding_of, short_labels, styles
from core.readout import with_floor
from core.talk.parts import Chart, Drag, Drawn, Picture
from core.talk.view import OnImage, View, on_image

OWN = "own answer"
ROOM = (5, 3)  # classes for up to two contenders, and for more


def _classes(view: View, on: OnImage) -> int | None:
    """The class that is explained; None stands for each contender's own answer."""
    name = view.text("class", OWN, (OWN, *on.task.classes), "class in this task")
    return None if name == OWN else on.task.classes.index(name)


def one_picture(view: View) -> Drawn:
    """What each contender answers to a picture, and how sure it is: as many classes as stand below each other."""
    on = on_image(view)
    room = ROOM[len(on.contenders) > 2]
    target, top = _classes(view, on), min(room, int(view.number("compare_top", 5, 3, 10)))
    specs = [contender.encoder.spec for contender in on.contenders]
    readings = [pipeline.read_images(contender, [on.image])[0] for contender in on.contenders]
    said = [pipeline.predict(*pair) for pair in zip(on.contenders, readings, strict=True)]
    table, look = answers.answers_table(specs, said, on.task.classes, top, target), styles(specs)
    highlight = None if target is None else on.task.classes[target]
    whole = encode_png(thumbnail(on.image, map_pictures.WHOLE))
    truth = (f"True: {' or '.join(on.truth)}",) if on.truth else ()
    parts = [Picture(whole, f"The picture: {on.title}.", on.title, truth)]
    for contender, reading, prediction in zip(on.contenders, readings, said, strict=True):
        spec = contender.encoder.spec
        mine = table[table["encoder"] == spec.id]
        verdict = answers.verdict(on.task.classes[prediction.top], on.truth)
        doubt = pipeline.unfamiliar(contender, reading)
        lines = (REGIME_NAMES[spec.regime], *filter(None, (verdict, doubt)))
        markup = bars(mine, look[spec.id], answers.bars_alt(mine), highlight)
        parts.append(Picture(b"", "", on.names[spec.id], lines, markup))
    return Drawn(answers.finding(specs, said, on.task.classes), tuple(parts), on.source)


def where_they_look(view: View) -> Drawn:
    """Where each contender's score for a class comes from, on one scale."""
    on = on_image(view)
    target = _classes(view, on)
    method = view.text("method", "grad-cam", METHODS, "attribution method")
    look = {"view": view.text("view", "overlay", ("overlay", "whole", "map", "input"))}
    opacity, signed = view.number("opacity", 0.65, 0.1, 1), view.flag("signed", False)
    readings = [pipeline.read_images(contender, [on.image])[0] for contender in on.contenders]
    said = [pipeline.predict(*pair) for pair in zip(on.contenders, readings, strict=True)]
    chosen = [prediction.top if target is None else target for prediction in said]
    maps = [
        pipeline.attribute(contender, on.image, reading, index, method)
        for contender, reading, index in zip(on.contenders, readings, chosen, strict=True)
    ]
    scales = map_pictures.scales(maps, view.flag("shared_scale", True))
    parts = []
    for i, contender in enumerate(on.contenders):
        name = on.task.classes[chosen[i]]
        shown = map_pictures.picture(
            contender, on.image, readings[i], maps[i], scales[i], name, opacity=opacity, signed=signed, **look
        )
        lines = (f"{name}, {said[i].probabilities[chosen[i]]:.0%}", *([shown.note] if shown.note else []))
        parts.append(Picture(shown.png, shown.alt, on.names[contender.encoder.spec.id], lines))
    return Drawn(questions.attribution(overlaps(maps)), tuple(parts), on.source)


def what_moves_them(view: View) -> Drawn:
    """A picture under an augmentation, strength by strength: views, answers, and the curve of what is kept."""
    on = on_image(view)
    augmentation = AUGMENTATIONS[view.text("augmentation", "rotation", AUGMENTATIONS, "augmentation")]
    grid = augmentation.strengths
    reach = view.text(f"reach_{augmentation.id}", f"{grid[-1]:g}", [f"{s:g}" for s in grid], "strength")
    strengths = grid[: [f"{s:g}" for s in grid].index(reach) + 1]
    seeds, corrected = int(view.number("seeds", 3, 1, 10)), view.flag("corrected", True)
    swept = with_floor(on.contenders, on.task.id) if view.flag("with_random", True) else list(on.contenders)
    tables, floors = [], {}
    for contender in swept:
        id = contender.encoder.spec.id
        points = [p for _, _, p in pipeline.sweep(contender, [on.image], augmentation.id, strengths, seeds)]
        tables.append(pipeline.points_table(points, id, augmentation.id, [on.image.digest]))
        floors[id] = pipeline.strangers_floor(contender)
    table = pd.concat(tables, ignore_index=True)
    labels = short_labels([contender.encoder.spec for contender in swept])
    drawn = kept(table, floors, augmentation, strengths, corrected, ("cosine",))
    found = strip.answers(table, on.image.digest)
    lines = {
        labels[c.encoder.spec.id]: [
            f"{on.task.classes[a.prediction]}, {a.confidence:.0%}{', changed' if a.flipped else ''}"
            for a in (found[c.encoder.spec.id, strength] for strength in strengths)
        ]
        for c in on.contenders
    }
    frames = [encode_png(view.rgb) for view in strip.views(on.contenders[0], on.image, augmentation, strengths)]
    return Drawn(finding_of(drawn.figure), (Drag(augmentation.unit, strengths, frames, lines, drawn),), on.source)


def kept(
    points: pd.DataFrame,
    floors: Mapping[str, float],
    augmentation: Augmentation,
    strengths: Sequence[float],
    corrected: bool,
    measures: Sequence[str] = tuple(sweeps.RANGES),
    turning: Mapping[str, float] = {},
) -> Chart:
    """What encoders keep of images over the strength of an augmentation, measure by measure.

    Args:
        points: of `pipeline.points_table`, of all encoders.
        floors: cosine between different images, by encoder id.
        augmentation: that was swept.
        strengths: of it, the strongest last.
        corrected: rescale the cosine so that 0 is what different images give.
        measures: keys of `sweeps.RANGES`.
        turning: the strength at which an answer first changes, by encoder id.
    """
    specs = [encoder_spec(str(id)) for id in points["encoder"].unique()]
    labels, untrained = short_labels(specs), [spec.id for spec in specs if spec.family == "random"]
    at = sweeps.at_strength(points, floors, strengths[-1], untrained)
    said, curve = curves.finding(at, augmentation, labels), sweeps.curve(points, floors, corrected)
    look = styles(specs)
    chart = curves.stacked(curve, augmentation, labels, look, floors, said, corrected, measures, turning)
    return Chart(chart, curves.curves_alt(curve, augmentation, labels, corrected), curve, "invariance_curves")
