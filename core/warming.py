"""Makes what the first visitor needs before anybody asks: the libraries, the packaged encoders, their first answer."""

import threading
from importlib import import_module

_done = threading.Event()


def is_done() -> bool:
    """Whether a page can be drawn without waiting for libraries or encoders."""
    return _done.is_set()


def begin() -> None:
    """Warm up in a thread of its own; returns at once."""
    threading.Thread(target=_warm, name="warming", daemon=True).start()


def _warm() -> None:
    try:
        # Here and not above: whoever asks `is_done` must not wait for PyTorch.
        import_module("core.pipeline").warm_up()
    finally:
        # Where it failed the page itself meets the error and shows it.
        _done.set()
