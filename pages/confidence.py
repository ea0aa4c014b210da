"""How sure the contenders are, and whether that means anything: calibration, ranking of errors, and abstaining."""

import pandas as pd
import streamlit as st

from core.plots import confidence_table, reliability
from core.results import abstaining, confidence
from core.results.measures import MEASURES
from core.study.protocols import PROTOCOLS
from core.text import plain
from pages.ui import blocks, figures, pickers, resources, study_inputs, study_measures, study_samples

RAW, SCALED = "raw", "temperature-scaled"

st.title("Does its confidence mean what it says?")
chosen = study_inputs.chosen()
info, protocol = chosen.info, chosen.protocol
pair = tuple(dict.fromkeys((chosen.first, chosen.second)))
names = study_measures.names(info)
untrained = [
    id
    for id, about in info.encoders.items()
    if about["family"] == "random" and id not in pair and info.done(protocol, (id,))
]

with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    dataset = study_samples.pick_dataset(info, protocol, pair)
    state = pickers.one(
        "Probabilities",
        {RAW: "As given", SCALED: "Temperature-scaled"},
        "probabilities",
        control=st.segmented_control,
        help="As the head gives them, or divided by a temperature that was fitted on validation images.",
    )
    scheme = pickers.one(
        "Bins",
        {"width": "Equal width", "mass": "Equal counts"},
        "bins",
        control=st.segmented_control,
        help="15 bins of equal width (the usual ECE), or with equally many answers in each.",
    )
    floor = bool(untrained) and st.toggle(
        "Random weights as floor", value=True, key="confidence_floor", bind="query-params"
    )
scaled = state == SCALED
encoders = (*pair, *untrained[:1]) if floor else pair
label = plain(info.datasets[dataset]["label"])

tables = resources.of_study(info, confidence.tables, protocol, encoders, dataset, scaled, scheme)
here = [id for id in encoders if id in set(tables.figures["encoder"])]
missing = [id for id in encoders if id not in here and info.done(protocol, (id,), (dataset,))]
absent = [id for id in pair if not info.done(protocol, (id,), (dataset,))]
if missing:
    st.info(
        f"No temperature was fitted for {plain(', '.join(names[id] for id in missing))} by this protocol on {label}, "
        f"so there is nothing to show after temperature. Choose '{RAW}' for the probabilities as they are.",
        icon=":material/thermostat:",
    )
if absent:
    st.info(
        f"{plain(', '.join(names[id] for id in absent))}: no finished results on {label}.",
        icon=":material/info:",
    )
differences = tables.differences

if here:
    seeds = int(tables.figures["seeds"].max())
    units = int(tables.figures["units"].max())
    if len(pair) == 2 and not differences.empty:
        st.markdown(f"## {plain(reliability.headline(differences, tables.figures, names, pair))}")
    counted = "few-shot episodes" if tables.episodes else "test images"
    by = PROTOCOLS[protocol].label if protocol in PROTOCOLS else protocol
    st.caption(
        f"{label} ({plain(info.datasets[dataset]['domain'])}), {plain(by)}, "
        f"{plain(state)} probabilities, {units:,} {counted}, {seeds:d} seed{'s' if seeds > 1 else ''}. "
        f"Figures are means over seeds; intervals are over {counted}."
    )

calibrated, selects, by_set = st.tabs(
    ["Does it mean what it says? (calibration)", "Does it know when it is wrong?", "Near and far"],
    key="confidence_part",
    bind="query-params",
    on_change="rerun",
)


def calibration() -> None:
    figures.show("confidence/reliability")
    st.caption(
        "Points on the dotted line mean what they say; below it too much is claimed. Whiskers: 95 % interval. "
        "Grey: where 95 % of points would lie if confidence were exactly the chance of being right; on few answers "
        "even a perfect model strays far. Bars below: how many answers."
    )

    st.header("Every figure")
    st.dataframe(
        confidence_table.figures_table(tables.figures, differences, names, pair),
        hide_index=True,
        height="content",
        alt=confidence_table.figures_alt(tables.figures, names),
        key="confidence_figures",
        column_config={
            "figure": st.column_config.TextColumn(pinned=True),
            "what it is": st.column_config.TextColumn(width="large"),
        },
    )
    left, right = st.columns(2)
    with left:
        blocks.csv(tables.figures, "Figures", "confidence")
    with right:
        blocks.csv(differences, "Differences", "confidence_differences")


def ranking() -> None:
    left, right = st.columns(2, gap="large")
    with left:
        figures.show("confidence/outcomes")
        st.caption(
            "Upwards: how confidence is spread over right answers; downwards, hatched: over wrong ones. Triangles: "
            "means. The further apart, the better a threshold works."
        )
    with right:
        figures.show("confidence/risk")
        st.caption(
            "Read from the left: only the surest are answered. A curve that rises from zero knows which of its answers "
            "are wrong; a flat one does not." + (" Bands: range over seeds." if seeds > 1 else "")
        )


