"""Where in a file the weights of a network are: containers, prefixes and ways of naming, tried by rule.

People's checkpoints wrap the same tensors in many ways: a training script's `state_dict` beside an optimizer, `module.`
of a parallel wrapper, the student beside the teacher. Every place in which all tensors of a network are found is one
that may be meant; of several the usual one is taken, and all are named.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from core.encoders.opening.mismatch import HEADS, PROJECTORS, Mismatch
from core.encoders.opening.reading import compare
from core.encoders.opening.renaming import WRAPPERS, unwrapped
from core.errors import WeightsInvalid

Tensors = dict[str, Tensor]
Naming = Callable[[Tensors], Tensors]

DEEPEST = 4
PREFERRED = {
    "ema": -2,
    "swa": -2,
    "averaged": -2,
    "teacher": -1,
    "student": 1,
    "momentum": 2,
    "k": 2,
    "target": 2,
    "key": 2,
}
"""Words in a container's name or a prefix. Averaged weights are what is published and evaluated, and DINO's teacher is
such an average; of MoCo the query encoder is, of BYOL the online one."""
DOES_NOT_APPLY = (
    *(WeightsInvalid, KeyError, IndexError, ValueError, TypeError, AttributeError, AssertionError),
    *(RuntimeError, NotImplementedError),
)
"""What namings, timm's among them, raise at names that are not theirs."""
SHARE = 0.2
"""Of a container's tensors that a prefix must have to be tried, or half as many as the network has."""
COMPUTED = ("relative_position_index", "attn_mask", "relative_coords_table", "inv_freq", "num_batches_tracked")
"""Ends of names that are tables a layer computes for itself, and counters."""
OF_A_TRUNK = r"(norm|ln|bn|conv|block|layer|stage|stem|features|patch_embed|pos_embed|(cls|reg|dist)_token)\w*"
"""First parts of names that belong to a network itself: what has one of these and does not fit is another network."""


