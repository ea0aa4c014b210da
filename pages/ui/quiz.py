"""The quiz of a talk: made of pictures that are at hand, led from a stage of its own, joined from phones."""

import ipaddress
import random
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import psutil
import streamlit as st

from core import samples
from core.encoders.registry import encoders
from core.errors import InvariscopeError
from core.heads import store as heads
from core.results import store as studies
from core.talk import on_quiz, scenes
from core.talk.ballot import quizzes
from core.talk.quiz import ANSWERS, KINDS, MAPS, MOST, Shot, of_samples, of_study, questions
from core.talk.stories import Story, Value
from core.talk.view import View
from core.tasks import tasks
from core.text import plain
from pages.ui import access, inputs, resources, routes, stories

RUNNING = "quiz_running"
SAMPLES, STORY = "samples", "story"
OF = "quiz_of"
"""Under which a session keeps what scenes its quiz was made of."""
KIND_NAMES = {ANSWERS: "which answer", MAPS: "which map"}
LOOPBACK = ("localhost", "127.0.0.1", "::1")
VIRTUAL = ("docker", "br-", "veth", "virbr", "vmnet", "utun", "tun")
"""How networks begin that no phone is in."""


def offer(story: Story) -> None:
    """The part of the page Talk that makes a quiz, of pictures or of a story's own questions, and leads to it."""
    part = st.expander(
        "A quiz for the audience, on their phones", icon=":material/qr_code_2:", on_change="rerun", key="quiz_part"
    )
    with part:
        if part.open and not access.locked("Starting a quiz", "`invariscope`"):
            _running(*st.session_state[RUNNING]) if _is_running() else _new(story)
            with st.popover("A question as a scene of a story", icon=":material/quiz:", key="quiz_scene"):
                _as_scene()


def live(story: Story) -> str:
    """What the address of a talk says of the quiz that runs, where it is that of the story; empty without one."""
    if not _is_running() or st.session_state.get(OF) != _asked_in(story):
        return ""
    id, host = st.session_state[RUNNING]
    return f"?quiz={id}&key={host}"


def _asked_in(story: Story) -> str:
    return repr([sorted(scene.view.items()) for scene in scenes.questions(story)])


def _as_scene() -> None:
    known = samples.samples()
    image = st.selectbox("Picture", list(known), format_func=lambda id: plain(known[id].title), key="quiz_scene_image")
    asks = st.segmented_control(
        "Ask", list(KINDS), default=ANSWERS, required=True, format_func=KIND_NAMES.__getitem__, key="quiz_scene_asks"
    )
    pair, task = _pair(inputs.DEFAULT_TASK, "quiz_scene"), inputs.DEFAULT_TASK
    view: dict[str, Value] = {"image": str(image), "task": task, "encoders": pair, "asks": str(asks)}
    stories.offer(scenes.ASKS, view)


def _is_running() -> bool:
    return RUNNING in st.session_state and quizzes().leads(*st.session_state[RUNNING])


def _running(id: str, host: str) -> None:
    now = quizzes().now(id)
    if now is None:
        return
    st.markdown(f"Questions: {len(now.questions)}. Phones join at **{plain(now.address + routes.quiz(id))}**.")
    with st.container(horizontal=True, gap="small"):
        address = f"{routes.quiz(id)}/stage?key={host}"
        st.link_button("Open the stage", address, icon=":material/open_in_new:", type="primary")
        st.button("End the quiz", icon=":material/stop_circle:", on_click=quizzes().end, args=(id,), key="quiz_end")
    st.caption(
        "On the stage: space or → for the next step, t for light or dark, f for the whole screen. How many voted is "
        "counted live; what they voted is shown when you close the vote, and to nobody before. A phone votes once a "
        "question; a browser that forgets its cookies counts as another phone."
    )


def _here(task: str, family: str) -> list[str]:
    known = encoders()
    return [id for id in heads.encoders_for(task) if known[id].family == family and heads.is_here(known[id], task)]


