"""A study at a glance: accuracy near and far from the source, what distance does to it, and how sure that is."""

import pandas as pd
import streamlit as st

from core.plots import study_domains as domains
from core.plots import study_words as words
from core.results import distances, origin, pairs, summary
from core.study.protocols import PROTOCOLS
from core.talk import on_studies
from core.text import plain
from pages.ui import blocks, figures, pickers, resources, study_inputs, study_measures
from pages.ui.places import worded

CHART = "study_accuracy"

st.title("How far do the representations carry?")
chosen = study_inputs.chosen()
info, protocol, first, second = chosen.info, chosen.protocol, chosen.first, chosen.second
protocol_label = PROTOCOLS[protocol].label if protocol in PROTOCOLS else protocol
names = study_measures.names(info)
table = resources.of_study(info, summary.accuracy, protocol)
alone = pd.DataFrame(columns=list(pairs.PAIRED))
paired = alone if first == second else resources.of_study(info, pairs.paired, protocol, first, second)
answered = [id for id in names if id in set(table["encoder"])]

seeds = int(table["seeds"].max())
st.caption(
    f"**{plain(info.title)}**: {plain(protocol_label)}, {table['dataset'].nunique():d} data sets, "
    f"{len(answered)} encoders, {seeds:d} {'seed' if seeds == 1 else 'seeds'}. "
    "Accuracy and intervals are over test images."
)
if first == second:
    st.info(f"Only {plain(names[first])} has results by this protocol, so there is nothing to compare it with.")
elif "random" in {info.encoders[first]["family"], info.encoders[second]["family"]}:
    st.caption(":material/balance: One contender has random weights: a floor, not a comparison of regimes.")
else:
    unlike = resources.of_study(info, origin.differences, first, second)
    regimes = [info.encoders[id]["regime"] for id in (first, second)]
    same = "Both have the same regime. " if regimes[0] == regimes[1] else ""
    st.caption(
        f":material/balance: {plain(names[first])} against {plain(names[second])}. {same}"
        + (
            f"Not fully controlled: these differ{'' if same else ' besides the regime'}: {plain('; '.join(unlike))}."
            if unlike
            else "Architecture, pre-training images, epochs, augmentation, input and protocol are the same."
        )
    )

# The ten-second answer: one card a domain.
if not paired.empty:
    groups = list(paired.groupby("domain", sort=False))
    for column, (domain, part) in zip(st.columns(len(groups), gap="medium"), groups, strict=True):
        headline, detail = words.card(part, names[first], names[second])
        with column, st.container(border=True, height="stretch"):
            st.markdown(words.DOMAIN_NAMES[str(domain)])
            st.markdown(f"## {plain(headline)}")
            st.caption(plain(detail))

# Accuracy by set.
with st.container(horizontal=True, gap="medium"):
    if len(answered) > on_studies.CROWD:
        st.toggle(f"All {len(answered)} encoders", key="study_everyone", bind="query-params")
    with_published = st.toggle(
        "Published figures",
        key="study_published",
        bind="query-params",
        help="What the literature gives for sets of this name by this protocol: other encoders, other code.",
    )
drawn = figures.show("study/accuracy", "point")
st.caption("Bars: accuracy with its 95 % interval. " + plain(drawn.note))

if with_published:
    literature = on_studies.literature(protocol, table["dataset"])
    if literature.empty:
        none = "No published figure at hand is for a data set of this study by this protocol."
        st.info(none, icon=":material/menu_book:")
    else:
        st.caption(
            "Diamonds are published figures. They were not measured here, and their encoders and code are others:"
        )
        st.dataframe(
            literature[["dataset", "model", "metric", "value", "unit", "source", "table", "note"]],
            hide_index=True,
            alt="Published figures for data sets of this study, with their sources.",
            key="study_literature",
        )

# A click on a bar chooses the set here, and so does the keyboard.
sets = list(dict.fromkeys(table["dataset"]))
clicked = next(iter(blocks.selected(CHART)), None)
if clicked is not None and clicked[:2] != st.session_state.get("study_clicked"):
    st.session_state["study_clicked"] = clicked[:2]
    st.session_state["study_set"], st.session_state["study_contender"] = clicked[:2]
if st.session_state.get("study_set") not in sets:
    st.session_state.pop("study_set", None)
contender = st.session_state.get("study_contender")
# The page of samples sets two contenders against each other: the one whose bar was clicked is one of them.
partner = contender if contender in answered and contender not in (first, second) else second


def aim(dataset: str, partner: str) -> None:
    """Turn the inputs of the page of samples to a set and its second contender."""
    st.session_state["dataset"] = dataset
    if partner != second:
        st.session_state["second"] = partner


