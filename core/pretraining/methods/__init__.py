"""What a member learns from, one method a file. A method is an `nn.Module` that carries its own facts."""

from core.pretraining.methods.barlow_twins import BarlowTwins
from core.pretraining.methods.base import Method
from core.pretraining.methods.random import Random
from core.pretraining.methods.simclr import SimCLR
from core.pretraining.methods.supcon import SupCon
from core.pretraining.methods.supervised import Supervised
from core.pretraining.methods.vicreg import VICReg

METHODS: dict[str, type[Method]] = {
    "supervised": Supervised,
    "simclr": SimCLR,
    "barlow-twins": BarlowTwins,
    "vicreg": VICReg,
    "supcon": SupCon,
    "random": Random,
}
