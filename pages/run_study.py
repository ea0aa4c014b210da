"""Start a study in the background, watch it, stop it, and go to its results."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

import streamlit as st

from core.datasets import DATASETS
from core.datasets.address import text_of
from core.datasets.folder import here, safe_id
from core.datasets.spec import DOMAINS, Address
from core.datasets.upload import MAX_MEGABYTES, store_upload
from core.encoders import partners
from core.encoders.files import weights
from core.encoders.registry import encoders
from core.errors import InvariscopeError
from core.pace import duration
from core.paths import data_folder
from core.results.info import ANSWERS
from core.study import estimate, jobs
from core.study.measures import MEASURES
from core.study.plan import MAX_SEEDS, Plan
from core.study.protocols import PROTOCOLS
from core.text import plain
from pages.ui import access, inputs, resources, study_jobs
from pages.ui.places import said, worded

UPLOADS = "study_uploads"

st.title("Run a study")
st.markdown(
    "A study adapts encoders to data sets, near and far, and keeps an answer for every test image. It runs in the "
    "background on this machine: you may close the tab, stop it, and start it again, and nothing that is done is lost."
)


if access.locked():
    st.stop()


def estimated(plan: Plan, sets: Sequence[Mapping[str, int]]) -> str:
    """What a plan will take on this machine; encoders that do not ship are not loaded only to ask them."""
    known = [id for id in plan.encoders if encoders()[id].weights.packaged]
    if not known:
        return "How long it takes is told as soon as the first images are read."
    found = estimate.cost(replace(plan, encoders=tuple(known)), sets, {id: resources.speed(id) for id in known})
    untold = [encoders()[id].label for id in plan.encoders if id not in known]
    untold += [PROTOCOLS[id].label for id in found.untold]
    beside = f", without {', '.join(untold)}" if untold else ""
    return f"About {duration(found.seconds)} and {found.megabytes:,.0f} MB, if nothing else runs{beside}."


known_jobs = jobs.jobs()
running = next((job for job in known_jobs if job.running), None)


@st.fragment(run_every="1s" if running else None)
def latest() -> None:
    job = jobs.job_of((running or known_jobs[0]).folder)
    if job is not None:
        with st.container(border=True):
            study_jobs.show(job)
        if running and not job.running:
            st.rerun()


if known_jobs:
    latest()

st.header("A new study" if not running else "The next study")
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
    measures = st.multiselect(
        "Measures",
        [ANSWERS, *MEASURES],
        default=[ANSWERS, *MEASURES],
        format_func=lambda id: "Answers: accuracy and confidence" if id == ANSWERS else MEASURES[id].label,
        key="run_measures",
        help="The paper's four questions: accuracy and confidence come of the answers, attribution and invariance of "
        "the linear probe; geometry compares the feature spaces.",
    )
    looked = st.number_input(
        "Images a measure looks at", 10, 5000, 100, key="run_samples", help="Of the test part, chosen by a hash."
    )
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

final, counted = [], []
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
    counted.append(facts["counts"])
    final.append(f"{address}{'&' if '?' in address else '?'}domain={domain}" if changed else address)

if "run_name" not in st.session_state:
    st.session_state["run_name"] = jobs.unused_name("my-study")
name = st.text_input("Name", key="run_name", max_chars=64, help="Lower-case letters, digits, '.', '_' and '-'.")
options = {
    "invariance": {"samples": int(looked), "strengths": 4},
    "attribution": {"samples": int(looked), "paths": int(looked) // 2},
}
asked = Plan(
    name,
    tuple(chosen),
    tuple(final),
    tuple(protocols),
    int(seeds),
    title=name,
    measures=tuple(measures),
    options={id: given for id, given in options.items() if id in measures},
)
answers = len(protocols) * int(seeds) if ANSWERS in measures else 0
cells = len(chosen) * len(final) * (answers + len([id for id in measures if id != ANSWERS])) if protocols else 0
if cells:
    counts = (
        (chosen, "encoder"),
        (final, "data set"),
        (protocols if answers else [], "protocol"),
        (range(int(seeds)) if answers else [], "seed"),
    )
    product = " × ".join(
        f"{len(group)} {plain(word)}{'' if len(group) == 1 else 's'}" for group, word in counts if group
    )
    others = [MEASURES[id].label.lower() for id in measures if id != ANSWERS]
    more = f", and of each encoder on each set {plain(', '.join(others))}" if others else ""
    st.caption(f"{cells:d} {'cell' if cells == 1 else 'cells'}: {product}{more}. {plain(estimated(asked, counted))}")
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
            replace(asked, name=name, title=name),
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
    with st.popover("The same on the command line", icon=":material/terminal:"):
        st.code(
            f"invariscope study --encoders {','.join(chosen)} --datasets {shlex.quote(worded(','.join(final)))} "
            f"--protocols {','.join(protocols)} --measures {','.join(measures)} --seeds {seeds} --name {name}"
            + "".join(
                f" --option {id}.{key}={value}" for id, given in asked.options.items() for key, value in given.items()
            ),
            language="bash",
            wrap_lines=True,
        )
