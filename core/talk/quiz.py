"""Questions for an audience: which of two answers, or of two maps, is the self-supervised contender's?"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

import numpy as np

from core import pipeline, samples
from core.confidence import Prediction
from core.errors import InvalidRequest
from core.images.image import SafeImage, encode_png, thumbnail
from core.metrics.accuracy import mcnemar_exact, wilson_interval
from core.plots import map_pictures
from core.plots.style import short_labels
from core.readout import Contender
from core.results.info import StudyInfo
from core.study.gallery import Gallery
from core.tasks import Task, task

ANSWERS, MAPS = "answers", "maps"
KINDS = {ANSWERS: "Which answer is the self-supervised one?", MAPS: "Which map is the self-supervised one?"}
"""What can be asked, by kind."""
MOST = 10
"""Questions of a quiz."""
LOOKED_AT = 400
"""Pictures of a set that are read in search of such where the two differ."""
BATCH = 16
SIDE, SMALL, TOP = 640, 64, 3  # pixels of a picture's long side; what is fewer is enlarged; classes of an answer
NAMES = ("A", "B")
CHANCE = 1 / len(NAMES)
LEVEL = 0.05
Pair = tuple[Contender, Contender]


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture that may be asked about: its title, the classes that are right for it (maybe none), and its source."""

    image: SafeImage
    title: str
    truth: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Option:
    """One of the two: lines of an answer, or a map as PNG with its words; never whose it is."""

    lines: tuple[str, ...] = ()
    png: bytes = b""
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What the audience is asked about one picture.

    Attributes:
        asked: the question.
        picture: PNG.
        about: what the picture is, in words.
        options: the two, in an order drawn by lot.
        right: place of the self-supervised contender's.
        told: whose each was, and what is true; for after the vote.
        source: of the picture, and the weights.
    """

    asked: str
    picture: bytes
    about: str
    options: tuple[Option, ...]
    right: int
    told: str
    source: str


def of_samples(task: Task, rng: random.Random) -> Iterator[Shot]:
    """The packaged pictures, in an order drawn by lot."""
    ids = list(samples.samples())
    for id in rng.sample(ids, len(ids)):
        about = samples.samples()[id]
        yield Shot(samples.image(id), about.title, samples.true_classes(id, task), f"{about.author}, {about.licence}")


def of_study(info: StudyInfo, dataset: str, opened: Gallery, rng: random.Random) -> Iterator[Shot]:
    """Test pictures of a study's data set, `LOOKED_AT` of them by lot; those that cannot be read are left out."""
    part, about = opened.images.parts["test"], info.datasets[dataset]
    for at in rng.sample(range(len(part.ids)), min(LOOKED_AT, len(part.ids))):
        image = opened.image(part.ids[at])
        if image is not None:
            truth, label = str(about["classes"][int(part.labels[at])]), str(about["label"])
            yield Shot(image, label, (truth,), f"{label} ({about['licence']}), study {info.id}")


