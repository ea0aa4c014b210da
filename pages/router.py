"""Navigation and page setup; the script every session runs."""

import streamlit as st

from core.paths import ASSETS
from pages.ui import inputs

st.set_page_config(
    page_title="Invariscope",
    page_icon=str(ASSETS / "favicon.png"),
    layout="wide",
    initial_sidebar_state="auto",
    menu_items={"About": "Invariscope: how self-supervised and supervised representations generalize."},
)

PAGES = [
    st.Page("overview.py", title="Overview", icon=":material/home:", default=True),
    st.Page("compare.py", title="Compare", icon=":material/compare:", url_path="compare"),
    st.Page("attribution.py", title="Attribution", icon=":material/center_focus_strong:", url_path="attribution"),
    st.Page("invariance.py", title="Invariance", icon=":material/ssid_chart:", url_path="invariance"),
    st.Page("models.py", title="Models", icon=":material/deployed_code:", url_path="models"),
    st.Page("how_it_works.py", title="How it works", icon=":material/menu_book:", url_path="how-it-works"),
]

page = st.navigation(PAGES, position="top")
# Drawn here and not in the pages: an upload then stays when its owner goes to another page.
inputs.sidebar()
page.run()
