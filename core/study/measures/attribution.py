"""Where an encoder looks, image by image: class activation maps and what can be said of each.

For the true and for the answered class of every chosen image: the map on the encoder's own grid, how concentrated its
evidence is, how much of it lies on the object where the set has masks, whether covering what it marks changes the
answer, and whether it depends on what was learned.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from core import readout
from core.attribution import cam, faithfulness, sanity
from core.encoders.preprocess import normalise, to_unit
from core.metrics import attribution as metrics
from core.readout import Contender
from core.results import schema
from core.study.measures import objects
from core.study.measures.base import Chosen, Found, Measure, choose, contender
from core.study.protocols.base import Material
from core.study.settings import Settings

BLOCK = 64
SAMPLES, PATHS = 200, 100
"""Images of a set, and how many of them have their cells covered one by one, unless a plan says otherwise."""


def _asked(options: Mapping[str, Any]) -> tuple[int, int]:
    """How many images are looked at, and how many have their cells covered."""
    given = Settings("measure attribution", options, ATTRIBUTION.options)
    return given.whole("samples", SAMPLES, 10, 5000), given.whole("paths", PATHS, 0, 5000)


def run(material: Material) -> Found:
    """Rows as `schema.ATTRIBUTION` says.

    Raises:
        InvalidRequest: an option is out of range.
        DataUnavailable: images cannot be read.
    """
    samples, paths = _asked(material.options)
    who, chosen = contender(material), choose(material, samples)
    part = material.images.parts["test"]
    places = {id: position for position, id in enumerate(part.ids)}
    masked, doubted = 0, {"head": sanity.random_head(who), "stage": sanity.random_stage(who)}
    tables = []
    for start in range(0, len(chosen.ids), BLOCK):
        block = Block.of(who, chosen, slice(start, start + BLOCK))
        others = {name: block.maps_of(other) for name, other in doubted.items()}
        grid = block.maps["true"].shape[1:]
        covers = [objects.cover(part, places[id], who.encoder.spec.preprocessing, grid) for id in block.ids]
        masked += sum(cover is not None for cover in covers)
        for role, classes in block.classes.items():
            areas = _areas(who, block, role, range(start, start + len(block.ids)), paths)
            mine = {name: maps[role] for name, maps in others.items()}
            tables.append(_rows(block, role, classes, mine, areas, covers))
    facts = {"samples": len(chosen.ids), "paths": min(paths, len(chosen.ids)), "head": who.head.sha256}
    if part.mask is not None:
        facts["masks"] = masked
    return Found({"attribution": pa.concat_tables(tables).unify_dictionaries()}, facts)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some images with their maps.

    Attributes:
        ids: (B,) sample ids.
        inputs: (B, 3, S, S) normalised.
        classes: (B,) of each role.
        maps: (B, h, w) of each role, in logits per cell.
        scale: standard deviation of the logits over classes, (B,).
    """

    ids: tuple[str, ...]
    inputs: torch.Tensor
    classes: dict[str, NDArray[np.int64]]
    maps: dict[str, NDArray[np.float32]]
    scale: NDArray[np.float32]

    @classmethod
    def of(cls, who: Contender, chosen: Chosen, part: slice) -> "Block":
        """The block of a slice of the chosen images."""
        unit = to_unit(chosen.crops[part]).to(who.encoder.device)
        inputs = normalise(unit, who.encoder.spec.preprocessing)
        read = readout.read(who, inputs)
        logits = read.logits.float().cpu().numpy()
        classes = {"true": chosen.labels[part], "predicted": logits.argmax(axis=1)}
        return cls(chosen.ids[part], inputs, classes, _maps(who, read, classes), logits.std(axis=1))

    def maps_of(self, other: Contender) -> dict[str, NDArray[np.float32]]:
        """The maps of the same classes by another contender."""
        read = readout.read(other, self.inputs, "fp32")
        return _maps(other, read, self.classes)


def _maps(
    who: Contender, read: readout.Readout, classes: dict[str, NDArray[np.int64]]
) -> dict[str, NDArray[np.float32]]:
    device = read.logits.device
    return {
        role: cam.class_maps(who, read, torch.as_tensor(labels, device=device)).float().cpu().numpy()
        for role, labels in classes.items()
    }


