"""The voxels of one dataset of N5."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.errors import MetadataError, NotFoundError
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.scales import Level, Scales
from pyvolume.n5.address import canonical
from pyvolume.n5.axes import arrangement_of, metadata_of
from pyvolume.n5.blocks import FILLED, Blocks, Missing, each_stored
from pyvolume.n5.client import ATTRIBUTES, Client
from pyvolume.n5.documents import check_version, dataset_info, is_dataset
from pyvolume.n5.levels import levels_around
from pyvolume.stores.base import StoreTraits, at_once

PIECE_BYTES = (4 << 20, 32 << 20)
"""The lowest and the highest size of a piece, see `StoreTraits`."""


class DatasetStore:
    """The voxels of one dataset.

    Parameters
    ----------
    client : Client
        Of the folder that holds the dataset.
    path : str
        Of the dataset, in this folder.
    mode : "r" or "r+"
        Whether voxels can be written.
    missing : Missing
        What a read gives for blocks that are not stored.

    Raises
    ------
    NotFoundError
        If there is no dataset.
    MetadataError, UnsupportedError
        If its attributes say what no volume can be.
    """

    def __init__(self, client: Client, path: str, *, mode: Literal["r", "r+"] = "r", missing: Missing = FILLED) -> None:
        self.client = client
        self.path = path
        self._mode = mode
        self._missing = missing
        full = client.full(path)
        attributes = self._attributes()
        self.info = dataset_info(attributes, full)
        self._arrangement = arrangement_of(attributes, len(self.info.size), full)
        self.metadata = self._described(attributes)
        self._blocks = Blocks(client, (path,), path, self.info, missing)
        self.address = canonical(Path(full))
        grid = self._arrangement.in_volume(self.info.form.shape)
        self.traits = StoreTraits(
            write_grid=grid,
            piece_bytes=PIECE_BYTES,
            read_cells=grid,
            preferred_concurrency=at_once(),
            writable=mode == "r+",
            voxels=f"n5 {os.path.realpath(full)}",
        )

    def _attributes(self) -> Mapping[str, Any]:
        attributes = self.client.attributes(self.path)
        if attributes is None or not is_dataset(attributes):
            action = f"open {self.client.full(self.path)}"
            raise NotFoundError(f"{action}: there is no dataset of N5", action=action)
        return attributes

    def _described(self, attributes: Mapping[str, Any]) -> VoxelsMetadata:
        """Describe the dataset, with what the groups around it say."""
        parents, group = list[Mapping[str, Any]](), self.path
        while group:
            group = group.rpartition("/")[0]
            parents.append(self.client.attributes(group) or {})
        check_version((parents or [attributes])[-1], str(self.client.folder))
        full = self.client.full(self.path)
        info = dataset_info(attributes, full)
        levels = () if "downsamplingFactors" in attributes else levels_around(self.client, self.path)
        factors = next((each.factors for each in levels if each.path == self.path), {})
        return metadata_of(attributes, parents, info, self._arrangement, path=full, factors=factors)

    @property
    def scales(self) -> Scales[DatasetStore]:
        """The levels of the image, if the dataset is one of s0, s1, … in a group."""
        found = levels_around(self.client, self.path)

        def level(path: str, factors: Mapping[str, float]) -> Level[DatasetStore]:
            by_dim = tuple(factors.get(dim, 1.0) for dim in self.metadata.dims)
            return Level(by_dim, functools.partial(self._sibling, path))

        paths = [each.path for each in found]
        return Scales(tuple(level(each.path, each.factors) for each in found), paths.index(self.path))

    def _sibling(self, path: str) -> DatasetStore:
        return DatasetStore(self.client, path, mode=self._mode, missing=self._missing)

    @property
    def completed_from(self) -> DatasetStore | None:
        """The store in which a block that is not stored has the fill value."""
        if not self._missing.raises:
            return None
        return DatasetStore(
            self.client, self.path, mode=self._mode, missing=dataclasses.replace(self._missing, raises=False)
        )

    def identity(self) -> str:
        """Name the attributes by the number of their file and its time."""
        try:
            found = os.stat(self.client.full(f"{self.path}/{ATTRIBUTES}"))  # noqa: PTH116
        except OSError:
            return ""
        return f"{found.st_ino} {found.st_mtime_ns}"

    def read_metadata(self, call: Call) -> VoxelsMetadata:
        call.remaining()
        now = self._sibling(self.path)
        if now.info.form != self.info.form or now.metadata.dims != self.metadata.dims:
            full = self.client.full(self.path)
            raise MetadataError(f"read {full}: the dataset is stored in another way now; open it again")
        return now.metadata

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        with self.client.working(call):
            self._blocks.read(*self._corners(box), self._present(out), call)

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        with self.client.working(call):
            self._blocks.write(*self._corners(box), self._present(voxels), call)

    def stored(self, box: Box, call: Call) -> NDArray[np.bool_]:
        """Return for each block that a box touches whether it is stored; one look at the folder each."""
        start, stop = self._corners(box)
        found = each_stored(start, stop, self.info.form.shape, lambda low, high: self._blocks.stored(low, high, call))
        return self._whole(found)

    def _corners(self, box: Box) -> tuple[list[int], list[int]]:
        """Return the corners of a box in the order of N5."""
        order = self._arrangement.order
        return [box.start[at] for at in order], [box.stop[at] for at in order]

    def _present(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """View an array with the axes of the volume in the order of N5."""
        order = self._arrangement.order
        others = [at for at in range(voxels.ndim) if at not in order]
        key: tuple[Any, ...] = (..., *(0,) * len(others))
        present: NDArray[Any] = voxels.transpose([*order, *others])[key]
        return present

    def _whole(self, array: NDArray[Any]) -> NDArray[Any]:
        """View an array in the order of N5 with the axes of the volume."""
        axes, dims = self._arrangement.axes, self._arrangement.dims
        kept = array.transpose([axes.index(dim) for dim in dims if dim in axes])
        return kept[tuple(slice(None) if dim in axes else np.newaxis for dim in dims)]

    def close(self) -> None:
        """Nothing is held open."""
