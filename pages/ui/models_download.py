"""Getting an encoder onto this machine: its licence accepted, its files fetched, with progress, and stopped at will."""

import streamlit as st

from core import choosing
from core.encoders.files import licences, weights
from core.encoders.files.licences import Terms
from core.encoders.spec import EncoderSpec, WeightFile
from core.errors import InvariscopeError
from core.fetching.download import partial_of
from core.pace import Pace
from core.text import plain
from pages.ui import access, inputs
from pages.ui.places import said

ARRIVED = "models_arrived"
REFUSED = "models_refused"


def unaccepted(spec: EncoderSpec) -> list[Terms]:
    """The licences that have to be accepted before the encoder's files are fetched."""
    wanted = dict.fromkeys(file.terms for file in spec.files if file.terms and not weights.is_here(file))
    return [licences.terms(id) for id in wanted if not licences.accepted(id)]


def _accept(id: str) -> None:
    try:
        licences.accept(id)
    except InvariscopeError as error:
        st.session_state[REFUSED] = str(error)


def terms_of(spec: EncoderSpec) -> None:
    """The licences still to be accepted, each with what it asks and a button."""
    if not access.is_open():
        return
    for asked in unaccepted(spec):
        with st.container(border=True):
            st.markdown(
                f":material/gavel: **{plain(asked.name)}** ({plain(asked.version)}) has to be accepted once before the "
                f"download.\n\n{plain(asked.summary)}\n\n**Forbidden:** {plain(asked.forbidden)}."
            )
            st.link_button("Read the whole text", asked.url, icon=":material/open_in_new:")
            st.button(
                f"I accept the {plain(asked.name)}",
                key=f"accept_{asked.id}",
                on_click=_accept,
                args=(asked.id,),
                icon=":material/check:",
            )
    if message := st.session_state.pop(REFUSED, None):
        st.error(said(message), icon=":material/error:")


def missing(spec: EncoderSpec) -> list[WeightFile]:
    """The encoder's files that are not on this machine."""
    return [file for file in spec.files if not weights.is_here(file)]


def begun(spec: EncoderSpec) -> int:
    """Bytes that a stopped download left."""
    partial = [partial_of(weights.path_of(file)) for file in missing(spec)]
    return sum(path.stat().st_size for path in partial if path.is_file())


def button(spec: EncoderSpec) -> bool:
    """Draw the download button; whether it was pressed."""
    if not access.is_open():
        st.caption(":material/lock: Downloads are closed on this server, which is open to everybody.")
        return False
    size = sum(file.megabytes for file in missing(spec))
    have = begun(spec)
    known = f"{size:.0f} MB" if size else "size told by the server"
    label = f"Resume download ({have / 1e6:.0f} of {known})" if have else f"Download ({known})"
    must = unaccepted(spec)
    return st.button(
        label,
        key="model_download",
        icon=":material/download:",
        type="primary",
        disabled=bool(must),
        help="Accept the licence below first." if must else "What arrived stays when you stop; it goes on from there.",
    )


def run(spec: EncoderSpec) -> None:
    """Fetch what is missing, and show how far it is; any click on the page stops it."""
    with st.container(border=True):
        bar = st.progress(0.0, text="Connecting …")
        # A press starts the script anew, and this run ends at its next sign of progress.
        st.button("Stop", key="model_stop", icon=":material/stop:", help="What arrived stays.")
        try:
            for file in missing(spec):
                pace = Pace()

                def show(done: int, total: int, name: str = file.file, pace: Pace = pace) -> None:
                    seen = pace.see(done, total)
                    bar.progress(seen.share, text=plain(f"{name}: {seen.text}"))

                weights.fetch(file, show)
        except InvariscopeError as error:
            bar.empty()
            inputs.explain(error)
            return
    st.session_state[ARRIVED] = spec.id
    st.rerun()


def arrived(spec: EncoderSpec) -> None:
    """Say once that a download is complete."""
    if st.session_state.pop(ARRIVED, None) == spec.id and choosing.state(spec) in choosing.HERE:
        st.success(f"{plain(spec.label)} is on this machine and checked.", icon=":material/check_circle:")
