"""What timm's tags mean (`catalog/timm_rules.toml`), and why some are left out (`catalog/left_out.toml`)."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

from core.encoders.registry import CATALOG
from core.encoders.spec import Regime

SUSPECT = (
    r"dino|\bmae|moco|swav|simclr|byol|ijepa|_mim|beit|seer|ibot|\bmsn|ssl|fcmae|eupe|radio|\bcapi|franca|data2vec"
)
"""What a name looks like that may be self-supervised; one that neither a rule nor an exclusion knows is reported."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a set of tags is.

    Attributes:
        pattern: of the whole name, architecture and tag.
        regime: how its members were pre-trained.
        method: the training method's usual name.
        data: what they saw.
        paper: short reference.
        note: what a reader must know before comparing.
        pool: the pooling that upstream uses where timm's default is another.
    """

    pattern: str
    regime: Regime
    method: str
    data: str
    paper: str
    note: str = ""
    pool: str = ""


@cache
def _data(name: str) -> dict[str, Any]:
    return tomllib.loads((CATALOG / name).read_text(encoding="utf-8"))


def rule_of(name: str) -> Rule | None:
    """The first rule that fits a timm name; None where none does, or where it is left out."""
    if reason(name):
        return None
    rules = (Rule(**table) for table in _data("timm_rules.toml")["rules"])
    return next((rule for rule in rules if re.fullmatch(rule.pattern, name)), None)


def reason(name: str) -> str:
    """Why a timm name is left out; empty where it is not."""
    return next((why for pattern, why in _data("left_out.toml")["timm"].items() if re.fullmatch(pattern, name)), "")
