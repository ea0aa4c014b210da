"""What is cached belongs to the weights and the head it was computed with, not to a name."""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest
from toys import CPU, image, linear_head, small_resnet, spec

from core import invariance, pipeline, readout
from core.encoders.encoder import freeze
from core.images import image as pictures
from core.images.image import SafeImage
from core.plots import curves
from core.readout import Contender
from pages.ui import resources

SESSION = "streamlit.runtime.caching.cache_data_api.get_session_id_or_throw"
PICTURE, OTHER = image(seed=0), image(seed=1)
NUMBERS: dict[str, Callable[[Contender], object]] = {
    "reading": lambda contender: resources.reading(contender, PICTURE).logits,
    "map": lambda contender: resources.attribution(contender, PICTURE, 1, "grad-cam"),
    "pair": lambda contender: resources.pair(contender, PICTURE, OTHER)[0],
    "floor": resources.floor,
    "curve": lambda contender: resources.point(contender, [PICTURE], "rotation", 20.0, 1).kept,
}
OF_HEAD = ("reading", "map", "curve")


def replaced(network_seed: int = 0, head_seed: int = 0, sha256: str = "0" * 64, **changed) -> Contender:
    """A contender that goes by the same names whatever it is made of."""
    network = small_resnet(seed=network_seed).encoder.network
    torch.manual_seed(head_seed)
    head = linear_head(torch.randn(5, 128), torch.randn(5))
    return Contender(freeze(spec("same", dim=128, size=64, **changed), network, CPU, sha256), head)


def served(what: str, *contenders: Contender) -> list[np.ndarray]:
    """The numbers that one session gets for contenders, one after another."""

    def script(compute, contenders, found):
        found += [compute(contender) for contender in contenders]

    found: list[np.ndarray] = []
    at = AppTest.from_function(script, args=(NUMBERS[what], contenders, found)).run(timeout=60)
    assert not at.exception, [error.value for error in at.exception]
    return found


@pytest.mark.parametrize("what", NUMBERS)
def test_other_weights_under_the_same_id_are_not_served_their_predecessors_numbers(what: str) -> None:
    before, after, again = served(what, replaced(), replaced(network_seed=1, sha256="1" * 64), replaced())
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(before, again)


@pytest.mark.parametrize("what", OF_HEAD)
def test_another_head_is_not_served_its_predecessors_numbers(what: str) -> None:
    before, after = served(what, replaced(), replaced(head_seed=1))
    assert not np.array_equal(before, after)


@pytest.mark.parametrize("what", NUMBERS)
def test_another_recipe_is_not_served_its_predecessors_numbers(what: str) -> None:
    recipe = replace(replaced().encoder.spec.preprocessing, mean=(0.5, 0.5, 0.5))
    before, after = served(what, replaced(), replaced(preprocessing=recipe))
    assert not np.array_equal(before, after)


@pytest.mark.parametrize(("what", "computed_by"), [("floor", "strangers_floor"), ("pair", "compare_pair")])
def test_what_no_head_changes_is_computed_once_for_all_heads(
    what: str, computed_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []
    monkeypatch.setattr(pipeline, computed_by, lambda *arguments: [computed.append(1)])
    served(what, replaced(sha256="2" * 64), replaced(sha256="2" * 64, head_seed=1))
    assert computed == [1]


def counted(monkeypatch: pytest.MonkeyPatch, *names: tuple[ModuleType, str]) -> list[str]:
    """The names of functions that are called from now on, once a call."""
    called: list[str] = []

    def counting(name: str, compute: Callable[..., object]) -> Callable[..., object]:
        def ask(*given: object, **named: object) -> object:
            called.append(name)
            return compute(*given, **named)

        return ask

    for module, name in names:
        monkeypatch.setattr(module, name, counting(name, getattr(module, name)))
    return called


OF_PICTURE: dict[str, Callable[[Contender, SafeImage], object]] = {
    "reading": lambda contender, image: resources.reading(contender, image),
    "thumbnail": lambda contender, image: resources.thumbnail(image, 96),
    "square": lambda contender, image: resources.square(image, 96),
}


@pytest.mark.parametrize(("shown", "times"), [("sample", 1), ("upload", 2)])
@pytest.mark.parametrize("what", OF_PICTURE)
def test_of_a_sample_pixels_are_read_once_for_everybody_and_of_an_upload_in_each_session(
    what: str, shown: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = resources.sample_image("moon") if shown == "sample" else image(seed=2)
    called = counted(monkeypatch, (pipeline, "read_images"), (pictures, "encode_png"))
    monkeypatch.setitem(NUMBERS, what, lambda contender: OF_PICTURE[what](contender, picture))
    contender = replaced(sha256=f"{what}{shown}")
    for session in ("one", "two", "one"):
        monkeypatch.setattr(SESSION, lambda session=session: f"{what} {shown} {session}")
        served(what, contender)
    assert len(called) == times


def test_the_second_visitor_of_the_overview_has_nothing_computed(
    open_page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SESSION, lambda: "the first visitor")
    first = open_page("overview.py")
    called = counted(
        monkeypatch, (readout, "read"), (invariance, "clean"), (pictures, "encode_png"), (curves, "stacked")
    )
    monkeypatch.setattr(SESSION, lambda: "the second visitor")
    second = open_page("overview.py")
    assert called == []
    assert [found.value for found in second.markdown] == [found.value for found in first.markdown]
