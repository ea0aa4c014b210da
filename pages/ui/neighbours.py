"""A picture of the visitor's own among a study's: what lies nearest to it in each contender's space, side by side."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from core import samples
from core.encoders.files import weights
from core.encoders.registry import encoders
from core.errors import DataUnavailable, InvariscopeError
from core.images.image import SafeImage
from core.plots import representation as charts
from core.results import geometry
from core.results.info import StudyInfo
from core.study.gallery import Gallery
from core.text import plain
from pages.ui import blocks, inputs, own_images, pickers, resources, study_samples

COUNT = 6


def show(info: StudyInfo, dataset: str, pair: tuple[str, str], names: Mapping[str, str]) -> None:
    """An upload, or until there is one a bundled sample, with its nearest neighbours among a set's kept images."""
    st.header("Your picture among them")
    label, classes = str(info.datasets[dataset]["label"]), [str(name) for name in info.datasets[dataset]["classes"]]
    left, right = st.columns([1, 3], gap="large")
    with left:
        name, image = _pick()
        st.image(resources.square(image, 160), width=160, output_format="PNG", alt=f"The picture {name}.")
    found: dict[str, pd.DataFrame] = {}
    with right:
        for id in pair:
            try:
                found[id] = _nearest(info, dataset, id, image)
            except InvariscopeError as error:
                inputs.explain(error)
        if len(found) == len(set(pair)) and all(len(table) for table in found.values()):
            first, second = (found[id] for id in pair)
            shared = geometry.shared(first, second)
            said = charts.nearest_finding(first, second, shared, (names[pair[0]], names[pair[1]]), classes)
            st.markdown(f"**{plain(said)}**")
        opened = study_samples.opened(info, dataset)
        for column, id in zip(st.columns(2, gap="medium"), pair, strict=True):
            with column:
                if id in found:
                    _draw(found[id], id, names[id], label, classes, opened)
    st.caption(
        f"By the cosine of pooled features, among the images of {plain(label)} whose features the study keeps; usual "
        "is its mean over all of them. A picture of your own stays in this session."
    )


def _pick() -> tuple[str, SafeImage]:
    """The picture to look at, and what to call it."""
    uploads = own_images.kept()
    if not uploads:
        st.caption("Choose a picture of your own in the sidebar; until then it is this one.")
        titles = {id: each.title for id, each in samples.samples().items()}
        id = pickers.one("Picture", titles, "image", inputs.DEFAULT_IMAGE)
        return titles[id], resources.sample_image(id)
    at = 0
    if len(uploads) > 1:
        at = st.selectbox(
            "Show",
            range(len(uploads)),
            format_func=lambda i: uploads[i][0],
            key="upload_shown",
            persist_state="session",
        )
    return uploads[at or 0]


def _nearest(info: StudyInfo, dataset: str, id: str, image: SafeImage) -> pd.DataFrame:
    """The nearest of a set's kept images, by a contender whose weights here are those that the study measured."""
    spec, label = encoders().get(id), info.encoders[id]["label"]
    if spec is None or not all(weights.is_here(file) for file in spec.files):
        raise DataUnavailable(f"{label} is not on this machine: fetch it on the Models page to see its neighbours.")
    contender = resources.without_head(id)
    if contender.encoder.sha256 != info.encoders[id].get("weights"):
        raise DataUnavailable(f"{label} has other weights here than the study measured: its spaces do not go together.")

    def compute() -> pd.DataFrame:
        return geometry.nearest(info, dataset, id, resources.reading(contender, image).pooled, COUNT)

    return resources.drawn_of((contender,), image, f"nearest {info.version} {dataset}", compute)


def _draw(table: pd.DataFrame, id: str, name: str, label: str, classes: Sequence[str], opened: Gallery | None) -> None:
    """One contender's neighbours: as pictures where the set is at hand, else as rows."""
    shown = table.assign(label=[classes[int(i)] for i in table["label"]])
    st.markdown(f"**{plain(name)}**" + "".join(f" (usual cosine {value:.2f})" for value in shown["usual"].head(1)))
    if opened is None:
        alt = f"Nearest images of {label} for {name}."
        st.dataframe(shown.drop(columns=["usual", "images"]), hide_index=True, key=f"nearest_{id}", alt=alt)
    else:
        with st.grid(min_column_width=72, gap="small"):
            for row in shown.to_dict("records"):
                with st.container(gap="xsmall"):
                    words = f"{row['sample_id']}: {row['label']}, cosine {row['similarity']:.2f} for {name}."
                    study_samples.picture(opened, str(row["sample_id"]), words)
                    st.caption(f"{plain(str(row['label']))}  \n{row['similarity']:.2f}")
    blocks.csv(shown, f"Nearest for {name}", f"nearest_{id}")