with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
    of_set = st.selectbox(
        "Samples behind the bars of",
        sets,
        key="study_set",
        format_func=lambda id: str(info.datasets[id]["label"]),
        width=280,
        help="Or click a bar.",
    )
    opened = st.button(
        f"Open its samples: {plain(names[first])}" + (f" and {plain(names[partner])}" if partner != first else ""),
        icon=":material/photo_library:",
        key="study_open",
        on_click=aim,
        args=(str(of_set), partner),
    )
if opened:
    # Parameters of the address that widgets are bound to can be neither set nor cleared here; the widgets keep them.
    st.switch_page("samples.py", query_params={})

# Advantage by measured distance, and the gap of each encoder.
left, right = st.columns([3, 2], gap="large")
with left:
    st.header("Does distance decide who is ahead?")
    measured = resources.of_study(info, distances.distances)
    if not measured.empty and not paired.empty:
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            seen_by = [id for id in answered if id in set(measured["encoder"])]
            measure = pickers.one("Distance by", domains.MEASURES, "measure", "frechet", st.selectbox, width=240)
            eyes = pickers.one("in the features of", {id: names[id] for id in seen_by}, "features", first, width=180)
    if paired.empty:
        st.info("A difference takes two contenders.")
    elif (shown := figures.show("study/advantage")).charts:
        near_far = shown.charts[0].table
        outside = [id for id in measured["reference"].unique() if id not in info.datasets]
        missing = [row["label"] for _, row in paired.iterrows() if row["dataset"] not in set(near_far["dataset"])]
        images = ", ".join(f"{n:,}" for n in sorted(near_far["images"].unique(), reverse=True))
        st.caption(
            f"{domains.MEASURES[measure]}: {domains.NOTES[measure]}. Features of {plain(names[eyes])}, {images} "
            "images of either side. Bars: paired 95 % intervals. Grey: no difference after Holm's correction."
            + (
                " Dotted line: two halves of the source itself."
                if pd.notna(distances.floor_of(measured, eyes, measure))
                else ""
            )
            + (
                f" The source is no set of this study: {plain(', '.join(outside))}, by training images that the "
                "encoder's head ships."
                if outside
                else ""
            )
            + (f" Without a distance: {plain(', '.join(missing))}." if missing else "")
        )
with right:
    st.header("Generalization gap")
    if figures.show("study/gap").charts:
        st.caption(
            "Mean accuracy on different sets minus that on similar ones. Sets differ in difficulty and number of "
            "classes, so read gaps against each other and against random weights, not against zero."
        )

if not paired.empty:
    st.header("Paired tests")
    tests = words.tests_table(paired, names[first], names[second])
    said = words.verdicts(paired, names[first], names[second])
    st.dataframe(
        tests,
        hide_index=True,
        alt=f"Paired tests of {names[second]} against {names[first]}: {said}.",
        column_config={name: st.column_config.NumberColumn(format="%.3g") for name in ("p", "p (Holm)")},
        key="study_tests",
    )
    blocks.csv(tests, "Tests", "paired_tests", icon=None)
    st.caption(
        "McNemar's exact test on the same test images (few-shot: a paired test over episodes), Holm-corrected over the "
        "data sets; intervals are a paired bootstrap over images. "
        + (
            "Training noise: how far two training runs of one method lie apart; a difference within it is none."
            if paired["noise"].notna().any()
            else "They say nothing of another training run."
        )
    )

if not paired.empty:
    with st.container(horizontal=True, gap="small"):
        figures.words("study/compared", "study/limits")
        figures.report_of(chosen)

# What is missing, and where everything comes from.
absent = resources.of_study(info, origin.unfinished)
failed = absent[absent["state"] == "failed"]
if len(failed):
    st.header("What failed")
    st.warning(
        "1 part of this study has no results." if len(failed) == 1 else f"{len(failed)} parts of this study have none.",
        icon=":material/error:",
    )
    failed = failed.assign(**{name: failed[name].map(worded) for name in ("dataset", "reason")})
    st.dataframe(failed, hide_index=True, alt="Failed cells with their reasons.", key="study_failed")
if len(absent) > len(failed):
    left_over = len(absent) - len(failed)
    st.info(
        "1 cell of this study is still to be run."
        if left_over == 1
        else f"{left_over:d} cells of this study are still to be run.",
        icon=":material/hourglass_top:",
    )

with st.popover("Reproduce this study", icon=":material/terminal:"):
    st.code("invariscope study study.toml --data DIR --out OUT", language="bash", wrap_lines=True)
    plan = resources.of_study(info, origin.plan_file)
    if plan is None:
        st.caption("The plan of this study cannot be read from where its results are.")
    else:
        told = worded(plan.decode())
        blocks.download("The plan (study.toml)", told, "study.toml", icon=":material/download:", key="study_plan")
    st.caption("DIR is where the data sets are, OUT where the results go. A study that was stopped goes on there.")
st.caption(plain(resources.of_study(info, origin.provenance)))
