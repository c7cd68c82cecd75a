"""The voxels of one level of a dataset in one version."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.calls.holds import Lanes
from pyvolume.codecs import framed
from pyvolume.errors import AnswerError, NotFoundError, TooLargeError, UnsupportedError
from pyvolume.hpc.address import canonical
from pyvolume.hpc.client import read_info
from pyvolume.hpc.documents import DIMS, DatasetInfo, View
from pyvolume.hpc.levels import cells
from pyvolume.hpc.prefix import Prefix, Prefixes
from pyvolume.hpc.refusals import refusal
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.scales import Level, Scales
from pyvolume.model.units import readable
from pyvolume.stores.base import StoreTraits
from pyvolume.transport.answer import Answer
from pyvolume.transport.connection import Connection
from pyvolume.transport.request import Request, Upload

MAX_READ_BYTES = 32 << 20
"""The server holds all blocks of an answer in memory."""

MAX_WRITE_BYTES = 8 << 20
"""The server refuses a body of more than 10 MiB."""

MAX_BODY = 10 << 20
"""The largest body that the server takes."""

MAX_PATH = 4000
"""The server refuses a request line of more than 4095 bytes."""

MOST_AT_ONCE = 4
"""The server locks the files that it reads: more requests at once gain nothing."""

MIXED = "mixedLatest"
"""The version that shows the newest version of each block."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user chooses about blocks.

    Parameters
    ----------
    missing : "fill" or "raise"
        What a read gives for blocks that are not stored.
    fill_value : float
        The value of their voxels.
    complete_from : "older" or "fill"
        What completes a block that a write does not fill, and that is not stored in the version.
    verify : bool
        Read back what was written.
    """

    missing: Literal["fill", "raise"] = "fill"
    fill_value: float = 0
    complete_from: Literal["older", "fill"] = "older"
    verify: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a request.

    Parameters
    ----------
    path : str
        Its numbers in a url: x, y, z, the ids of time point, channel and angle.
    place : tuple
        Its voxels in an array of six axes that begins at the box of the request; time, channel and angle are indices.
    """

    path: str
    place: tuple[Any, ...]


