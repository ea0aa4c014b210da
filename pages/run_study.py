"""Start a study in the background, watch it, stop it, and go to its results."""

import shlex
from datetime import datetime

import streamlit as st

from core import public
from core.datasets import DATASETS
from core.datasets.address import text_of
from core.datasets.folder import here, safe_id
from core.datasets.spec import DOMAINS, Address
from core.datasets.upload import MAX_MEGABYTES, store_upload
from core.encoders import partners
from core.encoders.files import weights
from core.encoders.registry import encoders
from core.errors import InvariscopeError
from core.paths import data_folder
from core.study import jobs
from core.study.plan import MAX_SEEDS, Plan
from core.study.protocols import PROTOCOLS
from core.text import plain
from pages.ui import access, inputs, resources
from pages.ui.places import said, worded

UPLOADS = "study_uploads"

st.title("Run a study")
st.markdown(
    "A study adapts encoders to data sets, near and far, and keeps an answer for every test image. It runs in the "
    "background on this machine: you may close the tab, stop it, and start it again, and nothing that is done is lost."
)


if access.locked():
    st.stop()


def words(started: str) -> str:
    return datetime.fromisoformat(started).astimezone().strftime("%d %b, %H:%M")


def may_stop(job: jobs.Job) -> bool:
    return not public.is_public() or job.owner == access.owner()


def stop(job: jobs.Job) -> None:
    # Asked again where it counts: a button that is not drawn is no lock.
    if may_stop(job):
        jobs.cancel(job.folder)


def open_study(name: str) -> None:
    # Set here and not by a link: a choice that the address holds already would win over the link's.
    st.session_state["study"] = name


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
            for page, label in (("study.py", "Accuracy"), ("confidence.py", "Confidence"), ("samples.py", "Samples")):
                if st.button(
                    label, key=f"{page}_{name}", on_click=open_study, args=(name,), icon=":material/arrow_forward:"
                ):
                    st.switch_page(page, query_params={})
    with st.expander("Log", icon=":material/notes:"):
        st.code(worded(job.log) or "Nothing yet.", language=None, wrap_lines=True)


def last_words(log: str) -> str:
    lines = [line for line in log.strip().splitlines() if line.strip()]
    return lines[-1].removeprefix("invariscope: ") if lines else "It left no message."


known_jobs = jobs.jobs()
running = next((job for job in known_jobs if job.running), None)


@st.fragment(run_every="1s" if running else None)
def latest() -> None:
    job = jobs.job_of((running or known_jobs[0]).folder)
    if job is not None:
        with st.container(border=True):
            show(job)
        if running and not job.running:
            st.rerun()


if known_jobs:
    latest()

st.subheader("A new study" if not running else "The next study")
left, right = st.columns(2, gap="large")
with left:
    here_now = partners.order(id for id, spec in encoders().items() if weights.is_here(spec.weights))
    if "run_encoders" in st.session_state:  # a file may have gone since it was chosen
        st.session_state["run_encoders"] = [id for id in st.session_state["run_encoders"] if id in here_now]
    chosen = st.multiselect(
        "Encoders",
        here_now,
        default=None
        if "run_encoders" in st.session_state
        else [id for id in ("supervised", "simclr", "random") if id in here_now],
        key="run_encoders",
        help="Encoders whose weights are on this machine; the Models page fetches more. Keep `random` as the floor.",
    )
    protocols = st.multiselect(
        "Protocols", list(PROTOCOLS), default=["linear", "knn"], key="run_protocols", help="How encoders are adapted."
    )
    for id in protocols:
        st.caption(f"**{PROTOCOLS[id].label}**: {PROTOCOLS[id].description}")
    seeds = st.number_input("Seeds", 1, MAX_SEEDS, 1, key="run_seeds", help="Validation splits and training draws.")
