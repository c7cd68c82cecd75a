"""LabelVolume: a segmentation in DVID."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self, SupportsIndex, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyvolume.calls.progress import Progress
from pyvolume.copying import copy
from pyvolume.dvid.documents import InstanceDescription
from pyvolume.dvid.instances import Instance
from pyvolume.dvid.labels import index, numbers
from pyvolume.dvid.labels.body import Body
from pyvolume.dvid.labels.edits import Cleave, Editor, Merge, Renumbering, Split
from pyvolume.dvid.labels.numbers import Questions
from pyvolume.dvid.labels.runs import Runs
from pyvolume.dvid.labels.store import LabelStore
from pyvolume.dvid.labels.types import can, require
from pyvolume.dvid.options import Options
from pyvolume.dvid.voxels import settings
from pyvolume.dvid.voxels.accessor import VoxelsAccessor
from pyvolume.dvid.voxels.scales import Levels
from pyvolume.dvid.voxels.store import DvidStore
from pyvolume.errors import UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.box import Box, BoxLike
from pyvolume.model.scales import Scales
from pyvolume.stores.arrays import Sliceable
from pyvolume.stores.base import VoxelStore, room_of
from pyvolume.transfer.checks import checked_box
from pyvolume.transfer.grid import cut
from pyvolume.volume import Volume

__all__ = ["LabelVolume"]


class LabelVolume(VoxelsAccessor):
    """A segmentation in DVID: each voxel has the number of the object that it belongs to, 0 is none; dtype uint64.

    `pyvolume.open`, `Version.labels` and `VoxelsAccessor` return one where the instance holds labels. It has what a
    `VoxelsAccessor` has, and takes the same arguments. What only newer types of instances can do is an
    `UnsupportedError` on the older ones, before any request; ``labelmap`` can do everything.

    A ``labelmap`` stores *supervoxels*, and maps each of them to the *body* that it belongs to. Voxels are read as
    bodies. **They are written as supervoxels**, and read back as the bodies that these belong to. At first each
    supervoxel is a body of the same number.

    Parameters
    ----------
    compression : "auto", "lz4", "gzip", "none", "google" or "blocks"
        How voxels are compressed on the wire. ``"auto"`` is lz4. ``"google"``, the one of Neuroglancer, needs the extra
        ``labels``. ``"blocks"`` are the server's own blocks. These two are for reads; writes are sent as lz4 then, or
        as ``"blocks"`` where they are the first ones.
    ingest : bool
        Whether writes are the first ones of their blocks. The server then does not look for what they replace, and
        **counts voxels twice** in the sizes of bodies where they replace something.
    """

    def _become(self, description: InstanceDescription) -> None:
        if not description.holds_labels:
            raise UnsupportedError(
                f"open labels: expected an instance of labels and found {description.typename}; open it with "
                "pyvolume.open or as a VoxelsAccessor"
            )

    def _new_store(
        self, instance: Instance, description: InstanceDescription, options: Options, **facts: Any
    ) -> DvidStore:
        facts.pop("place", None)  # a level of labels is no instance of its own
        chosen, query = options.taking(facts.pop("query"))
        return LabelStore(instance, description, chosen, query=query, **facts)

    @property
    def store(self) -> LabelStore:
        """The instance in its version, at its scale."""
        return cast("LabelStore", self._transfer.store)

    @property
    def _options_of_store(self) -> Options:
        return self.store.options

    @property
    def holds_labels(self) -> bool:
        """Whether a voxel is the number of an object; always."""
        return True

    def _with_options(self, **options: Any) -> Self:
        return self._with_store(self.store.changed(**options), self.metadata)

    def _require(self, ability: str, action: str) -> str:
        """Return what errors say, and refuse what the instance cannot do."""
        action = f"{action} of {self.name}"
        require(self.store.description, ability, action)
        return action

    @property
    def _questions(self) -> Questions:
        room = functools.partial(room_of, self.store, write=False)
        return Questions(self.store.instance, self._transfer.begin, room)

    @property
    def supervoxels(self) -> Self:
        """The labels that are stored, in place of the bodies that they belong to; no request."""
        self._require("supervoxels", "show the supervoxels")
        return self._with_options(supervoxels=True)

    @property
    def scales(self) -> Scales[VoxelStore]:
        """The resolution levels, which the server makes; no request."""
        return self.store.scales

    def create_scales(self, levels: Levels = "auto") -> NoReturn:
        """Refuse to create levels.

        Raises
        ------
        UnsupportedError
            Always: the server keeps as many levels of labels as were asked for when the instance was created.
        """
        raise UnsupportedError(
            f"create {levels} levels of {self.name}: the levels of labels are created with them, as in "
            "create_labels(..., levels=3)"
        )

    def scale(self, level: SupportsIndex) -> LabelVolume:
        """Open another resolution level, which the server has made; see `Volume.scale`.

        A voxel of a coarser level has the most frequent label of the eight below it that is not 0, or the lowest of
        several such labels. Coarser levels are read only.
        """
        return cast("LabelVolume", super().scale(level))

    def at_points(self, xyz: ArrayLike, scale: SupportsIndex | None = None) -> NDArray[np.uint64]:
        """Return the labels of single voxels, in requests of 10,000 each, several at once.

        Parameters
        ----------
        xyz : array-like of int, last axis x, y, z
            Absolute coordinates, of any sign.
        scale : int, optional
            The resolution level that they are coordinates of; by default the level of this volume.

        Returns
        -------
        ndarray of uint64
            Of the shape of `xyz` without its last axis.

        Raises
        ------
        SelectionError
            For another shape, coordinates that are no whole numbers of 32 bits, or a level that is not there.
        StoreError
            If the server could not answer.
        """
        action = f"look for the labels of points in {self.name}"
        points = numbers.points_of(xyz, action)
        found = self.store.at_scale(scale).labels_at(points.reshape(-1, 3), self._questions, action)
        return found.reshape(points.shape[:-1])

    def mapping(self, supervoxels: ArrayLike) -> NDArray[np.uint64]:
        """Return the body of each supervoxel; 0 for numbers that are not stored.

        Parameters
        ----------
        supervoxels : array-like of int
            Any number of them, of any shape.

        Raises
        ------
        MetadataError
            For what is no label.
        UnsupportedError
            If the instance is older than labelmap.
        StoreError
            If the server could not answer.
        """
        return self._ask("mapping", "mapping", supervoxels, {})

    def sizes(self, labels: ArrayLike) -> NDArray[np.uint64]:
        """Return the number of voxels of each body, or of each supervoxel if the volume shows these; 0 for others.

        Parameters
        ----------
        labels : array-like of int
            Any number of them, of any shape.

        Raises
        ------
        MetadataError, UnsupportedError, StoreError
            As for `mapping`.
        """
        return self._ask("sizes", "sizes", labels, {"supervoxels": "true"} if self.store.options.supervoxels else {})

    def _ask(self, ability: str, endpoint: str, labels: ArrayLike, words: Mapping[str, str]) -> NDArray[np.uint64]:
        action = self._require(ability, f"ask for the {ability}")
        ids = numbers.ids_of(labels, action)
        return self._questions.ask(endpoint, ids.ravel(), action, words).reshape(ids.shape)

    @property
    def max_label(self) -> int:
        """The highest label that was ever written in this version, 0 before the first one; one request."""
        self._require("max_label", "ask for the highest label")
        return numbers.max_label(self.store.instance)

    def next_labels(self, count: SupportsIndex) -> range:
        """Reserve labels that nobody else gets, above all that are there.

        Parameters
        ----------
        count : int
            How many.

        Raises
        ------
        UnsupportedError
            If the instance is older than labelmap, or the volume was opened for reading only.
        StoreError
            If the server could not answer. If the answer was lost, it is `uncertain`: labels may have been reserved,
            which nobody gets; ask for others.
        """
        editor = self._editor("next_labels", "reserve labels")
        return editor.next_labels(arguments.integer(count, "reserve labels", "count", least=1))

    def body(self, label: SupportsIndex) -> Body:
        """Return a body, or a supervoxel if the volume shows these; no request.

        Raises
        ------
        MetadataError
            For what is no label, and for 0.
        UnsupportedError
            If the instance has no bodies.
        """
        action = self._require("bodies", "return a body")
        return Body(self.store, numbers.label_of(label, action))

    def merge(self, into: SupportsIndex, labels: ArrayLike) -> Merge:
        """Merge bodies into one of them.

        Parameters
        ----------
        into : int
            The body that gets the voxels of the others.
        labels : array-like of int
            The others, which are no more then.

        Raises
        ------
        NotFoundError
            If there is no such body.
        MetadataError
            For what is no label, 0, a label that is given twice, or no label at all.
        UnsupportedError
            If the instance is older than labelmap, or the volume was opened for reading only.
        LockedError
            If the version is committed.
        StoreError
            If the server could not do it. A merge whose answer was lost is looked for, and never repeated. If it was
            not found, the error is `uncertain`.
        """
        return self._editor("merge", "merge bodies").merge(into, labels)

    def cleave(self, label: SupportsIndex, supervoxels: ArrayLike) -> Cleave:
        """Take supervoxels out of a body; they become a new body, whose number the server chooses.

        Parameters
        ----------
        label : int
            The body.
        supervoxels : array-like of int
            Some of its supervoxels, not all.

        Raises
        ------
        NotFoundError
            If one of them is not of this body.
        RefusedError
            If they are all that it has.
        MetadataError, UnsupportedError, LockedError, StoreError
            As for `merge`.
        """
        return self._editor("cleave", "cleave a body").cleave(label, supervoxels)

    def split_supervoxel(self, supervoxel: SupportsIndex, runs: Runs) -> Split:
        """Split a supervoxel in two, which both stay in its body; the server chooses their numbers.

        Parameters
        ----------
        supervoxel : int
            Which one.
        runs : ndarray with the fields x, y, z and length
            The voxels of the first part, as `Body.to_runs` and `Body.runs` return them.

        Raises
        ------
        NotFoundError
            If there is no such supervoxel.
        MetadataError
            If the runs hold voxels that are not of the supervoxel, or all of its voxels.
        UnsupportedError, LockedError, StoreError
            As for `merge`.
        """
        return self._editor("split_supervoxel", "split a supervoxel").split_supervoxel(supervoxel, runs)

    def renumber(self, labels: Mapping[int, int]) -> Renumbering:
        """Give bodies other numbers.

        Parameters
        ----------
        labels : mapping of int to int
            The new number of each body; no body and no supervoxel has it yet.

        Raises
        ------
        NotFoundError
            If there is no such body.
        RefusedError
            If a new number is taken.
        MetadataError, UnsupportedError, LockedError, StoreError
            As for `merge`.
        """
        return self._editor("renumber", "renumber bodies").renumber(labels)

    def _editor(self, ability: str, action: str) -> Editor:
        self._require(ability, action)
        self._check_writable(action)
        return Editor(self.store.changed(supervoxels=False, scale=0), self._questions)

    def wait_indexed(self, timeout: float = 60, box: BoxLike | None = None) -> None:
        """Wait until the index of bodies has caught up with the voxels: the server writes voxels first.

        The voxels of the box are read, and compared with what the index says of the bodies that they belong to. Labels
        that a write has removed from the box altogether are not looked for.

        Parameters
        ----------
        timeout : float
            Seconds.
        box : Box or pair of corners, optional
            Channel first, in voxels of the finest level. By default what was written through this object, and through
            its views.

        Raises
        ------
        BusyTimeoutError
            If the index differs after this time.
        UnsupportedError
            If the instance is older than labelmap.
        StoreError
            If the server could not answer.
        """
        action = self._require("wait_indexed", "wait for the index")
        arguments.number(timeout, action, "timeout")
        store = self.store.changed(supervoxels=True, scale=0)
        given = store.written.boxes() if box is None else [checked_box(box, self.metadata)]
        grid, most = store.traits.write_grid, store.traits.piece_bytes[1] // store.dtype.itemsize
        pieces = [piece for each in given if each.size for piece in cut(each.aligned_to(grid), grid, most)]
        index.wait(store, pieces, self._transfer.begin(), timeout)
        store.written.forget(given)

    def ingest(
        self,
        source: Volume | Sliceable,
        box: BoxLike | None = None,
        *,
        downres: bool = True,
        indexing: bool = True,
        concurrency: int | None = None,
        progress: Progress = None,
        resume: str | os.PathLike[str] | None = None,
        verify: bool = False,
    ) -> int:
        """Write labels where nothing is stored yet, as the server's own blocks: the fastest way to store a volume.

        Blocks that are 0 are not sent. Otherwise it is as `pyvolume.copy`, piece by piece. **Voxels that replace others
        are counted twice** in the sizes of bodies; `write` counts them right.

        Parameters
        ----------
        source : Volume or array-like
            Of uint64, or of smaller unsigned integers; with the axes (c, x, y, z).
        box : Box or pair of corners, optional
            What to write, in absolute coordinates, which are the same on both sides; by default all that the source
            has.
        downres : bool
            Let the server make the coarser levels.
        indexing : bool
            Let the server add the voxels to its index of bodies.
        concurrency, progress, resume, verify : optional
            As for `pyvolume.copy`. An ingestion that is resumed writes as `write` does, because a piece of the one
            before it may have been stored.

        Returns
        -------
        int
            Bytes of the voxels that were written.

        Raises
        ------
        UnsupportedError
            If the instance has no native blocks, the volume was opened for reading only, or it shows a coarser level.
        SelectionError, VoxelsMismatchError, MetadataError, StoreError
            As for `pyvolume.copy`.
        """
        action = self._require("blocks", "ingest labels")
        self._transfer.check_writable(action)
        is_again = resume is not None and Path(resume).exists()
        store = self.store.changed(
            compression="blocks", ingest=not (is_again and indexing), downres=downres, indexing=indexing,
            supervoxels=can(self.store.description, "supervoxels"),
        )  # fmt: skip
        target = self._with_store(store, self.metadata)
        written = copy(source, target, box, concurrency=concurrency, progress=progress, resume=resume, verify=verify)
        # blocks of 0 that were not sent are in the bounds too
        if can(self.store.description, "extents") and target.bounds.size:
            settings.extend(self.store.instance, target.bounds, self.block_shape)
        self._transfer.known.grow(target.bounds)
        return written

    def set_extents(
        self,
        start: Box | Sequence[SupportsIndex],
        stop: Sequence[SupportsIndex] | None = None,
        *,
        force: bool = False,
    ) -> None:
        """Extend the bounds of the volume in this version, see `VoxelsAccessor.set_extents`.

        Raises
        ------
        UnsupportedError
            If the instance is older than labelmap, or the volume was opened for reading only.
        SelectionError, LockedError
            As for `VoxelsAccessor.set_extents`.
        """
        self._require("extents", "set the extents")
        super().set_extents(start, stop, force=force)

    def neuroglancer_source(self) -> tuple[str, str]:
        """Return the type of a layer of Neuroglancer, and its source."""
        return "segmentation", self.store.instance.address

    def describe(self) -> dict[str, Any]:
        """Return the facts about the volume as values of JSON, see `Volume.describe`; no request."""
        options = self.store.options
        return super().describe() | {
            "levels": [list(factors) for factors in self.scales.factors],
            "level": options.scale,
            "supervoxels": options.supervoxels,
            "compression": options.for_reads,
        }