class DataStoreStore:
    """One level of a dataset in one version.

    Parameters
    ----------
    connection : Connection
        To the server.
    info : DatasetInfo
        What the server says of the dataset.
    version : int or "mixedLatest"
        Which version.
    level : int
        The index of the level.
    view : View
        The part of the dataset that is shown.
    choices : Choices
        What the user chooses about blocks.
    mode : "r" or "r+"
        Whether the level is opened for reading only.
    owns_connection : bool
        Whether `close` closes the connection.
    prefixes : Prefixes, optional
        Those of another store, which closes them; by default own ones.
    fallbacks : sequence of int
        Older versions that are asked for a block that is missing, one after the other.
    """

    def __init__(
        self,
        connection: Connection,
        info: DatasetInfo,
        *,
        version: int | str,
        level: int,
        view: View,
        choices: Choices,
        mode: Literal["r", "r+"],
        owns_connection: bool = False,
        prefixes: Prefixes | None = None,
        fallbacks: Sequence[int] = (),
    ) -> None:
        self.connection = connection
        self.info = info
        self.version = version
        self.level = level
        self.view = view
        self.choices = choices
        self.mode = mode
        self.owns_connection = owns_connection
        self.prefixes = prefixes or Prefixes(connection, info.uuid)
        self._owns_prefixes = prefixes is None
        self.fallbacks = tuple(fallbacks)
        self.address = canonical(connection.url, info.uuid, version, info.levels[level].factors, view)
        self.dtype = info.dtype
        self._grid = (1, *info.levels[level].block_shape, 1, 1)
        kept = [DIMS.index(dim) for dim in view.dims]
        grid = tuple(self._grid[axis] for axis in kept)
        self.traits = StoreTraits(
            write_grid=grid,
            read_grid=grid,
            max_read_bytes=MAX_READ_BYTES,
            max_write_bytes=MAX_WRITE_BYTES,
            max_blocks=self._most_blocks(),
            piece_bytes=(MAX_WRITE_BYTES // 2, MAX_READ_BYTES),
            writable=version != MIXED,
            preferred_concurrency=min(MOST_AT_ONCE, connection.concurrency),
            voxels=f"{connection.url} {info.uuid} {version} {info.levels[level]}",
        )

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_owns_prefixes": True}  # in another process no other store closes them

    def _most_blocks(self) -> int:
        """Return how many blocks fit into the path of a request."""
        size = self.info.levels[self.level].size(self.info.size)
        last = [n // cell for n, cell in zip(size, self._grid[1:4], strict=True)]
        ids = [max(self.info.timepoints, default=0), self.info.channels, self.info.angles]
        numbers = sum(len(f"/{number}") for number in [*last, *ids])
        prefix = len(f"/datasets/{self.info.uuid}/{self.info.levels[self.level]}/{self.version}/")
        return max(1, (MAX_PATH - prefix) // numbers)

    @property
    def lanes(self) -> Lanes:
        """The slots of the connection."""
        return self.connection.lanes

    @property
    def scales(self) -> Scales[DataStoreStore]:
        """The levels of the dataset in this version."""
        first = self.info.levels[0].factors

        def level(index: int) -> Level[DataStoreStore]:
            factors = zip(self.info.levels[index].factors, first, strict=True)
            by_axis = {**dict(zip("xyz", (a / b for a, b in factors), strict=True)), "c": 1.0, "t": 1.0, "a": 1.0}
            return Level(tuple(by_axis[dim] for dim in self.view.dims), lambda: self._changed(level=index))

        return Scales(tuple(map(level, range(len(self.info.levels)))), self.level)

    @functools.cached_property
    def completed_from(self) -> DataStoreStore | None:
        """The store of the same voxels that looks into older versions for a block that is missing."""
        older = [each for each in reversed(self.info.versions) if isinstance(self.version, int) and each < self.version]
        if not older and self.choices.missing == "fill":
            return None
        fallbacks = older if self.choices.complete_from == "older" else ()
        return self._changed(choices=dataclasses.replace(self.choices, missing="fill"), fallbacks=fallbacks)

    def _changed(
        self, *, level: int | None = None, choices: Choices | None = None, fallbacks: Sequence[int] = ()
    ) -> DataStoreStore:
        return DataStoreStore(
            self.connection,
            self.info,
            version=self.version,
            level=self.level if level is None else level,
            view=self.view,
            choices=choices or self.choices,
            mode=self.mode,
            prefixes=self.prefixes,
            fallbacks=fallbacks,
        )

    def in_whole(self, box: Box) -> Box:
        """Return a box of this view in the whole dataset, with its six axes."""
        shown = dict(zip(self.view.dims, zip(box.start, box.stop, strict=True), strict=True))
        if self.view.channel is not None:
            shown["c"] = tuple(face + self.view.channel for face in shown["c"])  # type: ignore[assignment]
        if self.view.timepoint is not None:
            index = self.info.timepoints.index(self.view.timepoint)
            shown["t"] = (index, index + 1)
        if self.view.angle is not None:
            shown["a"] = (self.view.angle, self.view.angle + 1)
        faces = [shown[dim] for dim in DIMS]
        return Box([low for low, _ in faces], [high for _, high in faces])

    def identity(self) -> str:
        """Name the dataset, whose uuid is used once, and the versions that are shown."""
        shown = self.info.versions if self.version == MIXED else (self.version,)
        return f"{self.info.uuid} {list(shown)}"

    def read_metadata(self, call: Call) -> VoxelsMetadata:
        return read_info(self.connection, self.info.uuid, call).metadata(self.level, self.view)

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        missing = list(self._blocks(box))
        whole = self._whole(out)
        action = f"read voxels {box} of {self.info.uuid}"
        missing = self._read_blocks(self.version, missing, whole, call, action) if missing else []
        for version in self.fallbacks:
            missing = self._read_older(version, missing, whole, call, action) if missing else []
        if missing and self.choices.missing == "raise":
            raise NotFoundError(
                f"{action}: {len(missing)} of the blocks are not stored in version {self.version}, "
                f"the first one is {missing[0].path}",
                action=action,
            )
        for block in missing:
            whole[block.place] = self.choices.fill_value

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        action = f"write voxels {box} of {self.info.uuid}"
        if self.version == MIXED:
            raise UnsupportedError(f"{action}: {MIXED} shows several versions and is read-only; open a number")
        whole = self._whole(voxels)
        blocks = list(self._blocks(box))
        parts = [whole[block.place] for block in blocks]
        nbytes = framed.framed_bytes((part.shape for part in parts), self.dtype)
        if nbytes > MAX_BODY:
            raise TooLargeError(
                f"{action}: a block of {readable(nbytes)}, and the server takes {readable(MAX_BODY)} in one request",
                action=action,
            )
        upload = Upload(nbytes, lambda: framed.encode(parts, self.dtype))
        path = "".join(block.path for block in blocks)
        headers = {"Content-Type": "application/octet-stream"}
        request = Request(action, "POST", path, upload=upload, headers=headers, refusal=refusal)
        self._prefix(self.version).exchange(request, Answer.read_nothing, call)
        if self.choices.verify:
            self._verify(blocks, whole, call, action)

    def stored(self, box: Box, call: Call) -> NDArray[np.bool_]:
        """Return for each block of a box on the grid whether it is stored in this version; the blocks are sent."""
        blocks = list(self._blocks(box))
        action = f"look for blocks in {box} of {self.info.uuid}"
        found = self._received(self.version, blocks, lambda _, voxels: voxels is not None, call, action)
        sides = zip(box.start, box.stop, self.traits.read_grid, strict=True)
        shape = tuple(-(-stop // cell) - start // cell for start, stop, cell in sides)
        return np.array(found).reshape(shape, order="F")

    def _blocks(self, box: Box) -> Iterator[Block]:
        """Give the blocks of a box on the grid, in the order of an array in Fortran order."""
        whole = self.in_whole(box)
        for index in cells(whole.start, whole.stop, self._grid):
            c, x, y, z, t, a = index
            sides = zip(index, self._grid, whole.start, whole.stop, strict=True)
            faces = [(n * cell - start, min((n + 1) * cell, stop) - start) for n, cell, start, stop in sides]
            place = (faces[0][0], *(slice(*each) for each in faces[1:4]), faces[4][0], faces[5][0])
            yield Block(f"/{x}/{y}/{z}/{self.info.timepoints[t]}/{c}/{a}", place)

    def _whole(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """View an array with the axes that this store leaves out, each of length 1."""
        return voxels[tuple(slice(None) if dim in self.view.dims else np.newaxis for dim in DIMS)]

    def _read_blocks(
        self, version: int | str, blocks: Sequence[Block], whole: NDArray[Any], call: Call, action: str
    ) -> list[Block]:
        """Put those blocks into an array that a version has, and return the others."""

        def put(block: Block, voxels: NDArray[Any] | None) -> bool:
            if voxels is not None:
                _put(voxels, whole[block.place], self.choices.fill_value)
            return voxels is not None

        found = self._received(version, blocks, put, call, action)
        return [block for block, is_stored in zip(blocks, found, strict=True) if not is_stored]

    def _read_older(
        self, version: int, blocks: Sequence[Block], whole: NDArray[Any], call: Call, action: str
    ) -> list[Block]:
        """Do as `_read_blocks`; an older version can have been deleted since the volume was opened."""
        try:
            return self._read_blocks(version, blocks, whole, call, action)
        except NotFoundError:
            if version in read_info(self.connection, self.info.uuid, call).versions:
                raise
            return list(blocks)

    def _verify(self, blocks: Sequence[Block], whole: NDArray[Any], call: Call, action: str) -> None:
        """Read back what was written."""

        def same(block: Block, voxels: NDArray[Any] | None) -> bool:
            given = whole[block.place].astype(self.dtype)
            return voxels is not None and np.array_equal(voxels, given, equal_nan=self.dtype.kind == "f")

        for block, is_same in zip(blocks, self._received(self.version, blocks, same, call, action), strict=True):
            if not is_same:
                raise AnswerError(f"{action}: the server has stored something else in the block {block.path}")

    def _received(
        self,
        version: int | str,
        blocks: Sequence[Block],
        take: Callable[[Block, NDArray[Any] | None], bool],
        call: Call,
        action: str,
    ) -> list[bool]:
        """Ask a version for blocks, and return what `take` says of each; it is called again after a broken attempt."""

        def receive(answer: Answer) -> list[bool]:
            answer.expect(None, "application/octet-stream")
            arriving = framed.decode(answer, len(blocks), self._grid[1:4], self.dtype, action)
            taken = [take(block, voxels) for block, voxels in zip(blocks, arriving, strict=True)]
            answer.finish()
            return taken

        request = Request(action, "GET", "".join(block.path for block in blocks), refusal=refusal)
        return self._prefix(version).exchange(request, receive, call)

    def _prefix(self, version: int | str) -> Prefix:
        mode = "read-write" if version == self.version and self.mode == "r+" else "read"
        return self.prefixes.of(str(self.info.levels[self.level]), version, mode)

    def close(self) -> None:
        """Close what was opened for this store."""
        if self._owns_prefixes:
            self.prefixes.close()
        if self.owns_connection:
            self.connection.close()


def _put(voxels: NDArray[Any], place: NDArray[Any], fill_value: float) -> None:
    """Put a block into its place; the server gives it back in the size in which somebody has stored it."""
    if voxels.shape == place.shape:
        place[...] = voxels
        return
    common = tuple(slice(min(a, b)) for a, b in zip(voxels.shape, place.shape, strict=True))
    place[...] = fill_value
    place[common] = voxels[common]
