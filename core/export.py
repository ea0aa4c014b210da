"""Files that leave the app: tables with provenance, maps with a manifest. Written whole or not at all."""

import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

import core
from core.encoders.preprocess import display_crop
from core.errors import InvalidRequest
from core.files import place, whole_file
from core.images.image import SafeImage, encode_png, seen_of
from core.plots import overlay
from core.readout import Contender
from core.tasks import task

SCHEMA = 1


def provenance(contenders: Sequence[Contender]) -> dict[str, Any]:
    """What a number must carry to be traced: versions, device, and each encoder's weights and head."""
    device = contenders[0].encoder.device
    return {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "invariscope": core.__version__,
        "torch": torch.__version__,
        "device": str(device),
        "contenders": [
            {
                "encoder": c.encoder.spec.id,
                "regime": c.encoder.spec.regime,
                "weights_sha256": c.encoder.sha256,
                "task": c.head.task,
                "head_protocol": c.head.protocol,
                "temperature": c.head.temperature,
            }
            for c in contenders
        ],
    }


def seen_box(contender: Contender, image: SafeImage) -> list[float]:
    """Left, top, right, bottom of what a contender sees, in pixels of the file's upright image."""
    recipe = contender.encoder.spec.preprocessing
    return [round(edge, 2) for edge in seen_of(image, recipe.size / recipe.resize)]


def write_parquet(table: pd.DataFrame, path: Path, facts: dict[str, Any]) -> None:
    """Write a table with its provenance in the file's own metadata (key `invariscope`).

    Raises:
        InvalidRequest: the place cannot be written to.
    """
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), b"invariscope": json.dumps(facts).encode()})
    try:
        with whole_file(path) as file:
            pq.write_table(arrow, file)
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be written: {error.strerror or error}. Choose another --out.") from error


def map_archive(values: NDArray[np.float32], facts: dict[str, Any]) -> bytes:
    """A raw map and its facts as the bytes of an `.npz` file (arrays `map` and `facts`, the latter JSON)."""
    import io

    buffer = io.BytesIO()
    np.savez_compressed(buffer, map=values, facts=np.array(json.dumps(facts)))
    return buffer.getvalue()


def write_maps(
    folder: Path,
    image: SafeImage,
    contenders: Sequence[Contender],
    maps: Sequence[NDArray[np.float32]],
    targets: Sequence[int],
    scale: float,
    method: str,
) -> dict[str, Any]:
    """Write `<encoder>.png`, `<encoder>.npz` and `manifest.json` into a folder, and return the manifest.

    Overlays share one scale, the largest magnitude of all maps.

    Raises:
        InvalidRequest: the folder cannot be written.
    """
    classes = task(contenders[0].head.task).classes
    entries = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Built beside the goal and moved at the end: a full disk leaves no half-written set.
        with tempfile.TemporaryDirectory(dir=folder) as name:
            for contender, values, target in zip(contenders, maps, targets, strict=True):
                spec = contender.encoder.spec
                crop = display_crop(image.rgb, spec.preprocessing)
                picture = overlay.blend(crop, values, scale, opacity=0.65)
                facts = {"encoder": spec.id, "class": classes[target], "method": method, "digest": image.digest}
                (Path(name) / f"{spec.id}.png").write_bytes(encode_png(picture))
                (Path(name) / f"{spec.id}.npz").write_bytes(map_archive(values, facts))
                entries.append(
                    facts
                    | {
                        "overlay": str(folder / f"{spec.id}.png"),
                        "raw": str(folder / f"{spec.id}.npz"),
                        "grid": list(values.shape),
                        "seen": seen_box(contender, image),
                        "largest": float(values.max()),
                        "smallest": float(values.min()),
                    }
                )
            shown = {"size": list(image.size), "fit": image.fit, "notes": list(image.notes)}
            manifest = provenance(contenders) | {"digest": image.digest, **shown, "scale": scale, "maps": entries}
            (Path(name) / "manifest.json").write_text(json.dumps(manifest, indent=2))
            for file in Path(name).iterdir():
                place(file, folder / file.name)
    except OSError as error:
        raise InvalidRequest(f"{folder} cannot be written: {error.strerror or error}. Choose another --out.") from error
    return manifest
