"""Files of weights, opened: plain tensors under the network's names, every one in its place, or an error.

Nothing here runs what a file asks for. Unpickling is always `weights_only`; what needs more is converted first, in a
process of its own (`core.encoders.opening.converting`).
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from core.encoders import skeletons
from core.encoders.files import hashes
from core.encoders.files.weights import path_of, verify
from core.encoders.opening.keymaps import keymap
from core.encoders.opening.mismatch import Mismatch, beginnings
from core.encoders.opening.quarantine import WITHIN
from core.encoders.opening.renaming import unwrapped
from core.encoders.opening.unpickling import BAGS, FLOATS, Refused, packed, plain
from core.encoders.spec import WeightFile
from core.encoders.training_signs import is_finite
from core.errors import UnknownName, WeightsInvalid


def converted_path(path: Path) -> Path:
    """Where the conversion of a file is kept: beside it, with `.safetensors` after its whole name."""
    return path.with_name(path.name + ".safetensors")


def _torch(path: Path, *allowed: type) -> object:
    """Safetensors by its suffix, else torch's formats; a conversion beside a refused file stands for it."""
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    try:
        return plain(path, *allowed)
    # Unpicklers refuse with any exception at all. What stands in was made from this very file, by hash, or it is said.
    except Exception:
        if converted_path(path).is_file():
            return _converted(path)
        raise


def _namespace(path: Path) -> object:
    """As torch, with the `argparse.Namespace` that training scripts keep."""
    return _torch(path, *BAGS)


def _zip(path: Path) -> object:
    """The one torch file inside an archive."""
    return plain(packed(path))


def _converted(path: Path) -> object:
    """What `invariscope models convert` wrote beside a file, nested as the file was."""
    target = converted_path(path)
    if not target.is_file():
        raise WeightsInvalid(
            f"{path} holds more than plain tensors and is not opened as it is. "
            f"Run 'invariscope models convert {path}' once; it keeps the tensors and runs nothing."
        )
    with safetensors.safe_open(target, framework="pt") as file:
        origin = (file.metadata() or {}).get("source_sha256", "")
    again = f"Run 'invariscope models convert {path}' again."
    if origin != hashes.sha256_of(path):
        raise WeightsInvalid(f"{target} was converted from another file than {path}. {again}")
    if hashes.recorded(target) != hashes.sha256_of(target):
        raise WeightsInvalid(f"{target} is not the file that the conversion wrote. {again}")
    content: dict[str, Any] = {}
    for key, tensor in safetensors.torch.load_file(target).items():
        *containers, last = key.split(WITHIN)
        place = content
        for name in containers:
            place = place.setdefault(name, {})
        place[last] = tensor
    return content


READERS: dict[str, Callable[[Path], object]] = {
    "torch": _torch,
    "namespace": _namespace,
    "zip": _zip,
    "converted": _converted,
    # Opened like any other; what its names become is timm's knowledge (`core.encoders.timm_files`).
    "timm": _namespace,
}


def state_dict(file: WeightFile, verified: str = "") -> dict[str, Tensor]:
    """The tensors of a verified file, keys as the network has them.

    Args:
        file: which.
        verified: what `weights.verify` said of it just now; without it the file is hashed here.

    Raises:
        UnknownName: the entry names a reader or a key map that does not exist.
        WeightsUnavailable: the file is not here.
        WeightsInvalid: it is corrupt, holds something other than tensors, or is laid out in another way.
    """
    if file.reader not in READERS:
        raise UnknownName("reader", file.reader, READERS)
    path = path_of(file)
    if not verified:
        verify(file)
    tensors = arrange(opened(path, file.reader), file)
    _require_plain(path, tensors)
    return tensors


def arrange(content: Any, file: WeightFile) -> dict[str, Tensor]:
    """The tensors of what a file holds, after its containers, its prefix and its key map; shapes are all they need.

    Raises:
        UnknownName: the entry names a key map that does not exist.
        WeightsInvalid: the content is laid out in another way.
    """
    path = path_of(file)
    naming = keymap(file.keys) if file.keys else dict
    for key in file.container:
        if not isinstance(content, dict) or key not in content:
            raise WeightsInvalid(
                f"{path} has no '{key}' inside; it is laid out differently from what the catalog says."
                + _inside(content)
            )
        content = content[key]
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise WeightsInvalid(f"{path} holds no named tensors; it is laid out differently from what the catalog says.")
    tensors = {key: value.detach() for key, value in content.items() if isinstance(value, Tensor)}
    inside = [key for key, value in content.items() if isinstance(value, dict) and _holds_tensors(value)]
    if inside and not tensors:
        raise WeightsInvalid(
            f"{path} holds its tensors inside {' or '.join(repr(key) for key in inside[:6])}; it is laid out otherwise "
            "than the catalog says, which expects them outside."
        )
    # startswith, never replace(): "backbone." also stands inside "student_backbone.".
    chosen = {key[len(file.prefix) :]: value for key, value in tensors.items() if key.startswith(file.prefix)}
    if tensors and not chosen:
        raise WeightsInvalid(
            f"{path} has no name that begins with '{file.prefix}'. Probably the prefix is another; its "
            f"{len(tensors)} names begin with {beginnings(tensors)}."
        )
    try:
        return naming(unwrapped(chosen))
    except WeightsInvalid as error:
        raise WeightsInvalid(f"{path} does not fit the key map '{file.keys}': {error}.") from error


