"""The catalog's entries of timm's encoders, written from the installed timm: a new release is one command.

`invariscope models refresh` writes `catalog/timm_<line>.toml`. What timm states (input, normalisation, licence, where
the file is) is read from its registry; what a tag means is said by `timm_rules`; how the network is cut follows from
its class, and is checked against timm's own forward pass by the tests.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import timm
import tomli_w
import torch
from timm.models import PretrainedCfg

from core.encoders.architectures import Network
from core.encoders.timm_rules import SUSPECT, Rule, reason, rule_of
from core.errors import InvariscopeError

SOURCE = "https://huggingface.co/"
MAPS = {"ResNet": "avg", "RegNet": "avg", "EfficientNet": "avg", "ConvNeXt": "head", "ByobNet": "head"}
POOLED = ("Hiera", "MlpMixer", "SwinTransformer")
TERMS = {"dinov3-license": "dinov3", "seer-license": "seer", "sapiens2-license": "sapiens2"}
LICENCES = {
    "dinov3-license": "DINOv3 License",
    "seer-license": "SEER License",
    "apache-2.0": "Apache-2.0",
    "mit": "MIT",
    "bsd-3-clause": "BSD-3-Clause",
    "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "fair-noncommercial-research-license": "FAIR Noncommercial Research License",
    "apple-ascl": "Apple Sample Code License",
}
SIZES = {"tiny": "T", "small": "S", "base": "B", "large": "L", "huge": "H", "giant": "g"}


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh found.

    Attributes:
        tables: entries by id, by line.
        left_out: timm names that are left out, and why.
        unknown: names that look self-supervised and that no rule knows: someone must read what they are.
    """

    tables: dict[str, dict[str, dict[str, Any]]]
    left_out: dict[str, str]
    unknown: list[str]


@cache
def published(folder: Path) -> dict[str, dict[str, Any]]:
    """Top-1 accuracies by timm name, from `timm_top1.csv` in the catalog's folder."""
    with (folder / "timm_top1.csv").open(newline="") as file:
        return {
            row["name"]: {
                **{key: round(float(row[key]), 2) for key in ("linear", "knn", "supervised") if row[key]},
                "source": row["source"],
            }
            for row in csv.DictReader(file)
        }


def _cut(network: Network) -> tuple[str, str, str]:
    """Layout, pooling recipe and target layer of a network."""
    kind, last = type(network).__name__, network.feature_info[-1]["module"]
    if kind in MAPS:
        return "map", MAPS[kind], last
    if kind == "Xcit":
        return "class-attention", "token", last
    if kind in POOLED or network.global_pool in ("avg", "map"):
        return "pooled-tokens", "head", last
    if network.global_pool == "token":
        return "tokens", "token", f"{last}.norm1"
    raise InvariscopeError(f"timm has a network of class {kind} that no layout cuts; write one, or leave its tags out.")


def _architecture_label(name: str) -> str:
    if found := re.match(r"(vit|deit3?|beit(?:v2)?|eva02|eva)_(\w+?)_patch(\d+)", name):
        size = SIZES.get(found[2], found[2])
        reg = "+reg" if "_reg4" in name else ""
        return f"{ {'vit': 'ViT'}.get(found[1], found[1].upper()).replace('DEIT', 'DeiT') }-{size}/{found[3]}{reg}"
    if found := re.match(r"(convnext(?:v2)?|hiera)_(\w+?)(?:_\d+)?$", name):
        kind = {"convnext": "ConvNeXt", "convnextv2": "ConvNeXt V2", "hiera": "Hiera"}[found[1]]
        return f"{kind}-{SIZES.get(found[2], found[2])}"
    return re.sub(r"^resnet", "ResNet-", name) if re.fullmatch(r"resnet\d+", name) else name


def line_of(architecture: str) -> str:
    """The line of architectures that a timm architecture belongs to."""
    if architecture in ("resnet50", "resnet50_clip"):
        return "resnet50"
    if architecture.startswith("convnext"):
        return "convnext"
    return "vit" if re.match(r"vit|deit|beit|eva|xcit|hiera|swin|aimv2", architecture) else "other"


def _preprocessing(cfg: PretrainedCfg) -> dict[str, Any]:
    # A supervised number was measured at the test resolution where timm states one; that is what is shown.
    size = (cfg.test_input_size or cfg.input_size)[-1]
    crop = cfg.test_crop_pct or cfg.crop_pct
    return {
        "size": size,
        "resize": int(size / crop),
        "interpolation": cfg.interpolation,
        "mean": list(cfg.mean),
        "std": list(cfg.std),
    }


