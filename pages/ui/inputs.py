"""The sidebar that all comparing pages share: which image, which label space, which contenders.

What can be linked is in the address (`image`, `task`, `encoders`); an upload cannot be, and the page says so.
"""

from dataclasses import dataclass

import streamlit as st

from core import samples
from core.encoders.registry import encoders
from core.errors import InvariscopeError
from core.heads import store
from core.images.image import SafeImage
from core.readout import Contender
from core.results import store as store_of_studies
from core.tasks import Task, tasks
from core.text import plain
from pages.ui import own_images, pickers, picture, resources
from pages.ui.own_images import FROM_CAMERA, FROM_UPLOAD
from pages.ui.places import said

MAX_CONTENDERS = 4
DEFAULT_TASK = "tiny-imagenet"
DEFAULT_IMAGE = "coffee"
"""The sample that the packaged pair knows best: no other one's right answers get as much from the less sure of them."""
DEFAULT_PAIR = ["supervised", "simclr"]
CHOSEN = "chosen"
FROM_SAMPLES, FROM_STUDY = "Samples", "Study sample"
STUDY_SAMPLE = "study_sample"
DOMAIN_WORDS = {
    "source": "the encoders' own training domain",
    "similar": "similar to the training domain",
    "different": "far from the training domain",
    "unknown": "nobody said how far from the training domain",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the sidebar holds; `truth` names the classes of the task that are right for the image, where one knows."""

    image: SafeImage
    name: str
    linkable: bool
    uploads: tuple[tuple[str, SafeImage], ...]
    truth: tuple[str, ...]
    task: Task
    contenders: tuple[Contender, ...]


@dataclass(frozen=True, slots=True)
class StudySample:
    """A test sample of a study that was opened for comparison.

    Attributes:
        study: id.
        dataset: id.
        sample_id: within the data set.
        label: name of its class.
        protocol: that answered.
        recorded: what the study holds of each contender: its name, its answer, its confidence, and whether it is right.
    """

    study: str
    dataset: str
    sample_id: str
    label: str
    protocol: str = ""
    recorded: tuple[tuple[str, str, float, bool], ...] = ()


def take_study_sample(sample: StudySample, contenders: list[str]) -> None:
    """Make a study's sample the image of the comparing pages, and its task and contenders theirs where they exist.

    For callbacks: it sets what widgets hold.
    """
    st.session_state[STUDY_SAMPLE] = sample
    st.session_state["image_source"] = FROM_STUDY
    # The study's own heads answer where it kept them: a packaged task of the same name may be of other images.
    for task in questions(sample):
        if able := [id for id in contenders if id in store.encoders_for(task)]:
            st.session_state["task"], st.session_state["encoders"] = task, able
            return


def questions(sample: StudySample) -> list[str]:
    """The tasks that ask what a study's sample was asked, the study's own before the packaged one."""
    return [id for id in (f"{sample.study}/{sample.dataset}", sample.dataset) if id in tasks()]


def explain(error: InvariscopeError) -> None:
    """Show an error where it happened."""
    st.error(said(error), icon=":material/error:")


def _pick_image() -> tuple[SafeImage, str, bool, tuple[tuple[str, SafeImage], ...]]:
    # A link to somebody's own picture opens where that picture would be.
    if own_images.asked() and "image_source" not in st.session_state:
        st.session_state["image_source"] = FROM_UPLOAD
    source = st.segmented_control(
        "Image from",
        [FROM_SAMPLES, FROM_UPLOAD, FROM_CAMERA, *([FROM_STUDY] if STUDY_SAMPLE in st.session_state else [])],
        default=None if "image_source" in st.session_state else FROM_SAMPLES,
        required=True,
        key="image_source",
        persist_state="session",
        width="stretch",
    )
    sample = st.session_state.get("image", DEFAULT_IMAGE)
    own_images.forget_unless(source in (FROM_UPLOAD, FROM_CAMERA))
    if source == FROM_UPLOAD:
        uploads = own_images.uploaded()
        if uploads:
            name, image = own_images.pick(uploads)
            return image, name, False, tuple(uploads)
        if not own_images.asked():
            st.caption("Until you choose a file, the sample stays.")
    elif source == FROM_CAMERA:
        shot = own_images.photo()
        if shot is not None:
            return shot, "Camera photo", False, ()
        st.caption("Until you take a photo, the sample stays.")
    elif source == FROM_STUDY:
        held: StudySample = st.session_state[STUDY_SAMPLE]
        try:
            opened = resources.gallery(store_of_studies.study(held.study), held.dataset)
            found = resources.study_image(opened, held.sample_id)
        except InvariscopeError as error:
            found = None
            explain(error)
        if found is not None:
            st.caption(plain(f"{held.sample_id}, of study {held.study}; {held.label}."))
            return found, f"{held.sample_id} ({held.label})", False, ()
        st.caption("The image of this study's sample is no longer at hand; a bundled sample stands in its place.")
    if source == FROM_SAMPLES:
        sample = pickers.one(
            "Sample", {id: each.title for id, each in samples.samples().items()}, "image", DEFAULT_IMAGE
        )
    return resources.sample_image(sample), samples.samples()[sample].title, source == FROM_SAMPLES, ()


def _pick_contenders(task_id: str) -> list[Contender]:
    # What can answer at once comes before what has to be fetched; within each, the order of all pickers.
    possible = sorted(store.encoders_for(task_id), key=lambda id: not store.is_here(encoders()[id], task_id))
    first = [id for id in DEFAULT_PAIR if id in possible] or possible[:2]
    ids = pickers.several(
        "Contenders",
        {id: encoders()[id].label for id in possible},
        "encoders",
        first,
        max_selections=MAX_CONTENDERS,
        help="Up to four networks that can answer this task, those on this machine first. The Models page tells what "
        "each one is.",
    )
    if not ids:
        st.caption("Choose at least one; until then the first pair stays.")
        ids = first
    if restricted := [id for id in ids if encoders()[id].non_commercial]:
        st.caption(f":material/money_off: NC, no commercial use: {plain(', '.join(restricted))}.")
    contenders = []
    for id in ids:
        spec = encoders()[id]
        if not store.is_here(spec, task_id):
            st.warning(
                f"{plain(spec.label)} is not on this machine yet. Fetch it on the Models page.",
                icon=":material/download:",
            )
            if st.button(
                f"Open {plain(id)}", key=f"open_{id}", on_click=pickers.choose, args=("model", id), type="tertiary"
            ):
                st.switch_page("models.py", query_params={})
            continue
        try:
            contender = resources.contender(id, task_id)
            contenders.append(contender)
            for doubt in resources.doubts(contender):
                st.error(f"{plain(spec.label)} loaded, and may be untrained: {said(doubt)}", icon=":material/error:")
        except InvariscopeError as error:
            explain(error)
    return contenders


def sidebar() -> None:
    """Draw the shared inputs; pages read them with `chosen`."""
    with st.sidebar:
        image, name, linkable, uploads = _pick_image()
        image = picture.fitted(image)
        own_images.keep(st.session_state["image_source"])
        answerable = {id: task.label for id, task in tasks().items() if _is_offered(id)}
        task_id = pickers.one(
            "Task",
            answerable,
            "task",
            DEFAULT_TASK,
            help="What is asked: the classes that an answer is chosen from. ImageNet-1k is offered once an encoder "
            "that can answer it is on this machine.",
        )
        task = tasks()[task_id]
        st.caption(f"{plain(task.label)}: {len(task.classes)} classes, {DOMAIN_WORDS[task.domain]}.")
        if task.note:
            st.caption(f":material/info: {plain(task.note)}")
        contenders = _pick_contenders(task.id)
    st.session_state[CHOSEN] = Chosen(image, name, linkable, uploads, _truth(linkable, task), task, tuple(contenders))


def study_sample() -> StudySample | None:
    """The study's sample that is shown; None when another image is."""
    shown = st.session_state.get("image_source") == FROM_STUDY
    return st.session_state.get(STUDY_SAMPLE) if shown else None


def _is_offered(task_id: str) -> bool:
    """Whether an encoder on this machine has a head for a task; what nobody here can answer only when asked for."""
    asked = task_id == st.session_state.get("task") or task_id in st.query_params.get_all("task")
    return asked or any(store.is_here(encoders()[id], task_id) for id in store.encoders_for(task_id))


def _truth(is_sample: bool, task: Task) -> tuple[str, ...]:
    """The true classes of the shown image: known of bundled samples, and of a study's samples under its own task."""
    if is_sample:
        return samples.true_classes(st.session_state["image"], task)
    held = study_sample()
    return (held.label,) if held is not None and task.id in questions(held) and held.label in task.classes else ()


def chosen() -> Chosen:
    """What the sidebar holds; ends the page, after saying why, when there is nothing to compare."""
    found: Chosen = st.session_state[CHOSEN]
    if own_images.asked():
        st.info(
            "This link was made from a picture of somebody's own, which never left their session, so it is not here. "
            "Upload the same file in the sidebar to see what the link showed, or choose a sample there.",
            icon=":material/link_off:",
        )
        st.stop()
    if not found.contenders:
        st.warning(
            "None of the chosen contenders can run here. Choose a packaged one in the sidebar, or fetch one on the "
            "Models page.",
            icon=":material/info:",
        )
        st.stop()
    return found


def pick_class(chosen: Chosen) -> int | None:
    """The class to look at; None stands for each contender's own answer. In the address as its name."""
    own = "own answer"
    name = st.selectbox(
        "Class to explain",
        [own, *chosen.task.classes],
        key="class",
        bind="query-params",
        help="Any class of the task; by default each contender explains its own answer.",
    )
    return None if name in (None, own) else chosen.task.classes.index(name)
