"""Opens on a result: one image, two regimes, what they answer, where they look, and how steady they are."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core import pipeline, sweeps
from core.metrics.attribution import overlaps
from core.paths import ASSETS
from core.plots import answers, curves, map_pictures, questions, shipped
from core.plots.bars import bars
from core.plots.style import short_labels, styles
from core.results import store
from core.text import plain
from pages.ui import blocks, inputs, lineup, maps, picture, resources

SWEEP = "rotation"
SEEDS = 3

st.title("Invariscope: learning to see without labels")
st.markdown(
    "Some networks learn to see from pictures that people labelled (**supervised**, SL), others from the pictures "
    "alone (**self-supervised**, SSL). Here both kinds face the same pictures, yours too: what each answers, how sure "
    "it is, where it looks, and what leaves it unmoved."
)
chosen = inputs.chosen()
FAMILY, MEASURED = "family", "four-questions"
study = resources.drawn(store.study(FAMILY, [str(ASSETS / "results")]), shipped.overview)
QUESTIONS = (
    ("study.py", FAMILY, "Accuracy", "Who is right?", ":material/analytics:"),
    ("confidence.py", FAMILY, "Confidence", "Do they know it?", ":material/speed:"),
    ("study_attribution.py", MEASURED, "Attribution", "Where do they look?", ":material/center_focus_strong:"),
    ("study_invariance.py", MEASURED, "Invariance", "What leaves them unmoved?", ":material/ssid_chart:"),
)
found = []
for column, (page, of, name, question, icon) in zip(st.columns(len(QUESTIONS), gap="small"), QUESTIONS, strict=True):
    with column, st.container(border=True, gap="xsmall", height="stretch"):
        st.page_link(page, label=plain(name), icon=icon, query_params={"study": of})
        st.markdown(f"**{plain(question)}**")
        found.append(st.empty())
found[0].caption(plain(study.accuracy))
found[1].caption(plain(study.confidence))

contenders = chosen.contenders
specs = [contender.encoder.spec for contender in contenders]
readings = [resources.reading(contender, chosen.image) for contender in contenders]
predictions = [pipeline.predict(contender, reading) for contender, reading in zip(contenders, readings, strict=True)]
st.markdown(f"**{plain(answers.finding(specs, predictions, chosen.task.classes))}**")
blocks.control_note(contenders)

table = answers.answers_table(specs, predictions, chosen.task.classes, top=5)
look = styles(specs)
class_maps = [
    resources.attribution(r, chosen.image, p.top, "grad-cam") for r, p in zip(contenders, predictions, strict=True)
]
scale = map_pictures.scales(class_maps, shared=True)[0]

columns = st.columns(len(contenders) + 1, gap="medium")
with columns[0]:
    st.markdown(f"##### {plain(chosen.name)}")
    st.badge("the image", color="gray")
    picture.show(chosen.image, chosen.name, contenders)
    st.caption(
        f"{chosen.image.width:d} × {chosen.image.height:d} px. Change it in the sidebar: samples, upload or camera."
    )
for column, contender, reading, prediction, values in zip(
    columns[1:], contenders, readings, predictions, class_maps, strict=True
):
    spec = contender.encoder.spec
    answer = chosen.task.classes[prediction.top]
    with column:
        st.markdown(f"##### {plain(spec.label)}")
        blocks.badge(spec)
        maps.draw(contender, chosen.image, reading, values, scale, answer)
        blocks.unfamiliar(contender, reading)
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.markdown(f"**{plain(answer)}**, {prediction.confidence:.0%} sure", width="content")
            blocks.answer_mark(answer, chosen.truth)
        mine = table[table["encoder"] == spec.id]
        st.html(bars(mine, look[spec.id], answers.bars_alt(mine)))
st.caption(
    "Colour over the picture: evidence for the answer (Grad-CAM), one scale for all contenders. "
    f"{plain(questions.attribution(overlaps(class_maps)))} "
    "Bars: probability, after temperature scaling where one was fitted; tick: the softmax before it."
)

st.subheader("How steady is it?")
left, right = st.columns(2, gap="medium")
turned = lineup.with_floor(contenders, chosen.task.id)


def steadiness() -> tuple[go.Figure, pd.DataFrame, str]:
    """The chart of the turned image, its table and its words."""
    augmentation = pipeline.augmentation(SWEEP)
    points, floors = [], {}
    for contender in turned:
        id = contender.encoder.spec.id
        swept = [
            resources.point(contender, [chosen.image], SWEEP, strength, SEEDS) for strength in augmentation.strengths
        ]
        points.append(pipeline.points_table(swept, id, SWEEP, [chosen.image.digest]))
        floors[id] = resources.floor(contender)
    specs = [contender.encoder.spec for contender in turned]
    labels, table = short_labels(specs), pd.concat(points, ignore_index=True)
    curve = sweeps.curve(table, floors, corrected=True)
    untrained = [spec.id for spec in specs if spec.family == "random"]
    strongest = sweeps.at_strength(table, floors, augmentation.strengths[-1], untrained)
    title = curves.finding(strongest, augmentation, labels)
    chart = curves.stacked(
        curve, augmentation, labels, styles(specs), floors, title, corrected=True, measures=("cosine",)
    )
    return chart, curve, curves.curves_alt(curve, augmentation, labels, True)


with left, st.spinner("Turning the image", show_time=True):
    chart, curve, alt = resources.drawn_of(turned, chosen.image, f"{SWEEP} {SEEDS}", steadiness)
with left:
    blocks.figure(chart, curve, alt, "overview_rotation")
    st.caption("Bands span the seeds of this one image; they say nothing about other images.")
with right:
    blocks.figure(study.chart, study.table, study.alt, "overview_family")
    st.caption(plain(study.caption))

# Last, as maps and sweeps of whole sets take a second to read, once for everybody.
measured = resources.drawn(store.study(MEASURED, [str(ASSETS / "results")]), shipped.looks_and_steadiness)
for place, sentence in zip(found[2:], measured, strict=True):
    place.caption(plain(sentence))
with st.container(horizontal=True, gap="medium"):
    st.page_link("compare.py", label="Compare up to four encoders on your images", icon=":material/compare:")
    st.page_link("how_it_works.py", label="What is measured, and its limits", icon=":material/menu_book:")
blocks.provenance(contenders)
