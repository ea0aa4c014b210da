"""A training recipe: one TOML file says all that decides what an encoder becomes."""

import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import InvalidRequest, UnknownName
from core.pretraining.augment import Policy

FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one member of the controlled family is trained.

    Attributes:
        id: of the encoder that comes out.
        label: as people read it.
        regime: one of the regimes of the catalog.
        method: key of `METHODS`.
        architecture: key of `core.encoders.architectures`.
        size: side of the input in pixels, at the end of training and in use.
        every: one class in `every` is used; 1 is all of them.
        epochs: passes over the training images.
        sizes: pairs (share of the epochs, side in pixels), in order; shares sum to 1.
        batch: images per step; a method with two views computes twice as many.
        learning_rate: peak, reached after the warm-up, then cosine to zero.
        warmup: epochs of linear warm-up.
        weight_decay: on weight matrices and kernels only.
        policy: the augmentation of a training view.
        options: what only this method knows (temperature, width of the projector, …).
        compile: whether `torch.compile` pays.
        seed: of everything random.
    """

    id: str
    label: str
    regime: str
    method: str
    architecture: str
    size: int
    every: int
    epochs: int
    sizes: tuple[tuple[float, int], ...]
    batch: int
    learning_rate: float
    warmup: int
    weight_decay: float
    policy: Policy
    options: dict[str, float]
    compile: bool
    seed: int

    def size_at(self, epoch: int) -> int:
        """Side in pixels of the views of an epoch, counted from 0."""
        reached = 0.0
        for share, size in self.sizes:
            reached += share * self.epochs
            if epoch < round(reached):
                return size
        return self.size

    def summary(self) -> dict[str, object]:
        """The recipe as plain values, for the card and for telling two runs apart."""
        return asdict(self)


def names() -> list[str]:
    """The recipes that come with the package, as `small/simclr`."""
    return sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.toml"))


def load(name: str) -> Recipe:
    """The recipe called `name`, or the one in the file of that path.

    Raises:
        UnknownName: neither a packaged recipe nor a file.
        InvalidRequest: the file is no recipe.
    """
    path = FOLDER / f"{name}.toml"
    if name not in names():
        path = Path(name)
        if not path.is_file():
            raise UnknownName("recipe", name, names())
    try:
        table = tomllib.loads(path.read_text())
        given = table.pop("policy", {})
        policy: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in given.items()}
        table["sizes"] = tuple((float(share), int(size)) for share, size in table["sizes"])
        return Recipe(policy=Policy(**policy), options=table.pop("options", {}), **table)
    except (tomllib.TOMLDecodeError, TypeError, KeyError, ValueError) as error:
        raise InvalidRequest(f"{path} is not a recipe: {error}. Start from one of {', '.join(names())}.") from error
