"""What leaves the contenders unmoved, on whole data sets: fingerprint, curves, and the answers that flip."""

import streamlit as st

from core.augmentations import AUGMENTATIONS
from core.augmentations.training import trained_in
from core.plots import study_invariance as charts
from core.results import curves, invariance, steadiness
from core.text import plain
from pages.ui import blocks, pickers, resources, stories, study_inputs, study_measures

CHART = "fingerprint"
BREAK = 8  # images that break first

st.title("Which changes do they not notice?")
chosen = study_inputs.chosen()
info = chosen.info
first, second = study_measures.pair(chosen)
names, look = study_measures.looks(info)
sets = info.measured(invariance.MEASURE, (first, second))
study_measures.require(chosen, sets, "invariance")

with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    picked = study_measures.pick(info, sets, together=True)
    way = study_measures.pick_way("Of what", list(invariance.WAYS))
    learned = st.toggle(
        "With trained-in augmentations",
        value=True,
        key="trained_in",
        bind="query-params",
        help="An encoder that was trained to ignore a change is no discovery when it does. Off leaves out what either "
        "contender's card names.",
    )
    outline = st.toggle("As outlines", key="outline", bind="query-params", help="A radar: two shapes, no intervals.")
recipes = (trained_in(str(info.encoders[id].get("augmentation", ""))) for id in (first, second))
without = frozenset() if learned else frozenset().union(*recipes)
table, whole = resources.of_study(info, steadiness.compared, way, first, second, picked, without)
shown = table[~table["augmentation"].isin(list(without))]
if whole is None:
    st.info("Every augmentation of this study was part of a contender's pre-training.", icon=":material/info:")
    st.stop()
said = charts.finding(shown, whole, names, first, second)
unit = invariance.WAYS[way].unit
st.caption(
    f"**{plain(info.title)}**: area under the curve of each augmentation over its tested strengths, as a mean over "
    f"images{' and data sets' if len(picked) > 1 else ''}. 1: unmoved; 0: as of another image. Whiskers: 95 % "
    "intervals over images; coloured bars hold together over all augmentations, and exceed what two training runs of "
    "one method differ by, where the study has two. † pre-training of a contender had it."
)
words = charts.alt(shown, names, first, second)
if outline:
    blocks.figure(charts.radar(shown, names, look, first, second, said), shown, words, "fingerprint_radar")
else:
    blocks.figure(charts.fingerprint(shown, names, look, first, second, said, unit), shown, words, CHART, "point")
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

everywhere = study_measures.ALL if len(picked) > 1 else picked[0]
told = study_inputs.bound(chosen) | {"measured": everywhere, "way": way, "trained_in": learned}
stories.offer(told, "fingerprint/augmentations")

clicked = next(iter(blocks.selected(CHART)), None)
known = [str(id) for id in table["augmentation"]]
if clicked and clicked[0] in known and st.session_state.get("fingerprint_clicked") != clicked[0]:
    st.session_state["fingerprint_clicked"] = st.session_state["curve_of"] = clicked[0]
st.subheader("One augmentation")
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
untrained = [id for id in info.encoders if info.encoders[id]["family"] == "random"]
measured = [id for id in untrained if where in info.measured(invariance.MEASURE, (id,)) and id not in (first, second)]
encoders = (first, second, *measured[:1])
st.caption(plain(augmentation.description))
left, right = st.columns(2, gap="large")
with left:
    curve = resources.of_study(info, curves.curve, way, augmentation.id, encoders, where)
    figure = charts.curves(curve, augmentation, names, look, unit)
    blocks.figure(figure, curve, f"Kept over strength of {augmentation.label}.", "study_curve")
flips = resources.of_study(info, curves.tipping, augmentation.id, encoders, where)
with right:
    staying = curves.survival(flips, augmentation.id)
    figure = charts.survival(staying, augmentation, names, look)
    blocks.figure(figure, staying, f"Answers that stay over strength of {augmentation.label}.", "study_survival")

told = study_inputs.bound(chosen) | {"measured": where, "way": way, "curve_of": augmentation.id}
stories.offer(told, "fingerprint/curve")

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
