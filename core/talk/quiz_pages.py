"""The two pages of a quiz as HTML: what a phone shows, and the stage. Every text in them is text."""

from collections.abc import Sequence
from html import escape

import segno

from core.metrics.accuracy import wilson_interval
from core.paths import ASSETS
from core.talk.ballot import Moment, Tally
from core.talk.deck import allowed
from core.talk.quiz import CHANCE, NAMES, summary, verdict

AGAIN = 3
"""Seconds after which a phone that waits asks again."""
_FOLDER = ASSETS / "quiz"


def _file(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def policy(stage: bool) -> str:
    """What a page of a quiz may do: show pictures of this server and send its form there; the stage runs its script,
    and may stand over a scene of a talk."""
    runs = f"script-src {allowed(_file('stage.js'))}; connect-src 'self'; " if stage else ""
    framed = "'self'" if stage else "'none'"
    return (
        f"default-src 'none'; {runs}style-src 'unsafe-inline'; img-src 'self' data:; form-action 'self'; "
        f"base-uri 'none'; frame-ancestors {framed}"
    )


def _page(title: str, kind: str, body: str, refresh: bool = False, script: str = "") -> str:
    again = f'<meta http-equiv="refresh" content="{AGAIN}">' if refresh else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f'{again}<style>{_file("quiz.css")}</style></head><body class="{kind}">{body}'
        f"{f'<script>{script}</script>' if script else ''}</body></html>\n"
    )


def phone(now: Moment | None, root: str, note: str = "") -> str:
    """What a phone shows.

    Args:
        now: the quiz; None where there is none.
        root: path of the quiz on this server.
        note: what has to be said first, such as why a vote did not count.
    """
    said = f'<p class="note" role="alert">{escape(note)}</p>' if note else ""
    if now is None:
        said = said or '<p class="note" role="alert">There is no such quiz any more. Ask for its address.</p>'
        return _page("Quiz", "phone", f"<main>{said}</main>")
    if now.question is None:
        words = "Wait here: the first question comes by itself." if now.step == 0 else "That was the quiz. Thank you!"
        return _page("Quiz", "phone", f"<main>{said}<h1>{words}</h1></main>", refresh=now.step == 0)
    number, question, chosen = now.number or 0, now.question, now.chosen
    head = f'<p class="count">Question {number + 1} of {len(now.questions)}</p><h1>{escape(question.asked)}</h1>'
    if now.open and chosen is None:
        buttons = "".join(
            f'<button name="choice" value="{i}"><b>{name}</b>{_lines(question.options[i].lines)}</button>'
            for i, name in enumerate(NAMES)
        )
        picture = f"<figure>{_picture(root, number, 'picture', question.about)}</figure>"
        # A closed element's pictures are not fetched: hundreds of phones share one network.
        maps = "".join(_option(now, root, i) for i, option in enumerate(question.options) if option.png)
        seen = f'<details><summary>See it here</summary><div class="pair">{picture}{maps}</div></details>'
        form = f'<form method="post"><input type="hidden" name="number" value="{number}">{buttons}</form>'
        return _page("Quiz", "phone", f"<main>{said}{head}{form}{seen}</main>")
    if now.open:
        vote = f"<p>Your vote: <b>{NAMES[chosen or 0]}</b>.</p>"
        mine = f"{vote}<p>It counts once, and nobody sees what was voted before the vote is closed.</p>"
    else:
        hit = "" if chosen is None else "You were right. " if chosen == question.right else "You were wrong. "
        mine = f"<p>{hit}{escape(question.told)}</p><p>{escape(_words(now.closed[-1]))}</p>"
    return _page("Quiz", "phone", f"<main>{said}{head}{mine}</main>", refresh=True)


def _words(tally: Tally) -> str:
    return verdict(tally.right, tally.total)


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"<span>{escape(line)}</span>" for line in lines)


def _picture(root: str, number: int, name: str, alt: str) -> str:
    return f'<img src="{escape(root)}/{number}/{name}.png" alt="{escape(alt)}" loading="lazy">'


def _option(now: Moment, root: str, i: int) -> str:
    assert now.question is not None
    option = now.question.options[i]
    picture = _picture(root, now.number or 0, str(i), option.alt) if option.png else ""
    marked = not now.open and i == now.question.right
    return f'<figure class="{"right" if marked else ""}"><b>{NAMES[i]}</b>{picture}{_lines(option.lines)}</figure>'