def _pair(task: str, key: str) -> tuple[str, str]:
    """Whose answers are told apart, as chosen."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        first = st.selectbox("Supervised", _here(task, "SL"), format_func=_label, key=f"{key}_first", width=260)
        second = st.selectbox("Self-supervised", _here(task, "SSL"), format_func=_label, key=f"{key}_second", width=260)
    return str(first), str(second)


def _label(id: str) -> str:
    return encoders()[id].label


def _sources(story: Story) -> dict[str, str]:
    """What can be asked: a story's own questions, and pictures of samples and of studied sets that are here."""
    found = {STORY: "The questions of this story"} if scenes.questions(story) else {}
    found[SAMPLES] = "Sample pictures"
    for study in studies.studies().values():
        for id in (id for id in study.datasets if id in tasks()):
            try:
                resources.gallery(study, id)
            except InvariscopeError:
                continue  # pictures that are elsewhere are no fault here
            found[f"{study.id}/{id}"] = f"{study.datasets[id]['label']}, study {study.id}"
    return found


def _new(story: Story) -> None:
    sources = _sources(story)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        source = st.selectbox(
            "Pictures", list(sources), format_func=lambda id: sources[id], key="quiz_source", width=260
        )
        kinds = st.pills(
            "Ask",
            list(KINDS),
            selection_mode="multi",
            default=list(KINDS),
            format_func=KIND_NAMES.__getitem__,
            key="quiz_kinds",
        )
        count = st.number_input("Questions", 1, MOST, 5, key="quiz_count", width=120)
    if source == STORY:
        st.caption("In the talk's own window each question is voted on in its scene: → takes the next step.")
    study, _, dataset = str(source).partition("/")
    task = dataset or inputs.DEFAULT_TASK
    first, second = _pair(task, "quiz")
    known = _addresses()
    address = st.text_input(
        "Address that phones open",
        known[0] if known else "",
        max_chars=140,
        key="quiz_address",
        help="Of this machine in the network that the phones are in, with the port of this page.",
        width=420,
    )
    if len(known) > 1:
        st.caption(f"This machine is at {plain(', '.join(known))}.")
    if st.get_option("server.address") in LOOPBACK and urlsplit(st.context.url or "").hostname in LOOPBACK:
        st.warning(
            "This server listens to this machine alone, so no phone reaches it: start it with "
            "`invariscope --host 0.0.0.0`.",
            icon=":material/wifi_off:",
        )
    if not st.button("Make the quiz", type="primary", icon=":material/quiz:", key="quiz_make", disabled=not kinds):
        return
    rng = random.SystemRandom()
    try:
        with st.spinner("Looking for pictures"):
            if source == STORY:
                made = [on_quiz.asked(View(scene.view), rng) for scene in scenes.questions(story)]
            else:
                pair = resources.contender(first, task), resources.contender(second, task)
                made = questions(list(kinds), int(count), _shots(study, dataset, rng), pair, rng)
        old = st.session_state.get(RUNNING, ("", ""))[0]
        st.session_state[OF] = _asked_in(story) if source == STORY else ""
        st.session_state[RUNNING] = quizzes().begin(made, address or "", old)
        st.rerun()
    except InvariscopeError as error:
        inputs.explain(error)


def _shots(study: str, dataset: str, rng: random.Random) -> Iterator[Shot]:
    if not dataset:
        return of_samples(tasks()[inputs.DEFAULT_TASK], rng)
    info = studies.study(study)
    return of_study(info, dataset, resources.gallery(info, dataset), rng)


def _addresses() -> list[str]:
    """How phones may reach this page, the likeliest first: as this browser does, unless that is this machine itself."""
    here = urlsplit(str(st.context.url or ""))
    if here.hostname and here.hostname not in LOOPBACK:
        return [f"{here.scheme}://{here.netloc}"]
    port = f":{here.port}" if here.port else ""
    up = {name for name, about in psutil.net_if_stats().items() if about.isup}
    found = [
        (name.startswith(VIRTUAL), each.address)
        for name, all in psutil.net_if_addrs().items()
        for each in all
        if name in up and each.family == socket.AF_INET
    ]
    usable = [(virtual, ip) for virtual, ip in found if not _is_own(ip)]
    return [f"{here.scheme or 'http'}://{ip}{port}" for _, ip in sorted(usable, key=lambda each: each[0])]


def _is_own(ip: str) -> bool:
    address = ipaddress.ip_address(ip)
    return address.is_loopback or address.is_link_local