def _areas(
    who: Contender, block: Block, role: str, places: Sequence[int], paths: int
) -> list[list[faithfulness.Areas]]:
    """Areas of the map, a random order and the order from the centre, for the first `paths` images, predicted class."""
    if role != "predicted":
        return []
    grid = block.maps[role].shape[1:]
    cells, centre = grid[0] * grid[1], faithfulness.centre_first(*grid)
    found = []
    for i, place in enumerate(places):
        if place >= paths:
            break
        chance = np.random.default_rng(place).permutation(cells)
        orders = [faithfulness.order_of(block.maps[role][i]), chance, centre]
        label = int(block.classes[role][i])
        found.append(faithfulness.areas(who, block.inputs[i], label, orders, (grid[0], grid[1])))
    return found


def _rows(
    block: Block,
    role: str,
    classes: NDArray[np.int64],
    doubted: dict[str, NDArray[np.float32]],
    areas: list[list[faithfulness.Areas]],
    covers: list[NDArray[np.float64] | None],
) -> pa.Table:
    maps = block.maps[role]
    count, (height, width) = len(maps), maps.shape[1:]
    everywhere = np.ones(maps.shape, np.bool_)
    down, right = np.indices((height, width))
    mass = np.maximum(maps, 0)
    total = mass.sum(axis=(1, 2))
    shares = mass / np.where(total > 0, total, np.nan)[:, None, None]
    missing = [[None] * 3] * (count - len(areas))
    paths = [list(each) for each in areas] + missing
    columns: dict[str, object] = {
        "sample_id": list(block.ids),
        "role": [role] * count,
        "class": classes,
        "height": np.full(count, height, np.int16),
        "width": np.full(count, width, np.int16),
        "map": list(maps.reshape(count, -1).astype(np.float16)),
        "evidence": total,
        "degenerate": [metrics.degenerate(m, s) for m, s in zip(maps, np.maximum(block.scale, 1e-12), strict=True)],
        "effective": [metrics.effective_cells(m) for m in maps],
        "gini": [metrics.gini(m) for m in maps],
        "down": ((shares * (down + 0.5)).sum(axis=(1, 2)) / height),
        "right": ((shares * (right + 0.5)).sum(axis=(1, 2)) / width),
        **{f"sanity_{name}": metrics.spearman(maps, other, everywhere) for name, other in doubted.items()},
    }
    for place, name in enumerate(("", "_random", "_centre")):
        for kind in ("deletion", "insertion"):
            columns[kind + name] = [getattr(each[place], kind, None) for each in paths]
    gaussian = metrics.centred_gaussian(height, width)
    found: dict[str, Callable[[NDArray[np.float32], NDArray[np.float64]], float]] = {
        "in_mask": metrics.energy_in_mask,
        "pointing": metrics.pointing_hit,
        "mask_area": lambda _, cover: float(cover.mean()),
        "mask_centre": lambda _, cover: metrics.energy_in_mask(gaussian, cover),
    }
    for name, of in found.items():
        columns[name] = [None if cover is None else of(m, cover) for m, cover in zip(maps, covers, strict=True)]
    return schema.table(columns, schema.ATTRIBUTION)


def _count(options: Mapping[str, Any], name: str, default: int, test: int) -> int:
    return min(int(options.get(name, default)), test)


ATTRIBUTION = Measure(
    id="attribution",
    label="Attribution",
    description="The last layer's map of every test image for its true and its answered class: concentration, "
    "deletion and insertion against a random and a centred order, and agreement with randomised networks.",
    version=1,
    tables=("attribution",),
    options=("samples", "paths"),
    check=_asked,
    run=run,
    passes=lambda options, test: (
        3 * _count(options, "samples", SAMPLES, test)
        + 6 * (faithfulness.STEPS + 1) * _count(options, "paths", PATHS, test)
    ),
    size=lambda options, test: 500.0 * _count(options, "samples", SAMPLES, test),
)
