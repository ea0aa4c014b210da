"""Labelled images: sets that can be asked for by id, image folders, and archives of those."""

from core.datasets import medmnist_sets, torchvision_sets
from core.datasets.sklearn_sets import Digits
from core.datasets.spec import Adapter

DATASETS: dict[str, Adapter] = {**torchvision_sets.entries(), **medmnist_sets.entries(), "digits": Digits()}
"""Every set that can be asked for by id."""
