"""Several uploads beside each other: a table with pictures and answers, whose true classes can be filled in."""

import base64
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core import pipeline
from core.encoders.spec import EncoderSpec
from core.plots.uploads import finding
from core.results import uploads
from core.text import plain
from pages.ui import blocks, resources
from pages.ui.inputs import Chosen

KEPT = "upload_labels"
"""Session key of the true classes that were given, by digest of the image."""


def draw(chosen: Chosen) -> None:
    """The answers of all contenders to all uploads, and what they come to once some are labelled."""
    specs = [contender.encoder.spec for contender in chosen.contenders]
    classes, names = chosen.task.classes, [name for name, _ in chosen.uploads]
    images = [image for _, image in chosen.uploads]
    predictions = [[pipeline.predict(c, resources.reading(c, image)) for c in chosen.contenders] for image in images]
    sizes = [f"{image.width} × {image.height}" for image in images]
    table = uploads.answers(names, sizes, predictions, specs, classes)
    st.header(f"All {len(images)} uploads")
    if len(specs) > 1:
        st.markdown(f"The contenders agree on **{int(table['agree'].sum())} of {len(table)}** images.")
    known: dict[str, str] = st.session_state.setdefault(KEPT, {})
    digests = [image.digest for image in images]
    given = [known.get(digest) if known.get(digest) in classes else None for digest in digests]
    pictures = [_inline(resources.thumbnail(image, 96)) for image in images]
    shown = table.assign(picture=pictures, **{uploads.TRUE: pd.Series(given, dtype=object)})
    edited = st.data_editor(
        shown,
        hide_index=True,
        row_height=64,
        column_order=["picture", "image", uploads.TRUE, *(str(name) for name in table.columns[2:])],
        column_config=_columns(specs, classes),
        disabled=[str(name) for name in shown if name != uploads.TRUE],
        # Other images, other rows: what was typed into the old ones must not land in them.
        key=f"compare_batch_{chosen.task.id}_{hash(tuple(digests))}",
    )
    st.caption("Fill in true classes to see who is right: a double click on a cell of that column, or Enter.")
    for digest, label in zip(digests, edited[uploads.TRUE], strict=True):
        if isinstance(label, str):
            known[digest] = label
        elif known.get(digest) in classes:
            del known[digest]
    judged = table.assign(**{uploads.TRUE: edited[uploads.TRUE].where(edited[uploads.TRUE].notna(), None)})
    if judged[uploads.TRUE].notna().any():
        st.markdown(f"**{plain(finding(judged, specs))}**")
        scores = uploads.scores(judged, specs)
        st.dataframe(
            scores,
            hide_index=True,
            alt=f"Accuracy in percent with 95 % Wilson intervals. {finding(judged, specs)}",
            key="compare_scores",
        )
        st.caption("Accuracy in percent of the labelled images, with its 95 % Wilson interval.")
    blocks.csv(judged, "All uploads", "uploads")


def _columns(specs: Sequence[EncoderSpec], classes: Sequence[str]) -> dict:
    percent = {
        f"{spec.id} confidence": st.column_config.ProgressColumn("sure", min_value=0, max_value=1, format="percent")
        for spec in specs
    }
    answers = {spec.id: st.column_config.TextColumn(spec.label) for spec in specs}
    chosen = {
        "picture": st.column_config.ImageColumn("", width="small"),
        uploads.TRUE: st.column_config.SelectboxColumn("true class", options=list(classes), width="medium"),
    }
    return {**percent, **answers, **chosen}


def _inline(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
