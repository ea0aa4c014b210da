"""Does invariance explain accuracy? The paper's explanation over data sets and image by image."""

import streamlit as st

from core.plots import explanation as charts
from core.results import explanation, invariance
from core.text import plain
from pages.ui import figures, pickers, resources, study_inputs, study_measures

st.title("Does invariance explain who is right?")
chosen = study_inputs.chosen()
info = chosen.info
first, second = study_measures.pair(chosen)
names = study_measures.names(info)
sets = explanation.datasets(info, first, second)
study_measures.require(chosen, sets, "invariance", "attribution")

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

st.header("Over data sets")
figures.show("explanation/sets")
over, found = resources.of_study(info, explanation.both, first, second, way)
known = {key: int(over.sets[key].notna().sum()) for key in explanation.PROPERTIES}
with st.expander("The other properties", icon=":material/list:"):
    for key, name in explanation.PROPERTIES.items():
        if key != prop:
            said = charts.across_verdict(
                over.correlation[key], known[key], name.capitalize(), names[first], names[second]
            )
            st.markdown(f"- {plain(said)}")

st.header("Image by image")
figures.show("explanation/images")
for id in sets:
    said = charts.verdict(found[id][prop], what, names[first], names[second])
    st.markdown(f"- **{plain(info.datasets[id]['label'])}.** {plain(said)}")
st.caption(
    "AUROC: of an image that only the second contender gets right and one that only the first does, how often the "
    "former has the larger advantage. Beyond: the same after the clean confidence of both and their difference are "
    "regressed out, ranks on ranks. Intervals: 95 %, over images. Correlation is no cause: what would overturn a "
    "relation are other images, other augmentations, or a second training run of the same method."
)
