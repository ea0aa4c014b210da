"""Features of a part of a data set by an encoder: computed once, kept on disk, memory-mapped by everybody.

A part is read in shards, each written whole, so that a killed run goes on where it stopped and several workers can
share the work. The finished feature file is one array; the shards go.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core import devices
from core.datasets.spec import ImageSet, Part
from core.encoders import preprocess
from core.encoders.encoder import Encoder
from core.encoders.spec import EncoderSpec
from core.errors import DataUnavailable, ImageError
from core.files import place, whole_file

VERSION = 1
PARTS = ("train", "val", "test")
SHARD = 2048
BATCH = {"cpu": 128, "cuda": 512}
NAMED = 3  # unreadable samples that a message names


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What protocols work with.

    Attributes:
        values: (N, D) float32, memory-mapped.
        labels: (N,) int64.
        ids: (N,) sample ids.
        left_out: samples that could not be read, when the data set says to leave those out.
    """

    values: NDArray[np.float32]
    labels: NDArray[np.int64]
    ids: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Shard:
    """A run of samples: [start, stop) of a part."""

    start: int
    stop: int

    @property
    def name(self) -> str:
        """File name, in order."""
        return f"{self.start:09d}-{self.stop:09d}.npz"


def key(spec: EncoderSpec, sha256: str, images: ImageSet, part: str) -> str:
    """What identifies a feature file: weights, input recipe, pooling, and the content of the part."""
    facts = {
        "version": VERSION,
        "weights": sha256,
        "architecture": spec.architecture,
        "pooling": spec.pooling,
        "preprocessing": asdict(spec.preprocessing),
        "data": images.fingerprint,
        "part": part,
        "skip": images.skip_unreadable,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def folder_of(cache: Path, key: str) -> Path:
    """Where the features of a key are, or will be."""
    return cache / "features" / key


def shards_of(count: int, size: int = SHARD) -> list[Shard]:
    """The shards of a part of `count` samples, in order."""
    return [Shard(start, min(start + size, count)) for start in range(0, count, size)]


def extract(encoder: Encoder, part: Part, shard: Shard) -> tuple[NDArray[np.float32], list[int], list[str]]:
    """Features of one shard, in float32.

    Returns:
        (M, D) features of the readable samples, their positions in the part, and one line for each of the others.
    """
    recipe = encoder.spec.preprocessing
    kept: list[int] = []
    crops: list[NDArray[np.uint8]] = []
    problems: list[str] = []

    def crop(position: int) -> NDArray[np.uint8] | ImageError:
        try:
            return preprocess.model_crop(part.read(position), recipe)
        except ImageError as error:
            return error

    # As many as PyTorch may use: a worker of a cluster has a part of its node's cores.
    with ThreadPoolExecutor(max(2, min(16, torch.get_num_threads()))) as pool:
        positions = range(shard.start, shard.stop)
        for position, found in zip(positions, pool.map(crop, positions), strict=True):
            if isinstance(found, ImageError):
                problems.append(f"{part.ids[position]}: {found}")
            else:
                kept.append(position)
                crops.append(found)
    if not crops:
        return np.empty((0, encoder.spec.feature_dim), np.float32), kept, problems
    return _encode(encoder, np.stack(crops)), kept, problems


def _encode(encoder: Encoder, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Features of (M, S, S, 3) crops; a GPU without room for a batch gets half of it."""
    parts: list[NDArray[np.float32]] = []
    batch, done = BATCH[encoder.device.type], 0
    while done < len(crops):
        try:
            unit = preprocess.to_unit(crops[done : done + batch]).to(encoder.device, non_blocking=True)
            inputs = preprocess.normalise(unit, encoder.spec.preprocessing)
            with devices.inference_slot():
                found = encoder.pool(encoder.trunk(inputs)).float().cpu().numpy()
        except torch.cuda.OutOfMemoryError:
            if batch == 1:
                raise
            batch //= 2
            torch.cuda.empty_cache()
            continue
        parts.append(found)
        done += batch
    return np.concatenate(parts)


def work_folder(folder: Path) -> Path:
    """Where the shards of an unfinished feature file are."""
    return folder.with_name(folder.name + ".shards")


def write_shard(folder: Path, shard: Shard, values: NDArray[np.float32], kept: list[int], problems: list[str]) -> None:
    """Store one shard of an unfinished feature file, whole or not at all."""
    work = work_folder(folder)
    with whole_file(work / shard.name) as file:
        np.savez(file, values=values, kept=np.array(kept, np.int64), problems=np.array(problems, dtype=str))


def missing(folder: Path, count: int) -> list[Shard]:
    """The shards that still have to be extracted; none when the feature file is complete."""
    if (folder / "meta.json").is_file():
        return []
    # Listed, not asked for one by one: a network file system remembers for a while that a name was absent.
    work = work_folder(folder)
    there = set(os.listdir(work)) if work.is_dir() else set()
    return [shard for shard in shards_of(count) if shard.name not in there]


def finish(folder: Path, part: Part, name: str, skip_unreadable: bool) -> None:
    """Join the shards of a part into one feature file; does nothing when that exists.

    Raises:
        DataUnavailable: samples could not be read and the data set does not say to leave those out, or a class has
            no readable sample left.
    """
    if (folder / "meta.json").is_file():
        return
    try:
        _join(folder, part, name, skip_unreadable)
    except FileNotFoundError:
        # Another process joined them, and removed them then.
        if not (folder / "meta.json").is_file():
            raise


def _join(folder: Path, part: Part, name: str, skip_unreadable: bool) -> None:
    work = work_folder(folder)
    values, kept, problems = [], [], []
    for shard in shards_of(len(part)):
        with np.load(work / shard.name) as found:
            values.append(found["values"])
            kept.append(found["kept"])
            problems += found["problems"].tolist()
    if problems and not skip_unreadable:
        shutil.rmtree(work)  # a mended image must be read again
        more = f" and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
        raise DataUnavailable(
            f"{len(problems)} of {len(part)} {name} images cannot be read: {'; '.join(problems[:NAMED])}{more}. "
            "Mend or remove them, or add 'unreadable=skip' to the address to leave them out."
        )
    index = np.concatenate(kept)
    gone = set(np.unique(part.labels).tolist()) - set(np.unique(part.labels[index]).tolist())
    if gone:
        shutil.rmtree(work)
        raise DataUnavailable(f"No {name} image of {len(gone)} class(es) can be read: {'; '.join(problems[:NAMED])}.")
    partial = work / f"joined.{uuid.uuid4().hex[:8]}"  # goes with the shards, even when this process is killed
    partial.mkdir()
    np.save(partial / "values.npy", np.concatenate(values))
    np.save(partial / "labels.npy", part.labels[index])
    meta = {"ids": [part.ids[i] for i in index], "left_out": problems}
    (partial / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    try:
        place(partial, folder)
    except OSError:  # another process was first; its file says the same
        if not (folder / "meta.json").is_file():
            raise
    shutil.rmtree(work, ignore_errors=True)


def load(folder: Path) -> Features:
    """The finished features of a folder, memory-mapped.

    Raises:
        DataUnavailable: they are not there; the cache was emptied while the study ran.
    """
    if not (folder / "meta.json").is_file():
        raise DataUnavailable(f"{folder} is gone: run the study again, and it goes on where it is.")
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    return Features(
        np.load(folder / "values.npy", mmap_mode="r"),
        np.load(folder / "labels.npy"),
        tuple(meta["ids"]),
        tuple(meta["left_out"]),
    )


def compute(encoder: Encoder, images: ImageSet, part: str, cache: Path) -> Iterator[tuple[int, int]]:
    """Make sure that a part's features are on disk; yields (samples done, samples in all) after each shard.

    Raises:
        DataUnavailable: see `finish`.
    """
    samples = images.parts[part]
    folder = folder_of(cache, key(encoder.spec, encoder.sha256, images, part))
    todo = missing(folder, len(samples))
    done = len(samples) - sum(shard.stop - shard.start for shard in todo)
    for shard in todo:
        write_shard(folder, shard, *extract(encoder, samples, shard))
        done += shard.stop - shard.start
        yield done, len(samples)
    finish(folder, samples, part, images.skip_unreadable)
