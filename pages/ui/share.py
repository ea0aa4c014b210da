"""The link to what a page shows, and what of it no link can hold."""

from urllib.parse import urlencode

import streamlit as st

from pages.ui import inputs, own_images


def address() -> str:
    """The address of the page as it stands, with all choices that a link can hold."""
    held = st.query_params
    query = urlencode([(key, value) for key in held for value in held.get_all(key)])
    return str(st.context.url).partition("?")[0] + (f"?{query}" if query else "")


def button() -> None:
    """A menu with the link, to be drawn after the page, when its choices stand in the address."""
    with st.popover("Share", icon=":material/share:", key="share", type="tertiary"):
        st.code(address(), language=None, wrap_lines=True)
        if own_images.MARK in st.query_params:
            st.caption(
                ":material/link_off: Your picture is not part of the link: it never leaves your session. Whoever opens "
                "the link is told so, and sees the same after uploading the same file."
            )
        elif st.session_state.get("image_source") == inputs.FROM_STUDY:
            st.caption(":material/link_off: The sample of the study is not part of the link; share the page Samples.")
        else:
            st.caption("The link holds every choice that changes a number here.")
