"""What the front door and the first screen say rests on what ships."""

from benchmarks.family import table

from core import pipeline
from core.paths import ROOT
from core.plots.shipped import PAIR
from core.samples import image, samples, true_classes
from core.tasks import tasks
from pages.ui.inputs import DEFAULT_IMAGE, DEFAULT_TASK


def test_the_table_of_the_family_is_that_of_the_shipped_study() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in table() if line not in text] == [], "make it again: python tests/benchmarks/family.py"


def test_pages_open_on_the_sample_whose_right_answers_the_pair_is_surest_of() -> None:
    task = tasks()[DEFAULT_TASK]
    contenders = [pipeline.load(id, task.id, "cpu") for id in PAIR]
    surest = {}
    for id in samples():
        right = [task.classes.index(name) for name in true_classes(id, task)]
        if right:
            found = [pipeline.predict(one, pipeline.read_images(one, [image(id)])[0]) for one in contenders]
            surest[id] = min(float(one.probabilities[right].sum()) for one in found)
    assert max(surest, key=surest.__getitem__) == DEFAULT_IMAGE
