"""The catalog: every encoder that can be asked for, by id.

Published encoders are tables in `catalog/*.toml`. Packaged ones describe themselves in
`assets/models/<id>/card.toml`, so that a retrained member needs no second edit.
"""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from core.encoders.spec import EncoderSpec, NativeHead, Preprocessing, Pretraining, WeightFile
from core.errors import UnknownName
from core.paths import ASSETS

CATALOG = Path(__file__).parent / "catalog"


def _tuples(table: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def parse(id: str, table: dict[str, Any]) -> EncoderSpec:
    """The entry that a TOML table describes.

    Raises:
        TypeError: a field is missing or not known.
    """
    fields = dict(table)
    weights = WeightFile(**_tuples(fields.pop("weights")))
    heads = []
    for head in fields.pop("heads", []):
        own = head.get("weights")
        file = WeightFile(**_tuples(own)) if own else weights
        heads.append(NativeHead(**{**head, "weights": file}))
    return EncoderSpec(
        id=id,
        weights=weights,
        heads=tuple(heads),
        preprocessing=Preprocessing(**_tuples(fields.pop("preprocessing"))),
        pretraining=Pretraining(**fields.pop("pretraining")),
        **fields,
    )


@cache
def encoders() -> dict[str, EncoderSpec]:
    """All entries by id: the packaged family first, then the published ones in catalog order."""
    found = {}
    cards = {path.parent.name: card(path.parent.name) for path in ASSETS.glob("models/*/card.toml")}
    order = {"supervised": 0, "self-supervised": 1, "random": 2}
    for id, table in sorted(cards.items(), key=lambda item: (order.get(item[1]["encoder"]["regime"], 3), item[0])):
        found[id] = parse(id, table["encoder"])
    for path in sorted(CATALOG.glob("*.toml")):
        for id, table in tomllib.loads(path.read_text()).items():
            found[id] = parse(id, table)
    return found


def card(id: str) -> dict[str, Any]:
    """The card of a packaged encoder: its entry, recipe, and measured numbers. Empty for any other."""
    path = ASSETS / "models" / id / "card.toml"
    return tomllib.loads(path.read_text()) if path.is_file() else {}


def encoder_spec(id: str) -> EncoderSpec:
    """The entry called `id`.

    Raises:
        UnknownName: there is none.
    """
    try:
        return encoders()[id]
    except KeyError:
        raise UnknownName("encoder", id, encoders()) from None
