"""The voxels of an image of BigDataViewer: its views, side by side."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.errors import MetadataError, NotFoundError, UnsupportedError
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.scales import Level, Scales
from pyvolume.n5.address import canonical, shown_level
from pyvolume.n5.blocks import FILLED, Blocks, Missing, each_stored
from pyvolume.n5.images import DIMS, Choice, Image, factors_of, first_info, metadata_of, view_info, view_path
from pyvolume.n5.levels import chosen
from pyvolume.n5.spimdata import Setup
from pyvolume.n5.store import PIECE_BYTES
from pyvolume.stores.base import StoreTraits, at_once


class ViewsStore:
    """One level of an image; it can be read only.

    Parameters
    ----------
    image : Image
        The image.
    choice : Choice
        What is shown of it.
    level : int or tuple of int
        The index of the level, or its factors.
    missing : Missing
        What a read gives for blocks that are not stored.

    Raises
    ------
    NotFoundError
        If there is no such level, or no view.
    MetadataError
        If the attributes of the views contradict each other.
    """

    def __init__(
        self, image: Image, choice: Choice, *, level: int | tuple[int, ...] = 0, missing: Missing = FILLED
    ) -> None:
        self.image = image
        self.choice = choice
        self.missing = missing
        self.factors = factors_of(image, choice)
        self.level = chosen(self.factors, level, str(image.path))
        self.info = first_info(image, choice, self.level)
        self.metadata = metadata_of(image, choice, self.info, self.factors[self.level])
        self.address = self._address()
        self._views: dict[tuple[int, int], Blocks] = {}
        blocks = dict(zip("xyz", self.info.form.shape, strict=True))
        self.traits = StoreTraits(
            write_grid=tuple(blocks.get(dim, 1) for dim in choice.dims),
            piece_bytes=PIECE_BYTES,
            preferred_concurrency=at_once(),
            writable=False,
        )

    def _address(self) -> str:
        version = {} if self.image.version is None else {"version": str(self.image.version)}
        words = {name: str(number) for name, number in self.choice.words.items()}
        return canonical(self.image.path, version | {"level": shown_level(self.factors[self.level])} | words)

    @property
    def scales(self) -> Scales[ViewsStore]:
        """The levels of the image."""
        first = self.factors[0]

        def level(index: int) -> Level[ViewsStore]:
            ratios = [max(1.0, own / full) for own, full in zip(self.factors[index], first, strict=True)]
            by_axis = dict(zip("xyz", ratios, strict=True))
            return Level(
                tuple(by_axis.get(dim, 1.0) for dim in self.choice.dims), functools.partial(self._changed, index)
            )

        return Scales(tuple(map(level, range(len(self.factors)))), self.level)

    def _changed(self, level: int) -> ViewsStore:
        return ViewsStore(self.image, self.choice, level=level, missing=self.missing)

    def identity(self) -> str:
        """Name the XML file by its number and its time."""
        try:
            found = os.stat(self.image.client.full(self.image.xml))  # noqa: PTH116
        except OSError:
            return ""
        return f"{found.st_ino} {found.st_mtime_ns} {self.image.containers}"

    def read_metadata(self, call: Call) -> VoxelsMetadata:
        call.remaining()
        return self.metadata

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        whole = out[tuple(slice(None) if dim in self.choice.dims else np.newaxis for dim in DIMS)]
        start, stop = self._space(box)
        with self.image.client.working(call):
            for place, blocks in self._shown(box):
                view = whole[place]
                if blocks is None:
                    self._fill(view, box)
                else:
                    blocks.read(start, stop, view, call)

    def _fill(self, view: NDArray[Any], box: Box) -> None:
        if self.missing.raises:
            action = f"read voxels {box} of {self.address}"
            raise NotFoundError(f"{action}: a view of it is not stored", action=action)
        view[...] = self.missing.fill_value

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:  # noqa: ARG002
        raise UnsupportedError(f"write voxels of {self.address}: images of BigDataViewer are read only")

    def stored(self, box: Box, call: Call) -> NDArray[np.bool_]:
        """Return for each block that a box touches whether it is stored; one look at the folder each."""
        start, stop = self._space(box)
        grid = self.info.form.shape
        shape = [-(-high // step) - low // step for low, high, step in zip(start, stop, grid, strict=True)]
        lengths = [len(each) for each in self._ranges(box)]
        found = np.zeros([lengths[0], *shape, *lengths[1:]], bool)
        for place, blocks in self._shown(box):
            if blocks is not None:
                found[place] = each_stored(start, stop, grid, functools.partial(_stored, blocks, call))
        return found[tuple(slice(None) if dim in self.choice.dims else 0 for dim in DIMS)]

    def _space(self, box: Box) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return box.start[1:4], box.stop[1:4]

    def _ranges(self, box: Box) -> list[range]:
        """Return the channels, the time points and the angles of a box, as indices."""
        faces = dict(zip(self.choice.dims, map(range, box.start, box.stop), strict=True))
        return [faces.get(dim, range(1)) for dim in "cta"]

    def _shown(self, box: Box) -> Iterator[tuple[tuple[Any, ...], Blocks | None]]:
        """Give each view of a box: its place in an array of six axes, and its blocks, None if it is missing."""
        ranges = self._ranges(box)
        for c, t, a in itertools.product(*ranges):
            at = [n - each.start for n, each in zip((c, t, a), ranges, strict=True)]
            place = (at[0], slice(None), slice(None), slice(None), at[1], at[2])
            yield place, self._view(c, t, a)

    def _view(self, c: int, t: int, a: int) -> Blocks | None:
        """Return the blocks of a view; what its attributes say is remembered."""
        setup = self.choice.setups.get((self.choice.channels[c], self.choice.angles[a]))
        if setup is None:
            return None
        key = (setup.number, self.choice.timepoints[t])
        found = self._views.get(key) or self._opened(setup, key[1])
        if found is not None:  # a view that is missing can be added
            self._views[key] = found
        return found

    def _opened(self, setup: Setup, timepoint: int) -> Blocks | None:
        image, name = self.image, view_path(setup, timepoint, self.level)
        info = view_info(image, setup, timepoint, self.level)
        if info is None:
            if not image.client.has(image.containers[0]):
                raise image.client.gone(image.containers[0])
            return None
        if (info.size, info.form.dtype) != (self.info.size, self.info.form.dtype):
            raise MetadataError(
                f"open {image.client.full(image.containers[0])}/{name}: expected {self.info.size} voxels of "
                f"{self.info.form.dtype} and found {info.size} of {info.form.dtype}; choose one view: ?setup="
            )
        paths = tuple(f"{container}/{name}" for container in image.containers)
        return Blocks(image.client, paths, image.containers[0], info, self.missing)

    def close(self) -> None:
        """Nothing is held open."""


def _stored(blocks: Blocks, call: Call, low: list[int], high: list[int]) -> bool:
    return blocks.stored(low, high, call)
