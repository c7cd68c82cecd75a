"""AsyncVolume: a volume whose operations are awaited."""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, Literal, Self, SupportsIndex, TypeVar

import numpy as np
from numpy.typing import NDArray

from pyvolume.aio.threads import Threads, to_thread
from pyvolume.calls.cancellation import Cancellation
from pyvolume.calls.progress import Progress
from pyvolume.files.saving import Mode
from pyvolume.model.box import Box, BoxLike
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.scales import Scales
from pyvolume.stores.arrays import Sliceable
from pyvolume.stores.base import VoxelStore
from pyvolume.transfer.plan import Plan
from pyvolume.volume import Volume

T = TypeVar("T")

THREADS_PER_REQUEST = 2
"""Threads for each request that the store takes at once: one that waits before it tries again sends none."""


class AsyncVolume:
    """A volume whose reads and writes are awaited; they run in threads, whose number is limited.

    Properties and plans need no request, and are not awaited. If a task is cancelled, its operation sends no further
    request, and the volume remains usable. A volume belongs to one event loop.

    Parameters
    ----------
    volume : Volume
        Does the work. The end of an ``async with`` block closes it.

    Attributes
    ----------
    volume : Volume
        The synchronous volume. `to_thread` calls what `AsyncVolume` does not have.

    Examples
    --------
    >>> import asyncio, pyvolume
    >>> async def main():
    ...     vol = AsyncVolume(pyvolume.from_array(np.arange(24).reshape(1, 2, 3, 4)))
    ...     return await asyncio.gather(vol[0, 0, 0, 1], vol[0, 1, 2, 3])
    >>> [int(voxel) for voxel in asyncio.run(main())]
    [1, 23]
    """

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self._threads = Threads(THREADS_PER_REQUEST * volume.store.traits.concurrency, volume.store.address)

    @property
    def store(self) -> VoxelStore:
        """The store of the voxels, see `Volume.store`."""
        return self.volume.store

    @property
    def name(self) -> str:
        """The name of the volume."""
        return self.volume.name

    @property
    def mode(self) -> Literal["r", "r+"]:
        """Whether the volume can be read only, or written too."""
        return self.volume.mode

    @property
    def metadata(self) -> VoxelsMetadata:
        """What the volume is, as of when it was opened, refreshed or made larger."""
        return self.volume.metadata

    @property
    def bounds(self) -> Box:
        """The stored box in absolute voxel coordinates, channel axis first."""
        return self.volume.bounds

    @property
    def shape(self) -> tuple[int, ...]:
        """The upper corner of the bounds, see `Volume.shape`."""
        return self.volume.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of a voxel."""
        return self.volume.dtype

    @property
    def ndim(self) -> int:
        """Number of axes, the channel axis included."""
        return self.volume.ndim

    @property
    def size(self) -> int:
        """Number of voxels that ``await vol[...]`` reads."""
        return self.volume.size

    @property
    def nbytes(self) -> int:
        """What ``await vol[...]`` would cost, in bytes."""
        return self.volume.nbytes

    @property
    def dims(self) -> tuple[str, ...]:
        """The name of each axis, channel first; a letter each."""
        return self.volume.dims

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the boxes that the store writes at once, see `Volume.chunks`."""
        return self.volume.chunks

    @property
    def resolution(self) -> tuple[float, ...]:
        """Size of a voxel, one per axis behind the channel."""
        return self.volume.resolution

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the resolution, one per axis behind the channel."""
        return self.volume.units

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.volume!r}>"

    def describe(self) -> dict[str, Any]:
        """Return the facts about the volume as values of JSON, see `Volume.describe`."""
        return self.volume.describe()

    def plan(self, key: object, *, write: bool = False) -> Plan:
        """Say what reading or writing a key would ask of the store, see `Volume.plan`; nothing is asked."""
        return self.volume.plan(key, write=write)

    def blocks(self, box: BoxLike | None = None, shape: Sequence[SupportsIndex] | None = None) -> Iterator[Box]:
        """Cut a box into boxes that share no block, see `Volume.blocks`; no request."""
        return self.volume.blocks(box, shape)

    __iter__ = None
    """Without a length, Python would read one index after the other for ever."""

    def __getitem__(self, key: object) -> Coroutine[Any, Any, Any]:
        """Read voxels: ``await vol[0, 10:110, ..., ::2]``.

        Returns
        -------
        coroutine
            Of an ndarray or scalar, see `Volume.__getitem__`.

        Raises
        ------
        CancelledError
            If the task is cancelled.
        SelectionError, StoreError
            As for `Volume.__getitem__`, when it is awaited.
        """
        return self._run(self.volume.__getitem__, key)

    async def setitem(self, key: object, values: object) -> None:
        """Write voxels, as ``vol[key] = values`` does for a `Volume`: an assignment cannot be awaited.

        Parameters
        ----------
        key
            As for `Volume.__setitem__`.
        values : array-like
            Broadcast as numpy does. An array must not change before the end of the operation.

        Raises
        ------
        CancelledError
            If the task is cancelled. A part of the voxels may be stored then.
        SelectionError, VoxelsMismatchError, UnsupportedError, StoreError
            As for `Volume.__setitem__`.
        """
        await self._run(self.volume.__setitem__, key, values)

    async def read(self, box: BoxLike, out: NDArray[Any] | None = None, *, progress: Progress = None) -> NDArray[Any]:
        """Read a box given by absolute voxel coordinates, see `Volume.read`.

        Parameters
        ----------
        box : Box, or a pair of corners
            As for `Volume.read`.
        out : ndarray, optional
            As for `Volume.read`.
        progress : bool or callable, optional
            As for `Volume.read`. The function is called in another thread.

        Returns
        -------
        ndarray
            Fortran order.

        Raises
        ------
        CancelledError
            If the task is cancelled. `out` may be filled in part.
        SelectionError, VoxelsMismatchError, StoreError
            As for `Volume.read`.
        """
        return await self._run(self.volume.read, box, out, progress=progress)

    async def write(self, box: BoxLike, array: NDArray[Any] | Sliceable, *, progress: Progress = None) -> None:
        """Write a box given by absolute voxel coordinates, see `Volume.write`.

        Parameters
        ----------
        box : Box, or a pair of corners
            As for `Volume.write`.
        array : array-like of the box's shape
            As for `Volume.write`. It must not change before the end of the operation.
        progress : bool or callable, optional
            As for `Volume.write`. The function is called in another thread.

        Raises
        ------
        CancelledError
            If the task is cancelled. A part of the voxels may be stored then.
        SelectionError, VoxelsMismatchError, UnsupportedError, StoreError
            As for `Volume.write`.
        """
        await self._run(self.volume.write, box, array, progress=progress)

    async def get_ndarray(
        self,
        start: Box | Sequence[SupportsIndex],
        stop: Sequence[SupportsIndex] | None = None,
        out: NDArray[Any] | None = None,
        *,
        progress: Progress = None,
    ) -> NDArray[Any]:
        """Read a box given by its corners, see `Volume.get_ndarray` and `read`."""
        return await self._run(self.volume.get_ndarray, start, stop, out, progress=progress)

    async def post_ndarray(
        self,
        start: Box | Sequence[SupportsIndex],
        stop: Sequence[SupportsIndex] | None = None,
        array: NDArray[Any] | Sliceable | None = None,
        *,
        progress: Progress = None,
    ) -> None:
        """Write a box given by its corners, see `Volume.post_ndarray` and `write`."""
        await self._run(self.volume.post_ndarray, start, stop, array, progress=progress)

    async def save(
        self,
        path: str | os.PathLike[str],
        key: object = None,
        *,
        box: BoxLike | None = None,
        mode: Mode = "w-",
        progress: Progress = None,
        **options: Any,
    ) -> None:
        """Read voxels into a new file, in the format of its suffix, see `Volume.save`.

        Parameters
        ----------
        path, key, box, mode, **options
            As for `Volume.save`.
        progress : bool or callable, optional
            As for `Volume.save`. The function is called in another thread.

        Raises
        ------
        CancelledError
            If the task is cancelled. No file is left.
        ExistsError, SelectionError, UnsupportedError, TypeError, ImportError, OSError, StoreError
            As for `Volume.save`.
        """
        await self._run(self.volume.save, path, key, box=box, mode=mode, progress=progress, **options)

    async def read_many(
        self, boxes: Iterable[BoxLike], *, ahead: int | None = None, ordered: bool = True
    ) -> AsyncGenerator[tuple[Box, NDArray[Any]], None]:
        """Read many boxes, several at once, a few ahead of the caller.

        The end of the loop stops what was read ahead. Where an error leaves the loop, that is as soon as Python
        collects the generator; `contextlib.aclosing` does it at once.

        Parameters
        ----------
        boxes : iterable of Box or pair of corners
            In literal voxel coordinates; taken as they are needed, in another thread.
        ahead, ordered : optional
            As for `Volume.read_many`.

        Yields
        ------
        Box, ndarray
            As from `read`.

        Raises
        ------
        CancelledError
            If the task is cancelled.
        SelectionError, StoreError
            As `read`, when the box would be given.
        """
        reads = self.volume.read_many(boxes, ahead=ahead, ordered=ordered)
        cancellation = Cancellation()
        advance = functools.partial(next, reads, None)
        while (given := await self._threads.run(advance, cancellation)) is not None:
            try:
                yield given
            except GeneratorExit:
                reads.close()
                raise

    async def refresh(self) -> None:
        """Ask the store for the present bounds."""
        await self._run(self.volume.refresh)

    async def scales(self) -> Scales[VoxelStore]:
        """Return the resolution levels of the image, see `Volume.scales`; on DVID they are looked up."""
        return await self._run(lambda: self.volume.scales)

    async def scale(self, level: SupportsIndex) -> AsyncVolume:
        """Open another resolution level of the image, see `Volume.scale`.

        Parameters
        ----------
        level : int
            0 is the finest level.

        Returns
        -------
        AsyncVolume
            The volume itself for its own level.
        """
        opened = await self._run(self.volume.scale, level)
        return self if opened is self.volume else AsyncVolume(opened)

    async def close(self) -> None:
        """Wait for the operations that have begun, and close the volume.

        If the wait is cancelled, the operations end with a `ClosedError`, and the volume is closed, too. A closed
        volume refuses to be used.
        """
        try:
            await self._threads.close()
        finally:
            await to_thread(self.volume.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def _run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> Coroutine[Any, Any, T]:
        return self._threads.run(functools.partial(function, *args, **kwargs))
