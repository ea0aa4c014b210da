"""Feature spaces beside each other: which are alike, how they are used, and their images as points."""

import streamlit as st

from core.results import geometry, pairs
from core.text import plain
from pages.ui import blocks, figures, neighbours, pickers, resources, study_inputs, study_measures, study_samples

NEIGHBOURS_SHOWN = 6
AREA_SHOWN = 12
# No filter of `pairs.samples`, and more rows than a study keeps features of.
EVERY_ROW = (None, None, None, (0.0, 1.0), None, None, "sample", 1_000_000)
CELLS = {"both": "both right", "only first": "only {0} right", "only second": "only {1} right", "neither": "both wrong"}

st.title("How alike are the spaces?")
chosen = study_inputs.chosen()
info = chosen.info
first, second = study_measures.pair(chosen)
names = study_measures.names(info)
sets = info.measured(geometry.MEASURE, (first, second))
study_measures.require(chosen, sets, "geometry")
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    picked = study_measures.pick(info, sets, together=False)[0]
    pickers.one(
        "Likeness",
        {"cka": "CKA", "neighbours": "shared neighbours"},
        "likeness",
        control=st.segmented_control,
        help="Linear CKA, debiased (Kornblith et al. 2019, Nguyen et al. 2021), or the share of the ten nearest "
        "neighbours that two spaces have in common (Huh et al. 2024).",
    )
label = str(info.datasets[picked]["label"])

kinship = resources.of_study(info, geometry.kinship, picked)
here = [id for id in info.encoders if id in {*kinship["first"], *kinship["second"]}]
left, right = st.columns([0.45, 0.55], gap="large")
with left:
    figures.show("representation/likeness", measured=picked)
with right:
    st.markdown("**How each uses its space**")
    every = resources.of_study(info, geometry.figures)
    table = geometry.chosen_figures(every, picked, here).rename(columns=names)
    table["figure"] = table["figure"].map(lambda id: geometry.FIGURES[id].partition(":")[0])
    st.dataframe(table, hide_index=True, alt=f"Geometry of the feature spaces on {label}.", key="geometry")
    st.caption(plain("; ".join(geometry.FIGURES.values()) + "."))
    st.caption(
        "Of the pooled features of test images, as the encoder gives them. More dimensions are no merit by themselves: "
        "an untrained network fills its space, too."
    )

st.header("Images as points")
with st.container(horizontal=True, gap="medium"):
    pickers.one(
        "Projection",
        {"pca": "PCA", "tsne": "t-SNE"},
        "projection",
        control=st.segmented_control,
        help="PCA keeps distances as far as two dimensions can. t-SNE keeps neighbours; how far its clusters lie apart "
        "means nothing.",
    )
    st.segmented_control(
        "Colour", ["class", "who is right"], default="class", required=True, key="colour", bind="query-params"
    )


def look_at(samples: list[str], id: str) -> None:
    """Samples as pictures where they are at hand, else as rows."""
    gallery = study_samples.opened(info, picked)
    if gallery is None:
        st.dataframe({"sample": samples}, hide_index=True, key=f"near_{id}", alt=f"Samples: {', '.join(samples)}.")
        return
    with st.grid(min_column_width=72, gap="small"):
        for sample in samples:
            study_samples.picture(gallery, sample, f"Sample {sample}")


figures.show("representation/points", "area", measured=picked)
for column, id in zip(st.columns(2, gap="large"), (first, second), strict=True):
    with column:
        picked_out = [str(point[0]) for point in blocks.selected(f"points_{id}")]
        if len(picked_out) == 1:
            st.caption(f"Sample {plain(picked_out[0])}: its nearest neighbours in this space")
            look_at([picked_out[0], *geometry.neighbours(info, picked, id, picked_out[0], NEIGHBOURS_SHOWN)], id)
        elif picked_out:
            rows = resources.of_study(info, pairs.samples, "linear", first, second, picked, *EVERY_ROW)
            rows = rows[rows["sample_id"].isin(picked_out)].drop(columns="total")
            counts = rows["cell"].value_counts()
            said = ", ".join(f"{counts.get(cell, 0)} {word}" for cell, word in CELLS.items())
            st.caption(f"{len(picked_out)} images of this area: {plain(said.format(names[first], names[second]))}.")
            look_at(picked_out[:AREA_SHOWN], id)
            blocks.csv(rows, "These images", f"area_{id}")

neighbours.show(info, picked, (first, second), names)
