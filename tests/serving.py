"""A dashboard of one's own for journeys and benchmarks: started as its command starts it, ended whatever happens."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking")
PATIENCE = 120  # seconds for a server to start, or a page to finish; a busy machine needs them
CALM_MS = 600
PATIENCE_MS = 90_000

READ_ONLY = (
    *("unshare", "--mount", "bash", "-c"),
    f"mount --bind {ROOT} {ROOT} && mount -o remount,ro,bind {ROOT} && cd {ROOT} && ! touch {ROOT}/x 2>&- && "
    'export HOME=/proc/nothing && exec "$@"',
    "bash",
)
"""Before a command: it finds the app's own folder unwritable, and no home. Where there are `own_mounts`."""

# Frame by frame: when was something still under way? A page is settled once nothing was for CALM_MS.
WATCH = """
window.underWay = performance.now();
(function look() {
  const app = document.querySelector("[data-testid=stApp]");
  const calm = app && app.getAttribute("data-test-script-state") === "notRunning"
    && document.querySelector("[data-testid=stMain] h1")
    && !document.querySelector("[data-testid=stSkeleton], [data-testid=stSpinner], [data-stale=true]");
  if (!calm) window.underWay = performance.now();
  requestAnimationFrame(look);
})();
"""


def settled(page: "Page", since: str) -> float:
    """Seconds from the moment `since` (an expression of the page) until the page had settled."""
    page.wait_for_function(f"() => performance.now() - window.underWay > {CALM_MS}", timeout=PATIENCE_MS)
    return page.evaluate(f"() => (window.underWay - ({since})) / 1000")


@dataclass(frozen=True, slots=True)
class Server:
    """A running dashboard: where it answers, its process, and when it was started (`time.monotonic`)."""

    address: str
    pid: int
    began: float


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def own_mounts() -> bool:
    """Whether a process may have mounts of its own here: for root on most Linux machines."""
    return shutil.which("unshare") is not None and not subprocess.call(
        ["unshare", "--mount", "true"], stderr=subprocess.DEVNULL
    )


def healthy(address: str) -> bool:
    """Whether the server there says so."""
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


@contextlib.contextmanager
def serve(settings: Mapping[str, str] | None = None, wait: bool = True, before: Sequence[str] = ()) -> Iterator[Server]:
    """The dashboard on a free port, in a folder of weights of its own.

    Args:
        settings: environment variables besides this process's.
        wait: for its first sign of health.
        before: a command that runs the one that follows it, such as `READ_ONLY`.

    Raises:
        RuntimeError: it did not start, or printed a traceback; with what it printed.
    """
    port = free_port()
    base = (settings or {}).get("STREAMLIT_SERVER_BASE_URL_PATH", "")
    address = f"http://localhost:{port}/{base}".rstrip("/")
    command = [*before, sys.executable, "-m", "core.cli", "--port", str(port), "--no-browser"]
    # A run that is told to end must still end its server, so it unwinds as for Ctrl-C.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryDirectory() as weights:
        environment = os.environ | {"INVARISCOPE_WEIGHTS": weights} | dict(settings or {})
        began = time.monotonic()
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            while wait and not healthy(address):
                if process.poll() is not None or time.monotonic() > began + PATIENCE:
                    output.seek(0)
                    raise RuntimeError(f"The server did not start:\n{output.read()}")
                time.sleep(0.05)
            yield Server(address, process.pid, began)
            output.seek(0)
            printed = output.read()
            if "Traceback" in printed:
                raise RuntimeError(f"The server printed a traceback:\n{printed}")
        finally:
            signal.signal(signal.SIGTERM, before)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextlib.contextmanager
def busy_cores(count: int) -> Iterator[None]:
    """`count` processes that compute and never wait, as other people's programs do."""
    spin = [subprocess.Popen([sys.executable, "-c", "while True: sum(range(10**6))"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in spin:
            process.kill()
            process.wait()
