"""Maps against what captum, pytorch-grad-cam, hooks and a pencil say."""

import copy

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from toys import image, literal, noise, small_resnet, small_vit

from core import pipeline, readout
from core.attribution import METHODS, cam, similarity
from core.attribution.integrated_gradients import integrated_gradients
from core.attribution.occlusion import occlusion
from core.errors import InvalidRequest, UnknownName
from core.readout import Contender


class Whole(nn.Module):
    """A contender as one trainable network, the way attribution libraries want it."""

    def __init__(self, contender: Contender) -> None:
        super().__init__()
        self.network = copy.deepcopy(contender.encoder.network).requires_grad_()
        self.weight, self.bias = contender.head.weight, contender.head.bias

    def forward(self, inputs: Tensor) -> Tensor:
        return nn.functional.linear(self.network(inputs), self.weight, self.bias)


@pytest.fixture(scope="module")
def resnet() -> Contender:
    return small_resnet()


def test_grad_cam_is_captums(resnet: Contender) -> None:
    inputs, whole = noise(2, 64), Whole(resnet)
    read = readout.read(resnet, inputs)
    for target in range(5):
        found = cam.grad_cam(resnet, inputs, read, target)
        expected = LayerGradCam(whole, whole.network.layer4).attribute(inputs, target=target, relu_attributions=False)
        torch.testing.assert_close(found, expected[:, 0].detach(), rtol=1e-4, atol=1e-5)


def test_positive_part_is_that_of_pytorch_grad_cam(resnet: Contender) -> None:
    class Native(GradCAM):
        """Neither upsampled nor scaled to [0, 1] on the way out."""

        def compute_cam_per_layer(self, *arguments: object) -> list[np.ndarray]:
            (activations,), (gradients,) = self.activations_and_grads.activations, self.activations_and_grads.gradients
            raw = self.get_cam_image(arguments[0], None, arguments[1], activations.numpy(), gradients.numpy())
            return [np.maximum(raw, 0)]

        def aggregate_multi_layers(self, cam_per_target_layer: list[np.ndarray]) -> np.ndarray:
            return cam_per_target_layer[0]

    inputs, whole = noise(2, 64, seed=1), Whole(resnet).eval()
    read = readout.read(resnet, inputs)
    with Native(model=whole, target_layers=[whole.network.layer4]) as theirs:
        expected = theirs(input_tensor=inputs, targets=[ClassifierOutputTarget(3)] * 2)
    found = cam.grad_cam(resnet, inputs, read, 3).clamp(min=0).numpy()
    assert found.max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_cells_sum_to_the_logit_without_its_bias(resnet: Contender) -> None:
    read = readout.read(resnet, noise(3, 64))
    classes = torch.tensor([0, 4, 2])
    maps = cam.class_maps(resnet, read, classes)
    assert maps.shape == (3, 8, 8)
    logits = (read.logits - resnet.head.bias)[torch.arange(3), classes]
    torch.testing.assert_close(maps.sum(dim=(1, 2)), logits, rtol=1e-4, atol=1e-4)