def _weights(name: str, cfg: PretrainedCfg, megabytes: float) -> dict[str, Any]:
    table: dict[str, Any] = {"file": f"{name}.safetensors", "reader": "timm", "megabytes": megabytes}
    if cfg.hf_hub_id:
        table["url"] = f"{SOURCE}{cfg.hf_hub_id}/resolve/main/{cfg.hf_hub_filename or 'model.safetensors'}"
    else:
        # The whole training checkpoint, both encoders and the predictor; the paper evaluates the target encoder.
        table |= {"file": f"{name}.pth.tar", "url": cfg.url, "container": ["target_encoder"], "prefix": "module."}
    if cfg.license in TERMS:
        table["terms"] = TERMS[cfg.license]
    if ".fcmae" in name and "_ft_" not in name:
        table["absent"] = ["head.norm."]
    return table


def entry(name: str, rule: Rule, folder: Path) -> dict[str, Any]:
    """The catalog's table of one timm name; its network is built without memory for parameters."""
    cfg = timm.get_pretrained_cfg(name)
    options: dict[str, Any] = {"global_pool": rule.pool} if rule.pool and name.startswith("vit") else {}
    if "_dinov2." in name:
        options["img_size"] = 224
    with torch.device("meta"):
        network = timm.create_model(name, pretrained=False, **options)
    layout, pooling, target = _cut(network)
    architecture = name.split(".")[0]
    size = sum(p.numel() for p in [*network.parameters(), *network.buffers()]) * 4 / 1e6
    table: dict[str, Any] = {
        "label": f"{_architecture_label(architecture)} · {rule.method}",
        "regime": rule.regime,
        "method": rule.method,
        "architecture": name,
        "line": line_of(architecture),
        "layout": layout,
        "pooling": pooling,
        "target_layer": target,
        "feature_dim": network.head_hidden_size,
        "licence": LICENCES.get(cfg.license, cfg.license or "unknown"),
        "paper": rule.paper,
        "source": f"{SOURCE}{cfg.hf_hub_id}" if cfg.hf_hub_id else "https://github.com/facebookresearch/ijepa",
        "note": rule.note,
        "preprocessing": {**_preprocessing(cfg), **({"size": 224, "resize": 256} if options.get("img_size") else {})},
        "pretraining": {"data": _data(rule, name)},
        "published": published(folder).get(name, {}),
        "covers": [f"timm:{name}"],
        "weights": _weights(name, cfg, round(size, 1)),
    }
    if options:
        table["options"] = options
    if cfg.num_classes == 1000 and ".fb_dino" not in name:
        # Weight and bias are the loaded network's own classifier.
        table["heads"] = [{"task": "imagenet-1k", "weight": "", "bias": "", "pooling": pooling}]
    if ".fb_dino" in name:
        table["weights"]["drop"] = ["head."]
    return table


def _data(rule: Rule, name: str) -> str:
    """What an encoder saw, in order, where the tag says more than the rule."""
    names = {"in1k": "ImageNet-1k", "in12k": "ImageNet-12k", "in21k": "ImageNet-21k", "in22k": "ImageNet-22k"}
    named = [names[part] for part in re.findall(r"in1k|in12k|in21k|in22k", name.split(".", 1)[1])]
    order = list(dict.fromkeys(named))
    first = [] if rule.data in (*names.values(), "ImageNet", "see tag") else [rule.data.split(", then")[0]]
    if not order:
        return rule.data
    return ", then ".join(dict.fromkeys([*first, *order]))


def _tell_apart(tables: dict[str, dict[str, Any]]) -> None:
    """Give encoders of one label their tags, and where those agree too their whole names."""
    for more in (lambda name: name.split(".", 1)[1], lambda name: name):
        counts = Counter(table["label"] for table in tables.values())
        for name, table in tables.items():
            if counts[table["label"]] > 1:
                table["label"] = f"{table['label'].split(' (')[0]} ({more(name)})"


def refresh(folder: Path, taken: Iterable[str]) -> Refreshed:
    """Entries for every tag of the installed timm that a rule knows.

    Args:
        folder: of the catalog, for the published accuracies.
        taken: timm names that the hand-written part of the catalog already covers.
    """
    names = [name for name in timm.list_pretrained() if name not in set(taken)]
    found = {name: entry(name, rule, folder) for name in names if (rule := rule_of(name))}
    _tell_apart(found)
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for name, table in found.items():
        tables.setdefault(table["line"], {})[name] = table
    unknown = [n for n in names if re.search(SUSPECT, n) and n not in found and not reason(n)]
    return Refreshed(tables, {n: why for n in names if (why := reason(n))}, unknown)


def write(folder: Path, refreshed: Refreshed) -> list[Path]:
    """Write `timm_<line>.toml` for each line; the paths."""
    paths = []
    for line, tables in refreshed.tables.items():
        path = folder / f"timm_{line}.toml"
        head = f"# Written by 'invariscope models refresh' from timm {timm.__version__}; do not edit.\n\n"
        path.write_text(head + tomli_w.dumps(tables), encoding="utf-8")
        paths.append(path)
    return paths
