"""How representation, answer, confidence and map change as the image is turned, blurred, recoloured or covered."""

import pandas as pd
import streamlit as st

from core import pipeline, sweeps
from core.augmentations import AUGMENTATIONS
from core.encoders.registry import encoder_spec
from core.images.image import encode_png
from core.plots import map_pictures, strip
from core.plots.style import short_labels
from core.readout import with_floor
from core.talk import on_images
from core.tasks import tasks
from core.text import plain
from pages.ui import blocks, figures, inputs, maps, pickers, resources

MAX_IMAGES = 32

st.title("What leaves the representation unmoved?")
chosen = inputs.chosen()
task = chosen.task
contenders = list(chosen.contenders)
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    changes = {id: each.label for id, each in AUGMENTATIONS.items()}
    name = pickers.one("Change of the picture (augmentation)", changes, "augmentation", width=270)
    augmentation = pipeline.augmentation(name)
    grid = augmentation.strengths
    reach = f"{grid[-1]:g}"
    if len(grid) > 3:  # A flip has one strength besides none: nothing to choose.
        reach = st.select_slider(
            f"Up to ({plain(augmentation.unit)})",
            options=[f"{s:g}" for s in grid[2:]],
            value=reach,
            key=f"reach_{name}",
            bind="query-params",
            width=260,
        )
    seeds = st.slider(
        "Seeds",
        1,
        10,
        3,
        key="seeds",
        bind="query-params",
        width=160,
        disabled=not augmentation.seeded,
        help="Random draws an image.",
    )
with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
    with_random = st.toggle("Random weights as floor", value=True, key="with_random", bind="query-params")
    corrected = st.toggle(
        "Chance-corrected",
        value=True,
        key="corrected",
        bind="query-params",
        help="Rescales the cosine so that 0 is what this encoder gives to different images, and 1 the same image.",
    )
everything = len(chosen.uploads) > 1 and st.toggle(f"All {len(chosen.uploads)} uploads", value=True, key="sweep_all")
st.caption(plain(augmentation.description))

chosen_images = [image for _, image in chosen.uploads][:MAX_IMAGES] if everything else [chosen.image]
if everything and len(chosen.uploads) > MAX_IMAGES:
    st.info(
        f"The first {MAX_IMAGES} of {len(chosen.uploads)} uploads are swept here; the command line takes whole folders."
    )
strengths = grid[: [f"{s:g}" for s in grid].index(reach) + 1]
if with_random:
    contenders = with_floor(contenders, task.id)
specs = [contender.encoder.spec for contender in contenders]

keys = tuple(pipeline.key(contender, *chosen_images) for contender in contenders)
wanted = (keys, name, strengths, seeds, tuple(s.id for s in specs), task.id)
buttons = st.container(horizontal=True, gap="small")
run = buttons.button("Run the sweep", type="primary", icon=":material/play_arrow:", key="run_sweep")
cancel_place = buttons.empty()
place = st.empty()


def sweep() -> pd.DataFrame:
    """The points table; the loop touches the page after every point, which is where a cancel takes effect."""
    bar = place.progress(0.0, text="Starting")
    cancel_place.button("Cancel", icon=":material/stop:", key="cancel_sweep")
    tables, done, total = [], 0, len(contenders) * len(strengths)
    for contender in contenders:
        id = contender.encoder.spec.id
        found = []
        for strength in strengths:
            found.append(resources.point(contender, chosen_images, name, strength, seeds))
            done += 1
            bar.progress(
                done / total,
                text=plain(
                    f"{contender.encoder.spec.label}: {augmentation.label.lower()} {strength:g} {augmentation.unit}"
                ),
            )
        tables.append(pipeline.points_table(found, id, name, [image.digest for image in chosen_images]))
    place.empty()
    cancel_place.empty()
    return pd.concat(tables, ignore_index=True)


# The first view runs by itself: one image is a fraction of a second. More images wait for the button.
result = st.session_state.get("sweep")
small = len(chosen_images) == 1 and all(s.weights.packaged for s in specs)
if run or (small and (result is None or result["wanted"] != wanted) and not st.session_state.get("cancel_sweep")):
    result = {
        "wanted": wanted,
        "table": sweep(),
        "floors": {r.encoder.spec.id: resources.floor(r) for r in contenders},
        "image": chosen.image if chosen.image in chosen_images else chosen_images[0],
        "contenders": contenders,
    }
    st.session_state["sweep"] = result
if st.session_state.get("cancel_sweep"):
    st.info(
        "The sweep was stopped. Finished points are kept, so running it again goes on from there.",
        icon=":material/stop_circle:",
    )
if result is None:
    st.stop()
if result["wanted"] != wanted:
    st.warning(
        "The curves below are from the last run; the settings above have changed since. Run the sweep to renew them.",
        icon=":material/history:",
    )
# Everything below is drawn from the run, never from the settings above, which may have moved on.
_, shown_name, shown_strengths, shown_seeds, shown_ids, shown_task = result["wanted"]
shown_image, shown_contenders, floors = result["image"], result["contenders"], result["floors"]
shown = pipeline.augmentation(shown_name)
shown_specs = [encoder_spec(id) for id in shown_ids]
labels = short_labels(shown_specs)
# Another upload may be chosen than the first one: the strip, the lines and the cursor are of this image alone.
answered = strip.answers(result["table"], shown_image.digest)
turned = strip.turning(result["table"], shown_image.digest)
views = strip.views(shown_contenders[0], shown_image, shown, shown_strengths)
blocks.marks(shown_specs)
blocks.control_note(shown_contenders)
left, right = st.columns([3, 2], gap="large")
with left:
    chart = on_images.kept(result["table"], floors, shown, shown_strengths, corrected, turning=turned)
    blocks.figure(chart.figure, chart.table, chart.alt, chart.name)
