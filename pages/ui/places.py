"""Places of the server, in words for whoever looks at a page."""

import contextlib
import re
from pathlib import Path, PurePath

import streamlit as st

from core.commands.dashboard import LOOPBACK
from core.encoders import own
from core.errors import InvalidRequest
from core.paths import ROOT, cache_folder, data_folder, result_roots, weights_folder
from core.text import plain

# A path from the root on, and no address of the web; `folder:/a/b` holds one.
_PATH = re.compile(r"(?<![\w/.~…])/(?=[^/\s])[^\s'\"`,;()<>?&]*|\b[A-Za-z]:\\[^\s'\"`,;()<>?&]*")


def shown() -> bool:
    """Whether visitors see paths: nobody but people on this machine can visit, or the server's owner allows it."""
    hosts = {st.get_option("server.address"), *(st.get_option("server.allowedHosts") or ())}
    return own.allowed() or hosts <= {*LOOPBACK}


def _known() -> list[tuple[str, str]]:
    """The folders that have a name, the innermost first."""
    named = {str(ROOT): "Invariscope", str(Path.home()): "~"}
    folders = {"WEIGHTS": weights_folder, "DATA": data_folder, "CACHE": cache_folder}
    for name, folder in folders.items():
        with contextlib.suppress(InvalidRequest):  # which may be the very error to be worded
            named[str(folder())] = f"$INVARISCOPE_{name}"
    with contextlib.suppress(InvalidRequest):
        named |= dict.fromkeys(result_roots()[1:], "$INVARISCOPE_RESULTS")
    return sorted(named.items(), key=lambda pair: -len(pair[0]))


def worded(text: object) -> str:
    """A text in which a visitor who may not see paths finds names of folders and files in their place."""
    said = str(text)
    if shown():
        return said
    for folder, name in _known():
        said = said.replace(folder, name)
    return _PATH.sub(lambda found: f"…/{PurePath(found[0].replace(chr(92), '/')).name}", said)


def said(message: object) -> str:
    """A message as Markdown: what it quotes is text, and the places it names are worded."""
    return plain(worded(message))
