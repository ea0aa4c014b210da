"""Opens on a result: one image, two regimes, what they answer, where they look, and how steady they are."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from core import pipeline
from core.augmentations import AUGMENTATIONS
from core.heads import store as heads
from core.images.image import SafeImage
from core.metrics.attribution import overlaps
from core.paths import ASSETS
from core.plots import answers, map_pictures, questions, shipped
from core.plots.bars import bars
from core.plots.style import styles
from core.readout import Contender, with_floor
from core.results import store
from core.talk import on_images, scenes
from core.talk.parts import Chart
from core.talk.stories import Scene, Value
from core.tasks import Task, tasks
from core.text import plain
from pages.ui import blocks, figures, inputs, maps, picture, resources

SWEEP = "rotation"
SEEDS = 3

st.title("Invariscope: learning to see without labels")
st.markdown(
    "Some networks learn to see from pictures that people labelled (**supervised**, SL), others from the pictures "
    "alone (**self-supervised**, SSL). Here both kinds face the same pictures, yours too: what each answers, how sure "
    "it is, where it looks, and what leaves it unmoved."
)
chosen = inputs.chosen()
family = store.study(shipped.STUDY, [str(ASSETS / "results")])
study = resources.drawn(family, shipped.overview)
far = resources.of_study(family, shipped.far_image)
QUESTIONS = (
    ("study.py", "Accuracy", "Who is right?", ":material/analytics:"),
    ("confidence.py", "Confidence", "Do they know it?", ":material/speed:"),
    ("study_attribution.py", "Attribution", "Where do they look?", ":material/center_focus_strong:"),
    ("study_invariance.py", "Invariance", "What leaves them unmoved?", ":material/ssid_chart:"),
)
found = []
for column, (page, name, question, icon) in zip(st.columns(len(QUESTIONS), gap="small"), QUESTIONS, strict=True):
    with column, st.container(border=True, gap="xsmall", height="stretch"):
        st.page_link(page, label=plain(name), icon=icon, query_params={"study": family.id})
        st.markdown(f"**{plain(question)}**")
        found.append(st.empty())
found[0].caption(plain(study.accuracy))
found[1].caption(plain(study.confidence))


def row(
    contenders: Sequence[Contender], image: SafeImage, name: str, below: str, truth: Sequence[str], task: Task
) -> None:
    """A picture, and beside it where each contender looks, what it answers and how sure it is."""
    specs = [contender.encoder.spec for contender in contenders]
    readings = [resources.reading(contender, image) for contender in contenders]
    predictions = [
        pipeline.predict(contender, reading) for contender, reading in zip(contenders, readings, strict=True)
    ]
    st.markdown(f"## {plain(answers.finding(specs, predictions, task.classes))}")
    table, look = answers.answers_table(specs, predictions, task.classes, top=5), styles(specs)
    class_maps = [
        resources.attribution(r, image, p.top, "grad-cam") for r, p in zip(contenders, predictions, strict=True)
    ]
    scale = map_pictures.scales(class_maps, shared=True)[0]
    columns = st.columns(len(contenders) + 1, gap="medium")
    with columns[0]:
        st.markdown(f"### {plain(name)}")
        st.badge("the image", color="gray")
        picture.show(image, name, contenders)
        st.caption(f"{image.width:d} × {image.height:d} px. {plain(below)}")
    for column, contender, reading, prediction, values in zip(
        columns[1:], contenders, readings, predictions, class_maps, strict=True
    ):
        spec = contender.encoder.spec
        answer = task.classes[prediction.top]
        with column:
            st.markdown(f"### {plain(spec.label)}")
            blocks.badge(spec)
            maps.note(maps.draw(contender, image, reading, values, scale, answer)[0])
            blocks.unfamiliar(contender, reading)
            with st.container(horizontal=True, gap="small", vertical_alignment="center"):
                st.markdown(f"**{plain(answer)}**, {prediction.confidence:.0%} sure", width="content")
                blocks.answer_mark(answer, truth)
            mine = table[table["encoder"] == spec.id]
            st.html(bars(mine, look[spec.id], answers.bars_alt(mine)))
    st.caption(
        "Colour over the picture: evidence for the answer (Grad-CAM), one scale for all contenders. "
        f"{plain(questions.attribution(overlaps(class_maps)))} "
        "Bars: probability, after temperature scaling where one was fitted; tick: the softmax before it."
    )


contenders = chosen.contenders
row(
    contenders,
    chosen.image,
    chosen.name,
    "Change it in the sidebar: samples, upload or camera.",
    chosen.truth,
    chosen.task,
)
blocks.control_note(contenders)
able = [contender.encoder.spec.id for contender in contenders if shipped.FAR in heads.tasks_of(contender.encoder.spec)]
if far and able:
    id, truth = far
    st.header("And far from what they learnt on?")
    opened = resources.study_image(resources.gallery(family, shipped.FAR), id)
    task = tasks()[shipped.FAR]
    if opened is not None:
        below = f"{task.label}: of those that the packaged pair answers differently, the one that either is surest of."
        row([resources.contender(able_id, task.id) for able_id in able], opened, id, below, (truth,), task)

st.header("How steady is it?")
left, right = st.columns(2, gap="medium")
ids = tuple(contender.encoder.spec.id for contender in contenders)
asked: dict[str, Value] = {"task": chosen.task.id, "encoders": ids, "augmentation": SWEEP, "seeds": SEEDS}


def turned() -> Chart:
    """The image turned, by the points that the page Invariance will ask for."""
    augmentation, tables, floors = AUGMENTATIONS[SWEEP], [], {}
    for contender in with_floor(contenders, chosen.task.id):
        id = contender.encoder.spec.id
        points = [resources.point(contender, [chosen.image], SWEEP, at, SEEDS) for at in augmentation.strengths]
        tables.append(pipeline.points_table(points, id, SWEEP, [chosen.image.digest]))
        floors[id] = resources.floor(contender)
    table = pd.concat(tables, ignore_index=True)
    return on_images.kept(table, floors, augmentation, augmentation.strengths, True, ("cosine",))


with left, st.spinner("Turning the image", show_time=True):
    turn = resources.drawn_of(contenders, chosen.image, f"{SWEEP} {SEEDS}", turned)
with left:
    line = f"invariscope sweep IMAGE --augmentation {SWEEP} --encoders {','.join(ids)} --task {chosen.task.id}"
    scene = Scene("invariance/curves", "", "", asked | {"image": st.session_state.get("image", "")})
    more = partial(figures.along, scene, f"{line} --seeds {SEEDS} --out sweep.parquet", chosen.linkable)
    blocks.figure(turn.figure, turn.table, turn.alt, "overview_rotation", more=more)
    st.caption("Bands span the seeds of this one image; they say nothing about other images.")
with right:
    scene = Scene(
        "study/accuracy", "", "", {"study": family.id, **dict(zip(("first", "second"), shipped.PAIR, strict=True))}
    )
    more = partial(figures.along, scene, scenes.command(scene))
    blocks.figure(study.chart, study.table, study.alt, "overview_family", more=more)
    st.caption(plain(study.caption))

# Last, as maps and sweeps of whole sets take a second to read, once for everybody.
measured = resources.drawn(family, shipped.looks_and_steadiness)
for place, sentence in zip(found[2:], measured, strict=True):
    place.caption(plain(sentence))
with st.container(horizontal=True, gap="medium"):
    st.page_link("compare.py", label="Compare up to four encoders on your images", icon=":material/compare:")
    st.page_link("how_it_works.py", label="What is measured, and its limits", icon=":material/menu_book:")
blocks.provenance(contenders)
