"""Navigation and page setup; the script every session runs."""

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from core import warming
from core.errors import InvariscopeError
from core.paths import ASSETS

st.set_page_config(
    page_icon=str(ASSETS / "favicon.png"),
    layout="wide",
    initial_sidebar_state="auto",
    menu_items={"About": "Invariscope: how self-supervised and supervised representations generalize."},
)

# Pages about one image share a sidebar of image, task and contenders; pages about a study another one.
IMAGE_PAGES = [
    st.Page("overview.py", title="Overview", icon=":material/home:", default=True),
    st.Page("compare.py", title="Compare", icon=":material/compare:", url_path="compare"),
    st.Page("attribution.py", title="Attribution", icon=":material/center_focus_strong:", url_path="attribution"),
    st.Page("invariance.py", title="Invariance", icon=":material/ssid_chart:", url_path="invariance"),
]
STUDY_PAGES: list[StreamlitPage] = [
    st.Page("findings.py", title="Findings", icon=":material/fact_check:", url_path="findings"),
    st.Page("study.py", title="Study", icon=":material/analytics:", url_path="study"),
    st.Page("confidence.py", title="Confidence", icon=":material/speed:", url_path="confidence"),
    st.Page("study_attribution.py", title="Study: attribution", icon=":material/filter_center_focus:", url_path="maps"),
    st.Page("study_invariance.py", title="Study: invariance", icon=":material/fingerprint:", url_path="fingerprint"),
    st.Page("explanation.py", title="Explanation", icon=":material/psychology_alt:", url_path="explanation"),
    st.Page("representation.py", title="Representation", icon=":material/scatter_plot:", url_path="representation"),
    st.Page("samples.py", title="Samples", icon=":material/grid_view:", url_path="samples"),
    st.Page("run_study.py", title="Run a study", icon=":material/play_circle:", url_path="run-study"),
]
TALK_PAGES = [st.Page("talk.py", title="Talk", icon=":material/co_present:", url_path="talk")]
ABOUT_PAGES = [
    st.Page("models.py", title="Models", icon=":material/deployed_code:", url_path="models"),
    st.Page("how_it_works.py", title="How it works", icon=":material/menu_book:", url_path="how-it-works"),
]

page = st.navigation(
    {"One image": IMAGE_PAGES, "Studies": STUDY_PAGES, "Talk": TALK_PAGES, "About": ABOUT_PAGES}, position="top"
)
if warming.is_importing():
    # The frame stands before the libraries are there: PyTorch takes seconds to import.
    loading = st.empty()
    with loading.container():
        st.title("Invariscope")
        st.markdown("How do self-supervised and supervised representations generalize? The encoders are being loaded.")
        st.skeleton(height=320)
    warming.wait()
    loading.empty()
from pages.ui import inputs, study_inputs  # noqa: E402

# Drawn here and not in the pages: an upload then stays when its owner goes to another page.
if page in STUDY_PAGES:
    study_inputs.sidebar()
elif page not in TALK_PAGES:
    inputs.sidebar()
try:
    page.run()
except InvariscopeError as error:
    inputs.explain(error)
