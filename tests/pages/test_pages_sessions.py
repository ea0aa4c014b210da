"""An upload is gone when the README says so: no visitor has to come for it."""

import asyncio
import sys
import weakref
from types import SimpleNamespace

import pytest
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.runtime.session_manager import SessionInfo
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager

from pages.ui import sessions


class Upload:
    """What a page keeps, in a cycle as callbacks make one."""

    def __init__(self) -> None:
        self.itself = self


class Session:
    """All that is asked of one."""

    id = "one"

    def __init__(self, files: MemoryUploadedFileManager) -> None:
        self.files = files
        self._session_state = self._fragment_storage = Upload()

    def shutdown(self) -> None:
        self.files.remove_session_files(self.id)


def test_what_an_ended_session_held_goes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even while somebody holds the session, as Streamlit's own loop does until the next visitor comes."""
    storage, files = MemorySessionStorage(ttl_seconds=1), MemoryUploadedFileManager("/files")
    files.add_file("one", UploadedFileRec("file", "a.png", "image/png", b"pixels"))
    manager = WebsocketSessionManager(storage, files, ScriptCache(), lambda: None)
    monkeypatch.setattr(sessions.runtime, "get_instance", lambda: SimpleNamespace(_session_mgr=manager))
    session = Session(files)
    upload = weakref.ref(session._session_state)
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(chosen=session._session_state))
    storage.save(SessionInfo(client=None, session=session))

    async def wait() -> None:
        task = asyncio.create_task(sessions.drop_ended(every=0.05))
        await asyncio.sleep(0.3)
        assert upload() is not None, "who comes back within the time finds everything"
        assert files.get_files("one", ["file"])
        async with asyncio.timeout(30):
            while upload() is not None:
                await asyncio.sleep(0.05)
        assert files.get_files("one", ["file"]) == []
        task.cancel()

    asyncio.run(wait())
