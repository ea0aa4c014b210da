"""A question to the audience as a scene: voted on where a server counts, and told with its answer in a file."""

import random

from core.errors import InvalidRequest
from core.talk import quiz
from core.talk.parts import Drawn, Picture
from core.talk.view import View, on_image


def asked(view: View, rng: random.Random | None = None) -> quiz.Question:
    """The question of a view about one picture.

    Args:
        view: names the picture, two contenders (a self-supervised one last), and what is asked of them.
        rng: draws the order of the two; without one it follows from the picture, so that a file is the same each time.

    Raises:
        InvariscopeError: something of it is not here, or the picture gives no such question.
    """
    on = on_image(view)
    kind = view.text("asks", quiz.ANSWERS, quiz.KINDS, "kind of question")
    if len(on.contenders) != 2 or on.contenders[1].encoder.spec.family != "SSL":
        raise InvalidRequest("A question is about two contenders, the second of them self-supervised.")
    first, second = on.contenders
    shot = quiz.Shot(on.image, on.title, on.truth, on.credit)
    lot = rng or random.Random(f"{on.image.digest} {kind}")
    return quiz.questions([kind], 1, [shot], (first, second), lot)[0]


def question(view: View) -> Drawn:
    """The question with its two answers, and what comes after the vote."""
    found = asked(view)
    parts = [Picture(found.picture, found.about, found.about)]
    for name, option in zip(quiz.NAMES, found.options, strict=True):
        parts.append(Picture(option.png, option.alt, name, option.lines))
    note = "No vote is counted here: that takes the server of the page Talk."
    return Drawn(found.asked, tuple(parts), found.source, note, found.told)
