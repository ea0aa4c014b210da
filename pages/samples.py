"""Down to single images: where both contenders are right, where one is, where neither is."""

import pandas as pd
import streamlit as st

from core.plots import study, study_words
from core.plots.style import short_labels
from core.results import image_figures, pairs
from core.results.pairs import ORDERS
from core.text import plain
from pages.ui import blocks, class_tables, inputs, pickers, resources, study_inputs, study_samples
from pages.ui.study_samples import ANY, RIGHT, WRONG, verdict

EVERY = "all"
AGREEMENT = {ANY: None, "same answer": False, "different answers": True}
SORTED = {
    "confidence": "surest first",
    "uncertain": "least sure first",
    "difference": "confidence differs most",
    "margin": "closest call first",
    "sample": "by name",
}
FILTERS: dict[str, tuple[str, object]] = {
    "cell": ("Show", None),
    "label": ("Class", None),
    "predicted": ("Predicted by either", None),
    "confidence": ("Confidence of either", (0.0, 1.0)),
    "disagree": ("Answers", None),
    "measured": ("Measured", None),
}
"""Arguments of `pairs.samples` that choose images: what the page calls each, and its value that lets all through."""
PER_PAGE = 24

st.title("Where do they differ, image by image?")
chosen = study_inputs.chosen()
info, protocol, first, second = chosen.info, chosen.protocol, chosen.first, chosen.second
names = short_labels([m for m in study.encoders_of(info) if m.id in (first, second)])
if first == second:
    st.info(
        f"Only {plain(info.encoders[first]['label'])} has results by this protocol, and right and wrong are "
        "compared between two contenders. Its own confident mistakes are on the page Confidence.",
        icon=":material/info:",
    )
    st.page_link("confidence.py", label="Confidence", icon=":material/speed:")
    st.stop()

dataset = study_samples.pick_dataset(info, protocol, (first, second))
lacking = [names[id] for id in (first, second) if not info.done(protocol, (id,), (dataset,))]
if lacking:
    st.info(
        f"{plain(' and '.join(lacking))} has no finished results on this data set. Choose another one.",
        icon=":material/info:",
    )
    st.stop()
about = info.datasets[dataset]
classes = [str(name) for name in about["classes"]]
table, together = resources.of_study(info, pairs.agreement, protocol, first, second, dataset)
counts = dict(zip(table["cell"], table["samples"], strict=True))
TITLES = {
    "both": (f"{RIGHT} Both right", "both right"),
    "only first": (f"{RIGHT} Only {plain(names[first])} right", f"only {names[first]} right"),
    "only second": (f"{RIGHT} Only {plain(names[second])} right", f"only {names[second]} right"),
    "neither": (f"{WRONG} Both wrong", "both wrong"),
}


def two_digits(value: float) -> str:
    """Two digits, with a minus that is one, and none before nothing."""
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


# A wrong class in the address, or one of another set, gives way to all of them.
for key in ("label", "predicted"):
    if st.session_state.get(key, EVERY) not in (EVERY, *classes):
        st.session_state.pop(key)

paired = resources.of_study(info, pairs.paired, protocol, first, second)
tested = paired[paired["dataset"] == dataset].iloc[0]
st.markdown(f"## {plain(study_words.agreement_finding(counts, tested, len(paired), names[first], names[second]))}")
left, right = st.columns([3, 2], gap="large")
with left:
    st.caption(
        f"{plain(about['label'])}: {together.samples:,} test images that both answered. "
        "Choose a cell to see its images."
    )
    held = st.session_state.get("cell", st.query_params.get("cell", EVERY))
    for cells in (("both", "only first"), ("only second", "neither")):
        for column, name in zip(st.columns(2, gap="small", wrap=False), cells, strict=True):
            with column:
                share = counts[name] / max(together.samples, 1)
                st.button(
                    f"{TITLES[name][0]}  \n**{counts[name]:,}** ({share:.1%})",
                    key=f"cell_{name.replace(' ', '_')}",
                    type="primary" if held == name else "secondary",
                    width="stretch",
                    wrap=True,
                    on_click=pickers.choose,
                    args=("cell", name),
                )
