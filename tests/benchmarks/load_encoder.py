"""How long a published checkpoint takes from disk to the first answer, and what switching between two encoders costs.

Run from the root of the repository:

    python tests/benchmarks/load_encoder.py [--runs 7]

It writes checkpoints of the published layout with random weights into a temporary weights folder: a ResNet-50 and a
ViT-S/16, each with its head in the same file. Every run loads encoder and head from the file and reads one image; the
plain way beside it draws first values, reads and hashes the file for the network and again for the head, and copies.
Imports are not counted, and the file is in the system's cache, as after a download. It prints JSON.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core import devices, readout, samples  # noqa: E402
from core.encoders import architectures, encoder, preprocess  # noqa: E402
from core.encoders.encoder import Encoder  # noqa: E402
from core.encoders.files import hashes  # noqa: E402
from core.encoders.opening import reading  # noqa: E402
from core.encoders.registry import encoder_spec  # noqa: E402
from core.encoders.resident import Residents  # noqa: E402
from core.encoders.spec import EncoderSpec  # noqa: E402
from core.heads import store  # noqa: E402
from core.readout import Contender  # noqa: E402

IDS = ("resnet50-supervised", "deit-s")
TASK = "imagenet-1k"
LIMIT_SECONDS = 2.0
SWITCHES = 2000


def made_up(id: str, folder: Path) -> EncoderSpec:
    """The entry without the published hash, for the file that this writes: random weights in the published layout."""
    spec = encoder_spec(id)
    file = replace(spec.weights, sha256="")
    torch.manual_seed(0)
    content: Any = timm.create_model(spec.architecture).state_dict()
    for key in reversed(file.container):
        content = {key: content}
    torch.save(content, folder / file.file)
    return replace(spec, weights=file, heads=tuple(replace(head, weights=file) for head in spec.heads))


def plain(spec: EncoderSpec, device: torch.device) -> Contender:
    """The straightforward way: first values, and the file hashed and read by each who needs something of it."""
    path = Path(os.environ["INVARISCOPE_WEIGHTS"]) / spec.weights.file
    digest = hashes.sha256_of(path)
    network = architectures.build(spec.architecture, spec.options)
    tensors = reading.state_dict(spec.weights)
    network.load_state_dict({key: value for key, value in tensors.items() if not key.startswith(spec.weights.drop)})
    loaded = encoder.freeze(spec, network, device, digest)
    return Contender(loaded, store.load(loaded, TASK))


def quick(spec: EncoderSpec, device: torch.device) -> Contender:
    """The way of the app."""
    loaded = encoder.load(spec.id, device)
    return Contender(loaded, store.load(loaded, TASK))


def first_answer(
    way: Callable[[EncoderSpec, torch.device], Contender], spec: EncoderSpec, device: torch.device, image: Tensor
) -> tuple[float, Tensor]:
    """Seconds from the file to the logits of one image, and the logits."""
    start = time.perf_counter()
    # On the CPU, so that a GPU is waited for.
    logits = readout.read(way(spec, device), image).logits.cpu()
    return time.perf_counter() - start, logits


def switching(specs: dict[str, EncoderSpec], device: torch.device) -> float:
    """Microseconds to get the other of two resident encoders."""
    known: dict[str, Encoder] = {}

    def load(id: str, device: torch.device, progress: object) -> Encoder:
        return known.setdefault(id, encoder.load(id, device))

    residents = Residents(load, lambda device: 10**10, specs.__getitem__)
    for id in specs:
        residents.get(id, device)
    ids = tuple(specs) * (SWITCHES // len(specs))
    start = time.perf_counter()
    for id in ids:
        residents.get(id, device)
    return (time.perf_counter() - start) / len(ids) * 1e6


def measure(runs: int, device: torch.device) -> dict[str, Any]:
    """Medians by encoder, and of switching."""
    found: dict[str, Any] = {"device": str(device), "threads": torch.get_num_threads(), "runs": runs}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["INVARISCOPE_WEIGHTS"] = folder
        specs = {id: made_up(id, Path(folder)) for id in IDS}
        encoder.encoder_spec = specs.__getitem__
        for id, spec in specs.items():
            crop = preprocess.model_crops([samples.image("cat").rgb], spec.preprocessing)
            image = preprocess.normalise(preprocess.to_unit(crop), spec.preprocessing)
            times: dict[str, list[float]] = {"plain": [], "load": []}
            answers = {}
            for run in range(runs + 1):
                for name, way in (("plain", plain), ("load", quick)):
                    took, answers[name] = first_answer(way, spec, device, image)
                    # The first of each warms the file and the libraries up; it is no different for either.
                    if run:
                        times[name].append(took)
            if not torch.equal(answers["plain"], answers["load"]):
                raise SystemExit(f"{id}: the two ways give different answers.")
            median = {name: statistics.median(all) for name, all in times.items()}
            found[id] = {
                "file_mb": round((Path(folder) / spec.weights.file).stat().st_size / 1e6, 1),
                "seconds_to_first_answer": round(median["load"], 3),
                "plain_seconds": round(median["plain"], 3),
                "times_as_fast": round(median["plain"] / median["load"], 2),
                "slowest_seconds": round(max(times["load"]), 3),
            }
        found["switch_microseconds"] = round(switching(specs, device), 1)
    return found


def main() -> int:
    """Measure and print; 1 when the limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="loads to measure of each way")
    parser.add_argument("--device", default="cpu", help="auto, cpu or cuda")
    arguments = parser.parse_args()
    found = measure(arguments.runs, devices.pick(arguments.device))
    print(json.dumps(found, indent=2))
    return int(any(found[id]["seconds_to_first_answer"] > LIMIT_SECONDS for id in IDS))


if __name__ == "__main__":
    sys.exit(main())
