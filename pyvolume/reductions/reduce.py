"""Reductions with the arguments and the dtypes of numpy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pyvolume.reductions.accumulators import Accumulator, Deviation, FloatSum, Folded, WideSum
from pyvolume.reductions.stream import Stream

Name: TypeAlias = Literal["min", "max", "mean", "sum", "std", "any", "all"]
Axis: TypeAlias = "int | tuple[int, ...] | None"

UFUNCS: Mapping[Name, np.ufunc] = {
    "min": np.minimum, "max": np.maximum, "any": np.logical_or, "all": np.logical_and, "sum": np.add,
}  # fmt: skip


def reduce(
    stream: Stream,
    name: Name,
    axis: Axis = None,
    *,
    dtype: DTypeLike | None = None,
    out: NDArray[Any] | None = None,
    keepdims: bool = False,
    initial: object = None,
    ddof: float = 0,
) -> Any:
    """Reduce a stream as the function of numpy of this name reduces an array.

    Parameters
    ----------
    stream : Stream
        The voxels.
    name : str
        Of the function.
    axis, dtype, out, keepdims, initial, ddof
        As for numpy; no `initial` is None.

    Returns
    -------
    ndarray or scalar
        Of numpy's dtype. A sum of integers that it cannot hold is an `int` of Python, or an array of them.

    Raises
    ------
    numpy.exceptions.AxisError, ValueError, TypeError
        As numpy.
    """
    if dtype is None and out is not None and name == "sum":
        dtype = out.dtype
    options: dict[str, Any] = {"axis": axis, "keepdims": keepdims} | ({} if dtype is None else {"dtype": dtype})
    ndim, function = stream.box.ndim, getattr(np, name)
    small: Any = function(np.zeros((1,) * ndim, stream.dtype), **options)  # it checks the arguments
    if not stream.box.size:
        more: dict[str, Any] = {} if initial is None else {"initial": initial}
        more |= {"ddof": ddof} if name == "std" else {}
        return _put(function(np.empty(stream.box.shape, stream.dtype), **options, **more), out)
    axes = tuple(range(ndim)) if axis is None else tuple(each % ndim for each in np.atleast_1d(axis).tolist())
    found = _accumulated(stream, name, axes, small.dtype, wraps=dtype is not None, ddof=ddof)
    if initial is not None:
        found = UFUNCS[name](found, initial, dtype=found.dtype)
    kept = tuple(n for at, n in enumerate(found.shape) if keepdims or at not in axes)
    return _put(found.reshape(kept, order="F"), out)


def _put(result: Any, out: NDArray[Any] | None) -> Any:
    """Return a result, in `out` if that is given; without axes it is a scalar."""
    if out is None:
        return result[()]
    if out.shape != np.shape(result):
        raise ValueError(f"out: expected an array of shape {np.shape(result)} and found {out.shape}")
    np.copyto(out, result, casting="same_kind")
    return out


def _accumulated(
    stream: Stream, name: Name, axes: tuple[int, ...], dtype: np.dtype[Any], *, wraps: bool, ddof: float
) -> NDArray[Any]:
    """Return the result, in which a reduced axis has the length 1."""
    shape = tuple(1 if axis in axes else n for axis, n in enumerate(stream.box.shape))
    if name == "std":
        deviation = _run(stream, Deviation(shape, stream.dtype), axes)
        return deviation.deviations(ddof).astype(dtype)
    if name == "mean" or (name == "sum" and dtype != np.bool_):
        truncates = wraps and dtype.kind in "iu"
        sums: Any = WideSum(shape) if truncates or stream.dtype.kind in "biu" else FloatSum(shape, stream.dtype)
        _run(stream, sums, axes, dtype if truncates else stream.dtype)
        if name == "sum":
            fits = wraps or not isinstance(sums, WideSum) or sums.fits(dtype)
            return sums.sums(dtype if fits else np.dtype(object))  # type: ignore[no-any-return]
        number = math.prod(stream.box.shape[axis] for axis in axes)
        means: NDArray[Any] = sums.sums(dtype if truncates else np.result_type(stream.dtype, np.float64)) / number
        return means.astype(dtype)
    ufunc = np.logical_or if name == "sum" else UFUNCS[name]
    return _run(stream, Folded(shape, stream.dtype, ufunc), axes).values.astype(dtype, copy=False)


AnyAccumulator = TypeVar("AnyAccumulator", bound=Accumulator)


def _run(
    stream: Stream, accumulator: AnyAccumulator, axes: tuple[int, ...], dtype: np.dtype[Any] | None = None
) -> AnyAccumulator:
    """Give an accumulator all voxels, cast to a dtype."""
    for part, voxels in stream:
        place = tuple(slice(0, 1) if axis in axes else each for axis, each in enumerate(part))
        accumulator.add(place, voxels if dtype is None else voxels.astype(dtype, copy=False), axes)
    return accumulator
