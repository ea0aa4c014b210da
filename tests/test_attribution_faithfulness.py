"""Whether maps can be trusted: deletion and insertion in closed form, and networks that have forgotten."""

import numpy as np
import pytest
import torch
from toys import (
    HEAD_BIAS,
    HEAD_WEIGHT,
    TwoChannels,
    encoder,
    linear_head,
    literal,
    noise,
    small_resnet,
    small_vit,
    spec,
)

from core import devices
from core.attribution import faithfulness, sanity
from core.readout import Contender


@pytest.fixture(autouse=True)
def in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held against arithmetic in float32 and finer: bfloat16, where a processor has it, rounds toy numbers apart."""
    monkeypatch.setattr(devices, "has_fast_bf16", lambda device: False)


GRID = (4, 4)
CELLS = 16
TEMPERATURE = 2.0


def pictures(count: int = 3, seed: int = 0) -> torch.Tensor:
    """16 × 16 images: the toy network sees four by four cells of them."""
    return noise(count, 16, seed)


def contributions(image: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(C, 16) what each cell adds to each logit of the linear network, cell by cell."""
    found = np.zeros((len(weight), CELLS))
    for cell in range(CELLS):
        down, right = 4 * (cell // 4), 4 * (cell % 4)
        red, green, blue = image[:, down : down + 4, right : right + 4].astype(np.float64)
        found[:, cell] = weight @ [red.sum(), green.sum() - blue.sum()] / CELLS
    return found


def probability(kept: set[int], parts: np.ndarray, bias: np.ndarray, label: int) -> float:
    logits = (parts[:, sorted(kept)].sum(axis=1) + bias) / TEMPERATURE
    scores = np.exp(logits - logits.max())
    return float(scores[label] / scores.sum())


def by_hand(order: np.ndarray, parts: np.ndarray, bias: np.ndarray, label: int) -> tuple[float, float]:
    """Deletion and insertion: two cells a step, both ends included, mean height of straight lines between points."""
    areas = []
    for insertion in (False, True):
        heights = []
        for step in range(faithfulness.STEPS + 1):
            reached = set(order[: 2 * step].tolist())
            heights.append(probability(reached if insertion else set(range(CELLS)) - reached, parts, bias, label))
        areas.append(np.trapezoid(heights) / faithfulness.STEPS)
    return areas[0], areas[1]


def test_areas_of_a_linear_network_in_closed_form() -> None:
    contender, images = literal(size=16), pictures()
    rng = np.random.default_rng(1)
    classes = np.array([0, 1, 2])
    orders = [[rng.permutation(CELLS) for _ in range(3)] for _ in images]
    for image, label, mine in zip(images, classes, orders, strict=True):
        areas = faithfulness.areas(contender, image, int(label), mine, GRID)
        parts = contributions(image.numpy(), HEAD_WEIGHT.numpy())
        for order, area in zip(mine, areas, strict=True):
            expected = by_hand(order, parts, HEAD_BIAS.numpy(), int(label))
            assert (area.deletion, area.insertion) == pytest.approx(expected, abs=1e-5)


def test_both_ends_are_in_the_area() -> None:
    """All evidence in one cell: deletion is high at its first point alone, insertion low there alone."""
    image = torch.zeros(1, 3, 16, 16)
    image[:, 0, 4:8, 8:12] = 100
    contender = Contender(
        encoder(TwoChannels(), spec(size=16)), linear_head(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), temperature=1.0)
    )
    first = np.r_[6, np.delete(np.arange(CELLS), 6)]
    (area,) = faithfulness.areas(contender, image[0], 0, [first], GRID)
    steps = faithfulness.STEPS
    assert area.deletion == pytest.approx((1 / 2 + 0.5 * (steps - 1) + 0.5 / 2) / steps)
    assert area.insertion == pytest.approx((0.5 / 2 + (steps - 1) + 1 / 2) / steps)


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_the_map_is_the_most_faithful_there_is(seed: int) -> None:
    """Of two classes the answer falls with the evidence that is gone: no order beats the map's, its reverse is last."""
    weight = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    contender = Contender(encoder(TwoChannels(), spec(size=16)), linear_head(weight))
    images = pictures(1, seed)
    map = contributions(images[0].numpy(), weight.numpy())[0].reshape(GRID)
    best = faithfulness.order_of(map)
    rng = np.random.default_rng(seed)
    orders = [best, best[::-1].copy(), *(rng.permutation(CELLS) for _ in range(20))]
    found = faithfulness.areas(contender, images[0], 0, orders, GRID)
    deletion, insertion = (np.array([getattr(area, name) for area in found]) for name in ("deletion", "insertion"))
    assert deletion[0] < deletion[2:].min()
    assert insertion[0] > insertion[2:].max()
    assert deletion[1] > deletion[2:].max()
    assert insertion[1] < insertion[2:].min()


