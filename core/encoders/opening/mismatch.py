"""Why a file does not fit a network, guessed from names and shapes alone."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

Shapes = dict[str, tuple[int, ...]]

HEADS = ("fc.", "head.", "heads.", "classifier.", "linear.", "last_linear.", "head_dist.", "online_classifier.")
PROJECTORS = (
    "projection_head.",
    "projection.",
    "projector.",
    "proj_head.",
    "predictor.",
    "prototypes.",
    "prediction_head.",
    "decoder.",
    "mask_token",
    "masked_embed",
    "head_jig.",
    "queue",
)
"""Beginnings of what self-supervised training puts behind or beside an encoder and throws away."""

UNFINISHED = {
    "_mask": "it is pruned, with masks apart from weights: torch.nn.utils.prune.remove(module, 'weight') joins them",
    ".parametrizations.": (
        "its weights are parametrised: torch.nn.utils.parametrize.remove_parametrizations makes them plain"
    ),
    "fake_quant": "it is prepared for quantisation: save the network's state_dict() from before that",
    "activation_post_process": "it is prepared for quantisation: save the network's state_dict() from before that",
    "_packed_params": "its weights are quantised, which cannot be undone: save the network's state_dict() from before",
    "_flat_param": (
        "it is one process's part of a network that FSDP spread over several: gather it there before saving "
        "(StateDictType.FULL_STATE_DICT)"
    ),
    ".lora_": "it holds LoRA's adapters beside or without the network: merge them first (merge_and_unload())",
}
"""Parts of names that tools of PyTorch leave in a network that is not finished, and how to finish it."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What differs between a network and a file; every part may be empty.

    Attributes:
        wanted: shapes of the network's tensors.
        found: shapes of the file's, under the names they have after the cut and the key map.
        missing: names only of the network that the file should have.
        extra: names only of the file.
        reshaped: names of both whose shapes differ.
    """

    wanted: Shapes
    found: Shapes
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    reshaped: tuple[str, ...]

    @property
    def listing(self) -> str:
        """How many names differ, and the first three of each kind."""
        return "; ".join(
            f"{len(keys)} {what} such as {', '.join(keys[:3])}"
            for what, keys in (
                ("missing", self.missing),
                ("unexpected", self.extra),
                ("of another shape", self.reshaped),
            )
            if keys
        )

    @property
    def guess(self) -> str:
        """The likeliest reason, as a clause."""
        return (
            self._saved_otherwise()
            or self._prefix()
            or self._only_other_parts()
            or self._depth()
            or self._stem()
            or self._shape()
            or self._parts_beside()
            or "it is another architecture, or the same under names of another kind"
        )

    @property
    def is_another(self) -> bool:
        """Whether another network would fit, rather than another file."""
        return not (self._saved_otherwise() or self._stem())

    def _saved_otherwise(self) -> str:
        """What lies in the file is no state dict of a finished network."""
        for part, clause in UNFINISHED.items():
            if any(part in name for name in self.extra):
                return clause
        if self.reshaped and all(0 in self.found[name] or not self.found[name] for name in self.reshaped):
            return (
                "its tensors are empty, as DeepSpeed's ZeRO-3 leaves them: join the parts with zero_to_fp32.py, which "
                "stands in the checkpoint's folder"
            )
        if self.missing and all(name.endswith(("running_mean", "running_var")) for name in self.missing):
            return (
                "only parameters were saved (named_parameters()), without BatchNorm's statistics: save the network's "
                "state_dict()"
            )
        return ""

    def _prefix(self) -> str:
        """Half or more of the missing names are there behind, or without, one beginning."""
        absent, present = set(self.missing), set(self.extra)
        longer = _beginnings((key, absent) for key in present)
        shorter = _beginnings((key, present) for key in absent)
        for counted, clause in (
            (longer, "the prefix is another: the file's names begin with '{}' where the network's begin"),
            (shorter, "the prefix is another: too much was cut, the network's names begin with '{}' before the file's"),
        ):
            if counted:
                beginning, count = counted.most_common(1)[0]
                if 2 * count >= len(absent):
                    return clause.format(beginning)
        return ""

    def _only_other_parts(self) -> str:
        """None of the network's own names is there, and the file's are those of a head or projector."""
        if self.extra and not self.wanted.keys() & self.found.keys() and _begin(self.extra, HEADS + PROJECTORS):
            return f"the file holds only a head or projector ({_tops(self.extra)}), not the encoder"
        return ""

    def _depth(self) -> str:
        ends_wanted, ends_found = _ends(self.wanted), _ends(self.found)
        for stem in ends_wanted.keys() & ends_found.keys():
            wanted, found = ends_wanted[stem] + 1, ends_found[stem] + 1
            differing = self.missing if wanted > found else self.extra
            stems = {match[1] for key in differing for match in re.finditer(r"(?=(.*?\.|^)\d+\.)", key)}
            if wanted != found and any(key.startswith(stem) for key in stems | set(differing)):
                kind = "deeper" if found > wanted else "shallower"
                return f"it is of a {kind} network: {found} of '{stem}N' where the network has {wanted}"
        return ""

    def _stem(self) -> str:
        """The first convolution alone differs: it reads other channels, or is the small one of CIFAR networks."""
        convolutions = [name for name in self.reshaped if len(self.found[name]) == 4 and len(self.wanted[name]) == 4]
        if len(self.reshaped) != 1 or not convolutions or self.wanted[convolutions[0]][1] != 3:
            return ""
        name = convolutions[0]
        found, wanted = self.found[name], self.wanted[name]
        if found[1] != 3:
            return f"its first layer reads {found[1]} channel{'' if found[1] == 1 else 's'} where pictures have 3"
        if found[2:] == (3, 3) and wanted[2:] != (3, 3):
            side = f"{wanted[2]}×{wanted[3]}"
            return f"it has the stem of CIFAR networks: {name} is 3×3 in the file and {side} in the network"
        return ""

    def _shape(self) -> str:
        if not self.reshaped:
            return ""
        names = self.reshaped
        key = next((name for name in names if len(self.found[name]) > 1), names[0])
        which = f"{key} is {_times(self.found[key])} in the file and {_times(self.wanted[key])} in the network"
        if all("pos_embed" in name or "relative_position" in name for name in names):
            return f"it is for another input or patch size: {which}"
        for name in (name for name in names if name.endswith("patch_embed.proj.weight")):
            found, wanted = self.found[name][2:], self.wanted[name][2:]
            if found != wanted:
                return f"its patches are of {_times(found)} pixels where the network's are of {_times(wanted)}"
        spatial = [name for name in names if len(self.found[name]) == 4 and len(self.wanted[name]) == 4]
        if len(spatial) == len(names) and all(self.found[n][:2] == self.wanted[n][:2] for n in names):
            return f"it is another architecture, of other kernel or patch sizes: {which}"
        sizes = [(_numbers(self.found[name]), _numbers(self.wanted[name])) for name in names]
        if all(found > wanted for found, wanted in sizes):
            return f"it is another architecture, the file is of a wider network: {which}"
        if all(found < wanted for found, wanted in sizes):
            return f"it is another architecture, the file is of a narrower network: {which}"
        return f"it is another architecture: {which}"

    def _parts_beside(self) -> str:
        """Nothing is missing; there is more than the network has."""
        if self.missing or self.reshaped:
            return ""
        if _begin(self.extra, HEADS):
            return f"the file has a head ({_tops(self.extra)}) where none is expected; the entry should drop it"
        if _begin(self.extra, PROJECTORS):
            return f"the file has parts of the pre-training ({_tops(self.extra)}) that the entry should drop"
        return f"the file has parts ({_tops(self.extra)}) that the entry should drop, or it is another architecture"


def beginnings(keys: Iterable[str]) -> str:
    """The commonest two-part beginnings of names, for people: "'module.encoder_q.' (318), 'module.queue' (1)"."""
    counted = Counter(".".join(parts[:2]) + ("." if len(parts) > 2 else "") for parts in (k.split(".") for k in keys))
    return ", ".join(f"'{beginning}' ({count})" for beginning, count in counted.most_common(3))


def _beginnings(pairs: Iterable[tuple[str, set[str]]]) -> Counter[str]:
    """What stands before the names of a set in longer names: the count of every beginning, parts divided by dots."""
    counted: Counter[str] = Counter()
    for key, endings in pairs:
        for match in re.finditer(r"\.", key):
            if key[match.end() :] in endings:
                counted[key[: match.end()]] += 1
    return counted


def _begin(keys: Iterable[str], beginnings: tuple[str, ...]) -> bool:
    return all(key.startswith(beginnings) for key in keys)


def _tops(keys: Iterable[str]) -> str:
    return ", ".join(f"'{top}'" for top in dict.fromkeys(key.partition(".")[0] + "." for key in keys))


def _ends(names: Iterable[str]) -> dict[str, int]:
    """The highest number that follows each beginning: {'blocks.': 11}."""
    ends: dict[str, int] = {}
    for key in names:
        for match in re.finditer(r"(?:(?<=\.)|^)(\d+)(?=\.)", key):
            stem = key[: match.start()]
            ends[stem] = max(ends.get(stem, 0), int(match[1]))
    # Longest runs first: a depth is told by blocks, not by the two layers of an MLP.
    return dict(sorted(ends.items(), key=lambda item: -item[1]))


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "one number"


def _numbers(shape: tuple[int, ...]) -> int:
    count = 1
    for side in shape:
        count *= side
    return count
