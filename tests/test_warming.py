"""Warming up: what is there afterwards, and that nobody who never began it waits."""

import subprocess
import sys

from core.paths import ROOT


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_asking_costs_no_library() -> None:
    code = "import sys; from core import warming; print(warming.is_importing(), 'torch' in sys.modules)"
    assert python(code) == "False False"


def test_the_packaged_pair_and_its_floor_are_resident_afterwards() -> None:
    code = (
        "from core import warming\n"
        "warming.LATER = 0\n"
        "warming.begin(); print(warming.is_importing()); warming.wait(); print(warming.is_importing())\n"
        "import threading\n"
        "[thread.join() for thread in threading.enumerate() if thread.name == 'warming']\n"
        "from core.encoders.registry import encoders\n"
        "from core.encoders.resident import residents\n"
        "held = {encoder.spec.id for encoder in residents().resident()}\n"
        "print(sorted(held))\n"
    )
    assert python(code).splitlines() == ["True", "False", "['random', 'simclr', 'supervised']"]


def test_first_answer_needs_none_of_the_slow_libraries() -> None:
    """timm, captum and scikit-learn take as long to import as PyTorch itself; what opens the dashboard does without."""
    code = (
        "import sys\n"
        "from core import pipeline, samples\n"
        "from core.images.opening import open_image\n"
        "contender = pipeline.load('supervised', 'tiny-imagenet')\n"
        "pipeline.read_images(contender, [open_image(samples.read('cat'))])\n"
        "print(*sorted({'timm', 'torchvision', 'captum', 'sklearn', 'matplotlib'} & sys.modules.keys()))"
    )
    assert python(code) == ""


def test_workers_sleep_while_they_wait() -> None:
    code = "import os; os.environ.pop('OMP_WAIT_POLICY', None); import core; print(os.environ['OMP_WAIT_POLICY'])"
    assert python(code) == "PASSIVE"


def test_the_server_starts_without_what_its_first_page_does_not_wait_for() -> None:
    heavy = ("torch", "timm", "pandas", "scipy", "duckdb")
    assert python(f"import app, sys; print([name for name in {heavy} if name in sys.modules])") == "[]"
