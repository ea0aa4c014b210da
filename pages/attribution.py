"""Where a contender's score for a class comes from, on the picture and on its own grid."""

import shlex

import numpy as np
import streamlit as st

from core import choosing, pipeline, samples
from core.attribution import METHODS
from core.encoders.preprocess import display_crop
from core.errors import InvariscopeError
from core.images import image as pictures
from core.metrics import attribution as agreement
from core.plots import map_pictures, overlay
from core.text import plain
from pages.ui import blocks, figures, inputs, maps, pickers, resources

VIEWS = {"overlay": "Overlay", "whole": "On the whole picture", "map": "Map alone", "input": "What is read"}

st.title("Where does the answer come from?")
chosen = inputs.chosen()
contenders, task = chosen.contenders, chosen.task
specs = [contender.encoder.spec for contender in contenders]
readings = [resources.reading(contender, chosen.image) for contender in contenders]
predictions = [pipeline.predict(contender, reading) for contender, reading in zip(contenders, readings, strict=True)]

with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    target = inputs.pick_class(chosen)
    methods = {id: each.label for id, each in METHODS.items()}
    method = pickers.one("Method", methods, "method", "grad-cam", st.segmented_control)
    with st.popover("Display", icon=":material/tune:"):
        view = pickers.one("Show", VIEWS, "view", "overlay", st.segmented_control)
        shared = st.toggle(
            "One scale for all",
            value=True,
            key="shared_scale",
            bind="query-params",
            help="Off: each map is stretched to its own largest value.",
        )
        signed = st.toggle("Negative evidence too", value=False, key="signed", bind="query-params")
        opacity = st.slider("Opacity", 0.1, 1.0, 0.65, 0.05, key="opacity", bind="query-params")
st.caption(METHODS[method].description)

classes = [target if target is not None else p.top for p in predictions]
values = [
    resources.attribution(contender, chosen.image, c, method) for contender, c in zip(contenders, classes, strict=True)
]
scales = map_pictures.scales(values, shared)

blocks.control_note(contenders)
# Pictures of a row share its width on a phone, too, where Streamlit would put one below the other.
ROW = "[class*=st-key-map_row]"
st.html(f"<style>{ROW} {{ flex-wrap: nowrap }} {ROW} > :has(img) {{ flex: 1 1 0 }}</style>")
for i, contender in enumerate(contenders):
    spec, name = contender.encoder.spec, task.classes[classes[i]]
    pictured, told = st.columns([3, 2], gap="medium")
    with pictured, st.container(horizontal=True, gap="small", key=f"map_row_{i}"):
        maps.original(contender, chosen.image, whole=view == "whole")
        look = {"opacity": opacity, "view": view, "signed": signed}
        shown, png = maps.draw(contender, chosen.image, readings[i], values[i], scales[i], name, **look)
        st.html(overlay.bar(scales[i], METHODS[method].unit, signed), width=64)
    with told:
        st.markdown(f"## {plain(spec.label)}")
        blocks.badge(spec)
        maps.note(shown)
        logit = float(readings[i].logits[classes[i]])
        st.markdown(f"**{plain(name)}**: {predictions[i].probabilities[classes[i]]:.1%}, logit {logit:.2f}")
        low = f"{values[i].min():.3g}".replace("-", "−")
        st.caption(
            f"Grid {values[i].shape[0]:d} × {values[i].shape[1]:d}, from {plain(low)} to "
            f"{values[i].max():.3g} {METHODS[method].unit}; "
            f"full colour at {scales[i]:.3g}. Layer {plain(spec.target_layer)}."
        )
        maps.downloads(contender, readings[i], values[i], png, name, method, f"attribution_{spec.id}")

ids = tuple(spec.id for spec in specs)
line = f"invariscope attribute IMAGE --encoders {','.join(ids)} --task {task.id} --method {method} --out maps"
if target is not None:
    line += f" --class {shlex.quote(task.classes[target])}"
figures.menu("attribution/maps", line, chosen.linkable, encoders=ids)