def test_gradient_path_gives_the_closed_form(resnet: Contender) -> None:
    read = readout.read(resnet, noise(3, 64))
    directions = resnet.head.weight[torch.tensor([1, 1, 3])]
    closed = cam.along(resnet.encoder, read.state, "avg", directions)
    torch.testing.assert_close(
        cam._by_gradient(resnet.encoder, read.state, "avg", directions), closed, rtol=1e-4, atol=1e-5
    )
    # "head" means the network's own pooling, which is the same average, but only the gradient can know that.
    torch.testing.assert_close(cam.along(resnet.encoder, read.state, "head", directions), closed, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", ["token", "cls4"])
def test_on_tokens_it_is_grad_cam_of_norm1_by_hooks(pooling: str) -> None:
    contender = small_vit(pooling)
    inputs = noise(2, 32)
    network = copy.deepcopy(contender.encoder.network).requires_grad_()
    seen = {}
    handle = network.blocks[-1].norm1.register_forward_hook(lambda module, given, output: seen.update(tokens=output))
    layers = network.get_intermediate_layers(inputs, n=4, return_prefix_tokens=True, norm=True)
    handle.remove()
    tokens = [prefix[:, 0] for _, prefix in layers]
    feature = torch.cat(tokens, dim=1) if pooling == "cls4" else tokens[-1]
    score = nn.functional.linear(feature, contender.head.weight, contender.head.bias)[:, 2].sum()
    (gradient,) = torch.autograd.grad(score, seen["tokens"])
    weights = gradient[:, 1:].mean(dim=1, keepdim=True)
    expected = (weights * seen["tokens"][:, 1:]).sum(dim=2).view(2, 4, 4).detach()
    found = cam.grad_cam(contender, inputs, readout.read(contender, inputs), 2)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_toy_map_by_hand() -> None:
    """Red 1 in the top left cell, green 2 in the top right, blue 1 in the bottom left: sums 16, 32 and -16."""
    contender = literal()
    inputs = torch.zeros(1, 3, 8, 8)
    inputs[0, 0, :4, :4] = 1
    inputs[0, 1, :4, 4:] = 2
    inputs[0, 2, 4:, :4] = 1
    read = readout.read(contender, inputs)
    assert read.feature_map.tolist() == [[[[16, 0], [0, 0]], [[0, 32], [-16, 0]]]]
    assert read.pooled.tolist() == [[4, 4]]
    assert read.logits.tolist() == [[4.5, 8, -3]]
    maps = [cam.grad_cam(contender, inputs, read, target)[0].tolist() for target in range(3)]
    assert maps == [[[4, 0], [0, 0]], [[0, 16], [-8, 0]], [[4, -8], [4, 0]]]
    similar = similarity.similarity_map(contender.encoder, read.state, read.pooled, torch.tensor([3.0, 4.0]))
    # (3, 4) / 5 against (4, 4) / sqrt(32), four cells.
    expected = torch.tensor([[[3 * 16, 4 * 32], [-4 * 16, 0]]]) / (5 * 32**0.5 * 4)
    torch.testing.assert_close(similar, expected)


def test_similarity_sums_to_the_cosine(resnet: Contender) -> None:
    read = readout.read(resnet, noise(3, 64))
    reference = read.pooled[2]
    found = similarity.similarity_map(resnet.encoder, read.state, read.pooled, reference)
    cosine = nn.functional.cosine_similarity(read.pooled, reference.expand_as(read.pooled))
    torch.testing.assert_close(found.sum(dim=(1, 2)), cosine, rtol=1e-4, atol=1e-5)
    assert cosine[2].item() == pytest.approx(1, abs=1e-5)


def falls(contender: Contender, inputs: Tensor, target: int) -> np.ndarray:
    """Literal occlusion: for each pixel the mean fall of the logit over the windows that cover it, then 8x8 means."""
    side = inputs.shape[-1]
    stride = side // 8
    fall, windows = np.zeros((len(inputs), side, side)), np.zeros((side, side))
    with torch.inference_mode():
        whole = contender.logits(inputs)[:, target]
        for top in range(0, side - 2 * stride + 1, stride):
            for left in range(0, side - 2 * stride + 1, stride):
                place = np.s_[..., top : top + 2 * stride, left : left + 2 * stride]
                covered = inputs.clone()
                covered[place] = 0
                fall[place] += (whole - contender.logits(covered)[:, target]).numpy()[:, None, None]
                windows[place] += 1
    return (fall / windows).reshape(len(inputs), 8, stride, 8, stride).mean(axis=(2, 4))


@pytest.mark.parametrize("make", [literal, small_resnet, small_vit])
def test_occlusion_is_the_mean_fall_of_the_logit(make) -> None:
    contender = make()
    inputs = noise(2, contender.encoder.spec.preprocessing.size)
    found = occlusion(contender, inputs, readout.read(contender, inputs), 1)
    assert found.shape == (2, 8, 8)
    np.testing.assert_allclose(found.numpy(), falls(contender, inputs, 1), rtol=1e-3, atol=1e-4)


def test_occlusion_sees_a_logit_fall_by_its_whole_amount() -> None:
    """All of class 0's evidence is red 1 in the top left pixel: hiding it costs 1/4 of a logit, not a third of that."""
    contender = literal()
    inputs = torch.zeros(1, 3, 8, 8)
    inputs[0, 0, 0, 0] = 1
    found = occlusion(contender, inputs, readout.read(contender, inputs), 0)[0]
    # The corner belongs to one window, its neighbours also to windows that miss it.
    torch.testing.assert_close(found[:3, :3], torch.tensor([[1 / 4, 1 / 8, 0], [1 / 8, 1 / 16, 0], [0, 0, 0]]))


@pytest.mark.parametrize("side", [12, 20, 60])
def test_occlusion_covers_the_whole_image_at_any_size(side: int) -> None:
    """Evidence in the bottom right corner is found in the last cell also where 8 does not divide the side."""
    contender = literal()
    inputs = torch.zeros(1, 3, side, side)
    inputs[0, 0, side - side % 4 - 4 :, side - side % 4 - 4 :] = 1
    found = occlusion(contender, inputs, readout.read(contender, inputs), 0)[0]
    assert found.shape == (8, 8)
    window = 2 * (side // 8)
    assert found[7, 7] > 0.5 * min(window**2, 16) / (side // 4) ** 2
    assert not found[:4, :4].any()


def test_integrated_gradients_of_a_linear_network_is_weight_times_pixel() -> None:
    contender = literal()
    inputs = noise(2, 8)
    found = integrated_gradients(contender, inputs, readout.read(contender, inputs), 2)
    # d logit_2 = (red - (green - blue)) / 4 cells
    torch.testing.assert_close(found, (inputs[:, 0] - inputs[:, 1] + inputs[:, 2]) / 4, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [small_resnet, small_vit])
def test_integrated_gradients_is_the_path_integral(make) -> None:
    contender = make()
    inputs = 0.5 * noise(1, contender.encoder.spec.preprocessing.size)
    found = integrated_gradients(contender, inputs, readout.read(contender, inputs), 3)
    steps = 100
    points = (((torch.arange(steps) + 0.5) / steps).view(-1, 1, 1, 1) * inputs).requires_grad_()
    (gradient,) = torch.autograd.grad(contender.logits(points)[:, 3].sum(), points)
    expected = (gradient.mean(dim=0) * inputs[0]).sum(dim=0)
    assert nn.functional.cosine_similarity(found.flatten(), expected.flatten(), dim=0) > 0.97
    gap = (contender.logits(inputs) - contender.logits(torch.zeros_like(inputs)))[0, 3].item()
    assert found.sum().item() == pytest.approx(gap, rel=0.05, abs=0.02)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
@pytest.mark.parametrize("make", [literal, small_resnet, small_vit])
def test_every_method_keeps_its_promise(method, make) -> None:
    contender = make()
    inputs = noise(2, contender.encoder.spec.preprocessing.size)
    read = readout.read(contender, inputs)
    found = method.compute(contender, inputs, read, 1)
    assert found.ndim == 3
    assert len(found) == 2
    assert found.dtype == torch.float32
    assert not found.requires_grad
    assert found.isfinite().all()
    alone = method.compute(contender, inputs[1:], readout.read(contender, inputs[1:]), 1)
    torch.testing.assert_close(alone[0], found[1], rtol=1e-3, atol=1e-4)
    assert METHODS[method.id] is method
    assert method.label
    assert method.unit
    assert method.description.endswith(".")


def test_the_pipelines_shortcut_is_the_method() -> None:
    contender, picture = small_resnet(), image()
    (reading,) = pipeline.read_images(contender, [picture])
    found = pipeline.attribute(contender, picture, reading, 2)
    _, inputs = pipeline._inputs(contender, [picture])
    expected = cam.grad_cam(contender, inputs, readout.read(contender, inputs), 2)[0]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_unknown_method_and_class_are_refused() -> None:
    contender, picture = literal(), image()
    (reading,) = pipeline.read_images(contender, [picture])
    with pytest.raises(UnknownName, match=r"'lime'.*grad-cam"):
        pipeline.attribute(contender, picture, reading, 0, "lime")
    for target in (-1, 3):
        with pytest.raises(InvalidRequest, match="0 to 2"):
            pipeline.attribute(contender, picture, reading, target)
