"""A training recipe: what a family shares, and what one of its members may differ in.

A family is one TOML file, or what it changes of a packaged `base`. Its top level holds for every member; a member's
own table may set what `OWN` names and nothing else, so that two members differ in where the training signal comes from
and in what a method itself is. A pair is controlled because the file cannot say otherwise.
"""

import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import InvalidRequest, UnknownName
from core.pretraining.augment import Policy

FOLDER = Path(__file__).parent / "recipes"
OWN = frozenset(("method", "learning_rate", "options", "seed", "policy", "epochs"))
"""What a member may set. `policy` and `epochs` make it an uncontrolled one on purpose: a plainer augmentation, none."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one member of a family is trained.

    Attributes:
        id: of the encoder that comes out.
        family: name of the network as people read it; the label is family and method.
        method: key of `METHODS`.
        architecture: key of `core.encoders.architectures`.
        size: side of the input in pixels, at the end of training and in use.
        every: one class in `every` is used; 1 is all of them.
        epochs: passes over the training images; every image is seen in two views in each.
        sizes: pairs (share of the epochs, side in pixels), in order; shares sum to 1.
        batch: images per step; their views are twice as many.
        learning_rate: peak, reached after the warm-up, then cosine to zero.
        warmup: epochs of linear warm-up.
        weight_decay: on matrices and kernels only, decoupled.
        policy: the augmentation of a training view.
        options: what only this method knows (temperature, width of the projector, …).
        seed: of everything random.
    """

    id: str
    family: str
    method: str
    architecture: str
    size: int
    every: int
    epochs: int
    sizes: tuple[tuple[float, int], ...]
    batch: int
    learning_rate: float
    warmup: float
    weight_decay: float
    policy: Policy
    options: dict[str, float]
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


def _family(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        if base := table.pop("base", None):
            table = _family(FOLDER / f"{base}.toml") | table
        if not isinstance(table.get("members"), dict):
            raise ValueError("it has no table of members")
        return table
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError) as error:
        raise InvalidRequest(f"{path} is not a family of recipes: {error}.") from error


def names() -> list[str]:
    """The recipes that come with the package, as `small/simclr`."""
    return sorted(f"{path.stem}/{member}" for path in FOLDER.glob("*.toml") for member in _family(path)["members"])


def load(name: str) -> Recipe:
    """The recipe called `name`: a packaged `family/member`, or `path/of/family.toml/member`.

    Raises:
        UnknownName: there is no such family or member.
        InvalidRequest: the file is no family of recipes, or a member sets what the family shares.
    """
    file, _, member = name.rpartition("/")
    path = FOLDER / f"{file}.toml"
    if not path.is_file():
        path = Path(file)
    if not path.is_file():
        raise UnknownName("recipe", name, names())
    shared = _family(path)
    members = shared.pop("members")
    if member not in members:
        raise UnknownName("recipe", name, [f"{file}/{each}" for each in members])
    own = members[member]
    if foreign := sorted(own.keys() - OWN):
        raise InvalidRequest(
            f"{path}: {member} sets {', '.join(foreign)}, which the whole family shares. Set it at the top of the file."
        )
    table = {"options": {}, "seed": 0} | shared | own
    try:
        given = table.pop("policy", {})
        policy: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in given.items()}
        table["sizes"] = tuple((float(share), int(size)) for share, size in table["sizes"])
        return Recipe(id=member, policy=Policy(**policy), **table)
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        raise InvalidRequest(f"{path} is not a family of recipes: {error}. Start from {FOLDER}.") from error
