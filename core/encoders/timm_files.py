"""Weight files in the layout of timm's hub, loaded by timm's own filters, strictly.

timm changes keys and shapes of many files as it loads them (position embeddings of another size, older names). That is
its knowledge, so its loader does it; but it is handed tensors that were read safely, the number of classes stays the
file's own (with another one timm silently loads what fits and leaves a random head), and what the file does not hold
must be what the catalog says.
"""

import sys
from collections.abc import Callable
from typing import Any, cast

from torch import Tensor

from core.encoders import skeletons
from core.encoders.architectures import Network
from core.encoders.files.weights import path_of
from core.encoders.opening import reading
from core.encoders.spec import EncoderSpec
from core.errors import WeightsInvalid


def build(spec: EncoderSpec, tensors: dict[str, Tensor] | None = None) -> Network:
    """The network of an entry with the file's own classifier, filled from `tensors` when they are given.

    Raises:
        RuntimeError, KeyError: the tensors do not fit; which of the two is timm's choice.
    """
    import timm  # seconds, and the packaged encoders do without

    options = dict(spec.options)
    overlay: dict[str, object] = {"state_dict": tensors, "custom_load": False, "hf_hub_id": None, "url": ""}
    if "num_classes" in options or any(prefix in spec.weights.drop for prefix in ("head.", "fc.")):
        options["num_classes"] = overlay["num_classes"] = 0
    if tensors is not None and spec.weights.absent:
        # timm would load whatever fits here; it is given what the file is known to lack, and loads strictly.
        fresh = timm.create_model(spec.architecture, pretrained=False, pretrained_cfg_overlay=overlay, **options)
        filtered = _filter_of(fresh)(dict(tensors), fresh)
        lacking = {key: value for key, value in fresh.state_dict().items() if key.startswith(spec.weights.absent)}
        fresh.load_state_dict(filtered | lacking, strict=True)
        return fresh
    return timm.create_model(
        spec.architecture, pretrained=tensors is not None, pretrained_cfg_overlay=overlay, **options
    )


def _filter_of(network: Network) -> Callable[[dict[str, Tensor], Network], dict[str, Tensor]]:
    """What timm turns published names of this family of networks into its own with."""
    home: Any = sys.modules[type(network).__module__]
    if hasattr(home, "_filter_torchvision_pretrained"):  # DenseNet's, which asks for no network
        return lambda tensors, _: dict(home._filter_torchvision_pretrained(tensors))
    return cast("Callable[[dict[str, Tensor], Network], dict[str, Tensor]]", home.checkpoint_filter_fn)


def naming(network: Network) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    """What timm's own loader turns the names of a file for such a network into; fails for families without one."""
    return lambda tensors: _filter_of(network)(dict(tensors), network)


def load(spec: EncoderSpec, tensors: dict[str, Tensor] | None = None) -> tuple[Network, tuple[Tensor, Tensor] | None]:
    """The network of an entry from its file on this machine: headless, in training mode; and `split`'s classifier.

    Args:
        spec: the entry.
        tensors: of its file, as `reading.state_dict` gave them; without them the file is read.

    Raises:
        WeightsUnavailable: the file is not here.
        WeightsInvalid: it is corrupt, or does not fit the network.
    """
    tensors = reading.state_dict(spec.weights) if tensors is None else tensors
    tensors = {key: value for key, value in tensors.items() if not key.startswith(spec.weights.drop or ("\0",))}
    try:
        network = build(spec, tensors)
    except (RuntimeError, KeyError, ValueError, AssertionError) as error:
        with skeletons.without_memory():
            mismatch = reading.compare(build(spec).state_dict(), tensors, spec.weights.absent)
        said = f"{mismatch.listing}. Probably {mismatch.guess}." if mismatch.listing else f"{error}."
        raise WeightsInvalid(f"{path_of(spec.weights)} does not fit {spec.architecture}: {said}") from error
    return network, split(network)


def split(network: Network) -> tuple[Tensor, Tensor] | None:
    """Take the classifier off a network of timm's: its weight and bias, None where it had none."""
    classifier = network.get_classifier()
    weight, bias = getattr(classifier, "weight", None), getattr(classifier, "bias", None)
    network.reset_classifier(0)
    if weight is None:
        return None
    weight = weight.detach().flatten(1).float()
    return weight, weight.new_zeros(len(weight)) if bias is None else bias.detach().float()