def opened(path: Path, reader: str) -> Any:
    """What a file holds, nested as it was.

    Args:
        path: the file.
        reader: a key of `READERS`.

    Raises:
        WeightsInvalid: it is damaged, or asks for code.
    """
    try:
        return READERS[reader](path)
    except WeightsInvalid:
        raise
    except Refused as error:
        raise WeightsInvalid(f"{path} {error}.") from error
    # Unpicklers answer a hostile or damaged file with any exception at all.
    except Exception as error:
        raise WeightsInvalid(
            f"{path} cannot be read as plain tensors ({type(error).__name__}). It is damaged, or holds code and was "
            f"refused; nothing ran. If it should hold other objects beside its tensors, 'invariscope models convert "
            f"{path}' keeps the tensors alone."
        ) from error


def _holds_tensors(content: dict[Any, Any]) -> bool:
    return any(isinstance(value, Tensor) for value in content.values())


def _inside(content: object) -> str:
    """A sentence on what a container holds instead; empty when it holds no names."""
    names = [key for key in content if isinstance(key, str)] if isinstance(content, dict) else []
    return f" It has {', '.join(repr(name) for name in names[:6])}." if names else ""


def _require_plain(path: Path, tensors: dict[str, Tensor]) -> None:
    """Refuse tensors that are not dense numbers in memory, claim more than they hold, or are not finite."""
    for key, value in tensors.items():
        if value.layout != torch.strided or value.is_quantized or value.is_nested or value.device.type != "cpu":
            raise WeightsInvalid(f"{path} holds '{key}' as a sparse, quantised or empty shell, not as plain numbers.")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise WeightsInvalid(f"{path} holds '{key}' of {value.numel()} numbers in a memory of fewer.")
        if value.dtype.is_complex or (value.is_floating_point() and value.dtype not in FLOATS):
            raise WeightsInvalid(f"{path} holds '{key}' as {value.dtype}, which is no precision of weights.")
        if not is_finite(value):
            bad = int((~value.isfinite()).sum())
            raise WeightsInvalid(
                f"{path} holds {bad} of {value.numel()} numbers in '{key}' that are not finite (NaN or infinity). "
                "It is damaged, or its training failed."
            )


def load_strictly(network: torch.nn.Module, file: WeightFile, found: dict[str, Tensor] | None = None) -> None:
    """Fill `network` from the file; every key must find its place, and nothing is loaded unless all of them do.

    Args:
        network: may be without memory (on torch's `meta` device); it then gets memory of its own.
        file: which.
        found: its tensors as `state_dict` gave them, which are taken out one by one; without them the file is read.

    Raises:
        UnknownName: the entry names a reader or a key map that does not exist.
        WeightsUnavailable: the file is not here.
        WeightsInvalid: keys, shapes or kinds of number differ; the message lists some and guesses why.
    """
    path = path_of(file)
    wanted = network.state_dict()
    if found is None:
        found = state_dict(file)
    used = {key: value for key, value in found.items() if not _begins(key, file.drop)}
    mismatch = compare(wanted, used, file.absent)
    if mismatch.missing or mismatch.extra or mismatch.reshaped:
        raise WeightsInvalid(f"{path} does not fit the network: {mismatch.listing}. Probably {mismatch.guess}.")
    for key, value in used.items():
        if wanted[key].is_floating_point() != value.is_floating_point():
            raise WeightsInvalid(
                f"{path} holds '{key}' as {value.dtype} where the network has {wanted[key].dtype}; it was probably "
                "quantised, which cannot be undone."
            )
    # Every key was compared above; what may still be absent are BatchNorm's batch counters, which inference ignores,
    # and what the entry says the file does not have.
    found.clear()
    network.load_state_dict(skeletons.owned(used, wanted), strict=False, assign=True)
    skeletons.start_counters(network)


def compare(wanted: dict[str, Tensor], found: dict[str, Tensor], absent: Iterable[str] = ()) -> Mismatch:
    """What differs between a network's tensors and a file's; keys beginning as in `absent` may be missing."""
    allowed = tuple(absent)
    return Mismatch(
        wanted={key: tuple(value.shape) for key, value in wanted.items()},
        found={key: tuple(value.shape) for key, value in found.items()},
        missing=tuple(
            sorted(
                key
                for key in wanted.keys() - found.keys()
                if not key.endswith("num_batches_tracked") and not _begins(key, allowed)
            )
        ),
        extra=tuple(sorted(found.keys() - wanted.keys())),
        reshaped=tuple(sorted(k for k in wanted.keys() & found.keys() if wanted[k].shape != found[k].shape)),
    )


def _begins(key: str, beginnings: tuple[str, ...]) -> bool:
    return bool(beginnings) and key.startswith(beginnings)
