"""Recipes, training views and the learning rate."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch.nn import functional as F

from core.encoders import architectures
from core.encoders.spec import REGIMES
from core.errors import InvalidRequest, UnknownName
from core.pretraining import augment
from core.pretraining import recipe as recipes
from core.pretraining.augment import Policy, plain_view, random_view
from core.pretraining.methods import METHODS
from core.pretraining.optimiser import Muon, learning_rate, orthogonalised

JITTER = Policy(jitter=(0.4, 0.4, 0.4, 0.1), grey_probability=0.2)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 6, size: int = 16) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, size, size), generator=seeded(9), dtype=torch.uint8)


def unit(view: torch.Tensor) -> torch.Tensor:
    """A normalised view back in [0, 1]."""
    return view * torch.tensor(augment.STD).view(1, 3, 1, 1) + torch.tensor(augment.MEAN).view(1, 3, 1, 1)


@pytest.mark.parametrize("name", recipes.names())
def test_packaged_recipe_is_consistent(name: str) -> None:
    recipe = recipes.load(name)
    assert recipe.method in METHODS
    assert METHODS[recipe.method].regime in REGIMES
    assert recipe.architecture in architectures.OWN
    assert sum(share for share, _ in recipe.sizes) == pytest.approx(1)
    assert recipe.sizes[-1][1] == recipe.size, "the last size is the one in use"
    assert 0 < recipe.policy.crop_scale[0] <= recipe.policy.crop_scale[1] <= 1
    assert recipe.every >= 1
    assert recipe.batch >= 1
    if recipe.epochs:
        assert 0 <= recipe.warmup < recipe.epochs
        assert recipe.learning_rate > 0


def members(family: str) -> list[recipes.Recipe]:
    return [recipes.load(name) for name in recipes.names() if name.startswith(f"{family}/")]


@pytest.mark.parametrize("family", sorted({name.partition("/")[0] for name in recipes.names()}))
def test_members_differ_in_method_and_seed_alone(family: str) -> None:
    """What makes a pair controlled; `supervised-plain` and `random` are there to break it in one named way."""
    found = {recipe.id: recipe for recipe in members(family)}
    assert {"supervised", "simclr", "supervised-1", "simclr-1", "random"} <= set(found)
    pattern = found["supervised"]
    for id, recipe in found.items():
        free = {"id": id, "method": recipe.method, "options": recipe.options, "seed": recipe.seed}
        free |= {"policy": recipe.policy} if id == "supervised-plain" else {}
        free |= {"epochs": 0} if id == "random" else {}
        free |= {"learning_rate": recipe.learning_rate}
        assert recipe == replace(pattern, **free), id
    for first, second in (("supervised", "supervised-1"), ("simclr", "simclr-1")):
        assert found[second] == replace(found[first], id=second, seed=1)


def test_unknown_recipe_names_the_known_ones(tmp_path) -> None:
    with pytest.raises(UnknownName, match=r"no recipe called 'byol'.*small/simclr"):
        recipes.load("byol")
    with pytest.raises(UnknownName, match=r"no recipe called 'small/byol'.*small/simclr"):
        recipes.load("small/byol")


SHARED = (recipes.FOLDER / "small.toml").read_text().partition("[members.")[0]


@pytest.mark.parametrize(
    "text",
    ["id = ", "id = 'x'", "[members.a]\nmethod = 'simclr'", f"sizes = [1]\n{SHARED.replace('sizes', 's')}[members.a]"],
)
def test_file_that_is_no_family_is_told(tmp_path, text: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(InvalidRequest, match=r"mine\.toml is not a family of recipes"):
        recipes.load(str(tmp_path / "mine.toml" / "a"))


@pytest.mark.parametrize("line", ["batch = 64", "architecture = 'resnet50'", "sizes = [[1.0, 64]]"])
def test_member_cannot_differ_in_what_the_family_shares(tmp_path, line: str) -> None:
    (tmp_path / "mine.toml").write_text(f"{SHARED}[members.a]\nmethod = 'simclr'\n{line}\n")
    with pytest.raises(InvalidRequest, match=rf"a sets {line.split()[0]}, which the whole family shares"):
        recipes.load(str(tmp_path / "mine.toml" / "a"))


def test_recipe_from_a_file_is_the_packaged_one(tmp_path) -> None:
    (tmp_path / "copy.toml").write_text((recipes.FOLDER / "small.toml").read_text())
    assert recipes.load(str(tmp_path / "copy.toml" / "simclr")) == recipes.load("small/simclr")


def test_size_grows_after_its_share_of_epochs() -> None:
    recipe = replace(recipes.load("small/supervised"), epochs=10, sizes=((0.5, 32), (0.3, 48), (0.2, 64)), size=64)
    assert [recipe.size_at(epoch) for epoch in range(10)] == [32] * 5 + [48] * 3 + [64] * 2
    for epochs, first in product(range(1, 60), (0.8, 0.85)):
        sizes = [replace(recipe, epochs=epochs, sizes=((first, 32), (1 - first, 64))).size_at(e) for e in range(epochs)]
        assert sizes == sorted(sizes)
        assert sizes.count(32) == round(first * epochs)


def test_learning_rate_rises_linearly_and_falls_as_a_cosine() -> None:
    recipe = replace(recipes.load("small/supervised"), epochs=12, warmup=2, learning_rate=0.6)
    assert learning_rate(recipe, 0) == 0
    assert learning_rate(recipe, 1) == pytest.approx(0.3)
    assert learning_rate(recipe, 2) == pytest.approx(0.6)
    assert learning_rate(recipe, 7) == pytest.approx(0.3)
    assert learning_rate(recipe, 4.5) == pytest.approx(0.3 * (1 + math.cos(math.pi / 4)))
    assert learning_rate(recipe, 12) == pytest.approx(0)
    assert learning_rate(replace(recipe, warmup=0), 0) == pytest.approx(0.6)


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 16)])
def test_orthogonalised_keeps_the_singular_vectors_and_evens_the_values(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    inside = left.T @ orthogonalised(matrix, steps=10) @ right.T
    assert inside.diagonal().min() > 0.6
    assert inside.diagonal().max() < 1.3
    assert (inside - inside.diagonal().diag()).abs().max() < 1e-4


def test_muon_steps_as_pytorchs_own() -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(12, 30, generator=generator)
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    muon = Muon([ours], weight_decay=0.1)
    reference = torch.optim.Muon([theirs], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    muon.param_groups[0]["lr"] = 0.01
    for _ in range(5):
        ours.grad = torch.randn(12, 30, generator=generator)
        theirs.grad = ours.grad.clone()
        muon.step()
        reference.step()
    # PyTorch's iterates in bfloat16: a percent of the way gone.
    assert (ours - theirs).norm() < 0.02 * (ours - start).norm()


@pytest.mark.parametrize("policy", [Policy(), JITTER], ids=["crop", "jitter"])
@pytest.mark.parametrize("size", [8, 16, 24])
def test_view_has_its_shape_and_range(policy: Policy, size: int) -> None:
    images = pictures()
    before = images.clone()
    view = random_view(images, policy, size, seeded())
    assert view.shape == (6, 3, size, size)
    assert view.dtype == torch.float32
    assert view.is_contiguous(memory_format=torch.channels_last)
    assert unit(view).min() > -1e-5
    assert unit(view).max() < 1 + 1e-5
    assert torch.equal(images, before)


def test_view_follows_its_generator() -> None:
    first, same, other = (random_view(pictures(), JITTER, 16, seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    state = torch.get_rng_state()
    random_view(pictures(), JITTER, 16, seeded())
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"


def test_whole_frame_without_flip_is_nearly_the_image() -> None:
    """Scale 1 leaves only the aspect ratio, and that only shrinks the other side."""
    flat = torch.full((4, 3, 16, 16), 100, dtype=torch.uint8)
    view = unit(random_view(flat, Policy(crop_scale=(1.0, 1.0), flip=0.0), 16, seeded()))
    torch.testing.assert_close(view, torch.full_like(view, 100 / 255))
    assert (
        random_view(pictures(), Policy(flip=0.0), 16, seeded())
        != random_view(pictures(), Policy(flip=1.0), 16, seeded())
    ).any()


def test_flip_mirrors_left_and_right() -> None:
    plain = random_view(pictures(), Policy(flip=0.0), 16, seeded())
    mirrored = random_view(pictures(), Policy(flip=1.0), 16, seeded())
    torch.testing.assert_close(mirrored, plain.flip(3), rtol=1e-4, atol=1e-4)


def test_colour_matrix_without_jitter_is_the_identity() -> None:
    matrix, lift = augment._colour_matrices(5, Policy(jitter=(0, 0, 0, 0)), torch.zeros(1), seeded())
    torch.testing.assert_close(matrix, torch.eye(3).expand(5, 3, 3))
    torch.testing.assert_close(lift, torch.zeros(5))


@pytest.mark.parametrize(
    "policy", [Policy(jitter=(0.4, 0.4, 0.4, 0.5)), Policy(grey_probability=1.0)], ids=["jitter", "grey"]
)
def test_untouched_share_keeps_its_colours(policy: Policy) -> None:
    matrix, _ = augment._colour_matrices(
        4, replace(policy, jitter_probability=0.0, grey_probability=0.0), torch.zeros(1), seeded()
    )
    torch.testing.assert_close(matrix, torch.eye(3).expand(4, 3, 3))


def test_grey_has_equal_channels() -> None:
    view = unit(random_view(pictures(), Policy(grey_probability=1.0), 16, seeded()))
    torch.testing.assert_close(view[:, 0], view[:, 1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(view[:, 1], view[:, 2], rtol=1e-4, atol=1e-5)


def test_hue_keeps_grey_and_turns_red_into_green() -> None:
    matrix, lift = augment._colour_matrices(
        50, Policy(jitter=(0, 0, 0, 0.5), jitter_probability=1.0), torch.zeros(1), seeded()
    )
    grey = torch.full((3,), 0.4)
    torch.testing.assert_close(matrix @ grey, grey.expand(50, 3))
    torch.testing.assert_close(lift, torch.zeros(50))
    torch.testing.assert_close(matrix @ matrix.transpose(1, 2), torch.eye(3).expand(50, 3, 3), atol=1e-5, rtol=0)
    assert (matrix[:, 1, 0] > 0.9).any(), "among fifty turns one is near a third"


def test_brightness_and_contrast_by_hand() -> None:
    """Contrast pulls towards the mean grey of the brightened image: b(c x + (1 - c) m)."""
    policy = Policy(jitter=(0.4, 0.4, 0, 0), jitter_probability=1.0)
    images = torch.rand(3, 3, 4, 4, generator=seeded()) * 0.2 + 0.3
    matrix, lift = augment._colour_matrices(3, policy, images, seeded(5))
    brightness = (matrix[:, 0, 0] + lift).view(-1, 1, 1, 1)
    contrast = matrix[:, 0, 0].view(-1, 1, 1, 1) / brightness
    mean = (images * torch.tensor(augment.LUMA).view(1, 3, 1, 1)).sum(1).mean((1, 2)).view(-1, 1, 1, 1)
    expected = (brightness * (contrast * images + (1 - contrast) * mean)).clamp(0, 1)
    torch.testing.assert_close(augment._jitter(images, policy, seeded(5)), expected)
    assert (brightness - 1).abs().max() <= 0.4
    assert (contrast - 1).abs().max() <= 0.4


def test_plain_view() -> None:
    torch.testing.assert_close(unit(plain_view(pictures(), 16)), pictures() / 255, rtol=1e-4, atol=1e-5)
    halved = unit(plain_view(pictures(), 8))
    reference = F.interpolate(pictures() / 255, (8, 8), mode="bilinear", antialias=True)
    torch.testing.assert_close(halved, reference, rtol=1e-4, atol=1e-5)


def test_policy_names_what_it_does() -> None:
    assert Policy().words() == "random resized crop, flip"
    assert JITTER.words() == "random resized crop, flip, colour jitter, grey"
    assert Policy(crop_scale=(1.0, 1.0), flip=0.0).words() == "none"
