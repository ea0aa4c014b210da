"""The card of one encoder: lineage, recipe, licence, files, accuracy, and what to compare it with."""

from typing import Literal

import streamlit as st

from core import choosing
from core.encoders import checked, partners
from core.encoders.files import hashes, weights
from core.encoders.registry import card as card_of
from core.encoders.spec import EncoderSpec, WeightFile
from core.heads import store
from core.tasks import tasks
from core.text import code, plain
from pages.ui import blocks, figures, lineup, models_download
from pages.ui.places import said, worded

COLOURS: dict[str, Literal["gray", "red"]] = {choosing.TO_FETCH: "gray", choosing.MISSING: "red"}
NUMBERS = {"linear": "Linear probe", "knn": "k-NN", "supervised": "With labels"}
COMMERCIAL = {"yes": "commercial use allowed", "no": "**no commercial use**", "unknown": "commercial use unknown"}


def _bullets(lines: dict[str, str]) -> str:
    return "\n".join(f"- **{plain(name)}**: {plain(value)}" for name, value in lines.items() if value)


def _lineage(spec: EncoderSpec) -> str:
    learned = spec.pretraining
    return _bullets(
        {
            "Method": spec.method,
            "Learned from": f"{learned.data}, with {partners.TAUGHT_BY[spec.regime]}",
            "Epochs": "unknown" if learned.epochs is None else str(learned.epochs),
            "Augmentation": learned.augmentation,
            "Paper": spec.paper,
            # An address has a button of its own.
            "Source": "" if spec.source.startswith("https://") else spec.source,
        }
    )


def _recipe(spec: EncoderSpec) -> str:
    recipe = spec.preprocessing
    numbers = [" ".join(f"{x:g}" for x in values) for values in (recipe.mean, recipe.std)]
    native = {head.task: f"{tasks()[head.task].label} ({head.pooling})" for head in spec.heads}
    heads = "; ".join(native.get(id, f"{tasks()[id].label} (fitted here)") for id in store.tasks_of(spec))
    if spec.weights.packaged:
        heads = ", ".join(tasks()[id].label for id in store.tasks_of(spec))
    return _bullets(
        {
            "Architecture": spec.architecture,
            "Options": ", ".join(f"{key} = {value}" for key, value in spec.options),
            "Feature": f"{spec.feature_dim} numbers, pooling {spec.pooling} of layout {spec.layout}",
            "Attributed layer": spec.target_layer,
            "Input": f"{recipe.size} px of short side {recipe.resize}, {recipe.interpolation}",
            "Normalisation": f"mean {numbers[0]}, deviation {numbers[1]}",
            "Heads": heads or "none published; k-NN or a probe fitted by a study",
        }
    )


def _hash_state(file: WeightFile) -> str:
    if stored := "" if file.packaged else hashes.recorded(weights.path_of(file)):
        return f"SHA-256 {code(stored[:12])}, recorded at the first download"
    if file.sha256:
        whole = "" if len(file.sha256) == 64 else ", as far as its publisher states it"
        return f"SHA-256 {code(file.sha256[:12])}{whole}"
    if file.md5:
        return f"MD5 {code(file.md5)}, as its publisher states it; SHA-256 is recorded at the first download"
    return "no published hash; SHA-256 is kept at the first download"


def _files(spec: EncoderSpec) -> None:
    for file in spec.files:
        mark = ":material/check_circle:" if weights.is_here(file) else ":material/cloud_download:"
        size = f"{file.megabytes:g} MB" if file.megabytes else "size unknown"
        st.markdown(f"{mark} {size} · {_hash_state(file)}")
        st.markdown(code(worded(weights.path_of(file))))


def _checks(spec: EncoderSpec) -> None:
    """What came of the last check of these files on this machine."""
    date, checks = checked.recorded(spec)
    if not checks:
        st.caption(f"Not checked on this machine yet: {code(f'invariscope models verify {spec.id}')}")
        return
    passed = sum(check.ok for check in checks)
    with st.expander(f"Checks: {passed:d} of {len(checks)} passed on {plain(date)}", icon=":material/fact_check:"):
        for check in checks:
            mark = ":material/check:" if check.ok else ":material/error:"
            st.markdown(f"{mark} **{plain(check.name)}** {said(check.detail)}")


