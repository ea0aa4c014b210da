"""Every figure that a scene can show, and the scene as it is shown: drawn, or marked with why it cannot be.

A figure is one function of the bound state and one row here; its page offers it with `pages.ui.stories.offer`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from core.errors import InvalidRequest, InvariscopeError, UnknownName
from core.images import SafeImage
from core.talk import on_confidence, on_images, on_measures, on_studies
from core.talk.parts import Drawn, Marked
from core.talk.stories import Scene
from core.talk.view import Ask, View, asked_once

IMAGE = ("image", "task", "encoders")
STUDY = ("study", "version", "protocol", "first", "second")
SURENESS = (*STUDY, "dataset", "probabilities", "bins", "confidence_floor")


@dataclass(frozen=True, slots=True)
class SceneFigure:
    """A figure of a page.

    Attributes:
        label: as people read it.
        keys: parameters of the page's address that it depends on; one that ends in `_` begins a name.
        draw: from these to the finished figure.
    """

    label: str
    keys: tuple[str, ...]
    draw: Callable[[View], Drawn]


FIGURES: dict[str, SceneFigure] = {
    "compare/answers": SceneFigure("Answers to one picture", (*IMAGE, "class", "compare_top"), on_images.one_picture),
    "attribution/maps": SceneFigure(
        "Maps of one picture",
        (*IMAGE, "class", "method", "view", "shared_scale", "signed", "opacity"),
        on_images.where_they_look,
    ),
    "invariance/curves": SceneFigure(
        "One picture, strength by strength",
        (*IMAGE, "augmentation", "reach_", "seeds", "with_random", "corrected"),
        on_images.what_moves_them,
    ),
    "study/compared": SceneFigure("What is compared", STUDY, on_studies.compared),
    "study/accuracy": SceneFigure(
        "Accuracy by data set", (*STUDY, "study_everyone", "study_published"), on_studies.accuracy
    ),
    "study/advantage": SceneFigure("Advantage by distance", (*STUDY, "measure", "features"), on_studies.advantage),
    "study/gap": SceneFigure("Generalization gap", STUDY, on_studies.gap),
    "study/limits": SceneFigure("What the numbers do not support", STUDY, on_studies.limits),
    "confidence/reliability": SceneFigure("Reliability on a data set", SURENESS, on_confidence.calibration),
    "confidence/outcomes": SceneFigure("Confidence of right and wrong answers", SURENESS, on_confidence.outcomes),
    "confidence/risk": SceneFigure("Errors among the surest answers", SURENESS, on_confidence.risks),
    "confidence/threshold": SceneFigure(
        "Answering only when sure", (*SURENESS, "threshold"), on_confidence.at_threshold
    ),
    "confidence/domains": SceneFigure(
        "Confidence by data set", (*STUDY, "figure", "confidence_floor"), on_confidence.confidence_by_domain
    ),
    "maps/agreement": SceneFigure("Agreement of maps", (*STUDY, "measured"), on_measures.map_agreement),
    "maps/concentration": SceneFigure("Concentration of maps", (*STUDY, "map_figure"), on_measures.map_concentration),
    "maps/objects": SceneFigure("Evidence on the object", (*STUDY, "measured"), on_measures.maps_on_objects),
    "fingerprint/augmentations": SceneFigure(
        "Fingerprint of invariance", (*STUDY, "measured", "way", "trained_in", "outline"), on_measures.fingerprint
    ),
    "fingerprint/curve": SceneFigure(
        "One augmentation on a data set", (*STUDY, "measured", "way", "curve_of"), on_measures.one_augmentation
    ),
    "explanation/sets": SceneFigure(
        "Explanation over data sets", (*STUDY, "way", "property"), on_measures.explained_sets
    ),
    "explanation/images": SceneFigure(
        "Explanation image by image", (*STUDY, "way", "property"), on_measures.explained_images
    ),
    "representation/likeness": SceneFigure(
        "Likeness of spaces", (*STUDY, "measured", "likeness"), on_measures.likeness
    ),
    "representation/points": SceneFigure(
        "Images as points", (*STUDY, "measured", "projection", "colour"), on_measures.spaces
    ),
}


def depends_on(figure: SceneFigure, key: str) -> bool:
    """Whether a parameter of the address changes a figure."""
    return any(key == known or (known.endswith("_") and key.startswith(known)) for known in figure.keys)


def takes_a_picture(scene: Scene) -> bool:
    """Whether a scene is about one picture, so that another one can be put through it."""
    return scene.figure in FIGURES and depends_on(FIGURES[scene.figure], "image")


def show(scene: Scene, picture: SafeImage | None = None, ask: Ask | None = None, dark: bool = False) -> Drawn | Marked:
    """The figure of a scene; where something that it names is not here, the reason and never another picture.

    Args:
        scene: to be shown.
        picture: of somebody in the room, in the place of the scene's own.
        ask: through which numbers of a study are asked; without one they are computed.
        dark: whether it is for a dark page.
    """
    try:
        if scene.figure not in FIGURES:
            raise UnknownName("figure", scene.figure, FIGURES)
        figure = FIGURES[scene.figure]
        for key in scene.view:
            if not depends_on(figure, key):
                raise InvalidRequest(f"'{key}' changes nothing of {scene.figure}: it knows {', '.join(figure.keys)}.")
        return figure.draw(View(scene.view, picture, ask or asked_once(), dark))
    except InvariscopeError as error:
        return Marked(str(error))
