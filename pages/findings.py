"""The paper's claims, each judged on the loaded study in every way that is open to choice."""

from typing import Literal

import streamlit as st

from core.plots import claims as words
from core.results.claims import FAILS, HOLDS, MIXED, NOTHING, UNKNOWN
from core.study.protocols import PROTOCOLS
from core.talk import on_studies
from core.text import plain
from pages.ui import figures, pickers, resources, study_inputs, study_measures

MARKS: dict[str, tuple[str, Literal["green", "red", "orange", "gray"]]] = {
    HOLDS: (":material/check:", "green"),
    FAILS: (":material/close:", "red"),
    MIXED: (":material/alt_route:", "orange"),
    NOTHING: (":material/drag_handle:", "gray"),
    UNKNOWN: (":material/help:", "gray"),
}
# The page of each claim's own figures.
BEHIND = {
    "accuracy": "study.py",
    "surer": "confidence.py",
    "calibrated": "confidence.py",
    "concentrated": "study_attribution.py",
    "elsewhere": "study_attribution.py",
    "invariant": "study_invariance.py",
    "explained": "explanation.py",
}


st.title("What does this study say of the paper's claims?")
chosen = study_inputs.chosen()
info = chosen.info
first, second = study_measures.pair(chosen)
names = study_measures.names(info)
labels = {id: protocol.label for id, protocol in PROTOCOLS.items()}
st.caption(
    f"**{plain(info.title)}**, {plain(names[second])} against {plain(names[first])}. Each claim is asked in every way "
    "that a careful person might ask it (metric, protocol, normalisation, sets). It holds when the way chosen "
    "beforehand and nine in ten of all ways say so, beyond what two training runs of one method differ by where the "
    "study knows that."
)
judged = resources.of_study(info, on_studies.every_claim, first, second)
columns = st.columns(2, gap="medium")
for place, (id, one) in enumerate(judged.items()):
    icon, colour = MARKS[one.verdict]
    with columns[place % 2].container(border=True):
        st.markdown(f"**{plain(words.sentence(one, names[first], names[second]))}?**")
        st.badge(words.WORDS[one.verdict], icon=icon, color=colour)
        st.markdown(plain(words.verdict(one, labels)))
        st.page_link(BEHIND[id], label="The figures behind it", icon=":material/arrow_forward:")

known = [id for id, one in judged.items() if len(one.ways)]
st.header("Every way to ask")
asked = {id: words.sentence(judged[id], names[first], names[second]) for id in known}
if known:
    pickers.one("Claim", asked, "claim", width=720)
figures.show("findings/ways")
st.caption(
    "Ways share their images and answers, so they are no independent tests, and a share of them is no probability: "
    "the curve shows what a result owes to how it was asked (Simonsohn, Simmons & Nelson 2020). Intervals: 95 %, over "
    "images, each by itself. What would overturn a verdict: other data sets, a second training run, another pair."
)
# In a popover: the browser fetches 1.5 MB to colour the first line of code that is seen.
with st.popover("All claims at once, on the command line", icon=":material/terminal:"):
    line = f"invariscope results export {info.id} --table claims --first {first} --second {second} --out claims.csv"
    st.code(line, language="bash", wrap_lines=True)