with right:
    kappa = together.kappa
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            "Error consistency (κ)",
            "not defined" if kappa.estimate != kappa.estimate else plain(two_digits(kappa.estimate)),
            help="Cohen's kappa of right and wrong (Geirhos et al. 2020): 1: the same images go wrong; 0: as for "
            "independent contenders of these accuracies; below 0: they complement each other.",
            width=165,
        )
        st.metric(
            "Same answer", f"{together.same:.1%}", help="Share of images with the same predicted class.", width=115
        )
    if kappa.low == kappa.low:
        st.caption(f"κ: 95 % interval {kappa.low:.2f} to {kappa.high:.2f}; independent errors would give 0.")
    blocks.csv(table, "2 × 2", "two_by_two")

if st.toggle("Class by class", key="by_class_shown", bind="query-params", help="Which are taken for which."):
    class_tables.show(info, protocol, (first, second), dataset, names)

with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    shown_as = {EVERY: "All", **{name: words[1].capitalize() for name, words in TITLES.items()}}
    cell = pickers.one("Show", shown_as, "cell", EVERY, width=230)
    label = st.selectbox("Class", [EVERY, *classes], key="label", bind="query-params", width=190)
    predicted = st.selectbox(
        "Predicted by either",
        [EVERY, *classes],
        key="predicted",
        bind="query-params",
        width=190,
    )
    answers = st.selectbox("Answers", list(AGREEMENT), key="agreement", bind="query-params", width=170)
    order = pickers.one("Sort", {id: SORTED[id].capitalize() for id in ORDERS}, "order", "confidence", width=210)
    low, high = st.slider(
        "Confidence of either",
        0.0,
        1.0,
        (0.0, 1.0),
        0.01,
        key="sure",
        bind="query-params",
        width=240,
        help="Of the first seed, before temperature: images where at least one contender's lies in this range.",
    )
    measured = study_samples.pick_measured(info, dataset, first, second)

asked = {
    "cell": None if cell == EVERY else cell,
    "label": None if label in (None, EVERY) else classes.index(label),
    "predicted": None if predicted in (None, EVERY) else classes.index(predicted),
    "confidence": (round(low, 2), round(high, 2)),
    "disagree": AGREEMENT[answers or ANY],
    "measured": measured,
    "order": order,
}
# Every set of filters has its own page number, which starts at 1.
pager = "page of " + " ".join(map(str, (info.id, protocol, first, second, dataset, *asked.values())))
page = int(st.session_state.get(pager, 1))


def fetch(number: int, **other: object) -> pd.DataFrame:
    wanted = (asked | other).values()
    return resources.of_study(
        info, pairs.samples, protocol, first, second, dataset, *wanted, PER_PAGE, PER_PAGE * (number - 1)
    )


def count(table: pd.DataFrame) -> int:
    return int(table["total"].iloc[0]) if len(table) else 0


found = fetch(page)
if found.empty and page > 1:  # the study changed meanwhile
    found, page = fetch(1), 1
total = count(found)
if not total:
    fits = {name: count(fetch(1, **{id: free})) for id, (name, free) in FILTERS.items() if asked[id] != free}
    helps = [f"{images:,} without '{name}'" for name, images in fits.items() if images]
    why = f"It would be {', '.join(helps)}." if helps else "No single one is to blame: widen two or more."
    st.info(f"No image fits all of these filters. {plain(why)}", icon=":material/filter_alt_off:")
    st.stop()
