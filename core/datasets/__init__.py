"""Labelled images: sets that can be asked for by id, image folders, and archives of those."""

from core.datasets.medmnist_sets import medmnist_sets
from core.datasets.sklearn_sets import Digits
from core.datasets.spec import Adapter
from core.datasets.torchvision_sets import torchvision_sets

DATASETS: dict[str, Adapter] = {**torchvision_sets(), **medmnist_sets(), "digits": Digits()}
"""Every set that can be asked for by id."""
