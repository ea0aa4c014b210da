"""Sessions that ended: what they hold leaves the server in time, and what they wait for is not worked out."""

import asyncio
import contextlib
import gc
import sys
from collections.abc import Callable
from types import ModuleType

from streamlit import runtime
from streamlit.runtime.fragment import MemoryFragmentStorage
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.state import SessionState

from core.datasets import upload
from core.errors import InvariscopeError

EVERY = 15.0
"""Seconds between two looks."""


async def drop_ended(every: float = EVERY) -> None:
    """Drop what has outlived `server.disconnectedSessionTTL`, for ever; a task of the server's event loop.

    Streamlit itself does so when the next session ends, and its loop holds the last session until the next one begins:
    on an idle server that may be never.
    """
    while True:
        await asyncio.sleep(every)
        # A data folder that cannot be read is said by the pages; it must not end this.
        with contextlib.suppress(InvariscopeError, OSError):
            upload.drop_old()
        # There is no public way to them; a test on Streamlit's own storage fails when the name changes.
        kept = runtime.get_instance()._session_mgr._session_storage._cache  # type: ignore[attr-defined]
        ended = [info.session for _, info in kept.expire()]
        for session in ended:
            session.shutdown()
            # Callbacks and fragments hold the variables of the page that made them.
            session._session_state, session._fragment_storage = SessionState(), MemoryFragmentStorage()
        if ended:
            del ended, session
            # The last run's script, with its variables; each run puts its own there.
            sys.modules["__main__"] = ModuleType("__main__")
            gc.collect()


def left() -> Callable[[], bool]:
    """Whether the visitor that this run of a page is for has left, to be asked from any thread while it works."""
    context = get_script_run_ctx()
    if context is None or not runtime.exists():  # a test without a server
        return lambda: False
    id = context.session_id
    return lambda: not runtime.get_instance().is_active_session(id)
