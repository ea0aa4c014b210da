"""Start with `invariscope` or `streamlit run app.py`; any ASGI server can serve `app` too."""

import os
from pathlib import Path

import streamlit as st
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

ROOT = Path(__file__).resolve().parent
# The file watcher follows core/ only when it is named here; an empty value would hide it too.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))

app = st.App(
    ROOT / "pages" / "router.py",
    routes=[Mount("/assets", app=StaticFiles(directory=ROOT / "assets"))],
)

if __name__ == "__main__":
    app.run()
