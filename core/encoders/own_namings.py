"""The ways in which a person's file may name the tensors of a network: key maps, children by number, timm's own."""

from core.encoders import timm_files
from core.encoders.architectures import Network
from core.encoders.opening.finding import Naming, Tensors
from core.encoders.opening.keymaps import KEYMAPS, keymap
from core.encoders.own_spelling import patch_of
from core.errors import WeightsInvalid

BY_TIMM = "timm"
"""At the end of what names of a file are changed by: timm's own loader does it, or the rest."""


def namings(blank: Network, drop: tuple[str, ...] = ()) -> dict[str, Naming]:
    """Every way to turn a file's names into a network's, by what its entry will say of it; the plainest first.

    Args:
        blank: the headless network.
        drop: beginnings of the network's names that are not to be used.
    """
    children = [name for name, _ in blank.named_children()]
    firsts = {name.partition(".")[0] for name in blank.state_dict()}
    own = [f"numbered {' '.join(children)}", *(f"inside {child}" for child in children if firsts == {child})]
    plain: dict[str, Naming] = {"": dict, **KEYMAPS, **{keys: keymap(keys) for keys in own}}
    timms = _by_timm(blank)

    def then_timms(naming: Naming) -> Naming:
        return lambda tensors: timms(naming(tensors))

    found = plain | {f"{keys} {BY_TIMM}".strip(): then_timms(naming) for keys, naming in plain.items()}
    return {keys: _without(drop, naming) for keys, naming in found.items()} if drop else found


def _by_timm(blank: Network) -> Naming:
    """timm's own naming, but for files of other patches, which timm would scale without a word."""
    naming, own = timm_files.naming(blank), patch_of(blank.state_dict())

    def named(tensors: Tensors) -> Tensors:
        if patch_of(tensors) not in (0, own):
            raise WeightsInvalid("its patches are of another size")
        return naming(tensors)

    return named


def _without(drop: tuple[str, ...], naming: Naming) -> Naming:
    return lambda tensors: {key: value for key, value in naming(tensors).items() if not key.startswith(drop)}
