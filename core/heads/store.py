"""Which heads an encoder has, and how one is loaded."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING

from core.encoders.files import weights
from core.encoders.partners import order
from core.encoders.registry import encoders
from core.encoders.spec import EncoderSpec, NativeHead
from core.errors import HeadUnavailable, WeightsInvalid
from core.files import is_whole
from core.pace import Progress
from core.paths import ASSETS, own_folder
from core.tasks import task, tasks

# Listing what there is takes no PyTorch: only the functions that load import it.
if TYPE_CHECKING:
    from torch import Tensor

    from core.encoders.encoder import Encoder
    from core.heads.linear import LinearHead


def path_below(root: Path, encoder_id: str, task_id: str) -> Path:
    """Where the head of an encoder for a task is below an assets folder, the own folder or a study's; may not exist."""
    return root / "heads" / encoder_id / f"{task_id.rpartition('/')[2]}.safetensors"


def fitted_path(encoder_id: str, task_id: str) -> Path:
    """Where the fitted head of an encoder is: its study's, or the one that ships before a person's own.

    It may not exist.
    """
    known = tasks().get(task_id)
    if known is not None and known.study is not None:
        return path_below(known.study, encoder_id, task_id)
    ships = path_below(ASSETS, encoder_id, task_id)
    return ships if ships.is_file() else path_below(own_folder(), encoder_id, task_id)


def tasks_of(spec: EncoderSpec) -> list[str]:
    """The tasks an encoder can answer, in the order of `tasks()`."""
    native = {head.task for head in spec.heads}
    # Two looks at the disk an encoder, not two a task: there are hundreds of encoders.
    folders = [root / "heads" / spec.id for root in (ASSETS, own_folder())]
    fitted = {path.stem for folder in folders if folder.is_dir() for path in folder.glob("*.safetensors")}
    return [
        id
        for id, task in tasks().items()
        if id in native or id in fitted or (task.study and path_below(task.study, spec.id, id).is_file())
    ]


def encoders_for(task_id: str) -> list[str]:
    """The encoders that have a head for a task, in the order of pickers; none for a task that is not there."""
    asked = tasks().get(task_id)
    if asked is None:
        return []
    # One look at the disk, not one an encoder: every run of a page asks this.
    places = (asked.study,) if asked.study else (ASSETS, own_folder())
    name = glob.escape(path_below(Path(), "*", task_id).name)
    fitted = {path.parent.name for place in places for path in place.glob(f"heads/*/{name}")}
    known = encoders().items()
    return order(id for id, spec in known if id in fitted or any(head.task == task_id for head in spec.heads))


def fit_command(encoder_id: str, task_id: str) -> str:
    """The command that gives an encoder a head for a task; DIR is the labelled folder."""
    return f"invariscope fit-heads DIR --task {task_id} --encoders {encoder_id}"


def is_here(spec: EncoderSpec, task_id: str) -> bool:
    """Whether encoder and head are on this machine."""
    files = [spec.weights] + [head.weights for head in spec.heads if head.task == task_id]
    return all(weights.is_here(file) for file in files)


def load(encoder: Encoder, task_id: str, progress: Progress = lambda done, total: None) -> LinearHead:
    """The head of `encoder` for a task, on the encoder's device.

    Raises:
        UnknownName: there is no such task.
        HeadUnavailable: the encoder has no head for it.
        WeightsUnavailable: the head's file is not here and cannot be fetched.
        WeightsInvalid: the file does not fit the encoder or the task.
    """
    from core.heads import linear

    asked = task(task_id)
    path = fitted_path(encoder.spec.id, task_id)
    if path.is_file():
        if asked.study and not is_whole(path):
            raise WeightsInvalid(f"The head {path} is damaged: run its study again, into a new folder.")
        head = linear.load(path)
        fitted_on = head.facts.get("encoder_sha256")
        if fitted_on != encoder.sha256:
            raise WeightsInvalid(
                f"The head {path.name} of {encoder.spec.id} was fitted on other weights ({str(fitted_on)[:12]}) than "
                f"the encoder has now ({encoder.sha256[:12]}). Fit it again with 'invariscope fit-heads'."
            )
    else:
        head = _native(encoder, task_id, progress)
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


def _native(encoder: Encoder, task_id: str, progress: Progress) -> LinearHead:
    from core.heads.linear import LinearHead

    spec = encoder.spec
    for native in spec.heads:
        if native.task == task_id:
            weight, bias = _published(encoder, native, progress)
            return LinearHead(
                task=task_id,
                protocol="native",
                pooling=native.pooling,
                weight=weight.float(),
                bias=bias.float(),
                temperature=1.0,
                calibrated=False,
                facts={"source": native.weights.url},
            )
    can = ", ".join(tasks_of(spec)) or "none"
    raise HeadUnavailable(
        f"{spec.label} has no head for {task_id}. It has heads for: {can}. One is fitted on a labelled folder DIR by: "
        f"{fit_command(spec.id, task_id)}"
    )


def _published(encoder: Encoder, native: NativeHead, progress: Progress) -> tuple[Tensor, Tensor]:
    """Weight and bias of a published classifier."""
    from core.encoders.opening import reading

    if not native.weight:
        if encoder.classifier is None:
            raise WeightsInvalid(f"{native.weights.file} has no classifier, and the catalog says it has: another file.")
        return encoder.classifier
    keys = [key for key in (native.weight, native.bias) if key]
    if native.weights == encoder.spec.weights and encoder.published.keys() >= set(keys):
        tensors = dict(encoder.published)
    else:
        weights.fetch(native.weights, progress)
        tensors = reading.state_dict(native.weights)
    absent = [key for key in keys if key not in tensors]
    if absent:
        raise WeightsInvalid(f"{native.weights.file} has no {' and no '.join(absent)}: it is another file.")
    weight = tensors[native.weight]
    # Where the catalog names no bias, the one in the file is known to be random.
    return weight, tensors[native.bias] if native.bias else weight.new_zeros(len(weight))
