"""Opens on a result: one image, two regimes, what they answer, where they look, and how steady they are."""

import pandas as pd
import streamlit as st

from core import pipeline
from core.plots import answers, curves, family
from core.plots.bars import bars
from core.plots.style import short_labels, styles
from pages.ui import blocks, inputs, maps, resources

SWEEP = "rotation"
SEEDS = 3

st.title("What does a representation keep when labels are taken away?")
chosen = inputs.chosen()

rivals = chosen.rivals
specs = [rival.encoder.spec for rival in rivals]
readings = [resources.reading(rival, chosen.image) for rival in rivals]
predictions = [pipeline.predict(rival, reading) for rival, reading in zip(rivals, readings, strict=True)]
st.markdown(f"**{answers.finding(specs, predictions, chosen.task.classes)}**")
blocks.control_note(rivals)

table = answers.answers_table(specs, predictions, chosen.task.classes, top=5)
look = styles(specs)
class_maps = [
    resources.attribution(r, chosen.image, p.top, "grad-cam") for r, p in zip(rivals, predictions, strict=True)
]
scale = maps.scales(class_maps, shared=True)[0]

columns = st.columns(len(rivals) + 1, gap="medium")
with columns[0]:
    st.markdown(f"##### {chosen.name}")
    st.badge("the image", color="gray")
    st.image(inputs.display_bytes(chosen.image), width="stretch", alt=f"The image that is compared: {chosen.name}.")
    st.caption(f"{chosen.image.width} × {chosen.image.height} px. Change it in the sidebar: samples, upload or camera.")
for column, rival, reading, prediction, values in zip(
    columns[1:], rivals, readings, predictions, class_maps, strict=True
):
    spec = rival.encoder.spec
    answer = chosen.task.classes[prediction.top]
    with column:
        st.markdown(f"##### {spec.label}")
        blocks.badge(spec)
        maps.draw(rival, chosen.image, reading, values, scale, answer)
        st.markdown(f"**{answer}**, {prediction.confidence:.0%} sure")
        mine = table[table["encoder"] == spec.id]
        st.html(bars(mine, look[spec.id], answers.bars_alt(mine)))
st.caption(
    "Colour over the picture: evidence for the answer (Grad-CAM), one scale for all contenders. "
    "Bars: probability, after temperature scaling where one was fitted; tick: the softmax before it."
)

st.subheader("How steady is it?")
left, right = st.columns(2, gap="medium")
with left, st.spinner("Turning the image", show_time=True):
    augmentation = pipeline.augmentation(SWEEP)
    points, floors = [], {}
    turned = resources.with_floor(rivals, chosen.task.id)
    for rival in turned:
        id = rival.encoder.spec.id
        found = [resources.point(rival, [chosen.image], SWEEP, strength, SEEDS) for strength in augmentation.strengths]
        points.append(pipeline.points_table(found, id, SWEEP, [chosen.image.digest]))
        floors[id] = resources.floor(rival)
    turned_specs = [rival.encoder.spec for rival in turned]
    labels = short_labels(turned_specs)
    curve = curves.summary(pd.concat(points, ignore_index=True), floors, corrected=True)
with left:
    untrained = [spec.id for spec in turned_specs if spec.family == "random"]
    title = curves.finding(pd.concat(points), floors, augmentation, labels, augmentation.strengths[-1], untrained)
    chart = curves.stacked(
        curve, augmentation, labels, styles(turned_specs), floors, title, corrected=True, measures=("cosine",)
    )
    blocks.figure(chart, curve, curves.curves_alt(curve, augmentation, labels, True), "overview_rotation")
    st.caption("Bands span the seeds of this one image; they say nothing about other images.")
with right:
    measured = family.accuracy_table()
    blocks.figure(family.accuracy_bars(measured), measured, family.accuracy_alt(measured), "overview_family")

st.subheader("Go on")
with st.container(horizontal=True, gap="medium"):
    st.page_link("compare.py", label="Compare up to four encoders on your images", icon=":material/compare:")
    st.page_link("attribution.py", label="See where each class comes from", icon=":material/center_focus_strong:")
    st.page_link("invariance.py", label="Turn, blur, cover and recolour", icon=":material/ssid_chart:")
    st.page_link("how_it_works.py", label="What is measured, and its limits", icon=":material/menu_book:")
blocks.provenance(rivals)
