"""Trains the controlled family: same data, same architecture, another regime. One method a file."""

from core.pretraining.random import Random
from core.pretraining.simclr import SimCLR
from core.pretraining.supervised import Supervised

METHODS = {
    "supervised": Supervised,
    "simclr": SimCLR,
    "random": Random,
}
