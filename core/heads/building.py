"""Fits, measures and writes the heads of encoders for a labelled image folder."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from core.datasets.image_folder import LabelledImages, class_folders, read_split
from core.encoders.encoder import Encoder, features
from core.encoders.preprocess import normalise
from core.errors import DataUnavailable
from core.heads import fitting, linear
from core.heads.linear import LinearHead

Log = Callable[[str], None]


def load_data(root: Path, size: int, every: int = 1, log: Log = print) -> tuple[LabelledImages, LabelledImages]:
    """Training and test images of a folder with `train/` and `test/` (or `val/`) at the encoder's input size.

    Raises:
        DataUnavailable: a folder is missing, or the test part lacks a class.
    """
    classes = class_folders(root, "train")[::every]
    held_out = "test" if (root / "test").is_dir() else "val"
    absent = sorted(set(classes) - set(class_folders(root, held_out)))
    if absent:
        raise DataUnavailable(
            f"{root / held_out} has no images of class {', '.join(absent[:5])}, which {root / 'train'} has."
        )
    return read_split(root, "train", size, classes, log), read_split(root, held_out, size, classes, log)


def _encode(encoder: Encoder, images: Tensor) -> Tensor:
    parts = []
    for chunk in images.split(512):
        unit = chunk.to(encoder.device).float() / 255
        parts.append(features(encoder, normalise(unit, encoder.spec.preprocessing)))
    return torch.cat(parts)


def fit_head(
    encoder: Encoder, task_id: str, train: LabelledImages, test: LabelledImages, log: Log = print
) -> LinearHead:
    """A linear head of `encoder`, measured on the test images.

    Its facts hold `linear_top1` and `knn_top1` in percent, the image counts, the chosen strength and the hash of the
    encoder's weights. Measured with the head as it is stored, in half precision.
    """
    bank, queries = _encode(encoder, train.images), _encode(encoder, test.images)
    classes = len(train.classes)
    fit = fitting.fit_linear(bank, train.labels, classes)
    head = LinearHead(
        task=task_id,
        protocol="linear",
        pooling=encoder.spec.pooling,
        weight=fit.weight.half().float(),
        bias=fit.bias,
        temperature=fit.temperature,
        calibrated=True,
        facts={
            "linear_top1": round(
                fitting.top1_percent(
                    torch.nn.functional.linear(queries, fit.weight.half().float(), fit.bias), test.labels
                ),
                2,
            ),
            "knn_top1": round(fitting.knn_top1(bank, train.labels, queries, test.labels, classes), 2),
            "validation_top1": round(100 * fit.validation_top1, 2),
            "l2": fit.strength,
            "train_images": len(train.labels),
            "test_images": len(test.labels),
            "encoder_sha256": encoder.sha256,
        },
    )
    log(
        f"{encoder.spec.id} on {task_id}: linear {head.facts['linear_top1']:.1f} %, k-NN {head.facts['knn_top1']:.1f} %"
    )
    return head


def write_head(head: LinearHead, encoder_id: str, assets: Path) -> Path:
    """Write a head where the app looks for it, below an assets folder; returns the file."""
    path = assets / "heads" / encoder_id / f"{head.task}.safetensors"
    linear.save(head, path)
    return path
