"""Changes of the repositories; a journal records and replays them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mockserver.dvid.model import label_operations
from mockserver.dvid.model.blocks import Layer
from mockserver.dvid.model.operations import OPERATIONS
from mockserver.dvid.model.regions import Region
from mockserver.dvid.model.repository import Repositories, new_uuid
from mockserver.dvid.model.volumes import Volume
from mockserver.dvid.wire.geometry import Box
from mockserver.dvid.wire.images import through_jpeg
from mockserver.dvid.wire.octets import as_bytes
from mockserver.http.messages import Declined, Panic, Refused
from mockserver.journal import Body, Journal, NotKeptError, UnwritableError

Fill = Callable[[memoryview], None]


@dataclass(frozen=True)
class Where:
    """The destination of voxels.

    Parameters
    ----------
    uuid : str
        The version.
    name : str
        The volume.
    start, shape : sequence of int
        The box.
    grow : bool
        Whether the extents of the volume grow to hold the box.
    region : str
        Name of a region: blocks outside it are not stored. Empty for none.
    """

    uuid: str
    name: str
    start: Sequence[int]
    shape: Sequence[int]
    grow: bool = True
    region: str = ""

    @property
    def box(self) -> Box:
        """The box."""
        return Box(tuple(self.start), tuple(self.shape))


class Changes:
    """Carries out changes one at a time; if there is a journal, it has each change first.

    Parameters
    ----------
    journal : Journal, optional
        The journal; the constructor replays its changes.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self.repositories = Repositories()
        self._journal = journal
        self._lock = self.repositories.changing
        if journal is not None:
            try:
                journal.changes(self._replay)
            except BaseException:
                journal.close()
                raise

    def make(self, operation: str, **arguments: Any) -> Any:
        """Carry out one of `OPERATIONS` and return its result; the arguments are plain JSON values.

        Raises
        ------
        Refused
            If the operation is not possible. What it changed before the refusal stays, also after a restart.
        Declined
            If the change cannot be kept; it is not carried out.
        """
        with self._lock, self._kept(operation, arguments) as keep:
            try:
                return OPERATIONS[operation](self.repositories, **arguments)
            except (Refused, Panic, Declined):
                keep()
                raise

    def make_with(self, operation: str, data: bytes, **arguments: Any) -> Any:
        """Carry out an operation that has a body of bytes, like `make`."""
        if self._journal is None:
            with self._lock:
                return label_operations.WITH_BODY[operation](self.repositories, data, **arguments)
        with _declining(), self._journal.new_body() as body:
            body.write(memoryview(data))
            body.sync()
            with self._lock, self._kept(operation, {**arguments, "body": body.name, "nbytes": len(data)}):
                result, refusal = self._attempt(operation, data, arguments)
        if refusal is not None:
            raise refusal
        return result

    def write(self, where: Where, fill: Fill) -> None:
        """Store all voxels that `fill` gives, in wire order, or none of them."""
        if self._journal is None:
            self._publish(where, self._stage(where, fill))
            return
        with _declining(), self._journal.new_body() as body:
            staged = self._stage(where, _copying(fill, body))
            body.sync()
            with self._lock, self._kept("write", {**asdict(where), "body": body.name}):
                self._publish(where, staged)

    def adopt(self, uuid: str, name: str, array: NDArray[Any]) -> None:
        """Create an instance from a channel-first array; its extents are the shape of the array."""
        self.make("adopt", uuid=uuid, name=name, dtype=array.dtype.newbyteorder("<").str,
                  shape=array.shape, data_uuid=new_uuid())  # fmt: skip
        instance, _ = self.repositories.at(uuid, name, Volume)
        box = Box((0,) * instance.ndim, array.shape[1:])
        slabs = iter(box.slabs(instance.voxels.voxel_bytes, instance.voxels.grid))

        def fill(view: memoryview) -> None:
            slab = next(slabs)
            part = tuple(slice(a, a + n) for a, n in zip(slab.start, slab.shape, strict=True))
            values = np.asfortranarray(array[(slice(None), *part)], instance.voxels.dtype)
            view[:] = as_bytes(values)

        if array.size:
            self.write(Where(uuid, name, box.start, box.shape), fill)

    def close(self) -> None:
        """Close the journal."""
        if self._journal:
            self._journal.close()

    @contextmanager
    def _kept(self, operation: str, arguments: dict[str, Any]) -> Iterator[Callable[[], None]]:
        """Keep a change while it is carried out, unless an error comes; give a function that keeps it all the same."""
        if self._journal is None:
            yield lambda: None
            return
        with _declining(), self._journal.change(operation, arguments) as keep:
            yield keep

    def _stage(self, where: Where, fill: Fill) -> Layer:
        volume, _ = self.repositories.at(where.uuid, where.name, Volume)
        staged = volume.voxels.stage(where.box, fill) if min(where.shape) > 0 else {}
        if (width := volume.jpeg_width) is not None:
            return {cell: through_jpeg(block, width) for cell, block in staged.items()}
        return staged

    def _publish(self, where: Where, staged: Layer) -> None:
        volume, lineage = self.repositories.at(where.uuid, where.name, Volume)
        if where.region:
            region, versions = self.repositories.at(where.uuid, where.region, Region)
            blocks = region.blocks(versions)
            staged = {cell: block for cell, block in staged.items() if cell in blocks}
        volume.voxels.store(lineage, where.box, staged)
        if where.grow:
            volume.grow(lineage, where.box)

    def _replay(self, operation: str, arguments: dict[str, Any]) -> None:
        if operation == "write":
            assert self._journal is not None
            body = arguments.pop("body")
            where = Where(**arguments)
            with self._journal.read_body(body, self._bytes_of(where)) as file:
                self._publish(where, self._stage(where, _filling(file)))
            return
        if operation in label_operations.WITH_BODY:
            self._replay_with(operation, arguments)
            return
        with suppress(Refused, Panic, Declined):  # the first time it was refused, too
            OPERATIONS[operation](self.repositories, **arguments)

    def _replay_with(self, operation: str, arguments: dict[str, Any]) -> None:
        assert self._journal is not None
        with self._journal.read_body(arguments.pop("body"), arguments.pop("nbytes")) as file:
            data = file.read()
        self._attempt(operation, data, arguments)

    def _attempt(self, operation: str, data: bytes, arguments: dict[str, Any]) -> tuple[Any, Exception | None]:
        """Return the result of an operation, and its refusal; what it changed before the refusal stays."""
        try:
            return label_operations.WITH_BODY[operation](self.repositories, data, **arguments), None
        except (Refused, Panic, Declined) as refusal:
            return None, refusal

    def _bytes_of(self, where: Where) -> int:
        volume, _ = self.repositories.at(where.uuid, where.name, Volume)
        return volume.voxels.voxel_bytes * where.box.size if min(where.shape) > 0 else 0


@contextmanager
def _declining() -> Iterator[None]:
    """Answer what cannot be kept."""
    try:
        yield
    except NotKeptError as error:
        raise Declined(400 if isinstance(error, UnwritableError) else 500, str(error)) from error


def _copying(fill: Fill, body: Body) -> Fill:
    def fill_and_copy(view: memoryview) -> None:
        fill(view)
        body.write(view)

    return fill_and_copy


def _filling(file: BinaryIO) -> Fill:
    def fill(view: memoryview) -> None:
        file.readinto(view)  # type: ignore[attr-defined]

    return fill
