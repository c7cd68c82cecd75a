"""Access: how the voxels of one volume are read and written."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.calls.progress import Progress
from pyvolume.calls.retry import RetryPolicy
from pyvolume.errors import UnsupportedError, VoxelsMismatchError
from pyvolume.indexing.selection import Selection
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.base import VoxelStore
from pyvolume.stores.locks import Locks, process_locks
from pyvolume.transfer.casting import ArrayLike, Casting, Source, broadcast, castable, check_casting, is_source
from pyvolume.transfer.checks import check_inside
from pyvolume.transfer.engine import Operation, Transfer
from pyvolume.transfer.plan import Plan


@dataclass(frozen=True)
class Access:
    """A store, and what was said about its use when the volume was opened.

    Parameters
    ----------
    store : VoxelStore
    mode, retry, locks, partial_blocks, casting
        As for `Volume`.
    """

    store: VoxelStore
    mode: Literal["r", "r+"] = "r+"
    retry: RetryPolicy = RetryPolicy()
    locks: Locks = dataclasses.field(default_factory=process_locks)
    partial_blocks: Literal["merge", "raise"] = "merge"
    casting: Casting = "checked"

    def __post_init__(self) -> None:
        if self.mode not in {"r", "r+"}:
            raise ValueError(f"volume: mode is 'r' or 'r+', not {self.mode!r}")
        if self.partial_blocks not in {"merge", "raise"}:
            raise ValueError(f"volume: partial_blocks is 'merge' or 'raise', not {self.partial_blocks!r}")
        check_casting(self.casting)

    def __getstate__(self) -> dict[str, Any]:
        fields = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return fields | {"retry": dataclasses.replace(self.retry, on_wait=None)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    @cached_property
    def transfer(self) -> Transfer:
        """What moves the voxels."""
        return Transfer(self.store, self.locks, self.partial_blocks == "merge")

    def begin(self) -> Call:
        """Begin an operation of the user."""
        return Call(self.retry)

    def operation(self, progress: Progress = None, *, confirm: bool = False) -> Operation:
        """Begin an operation that moves voxels."""
        return Operation(self.begin(), progress, confirm)

    def plan(self, selection: Selection, metadata: VoxelsMetadata, *, write: bool) -> Plan:
        """Plan to read or write the selected voxels."""
        voxels = math.prod(selection.shape)
        selection = Selection.of_box(selection.box) if selection.covers_box else selection
        return self.transfer.plan(selection, metadata, voxels=voxels, write=write)

    def read(self, selection: Selection, metadata: VoxelsMetadata) -> Any:
        """Return the selected voxels, as a scalar where the key leaves no axis."""
        result = np.empty(selection.shape, metadata.dtype, order="F")
        if selection.covers_box:
            self.read_into(Selection.of_box(selection.box), selection.in_box(result), metadata, self.operation())
        else:
            self.read_into(selection, result, metadata, self.operation())
        return result if result.ndim else result[()]

    def read_into(
        self, selection: Selection, out: NDArray[Any], metadata: VoxelsMetadata, operation: Operation
    ) -> None:
        """Put the selected voxels into an array of the shape of the selection."""
        check_inside(selection.box, metadata, self.store.traits, growing=False)
        self.transfer.read(selection, out, metadata, operation)

    def post(self, box: Box, array: NDArray[Any] | ArrayLike, metadata: VoxelsMetadata, operation: Operation) -> Box:
        """Write a box, from an array or piece by piece from what has only slices; return the blocks that were sent."""
        self.check_writable("write voxels")
        if is_source(array):
            values: Source | NDArray[Any] = Source(array, metadata.dtype, self.casting)
        else:
            values = castable(array, metadata.dtype, self.casting)
        if values.shape != box.shape:
            raise VoxelsMismatchError(
                f"write voxels: expected an array of shape {box.shape} for {box} and found {values.shape}"
            )
        return self._send(Selection.of_box(box), values, metadata, operation)

    def write(self, selection: Selection, values: object, metadata: VoxelsMetadata, operation: Operation) -> Box:
        """Write values, which are broadcast, where the selection says; return the blocks that were sent."""
        self.check_writable("write voxels")
        array = castable(values, metadata.dtype, self.casting)
        if metadata.bounds.size == 0 and 0 not in array.shape and 0 in selection.shape:
            raise VoxelsMismatchError(
                f"write voxels: the volume is still empty (shape {metadata.shape}), so this key selects nothing of it; "
                "give explicit stops, or use post_ndarray"
            )
        array = broadcast(array, selection.shape)
        if selection.covers_box:
            array, selection = selection.in_box(array), Selection.of_box(selection.box)
        return self._send(selection, array, metadata, operation)

    def _send(
        self, selection: Selection, values: Source | NDArray[Any], metadata: VoxelsMetadata, operation: Operation
    ) -> Box:
        check_inside(selection.box, metadata, self.store.traits, growing=True)
        if 0 in values.shape:
            return selection.box
        return self.transfer.write(selection, values, metadata, operation)

    def check_writable(self, action: str) -> None:
        """Refuse to write to what was opened for reading.

        Raises
        ------
        UnsupportedError
        """
        if self.mode == "r" or not self.store.traits.writable:
            raise UnsupportedError(f"{action} of {self.store.address}: opened for reading only")
