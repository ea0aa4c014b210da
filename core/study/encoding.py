"""Has an encoder read the parts of a data set, shard by shard, into the cache of features.

Each shard is written whole, so that a killed run goes on where it stopped and several workers can share the work.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core import devices
from core.datasets.spec import ImageSet, Part
from core.encoders import preprocess
from core.encoders.encoder import Encoder
from core.errors import DataUnavailable, ImageError
from core.study import features
from core.study.features import Shard

BATCH = {"cpu": 128, "cuda": 512, "mps": 128}
NAMED = 3  # unreadable samples that a message names


def extract(encoder: Encoder, part: Part, shard: Shard) -> tuple[NDArray[np.float32], list[int], list[str]]:
    """Features of one shard, in float32.

    Returns:
        (M, D) features of the readable samples, their positions in the part, and one line for each of the others.
    """
    crops, kept, problems = read_crops(encoder, part, range(shard.start, shard.stop))
    if not crops:
        return np.empty((0, encoder.spec.feature_dim), np.float32), kept, problems
    return _encode(encoder, np.stack(crops)), kept, problems


def read_crops(
    encoder: Encoder, part: Part, positions: Sequence[int]
) -> tuple[list[NDArray[np.uint8]], list[int], list[str]]:
    """What an encoder sees of some samples: (S, S, 3) crops of the readable ones, their positions, and a line for each
    of the others."""
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
        for position, found in zip(positions, pool.map(crop, positions), strict=True):
            if isinstance(found, ImageError):
                problems.append(f"{part.ids[position]}: {found}")
            else:
                kept.append(position)
                crops.append(found)
    return crops, kept, problems


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


def finish(place: str, encoder: Encoder, part: Part, name: str, skip_unreadable: bool) -> None:
    """Join the shards of a part, which are extracted here where they are damaged; does nothing when that is done.

    Raises:
        DataUnavailable: samples could not be read and the data set does not say to leave those out, or a class has
            no readable sample left.
    """
    if features.is_complete(place):
        return
    values: list[NDArray[np.float32]] = []
    kept: list[int] = []
    problems: list[str] = []
    for shard in features.shards_of(len(part)):
        found = features.read_shard(place, shard)
        if found is None:
            if features.is_complete(place):  # another process joined them, and removed them then
                return
            found = extract(encoder, part, shard)
        values.append(found[0])
        kept += found[1]
        problems += found[2]
    index = np.array(kept, np.int64)
    gone = set(np.unique(part.labels).tolist()) - set(np.unique(part.labels[index]).tolist())
    listed = "; ".join(problems[:NAMED])
    if problems and not skip_unreadable:
        more = f" and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
        features.remove_shards(place)  # a mended image must be read again
        raise DataUnavailable(
            f"{len(problems)} of {len(part)} {name} images cannot be read: {listed}{more}. "
            "Mend or remove them, or add 'unreadable=skip' to the address to leave them out."
        )
    if gone:
        features.remove_shards(place)
        raise DataUnavailable(f"No {name} image of {len(gone)} class(es) can be read: {listed}.")
    features.write(place, np.concatenate(values), part.labels[index], [part.ids[i] for i in index], problems)
    features.remove_shards(place)


def compute(encoder: Encoder, images: ImageSet, part: str, cache: Path) -> Iterator[tuple[int, int]]:
    """Make sure that a part's features are on disk; yields (samples done, samples in all) after each shard.

    Raises:
        DataUnavailable: see `finish`.
    """
    samples = images.parts[part]
    place = features.place_of(cache, features.key(encoder.spec, encoder.sha256, images, part))
    todo = features.missing(place, len(samples))
    done = len(samples) - sum(shard.stop - shard.start for shard in todo)
    for shard in todo:
        features.write_shard(place, shard, *extract(encoder, samples, shard))
        done += shard.stop - shard.start
        yield done, len(samples)
    finish(place, encoder, samples, part, images.skip_unreadable)
