"""Every figure that a scene can show, and the scene as it is shown: drawn, or marked with why it cannot be.

A figure is one function of the bound state and one row here; its page offers it with `pages.ui.stories.offer`.
"""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.errors import DataUnavailable, InvalidRequest, InvariscopeError, UnknownName
from core.images.image import SafeImage
from core.metrics import accuracy, attribution, calibration, domain, invariance, representation, selective
from core.results import store
from core.talk import citing, on_confidence, on_images, on_measures, on_models, on_quiz, on_studies
from core.talk.parts import Chart, Drawn, Marked
from core.talk.stories import Scene, Story, Value
from core.talk.view import Ask, View, asked_once

IMAGE = ("image", "task", "encoders")
STUDY = ("study", "version", "protocol", "first", "second")
ASKS = "quiz/question"
OF_MODELS = "models/"
"""How figures of the models' cards begin, which are of no study and of no picture."""
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
    "findings/ways": SceneFigure("A claim in every way to ask it", (*STUDY, "claim"), on_studies.ways_to_ask),
    "samples/confusion": SceneFigure("What is taken for what", (*STUDY, "dataset", "confusion"), on_studies.confusion),
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
    ASKS: SceneFigure("Question to the audience", (*IMAGE, "asks"), on_quiz.question),
    "models/training": SceneFigure("Training of the packaged encoders", (), on_models.training_curves),
}


CITED: dict[str, tuple[Callable[..., Any], ...]] = {
    "compare": (calibration.fit_temperature,),
    "attribution": (attribution.class_activation_map,),
    "invariance": (invariance.cosine_invariance, invariance.map_equivariance),
    "study": (accuracy.mcnemar_exact, accuracy.holm, domain.frechet_distance, domain.two_sample_auroc),
    "findings": (accuracy.mcnemar_exact, accuracy.holm),
    "samples": (accuracy.error_consistency,),
    "confidence": (
        *(calibration.calibration_error, calibration.consistency_band, calibration.fit_temperature),
        *(selective.misclassification_auroc, selective.risk_coverage, selective.excess_aurc),
    ),
    "maps": (
        *(attribution.class_activation_map, attribution.gini),
        *(attribution.pointing_hit, attribution.energy_in_mask),
    ),
    "fingerprint": (invariance.cosine_invariance,),
    "explanation": (invariance.cosine_invariance, accuracy.mcnemar_exact),
    "representation": (representation.linear_cka, representation.mutual_knn),
    "quiz": (attribution.class_activation_map,),
    "models": (),
}
"""Of each page the metrics behind its figures; their docstrings name who is to be cited."""


def depends_on(figure: SceneFigure, key: str) -> bool:
    """Whether a parameter of the address changes a figure."""
    return any(key == known or (known.endswith("_") and key.startswith(known)) for known in figure.keys)


def command(scene: Scene) -> str:
    """The command that writes the numbers of a figure, which are those of its charts; none of a picture's figure."""
    file = f"{scene.figure.replace('/', '_')}.csv"
    if scene.figure.startswith(OF_MODELS):
        return f"invariscope models export --figure {scene.figure} --out {file}"
    if "study" not in scene.view:
        return ""
    said = [f"--set {shlex.quote(f'{key}={written(value)}')}" for key, value in scene.view.items() if key != "study"]
    study = shlex.quote(str(scene.view["study"]))
    return " ".join(["invariscope results export", study, "--figure", scene.figure, *said, "--out", file])


def written(value: Value) -> str:
    """A parameter as an address and a command hold it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def bibtex(scene: Scene) -> str:
    """What a scene's figure uses, to be cited."""
    metrics = CITED[scene.figure.partition("/")[0]]
    ids = scene.view.get("encoders") or [scene.view.get(role) for role in ("first", "second")]
    if scene.figure.startswith(OF_MODELS):
        ids = [spec.id for spec in on_models.trained_here()]
    info = store.study(str(scene.view["study"])) if "study" in scene.view else None
    return citing.bibtex(info, list(map(str, ids if isinstance(ids, (tuple, list)) else ())), metrics)


def questions(story: Story) -> list[Scene]:
    """The scenes of a story that ask the audience, in order."""
    return [scene for scene in story.scenes if scene.figure == ASKS]


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


def table(scene: Scene) -> tuple[pd.DataFrame, str]:
    """The table behind a figure, of several charts one below the other, each with its heading; and its finding.

    Raises:
        DataUnavailable: the figure cannot be drawn of what is here.
        InvalidRequest: it is made of words.
    """
    shown = show(scene)
    if isinstance(shown, Marked):
        raise DataUnavailable(shown.reason)
    charts = [part for part in shown.parts if isinstance(part, Chart)]
    if not charts:
        raise InvalidRequest(f"{scene.figure} is made of words: it has no table.")
    if len(charts) == 1:
        return charts[0].table, shown.finding
    return pd.concat([chart.table.assign(chart=chart.heading) for chart in charts], ignore_index=True), shown.finding