if len(contenders) > 1:
    st.header("Do they look at the same places?")
    if len(set(classes)) > 1:
        st.info(
            "The contenders explain different classes here, their own answers. Choose one class above to compare like "
            "with like.",
            icon=":material/info:",
        )
    first = values[0]
    for contender, other in zip(contenders[1:], values[1:], strict=True):
        label = plain(f"{specs[0].label} against {contender.encoder.spec.label}")
        if contender.encoder.spec.preprocessing != specs[0].preprocessing:
            st.caption(f"{label}: they read different crops of the image, so the maps are not compared cell by cell.")
            continue
        if other.shape != first.shape:
            st.caption(
                f"{label}: the grids differ ({plain(first.shape)} and {plain(other.shape)}), "
                "so the cells are not compared."
            )
            continue
        rank = agreement.spearman_agreement(first, other)
        overlap = agreement.iou_at(first, other)
        shift = agreement.centre_shift(np.maximum(first, 0), np.maximum(other, 0))
        left, right = st.columns([1, 2], gap="medium")
        with left:
            difference = first - other
            largest = overlay.shared_scale([difference])
            crop = display_crop(chosen.image.rgb, specs[0].preprocessing, map_pictures.SIDE)
            picture = overlay.blend(crop, difference, largest, opacity, signed=True)
            st.image(
                pictures.encode_png(picture),
                width="stretch",
                output_format="PNG",
                alt=f"Difference of the maps, {label}: red where the first finds more, blue where the second does.",
            )
            st.caption(
                plain(f"Difference: red, more evidence for {specs[0].label}; blue, for {contender.encoder.spec.label}.")
            )
        with right:
            st.markdown(f"**{label}**")
            cells = st.columns(3)
            cells[0].metric(
                "Rank agreement",
                "undefined" if np.isnan(rank) else f"{rank:.2f}",
                help="Spearman of the cells: 1 same order, 0 none, −1 opposite.",
            )
            cells[1].metric(
                "Overlap of the top fifth",
                f"{overlap.iou:.2f}",
                help=f"Intersection over union; {overlap.chance:.2f} by chance.",
            )
            cells[2].metric(
                "Centre shift",
                "undefined" if np.isnan(shift) else f"{shift:.0f} %",
                help="Distance of the centres of positive evidence, in % of the diagonal.",
            )
            st.caption("Computed on the encoders' own grid: an enlarged map has no more information than its cells.")

st.header("What makes two images alike?")
st.caption(
    "Needs no head: each place's share of the cosine between this image and another one. "
    "With average pooling the shares sum to the cosine."
)
others = {
    id: sample.title
    for id, sample in samples.samples().items()
    if resources.sample_image(id).digest != chosen.image.digest
}
other_id = pickers.one("Other image", others, "pair_image", width=260)
other_image = resources.sample_image(other_id)
compared = list(contenders)
if without_head := choosing.headless():
    more = st.multiselect(
        "And encoders that have no head",
        without_head,
        key="pair_headless",
        max_selections=inputs.MAX_CONTENDERS,
        help="They can answer nothing yet, and need not here.",
    )
    for id in more:
        try:
            compared.append(resources.without_head(id))
        except InvariscopeError as error:
            inputs.explain(error)
columns = st.columns([1, *[1.4] * len(compared)], gap="medium")
columns[0].image(
    resources.thumbnail(other_image, 320),
    width="stretch",
    alt=f"The other image: {samples.samples()[other_id].title}.",
)
pairs = [resources.pair(contender, chosen.image, other_image) for contender in compared]
pair_scales = map_pictures.scales([found for _, found in pairs], shared)
for column, contender, (cosine, found), pair_scale in zip(columns[1:], compared, pairs, pair_scales, strict=True):
    spec = contender.encoder.spec
    with column:
        crop = display_crop(chosen.image.rgb, spec.preprocessing, map_pictures.SIDE)
        picture = overlay.blend(crop, found, pair_scale, opacity, signed=True)
        st.image(
            pictures.encode_png(picture),
            width="stretch",
            output_format="PNG",
            alt=f"{spec.label}: cosine {cosine:.2f}; strongest in the {map_pictures.place_words(found)}.",
        )
        st.markdown(
            f"{plain(spec.label)}: cosine **{cosine:.2f}**, "
            f"different images on average {resources.floor(contender):.2f}"
        )

blocks.provenance(contenders)