def test_order_of_takes_the_largest_first_and_of_equal_ones_the_first() -> None:
    assert faithfulness.order_of(np.array([[1.0, 3.0], [-2.0, 3.0]])).tolist() == [1, 3, 0, 2]
    half = np.array([[1.0, 3.0], [-2.0, 3.0]], np.float16)
    assert faithfulness.order_of(half).tolist() == [1, 3, 0, 2]


@pytest.mark.parametrize(("height", "width"), [(7, 7), (2, 2), (1, 1), (3, 8)])
def test_a_path_goes_from_none_to_all_and_never_back(height: int, width: int) -> None:
    count = height * width
    order = np.random.default_rng(0).permutation(count)
    reached = faithfulness.masks(order, height, width).reshape(faithfulness.STEPS + 1, count)
    sizes = reached.sum(axis=1)
    assert (sizes[0], sizes[-1]) == (0, count)
    for step, size in enumerate(sizes):
        assert abs(size - count * step / faithfulness.STEPS) <= 0.5
        assert set(np.flatnonzero(reached[step])) == set(order[:size].tolist())


def test_centre_first_goes_outwards() -> None:
    order = faithfulness.centre_first(5, 3)
    assert sorted(order.tolist()) == list(range(15))
    assert order[0] == 7
    assert set(order[-4:].tolist()) == {0, 2, 12, 14}, "the corners last"


def test_a_random_head_forgets_and_leaves_the_original() -> None:
    contender = small_resnet()
    before = contender.head.weight.clone(), contender.head.bias.clone()
    one, again, other = (sanity.random_head(contender, seed) for seed in (0, 0, 1))
    assert torch.equal(contender.head.weight, before[0])
    assert torch.equal(contender.head.bias, before[1])
    assert torch.equal(one.head.weight, again.head.weight)
    assert not torch.equal(one.head.weight, other.head.weight)
    assert one.encoder is contender.encoder
    assert one.head.weight.shape == before[0].shape
    assert one.head.weight.std() == pytest.approx(float(before[0].std()), rel=0.1)
    both = torch.corrcoef(torch.stack([one.head.weight.flatten(), before[0].flatten()]))
    assert abs(float(both[0, 1])) < 0.15, "nothing of the old head is left"


def states(contender: Contender) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in contender.encoder.network.state_dict().items()}


@pytest.mark.parametrize("make", [small_resnet, small_vit])
def test_a_random_stage_forgets_the_last_stage_alone(make) -> None:
    contender = make()
    stage = str(contender.encoder.network.feature_info[-1]["module"])
    with torch.no_grad():
        for name, value in contender.encoder.network.named_buffers():
            if "running" in name:
                value.fill_(3)
    before, state = states(contender), torch.get_rng_state()
    one, again, other = (sanity.random_stage(contender, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state), "nobody else's draws change"
    for name, value in states(contender).items():
        assert torch.equal(value, before[name]), name
    changed = {name for name, value in states(one).items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith(f"{stage}.") for name in changed)
    weights = {name for name in before if name.startswith(f"{stage}.") and before[name].ndim > 1}
    assert weights <= changed
    for name, value in states(one).items():
        assert torch.equal(value, states(again)[name]), name
        if name.startswith(f"{stage}.") and "running_" in name:
            assert (value == (1 if name.endswith("var") else 0)).all()
    assert any(not torch.equal(value, states(other)[name]) for name, value in states(one).items())
    assert one.head is contender.head
    assert not one.encoder.network.training
    assert not any(parameter.requires_grad for parameter in one.encoder.network.parameters())


def test_maps_of_a_random_stage_are_others() -> None:
    contender = small_resnet()
    images = noise(2, 64)
    one = contender.encoder.trunk(images).feature_map
    forgotten = sanity.random_stage(contender).encoder.trunk(images).feature_map
    assert one.shape == forgotten.shape
    assert not torch.allclose(one, forgotten, atol=1e-2)
