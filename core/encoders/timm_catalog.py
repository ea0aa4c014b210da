"""What of the catalog the installed timm writes: its own encoders, and what follows from an architecture.

`invariscope models refresh` writes `catalog/timm/<line>.toml` and `architectures.toml`, so that a new release is one
command. What timm states (input, normalisation, licence, where the file is) is read from its registry; what a tag means
is said by `timm_rules`; how the network is cut follows from its class, and is checked against timm's own forward pass
by the tests.
"""

import csv
import json
import math
import re
from collections import Counter
from functools import cache
from typing import Any

import timm
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import PretrainedCfg

from core.encoders import architectures, skeletons
from core.encoders.architectures import Network
from core.encoders.registry import CATALOG, FACTS, tables, untagged
from core.encoders.spec import Line, Preprocessing
from core.encoders.timm_rules import SUSPECT, Rule, reason, rule_of
from core.errors import InvalidRequest

Table = dict[str, Any]

TIMM = CATALOG / "timm"
HUB = "https://huggingface.co/"
FILE = "model.safetensors"
DEFAULTS: Table = {
    "architecture": "{id}",
    "source": f"{HUB}timm/{{id}}",
    "covers": ["timm:{id}"],
    "preprocessing": {
        "interpolation": "bicubic",
        "mean": list(IMAGENET_DEFAULT_MEAN),
        "std": list(IMAGENET_DEFAULT_STD),
    },
    "weights": {"file": "{id}.safetensors", "url": f"{HUB}timm/{{id}}/resolve/main/{FILE}", "reader": "timm"},
}
"""What an entry of timm's says unless it says otherwise."""
MAPS = {
    "ResNet": "avg",
    "SmallResNet": "avg",
    "RegNet": "avg",
    "EfficientNet": "avg",
    "ConvNeXt": "head",
    "ByobNet": "head",
}
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
LINES: dict[Line, str] = {
    "small": r"resnet-s-64px",
    "resnet50": r"resnet50(-same|_clip)?$",
    "convnext": r"convnext",
    "vit": r"vit|deit|beit|eva|xcit|hiera|swin|aimv2",
}
SIZES = {"tiny": "T", "small": "S", "base": "B", "large": "L", "huge": "H", "giant": "g"}
DATA = {"in1k": "ImageNet-1k", "in12k": "ImageNet-12k", "in21k": "ImageNet-21k", "in22k": "ImageNet-22k"}


@cache
def published() -> dict[str, Table]:
    """Top-1 accuracies by timm name, from `timm/top1.csv` in the catalog."""
    with (TIMM / "top1.csv").open(newline="", encoding="utf-8") as file:
        return {
            row["name"]: {
                **{key: round(float(row[key]), 2) for key in ("linear", "knn", "supervised") if row[key]},
                "source": row["source"],
            }
            for row in csv.DictReader(file)
        }


def _cut(network: Network) -> Table:
    """Layout, pooling recipe and target layer of a network, and the width of its feature."""
    kind, last = type(network).__name__, network.feature_info[-1]["module"]
    pooled = getattr(network, "global_pool", "")
    if kind in MAPS:
        cut = "map", MAPS[kind], last
    elif kind == "Xcit":
        cut = "class-attention", "token", last
    elif kind in POOLED:
        cut = "pooled-tokens", "head", last
    elif _ends_in_a_map(network):
        cut = "map", "head", last
    elif pooled == "token" and hasattr(network, "blocks"):
        cut = "tokens", "token", f"{last}.norm1"
    elif pooled in ("avg", "map"):
        cut = "pooled-tokens", "head", last
    else:
        raise InvalidRequest(f"Networks of timm's class {kind} cannot be cut into a map and a feature here yet.")
    return dict(zip(("layout", "pooling", "target_layer"), cut, strict=True), feature_dim=network.head_hidden_size)


def _ends_in_a_map(network: Network) -> bool:
    """Whether `forward_features` gives a (B, K, h, w) map: told by what comes out, not by the class or its parts."""
    sides = network.pretrained_cfg.get("input_size", (3, 224, 224))[1:]
    device = next(network.parameters()).device
    with torch.inference_mode():
        was_training = network.training
        found = network.eval().forward_features(torch.zeros(1, 3, *sides, device=device))
        network.train(was_training)
    return isinstance(found, torch.Tensor) and found.ndim == 4 and found.shape[1] == network.num_features