with right:
    root = data_folder()
    ready = [id for id, adapter in DATASETS.items() if adapter.is_here(root)]
    folders = {text_of(Address("folder", name)): name for name in here(root)}
    uploads: dict[str, str] = st.session_state.setdefault(UPLOADS, {})
    addresses = st.multiselect(
        "Data sets",
        [*uploads, *folders, *ready],
        default=list(uploads),
        format_func=lambda a: uploads.get(a) or folders.get(a) or DATASETS[a].spec.label,
        key=f"run_datasets_{len(uploads)}",
        help=f"Sets that are on this machine: folders of {said(root)}, your uploads, and fetched ones "
        "('invariscope datasets --fetch ID').",
    )
    st.caption(
        f"An archive of up to {MAX_MEGABYTES:d} MB can be uploaded. A larger one, or the folder itself, goes into the "
        "data folder and is then chosen above, or is named on the command line: `--datasets folder:NAME`."
    )
    file = st.file_uploader(
        "A zip or tar of a labelled folder",
        type=["zip", "tar", "gz", "tgz"],
        max_upload_size=MAX_MEGABYTES,
        key="run_upload",
        help="`class/image`, or `train/class/image` and `test/class/image`. It is kept in this machine's data folder.",
    )
    if file is not None and file.file_id not in st.session_state.setdefault("run_stored", set()):
        try:
            stored = store_upload(file, file.name)
            stem = file.name.partition(".")[0]
            named = Address("folder", str(stored), {"id": safe_id(stem), "label": stem})
            uploads[text_of(named)] = file.name
            st.session_state["run_stored"].add(file.file_id)
            st.rerun()
        except InvariscopeError as error:
            inputs.explain(error)

final = []
for address in addresses:
    try:
        facts = resources.described_set(address)
    except InvariscopeError as error:
        inputs.explain(error)
        continue
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(facts['label'])}** · {facts['classes']:d} classes, {plain(facts['samples'])}")
        domain = facts["domain"]
        if address.startswith("folder:"):
            domain = st.selectbox(
                "Domain",
                DOMAINS,
                index=DOMAINS.index(domain),
                key=f"run_domain_{worded(address)}",
                width=180,
                help="Declared distance from what the encoders were pre-trained on; the study also measures it.",
            )
        else:
            st.badge(plain(domain), color="gray")
        if facts["note"]:
            st.caption(f":material/info: {said(facts['note'])}")
    changed = address.startswith("folder:") and domain != facts["domain"]
    final.append(f"{address}{'&' if '?' in address else '?'}domain={domain}" if changed else address)

if "run_name" not in st.session_state:
    st.session_state["run_name"] = jobs.unused_name("my-study")
name = st.text_input("Name", key="run_name", max_chars=64, help="Lower-case letters, digits, '.', '_' and '-'.")
cells = len(chosen) * len(final) * len(protocols) * int(seeds)
if cells:
    counts = ((chosen, "encoder"), (final, "data set"), (protocols, "protocol"), (range(int(seeds)), "seed"))
    product = " × ".join(f"{len(group)} {plain(word)}{'' if len(group) == 1 else 's'}" for group, word in counts)
    st.caption(f"{cells:d} {'cell' if cells == 1 else 'cells'}: {product}.")
else:
    st.caption("Choose at least one encoder, one protocol and one data set.")


def rename() -> None:
    st.session_state["run_name"] = jobs.unused_name(st.session_state["run_name"])


def begin() -> None:
    # The name from its widget: what was typed just before the click is not in this run's variable.
    name = st.session_state["run_name"]
    if jobs.is_taken(name) and not st.session_state.get(f"run_on_{name}"):
        st.session_state["run_taken"] = name
        return
    try:
        jobs.start(
            Plan(name, tuple(chosen), tuple(final), tuple(protocols), int(seeds), title=name),
            data_folder(),
            owner=access.owner(),
        )
    except InvariscopeError as error:
        st.session_state["run_error"] = str(error)


st.button(
    "Run",
    type="primary",
    icon=":material/play_arrow:",
    on_click=begin,
    disabled=running is not None or not cells or len(final) < len(addresses),
    key="run_start",
    help="One study runs at a time." if running else None,
)
if st.session_state.get("run_taken") == name:
    st.warning(f"There is a study called {plain(name)} already.", icon=":material/content_copy:")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.checkbox("Go on with it: what it has done is kept, and what is asked here is added", key=f"run_on_{name}")
        st.button("Take another name", key="run_rename", on_click=rename)
if message := st.session_state.pop("run_error", None):
    st.error(said(message), icon=":material/error:")
if cells:
    with st.expander("The same on the command line", icon=":material/terminal:"):
        st.code(
            f"invariscope study --encoders {','.join(chosen)} --datasets {shlex.quote(worded(','.join(final)))} "
            f"--protocols {','.join(protocols)} --seeds {seeds} --name {name}",
            language="bash",
            wrap_lines=True,
        )
