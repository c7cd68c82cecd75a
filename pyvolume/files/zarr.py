"""``.zarr``: an array of the third version of the format, and one attribute of it for each item of the description."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from numpy.typing import NDArray

from pyvolume.errors import UnsupportedError
from pyvolume.files import ngff
from pyvolume.files.axes import arranged
from pyvolume.files.chunking import ChunksLike, chunk_shape
from pyvolume.files.description import Description
from pyvolume.files.names import axes_of, said_by_attributes
from pyvolume.stores.arrays import in_chunks

WRITERS = 4
"""How many writes run at once."""


@contextlib.contextmanager
def create(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    description: Description,
    *,
    chunks: ChunksLike = None,
    compressors: Any = "auto",
) -> Iterator[Any]:
    """Give an array in a new folder."""
    with _started_threads() as writers:
        options: dict[str, Any] = {
            "shape": shape,
            "dtype": dtype,
            "chunks": chunk_shape(shape, chunks, f"write {path.name}"),
            "compressors": compressors,
            "dimension_names": list(description.axes),
            "attributes": description.to_document(),
        }
        yield _Target(writers.submit(zarr.create_array, str(path), **options).result(), writers)


@contextlib.contextmanager
def _started_threads() -> Iterator[ThreadPoolExecutor]:
    """Give threads that run already: if a signal comes while one starts, the executor does not wait for its work."""
    with ThreadPoolExecutor(WRITERS) as writers:
        together = threading.Barrier(WRITERS)
        try:
            wait([writers.submit(together.wait) for _ in range(WRITERS)])
        finally:
            together.abort()
        yield writers


class _Target:
    """Writes an array in threads that no signal interrupts.

    After an interrupt or an error of one chunk zarr would go on in the background with others, and make a folder again
    that was removed. So each chunk is a write of its own, the block ends when the last write has ended, and the
    executor begins no other.
    """

    def __init__(self, array: Any, writers: ThreadPoolExecutor) -> None:
        self._array = array
        self._writers = writers
        self.shape = array.shape
        self.dtype = array.dtype

    def __setitem__(self, key: Any, voxels: Any) -> None:
        parts = self._in_chunks(key, voxels)
        writes = [self._writers.submit(self._array.__setitem__, place, part) for place, part in parts]
        wait(writes)
        for each in writes:
            each.result()

    def _in_chunks(self, key: Any, voxels: Any) -> Iterator[tuple[tuple[slice, ...], NDArray[Any]]]:
        """Give the place in each chunk, and its voxels."""
        items = key if isinstance(key, tuple) else (key,)
        at = items.index(Ellipsis) if Ellipsis in items else len(items)
        others = (slice(None),) * (len(self.shape) - len(items) + (Ellipsis in items))
        slices = (*items[:at], *others, *items[at + 1 :])
        ends = [slice(*each.indices(length)[:2]) for each, length in zip(slices, self.shape, strict=True)]
        values = np.broadcast_to(voxels, [each.stop - each.start for each in ends])
        return in_chunks(ends, values, self._array.chunks)


@contextlib.contextmanager
def read(path: Path, mode: Literal["r", "r+"] = "r") -> Iterator[tuple[Any, Description]]:
    """Give the array in a folder: itself, or of a group the only one, or the finest one of its only image."""
    what = f"read {path}"
    found: Any = zarr.open(str(path), mode=mode)
    if isinstance(found, zarr.Group):
        arrays = sorted(name for name, _ in found.arrays())
        levels = ngff.levels_of(path)
        if len(arrays) != 1 and not levels:
            raise UnsupportedError(
                f"{what}: expected one array and found {arrays}; name one of them, as in {path / 'NAME'}"
            )
        path = levels[0][0] if levels else path / arrays[0]
        found = zarr.open_array(str(path), mode=mode)
    attributes = dict(found.attrs)
    image = ngff.image_of(path)
    names = getattr(found.metadata, "dimension_names", None)
    held = axes_of([names, image.axes, *said_by_attributes(attributes, found.ndim)], found.ndim, what)
    ours = Description.of_attributes(attributes, str(path), held)
    description = ours or Description.of_foreign(
        held, found.shape, dict(zip(held, image.scale, strict=False)), dict(zip(held, image.units, strict=False))
    )
    yield arranged(found, held, description.axes, what), description


def levels_of(path: Path) -> list[tuple[Path, dict[str, float]]]:
    """Return the arrays of an image, the finest first, with the size of their voxels in voxels of the first, by axis.

    It is empty if there is no image. Where the image says no sizes, the lengths of the arrays tell.
    """
    levels = ngff.levels_of(path)
    sizes = [
        image.scale or [1 / max(n, 1) for n in zarr.open_array(str(each), mode="r").shape] for each, image in levels
    ]
    letters = [axes_of([image.axes], len(image.axes), f"read {path}") for _, image in levels]
    return [
        (each, {axis: a / b for axis, a, b in zip(axes, own, sizes[0], strict=True)})
        for (each, _), axes, own in zip(levels, letters, sizes, strict=True)
    ]
