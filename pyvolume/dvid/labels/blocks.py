"""Native label blocks of DVID: voxels in sub-blocks of 8³, each with a short list of labels.

A block is little-endian. It has the number of sub-blocks along x, y and z, and the labels of the block. A block of
several labels also has, for each sub-block, how many labels it lists, and where these are in the labels of the block.
Then, for each voxel, it has the place of its label in the list of the sub-block. A place has as many bits as the list
needs, the most significant bit first; in a list of one label it has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

SIDE = 8
"""Side of a sub-block in voxels."""

VOXELS = SIDE**3
"""Voxels of a sub-block, which are the labels that it can have."""

LONGEST = 128
"""The most sub-blocks along an axis."""

TOGETHER = 1 << 12
"""Sub-blocks that are calculated with at once, 16 MiB of voxels; more only if one layer of them is larger."""

FEW = 32
"""Labels up to which the voxels of a sub-block are compared with each; more are sorted."""

_BITS = np.array([max(0, count - 1).bit_length() for count in range(VOXELS + 1)], np.uint8)
"""Bits of a voxel, by the number of labels of its sub-block."""

_HEAD, _LABEL, _COUNT, _INDEX = (np.dtype(code) for code in ("<u4", "<u8", "<u2", "<u4"))

Bytes: TypeAlias = "bytes | bytearray | memoryview"

_Found: TypeAlias = "tuple[NDArray[np.intp], int | NDArray[np.uint16], NDArray[np.uint64]]"
"""Numbers of sub-blocks, places in their lists, and the labels there."""


def encode(voxels: NDArray[np.uint64]) -> bytes:
    """Return the native block of voxels.

    Parameters
    ----------
    voxels : ndarray of uint64, shape (x, y, z)
        In any memory order; each side is a multiple of 8 from 8 to 1024.

    Raises
    ------
    ValueError
        For other sides, another number of axes, or another dtype.

    Examples
    --------
    >>> len(encode(np.full((64, 64, 64), 7, "uint64")))
    24
    """
    tiles = _tiles(voxels)
    slabs = [_listed(np.ascontiguousarray(part, np.uint64).reshape(-1, VOXELS)) for part in _layers(tiles)]
    flat = np.concatenate([slab.labels for slab in slabs])
    labels = np.unique(flat)
    head = np.array([*tiles.shape[2::-1], len(labels)], _HEAD)
    parts = [head.tobytes(), labels.astype(_LABEL).tobytes()]
    if len(labels) > 1:
        parts += [slab.counts.astype(_COUNT).tobytes() for slab in slabs]
        parts.append(np.searchsorted(labels, flat).astype(_INDEX).tobytes())
        parts += [slab.values.tobytes() for slab in slabs]
    return b"".join(parts)


def decode(data: Bytes, out: NDArray[np.uint64]) -> None:
    """Fill an array with the voxels of a native block.

    Parameters
    ----------
    data : bytes-like
        The whole block.
    out : ndarray of uint64, shape (x, y, z)
        In any memory order. What it holds after an error is undefined.

    Raises
    ------
    ValueError
        If the block is broken, or has another shape than `out`.

    Examples
    --------
    >>> voxels = np.arange(512, dtype="uint64").reshape(8, 8, 8)
    >>> found = np.zeros_like(voxels)
    >>> decode(encode(voxels), found)
    >>> bool((found == voxels).all())
    True
    """
    tiles = _tiles(out)
    gz, gy, gx = tiles.shape[:3]
    parts = _Parts(memoryview(data).cast("B"))
    lists = _parsed(parts, (gx, gy, gz))
    parts.finish()
    if isinstance(lists, int):
        out[...] = lists
        return
    starts = np.cumsum(lists.counts, dtype=np.int64) - lists.counts
    places = np.cumsum(_BITS[lists.counts], dtype=np.int64) - _BITS[lists.counts]
    first = 0
    for part in _layers(tiles):
        number = part.shape[0] * gy * gx
        rows = np.zeros((number, VOXELS), np.uint64)
        which = slice(first, first + number)
        _fill(rows, lists, starts[which], places[which], lists.counts[which])
        part[...] = rows.reshape(part.shape)
        first += number


@dataclass(frozen=True)
class _Lists:
    """The lists of labels of sub-blocks.

    Parameters
    ----------
    counts : ndarray of uint16
        The number of labels of each sub-block.
    labels : ndarray of uint64
        The labels of all lists, one list after the other.
    values : ndarray of uint8
        The bytes with the places of the voxels in their list.
    """

    counts: NDArray[np.uint16]
    labels: NDArray[np.uint64]
    values: NDArray[np.uint8]


def _tiles(voxels: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a view of voxels with the axes z, y, x of sub-blocks, and z, y, x in a sub-block.

    Raises
    ------
    ValueError
    """
    if voxels.dtype.newbyteorder("=") != np.uint64:
        raise ValueError(f"expected voxels of uint64 and found {voxels.dtype}")
    if voxels.ndim != 3 or any(side % SIDE or not 0 < side <= LONGEST * SIDE for side in voxels.shape):
        raise ValueError(
            f"expected three sides that are multiples of {SIDE} up to {LONGEST * SIDE} and found {voxels.shape}"
        )
    gx, gy, gz = (side // SIDE for side in voxels.shape)
    return voxels.reshape(gx, SIDE, gy, SIDE, gz, SIDE).transpose(4, 2, 0, 5, 3, 1)


def _layers(tiles: NDArray[np.uint64]) -> Iterator[NDArray[np.uint64]]:
    """Cut tiles along z into parts that are calculated with at once."""
    step = max(1, TOGETHER // (tiles.shape[1] * tiles.shape[2]))
    for first in range(0, tiles.shape[0], step):
        yield tiles[first : first + step]


class _Parts:
    """The parts of a block, taken one after the other."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def take(self, dtype: np.dtype[Any], number: int, what: str) -> NDArray[Any]:
        """Return the next values.

        Raises
        ------
        ValueError
            If there are fewer bytes.
        """
        begin, end = self._at, self._at + number * dtype.itemsize
        if end > len(self._data):
            raise ValueError(f"expected {number} {what} up to byte {end} and found {len(self._data)} bytes")
        self._at = end
        return np.frombuffer(self._data[begin:end], dtype)

    def finish(self) -> None:
        """Check that there is nothing else.

        Raises
        ------
        ValueError
        """
        if self._at != len(self._data):
            raise ValueError(f"expected a label block of {self._at} bytes and found {len(self._data)}")


def _parsed(parts: _Parts, shape: tuple[int, int, int]) -> _Lists | int:
    """Return the lists of a block of so many sub-blocks along x, y and z; or its label, if it has one only.

    Raises
    ------
    ValueError
    """
    *found, number = parts.take(_HEAD, 4, "numbers in the head").tolist()
    if tuple(found) != shape:
        raise ValueError(f"expected a label block of {shape} sub-blocks and found one of {tuple(found)}")
    if number == 0:
        raise ValueError("expected a label block with labels and found one without")
    labels = parts.take(_LABEL, number, "labels")
    if number == 1:
        return int(labels[0])
    counts = parts.take(_COUNT, shape[0] * shape[1] * shape[2], "counts").astype(np.uint16)
    if counts.max() > VOXELS:
        raise ValueError(f"expected up to {VOXELS} labels in a sub-block and found {counts.max()}")
    indices = parts.take(_INDEX, int(counts.sum(dtype=np.int64)), "indices")
    if indices.size and indices.max() >= number:
        raise ValueError(f"expected indices of {number} labels and found {indices.max()}")
    nbytes = int(_BITS[counts].sum(dtype=np.int64)) * VOXELS // 8
    values = parts.take(np.dtype(np.uint8), nbytes, "bytes of voxels")
    return _Lists(counts, labels[indices].astype(np.uint64, copy=False), values)


def _fill(
    rows: NDArray[np.uint64],
    lists: _Lists,
    starts: NDArray[np.int64],
    places: NDArray[np.int64],
    counts: NDArray[np.uint16],
) -> None:
    """Fill rows of zeros with the voxels of sub-blocks.

    Parameters
    ----------
    rows : ndarray of uint64, shape (n, 512)
        The voxels of `n` sub-blocks.
    lists : _Lists
        Of the block.
    starts, places : ndarray of int, shape (n,)
        Where the list of each sub-block begins, and its values, in units of 64 bytes.
    counts : ndarray of int, shape (n,)
        The labels of each sub-block.

    Raises
    ------
    ValueError
    """
    single = counts == 1
    rows[single] = lists.labels[starts[single], np.newaxis]
    widths = _BITS[counts]
    for bits in np.unique(widths[widths > 0]).tolist():
        which = np.flatnonzero(widths == bits)
        nbytes = bits * VOXELS // 8
        packed = sliding_window_view(lists.values, nbytes)[places[which] * (VOXELS // 8)]
        values = _unpacked(packed, bits)
        if (values.max(axis=1) >= counts[which]).any():
            raise ValueError(
                "expected a label of the list of its sub-block for each voxel and found one behind its end"
            )
        rows[which] = lists.labels[starts[which, np.newaxis] + values]


def _unpacked(packed: NDArray[np.uint8], bits: int) -> NDArray[np.intp]:
    """Return numbers of some bits, up to 9, from rows of bytes."""
    groups = packed.reshape(len(packed), -1, bits)  # 8 numbers have as many bytes as a number has bits
    values = np.empty((*groups.shape[:2], 8), np.intp)
    for nth in range(8):
        byte, skipped = divmod(nth * bits, 8)
        left = 8 - skipped - bits
        if left >= 0:
            values[..., nth] = (groups[..., byte] >> left) & ((1 << bits) - 1)
        else:
            pair = groups[..., byte].astype(np.uint16) << 8 | groups[..., byte + 1]
            values[..., nth] = (pair >> (8 + left)) & ((1 << bits) - 1)
    return values.reshape(len(packed), -1)


def _packed(values: NDArray[np.uint16], bits: int) -> NDArray[np.uint8]:
    """Return rows of bytes from rows of numbers of some bits, up to 9."""
    numbers = values.reshape(len(values), -1, 8)
    groups = np.zeros((*numbers.shape[:2], bits), np.uint8)
    for nth in range(8):
        byte, skipped = divmod(nth * bits, 8)
        pair = numbers[..., nth] << (16 - skipped - bits)
        groups[..., byte] |= (pair >> 8).astype(np.uint8)
        if skipped + bits > 8:
            groups[..., byte + 1] |= pair.astype(np.uint8)
    return groups.reshape(len(values), -1)


def _listed(rows: NDArray[np.uint64]) -> _Lists:
    """Return the lists of sub-blocks, one for each row of voxels."""
    counts = np.ones(len(rows), np.uint16)
    found: list[_Found] = [(np.arange(len(rows)), 0, rows[:, 0])]
    mixed = np.flatnonzero((rows != rows[:, :1]).any(axis=1))
    values = _places(rows[mixed], mixed, counts, found)
    starts = np.cumsum(counts, dtype=np.int64) - counts
    labels = np.empty(int(counts.sum(dtype=np.int64)), np.uint64)
    for which, nth, each in found:
        labels[starts[which] + nth] = each
    return _Lists(counts, labels, _joined(values, counts[mixed]))


def _joined(values: NDArray[np.uint16], counts: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Return the bytes of sub-blocks, one after the other."""
    widths = _BITS[counts]
    nbytes = widths.astype(np.int64) * (VOXELS // 8)
    places = np.cumsum(nbytes) - nbytes
    joined = np.empty(int(nbytes.sum()), np.uint8)
    for bits in np.unique(widths).tolist():
        which = np.flatnonzero(widths == bits)
        windows = sliding_window_view(joined, bits * VOXELS // 8, writeable=True)
        windows[places[which]] = _packed(values[which], bits)
    return joined


def _places(
    rows: NDArray[np.uint64], which: NDArray[np.intp], counts: NDArray[np.uint16], found: list[_Found]
) -> NDArray[np.uint16]:
    """Return for each voxel its place in the list of its sub-block.

    Parameters
    ----------
    rows : ndarray of uint64
        The voxels of some sub-blocks, of which none has one label only.
    which : ndarray of int
        The numbers of these sub-blocks.
    counts : ndarray of uint16
        Set for these sub-blocks to the number of labels.
    found : list
        Gets the labels of the lists behind the first one.
    """
    places = np.zeros(rows.shape, np.uint16)
    at, part, voxels = np.arange(len(rows)), places, rows
    others = rows != rows[:, :1]  # the voxels whose label is not in the list yet
    for nth in range(1, FEW):
        part += others
        left = others.any(axis=1)
        if np.count_nonzero(left) * 2 <= len(at):
            places[at] = part
            if not left.any():
                return places
            at, voxels, others = at[left], voxels[left], others[left]
            part, left = places[at], np.ones(len(at), bool)
        labels = voxels[np.arange(len(at)), others.argmax(axis=1)]
        found.append((which[at[left]], nth, labels[left]))
        counts[which[at[left]]] += 1
        others &= voxels != labels[:, np.newaxis]
    places[at] = part
    many = at[others.any(axis=1)]
    order = np.argsort(rows[many], axis=1)
    ordered = np.take_along_axis(rows[many], order, axis=1)
    is_new = np.ones(ordered.shape, bool)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=is_new[:, 1:])
    ranks = np.cumsum(is_new, axis=1, dtype=np.uint16) - np.uint16(1)
    places[many[:, np.newaxis], order] = ranks
    counts[which[many]] = ranks[:, -1] + 1
    found.append((which[many[np.nonzero(is_new)[0]]], ranks[is_new], ordered[is_new]))
    return places
