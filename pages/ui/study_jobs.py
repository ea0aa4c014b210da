"""A study that runs or ran in the background: how far it is, how it ended, and the way to its results."""

from datetime import datetime
from functools import partial

import streamlit as st

from core import public
from core.study import jobs
from core.text import plain
from pages.ui import access, pickers
from pages.ui.places import said, worded

RESULTS = (
    ("study.py", "Accuracy"),
    ("confidence.py", "Confidence"),
    ("study_attribution.py", "Attribution"),
    ("study_invariance.py", "Invariance"),
    ("explanation.py", "Explanation"),
    ("samples.py", "Samples"),
)


def words(started: str) -> str:
    return datetime.fromisoformat(started).astimezone().strftime("%d %b, %H:%M")


def may_stop(job: jobs.Job) -> bool:
    return not public.is_public() or job.owner == access.owner()


def stop(job: jobs.Job) -> None:
    # Asked again where it counts: a button that is not drawn is no lock.
    if may_stop(job):
        jobs.cancel(job.folder)


def show(job: jobs.Job) -> None:
    name, progress = job.folder.name, job.progress
    done, total = int(progress.get("done", 0)), int(progress.get("total", 0))
    if job.running:
        text = said(progress.get("line", "Starting")) if not job.cancelled else "Stopping after the step at hand"
        share = (done + (progress["share"] if progress.get("kind") == "features" else 0)) / total if total else 0.0
        st.markdown(f"**{plain(name)}** · running since {plain(words(job.started))}")
        st.progress(min(1.0, share), text=text)
        if may_stop(job):
            st.button("Cancel", icon=":material/stop:", on_click=stop, args=(job,), key=f"cancel_{name}")
    elif job.ended:
        failed, unopened = int(progress.get("failed", 0)), int(progress.get("unopened", 0))
        if failed or unopened:
            lost = f"{failed:d} of {total:d} cells failed" if failed else f"{unopened:d} data set(s) did not open"
            ended = f"**{plain(name)}** ended, but {lost}; the log says why."
            if done > failed:
                st.warning(ended, icon=":material/warning:")
            else:
                st.error(ended, icon=":material/warning:")
        else:
            st.success(f"**{plain(name)}** is done: {done:d} of {total:d} cells.", icon=":material/check_circle:")
    elif job.cancelled:
        st.info(
            f"**{plain(name)}** was stopped after {done:d} of {total:d} cells. Start it again to go on.",
            icon=":material/stop:",
        )
    else:
        st.error(f"**{plain(name)}** ended before its end. {said(last_words(job.log))}", icon=":material/error:")
    if done > int(progress.get("failed", 0)):
        with st.container(horizontal=True):
            for page, label in RESULTS:
                on_click, icon = partial(pickers.choose, "study", name), ":material/arrow_forward:"
                if st.button(label, key=f"{page}_{name}", on_click=on_click, icon=icon):
                    st.switch_page(page, query_params={})
    with st.expander("Log", icon=":material/notes:"):
        st.code(worded(job.log) or "Nothing yet.", language=None, wrap_lines=True)


def last_words(log: str) -> str:
    lines = [line for line in log.strip().splitlines() if line.strip()]
    return lines[-1].removeprefix("invariscope: ") if lines else "It left no message."