@st.fragment
def threshold_section() -> None:
    threshold = st.slider(
        "Answer only from this confidence on", 0.0, 1.0, 0.8, 0.01, key="threshold", bind="query-params"
    )
    table = tables.answered
    at = table[(table["threshold"] - threshold).abs() < 1e-9].set_index("encoder")
    with st.container(horizontal=True, gap="medium"):
        for id in here:
            if id not in untrained:
                show_answered(id, pd.Series(at.loc[id]))
    # Of an untrained encoder's few sure answers all may be right by luck: no number to be read first.
    for id in here:
        if id in untrained:
            row = at.loc[id]
            share = f", {row['accuracy']:.0%} of them right" if row["answered"] else ""
            st.caption(f"Floor: {plain(names[id])} would answer {row['coverage']:.1%}{plain(share)}.")
    left, right = st.columns([2, 3], gap="large")
    with left:
        figures.show("confidence/threshold")
    with right:
        with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
            kinds = {kind: kind.capitalize() for kind in abstaining.KINDS}
            kind = pickers.one("Samples", kinds, "threshold_kind", width=220)
            who = pickers.one("of", {id: names[id] for id in here}, "threshold_encoder", width=220)
        found = resources.of_study(
            info, abstaining.at_threshold, protocol, who, dataset, scaled, round(threshold, 2), kind
        )
        show_samples(found, who, kind)


def show_answered(id: str, row: pd.Series) -> None:
    with st.container(border=True, width=330, gap="xsmall"):
        st.markdown(f"**{plain(names[id])}**")
        with st.container(horizontal=True, gap="large"):
            st.metric("answered (coverage)", f"{row['coverage']:.1%}", width="content")
            st.metric("of them right", f"{row['accuracy']:.1%}" if row["answered"] else "none", width="content")
        st.caption(f"{row['wrong']:,.0f} wrong answers slip through")


def show_samples(found: pd.DataFrame, who: str, kind: str) -> None:
    total = int(found["total"].iloc[0]) if len(found) else 0
    st.markdown(
        f"**{total:,} {plain(kind)}** of {plain(names[who])}"
        + (f"; the first {len(found)}" if total > len(found) else "")
    )
    if not total:
        return
    opened = study_samples.opened(info, dataset)
    classes = info.datasets[dataset]["classes"]
    if opened is None:
        shown = pd.DataFrame(
            {
                "sample": found["sample_id"],
                "class": [classes[i] for i in found["label"]],
                "answer": [classes[i] for i in found["prediction"]],
                "confidence": found["confidence"],
            }
        )
        study_samples.rows(shown, f"{kind} of {names[who]}: {total} samples, the first {len(found)}.", "threshold_rows")
        return
    with st.grid(min_column_width=110, gap="small"):
        for _, row in found.iterrows():
            with st.container(gap="xsmall"):
                truth, answer = classes[row["label"]], classes[row["prediction"]]
                words = f"{row['sample_id']}: class {truth}, answered {answer}, confidence {row['confidence']:.0%}."
                study_samples.picture(opened, str(row["sample_id"]), words)
                right = row["label"] == row["prediction"]
                sign = study_samples.RIGHT if right else study_samples.WRONG
                said = f"is {plain(truth)}" if not right else "right"
                st.caption(f"{sign} {plain(answer)}, {row['confidence']:.0%}; {said}")


def domains() -> None:
    ids = {measure.id: measure for measure in MEASURES}
    asked = pickers.one(
        "Figure",
        {id: measure.title for id, measure in ids.items()},
        "figure",
        "ece",
        width=300,
    )
    st.caption(plain(ids[asked].help))
    with st.spinner("Reading all sets", show_time=True):
        figures.show("confidence/domains")
    st.caption(
        "Open marker: raw; filled: after the temperature of each set's own validation images. Whiskers: 95 % over test "
        "images. In the domain: sets declared source or similar. The ECE here is over 15 bins of equal width."
    )


# What is in a tab that nobody opened is not computed.
if calibrated.open and here:
    with calibrated:
        calibration()
if selects.open and here:
    with selects:
        ranking()
        st.header("If it answered only when it is sure (selective prediction)")
        threshold_section()
if by_set.open:
    with by_set:
        domains()
with st.expander("How these figures are made", icon=":material/functions:"):
    st.markdown(
        "Each figure is computed for each seed and averaged over seeds; a diagram holds the answers of all seeds. "
        f"Intervals: basic bootstrap over test images with {confidence.DRAWS} draws, the same draws for all "
        "contenders and seeds, so differences are paired. Resampling adds to an ECE, which is biased upwards already; "
        "the basic interval takes that out, and the percentile interval would not. A difference whose 95 % interval "
        "holds 0 is called 'no difference found'."
    )
versions = info.manifest.get("versions", {})
st.caption(
    plain(
        f"Study {info.id}, measured {str(info.manifest['updated'])[:10]} with Invariscope "
        f"{versions.get('invariscope', 'unknown')}; "
        + "; ".join(f"{id} (weights {str(info.encoders[id].get('weights', 'unknown'))[:8]})" for id in encoders)
        + "."
    )
)