def _accuracy(spec: EncoderSpec) -> None:
    published = spec.published
    shown = {name: value for key, name in NUMBERS.items() if (value := getattr(published, key)) is not None}
    if shown:
        with st.container(horizontal=True, gap="large"):
            for name, value in shown.items():
                st.metric(plain(name), f"{value:.1f} %", width="content")
        st.caption(f"ImageNet-1k top-1 as published: {plain(published.source)}.")
    measured = {task: found for task, found in card_of(spec.id).get("measured", {}).items() if task in tasks()}
    if measured:
        rows = [
            {
                "task": tasks()[task].label,
                "linear top-1": found["linear_top1"],
                "k-NN top-1": found["knn_top1"],
                "test images": found["test_images"],
            }
            for task, found in measured.items()
        ]
        number = st.column_config.NumberColumn(format="%.1f %%")
        st.dataframe(
            rows,
            hide_index=True,
            column_config={"linear top-1": number, "k-NN top-1": number},
            alt=f"Measured accuracy of {spec.label}: "
            + "; ".join(f"{row['task']} {row['linear top-1']:.1f} %" for row in rows),
            key=f"measured_{spec.id}",
        )
    if not shown and not measured:
        st.caption("No accuracy of it is published in a form that can be compared, and none was measured here.")


def _partners(spec: EncoderSpec) -> None:
    found = partners.closest(spec)
    if not found:
        st.caption("Untrained: a floor for every comparison, and nobody's partner.")
        return
    for at, partner in enumerate(found):
        with st.container(border=True):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f"**{plain(partner.spec.label)}**", width="content")
                blocks.badge(partner.spec)
                st.caption(code(partner.spec.id), width="content")
            if partner.differences:
                st.caption(":material/balance: Not controlled: " + plain("; ".join(partner.differences)) + ".")
            else:
                st.caption(":material/balance: A controlled pair: only the regime differs.")
            lineup.compare_button((spec, partner.spec), f"partner_{at}")


def _actions(spec: EncoderSpec) -> bool:
    """The buttons of the card; whether the download was asked for."""
    asked = False
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if models_download.missing(spec) and spec.weights.url:
            asked = models_download.button(spec)
        has_head = bool(store.tasks_of(spec))
        st.button(
            "Add as contender",
            key="model_add",
            icon=":material/add:",
            on_click=lineup.add,
            args=(spec,),
            disabled=not has_head,
            help="Into the line-up of every page."
            if has_head
            else "It has no published head, so it cannot answer; a study fits one.",
        )
        if spec.source.startswith("https://"):
            st.link_button("Source", spec.source, icon=":material/open_in_new:")
    return asked


def card(spec: EncoderSpec) -> bool:
    """Draw the card; whether its download was asked for, which is done with everything else on the screen."""
    state = choosing.state(spec)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(plain(spec.label), anchor="card", width="content")
        blocks.badge(spec)
        st.badge(plain(state), color=COLOURS.get(state, "green"))
        if models_download.unaccepted(spec):
            st.badge("licence to accept", color="yellow", icon=":material/gavel:")
    models_download.arrived(spec)
    if spec.note:
        st.info(plain(spec.note), icon=":material/warning:")
    asked = _actions(spec)
    models_download.terms_of(spec)
    lineage, recipe, licence = st.columns(3, gap="medium")
    with lineage:
        st.markdown("#### Lineage")
        st.markdown(_lineage(spec))
    with recipe:
        st.markdown("#### Recipe")
        st.markdown(_recipe(spec))
    with licence:
        st.markdown("#### Licence and files")
        st.markdown(f"{plain(spec.licence)}: {COMMERCIAL[choosing.commercial(spec)]}.")
        _files(spec)
        _checks(spec)
        if spec.weights.url:
            st.caption(f"In a terminal: {code(f'invariscope models --fetch {spec.id}')}")
    accuracy, nearest = st.columns([2, 3], gap="large")
    with accuracy:
        st.markdown("#### Accuracy")
        _accuracy(spec)
        if spec.weights.packaged:
            figures.show("models/training")
    with nearest:
        st.markdown("#### Compare it with")
        _partners(spec)
    return asked
