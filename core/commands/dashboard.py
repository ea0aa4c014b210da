"""`invariscope`: start the dashboard."""

import argparse
import subprocess
import sys

from core.errors import InvalidRequest
from core.paths import ROOT


def run(arguments: argparse.Namespace) -> int:
    """Serve `app.py` until interrupted."""
    app = ROOT / "app.py"
    if not app.is_file():
        raise InvalidRequest(f"{app} is missing: install Invariscope again.")
    flags = ["--server.port", str(arguments.port), "--server.address", arguments.host]
    if arguments.no_browser:
        flags += ["--server.headless", "true"]
    # Streamlit reads .streamlit/config.toml from the working directory.
    return subprocess.call([sys.executable, "-m", "streamlit", "run", str(app), *flags], cwd=ROOT)
