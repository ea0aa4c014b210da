"""From image to input: the square that is cut out, and torchvision's own transforms as the reference."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from toys import image

from core.encoders import preprocess
from core.encoders.spec import Preprocessing


@pytest.mark.parametrize(
    ("width", "height", "size", "resize", "box"),
    [
        (64, 64, 64, 64, (0, 0, 64, 64)),
        (128, 64, 64, 64, (32, 0, 96, 64)),
        (100, 60, 64, 64, (21 * 100 / 106, 0, 85 * 100 / 106, 60)),  # resized to 106 × 64, cropped at 21
        (60, 100, 64, 64, (0, 21 * 100 / 106, 60, 85 * 100 / 106)),
        (512, 256, 224, 256, (144, 16, 368, 240)),
        (256, 256, 224, 256, (16, 16, 240, 240)),
        (7, 4, 8, 16, (2.5, 1, 4.5, 3)),
    ],
)
def test_seen_box_by_hand(width: int, height: int, size: int, resize: int, box: tuple[float, ...]) -> None:
    assert preprocess.seen_box(width, height, Preprocessing(size, resize)) == pytest.approx(box)


def test_image_of_the_models_size_passes_unchanged() -> None:
    picture = image(64, 64)
    for name in preprocess.FILTERS:
        np.testing.assert_array_equal(preprocess.model_crop(picture.rgb, Preprocessing(64, 64, name)), picture.rgb)


def test_crop_keeps_the_middle() -> None:
    """Left third red, middle green, right blue: a square model sees green, and at its rim what antialiasing mixes."""
    rgb = np.zeros((40, 120, 3), np.uint8)
    for channel in range(3):
        rgb[:, 40 * channel : 40 * (channel + 1), channel] = 255
    crop = preprocess.model_crop(rgb, Preprocessing(20, 20))
    assert (crop[:, 2:-2] == [0, 255, 0]).all()
    assert (crop[:, [0, -1], 1] > 200).all()
    shown = preprocess.display_crop(rgb, Preprocessing(20, 20), side=90)
    assert shown.shape == (90, 90, 3)
    assert (shown[:, 5:-5] == [0, 255, 0]).all()


@pytest.mark.parametrize(("width", "height"), [(300, 200), (170, 260), (64, 64), (48, 50), (500, 499)])
@pytest.mark.parametrize(
    "recipe",
    [Preprocessing(64, 64), Preprocessing(64, 73, "bicubic"), Preprocessing(32, 36)],
    ids=lambda r: f"{r.size}/{r.resize}",
)
def test_input_is_torchvisions(width: int, height: int, recipe: Preprocessing) -> None:
    """To the last level, whatever the sides."""
    rgb = image(width, height).rgb
    reference = transforms.Compose(
        [
            transforms.Resize(recipe.resize, InterpolationMode(recipe.interpolation)),
            transforms.CenterCrop(recipe.size),
            transforms.ToTensor(),
            transforms.Normalize(recipe.mean, recipe.std),
        ]
    )(Image.fromarray(rgb))
    found = preprocess.normalise(preprocess.to_unit(preprocess.model_crop(rgb, recipe)[None]), recipe)[0]
    torch.testing.assert_close(found, reference, rtol=0, atol=1e-6)


def test_unit_and_normalised_values() -> None:
    crops = np.array([[[[0, 51, 255]]]], np.uint8)
    unit = preprocess.to_unit(crops)
    assert unit.shape == (1, 3, 1, 1)
    torch.testing.assert_close(unit.flatten(), torch.tensor([0, 0.2, 1]))
    recipe = Preprocessing(1, 1, mean=(0.5, 0.2, 0.0), std=(0.5, 1.0, 0.25))
    torch.testing.assert_close(preprocess.normalise(unit, recipe).flatten(), torch.tensor([-1.0, 0, 4]))


def test_read_only_pixels_are_no_obstacle() -> None:
    crops = image(8, 8).rgb[None]
    crops.setflags(write=False)
    unit = preprocess.to_unit(crops)
    unit.add_(1)
    assert crops.max() <= 255


def test_input_is_channels_last_in_memory() -> None:
    found = preprocess.normalise(torch.rand(2, 3, 8, 8), Preprocessing(8, 8))
    assert found.is_contiguous(memory_format=torch.channels_last)
