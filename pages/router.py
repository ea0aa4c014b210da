"""Navigation and page setup; the script every session runs."""

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from core import warming
from core.errors import InvariscopeError
from core.paths import ASSETS
from core.text import plain

st.set_page_config(
    page_icon=str(ASSETS / "favicon.png"),
    layout="wide",
    initial_sidebar_state="auto",
    menu_items={"About": "Invariscope: how self-supervised and supervised representations generalize."},
)

# Streamlit's letters on the primary colour are white, on the dark theme's at a contrast of 2.8.
FILLED = ":is([data-tag], [data-testid^=stBaseButton-primary]:not(:disabled))"
# Seventeen pages in two lines beside a sidebar, on a laptop's 1280 px.
CLOSE = ".st-key-navigation { column-gap: 0; row-gap: 2px } .st-key-navigation a { padding: 2px 5px } "
SMALL = ".st-key-navigation :is(a, button) p { font-size: 13.5px }"
st.html(f"<style>{FILLED} * {{ color: light-dark(#fff, #0b1220) }} {CLOSE}{SMALL}</style>")

# Pages about one image share a sidebar of image, task and contenders; pages about a study another one.
IMAGE_PAGES = [
    st.Page("overview.py", title="Overview", default=True),
    st.Page("compare.py", title="Compare", url_path="compare"),
    st.Page("attribution.py", title="Attribution", url_path="attribution"),
    st.Page("invariance.py", title="Invariance", url_path="invariance"),
]
STUDY_PAGES: list[StreamlitPage] = [
    st.Page("findings.py", title="Findings", url_path="findings"),
    st.Page("study.py", title="Study", url_path="study"),
    st.Page("confidence.py", title="Confidence", url_path="confidence"),
    st.Page("study_attribution.py", title="Study: attribution", url_path="maps"),
    st.Page("study_invariance.py", title="Study: invariance", url_path="fingerprint"),
    st.Page("explanation.py", title="Explanation", url_path="explanation"),
    st.Page("representation.py", title="Representation", url_path="representation"),
    st.Page("samples.py", title="Samples", url_path="samples"),
    st.Page("run_study.py", title="Run a study", url_path="run-study"),
]
TALK_PAGES = [st.Page("talk.py", title="Talk", url_path="talk")]
ABOUT_PAGES = [
    st.Page("models.py", title="Models", url_path="models"),
    st.Page("words.py", title="Words", url_path="words"),
    st.Page("how_it_works.py", title="How it works", url_path="how-it-works"),
]

SECTIONS = {"One image": IMAGE_PAGES, "Studies": STUDY_PAGES, "Talks": TALK_PAGES, "About": ABOUT_PAGES}
page = st.navigation(SECTIONS, position="hidden")
# Streamlit's own bar folds pages into menus, and on a phone into the drawer; here all stand, and wrap.
with st.container(horizontal=True, gap="xxsmall", vertical_alignment="center", key="navigation"):
    for name, listed in SECTIONS.items():
        st.badge(plain(name), color="gray", width="content")
        for link in listed:
            st.page_link(link, width="content")
    sharing = st.container(width="content")
if warming.is_importing():
    # The frame stands before the libraries are there: PyTorch takes seconds to import.
    loading = st.empty()
    with loading.container():
        st.title("Invariscope")
        st.markdown("How do self-supervised and supervised representations generalize? The encoders are being loaded.")
        st.skeleton(height=320)
    warming.wait()
    loading.empty()
from pages.ui import inputs, own_images, pickers, share, study_inputs  # noqa: E402

pickers.arrive(page.url_path)

# Drawn here and not in the pages: an upload then stays when its owner goes to another page.
if page in IMAGE_PAGES:
    inputs.sidebar()
elif page in STUDY_PAGES:
    study_inputs.sidebar(uploads=page.url_path == "representation")
elif page not in TALK_PAGES:
    with st.sidebar:
        own_images.keep()
try:
    page.run()
except InvariscopeError as error:
    inputs.explain(error)
finally:
    # A page that stops early can be shared, too.
    with sharing:
        share.button()
