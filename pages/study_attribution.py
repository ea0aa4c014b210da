"""Where the contenders look, on whole data sets: agreement, concentration, and whether the maps can be trusted."""

import numpy as np
import streamlit as st

from core.plots import study_attribution as charts
from core.results import attribution
from core.text import plain
from pages.ui import figures, pickers, resources, study_inputs, study_measures, study_samples

SHOWN = 4  # images of a gallery

st.title("Do they look at the same places?")
chosen = study_inputs.chosen()
info = chosen.info
first, second = study_measures.pair(chosen)
names = study_measures.names(info)
sets = info.measured(attribution.MEASURE, (first, second))
study_measures.require(chosen, sets, "attribution")
picked = study_measures.pick(info, sets, together=False)[0]
label = str(info.datasets[picked]["label"])

table = resources.of_study(info, attribution.agreement, first, second, picked)
images = resources.of_study(info, attribution.images, (first, second), tuple(sets))
if figures.show("maps/agreement", measured=picked).charts:
    kind = st.segmented_control(
        "Images",
        ["best", "median", "worst"],
        default="best",
        required=True,
        key="gallery",
        bind="query-params",
        help="The images whose maps agree most, about as the median, and least; chosen by that number alone.",
    )
    middle = max(0, (len(table) - SHOWN) // 2)
    start = {"best": 0, "median": middle, "worst": max(0, len(table) - SHOWN)}[kind or "best"]
    rows = table.iloc[start : start + SHOWN]
    gallery = study_samples.opened(info, picked)
    for column, row in zip(st.columns(SHOWN, gap="medium"), rows.to_dict("records"), strict=False):
        with column:
            if gallery is not None:
                study_samples.picture(gallery, str(row["sample_id"]), f"Sample {row['sample_id']}")
            st.caption(f"{plain(str(row['sample_id']))}: Spearman {row['spearman']:+.2f}, overlap {row['iou']:.0%}")
            shape = (int(row["height"]), int(row["width"]))
            maps = [np.asarray(m, np.float32).reshape(shape) for m in (row["first_map"], row["second_map"])]
            for place, name, data in zip(st.columns(2), (names[first], names[second]), maps, strict=True):
                words = f"Map of {name} for the true class of sample {row['sample_id']}, warm where it speaks for it."
                place.image(charts.map_png(data), caption=plain(name), width="stretch", alt=words)

st.header("How concentrated, right and wrong, near and far")
kinds = {id: words.capitalize() for id, words in attribution.FIGURES.items()}
pickers.one("Figure", kinds, "map_figure", "effective", width=320)
figures.show("maps/concentration")

objects = resources.of_study(info, attribution.on_objects, (first, second), picked)
if not objects.empty:
    st.header("Do they look at the object?")
    figures.show("maps/objects", measured=picked)
    st.caption(
        f"{int(objects['images'].max())} images of {plain(label)} with a mask, cropped as the encoder reads them. "
        f"Chance is the share of the picture that the object covers, {objects['chance'].mean():.0%}; a map that is a "
        f"blot in the centre would have {objects['centre'].mean():.0%} there. Energy and pointing game: Wang et al. "
        "2020, Zhang et al. 2018."
    )

st.header("Can the maps be trusted?")
trust = attribution.means(images)
columns = st.columns(2, gap="large")
for column, id in zip(columns, (first, second), strict=True):
    with column, st.container(border=True):
        st.markdown(f"**{plain(names[id])}**")
        for line in charts.trust_lines(trust[(trust["encoder"] == id) & (trust["dataset"] == picked)]):
            st.markdown(f"- {plain(line)}")
st.caption(
    "Deletion and insertion (Petsiuk et al. 2018) cover and uncover cells with the mean colour in the order of the "
    "map; a gain says how much more that does than a random order, or one from the centre outwards. Sanity (Adebayo et "
    "al. 2018): likeness to the map of the same network with a random head or last stage; a map that stays shows the "
    "picture and not the network."
)
