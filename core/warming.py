"""Makes what the first visitor needs before anybody asks: the libraries, the packaged encoders, their first answer."""

import gc
import threading
import time

from core.errors import InvariscopeError

TASK = "tiny-imagenet"
LATER = 8  # seconds
_begun, _imported = threading.Event(), threading.Event()


def begin() -> None:
    """Warm up in a thread of its own; returns at once."""
    _begun.set()
    threading.Thread(target=_warm, name="warming", daemon=True).start()


def is_importing() -> bool:
    """Whether `begin` was called and the libraries are not there yet, so that a page cannot be drawn at once."""
    return _begun.is_set() and not _imported.is_set()


def wait() -> None:
    """Return when the libraries are imported. Two threads that import the same modules can meet half-made ones."""
    if _begun.is_set():
        _imported.wait()


def _warm() -> None:
    try:
        # Here and not above: whoever asks `is_importing` must not wait for PyTorch.
        from core import pipeline, samples
        from core.encoders.registry import encoders
        from core.heads import store
        from core.images.apart import open_copy_in_time
    finally:
        # Where it failed, the page meets the same error and shows it.
        _imported.set()
    try:
        first = next(iter(samples.samples()))
        image = samples.image(first)
        for id in store.encoders_for(TASK):
            # Other training runs of the same recipes are asked for by few.
            if encoders()[id].weights.packaged and not encoders()[id].pretraining.seed:
                pipeline.read_images(pipeline.load(id, TASK), [image])
    except InvariscopeError:
        # The page that needs what is missing says so to the person who can mend it.
        return
    finally:
        # Streamlit collects garbage after every run of a page. What is there now stays for ever: looking through it
        # each time took longer than the page itself.
        gc.collect()
        gc.freeze()
    # What the first page does without, which should have the cores for itself: the process that decodes uploads starts
    # with the first it gets, and pages about studies reckon with a library that takes a second to import.
    time.sleep(LATER)
    open_copy_in_time(samples.read(first))
    import scipy.stats  # noqa: F401
