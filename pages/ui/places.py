"""Places of the server, in words for whoever looks at a page."""

import re
from pathlib import PurePath

import streamlit as st

from core import public
from core.commands.dashboard import LOOPBACK
from core.encoders import own
from core.paths import named_places
from core.text import plain

# A path from the root on, and no address of the web; `folder:/a/b` holds one.
_PATH = re.compile(r"(?<![\w/.~…])/(?=[^/\s])[^\s'\"`,;()<>?&]*|\b[A-Za-z]:\\[^\s'\"`,;()<>?&]*")


def shown() -> bool:
    """Whether visitors see paths: nobody but people on this machine can visit, or the server's owner allows it.

    Strangers never do: a proxy that passes no name on makes them look like people on this machine.
    """
    if public.is_public():
        return False
    hosts = {st.get_option("server.address"), *(st.get_option("server.allowedHosts") or ())}
    return own.allowed() or hosts <= {*LOOPBACK}


def worded(text: object) -> str:
    """A text in which a visitor who may not see paths finds names of folders and files in their place."""
    said = str(text)
    if shown():
        return said
    for folder, name in named_places():
        said = said.replace(folder, name)
    return _PATH.sub(lambda found: f"…/{PurePath(found[0].replace(chr(92), '/')).name}", said)


def said(message: object) -> str:
    """A message as Markdown: what it quotes is text, and the places it names are worded."""
    return plain(worded(message))
