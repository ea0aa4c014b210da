"""Sessions that ended leave the server when their time is over, with the uploads that they hold."""

import asyncio
import gc
import sys
from types import ModuleType

from streamlit import runtime
from streamlit.runtime.fragment import MemoryFragmentStorage
from streamlit.runtime.state import SessionState

EVERY = 15.0
"""Seconds between two looks."""


async def drop_ended(every: float = EVERY) -> None:
    """Drop what has outlived `server.disconnectedSessionTTL`, for ever; a task of the server's event loop.

    Streamlit itself does so when the next session ends, and its loop holds the last session until the next one begins:
    on an idle server that may be never.
    """
    while True:
        await asyncio.sleep(every)
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
