"""A shared network is left exactly as it was found, whoever used it and from how many threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from toys import CPU, image, small_resnet, small_vit

from core import pipeline, precision, readout
from core.attribution import METHODS
from core.readout import Contender

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
MAKERS: dict[str, Callable[[], Contender]] = {
    "packaged": lambda: readout.load_contender("random", "tiny-imagenet", CPU),
    "resnet": small_resnet,
    "vit": small_vit,
    "vit-cls4": lambda: small_vit("cls4"),
}


def uses(contender: Contender) -> None:
    """Everything the pipeline can ask of a contender."""
    pictures = [image(seed=0), image(60, 90, seed=1)]
    readings = pipeline.read_images(contender, pictures)
    target = pipeline.predict(contender, readings[0]).top
    for method in METHODS:
        pipeline.attribute(contender, pictures[0], readings[0], target, method)
    pipeline.compare_pair(contender, *pictures)
    pipeline.strangers_floor(contender)
    list(pipeline.sweep(contender, pictures, "rotation", (0, 10), seeds=2))
    assert precision.guard(contender.encoder, contender.head, "bf16").encoder


def assert_untouched(network: nn.Module, before: dict[str, torch.Tensor]) -> None:
    assert not any(module.training for module in network.modules())
    assert not any(getattr(module, name) for module in network.modules() for name in HOOKS)
    for parameter in network.parameters():
        assert not parameter.requires_grad
        assert parameter.grad is None
    after = network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], before[key]) for key in before)


@pytest.mark.parametrize("name", MAKERS)
def test_network_is_left_as_found(name: str) -> None:
    contender = MAKERS[name]()
    network = contender.encoder.network
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert_untouched(network, before)
    uses(contender)
    assert_untouched(network, before)
    assert not contender.head.weight.requires_grad
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_failing_method_leaves_the_network_as_found(monkeypatch: pytest.MonkeyPatch) -> None:
    contender, picture = small_vit(), image()
    network = contender.encoder.network
    before = {key: value.clone() for key, value in network.state_dict().items()}
    (reading,) = pipeline.read_images(contender, [picture])
    monkeypatch.setattr(torch.autograd, "grad", lambda *arguments, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pipeline.attribute(contender, picture, reading, 0)
    assert_untouched(network, before)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("name", ["resnet", "vit"])
def test_threads_see_what_one_sees(name: str) -> None:
    contender = MAKERS[name]()

    def work(seed: int) -> list[np.ndarray]:
        picture = image(seed=seed)
        (reading,) = pipeline.read_images(contender, [picture])
        maps = [pipeline.attribute(contender, picture, reading, seed % 5, method) for method in METHODS]
        return [reading.logits, reading.feature_map, *maps]

    serial = [work(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(work, range(4)))
    for one, other in zip(serial, together, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