@dataclass(frozen=True, slots=True)
class Place:
    """Tensors that fit a network, and what lies beside them.

    Attributes:
        container: keys that lead to them inside the file.
        prefix: what all their names begin with.
        keys: how their names become the network's; a key of the namings that were tried, empty for as they are.
        drop: beginnings of names, after the prefix is cut and the names are changed, that the network does not have.
        left: what of the file is not used, in words.
        fitted: what was scaled to the network's input, in words.
        marks: of wrapped parts that were cut out of names behind the prefix.
    """

    container: tuple[str, ...]
    prefix: str
    keys: str
    drop: tuple[str, ...]
    left: tuple[str, ...] = ()
    fitted: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Where it is, for people."""
        inside = f"'{'.'.join(self.container)}'" if self.container else "the file's top"
        return inside + (f", prefix '{self.prefix}'" if self.prefix else "")


def bags(content: object, container: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Tensors]]:
    """Every dictionary of a file that holds named tensors, with the keys that lead to it."""
    if not isinstance(content, dict) or len(container) > DEEPEST:
        return
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if tensors:
        # Names and shapes are all that is compared; what renames may also join or flatten, and copies nothing so.
        yield container, {key: value.detach().to("meta") for key, value in tensors.items()}
    for key, value in content.items():
        if isinstance(key, str):
            yield from bags(value, (*container, key))


def every_tensor(content: object) -> Tensors:
    """The named tensors of all containers of a file; of one name the last."""
    return {key: value for _, tensors in bags(content) for key, value in tensors.items()}


def prefixes(names: Iterable[str], wanted: int) -> list[str]:
    """Beginnings that many of the names share, none first: `module.`, `module.encoder_q.`, …

    Args:
        names: of a container's tensors.
        wanted: how many tensors the network has.
    """
    names = list(names)
    enough = min(SHARE * len(names), wanted / 2)
    counted = Counter(name[: dot.end()] for name in names for dot in re.finditer(r"\.", name))
    return ["", *(beginning for beginning, count in counted.items() if count >= enough)]


def places(
    content: object, wanted: Tensors, namings: Mapping[str, Naming], absent: tuple[str, ...] = ()
) -> tuple[list[Place], Mismatch | None]:
    """Every place in which all tensors of a network are found, the usual one first; and what the nearest miss lacks.

    Args:
        content: of the file, nested as it was.
        wanted: the network's tensors.
        namings: functions that turn published names into the network's; any exception says that they do not apply.
        absent: beginnings of names that may be missing.

    Returns:
        Places, and where there is none the mismatch of the tensors that share most names with the network; None for a
        file without named tensors.
    """
    found: list[Place] = []
    nearest: tuple[int, Mismatch] | None = None
    for container, tensors in bags(content):
        inside: list[Place] = []
        for prefix in prefixes(tensors, len(wanted)):
            cut = {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
            if all(name.startswith(WRAPPERS) for name in cut):
                continue  # of which the longer prefix tells more
            if any(_is_part(prefix, place) for place in inside):
                continue
            for keys, naming in namings.items():
                try:
                    named = naming(unwrapped(cut))
                except DOES_NOT_APPLY:
                    continue
                mismatch = compare(wanted, named, absent)
                extra = mismatch.extra
                mismatch = replace(mismatch, extra=_of_the_trunk(extra, wanted))
                if not mismatch.listing:
                    drop = beginnings_of(extra, wanted)
                    marks = tuple(wrapper for wrapper in WRAPPERS if any(wrapper in name for name in cut))
                    words, fitted = _words(drop, named), _fitted(cut, named)
                    inside.append(Place(container, prefix, keys, drop, words, fitted, marks))
                    break
                common = len(wanted.keys() & named.keys())
                if nearest is None or common > nearest[0]:
                    # Names of which none is the network's are told as they are: they say what the file is instead.
                    nearest = common, mismatch if common else replace(mismatch, extra=extra)
        found += _with_neighbours(inside, tensors)
    found.sort(key=lambda place: (_unusual(place), len(place.container), place.prefix))
    return found, None if found or nearest is None else nearest[1]


def _is_part(prefix: str, place: Place) -> bool:
    """Whether names with a longer prefix are those of a place already, and not what is left out there."""
    return prefix.startswith(place.prefix) and not f"{prefix[len(place.prefix) :]}.".startswith(place.drop or ("\0",))


def _of_the_trunk(extra: Iterable[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """Names that the network does not have and that are no head and no part of the training beside it.

    A deeper network of the same width has every tensor of a shallower one, so these may not be left out.
    """

    def part(name: str) -> str:
        return re.sub(r"\d+", "#", name.partition(".")[0])

    own = {part(name) for name in wanted}
    return tuple(
        name
        for name in extra
        if not name.startswith((*HEADS, *PROJECTORS))
        and not name.endswith(COMPUTED)
        and (part(name) in own or re.fullmatch(OF_A_TRUNK, name.partition(".")[0]))
    )


def _words(drop: Iterable[str], tensors: Tensors) -> tuple[str, ...]:
    """Beginnings of names in words: `fc (7 classes)`, `projector (4 tensors)`, `queue`."""
    words = []
    for beginning in drop:
        shapes = {key: value.shape for key, value in tensors.items() if key.startswith(beginning)}
        matrices = [shape for key, shape in shapes.items() if key.endswith("weight") and len(shape) == 2]
        many = f" ({len(shapes)} tensors)" if len(shapes) > 1 else ""
        if beginning.startswith(HEADS) and len(matrices) == 1:
            many = f" ({matrices[0][0]} classes)"
        words.append(beginning.rstrip(".") + many)
    return tuple(words)


def _fitted(before: Tensors, after: Tensors) -> tuple[str, ...]:
    """Tensors of which a naming made others of more or fewer numbers, with the shapes before and after."""
    changed = [key for key, value in after.items() if key in before and before[key].numel() != value.numel()]
    shapes = ("×".join(map(str, tensors[key].shape)) for key in changed[:1] for tensors in (before, after))
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return (f"{changed[0]} from {' to '.join(shapes)}{more}",) if changed else ()


def _with_neighbours(places: list[Place], tensors: Tensors) -> list[Place]:
    """The places of one container, each told of what lies beside all of them."""
    taken = tuple(place.prefix for place in places)
    outside = [key for key in tensors if not key.startswith(taken or ("",))]
    beside = _words(beginnings_of(outside, [key for key in tensors if key.startswith(taken)]), tensors) if taken else ()
    return [replace(place, left=place.left + beside) for place in places]


def _unusual(place: Place) -> int:
    words = re.split(r"[^a-z]+", ".".join((*place.container, place.prefix)).lower())
    return sum(PREFERRED.get(word, 0) for word in words)


def beginnings_of(extra: Iterable[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """The shortest beginnings, a part of a name at a time, that cover all of `extra` and nothing of `wanted`."""
    wanted = list(wanted)
    found: dict[str, None] = {}
    for name in extra:
        ends = [dot.end() for dot in re.finditer(r"\.", name)] + [len(name)]
        short = next(name[:end] for end in ends if not any(other.startswith(name[:end]) for other in wanted))
        found[short] = None
    return tuple(found)


def said(places: list[Place]) -> str:
    """What was taken, what was left out, and what would have fitted too, as sentences."""
    taken, others = places[0], places[1:]
    text = f"Weights taken from {taken.words}"
    text += f", {' and '.join(repr(mark) for mark in taken.marks)} cut out of names" if taken.marks else ""
    text += f", names of '{taken.keys}' changed" if taken.keys else ""
    text += f"; left out: {', '.join(taken.left)}." if taken.left else "."
    text += f" Scaled from an input of another size: {', '.join(taken.fitted)}." if taken.fitted else ""
    if others:
        choices = "; ".join(place.words for place in others[:4])
        text += f" These fit too: {choices}. --container and --prefix choose."
    return text
