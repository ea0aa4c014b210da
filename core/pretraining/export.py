"""Turns a trained network into a packaged encoder: half-precision weights, its log, and its card."""

import datetime
import json
import tomllib
from pathlib import Path
from typing import Any

import tomli_w
import torch
from safetensors.torch import save_file

import core
from core.encoders.architectures import Network
from core.encoders.files import weights
from core.heads.linear import LinearHead
from core.pretraining.loop import Epoch, write_log
from core.pretraining.methods import METHODS
from core.pretraining.recipe import Recipe


def write_weights(network: Network, folder: Path) -> str:
    """Write `weights.safetensors` in float16 and return its SHA-256; integer buffers keep their type."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        key: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for key, value in network.state_dict().items()
    }
    save_file(tensors, folder / "weights.safetensors")
    (folder / "weights.safetensors").chmod(0o644)  # safetensors writes for the owner alone
    return weights.sha256_of(folder / "weights.safetensors")


def entry(recipe: Recipe, network: Network, data: str, digest: str) -> dict[str, Any]:
    """The catalog entry of a member, as TOML values."""
    method, size = METHODS[recipe.method], recipe.size
    return {
        "label": f"{recipe.family} · {method.title}" + (f", seed {recipe.seed}" if recipe.seed else ""),
        "regime": method.regime,
        "method": method.title,
        "architecture": recipe.architecture,
        "layout": "map",
        "pooling": "avg",
        "target_layer": network.feature_info[-1]["module"],
        "feature_dim": network.num_features,
        "licence": "Apache-2.0 (trained on research-use images)",
        "paper": method.paper,
        "source": "trained by this project with 'invariscope pretrain'",
        "note": "",
        "preprocessing": {"size": size, "resize": size, "interpolation": "bilinear"},
        "pretraining": {
            "data": data,
            "epochs": recipe.epochs,
            "augmentation": recipe.policy.words() if recipe.epochs else "none",
            "seed": recipe.seed,
        },
        "weights": {
            "file": f"models/{recipe.id}/weights.safetensors",
            "packaged": True,
            "sha256": digest,
            "megabytes": 0.0,
        },
    }


def export(
    recipe: Recipe, network: Network, history: list[Epoch], data: str, device: torch.device, assets: Path
) -> Path:
    """Write `models/<id>/` below an assets folder: weights, log and card (without measured numbers); returns it."""
    folder = assets / "models" / recipe.id
    digest = write_weights(network, folder)
    write_log(folder / "training.csv", history)
    table = entry(recipe, network, data, digest)
    table["weights"]["megabytes"] = round((folder / "weights.safetensors").stat().st_size / 1e6, 2)
    card = {
        "encoder": table,
        # Through JSON: tuples become lists, which is all TOML knows.
        "recipe": json.loads(json.dumps(recipe.summary())),
        "provenance": {
            "date": datetime.date.today().isoformat(),
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
            "training_seconds": round(sum(epoch.seconds for epoch in history)),
            "parameters": sum(p.numel() for p in network.parameters()),
            "torch": torch.__version__,
            "invariscope": core.__version__,
        },
    }
    write_card(card, folder)
    return folder


def write_card(card: dict[str, Any], folder: Path) -> None:
    """Write `card.toml`."""
    (folder / "card.toml").write_bytes(tomli_w.dumps(card).encode())


def add_measured(head: LinearHead, encoder_id: str, assets: Path) -> None:
    """Put a head's measured numbers on the card of its encoder."""
    folder = assets / "models" / encoder_id
    card = tomllib.loads((folder / "card.toml").read_text(encoding="utf-8"))
    card.setdefault("measured", {})[head.task] = {
        key: head.facts[key] for key in ("linear_top1", "knn_top1", "train_images", "test_images")
    }
    write_card(card, folder)
