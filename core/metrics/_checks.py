"""Argument validation shared by the metrics: numpy arrays out, or a ValueError that names the argument.

Every message reads "name: expected ..., got ...". A metric that is undefined on well-formed input (an AUROC without
errors, say) is not an error: it is nan, and its docstring says when.
"""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]

# Rows of probabilities may miss a sum of 1 by this much: half-precision softmax over a thousand classes does.
SUM_TOLERANCE = 1e-2
# Single-precision rounding takes a probability this far past 0 or 1.
RANGE_TOLERANCE = 1e-6


def bad(name: str, expected: str, got: object) -> ValueError:
    """The error to raise for the argument `name`."""
    return ValueError(f"{name}: expected {expected}, got {got}")


def array(name: str, value: ArrayLike, shape: str, kinds: str = "biuf") -> NDArray[np.generic]:
    """`value` as a non-empty array whose number of axes is that of `shape`, such as "(N, K)" or "(…, K)".

    `kinds` are the accepted numpy dtype kinds: b bool, i and u integers, f floats.
    """
    try:
        result = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise bad(name, f"an array of shape {shape}", f"what is no array ({error})") from error
    axes = [axis for axis in shape.strip("()").replace(" ", "").split(",") if axis]
    fits = result.ndim >= len(axes) - 1 if "…" in axes else result.ndim == len(axes)
    if not fits:
        raise bad(name, f"shape {shape}", f"shape {result.shape}")
    if result.dtype.kind not in kinds:
        raise bad(name, "integers" if kinds == "iu" else "numbers", f"dtype {result.dtype}")
    if result.size == 0:
        raise bad(name, "at least one value", f"shape {result.shape}")
    return result


def floats(name: str, value: ArrayLike, shape: str) -> FloatArray:
    """`value` as finite float64 with the number of axes of `shape`."""
    result = array(name, value, shape).astype(np.float64, copy=False)
    unusable = result.size - np.count_nonzero(np.isfinite(result))
    if unusable:
        raise bad(name, "finite numbers", f"{unusable} NaN or infinite")
    return result


def units(name: str, value: ArrayLike, shape: str) -> FloatArray:
    """`value` as float64 in [0, 1], rounding past the ends clipped."""
    result = floats(name, value, shape)
    low, high = result.min(), result.max()
    if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
        raise bad(name, "values in [0, 1]", f"values in [{low:g}, {high:g}]")
    return np.clip(result, 0.0, 1.0)


def distributions(name: str, value: ArrayLike, shape: str = "(N, K)") -> FloatArray:
    """`value` as float64 probabilities whose last axis sums to 1."""
    result = units(name, value, shape)
    total = result.sum(axis=-1)
    if np.any(np.abs(total - 1) > SUM_TOLERANCE):
        raise bad(name, "rows that sum to 1", f"sums in [{total.min():g}, {total.max():g}]")
    return result


def labels(name: str, value: ArrayLike, length: int | None = None, classes: int | None = None) -> IntArray:
    """`value` as (N,) integers, `length` of them and in [0, classes) where those are given."""
    result = array(name, value, "(N,)", kinds="iu").astype(np.int64, copy=False)
    if length is not None and len(result) != length:
        raise bad(name, f"shape ({length},)", f"shape {result.shape}")
    if classes is not None and (result.min() < 0 or result.max() >= classes):
        raise bad(name, f"integers in [0, {classes})", f"values in [{result.min()}, {result.max()}]")
    return result


def flags(name: str, value: ArrayLike, shape: tuple[int, ...] | str = "(N,)") -> BoolArray:
    """`value` as bool of a given shape (a tuple) or number of axes (such as "(N,)"); zeros and ones also do."""
    if isinstance(shape, tuple):
        result = array(name, value, str(shape))
        if result.shape != shape:
            raise bad(name, f"shape {shape}", f"shape {result.shape}")
    else:
        result = array(name, value, shape)
    truth = result == 1
    if not np.all(truth | (result == 0)):
        raise bad(name, "true or false (1 or 0)", "other values")
    return np.asarray(truth, dtype=np.bool_)


def same_shape(name: str, value: FloatArray | IntArray, other_name: str, other: FloatArray | IntArray) -> None:
    """Refuse `value` when its shape differs from `other`'s."""
    if value.shape != other.shape:
        raise bad(name, f"the shape of {other_name}, {other.shape}", f"shape {value.shape}")


def number(name: str, value: float, low: float = -math.inf, high: float = math.inf, *, inside: bool = False) -> float:
    """`value` as a float in [low, high], or in (low, high) when `inside`."""
    left, right = ("(", ")") if inside else ("[" if low > -math.inf else "(", "]" if high < math.inf else ")")
    try:
        result = float(value)
    except (TypeError, ValueError) as error:
        raise bad(name, "a number", repr(value)) from error
    if not (low < result < high if inside else low <= result <= high) or math.isinf(result):
        raise bad(name, f"a number in {left}{low:g}, {high:g}{right}", f"{result:g}")
    return result


def whole(name: str, value: int, low: int, high: int | None = None) -> int:
    """`value` as an int of at least `low` and at most `high`."""
    wanted = f"a whole number of at least {low}" if high is None else f"a whole number in [{low}, {high}]"
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
        raise bad(name, wanted, repr(value))
    if high is not None and value > high:
        raise bad(name, wanted, repr(value))
    return int(value)


def choice(name: str, value: str, options: tuple[str, ...]) -> str:
    """`value`, which must be one of `options`."""
    if value not in options:
        raise bad(name, f"one of {', '.join(options)}", repr(value))
    return value


def generator(name: str, value: np.random.Generator) -> np.random.Generator:
    """`value`, which must be a numpy Generator: a bare seed would restart the same stream in every call."""
    if not isinstance(value, np.random.Generator):
        raise bad(name, "a numpy.random.Generator", repr(value))
    return value


def unit_rows(name: str, value: ArrayLike, least: int = 1) -> FloatArray:
    """(N, D) rows scaled to length 1; at least `least` rows, and none of them zero, as zero has no direction."""
    result = rows(name, value, least)
    length = np.linalg.norm(result, axis=1, keepdims=True)
    if not length.all():
        raise bad(name, "rows with a direction", f"only zeros in row {int(np.argmin(length))}")
    return result / length


def rows(name: str, value: ArrayLike, least: int = 1) -> FloatArray:
    """(N, D) finite float64 with at least `least` rows."""
    result = floats(name, value, "(N, D)")
    if len(result) < least:
        raise bad(name, f"at least {least} rows", f"shape {result.shape}")
    return result


def ascending(name: str, value: ArrayLike, least: int = 1) -> FloatArray:
    """(S,) finite float64, strictly increasing, at least `least` of them."""
    result = floats(name, value, "(S,)")
    if len(result) < least:
        raise bad(name, f"at least {least} values", f"shape {result.shape}")
    if np.any(np.diff(result) <= 0):
        raise bad(name, "strictly ascending values", np.array2string(result, threshold=8))
    return result
