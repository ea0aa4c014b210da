"""Which heads an encoder has, and how one is loaded."""

from pathlib import Path

from core.encoders import weights
from core.encoders.encoder import Encoder
from core.encoders.registry import encoder_spec, encoders
from core.encoders.spec import EncoderSpec
from core.errors import HeadUnavailable, WeightsInvalid
from core.heads import linear
from core.heads.linear import LinearHead
from core.paths import ASSETS
from core.tasks import task, tasks


def packaged_path(encoder_id: str, task_id: str) -> Path:
    """Where the head of an encoder for a task ships."""
    return ASSETS / "heads" / encoder_id / f"{task_id}.safetensors"


def tasks_of(spec: EncoderSpec) -> list[str]:
    """The tasks an encoder can answer, in the order of `tasks()`."""
    native = {head.task for head in spec.heads}
    return [id for id in tasks() if id in native or packaged_path(spec.id, id).is_file()]


def encoders_for(task_id: str) -> list[str]:
    """The encoders that have a head for a task, in catalog order."""
    return [id for id, spec in encoders().items() if task_id in tasks_of(spec)]


def is_here(spec: EncoderSpec, task_id: str) -> bool:
    """Whether encoder and head are on this machine."""
    files = [spec.weights] + [head.weights for head in spec.heads if head.task == task_id]
    return all(weights.is_here(file) for file in files)


def load(encoder: Encoder, task_id: str, progress: weights.Progress = lambda done, total: None) -> LinearHead:
    """The head of `encoder` for a task, on the encoder's device.

    Raises:
        UnknownName: there is no such task.
        HeadUnavailable: the encoder has no head for it.
        WeightsUnavailable: the head's file is not here and cannot be fetched.
        WeightsInvalid: the file does not fit the encoder or the task.
    """
    asked = task(task_id)
    path = packaged_path(encoder.spec.id, task_id)
    if path.is_file():
        head = linear.load(path)
        fitted_on = head.facts.get("encoder_sha256")
        if fitted_on != encoder.sha256:
            raise WeightsInvalid(
                f"The head {path.name} of {encoder.spec.id} was fitted on other weights ({str(fitted_on)[:12]}) than "
                f"the encoder has now ({encoder.sha256[:12]}). Fit it again with 'invariscope fit-heads'."
            )
    else:
        head = _native(encoder.spec, task_id, progress)
    if head.weight.shape[0] != len(asked.classes):
        raise WeightsInvalid(
            f"The head of {encoder.spec.id} for {task_id} has {head.weight.shape[0]} classes, "
            f"the task {len(asked.classes)}."
        )
    # Every recipe makes its feature of one or several of the encoder's vectors, side by side.
    if head.weight.shape[1] % encoder.spec.feature_dim:
        raise WeightsInvalid(
            f"The head of {encoder.spec.id} for {task_id} reads {head.weight.shape[1]} numbers, the encoder gives "
            f"{encoder.spec.feature_dim}: it belongs to another encoder."
        )
    return head.to(encoder.device)


def _native(spec: EncoderSpec, task_id: str, progress: weights.Progress) -> LinearHead:
    for native in spec.heads:
        if native.task == task_id:
            weights.fetch(native.weights, progress)
            tensors = weights.state_dict(native.weights)
            if native.weight not in tensors or native.bias not in tensors:
                raise WeightsInvalid(
                    f"{native.weights.file} has no {native.weight} and {native.bias}: it is another file."
                )
            return LinearHead(
                task=task_id,
                protocol="native",
                pooling=native.pooling,
                weight=tensors[native.weight].float(),
                bias=tensors[native.bias].float(),
                temperature=1.0,
                calibrated=False,
                facts={"source": native.weights.url},
            )
    can = ", ".join(tasks_of(encoder_spec(spec.id))) or "none"
    raise HeadUnavailable(f"{spec.label} has no head for {task_id}. It has heads for: {can}.")
