"""Volume: a store under numpy's syntax."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, SupportsIndex, TypeVar, cast
from urllib.parse import unquote
from uuid import uuid4

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pyvolume.caching.cache import BlockCache
from pyvolume.calls.call import Call
from pyvolume.calls.progress import Progress, Reporter
from pyvolume.calls.retry import RetryPolicy
from pyvolume.display import planes, table
from pyvolume.errors import SelectionError, UnsupportedError
from pyvolume.files import saving
from pyvolume.files.saving import Mode
from pyvolume.indexing.absolute import AbsoluteVoxels
from pyvolume.indexing.channel import Channel
from pyvolume.indexing.elementwise import is_array_like, missing_attribute, reduced, refusal
from pyvolume.indexing.selection import Selection
from pyvolume.integrations.dask import ChunksLike, lazy_array, stored_array
from pyvolume.model import arguments
from pyvolume.model.box import Box, BoxLike, as_box
from pyvolume.model.extras import require
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.scales import Level, Scales
from pyvolume.model.units import readable
from pyvolume.reductions.checksums import checksum
from pyvolume.reductions.counting import Bins, UniqueCounts, histogram, unique_counts
from pyvolume.reductions.reduce import Axis, reduce
from pyvolume.reductions.stream import Stream
from pyvolume.stores.arrays import ArrayStore, Sliceable, metadata_of, stored_at
from pyvolume.stores.base import Scaled, VoxelStore, identity_of, never_changes
from pyvolume.stores.catalogue import Versioned
from pyvolume.stores.locks import Locks, process_locks
from pyvolume.transfer.casting import Casting
from pyvolume.transfer.checks import as_piece, check_out, checked_box, checked_shape, joined
from pyvolume.transfer.engine import Operation, Transfer
from pyvolume.transfer.known import Known
from pyvolume.transfer.locking import NamedLock
from pyvolume.transfer.plan import Plan
from pyvolume.transfer.pool import run_ahead
from pyvolume.transfer.room import Room

if TYPE_CHECKING:
    from dask.array import Array
    from PIL.Image import Image
    from xarray import DataArray

    from pyvolume.display.viewer.server import Viewer
    from pyvolume.integrations.xarray import ChunksByAxis

T = TypeVar("T")

LARGE_ARRAY_BYTES = 1 << 30
"""Up to this size ``np.asarray(volume)`` reads everything."""

SPARSE = 8
"""A larger volume is not read as an array if it would have this many times the bytes that are stored."""


class Volume:
    """A volume on a store, read and written as if it were a numpy array.

    Indices follow numpy; the first axis is the channel, then follow the axes of the store (``dims``, for DVID c, x,
    y, z). A read returns a new array in Fortran order. ``vol.absolute[...]`` takes absolute voxel coordinates of any
    sign.

    Parameters
    ----------
    store : VoxelStore
        Reads and writes the voxels.
    metadata : VoxelsMetadata
        Bounds, dtype, axes, resolution and units of the store.
    mode : "r" or "r+"
        Read only, or read and write.
    retry : RetryPolicy, optional
        How long each operation is repeated.
    locks : Locks, optional
        Keeps writers of the same voxels apart; by default the writers of this process.
    lock : callable, optional
        ``lock(name)`` returns a context manager that keeps writers of other processes out of a block; the name is the
        same in all of them, and safe as the name of a file. Every writer of the volume must use it.
    lock_aligned : bool
        Lock blocks too that a write fills. Without it no other writer may merge into them.
    partial_blocks : "merge" or "raise"
        What to do where a write does not fill whole blocks: complete them with what is stored, or refuse.
    casting : "checked", "safe", "same_kind" or "unsafe"
        Which values may be written into the volume's dtype. "checked": those that do not change, but for the
        rounding of floats.
    cache : BlockCache, optional
        Keeps the blocks that are read, if the voxels never change, as in a committed version; otherwise it is not
        used, and `describe` says so. With a cache, reads request whole blocks.
    """

    def __init__(
        self,
        store: VoxelStore,
        metadata: VoxelsMetadata,
        *,
        mode: Literal["r", "r+"] = "r+",
        retry: RetryPolicy | None = None,
        locks: Locks | None = None,
        lock: NamedLock | None = None,
        lock_aligned: bool = True,
        partial_blocks: Literal["merge", "raise"] = "merge",
        casting: Casting = "checked",
        cache: BlockCache | None = None,
    ) -> None:
        self._transfer = Transfer(
            store,
            Known(metadata),
            mode,
            retry or RetryPolicy(),
            locks or process_locks(),
            lock=lock,
            lock_aligned=lock_aligned,
            partial_blocks=partial_blocks,
            casting=casting,
            cache=cache,
        )
        self._token = uuid4().hex

    @property
    def store(self) -> VoxelStore:
        """The store of the voxels; `store.address` is the url of the volume, `store.traits` its limits."""
        return self._transfer.store

    @property
    def name(self) -> str:
        """The name of the volume, the last part of its address."""
        path = stored_at(self.store.address).rstrip("/")
        return unquote(path.rpartition("/")[2])

    @property
    def mode(self) -> Literal["r", "r+"]:
        """Whether the volume can be read only, or written too."""
        return self._transfer.mode

    @property
    def metadata(self) -> VoxelsMetadata:
        """What the volume is, as of when it was opened, refreshed or made larger."""
        return self._transfer.metadata

    @property
    def bounds(self) -> Box:
        """The stored box in absolute voxel coordinates, channel axis first; it may begin below or above 0."""
        return self.metadata.bounds

    @property
    def shape(self) -> tuple[int, ...]:
        """The upper corner of the bounds, never below 0, so that indices equal the server's coordinates."""
        return self.metadata.shape

    @property
    def minindex(self) -> tuple[int, ...]:
        """The lower corner of the bounds."""
        return self.metadata.minindex

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of a voxel."""
        return self.metadata.dtype

    @property
    def ndim(self) -> int:
        """Number of axes, the channel axis included."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels that ``vol[...]`` reads."""
        return Box((0,) * self.ndim, self.shape).size

    @property
    def nbytes(self) -> int:
        """What ``vol[...]`` would cost, in bytes; nothing is read."""
        return self.size * self.dtype.itemsize

    @property
    def origin(self) -> tuple[int, ...]:
        """The first stored voxel, in absolute coordinates; the same as `minindex`."""
        return self.bounds.start

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape of the bounds."""
        return self.bounds.shape

    @property
    def stored_nbytes(self) -> int:
        """The number of bytes within the bounds."""
        return self.bounds.size * self.dtype.itemsize

    @property
    def dims(self) -> tuple[str, ...]:
        """The name of each axis, channel first; a letter each."""
        return self.metadata.dims

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the boxes that the store writes at once, one entry per axis, no larger than `shape`.

        They lie side by side from index 0 on. A store that takes boxes of any shape has one chunk.
        """
        grid = self.store.traits.chunks
        steps = grid if any(step > 1 for step in grid[1:]) else self.shape
        return tuple(max(1, min(step, n) if n else step) for step, n in zip(steps, self.shape, strict=True))

    @property
    def holds_labels(self) -> bool:
        """Whether a voxel is the number of an object, as in a segmentation, as far as the store says it."""
        return False

    @property
    def resolution(self) -> tuple[float, ...]:
        """Size of a voxel, one per axis behind the channel."""
        return self.metadata.resolution

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the resolution, one per axis behind the channel."""
        return self.metadata.units

    @property
    def scales(self) -> Scales[VoxelStore]:
        """The resolution levels of the image; a volume without levels has one, itself."""
        if isinstance(self.store, Scaled):
            return self.store.scales
        return Scales((Level((1,) * self.ndim, lambda: self.store),))

    def scale(self, level: SupportsIndex) -> Volume:
        """Open another resolution level of the image, with the same options.

        Parameters
        ----------
        level : int
            0 is the finest level; the number of levels is ``len(vol.scales)``.

        Returns
        -------
        Volume
            The volume itself for its own level. Each level has an address, bounds and a resolution of its own.

        Raises
        ------
        SelectionError
            If there is no such level.
        StoreError
            If the store could not open the level.
        """
        scales, number = self.scales, arguments.integer(level, f"open a level of {self.name}", "the level")
        if not 0 <= number < len(scales):
            raise SelectionError(f"open level {number} of {self.name}: it has the levels 0 to {len(scales) - 1}")
        if number == scales.current:
            return self
        store = scales.levels[number].open()
        return self._with_store(store, store.read_metadata(self._transfer.begin()))

    def _with_store(self, store: VoxelStore, metadata: VoxelsMetadata) -> Self:
        """Return a volume of the same class on another store, with the same options."""
        other = copy.copy(self)
        other._transfer = dataclasses.replace(self._transfer, store=store, known=Known(metadata))  # noqa: SLF001 - of this class
        other._token = uuid4().hex  # noqa: SLF001
        return other

    @property
    def absolute(self) -> AbsoluteVoxels:
        """The voxels by absolute coordinates, as in ``vol.absolute[:, -10:20, 30]``."""
        return AbsoluteVoxels(self._transfer.read, self._write, self.bounds)

    def channel(self, number: SupportsIndex) -> Channel:
        """Return one channel of the volume as an array-like without the channel axis.

        Parameters
        ----------
        number : int
            Which channel; a negative number counts from the last one.

        Returns
        -------
        Channel
            Read and written as the volume is; nothing is asked of the store.

        Raises
        ------
        SelectionError
            If there is no such channel.
        """
        count, given = self.shape[0], arguments.integer(number, f"open a channel of {self.name}", "the number")
        if not -count <= given < count:
            raise SelectionError(f"open channel {given} of {self.name}: it has the channels 0 to {count - 1}")
        return Channel(self, given % count, self._transfer.read, self._write)

    def describe(self) -> dict[str, Any]:
        """Return the facts about the volume as values of JSON; no request.

        The table in a notebook and the command ``pyvolume info`` show them.
        """
        facts = {
            "address": self.store.address,
            "name": self.name,
            "dtype": self.dtype.name,
            "dims": list(self.dims),
            "start": list(self.bounds.start),
            "stop": list(self.bounds.stop),
            "bytes": self.stored_nbytes,
            "chunks": list(self.chunks),
            "resolution": list(self.resolution),
            "units": list(self.units),
            "mode": self.mode,
        }
        return facts if self._transfer.cache is None else facts | {"cache": self._transfer.cache_use}

    def __repr__(self) -> str:
        chunks = "×".join(map(str, self.store.traits.chunks[1:]))
        return (
            f"<{type(self).__name__} {self.shape} {self.dtype} {''.join(self.dims)}, blocks {chunks}, "
            f"mode {self.mode!r}, {self.store.address}>"
        )

    def _repr_html_(self) -> str:
        return table.table_of(self.describe())

    def thumbnail(self, size: int = 256) -> Image:
        """Draw the three middle planes, each with up to ``size`` pixels along a side; needs the extra ``images``."""
        return planes.thumbnail_of(self, size)

    def view(self, *, browser: bool | None = None, port: int = 0) -> Viewer:
        """Show three planes of the volume in the browser; a notebook shows them in its output.

        The page comes from this process, until it ends or until `close` of the returned object. It is for this machine
        only, and its address holds a secret.

        Parameters
        ----------
        browser : bool, optional
            Whether a browser opens; by default outside of notebooks only.
        port : int
            Of the page; 0 takes a free one.

        Returns
        -------
        Viewer
            ``url`` is the address of the page; ``close()`` ends it, as does the end of a ``with`` block.

        Raises
        ------
        UnsupportedError
            If the axes are not c, x, y, z.
        SelectionError
            If the volume is empty.

        Examples
        --------
        >>> import numpy as np, pyvolume
        >>> with pyvolume.from_array(np.zeros((1, 8, 8, 8))).view(browser=False) as page:
        ...     page.url
        'http://127.0.0.1:...'
        """
        from pyvolume.display.viewer import server  # late: only this needs an HTTP server

        viewer = server.Viewer(self, port=port)
        if browser or (browser is None and not server.is_notebook()):
            viewer.open_browser()
        return viewer

    def __eq__(self, other: object) -> bool:
        """Whether two volumes are the same: of one address and level, with the same options.

        A volume without a lasting address is equal to itself alone.

        Raises
        ------
        TypeError
            For numbers and arrays, which numpy would compare with each voxel.
        """
        if self is other:
            return True
        if isinstance(other, Volume):
            return self.store.traits.lasting and self._options == other._options
        if is_array_like(other):
            raise refusal("==", "vol[...] == 3")
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.store.address) if self.store.traits.lasting else id(self)

    @property
    def _options(self) -> tuple[object, ...]:
        """What makes volumes equal."""
        own = self._transfer
        return self.store.address, own.mode, own.partial_blocks, own.casting, own.lock, own.lock_aligned

    def _refuse_order(self, other: object) -> Any:
        if isinstance(other, Volume) or is_array_like(other):
            raise refusal("<, >, <= or >=", "vol[...] > 3")
        return NotImplemented

    __lt__ = __le__ = __gt__ = __ge__ = _refuse_order

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return reduced(self, ufunc, method, inputs, options)

    if not TYPE_CHECKING:  # a type checker would take any name for an attribute

        def __getattr__(self, name: str) -> Any:
            return missing_attribute(self, name, "vol[...]", ", or use vol.data, a lazy array of xarray")

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return what dask names the volume by: its address, and what is there, or the object if that changes."""
        return "pyvolume", self.store.address, identity_of(self.store) if never_changes(self.store) else self._token

    def __len__(self) -> NoReturn:
        raise TypeError("a volume has no len(): use vol.shape, or np.asarray(vol) to read it all")

    def __iter__(self) -> Iterator[NoReturn]:
        raise TypeError("a volume is not iterated plane by plane over the network: read a box of it, as in vol[:, a:b]")

    def __contains__(self, value: object) -> NoReturn:
        raise TypeError("'in' would read the whole volume: use np.isin(np.asarray(vol), ...) if that is meant")

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back what the store holds open; a connection that the caller passed stays open."""
        self.store.close()

    def refresh(self) -> None:
        """Ask the store for the present bounds."""
        self._transfer.refresh()

    def plan(self, key: object, *, write: bool = False) -> Plan:
        """Say what ``vol[key]`` or ``vol[key] = ...`` would ask of the store; nothing is asked.

        Parameters
        ----------
        key
            As for reading or writing.
        write : bool
            Plan an assignment.

        Returns
        -------
        Plan
            Iterable: requests with their action, box and bytes.

        Examples
        --------
        >>> import numpy as np, pyvolume
        >>> zeros = np.zeros((1, 256, 256, 256), "uint8")
        >>> volume = pyvolume.from_array(zeros, block_shape=(64, 64, 64))
        >>> plan = volume.plan(np.s_[:, 10:110, 20:120], write=True)
        >>> [f"{request.action} {request.box}" for request in plan]
        ['read (0:1, 0:128, 0:128, 0:256)', 'write (0:1, 0:128, 0:128, 0:256)']
        >>> plan.bytes_wanted, plan.nbytes
        (2560000, 8388608)
        """
        selection = self._selection_to_write(key) if write else self._selection_to_read(key)
        return self._transfer.plan(Selection.of_box(selection.box) if selection.is_whole else selection, write=write)

    def blocks(self, box: BoxLike | None = None, shape: Sequence[SupportsIndex] | None = None) -> Iterator[Box]:
        """Cut a box into boxes that share no block: each of them can have a writer of its own; no request.

        Parameters
        ----------
        box : Box or pair of corners, optional
            What to cut, in absolute voxel coordinates; by default the bounds.
        shape : sequence of int, optional
            Of each box, one entry per axis, channel first; rounded up to whole blocks. By default boxes of about
            16 MiB, a good size of a transfer.

        Returns
        -------
        iterator of Box
            They cover the box, the last axis varies slowest. They are smaller at its border.

        Raises
        ------
        SelectionError
            For a reversed box, a shape that is not positive, or a wrong number of axes.

        Examples
        --------
        >>> import numpy as np, pyvolume
        >>> zeros = np.zeros((1, 100, 64, 64), "uint8")
        >>> volume = pyvolume.from_array(zeros, block_shape=(32, 32, 32))
        >>> list(volume.blocks(shape=(1, 60, 64, 64)))
        [Box(0:1, 0:64, 0:64, 0:64), Box(0:1, 64:100, 0:64, 0:64)]
        """
        checked = self.bounds if box is None else checked_box(box, self.metadata)
        return self._transfer.blocks(checked, None if shape is None else checked_shape(shape, self.metadata))

    def sum(
        self,
        axis: Axis = None,
        dtype: DTypeLike | None = None,
        out: NDArray[Any] | None = None,
        keepdims: bool = False,
        *,
        initial: float | None = None,
        box: BoxLike | None = None,
        progress: Progress = None,
    ) -> Any:
        """Add voxels, as ``numpy.sum``; a few pieces of the volume are in memory.

        Parameters
        ----------
        axis : int or tuple of int, optional
            Along which axes; by default all of them.
        dtype : dtype, optional
            Of the result. By default the dtype that numpy uses; a sum of integers that is too large for it is an exact
            `int` of Python, or an array of them. With an integer dtype sums wrap around, as in numpy. ``object`` is
            exact.
        out : ndarray, optional
            Filled and returned.
        keepdims : bool
            Leave the axes in the result, with length 1.
        initial : number, optional
            Added to the result.
        box : Box or pair of corners, optional
            Which voxels, in absolute coordinates; by default the bounds.
        progress : bool or callable, optional
            Show a bar, or call a function with a `TransferStatus`; see `set_options`.

        Returns
        -------
        ndarray or scalar
            Integers are exact. Floats are added in double precision.

        Raises
        ------
        SelectionError
            For a box outside the volume, or a result that does not fit into memory.
        TypeError, ValueError
            As numpy raises them.
        StoreError
            If the store could not serve the voxels.
        """
        options: dict[str, Any] = {"dtype": dtype, "out": out, "keepdims": keepdims, "initial": initial}
        return reduce(self._stream(box, progress), "sum", axis, **options)

    def mean(
        self,
        axis: Axis = None,
        dtype: DTypeLike | None = None,
        out: NDArray[Any] | None = None,
        keepdims: bool = False,
        *,
        box: BoxLike | None = None,
        progress: Progress = None,
    ) -> Any:
        """Return means, as ``numpy.mean``; see `sum`."""
        options: dict[str, Any] = {"dtype": dtype, "out": out, "keepdims": keepdims}
        return reduce(self._stream(box, progress), "mean", axis, **options)

    def std(
        self,
        axis: Axis = None,
        dtype: DTypeLike | None = None,
        out: NDArray[Any] | None = None,
        ddof: float = 0,
        keepdims: bool = False,
        *,
        box: BoxLike | None = None,
        progress: Progress = None,
    ) -> Any:
        """Return standard deviations, as ``numpy.std``, computed in double precision; see `sum`."""
        options: dict[str, Any] = {"dtype": dtype, "out": out, "ddof": ddof, "keepdims": keepdims}
        return reduce(self._stream(box, progress), "std", axis, **options)

    def min(
        self,
        axis: Axis = None,
        out: NDArray[Any] | None = None,
        keepdims: bool = False,
        *,
        initial: float | None = None,
        box: BoxLike | None = None,
        progress: Progress = None,
    ) -> Any:
        """Return the lowest values, as ``numpy.min``; see `sum`."""
        options: dict[str, Any] = {"out": out, "keepdims": keepdims, "initial": initial}
        return reduce(self._stream(box, progress), "min", axis, **options)

    def max(
        self,
        axis: Axis = None,
        out: NDArray[Any] | None = None,
        keepdims: bool = False,
        *,
        initial: float | None = None,
        box: BoxLike | None = None,
        progress: Progress = None,
    ) -> Any:
        """Return the highest values, as ``numpy.max``; see `sum`."""
        options: dict[str, Any] = {"out": out, "keepdims": keepdims, "initial": initial}
        return reduce(self._stream(box, progress), "max", axis, **options)

    def any(
        self,
        axis: Axis = None,
        out: NDArray[Any] | None = None,
        keepdims: bool = False,
        *,
        box: BoxLike | None = None,
        progress: Progress = None,
    ) -> Any:
        """Say whether any voxel is not 0, as ``numpy.any``; see `sum`."""
        return reduce(self._stream(box, progress), "any", axis, out=out, keepdims=keepdims)

    def all(
        self,
        axis: Axis = None,
        out: NDArray[Any] | None = None,
        keepdims: bool = False,
        *,
        box: BoxLike | None = None,
        progress: Progress = None,
    ) -> Any:
        """Say whether no voxel is 0, as ``numpy.all``; see `sum`."""
        return reduce(self._stream(box, progress), "all", axis, out=out, keepdims=keepdims)

    def histogram(
        self,
        bins: Bins = 10,
        range: tuple[float, float] | None = None,  # noqa: A002 - the word of numpy
        *,
        box: BoxLike | None = None,
        progress: Progress = None,
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Count voxels in bins, as ``numpy.histogram``.

        Parameters
        ----------
        bins : int or sequence of float
            How many bins of one width, or their edges.
        range : (float, float), optional
            The lower and the upper end of all bins. By default the lowest and the highest voxel, for which the volume
            is read twice.
        box, progress : optional
            As for `sum`.

        Returns
        -------
        counts, edges : ndarray
            One edge more than counts.

        Raises
        ------
        SelectionError, TypeError, ValueError, StoreError
            As for `sum`.
        """
        return histogram(self._stream(box, progress), bins, range)

    def unique_counts(self, *, box: BoxLike | None = None, progress: Progress = None) -> UniqueCounts:
        """Count how many voxels have each value, as ``numpy.unique_counts``.

        Memory is needed for each value that occurs.

        Parameters
        ----------
        box, progress : optional
            As for `sum`.

        Returns
        -------
        values, counts : ndarray
            The values are sorted. A volume of labels has as many as it has labels.

        Raises
        ------
        SelectionError, StoreError
            As for `sum`.

        Examples
        --------
        >>> import numpy as np, pyvolume
        >>> volume = pyvolume.from_array(np.array([[[[0, 7, 7]]]], "uint64"))
        >>> labels, sizes = volume.unique_counts()
        >>> dict(zip(labels.tolist(), sizes.tolist()))
        {0: 1, 7: 2}
        """
        return unique_counts(self._stream(box, progress))

    def checksum(self, *, box: BoxLike | None = None, progress: Progress = None) -> str:
        """Return the SHA-256 of the voxels of a box, in hexadecimal; a part of them is in memory.

        It is that of one array, as in a `Receipt`, whatever the chunks: of the voxels in Fortran order (the first axis
        varies fastest) and in little-endian byte order.

        Parameters
        ----------
        box, progress : optional
            As for `sum`.

        Raises
        ------
        SelectionError, StoreError
            As for `sum`.

        Examples
        --------
        >>> import hashlib, numpy as np, pyvolume
        >>> array = np.arange(24, dtype="uint16").reshape(1, 2, 3, 4)
        >>> mine = hashlib.sha256(array.astype("<u2").tobytes(order="F")).hexdigest()
        >>> pyvolume.from_array(array).checksum() == mine
        True
        """
        covered = self.bounds if box is None else checked_box(box, self.metadata)
        return checksum(self._transfer, covered, progress)

    def _stream(self, box: BoxLike | None, progress: Progress) -> Stream:
        return Stream(self._transfer, self.bounds if box is None else checked_box(box, self.metadata), progress)

    def from_dask(
        self,
        array: Array,
        *,
        box: BoxLike | None = None,
        compute: bool = True,
        return_stored: bool = False,
    ) -> Any:
        """Compute an array of dask, and write it chunk by chunk; needs the extra ``dask``.

        The chunks are changed to whole blocks first. No two tasks write into the same block, in threads, processes or
        on a cluster. The array can be larger than memory. It must not read the voxels that it is written to.

        Parameters
        ----------
        array : dask.array.Array
            Channel first. Values are cast as the volume allows it.
        box : Box or pair of corners, optional
            Where the array is written, in absolute voxel coordinates. By default the bounds; in a volume without voxels
            the place from index 0 on.
        compute : bool
            Write now; otherwise the returned object does so when it is computed. Call `refresh` afterwards if other
            processes have made the volume larger.
        return_stored : bool
            Return an array that reads what was written.

        Returns
        -------
        None or dask.array.Array
            As ``dask.array.store``.

        Raises
        ------
        TypeError
            For an array that is not one of dask; `write` takes any array.
        VoxelsMismatchError
            If the array has another shape than the box, or its dtype does not fit. Values that do not fit are found
            when their chunk is written.
        SelectionError, UnsupportedError, StoreError
            As for `write`.

        Examples
        --------
        >>> import dask.array as da, numpy as np, pyvolume
        >>> array = np.zeros((1, 64, 64, 64), "uint8")
        >>> volume = pyvolume.from_array(array, block_shape=(32, 32, 32))
        >>> volume.from_dask(da.ones((1, 64, 64, 64), chunks=20, dtype="uint8"))
        >>> bool(volume.all())
        True
        """
        covered = None if box is None else checked_box(box, self.metadata)
        return stored_array(self._transfer, array, covered, compute=compute, return_stored=return_stored)

    def to_dask(
        self,
        chunks: ChunksLike = "auto",
        *,
        box: BoxLike | None = None,
        version: str | None = None,
        order: Literal["C", "F"] = "C",
    ) -> Array:
        """Return the voxels as an array of dask, which reads them when it is computed; needs the extra ``dask``.

        Index 0 of the array is the first voxel of the box: of the bounds, by default. Chunks are cut between blocks, so
        the first one along an axis is shorter if the box does not begin at a block. Slices of the array are read as
        slices of the volume: what they leave out is not read.

        Parameters
        ----------
        chunks : str, int or sequence of int
            By default chunks of about 64 MiB. A text such as ``"128 MiB"`` is another size. Integers are the lengths
            along all axes, channel first, rounded up to whole blocks; -1 is the whole axis.
        box : Box or pair of corners, optional
            What the array covers, in absolute voxel coordinates; by default the bounds.
        version : str, optional
            Another version of the volume, as `at` takes it.
        order : "C" or "F"
            The order of the voxels of a chunk in memory. dask joins chunks in C order, and numpy is slow where they are
            in another one. "F" is the order in which they arrive, and the fastest for small results, such as a maximum,
            and for what `from_dask` writes.

        Returns
        -------
        dask.array.Array
            It uses the connection of the volume, which has to stay open. Its name, by which dask finds equal results,
            depends on the address and the box only if the voxels cannot change, as in a committed version. Otherwise
            each call gives a new name.

        Raises
        ------
        SelectionError
            For a box outside the volume, or chunks of no length.
        ValueError
            For another order.
        UnsupportedError
            If a version is given, and the volume has none.

        Examples
        --------
        >>> import numpy as np, pyvolume
        >>> array = np.ones((1, 100, 64, 64), "uint8")
        >>> volume = pyvolume.from_array(array, block_shape=(32, 32, 32))
        >>> volume.to_dask(chunks=(1, 60, -1, -1)).chunks
        ((1,), (64, 36), (64,), (64,))
        """
        volume = self if version is None else self._in_version(version)
        covered = volume.bounds if box is None else checked_box(box, volume.metadata)
        return lazy_array(volume._transfer, covered, chunks, order)  # noqa: SLF001 - of this class

    def _in_version(self, version: str) -> Volume:
        """Open the volume in another version."""
        if not isinstance(self, Versioned):
            raise UnsupportedError(f"open version {version!r} of {self.name}: the volume has no versions")
        return cast("Volume", self.at(version))

    def to_xarray(
        self, *, box: BoxLike | None = None, chunks: ChunksByAxis | None = None, restore_dims: bool = False
    ) -> DataArray:
        """Return the voxels as an array of xarray, which reads what is used of it; needs the extra ``xarray``.

        An axis with labels has these as its coordinate. Other coordinates are lengths: the absolute index times the
        resolution, in the units of the volume, see the page *Labelled arrays*. The array keeps the bounds that the
        volume has now.

        Parameters
        ----------
        box : Box or pair of corners, optional
            What the array covers, in absolute voxel coordinates; by default the bounds. Index 0 is the first voxel of
            the box.
        chunks : str, int, sequence or mapping, optional
            Chunks of dask, as for `to_dask`, or lengths by the letter of the axis: an axis that is left out has the
            length of ``"auto"``. Needs the extra ``dask``. By default no dask is used.
        restore_dims : bool
            Return the axes, coordinates and name of the array that `from_xarray` stored.

        Returns
        -------
        xarray.DataArray
            Its attributes are the url, the version, the resolution, the units and the labels of the channels, and then
            the attributes of the volume, as ``vol.attrs`` of DVID, which needs requests.

        Raises
        ------
        StoreError
            If the store could not tell the attributes.
        ImportError
            If xarray is not installed, or dask for `chunks`.
        SelectionError
            For a box outside the volume, chunks of no length, or chunks along another axis.
        MetadataError
            If the volume does not say what `from_xarray` stored.

        Examples
        --------
        >>> import numpy as np, pyvolume
        >>> volume = pyvolume.from_array(np.arange(24).reshape(1, 2, 3, 4))
        >>> array = volume.to_xarray()
        >>> array.sel(c="intensity", x=1, y=slice(0, 1)).values
        array([[12, 13, 14, 15],
               [16, 17, 18, 19]])
        """
        require("xarray", extra="xarray", action="to_xarray")
        from pyvolume.integrations.xarray import labelled_array  # late: it imports xarray

        covered = self.bounds if box is None else checked_box(box, self.metadata)
        return labelled_array(self, self._transfer, covered, chunks, restore_dims=restore_dims)

    @property
    def data(self) -> DataArray:
        """The voxels as a lazy array of xarray, see `to_xarray`."""
        return self.to_xarray()

    def __getitem__(self, key: object) -> Any:
        """Read voxels: ``vol[0, 10:110, ..., ::2]``.

        Integers, slices of any step, one ``...``, ``None``, index arrays and masks of any number of axes; numpy's
        rules. A step, an index array or a mask reads the box around the voxels and keeps some of it; gaps of 1 MiB or
        more are not read. Of points, ``vol[0, xs, ys, zs]``, only blocks that hold some are read, each once.

        Returns
        -------
        ndarray or scalar
            Owns its memory; Fortran order.

        Raises
        ------
        SelectionError
            If the key does not address voxels of this volume.
        StoreError
            If the store could not serve them.
        """
        return self._transfer.read(self._selection_to_read(key))

    def __setitem__(self, key: object, values: object) -> None:
        """Write voxels: ``vol[:, 10:110] = a``; `values` are broadcast as numpy does.

        On an axis that can grow, an explicit stop or index beyond its end is literal, and the volume becomes larger.

        Raises
        ------
        SelectionError
            If the key does not address voxels of this volume; for an explicit stop beyond an axis that cannot grow,
            such as the channel; and for several values where the key selects no voxel.
        VoxelsMismatchError
            If the values do not fit the shape or the dtype. Nothing has been sent then.
        UnsupportedError
            If the volume is read-only, or blocks would have to be merged and may not be.
        StoreError
            If the store could not take them.
        """
        self._write(self._selection_to_write(key), values)

    def _selection_to_read(self, key: object) -> Selection:
        metadata = self.metadata
        return Selection.for_reading(key, metadata.shape, metadata.dims)

    def _selection_to_write(self, key: object) -> Selection:
        metadata = self.metadata
        return Selection.for_writing(key, metadata.shape, self.store.traits.growable, metadata.dims)

    def read(self, box: BoxLike, out: NDArray[Any] | None = None, *, progress: Progress = None) -> NDArray[Any]:
        """Read a box given by absolute voxel coordinates.

        Parameters
        ----------
        box : Box, or a pair of corners
            The region, channel first; coordinates of any sign, never wrapped or clipped.
        out : ndarray, optional
            Filled and returned: of the box's shape and the volume's dtype. A Fortran-ordered one is the fastest.
        progress : bool or callable, optional
            Show a bar, or call a function with a `TransferStatus`; see `set_options`.

        Returns
        -------
        ndarray
            Fortran order. Outside the bounds it holds the fill value of the store, if the store has one.

        Raises
        ------
        SelectionError
            For a reversed box, or one outside a store of fixed shape.
        VoxelsMismatchError
            If `out` does not fit.
        StoreError
            If the store could not serve the box; `out` may be filled in part.
        """
        checked = checked_box(box, self.metadata)
        if out is not None:
            check_out(out, checked, self.dtype)
        return self._transfer.read_box(checked, out, self._transfer.operation(progress))

    def write(
        self,
        box: BoxLike,
        array: NDArray[Any] | Sliceable,
        *,
        progress: Progress = None,
    ) -> None:
        """Write a box given by absolute voxel coordinates.

        Parameters
        ----------
        box : Box, or a pair of corners
            The region, channel first; coordinates of any sign.
        array : array-like of the box's shape
            A Fortran-ordered array of the volume's dtype is sent without a copy. An object that only has a
            shape, a dtype and slices (a dataset in a file, a dask array, another volume) is fetched, checked and
            sent piece by piece. Voxels of this volume itself, also through another handle or array, are read first.
        progress : bool or callable, optional
            Show a bar, or call a function with a `TransferStatus`; see `set_options`.

        Raises
        ------
        SelectionError
            For a reversed box, or one outside a store of fixed shape.
        VoxelsMismatchError
            If the array has another shape than the box, or values that do not fit. Nothing has been sent then.
        UnsupportedError, StoreError
            As for an assignment.
        """
        self._post(checked_box(box, self.metadata), array, self._transfer.operation(progress))

    def get_ndarray(
        self,
        start: Box | Sequence[SupportsIndex],
        stop: Sequence[SupportsIndex] | None = None,
        out: NDArray[Any] | None = None,
        *,
        progress: Progress = None,
    ) -> NDArray[Any]:
        """Read a box given by its corners, as pydvid does; see `read`.

        Parameters
        ----------
        start : sequence of int, or a Box
            First voxel, channel first. With a `Box` there is no `stop`.
        stop : sequence of int, optional
            The voxel after the last one.
        out, progress : optional
            As for `read`.

        Raises
        ------
        SelectionError, VoxelsMismatchError, StoreError
            As `read`.
        """
        return self.read(joined(start, stop), out, progress=progress)

    def post_ndarray(
        self,
        start: Box | Sequence[SupportsIndex],
        stop: Sequence[SupportsIndex] | None = None,
        array: NDArray[Any] | Sliceable | None = None,
        *,
        progress: Progress = None,
    ) -> None:
        """Write a box given by its corners, as pydvid does; see `write`.

        Parameters
        ----------
        start : sequence of int, or a Box
            First voxel, channel first. With a `Box` there is no `stop`.
        stop : sequence of int, optional
            The voxel after the last one.
        array : array-like of the box's shape
            As for `write`.
        progress : optional
            As for `write`.

        Raises
        ------
        SelectionError, VoxelsMismatchError, UnsupportedError, StoreError
            As `write`.
        """
        self.write(joined(start, stop), cast("Sliceable", array), progress=progress)

    def save(
        self,
        path: str | os.PathLike[str],
        key: object = None,
        *,
        box: BoxLike | None = None,
        mode: Mode = "w-",
        progress: Progress = None,
        **options: Any,
    ) -> None:
        """Read voxels into a new file, in the format of its suffix; most formats need the extra ``files``.

        The file says where its voxels come from: `pyvolume.open` opens it at the same coordinates. It gets its name
        when it is complete. The command ``pyvolume get`` does the same.

        Parameters
        ----------
        path : path
            One of the suffixes .npy .npz .h5 .hdf5 .zarr .zarr.zip .tif .tiff .ome.tif .ome.tiff .nii .nii.gz, or .png
            .jpg for one plane. The page *File formats* says what each of them holds.
        key : optional
            What to save, as in ``vol[key]``; an index array for one axis at most.
        box : Box or pair of corners, optional
            What to save, in absolute voxel coordinates. Without `key` and `box` it is all that is stored: the bounds.
        mode : "w-" or "w"
            Refuse a file that is there, or replace it when the new one is complete. A directory is never replaced.
        progress : bool or callable, optional
            Show a bar, or call a function with a `TransferStatus`; see `set_options`.
        **options
            Of the format. HDF5: ``dataset="voxels"``, the name; ``chunks=64``, one length or one for each axis of the
            array; ``compression=None``, as in h5py. zarr: ``chunks``, likewise; ``compressors="auto"``, as in zarr;
            ``format=None``, as in `pyvolume.create`, by default ``"0.5"``, or ``"zarr"`` for axes that OME-Zarr lacks.

        Raises
        ------
        ExistsError
            If the path is taken.
        SelectionError
            If no voxel is selected, or a new axis; or for chunks of another number of axes.
        UnsupportedError
            For an unknown suffix, or voxels that the format cannot hold. Nothing has been read then.
        TypeError
            For an option that the format does not have, or both a key and a box.
        ImportError
            If the library of the format is missing.
        OSError
            If the disk is full, or the folder is missing or not for this user.
        StoreError
            If the store could not serve the voxels. No file is left then.

        Examples
        --------
        >>> import numpy as np, pyvolume, tempfile
        >>> volume = pyvolume.from_array(np.arange(24).reshape(1, 2, 3, 4))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     volume.save(f"{folder}/cut.npz", np.s_[:, 1, ::2])
        ...     with pyvolume.open(f"{folder}/cut.npz") as cut:
        ...         cut.shape, cut[0, 0, 1].tolist()
        ((1, 1, 2, 4), [20, 21, 22, 23])
        """
        selection = self._selection_to_save(key, box)
        saving.save(self, self._transfer, selection, Path(path), mode=mode, progress=progress, options=options)

    def to_zarr(
        self,
        path: str | os.PathLike[str],
        key: object = None,
        *,
        box: BoxLike | None = None,
        progress: Progress = None,
        chunks: saving.ChunksLike = None,
        format: Literal["0.5", "0.4", "zarr"] | None = None,  # noqa: A002 - as in pyvolume.create
        compressors: Any = "auto",
    ) -> None:
        """Read voxels into a new image of OME-Zarr, see `save`; the path ends with .zarr."""
        saving.check_suffix(path, (".zarr",))
        self.save(path, key, box=box, progress=progress, chunks=chunks, format=format, compressors=compressors)

    def to_h5(
        self,
        path: str | os.PathLike[str],
        key: object = None,
        *,
        box: BoxLike | None = None,
        mode: Mode = "w-",
        progress: Progress = None,
        dataset: str = "voxels",
        chunks: saving.ChunksLike = None,
        compression: str | int | None = None,
    ) -> None:
        """Read voxels into a dataset of a new HDF5 file, see `save`; the path ends with .h5 or .hdf5."""
        saving.check_suffix(path, (".h5", ".hdf5"))
        options = {"dataset": dataset, "chunks": chunks, "compression": compression}
        self.save(path, key, box=box, mode=mode, progress=progress, **options)

    def to_tiff(
        self,
        path: str | os.PathLike[str],
        key: object = None,
        *,
        box: BoxLike | None = None,
        mode: Mode = "w-",
        progress: Progress = None,
    ) -> None:
        """Read voxels into a new TIFF, see `save`; the path ends with .tif, .tiff, .ome.tif or .ome.tiff."""
        saving.check_suffix(path, (".tif", ".tiff"))
        self.save(path, key, box=box, mode=mode, progress=progress)

    def _selection_to_save(self, key: object, box: BoxLike | None) -> Selection:
        if key is not None and box is not None:
            raise TypeError("save: expected a key or a box, and found both")
        if key is not None:
            return self._selection_to_read(key)
        return Selection.of_box(self.bounds if box is None else checked_box(box, self.metadata))

    def read_many(
        self, boxes: Iterable[BoxLike], *, ahead: int | None = None, ordered: bool = True
    ) -> Generator[tuple[Box, NDArray[Any]], None, None]:
        """Read many boxes, several at once, a few ahead of the caller.

        Parameters
        ----------
        boxes : iterable of Box or pair of corners
            In literal voxel coordinates; taken as they are needed.
        ahead : int, optional
            How many boxes to read before the caller asks for them; by default two for each request that the store takes
            at once. So many results are in memory at most, and the one that the caller has.
        ordered : bool
            Give them in the order of `boxes`, or in that in which they arrive.

        Yields
        ------
        Box, ndarray
            As from `read`.

        Raises
        ------
        SelectionError, StoreError
            As `read`, when the box would be given.
        """

        def read(box: Box, call: Call) -> NDArray[Any]:
            voxels = self._transfer.read_box(checked_box(box, self.metadata), None, Operation(call, progress=False))
            reporter.moved(voxels.nbytes, call.counted.retries, call.counted.at_once)
            return voxels

        if ahead is not None:
            arguments.integer(ahead, "read_many", "ahead", least=0)
        with Reporter(None, "read", 0) as reporter:
            given = map(as_box, arguments.each_of(boxes, "read_many", "boxes"))
            room = Room(self.store, write=False, itemsize=self.dtype.itemsize)
            tasks = self._announced(given, lambda box: box, reporter, room)
            yield from run_ahead(tasks, read, self._transfer.begin, room, ordered=ordered, ahead=ahead)

    def write_many(self, pieces: Iterable[tuple[BoxLike, NDArray[Any]]]) -> None:
        """Write many boxes, several at once; which one wins where they overlap is not said.

        Parameters
        ----------
        pieces : iterable of (Box or pair of corners, array)
            Taken as they are needed.

        Raises
        ------
        SelectionError, VoxelsMismatchError, UnsupportedError, StoreError
            As `write`. No further box begins after an error. One that was under way may be stored, as a whole or in
            part.
        """

        def write(piece: tuple[Box, NDArray[Any]], call: Call) -> None:
            box, array = piece
            self._post(checked_box(box, self.metadata), array, Operation(call, progress=False))
            reporter.moved(box.size * self.dtype.itemsize, call.counted.retries, call.counted.at_once)

        with Reporter(None, "write", 0) as reporter:
            given = map(as_piece, arguments.each_of(pieces, "write_many", "pairs of a box and an array"))
            room = Room(self.store, write=True, itemsize=self.dtype.itemsize)
            tasks = self._announced(given, lambda piece: piece[0], reporter, room)
            for _ in run_ahead(tasks, write, self._transfer.begin, room, ordered=False):
                pass

    def _announced(self, tasks: Iterable[T], box_of: Callable[[T], Box], reporter: Reporter, room: Room) -> Iterator[T]:
        """Give tasks as they are taken, and add their bytes to the total of a transfer."""
        for task in tasks:
            reporter.expect(room.add(box_of(task)))
            yield task

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a volume cannot become an array without a copy")
        if self.nbytes > max(LARGE_ARRAY_BYTES, SPARSE * self.stored_nbytes):
            raise UnsupportedError(
                f"read everything: from index 0 on these are {readable(self.nbytes)}, of which "
                f"{readable(self.stored_nbytes)} are stored; use volume.read(volume.bounds)"
            )
        voxels = np.asarray(self[...])
        return voxels if dtype is None else voxels.astype(dtype, copy=False)

    def _write(self, selection: Selection, values: object) -> None:
        self._transfer.write(selection, values, self._transfer.operation())

    def _post(self, box: Box, array: NDArray[Any] | Sliceable, operation: Operation) -> None:
        self._transfer.post(box, array, operation)


def transfer_of(volume: object, action: str) -> Transfer:
    """Return how the voxels of a volume or of an array-like are read and written.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if isinstance(volume, Volume):
        return volume._transfer  # noqa: SLF001 - only this function gives it away
    if isinstance(volume, Sliceable):
        return Transfer(ArrayStore(volume), Known(metadata_of(volume)))
    raise TypeError(
        f"{action}: expected a volume, or an array-like with a shape, a dtype and slices, "
        f"and found {type(volume).__name__}"
    )
