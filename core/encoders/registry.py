"""The catalog: every encoder that can be asked for, by id.

Published encoders are tables in `catalog/`, a file a publisher: `authors/` of the method first, then `reproductions/`,
then `timm/`, which `invariscope models refresh` writes. What follows from an architecture stands once, in
`architectures.toml`. Packaged ones describe themselves in
`assets/models/<id>/card.toml`, so that a retrained member needs no second edit. A person's own files are tables in the
weights folder (`core.encoders.own` writes them), and one that is added there is seen at once.
"""

import json
import os
import tomllib
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from core.encoders.spec import (
    LINES,
    REGIMES,
    EncoderSpec,
    NativeHead,
    Preprocessing,
    Pretraining,
    Published,
    WeightFile,
)
from core.errors import UnknownName, WeightsInvalid
from core.paths import ASSETS, own_folder

CATALOG = Path(__file__).parent / "catalog"
FACTS = CATALOG / "architectures.toml"


def untagged(name: str) -> str:
    """The network of a timm name, without the tag of its weights."""
    return name.partition(".")[0]


@cache
def architecture_facts() -> dict[str, dict[str, Any]]:
    """What follows from an architecture, by its name without tag: line, layout, pooling, target layer, width."""
    return tomllib.loads(FACTS.read_text(encoding="utf-8"))


def laid_over(base: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    """A table on top of another one; tables in both are laid over each other too."""
    return base | {
        key: base[key] | value if isinstance(value, dict) and key in base else value for key, value in table.items()
    }


def tables(path: Path) -> dict[str, dict[str, Any]]:
    """The entries of a file of the catalog, each laid over the file's `defaults`, where `{id}` is the entry's name."""
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    defaults = json.dumps(found.pop("defaults", {}))
    return {id: laid_over(json.loads(defaults.replace("{id}", id)), table) for id, table in found.items()}


def _tuples(table: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def _file(table: dict[str, Any]) -> WeightFile:
    return WeightFile(**_tuples(table))


def parse(id: str, table: dict[str, Any]) -> EncoderSpec:
    """The entry that a TOML table describes, laid over what follows from its architecture.

    The fields are those of `EncoderSpec`; `head` is what each of its `heads` is laid over. A head that names no pooling
    reads the encoder's feature; one whose weights name no file is in the encoder's, read as they say.

    Raises:
        KeyError, TypeError: a field is missing or not known.
    """
    fields = laid_over(architecture_facts().get(untagged(table["architecture"]), {}), table)
    weights = fields.pop("weights")
    usual = {"weight": "", "bias": "", "pooling": fields["pooling"]} | fields.pop("head", {})
    heads = [laid_over(usual, head) for head in fields.pop("heads", [])]
    for head in heads:
        own = head.get("weights", {})
        head["weights"] = _file(own if "file" in own else weights | own)
    return EncoderSpec(
        id=id,
        weights=_file(weights),
        heads=tuple(NativeHead(**head) for head in heads),
        preprocessing=Preprocessing(**_tuples(fields.pop("preprocessing"))),
        pretraining=Pretraining(**fields.pop("pretraining")),
        published=Published(**fields.pop("published", {})),
        options=tuple(fields.pop("options", {}).items()),
        covers=tuple(fields.pop("covers", ())),
        **fields,
    )


def encoders() -> dict[str, EncoderSpec]:
    """All entries by id: the packaged family first, then the published ones in catalog order, then a person's own."""
    folder = own_folder()
    state = _state(folder)
    return _with_own(folder, state)[0] if state else _shipped()


def unreadable() -> tuple[str, ...]:
    """What is wrong with entries of a person's own that are left out, a sentence each."""
    folder = own_folder()
    return _with_own(folder, _state(folder))[1]


def _state(folder: Path) -> tuple[tuple[str, int], ...]:
    """Names and times of the entries in a folder: a glance, so that one that was just written is seen at once."""
    try:
        with os.scandir(folder) as inside:
            return tuple(sorted((file.name, file.stat().st_mtime_ns) for file in inside if file.name.endswith(".toml")))
    except OSError:
        return ()


@lru_cache(maxsize=4)
def _with_own(folder: Path, state: tuple[tuple[str, int], ...]) -> tuple[dict[str, EncoderSpec], tuple[str, ...]]:
    found, wrong = dict(_shipped()), []
    for name, _ in state:
        path = folder / name
        try:
            if path.stem in found:
                raise WeightsInvalid("the catalog has an encoder of this name")
            spec = parse(path.stem, tomllib.loads(path.read_text(encoding="utf-8")))
            if spec.regime not in REGIMES or spec.line not in LINES:
                raise WeightsInvalid(f"there is no regime '{spec.regime}' or no line '{spec.line}'")
            found[path.stem] = spec
        except (OSError, ValueError, TypeError, KeyError, AttributeError, WeightsInvalid) as error:
            wrong.append(f"{path} is left out: {error}. Mend it, or delete it and add the file again.")
    return found, tuple(wrong)


@cache
def _shipped() -> dict[str, EncoderSpec]:
    """The packaged and the published entries."""
    found = {}
    cards = {path.parent.name: card(path.parent.name) for path in ASSETS.glob("models/*/card.toml")}
    order = {"supervised": 0, "self-supervised": 1, "random": 2}
    for id, table in sorted(cards.items(), key=lambda item: (order.get(item[1]["encoder"]["regime"], 3), item[0])):
        found[id] = parse(id, table["encoder"])
    for path in sorted(CATALOG.glob("*/*.toml")):
        found |= {id: parse(id, table) for id, table in tables(path).items()}
    return found


def card(id: str) -> dict[str, Any]:
    """The card of a packaged encoder: its entry, recipe, and measured numbers. Empty for any other."""
    path = ASSETS / "models" / id / "card.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def encoder_spec(id: str) -> EncoderSpec:
    """The entry called `id`.

    Raises:
        UnknownName: there is none.
    """
    try:
        return encoders()[id]
    except KeyError:
        raise UnknownName("encoder", id, encoders()) from None
