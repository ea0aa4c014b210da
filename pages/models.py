"""Every encoder: what it is, where it comes from, how it was trained, and whether it is on this machine."""

import streamlit as st

from core.encoders import weights
from core.encoders.registry import card, encoders
from core.encoders.spec import EncoderSpec
from core.errors import InvariscopeError
from core.heads import store
from core.paths import ASSETS
from core.plots import training
from core.plots.style import short_labels, styles
from core.tasks import tasks
from pages.ui import blocks, inputs, resources

STATES = ("packaged", "fetched", "to fetch", "missing")

st.title("Models")


def state(spec: EncoderSpec) -> str:
    if spec.weights.packaged:
        return "packaged" if weights.is_here(spec.weights) else "missing"
    return "fetched" if all(weights.is_here(f) for f in files(spec)) else "to fetch"


def files(spec: EncoderSpec) -> list[weights.WeightFile]:
    unique = {f.file: f for f in (spec.weights, *(head.weights for head in spec.heads))}
    return list(unique.values())


def fetch(spec: EncoderSpec) -> None:
    bar = st.progress(0.0, text="Connecting")
    try:
        for file in files(spec):

            def show(done: int, total: int, name: str = file.file) -> None:
                share = min(1.0, done / total) if total else 0.0
                size = f" of {total / 1e6:.0f} MB" if total else " MB"
                bar.progress(share, text=f"{name}: {done / 1e6:.0f}{size}")

            weights.fetch(file, show)
        bar.empty()
        st.success("Ready: choose it as a contender on any page.")
    except InvariscopeError as error:
        bar.empty()
        inputs.explain(error)


def compare_with(spec: EncoderSpec) -> None:
    st.session_state["encoders"] = list(
        dict.fromkeys([*st.session_state.get("encoders", inputs.DEFAULT_PAIR), spec.id])
    )[-4:]
    if not set(store.tasks_of(spec)) & {st.session_state.get("task", inputs.DEFAULT_TASK)}:
        st.session_state["task"] = store.tasks_of(spec)[0]
        st.session_state["encoders"] = [
            id
            for id in store.encoders_for(st.session_state["task"])
            if id == spec.id or id in st.session_state["encoders"]
        ][:4]


everything = encoders()
with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
    regimes = st.pills(
        "Regime", sorted({s.regime for s in everything.values()}), selection_mode="multi", key="models_regime"
    )
    where = st.pills("State", STATES[:3], selection_mode="multi", key="models_state")
    query = st.text_input("Search", key="models_query", placeholder="name, method, data", width=240)
shown = [
    spec
    for spec in everything.values()
    if (not regimes or spec.regime in regimes)
    and (not where or state(spec) in where)
    and query.casefold() in f"{spec.label} {spec.method} {spec.architecture} {spec.pretraining.data}".casefold()
]
packaged = [spec for spec in shown if spec.weights.packaged]
st.caption(
    f"{len(shown)} of {len(everything)} encoders; "
    f"{sum(state(s) in ('packaged', 'fetched') for s in everything.values())} can run now."
)
if not shown:
    st.info("No encoder fits these filters.")

if len(packaged) > 1:
    logs = {
        s.id: resources.training_log(str(p), p.stat().st_mtime)
        for s in packaged
        if (p := ASSETS / "models" / s.id / "training.csv").is_file()
    }
    curves = training.curves_table(logs)
    if not curves.empty:
        labels = short_labels(packaged)
        blocks.figure(
            training.curves(curves, labels, styles(packaged)),
            curves,
            training.curves_alt(curves, labels),
            "training_curves",
        )


def facts(spec: EncoderSpec) -> str:
    recipe = spec.preprocessing
    epochs = "unknown" if spec.pretraining.epochs is None else spec.pretraining.epochs
    digest = spec.weights.sha256[:16] or "hash recorded on first download"
    lines = {
        "Method": f"{spec.method} ({spec.paper})",
        "Trained on": f"{spec.pretraining.data}; {epochs} epochs",
        "Augmentation": spec.pretraining.augmentation,
        "Architecture": f"{spec.architecture}, {spec.feature_dim} features, map of {spec.target_layer}",
        "Input": f"{recipe.size} px, short side {recipe.resize}, {recipe.interpolation}",
        "Licence": spec.licence,
        "Weights": f"{digest}, {spec.weights.megabytes or 'unknown'} MB",
    }
    return "\n".join(f"- **{name}**: {value}" for name, value in lines.items())


for spec in shown:
    with st.container(border=True):
        head, actions = st.columns([4, 1], vertical_alignment="center")
        with head, st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.subheader(spec.label, anchor=spec.id)
            blocks.badge(spec)
            st.badge(state(spec), color="green" if state(spec) in STATES[:2] else "gray")
        with actions:
            if state(spec) in STATES[:2] and store.tasks_of(spec):
                st.button(
                    "Add as contender", key=f"add_{spec.id}", on_click=compare_with, args=(spec,), icon=":material/add:"
                )
            elif state(spec) == "to fetch":
                size = sum(f.megabytes for f in files(spec))
                if st.button(f"Fetch ({size:.0f} MB)", key=f"fetch_{spec.id}", icon=":material/download:"):
                    fetch(spec)
        left, right = st.columns([3, 2], gap="large")
        left.markdown(facts(spec))
        if spec.note:
            left.caption(f":material/info: {spec.note}")
        with right:
            measured = card(spec.id).get("measured", {})
            if measured:
                rows = [
                    {
                        "task": tasks()[t].label,
                        "linear top-1": v["linear_top1"],
                        "k-NN top-1": v["knn_top1"],
                        "test images": v["test_images"],
                    }
                    for t, v in measured.items()
                    if t in tasks()
                ]
                number = st.column_config.NumberColumn(format="%.1f %%")
                st.dataframe(
                    rows,
                    hide_index=True,
                    column_config={"linear top-1": number, "k-NN top-1": number},
                    alt=f"Measured accuracy of {spec.label}: "
                    + "; ".join(f"{r['task']} {r['linear top-1']:.1f} %" for r in rows),
                    key=f"measured_{spec.id}",
                )
            else:
                names = ", ".join(tasks()[t].label for t in store.tasks_of(spec)) or "none"
                st.caption(f"Heads: {names}. Accuracy was not measured here.")
            if not spec.weights.packaged:
                st.caption(f"File: `{weights.path_of(spec.weights)}`")
                st.link_button("Source", spec.source, icon=":material/open_in_new:")
