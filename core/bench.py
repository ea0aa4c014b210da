"""Speed and memory of what a person waits for, each beside a baseline timed in the same run.

A ratio survives another machine and a busy one; seconds do not. So baseline and candidate take turns (A, B, A, B …),
garbage collection is off while the clock runs, and the medians are compared.
"""

import copy
import gc
import importlib
import io
import statistics
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np
import psutil
import torch
from captum.attr import LayerGradCam
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from core import confidence, invariance, pipeline, precision, readout, samples
from core.attribution import cam
from core.augmentations import AUGMENTATIONS
from core.confidence import Prediction
from core.encoders import architectures, preprocess
from core.encoders import encoder as encoders
from core.encoders.registry import encoder_spec
from core.heads.linear import LinearHead
from core.images.image import encode_png
from core.images.opening import open_image
from core.plots import overlay
from core.readout import Contender

Map = NDArray[np.float32]

AUGMENTATION = "rotation"
CLASSES = 1000
SIDES = {1: (1152, 864), 12: (4000, 3000)}
"""Width and height of a photograph, by megapixels."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measured quantity.

    Attributes:
        name: what was measured.
        value: None when it could not be measured here; `detail` says why.
        unit: of the value.
        limit: what the value is held against; None for a number that is only reported.
        detail: what was compared, in words.
        at_least: whether the limit is the least, rather than the most, that will do.
    """

    name: str
    value: float | None
    unit: str
    limit: float | None
    detail: str
    at_least: bool = False

    @property
    def bar(self) -> str | None:
        """The limit in words."""
        return None if self.limit is None else f"{'≥' if self.at_least else '≤'} {self.limit:g}"

    @property
    def met(self) -> bool | None:
        """Whether the value is within the limit, which nan never is; None without a value or a limit."""
        if self.value is None or self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def interleaved(works: Sequence[Callable[[], object]], repetitions: int, device: torch.device) -> list[float]:
    """Median seconds of each piece of work; they take turns, after one unmeasured turn each."""
    taken: list[list[float]] = [[] for _ in works]
    for work in works:
        work()
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for _ in range(repetitions):
            for work, times in zip(works, taken, strict=True):
                _finish(device)
                start = time.perf_counter()
                work()
                _finish(device)
                times.append(time.perf_counter() - start)
    finally:
        if was_on:
            gc.enable()
    return [statistics.median(times) for times in taken]


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def untrained_resnet50(device: torch.device) -> Contender:
    """A ResNet-50 with random weights and a random head of 1000 classes: fast as a trained one, never fetched."""
    spec = replace(encoder_spec("resnet50-supervised"), id="resnet50", regime="random")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = architectures.build(spec.architecture)
        weight = torch.randn(CLASSES, spec.feature_dim) / spec.feature_dim**0.5
    head = LinearHead("imagenet-1k", "linear", "avg", weight, torch.zeros(CLASSES), 1.0, False, {})
    return Contender(encoders.freeze(spec, network, device, ""), head.to(device))


def sample_batch(contender: Contender, count: int) -> Tensor:
    """(count, 3, S, S) in [0, 1], on the device: the bundled samples, again from the first when there are too few."""
    recipe = contender.encoder.spec.preprocessing
    crops = preprocess.model_crops((samples.image(id).rgb for id in samples.samples()), recipe)
    return preprocess.to_unit(crops[np.arange(count) % len(crops)]).to(contender.encoder.device)