def facts_of_network(name: str, network: Network) -> Table:
    """Line, layout, pooling, target layer and width of a built network; `InvalidRequest` where no layout cuts it."""
    return {"line": _line_of(name), **_cut(network)}


def preprocessing_of(network: Network) -> Preprocessing | None:
    """The input that timm's configuration of a network states; None for one that is not timm's.

    Crops are those of training's evaluation (`input_size`, `crop_pct`), as `timm.data.resolve_data_config` gives them.
    """
    if not hasattr(network, "pretrained_cfg"):
        return None
    stated = timm.data.resolve_model_data_config(network)
    size, known = int(stated["input_size"][-1]), "bilinear" if stated["interpolation"] == "bilinear" else "bicubic"
    return Preprocessing(
        size, math.floor(size / stated["crop_pct"]), known, tuple(stated["mean"]), tuple(stated["std"])
    )


def names() -> list[str]:
    """Every network that can be built by name."""
    return [*architectures.OWN, *timm.list_models()]


def _line_of(name: str) -> Line:
    return next((line for line, pattern in LINES.items() if re.match(pattern, name)), "other")


@cache
def facts_of(architecture: str) -> Table:
    """What follows from an architecture as it is built without options."""
    with skeletons.without_memory():
        network = architectures.build(architecture)
    with torch.device("meta"):
        return facts_of_network(architecture, network)


def _architecture_label(name: str) -> str:
    if found := re.match(r"(vit|deit3?|beit(?:v2)?|eva02|eva)_(\w+?)_patch(\d+)", name):
        size = SIZES.get(found[2], found[2])
        reg = "+reg" if "_reg4" in name else ""
        return f"{ {'vit': 'ViT'}.get(found[1], found[1].upper()).replace('DEIT', 'DeiT') }-{size}/{found[3]}{reg}"
    if found := re.match(r"(convnext(?:v2)?|hiera)_(\w+?)(?:_\d+)?$", name):
        kind = {"convnext": "ConvNeXt", "convnextv2": "ConvNeXt V2", "hiera": "Hiera"}[found[1]]
        return f"{kind}-{SIZES.get(found[2], found[2])}"
    return re.sub(r"^resnet", "ResNet-", name) if re.fullmatch(r"resnet\d+", name) else name


def _preprocessing(cfg: PretrainedCfg) -> Table:
    # A supervised number was measured at the test resolution where timm states one; that is what is shown.
    size = (cfg.test_input_size or cfg.input_size)[-1]
    stated = {
        "size": size,
        "resize": int(size / (cfg.test_crop_pct or cfg.crop_pct)),
        "interpolation": cfg.interpolation,
        "mean": list(cfg.mean),
        "std": list(cfg.std),
    }
    return {key: value for key, value in stated.items() if value != DEFAULTS["preprocessing"].get(key)}


def _weights(name: str, cfg: PretrainedCfg, network: Network) -> Table:
    numbers = sum(tensor.numel() for tensor in (*network.parameters(), *network.buffers()))
    table: Table = {"megabytes": round(numbers * 4 / 1e6, 1)}
    if not cfg.hf_hub_id:
        # The whole training checkpoint, both encoders and the predictor; the paper evaluates the target encoder.
        table |= {"file": f"{name}.pth.tar", "url": cfg.url, "container": ["target_encoder"], "prefix": "module."}
    elif cfg.hf_hub_id != f"timm/{name}" or cfg.hf_hub_filename:
        table["url"] = f"{HUB}{cfg.hf_hub_id}/resolve/main/{cfg.hf_hub_filename or FILE}"
    if cfg.license in TERMS:
        table["terms"] = TERMS[cfg.license]
    if ".fcmae" in name and "_ft_" not in name:
        table["absent"] = ["head.norm."]
    if ".fb_dino" in name:
        table["drop"] = ["head."]
    return table