pages = -(-total // PER_PAGE)
where = TITLES[cell][1] if cell in TITLES else "all cells"
st.markdown(
    f"**{total:,} image{'s' if total > 1 else ''}**, {plain(where)}, {SORTED[order]}"
    + (f"; page {page:d} of {pages:d}" if pages > 1 else "")
)
if measured is not None:
    figure, under = measured[:2]
    held_of = resources.of_study(info, image_figures.of_pair, figure, under, first, second, dataset)
    figure_name = image_figures.name_of(figure, under)
    st.caption(f"Of {together.samples:,} images the study measured {len(held_of):,}: {plain(figure_name)}.")
opened = study_samples.opened(info, dataset)
shown = pd.DataFrame(
    {
        "sample": found["sample_id"],
        "class": [classes[i] for i in found["label"]],
        f"{names[first]} answers": [classes[i] for i in found["first_prediction"]],
        f"{names[first]} confidence": found["first_confidence"],
        f"{names[first]} is": ["right" if ok else "wrong" for ok in found["first_correct"]],
        f"{names[second]} answers": [classes[i] for i in found["second_prediction"]],
        f"{names[second]} confidence": found["second_confidence"],
        f"{names[second]} is": ["right" if ok else "wrong" for ok in found["second_correct"]],
    }
)
if measured is not None:
    shown[f"{names[first]}: {figure_name}"] = found["first_value"]
    shown[f"{names[second]}: {figure_name}"] = found["second_value"]
alt = f"Samples, {where}, {SORTED[order]}: {len(shown)} of {total}. " + "; ".join(
    f"{r.iloc[0]} is {r.iloc[1]}" for _, r in shown.head(3).iterrows()
)


def recorded(row: pd.Series) -> inputs.StudySample:
    """A sample with what the study holds of both contenders."""
    held = tuple(
        (names[id], classes[row[f"{side}_prediction"]], float(row[f"{side}_confidence"]), bool(row[f"{side}_correct"]))
        for id, side in ((first, "first"), (second, "second"))
    )
    return inputs.StudySample(info.id, dataset, str(row["sample_id"]), classes[row["label"]], protocol, held)


if opened is None:
    at = study_samples.rows(shown, alt, "sample_rows", select=True)
    if at is None:
        st.caption("Choose a row to open its recorded answers.")
    else:
        study_samples.answers(recorded(found.iloc[at]))
else:
    with st.grid(min_column_width=168, gap="small"):
        for position, (_, row) in enumerate(found.iterrows()):
            truth = classes[row["label"]]
            with st.container(border=True, gap="xsmall"):
                lines = []
                words = [f"{row['sample_id']}: class {truth}"]
                for who, side in ((first, "first"), (second, "second")):
                    answer, ok = classes[row[f"{side}_prediction"]], bool(row[f"{side}_correct"])
                    sure = float(row[f"{side}_confidence"])
                    share, runs = float(row[f"{side}_share"]), info.seeds_of(who, dataset, protocol)
                    lines.append(verdict(names[who], answer, ok, sure, share, runs))
                    if measured is not None:
                        lines.append(f"{plain(figure_name)}: {row[f'{side}_value']:.3g}")
                    words.append(f"{names[who]} {'right' if ok else 'wrong'}, {answer} at {sure:.0%}")
                study_samples.picture(opened, str(row["sample_id"]), "; ".join(words) + ".")
                st.markdown(f"**{plain(truth)}**")
                st.caption("  \n".join(lines))
                if opened.places.get(str(row["sample_id"])) is not None:
                    study_samples.compare(recorded(row), (first, second), f"open_{position}")
if pages > 1:
    st.pagination(pages, key=pager)
if opened is not None:
    with st.expander("These samples as a table", icon=":material/table:"):
        study_samples.rows(shown, alt, "sample_table")
seeds = max(info.seeds_of(id, dataset, protocol) for id in (first, second))
blocks.csv(found, "This page's samples", "samples")
st.caption(
    ("Prediction and confidence are those of the first seed; right means right under most seeds. " if seeds > 1 else "")
    + f"Study {plain(info.id)}, protocol {plain(protocol)}. "
    "The address holds data set, cell, classes, answers, order and what was measured."
)