def photograph(megapixels: int, variant: int = 0) -> bytes:
    """A bundled sample as a JPEG of 1 or 12 megapixels with the grain of a camera; `variant` shifts the content."""
    picture = Image.fromarray(samples.image("coffee").rgb).resize(SIDES[megapixels])
    pixels = np.asarray(picture, dtype=np.int16)
    grain = np.random.default_rng(variant).integers(-6, 7, pixels.shape, dtype=np.int16)
    moved = np.roll(pixels, (7 * variant, 13 * variant), axis=(0, 1)) + grain
    out = io.BytesIO()
    Image.fromarray(moved.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def _answers(contender: Contender, logits: Tensor) -> list[Prediction]:
    head = contender.head
    return [confidence.predict(row, head.temperature, head.calibrated) for row in logits.cpu().numpy()]


def _ours(contender: Contender, inputs: Tensor) -> Map:
    read = readout.read(contender, inputs)
    tops = torch.tensor([answer.top for answer in _answers(contender, read.logits)], device=read.logits.device)
    return cam.class_maps(contender, read, tops).cpu().numpy()


def _by_captum(contender: Contender, network: nn.Module, layer: nn.Module, inputs: Tensor) -> Map:
    # captum returns maps only, and needs the class first.
    with torch.no_grad():
        logits = network(inputs)
    tops = torch.tensor([answer.top for answer in _answers(contender, logits)], device=logits.device)
    found: Tensor = LayerGradCam(network, layer).attribute(inputs, target=tops)
    return found[:, 0].detach().cpu().numpy()


def _by_grad_cam(contender: Contender, network: nn.Module, layer: nn.Module, inputs: Tensor) -> Map:
    # Its answer comes from its own pass. Its picture is clipped, stretched and enlarged; the map under it is compared.
    with importlib.import_module("pytorch_grad_cam").GradCAM(network, [layer]) as method:
        method(inputs, None)
        _answers(contender, method.outputs.detach())
        kept = method.activations_and_grads
        activations, gradients = kept.activations[0].cpu().numpy(), kept.gradients[0].cpu().numpy()
        return np.asarray(method.get_cam_image(inputs, layer, None, activations, gradients))


def deviation(found: Map, expected: Map) -> float:
    """Largest difference of two stacks of maps as a share of the range of the second."""
    return float(np.abs(found - expected).max() / np.ptp(expected))


def readout_rows(contender: Contender, count: int, repetitions: int) -> list[Row]:
    """Answers, confidence and Grad-CAM of a batch against a bare forward pass, captum and pytorch-grad-cam.

    All run the same weights in the same memory layout. The others get a network whose parameters take gradients, as
    every network does that nobody froze.
    """
    encoder, spec = contender.encoder, contender.encoder.spec
    inputs = preprocess.normalise(sample_batch(contender, count), spec.preprocessing)
    head = nn.Linear(contender.head.weight.shape[1], contender.head.weight.shape[0])
    head.load_state_dict({"weight": contender.head.weight, "bias": contender.head.bias})
    parts = OrderedDict(encoder=copy.deepcopy(encoder.network), head=head.to(encoder.device))
    network = nn.Sequential(parts).eval().requires_grad_(True)
    layer = network.get_submodule(f"encoder.{spec.target_layer}")

    def bare() -> object:
        with torch.inference_mode():
            return encoder.network(inputs)

    def ours() -> Map:
        return _ours(contender, inputs)

    references: dict[str, Callable[[], Map]] = {"captum": lambda: _by_captum(contender, network, layer, inputs)}
    if find_spec("pytorch_grad_cam"):
        references["pytorch-grad-cam"] = lambda: _by_grad_cam(contender, network, layer, inputs)
    base, own, *theirs = interleaved([bare, ours, *references.values()], repetitions, encoder.device)
    what = f"{spec.id}, {count} images of {spec.preprocessing.size} px"
    rows = [Row("readout", own / base, "× bare forward", 1.15, f"{what}: {own * 1e3:.1f} against {base * 1e3:.1f} ms")]
    expected = ours()
    for (name, reference), seconds in zip(references.items(), theirs, strict=True):
        compared = f"{what}: {own * 1e3:.1f} against {seconds * 1e3:.1f} ms"
        rows.append(Row(name, seconds / own, "× as fast", 2.0, compared, at_least=True))
        apart = deviation(reference(), expected)
        rows.append(Row(f"{name} maps", apart, "of their range", 1e-4, "largest difference of a cell"))
    if "pytorch-grad-cam" not in references:
        rows.append(Row("pytorch-grad-cam", None, "× as fast", 2.0, "not installed", at_least=True))
    return rows


def sweep_row(contender: Contender, count: int, repetitions: int) -> Row:
    """Views a second of an invariance sweep against bare forward passes of as many, same batches and precision."""
    spec, device = contender.encoder.spec, contender.encoder.device
    unit = sample_batch(contender, count)
    augmentation = AUGMENTATIONS[AUGMENTATION]
    strengths = augmentation.strengths[1:5]
    reference, inputs = invariance.clean(contender, unit), preprocess.normalise(unit, spec.preprocessing)
    settled = precision.settle(contender.encoder, contender.head, sweeping=True)

    def bare() -> None:
        for _ in strengths:
            for chunk in inputs.split(invariance.VIEWS_AT_ONCE[device.type]):
                with torch.inference_mode(), precision.computing(device, settled):
                    contender.encoder.network(chunk)

    def sweep() -> None:
        for _ in invariance.sweep(lambda s: invariance.measure(contender, reference, augmentation, s, 1), strengths):
            pass

    base, own = interleaved([bare, sweep], repetitions, device)
    views = count * len(strengths)
    detail = f"{AUGMENTATION}, {count} images, {len(strengths)} strengths, {settled}: "
    detail += f"{views / own:.0f} against {views / base:.0f} views a second"
    return Row(f"sweep {spec.id}", base / own, "of bare forward", 0.8, detail, at_least=True)


def answer_upload(contenders: Sequence[Contender], data: bytes) -> list[bytes]:
    """What the page shows for an upload, from bytes to one overlay a contender as PNG."""
    image = open_image(data)
    maps = []
    for contender in contenders:
        reading = pipeline.read_images(contender, [image])[0]
        maps.append(pipeline.attribute(contender, image, reading, pipeline.predict(contender, reading).top))
    scale = overlay.shared_scale(maps)
    crops = [preprocess.display_crop(image.rgb, contender.encoder.spec.preprocessing) for contender in contenders]
    pairs = zip(crops, maps, strict=True)
    return [encode_png(overlay.blend(crop, values, scale, opacity=0.65)) for crop, values in pairs]


def upload_row(contenders: Sequence[Contender], megapixels: int, limit: float | None, repetitions: int) -> Row:
    """Seconds from the bytes of a photograph to answers, maps and pictures of all contenders, already loaded."""
    data = photograph(megapixels)
    (seconds,) = interleaved([lambda: answer_upload(contenders, data)], repetitions, contenders[0].encoder.device)
    names = " and ".join(contender.encoder.spec.id for contender in contenders)
    detail = f"JPEG of {len(data) / 1e6:.1f} MB, to pictures of {names}"
    return Row(f"upload {megapixels} MP", seconds, "s", limit, detail)


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    return int(psutil.Process().memory_info().rss)


def memory_row(contender: Contender, settled: int, uploads: int) -> Row:
    """Megabytes gained between upload number `settled` and upload number `uploads`, all different."""
    before = 0
    for number in range(1, uploads + 1):
        pipeline.read_images(contender, [open_image(photograph(1, number))])
        if number == settled:
            gc.collect()
            before = resident_bytes()
    gc.collect()
    gained = (resident_bytes() - before) / 1e6
    return Row("memory", gained, "MB gained", 20.0, f"from 1-MP upload {settled} to upload {uploads}")