def entry(name: str, rule: Rule) -> Table:
    """What the catalog says of one timm name beyond `DEFAULTS` and `facts_of`; its network is built without memory."""
    cfg = timm.get_pretrained_cfg(name)
    options: Table = {"global_pool": rule.pool} if rule.pool and name.startswith("vit") else {}
    with skeletons.without_memory():
        network = timm.create_model(name, pretrained=False, **options)
    architecture = untagged(name)
    usual = facts_of(architecture)
    table: Table = {
        "label": f"{_architecture_label(architecture)} · {rule.method}",
        "regime": rule.regime,
        "method": rule.method,
        "licence": LICENCES.get(cfg.license, cfg.license or "unknown"),
        "paper": rule.paper,
        "note": rule.note,
        "options": options,
        **{key: value for key, value in _cut(network).items() if value != usual[key]},
        "preprocessing": _preprocessing(cfg),
        "pretraining": {"data": _data(rule, name)},
        "published": published().get(name),
        "weights": _weights(name, cfg, network),
    }
    if not cfg.hf_hub_id:
        table["source"] = "https://github.com/facebookresearch/ijepa"
    elif cfg.hf_hub_id != f"timm/{name}":
        table["source"] = HUB + cfg.hf_hub_id
    if cfg.num_classes == 1000 and ".fb_dino" not in name:
        # Weight and bias are the loaded network's own classifier.
        table["heads"] = [{"task": "imagenet-1k"}]
    return {key: value for key, value in table.items() if value}


def _data(rule: Rule, name: str) -> str:
    """What an encoder saw, in order, where the tag says more than the rule."""
    order = [DATA[part] for part in re.findall("|".join(DATA), name.partition(".")[2])]
    first = [] if rule.data in (*DATA.values(), "ImageNet", "see tag") else [rule.data.split(", then")[0]]
    return ", then ".join(dict.fromkeys([*first, *order])) if order else rule.data


def _tell_apart(found: dict[str, Table]) -> None:
    """Give encoders of one label their tags, and where those agree too their whole names."""
    for more in (lambda name: name.split(".", 1)[1], lambda name: name):
        counts = Counter(table["label"] for table in found.values())
        for name, table in found.items():
            if counts[table["label"]] > 1:
                table["label"] = f"{table['label'].split(' (')[0]} ({more(name)})"


def _by_hand() -> list[Table]:
    """The entries that are kept by hand."""
    paths = [path for path in CATALOG.glob("*/*.toml") if path.parent != TIMM]
    return [table for path in paths for table in tables(path).values()]


def refresh() -> tuple[dict[str, Table], list[str]]:
    """Entries for every tag of the installed timm that a rule knows, and what someone must read.

    Returns:
        The tables by id, without what the catalog covers by hand; and the names that look self-supervised and that
        nothing knows.
    """
    taken = {name.removeprefix("timm:") for table in _by_hand() for name in table.get("covers", ())}
    names = [name for name in timm.list_pretrained() if name not in taken]
    found = {name: entry(name, rule) for name in names if (rule := rule_of(name))}
    _tell_apart(found)
    return found, [n for n in names if re.search(SUSPECT, n) and n not in found and not reason(n)]


def _toml(value: object) -> str:
    """A value as TOML has it, on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(_line(key, item) for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    # TOML's strings, numbers and booleans are JSON's.
    return json.dumps(value, ensure_ascii=False)


def _name(key: str) -> str:
    return key if re.fullmatch(r"[\w-]+", key, re.ASCII) else _toml(key)


def _line(key: str, value: object) -> str:
    return f"{_name(key)} = {_toml(value)}"


def _section(name: str, table: Table) -> str:
    """A table of a TOML file, a field a line."""
    return "\n".join([f"[{_name(name)}]", *(_line(key, value) for key, value in table.items()), ""])


def write(found: dict[str, Table]) -> None:
    """Write timm's entries by line, and what follows from the architectures of the catalog and from our own."""
    head = f"# Written by 'invariscope models refresh' from timm {timm.__version__}; do not edit.\n\n"
    lines: dict[str, dict[str, Table]] = {}
    for name, table in found.items():
        lines.setdefault(facts_of(untagged(name))["line"], {"defaults": DEFAULTS})[name] = table
    for line, entries in lines.items():
        text = "\n".join(_section(name, table) for name, table in entries.items())
        (TIMM / f"{line}.toml").write_text(head + text, encoding="utf-8")
    names = {untagged(name) for name in (*found, *(table["architecture"] for table in _by_hand()), *architectures.OWN)}
    FACTS.write_text(head + "\n".join(_line(n, facts_of(n)) for n in sorted(names)) + "\n", encoding="utf-8")
