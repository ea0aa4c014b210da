"""Does invariance explain accuracy? The paper's explanation over data sets and image by image."""

import pandas as pd
import streamlit as st

from core.plots import explanation as charts
from core.results import explanation, invariance
from core.text import plain
from pages.ui import blocks, pickers, resources, stories, study_inputs, study_measures

st.title("Does invariance explain who is right?")
chosen = study_inputs.chosen()
info = chosen.info
first, second = study_measures.pair(chosen)
names, look = study_measures.looks(info)
sets = explanation.datasets(info, first, second)
study_measures.require(chosen, sets, "invariance", "attribution")
labels = {id: str(info.datasets[id]["label"]) for id in sets}

with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    way = study_measures.pick_way("Invariance of", invariance.NORMALISATIONS)
    properties = {id: words.capitalize() for id, words in explanation.PROPERTIES.items()}
    prop = pickers.one("Property", properties, "property", "invariance", width=380)
what = explanation.PROPERTIES[prop].capitalize()
st.caption(
    f"**{plain(info.title)}**: linear probe, seed 0. If invariance explains accuracy, then the contender that is the "
    "more accurate on a data set is the more invariant there, and the images that only one gets right are those on "
    "which it is the steadier one. Either can fail."
)

st.subheader("Over data sets")
over, found = resources.of_study(info, explanation.both, first, second, way)
known = {key: int(over.sets[key].notna().sum()) for key in explanation.PROPERTIES}
said = charts.across_verdict(over.correlation[prop], known[prop], what, names[first], names[second])
blocks.figure(
    charts.sets_chart(over.sets, prop, said, names[first], names[second]),
    over.sets,
    f"{what} and accuracy by data set. {said}",
    "explanation_sets",
)
others = [
    charts.across_verdict(over.correlation[key], known[key], name.capitalize(), names[first], names[second])
    for key, name in explanation.PROPERTIES.items()
    if key != prop
]
with st.expander("The other properties", icon=":material/list:"):
    for line in others:
        st.markdown(f"- {plain(line)}")

st.subheader("Image by image")
headline = charts.over_sets(what, prop, found)
rows = [
    (
        *(labels[id], key, each.auroc.estimate, each.auroc.low, each.auroc.high),
        *(each.beyond.estimate, each.beyond.low, each.beyond.high, each.only_first, each.only_second),
    )
    for id in sets
    for key, each in found[id].items()
]
columns = ["data set", "property", "AUROC", "low", "high", "beyond", "beyond low", "beyond high"]
table = pd.DataFrame(rows, columns=[*columns, "only first", "only second"])
blocks.figure(
    charts.within_chart(found, labels, explanation.PROPERTIES, look[second], headline),
    table,
    f"AUROC by data set and property. {headline}.",
    "explanation_images",
)
for id in sets:
    st.markdown(
        f"- **{plain(labels[id])}.** {plain(charts.verdict(found[id][prop], what, names[first], names[second]))}"
    )
stories.offer(study_inputs.bound(chosen) | {"way": way, "property": prop}, "explanation/sets", "explanation/images")
st.caption(
    "AUROC: of an image that only the second contender gets right and one that only the first does, how often the "
    "former has the larger advantage. Beyond: the same after the clean confidence of both and their difference are "
    "regressed out, ranks on ranks. Intervals: 95 %, over images. Correlation is no cause: what would overturn a "
    "relation are other images, other augmentations, or a second training run of the same method."
)