def stage(now: Moment, root: str) -> str:
    """What the room sees, and the host leads by one button or key.

    Args:
        now: the quiz.
        root: path of the quiz on this server.
    """
    button = {0: "First question", now.last - 1: "Sum up"}.get(
        now.step, "Close the vote" if now.open else "Next question"
    )
    step = f'<input type="hidden" name="step" value="{now.step}">'
    lead = f'<form method="post">{step}<button>{button} →</button></form>' if now.step < now.last else ""
    count = f'<p class="voted" role="status">{counted(now)}</p>'
    if now.question is not None:
        number = now.number or 0
        picture = _picture(root, number, "picture", now.question.about)
        options = "".join(_option(now, root, i) for i in range(len(now.question.options)))
        about = f"<figcaption>{escape(now.question.about)}</figcaption>"
        shown = f'<div class="shown"><figure>{picture}{about}</figure>{options}</div>'
        head = (
            f'<p class="count">Question {number + 1} of {len(now.questions)}</p><h1>{escape(now.question.asked)}</h1>'
        )
        source = f'<p class="source">{escape(now.question.source)}</p>'
        below = join(now, root) + count if now.open else _result(now)
        body = f"<header>{head}</header>{shown}<aside>{below}</aside><footer>{source}{lead}</footer>"
    elif now.step == 0:
        head = "<header><h1>Which one is the self-supervised one?</h1></header>"
        how = "<p>Scan the code, or type the address. There is no account, and a vote carries no name.</p>"
        body = f'{head}<div class="join">{join(now, root)}{how}{count}</div><footer>{lead}</footer>'
    else:
        rows = "".join(
            f"<li><span>{i}. {escape(tally.question.about)}</span>{_scale(tally)}</li>"
            for i, tally in enumerate(now.closed, 1)
        )
        said = escape(summary([(tally.right, tally.total) for tally in now.closed]))
        note = "Counted over pictures, not votes: people in one room see the same picture, and each other."
        head = f"<header><h1>Right, picture by picture</h1><p>{said}</p></header>"
        body = f'{head}<ol class="all">{rows}</ol><footer><p class="source">{note}</p></footer>'
    return _page("Quiz", "stage", f'<main data-step="{now.step}">{body}</main>', script=_file("stage.js"))


def counted(now: Moment) -> str:
    """How many phones came and voted, in words; never what they voted."""
    phones = f"{now.phones} phone{'' if now.phones == 1 else 's'}"
    return f"{now.voted} of {phones} voted" if now.open else f"{phones} here" if now.step == 0 else ""


def join(now: Moment, root: str) -> str:
    """The code that phones read, black on white in either theme, and the address in letters."""
    url = now.address + root
    code = segno.make(url, error="m", micro=False).svg_inline(border=4, omitsize=True, dark="#000", light="#fff")
    label = 'role="img" aria-label="QR code of the address below"'
    return f'<div class="code" {label}>{code}</div><p class="url">{escape(url)}</p>'


def _scale(tally: Tally) -> str:
    """Share of right votes with its interval on a line from 0 to 100 %, chance marked."""
    if not tally.total:
        return '<div class="scale" role="img" aria-label="Nobody voted."></div>'
    share = wilson_interval(tally.right, tally.total)
    words = f"{share.estimate:.0%} right, 95 % interval {share.low:.0%} to {share.high:.0%}, chance {CHANCE:.0%}"
    return (
        f'<div class="scale" role="img" aria-label="{words}"><i class="chance" style="left:{CHANCE:.1%}"></i>'
        f'<i class="reach" style="left:{share.low:.2%};width:{share.high - share.low:.2%}"></i>'
        f'<i class="at" style="left:{share.estimate:.2%}"></i><b>{share.estimate:.0%}</b></div>'
    )


def _result(now: Moment) -> str:
    tally = now.closed[-1]
    votes = ", ".join(f"{name} {count}" for name, count in zip(NAMES, tally.votes, strict=True))
    return f"<h2>{escape(tally.question.told)}</h2><p>Votes: {votes}.</p>{_scale(tally)}<p>{escape(_words(tally))}</p>"