def questions(
    kinds: Sequence[str], count: int, shots: Iterable[Shot], pair: Pair, rng: random.Random
) -> list[Question]:
    """At most `count` questions about different pictures, the kinds in turn; fewer where the pictures give no more.

    Args:
        kinds: of `KINDS`, at least one.
        count: 1 to `MOST`.
        shots: pictures, in the order in which they are tried.
        pair: two contenders of one task, the second one self-supervised.
        rng: draws the order of the two; nobody should be able to foretell it.

    Raises:
        InvalidRequest: no picture gives such a question.
    """
    wanted = {kind: (count + place) // len(kinds) for place, kind in enumerate(reversed(kinds))}
    found: dict[str, list[Question]] = {kind: [] for kind in kinds}
    used: set[str] = set()
    for read in _read(shots, pair):
        short = [kind for kind in kinds if len(found[kind]) < wanted[kind]]
        if not short:
            break
        for kind in short:
            made = None if read.shot.image.digest in used else _ASK[kind](read, pair)
            if made is not None:
                used.add(read.shot.image.digest)
                found[kind].append(_question(KINDS[kind], read.shot, *made, pair, rng))
                break
    turns = [question for turn in zip_longest(*found.values()) for question in turn if question is not None]
    if not turns:
        raise InvalidRequest("Both answer each of these pictures alike: ask about their maps, or take other pictures.")
    return turns


@dataclass(frozen=True, slots=True)
class _Read:
    shot: Shot
    readings: tuple[pipeline.Reading, ...]
    said: tuple[Prediction, ...]


def _read(shots: Iterable[Shot], pair: Pair) -> Iterator[_Read]:
    rest = iter(shots)
    while some := list(islice(rest, BATCH)):
        read = [pipeline.read_images(contender, [shot.image for shot in some]) for contender in pair]
        for shot, *readings in zip(some, *read, strict=True):
            said = (pipeline.predict(*each) for each in zip(pair, readings, strict=True))
            yield _Read(shot, tuple(readings), tuple(said))


Made = tuple[str, list[Option]]


def _answers(read: _Read, pair: Pair) -> Made | None:
    """The answers of both; None where they are the same."""
    classes = task(pair[0].head.task).classes
    if read.said[0].top == read.said[1].top:
        return None
    tops = ([int(c) for c in one.order[:TOP]] for one in read.said)
    return "", [
        Option(tuple(f"{classes[c]}, {one.probabilities[c]:.0%}" for c in top))
        for one, top in zip(read.said, tops, strict=True)
    ]


def _maps(read: _Read, pair: Pair) -> Made | None:
    """The maps of one class, the true one, or where nobody knows it the likeliest by both; None where one is empty."""
    classes = task(pair[0].head.task).classes
    together = np.sum([one.probabilities for one in read.said], axis=0)
    true = [index for index, name in enumerate(classes) if name in read.shot.truth]
    target = max(true or range(len(classes)), key=lambda index: float(together[index]))
    each = list(zip(pair, read.readings, strict=True))
    maps = [pipeline.attribute(contender, read.shot.image, reading, target) for contender, reading in each]
    shown = [
        map_pictures.picture(contender, read.shot.image, reading, values, scale, classes[target])
        for (contender, reading), values, scale in zip(each, maps, map_pictures.scales(maps, True), strict=True)
    ]
    if any(one.empty for one in shown):
        return None
    places = map(map_pictures.place_words, maps)
    return f"The evidence for “{classes[target]}”. ", [
        Option(png=one.png, alt=f"A map, strongest in the {place} of the picture.")
        for one, place in zip(shown, places, strict=True)
    ]


_ASK: dict[str, Callable[[_Read, Pair], Made | None]] = {ANSWERS: _answers, MAPS: _maps}


def _question(
    asked: str, shot: Shot, before: str, options: Sequence[Option], pair: Pair, rng: random.Random
) -> Question:
    right = rng.randrange(len(NAMES))
    picture = thumbnail(shot.image, SIDE)
    if max(picture.shape) < SMALL:  # of a few pixels, which a browser would blur
        picture = picture.repeat(SMALL // max(picture.shape) * 4, 0).repeat(SMALL // max(picture.shape) * 4, 1)
    names = short_labels([contender.encoder.spec for contender in pair])
    first, second = (names[contender.encoder.spec.id] for contender in pair)
    told = f"{NAMES[right]} is {second}, self-supervised; {NAMES[1 - right]} is {first}"
    told += "." if first == pair[0].encoder.spec.regime else f", {pair[0].encoder.spec.regime}."
    weights = ", ".join(f"{c.encoder.spec.id} {c.encoder.sha256[:8]}" for c in pair)
    return Question(
        before + asked,
        encode_png(picture),
        shot.title,
        (options[1], options[0]) if right == 0 else (options[0], options[1]),
        right,
        told + (f" True: {' or '.join(shot.truth)}." if shot.truth else ""),
        f"{shot.source}. Weights: {weights}.",
    )


def verdict(right: int, total: int) -> str:
    """What the votes on one question say, against chance."""
    return f"{right} of {total} were right: {_against_chance(right, total)}" if total else "Nobody voted."


def summary(votes: Sequence[tuple[int, int]]) -> str:
    """What all questions say together; pictures are the sample, and not votes.

    Args:
        votes: right ones and all, of each question.
    """
    decided = [2 * right > total for right, total in votes if 2 * right != total]
    if not decided:
        return "No picture was decided."
    right, total = sum(decided), len(decided)
    return f"Most votes were right on {right} of {total} pictures that were decided: {_against_chance(right, total)}"


def _against_chance(right: int, total: int) -> str:
    share = wilson_interval(right, total)
    p = mcnemar_exact(right, total - right)  # the exact binomial test against a half
    exact = "< .001" if p < 0.001 else f"= {p:.3f}".replace("0.", ".")
    side = "better" if share.estimate > CHANCE else "worse"
    found = f"That is {side} than guessing." if p < LEVEL else "Guessing could have given that."
    return (
        f"{share.estimate:.0%} (95 % interval {share.low:.0%} to {share.high:.0%}). Chance is {CHANCE:.0%}; exact p "
        f"{exact}. {found}"
    )
