"""What leaves the contenders unmoved, on whole data sets: fingerprint, curves, and the answers that flip."""

import streamlit as st

from core.augmentations import AUGMENTATIONS
from core.results import curves, image_figures, invariance
from core.text import plain
from pages.ui import blocks, figures, pickers, resources, study_inputs, study_measures

CHART = "fingerprint"
BREAK = 8  # images that break first

st.title("Which changes do they not notice?")
chosen = study_inputs.chosen()
info = chosen.info
first, second = study_measures.pair(chosen)
names = study_measures.names(info)
sets = info.measured(invariance.MEASURE, (first, second))
study_measures.require(chosen, sets, "invariance")

with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    picked = study_measures.pick(info, sets, together=True)
    way = study_measures.pick_way("Of what", list(invariance.WAYS))
    st.toggle(
        "With trained-in augmentations",
        value=True,
        key="trained_in",
        bind="query-params",
        help="An encoder that was trained to ignore a change is no discovery when it does. Off leaves out what either "
        "contender's card names.",
    )
    outline = st.toggle("As outlines", key="outline", bind="query-params", help="A radar: two shapes, no intervals.")
st.caption(
    f"**{plain(info.title)}**: area under the curve of each augmentation over its tested strengths, as a mean over "
    f"images{' and data sets' if len(picked) > 1 else ''}. 1: unmoved; 0: as of another image. Whiskers: 95 % "
    "intervals over images; coloured bars hold together over all augmentations, and exceed what two training runs of "
    "one method differ by, where the study has two. † pre-training of a contender had it."
)
if not figures.show("fingerprint/augmentations", "" if outline else "point").charts:
    st.stop()
if way in invariance.NORMALISATIONS:
    turns = resources.of_study(info, invariance.turning, first, second, picked)
    signs = {way: difference > 0 for way, difference in zip(turns["way"], turns["difference"], strict=True)}
    if len(set(signs.values())) > 1:
        ahead = {
            ahead: ", ".join(invariance.WAYS[id].label.removeprefix("feature, ") for id in signs if signs[id] == ahead)
            for ahead in (True, False)
        }
        st.warning(
            f"The order of the two turns with what is called alike: {plain(names[second])} is ahead "
            f"{plain(ahead[True])}; {plain(names[first])} is ahead {plain(ahead[False])}. Say which one you mean.",
            icon=":material/swap_vert:",
        )

clicked = next(iter(blocks.selected(CHART)), None)
known = image_figures.augmentations(info, (first, second), picked[0])
if clicked and clicked[0] in known and st.session_state.get("fingerprint_clicked") != clicked[0]:
    st.session_state["fingerprint_clicked"] = st.session_state["curve_of"] = clicked[0]
st.header("One augmentation")
with st.container(horizontal=True, gap="medium"):
    one = pickers.one(
        "Augmentation",
        {id: AUGMENTATIONS[id].label for id in known},
        "curve_of",
        width=260,
        help="A click on the fingerprint chooses it, too.",
    )
    where = pickers.one("On", {id: str(info.datasets[id]["label"]) for id in picked}, "curve_on", width=260)
augmentation = AUGMENTATIONS[one]
st.caption(plain(augmentation.description))
figures.show("fingerprint/curve", measured=where)
flips = resources.of_study(info, curves.tipping, augmentation.id, (first, second), where)

with st.expander("The images that break first", icon=":material/broken_image:"):
    distance = (flips["strength"] - augmentation.identity).abs()
    order = flips.assign(distance=distance)[~flips["censored"]].sort_values(["distance", "sample_id"])
    for id in (first, second):
        broken = order[order["encoder"] == id].head(BREAK)
        st.markdown(f"**{plain(names[id])}**")
        st.dataframe(
            broken[["sample_id", "withstood", "strength"]],
            hide_index=True,
            alt=f"Images whose answer by {names[id]} flips first: still the clean answer at the first strength, no "
            "longer at the second.",
            key=f"broken_{id}",
        )
    st.caption(f"Strengths in {plain(augmentation.unit)}: withstood is the last one tried before the answer flips.")
