"""Any image, up to four encoders: what each answers, how sure it is, and whether they agree."""

import pandas as pd
import streamlit as st

from core import pipeline, samples
from core.plots import answers
from core.plots.bars import bars
from core.plots.style import styles
from core.text import plain
from pages.ui import blocks, figures, inputs, picture, resources, study_samples, uploads

st.title("Compare encoders on an image")
chosen = inputs.chosen()
contenders, task = chosen.contenders, chosen.task
specs = [contender.encoder.spec for contender in contenders]


def choose_sample(id: str) -> None:
    st.session_state["image"] = id
    st.session_state["image_source"] = inputs.FROM_SAMPLES


def draw_gallery() -> None:
    # One row high, so that the answers stand on the first screen; the other rows are a scroll away.
    with st.container(height=166, key="gallery"), st.grid(min_column_width=92, gap="small"):
        for id, sample in samples.samples().items():
            with st.container(gap="xsmall"):
                found = resources.sample_image(id)
                st.image(resources.square(found, 120), width="stretch", alt=f"Sample: {sample.title}.")
                st.button(
                    plain(sample.title),
                    key=f"pick_{id}",
                    on_click=choose_sample,
                    args=(id,),
                    type="tertiary",
                    help=plain(sample.story),
                )


# Its place; it is filled after the answers, which people wait for while the gallery stays as it was.
above = st.container()

readings = [resources.reading(contender, chosen.image) for contender in contenders]
predictions = [pipeline.predict(contender, reading) for contender, reading in zip(contenders, readings, strict=True)]

with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    target = inputs.pick_class(chosen)
    top = st.slider("Classes shown", 3, 10, 5, key="compare_top", bind="query-params", width=220)

if held := inputs.study_sample():
    study_samples.answers(held)
    if task.id not in inputs.questions(held):
        st.caption(
            ":material/info: No head for the question of that study is here, so its recorded answers stand above. "
            f"Below, the contenders answer another question: {plain(task.label)}."
        )
    elif task.study:
        st.caption(":material/info: Below, the linear probes answer that the study itself fitted, with its first seed.")
st.markdown(f"## {plain(answers.finding(specs, predictions, task.classes))}")
blocks.control_note(contenders)
if target is not None:
    said = "; ".join(
        f"{plain(spec.label)} {p.probabilities[target]:.1%} (rank {int((p.order == target).argmax()) + 1})"
        for spec, p in zip(specs, predictions, strict=True)
    )
    st.markdown(f"*{plain(task.classes[target])}*: {said}.")

table = answers.answers_table(specs, predictions, task.classes, top, target)
look = styles(specs)
columns = st.columns([1.1, *[1.3] * len(contenders)], gap="medium")
with columns[0]:
    picture.show(chosen.image, chosen.name, contenders)
    st.caption(
        f"{plain(chosen.name)}, read at {chosen.image.width:d} × {chosen.image.height:d} px, "
        f"SHA-256 {plain(chosen.image.digest[:8])}"
    )
    if not chosen.linkable:
        st.caption("This image is not part of the page's address.")
highlight = task.classes[target] if target is not None else None
for column, contender, reading, prediction in zip(columns[1:], contenders, readings, predictions, strict=True):
    spec = contender.encoder.spec
    with column:
        mine = table[table["encoder"] == spec.id]
        st.markdown(f"### {plain(spec.label)}")
        blocks.badge(spec)
        blocks.unfamiliar(contender, reading)
        blocks.answer_mark(task.classes[prediction.top], chosen.truth)
        st.html(bars(mine, look[spec.id], answers.bars_alt(mine), highlight))
        if prediction.calibrated:
            st.caption(
                f"{prediction.raw_confidence:.0%} before, {prediction.confidence:.0%} after temperature "
                f"{prediction.temperature:.2f}"
            )
        else:
            st.caption(
                f"{prediction.raw_confidence:.0%}: the plain softmax, as no temperature was fitted for this head."
            )

with above:
    draw_gallery()

facts = pd.DataFrame(
    [
        {
            "contender": spec.label,
            "answer": task.classes[p.top],
            "confidence": p.confidence,
            "before temperature": p.raw_confidence,
            "margin": p.margin,
            "entropy (nats)": p.entropy,
            "energy": p.energy,
            "head": contender.head.protocol,
        }
        for spec, p, contender in zip(specs, predictions, contenders, strict=True)
    ]
)
percent = st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent")
st.dataframe(
    facts,
    hide_index=True,
    column_config={"confidence": percent, "before temperature": percent}
    | {name: st.column_config.NumberColumn(format="%.2f") for name in ("margin", "entropy (nats)", "energy")},
    alt="Each contender's answer, confidence before and after temperature, margin, entropy and energy. "
    + answers.finding(specs, predictions, task.classes),
    key="compare_facts",
)
blocks.csv(table, "All shown probabilities", "answers")
ids = tuple(spec.id for spec in specs)
line = f"invariscope predict IMAGE --encoders {','.join(ids)} --task {task.id} --json"
figures.menu("compare/answers", line, chosen.linkable, encoders=ids)

if len(chosen.uploads) > 1:
    uploads.draw(chosen)

blocks.provenance(contenders)
