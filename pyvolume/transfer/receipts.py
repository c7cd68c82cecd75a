"""Receipts: which voxels an operation has read or written, with their checksum."""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyvolume.codecs import raw
from pyvolume.indexing.selection import Selection
from pyvolume.model.box import Box
from pyvolume.model.release import release

Action: TypeAlias = 'Literal["read", "write"]'


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Which voxels one operation has read or written; made by `receipts`.

    Parameters
    ----------
    action : "read" or "write"
        What was done.
    address : str
        The url of the volume, with the full uuid of the version, the level, and whatever else decides about the
        voxels. `pyvolume.open` takes it. An array in memory has none that another process understands.
    box : Box
        The smallest box around the voxels, in absolute coordinates, channel first.
    step : tuple of int, or None
        Every how many of the voxels of the box, one entry per axis; negative where the array goes backwards. None for
        lists of indices and masks, whose voxels the script alone tells.
    shape : tuple of int
        Of the array that was returned or given. An axis at one index is missing, as in numpy.
    dtype : str
        Of the volume, such as ``"uint16"``.
    nbytes : int
        Of the voxels.
    sha256 : str
        SHA-256, in hexadecimal, of the voxels in Fortran order (the first axis of the array varies fastest) and in
        little-endian byte order. In numpy: ``array.astype("<u2").tobytes(order="F")`` for uint16. Axes of length 1 make
        no difference.
    when : datetime
        When the operation had ended, in UTC.
    pyvolume : str
        The version of pyvolume.

    Examples
    --------
    >>> import hashlib, numpy as np, pyvolume
    >>> array = np.arange(24, dtype="uint16").reshape(1, 2, 3, 4)
    >>> volume = pyvolume.from_array(array)
    >>> with pyvolume.receipts() as receipts:
    ...     voxels = volume[0, :, ::2]
    >>> (receipt,) = receipts
    >>> receipt.box, receipt.step
    (Box(0:1, 0:2, 0:3, 0:4), (1, 1, 2, 1))
    >>> mine = hashlib.sha256(voxels.astype("<u2").tobytes(order="F"))
    >>> mine.hexdigest() == receipt.sha256
    True
    """

    action: Action
    address: str
    box: Box
    step: tuple[int, ...] | None
    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    sha256: str
    when: datetime
    pyvolume: str

    def to_document(self) -> dict[str, Any]:
        """Return the receipt as values of JSON; the time is text in ISO 8601."""
        return {
            "action": self.action,
            "address": self.address,
            "start": list(self.box.start),
            "stop": list(self.box.stop),
            "step": None if self.step is None else list(self.step),
            "shape": list(self.shape),
            "dtype": self.dtype,
            "bytes": self.nbytes,
            "sha256": self.sha256,
            "when": self.when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "pyvolume": self.pyvolume,
        }

    def to_json(self) -> str:
        """Return `to_document` as text on one line."""
        return json.dumps(self.to_document())

    def __str__(self) -> str:
        facts = self.to_document()
        steps = "" if self.step is not None and set(self.step) == {1} else f", step {self.step}"
        return (
            f"{self.action} {self.box}{steps} of {self.address}: {self.nbytes} bytes of {self.dtype}, "
            f"sha256 {self.sha256}, {facts['when']}, pyvolume {self.pyvolume}"
        )


Keeper: TypeAlias = Callable[[Receipt], object]

keeping: contextvars.ContextVar[tuple[Keeper, ...]] = contextvars.ContextVar("pyvolume receipts", default=())
"""Who keeps the receipts of the operations of the present block; nobody, and nothing is hashed then."""


@contextlib.contextmanager
def kept_by(keepers: tuple[Keeper, ...]) -> Iterator[None]:
    """Give the receipts of the operations of a block to more keepers, once to each."""
    token = keeping.set(tuple(dict.fromkeys((*keeping.get(), *keepers))))
    try:
        yield
    finally:
        keeping.reset(token)


def keep(*receipts: Receipt) -> None:
    """Give receipts of voxels, at least one, to whoever keeps those of the present block."""
    for keeper in keeping.get():
        for each in receipts:
            if each.nbytes:
                keeper(each)


def receipt_of(
    action: Action, address: str, selection: Selection, voxels: NDArray[Any], dtype: np.dtype[Any]
) -> Receipt:
    """Make the receipt for voxels that have moved, in the shape of the selection; values are cast to the dtype."""
    digest = hashlib.sha256()
    for part in raw.encode(voxels, dtype.newbyteorder("<")):
        digest.update(part)
    is_listed = selection.points is not None
    return Receipt(
        action=action,
        address=address,
        box=selection.box,
        step=None if is_listed else tuple(map(_step, selection.by_axis)),
        shape=tuple(voxels.shape),
        dtype=dtype.name,
        nbytes=voxels.size * dtype.itemsize,
        sha256=digest.hexdigest(),
        when=datetime.now(UTC),
        pyvolume=release(),
    )


def _step(item: object) -> int:
    return item.step if isinstance(item, range) and len(item) > 1 else 1
