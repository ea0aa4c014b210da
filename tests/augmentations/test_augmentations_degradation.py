"""Blur, noise, JPEG and occlusion against scipy, statistics, Pillow and hand counts."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import fourier_gaussian, gaussian_filter
from skimage.data import astronaut

from core.augmentations import AUGMENTATIONS
from core.augmentations.spec import FILL

BLUR, NOISE, JPEG, OCCLUSION = (AUGMENTATIONS[name] for name in ("blur", "noise", "jpeg", "occlusion"))


@pytest.mark.parametrize(
    ("side", "strength", "tolerance"), [(224, 2, 1e-5), (224, 8, 1e-5), (49, 8, 5e-3), (64, 8, 1e-3)]
)
def test_blur_is_that_of_scipy_with_sigma_in_pixels_at_224(side: int, strength: float, tolerance: float) -> None:
    """scipy samples the Gaussian at the pixels, which is an approximation below two of them."""
    images = torch.rand(2, 3, side, side)
    blurred = BLUR.apply(images, torch.full((2,), float(strength)), torch.arange(2))
    sigma = strength * side / 224
    expected = gaussian_filter(images.double().numpy(), sigma=sigma, axes=(2, 3), mode="reflect", truncate=10)
    torch.testing.assert_close(blurred, torch.from_numpy(expected).float(), atol=tolerance, rtol=0)


@pytest.mark.parametrize("strength", [0.5, 1.0, 3.0, 8.0])
def test_blur_is_right_at_any_sigma(strength: float) -> None:
    """The Fourier transform of the mirrored image times that of the Gaussian."""
    image = np.random.default_rng(0).uniform(0.3, 0.7, (48, 40))
    mirrored = np.concatenate((image, image[::-1]))
    mirrored = np.concatenate((mirrored, mirrored[:, ::-1]), axis=1)
    expected = np.fft.ifft2(fourier_gaussian(np.fft.fft2(mirrored), sigma=strength * 40 / 224)).real[:48, :40]
    images = torch.from_numpy(image).float().expand(1, 3, -1, -1)
    blurred = BLUR.apply(images, torch.tensor([strength]), torch.tensor([0]))[0, 1]
    torch.testing.assert_close(blurred, torch.from_numpy(expected).float(), atol=1e-5, rtol=0)


def test_blur_of_a_wide_image_is_round_and_keeps_a_flat_one() -> None:
    dot = torch.zeros(1, 3, 57, 81)
    dot[:, :, 28, 40] = 1
    blurred = BLUR.apply(dot, torch.tensor([8.0]), torch.tensor([0]))[0, 0]
    torch.testing.assert_close(blurred[28, 30:51], blurred[18:39, 40])
    torch.testing.assert_close(blurred.sum(), torch.tensor(1.0))
    flat = torch.full((1, 3, 57, 81), 0.3)
    torch.testing.assert_close(BLUR.apply(flat, torch.tensor([8.0]), torch.tensor([0])), flat)


def test_noise_has_the_stated_deviation_and_no_structure() -> None:
    images = torch.full((4, 3, 96, 96), 0.5)
    noise = NOISE.apply(images, torch.full((4,), 0.08), torch.arange(4)) - images
    assert noise.mean().abs() < 1e-3
    assert abs(noise.std() - 0.08) < 1e-3
    # Neighbours, channels and seeds have nothing to do with each other.
    for one, other in (
        (noise[..., 1:], noise[..., :-1]),
        (noise[:, 0], noise[:, 1]),
        (noise[0], noise[1]),
    ):
        assert abs(np.corrcoef(one.flatten(), other.flatten())[0, 1]) < 0.02


def test_noise_keeps_its_field_while_it_grows() -> None:
    images = torch.full((2, 3, 32, 32), 0.5)
    weak, strong = NOISE.apply(images, torch.tensor([0.01, 0.04]), torch.tensor([9, 9])) - images
    torch.testing.assert_close(strong, 4 * weak, atol=1e-6, rtol=0)


@pytest.mark.parametrize("quality", [95, 50, 5])
def test_jpeg_is_that_of_pillow(quality: int) -> None:
    pixels = np.ascontiguousarray(astronaut()[:101, 100:223])
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    expected = np.asarray(Image.open(buffer))
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    out = JPEG.apply(images, torch.tensor([float(quality)]), torch.tensor([0]))
    assert torch.equal((out[0].permute(1, 2, 0) * 255).round().byte(), torch.from_numpy(expected.copy()))


def test_jpeg_just_below_100_is_a_jpeg() -> None:
    images = torch.rand(1, 3, 32, 32)
    almost = JPEG.apply(images, torch.tensor([99.9]), torch.tensor([0]))
    assert not torch.equal(almost, images)
    assert torch.equal(JPEG.apply(images, torch.tensor([100.0]), torch.tensor([0])), images)


@pytest.mark.parametrize(
    ("height", "width", "strength", "hidden"),
    [(64, 64, 0.5, 32), (10, 10, 0.8, 8), (64, 64, 0.8, 52), (5, 5, 0.2, 1), (11, 11, 0.5, 5), (20, 30, 0.5, 10)],
)
def test_occlusion_hides_this_many_pixels_at_the_centre(height: int, width: int, strength: float, hidden: int) -> None:
    out = OCCLUSION.apply(torch.ones(1, 3, height, width), torch.tensor([strength]), torch.tensor([0]))
    square = torch.zeros(height, width, dtype=torch.bool)
    top, left = (height - hidden) // 2, (width - hidden) // 2
    square[top : top + hidden, left : left + hidden] = True
    expected = torch.where(square, FILL, 1.0).expand(1, 3, -1, -1)
    assert torch.equal(out, expected)
