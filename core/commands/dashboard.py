"""`invariscope`: start the dashboard."""

import argparse
import errno
import os
import socket
import subprocess
import sys

from core import public
from core.commands.common import say
from core.errors import InvalidRequest
from core.paths import ROOT, cache_folder, data_folder, result_roots, weights_folder

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _port(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"takes 1 to 65535, not '{text}'")
    return int(text)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the options, which stand before any sub-command."""
    parser.add_argument("--port", type=_port, default=8501, help="of the dashboard (default: 8501)")
    parser.add_argument("--host", default="localhost", help="address the dashboard listens on (default: localhost)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser window")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a name that a proxy forwards (default: none)"
    )
    parser.add_argument("--reload", action="store_true", help="for developers: follow changes of the source; slow")
    parser.set_defaults(run=run)


def check_address(host: str, port: int) -> None:
    """Nothing, when a server could listen there.

    Raises:
        InvalidRequest: the address is not one of this machine, or the port is taken or reserved.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":  # as servers do: a port that was just closed is free
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()  # two that bind alike are told apart only now
    except (OSError, UnicodeError) as error:  # of the resolver, too, or of a name too long
        number = getattr(error, "errno", None)
        if number == errno.EADDRINUSE:
            raise InvalidRequest(
                f"Port {port} is in use, perhaps by a dashboard at http://{host}:{port}. Choose another --port."
            ) from error
        if number == errno.EACCES:
            raise InvalidRequest(f"Port {port} needs rights that you lack: choose a --port from 1024 on.") from error
        raise InvalidRequest(f"--host '{host}' is no address of this machine: use localhost or 0.0.0.0.") from error


def _opened() -> str:
    """What a dashboard that others reach lets them do, and how to let them do less."""
    if not public.is_public():
        return (
            "upload, download models, start and cancel studies, and read every result it shows. "
            f"{public.VARIABLE}=1 closes what strangers should not do."
        )
    studies = "with the token, start studies" if public.has_token() else "no studies and no downloads start from it"
    return f"upload images, and read every result it shows; {studies}."


def run(arguments: argparse.Namespace) -> int:
    """Serve `app.py` until interrupted."""
    app = ROOT / "app.py"
    if not app.is_file():
        raise InvalidRequest(f"{app} is missing: install Invariscope again.")
    # The server works elsewhere: folders are seen from where the person is.
    folders = {"CACHE": cache_folder(), "WEIGHTS": weights_folder(), "DATA": data_folder()}
    seen = {f"INVARISCOPE_{name}": str(folder.absolute()) for name, folder in folders.items()}
    roots = [root if "://" in root else os.path.abspath(root) for root in result_roots()[1:]]
    check_address(arguments.host, arguments.port)
    settings = os.environ | seen | {"INVARISCOPE_RESULTS": os.pathsep.join(roots)}
    flags = ["--server.port", str(arguments.port), "--server.address", arguments.host]
    if arguments.no_browser:
        flags += ["--server.headless", "true"]
    if arguments.host in LOOPBACK:
        # A page of a foreign name that resolves to this machine is nobody's dashboard (DNS rebinding).
        for name in (*LOOPBACK, *arguments.allow_host):
            flags += ["--server.allowedHosts", name]
    else:
        say(f"Whoever reaches {arguments.host} on port {arguments.port} can use this dashboard: {_opened()}")
    if arguments.reload:
        flags += ["--server.fileWatcherType", "auto", "--server.runOnSave", "true"]
        # The watcher follows core/ only when it is named here; an empty value would hide it too.
        settings["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    # Streamlit reads .streamlit/config.toml from the working directory.
    return subprocess.call(
        [sys.executable, "-m", "streamlit", "run", str(app), *flags],
        cwd=ROOT,
        env=settings,
    )