with right:
    st.header("What the encoders saw")
    for strength, picture in zip(shown_strengths, views, strict=True):
        # A row that does not wrap: all pictures stand on one line, and so do all answers.
        with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
            st.image(
                encode_png(picture.rgb),
                width=72,
                output_format="PNG",
                alt=f"The image at {shown.label.lower()} {strength:g} {shown.unit}.",
            )
            lines = [f"**{strength:g}** {plain(shown.unit)}"]
            for spec in shown_specs:
                found = answered.get((spec.id, strength))
                if found is not None:
                    mark = ":material/change_circle:" if found.flipped else ":material/check:"
                    answer = tasks()[shown_task].classes[found.prediction]
                    lines.append(f"{mark} {plain(labels[spec.id])}: {plain(answer)} {found.confidence:.0%}")
            st.caption("  \n".join(lines))
    st.caption(
        f"Seed 0 of each strength, the input of {plain(labels[shown_specs[0].id])}. The circle marks an answer that "
        "changed from the clean image's; so does, at the first such strength, an upright line in the chart."
    )


@st.fragment
def cursor() -> None:
    """One strength, looked at closely: the picture, and where each contender looks on it."""
    st.header("At one strength")
    usual = next(iter(turned.values()), shown_strengths[len(shown_strengths) // 2])
    at = st.select_slider(
        f"{plain(shown.label)} ({plain(shown.unit)})",
        options=list(shown_strengths),
        value=usual,
        format_func=lambda strength: f"{strength:g}",
        key=f"cursor_{shown_name}",
        help="Opens where the first answer turns.",
    )
    able = [contender for contender in shown_contenders if (contender.encoder.spec.id, at) in answered]
    seen = [strip.views(contender, shown_image, shown, (at,))[0] for contender in able]
    readings = [resources.reading(contender, view) for contender, view in zip(able, seen, strict=True)]
    found = [answered[contender.encoder.spec.id, at] for contender in able]
    class_maps = [
        resources.attribution(contender, view, answer.prediction, "grad-cam")
        for contender, view, answer in zip(able, seen, found, strict=True)
    ]
    scale = map_pictures.scales(class_maps, shared=True)[0]
    for column, contender, view, reading, answer, values in zip(
        st.columns(max(len(able), 2), gap="medium"), able, seen, readings, found, class_maps, strict=False
    ):
        with column:
            spec, name = contender.encoder.spec, tasks()[shown_task].classes[answer.prediction]
            st.markdown(f"### {plain(labels[spec.id])}")
            maps.note(maps.draw(contender, view, reading, values, scale, name)[0])
            mark = ":material/change_circle: turned to" if answer.flipped else ":material/check:"
            st.markdown(f"{mark} **{plain(name)}**, {answer.confidence:.0%} sure")
            where = f"Turns at {turned[spec.id]:g} {shown.unit}." if spec.id in turned else "Never turns here."
            st.caption(plain(where))


if answered:
    cursor()


def all_changes() -> pd.DataFrame:
    """The one image under every augmentation, each at all of its strengths."""
    tables = []
    bar = st.progress(0.0, text="Every change of the picture")
    for done, (id, each) in enumerate(AUGMENTATIONS.items(), start=1):
        for contender in shown_contenders:
            points = [resources.point(contender, [shown_image], id, strength, 1) for strength in each.strengths]
            tables.append(pipeline.points_table(points, contender.encoder.spec.id, id, [shown_image.digest]))
        bar.progress(done / len(AUGMENTATIONS), text=plain(each.label))
    bar.empty()
    return sweeps.multiples(pd.concat(tables, ignore_index=True), floors)


if st.toggle(
    "All changes of the picture at once",
    key="all_changes",
    bind="query-params",
    help="One line a change, from none to its strongest; 1: unchanged, 0: as alike as different images.",
):
    many = resources.drawn_of(shown_contenders, shown_image, "all changes", all_changes)
    first, last = many[shown_ids[0]].map(lambda kept: kept[-1]), many[shown_ids[-1]].map(lambda kept: kept[-1])
    st.dataframe(
        many.assign(augmentation=many["augmentation"].map(lambda id: AUGMENTATIONS[id].label)),
        hide_index=True,
        height="content",
        key="multiples",
        column_config={"augmentation": st.column_config.TextColumn("change of the picture", pinned=True)}
        | {id: st.column_config.LineChartColumn(labels[id], y_min=0, y_max=1) for id in shown_ids},
        alt=f"{len(many)} changes of the picture, with the chance-corrected cosine over their strengths. At the "
        f"strongest {labels[shown_ids[0]]} keeps {first.mean():.2f} on average, {labels[shown_ids[-1]]} "
        f"{last.mean():.2f}.",
    )
    st.caption("Chance-corrected cosine to the image as it is, one draw a strength, from the weakest to the strongest.")

line = (
    f"invariscope sweep IMAGE --augmentation {shown_name} --encoders {','.join(shown_ids)} --task {shown_task} "
    f"--seeds {shown_seeds} --out sweep.parquet"
)
answering = tuple(contender.encoder.spec.id for contender in chosen.contenders)
figures.menu("invariance/curves", line, chosen.linkable, encoders=answering)
blocks.csv(result["table"], "Every point", f"sweep_{shown_name}")
chance = ", ".join(f"{plain(labels[id])} {value:.2f}" for id, value in floors.items() if id in labels)
st.caption(
    f"Mean cosine between different bundled images (the floor): {chance}. Bands: 95 % interval over "
    + (
        "images."
        if chart.table["images"].max() > 1
        else "the seeds of this one image; they say nothing about other images."
    )
)
blocks.provenance(shown_contenders, "Cosine of pooled features (cosine invariance).")
