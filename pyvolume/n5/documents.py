"""The attributes of datasets, read and written: the array, its axes, the size of its voxels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyvolume.codecs.compressions import Compression
from pyvolume.codecs.n5 import BlockFormat
from pyvolume.errors import MetadataError, UnsupportedError
from pyvolume.model.arguments import brief
from pyvolume.model.nearest import hint
from pyvolume.model.units import readable
from pyvolume.n5.schemas import SCHEMAS

DATA_TYPES = (*(f"{sign}int{bits}" for sign in ("u", "") for bits in (8, 16, 32, 64)), "float32", "float64")
"""The types of voxels, which are names of dtypes; N5 has texts and objects too."""

LARGEST_BLOCK = 1 << 31
"""Bytes of the largest block: arrays of Java are not longer."""

FORMAT = (4, "2.0.0")
"""The highest major version of N5 that is read, and the version that is written."""

DEFAULT_AXES = {1: "x", 2: "xy", 3: "xyz", 4: "xyzc", 5: "xyzct"}
"""The axes of a dataset that says nothing of them, by their number: the order of Fiji."""


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What the attributes of a dataset say of its array.

    Parameters
    ----------
    size : tuple of int
        Voxels along each axis, in the order of N5: the first one is the fastest.
    form : BlockFormat
        How its blocks are stored.
    """

    size: tuple[int, ...]
    form: BlockFormat

    def to_document(self) -> dict[str, Any]:
        """Return the attributes."""
        return {
            "dimensions": list(self.size),
            "blockSize": list(self.form.shape),
            "dataType": self.form.dtype.name,
            "compression": self.form.compression.to_document(),
        }


def is_dataset(attributes: Mapping[str, Any] | None) -> bool:
    """Whether attributes are those of a dataset, and not of a group."""
    return attributes is not None and "dimensions" in attributes and "dataType" in attributes


def dataset_info(attributes: Mapping[str, Any], path: str) -> DatasetInfo:
    """Read the attributes of a dataset.

    Raises
    ------
    MetadataError
        If they break the schema, or contradict each other.
    UnsupportedError
        If the dataset holds no numbers, or its compression is not known.
    """
    action = f"open {path}"
    SCHEMAS.validate("n5-dataset-1", attributes, action)
    size, blocks = tuple(attributes["dimensions"]), tuple(attributes["blockSize"])
    if len(size) != len(blocks):
        raise MetadataError(
            f"{action}: expected dimensions and blockSize of one length and found {len(size)} and {len(blocks)}",
            path="$.blockSize",
        )
    # the first version of N5 had a name only
    found = attributes.get("compression", attributes.get("compressionType", "raw"))
    form = BlockFormat(blocks, dtype_of(attributes["dataType"], action), Compression.of(found, action))
    if form.nbytes > LARGEST_BLOCK:
        raise MetadataError(
            f"{action}: expected blocks of up to {readable(LARGEST_BLOCK)} and found {readable(form.nbytes)}",
            path="$.blockSize",
        )
    return DatasetInfo(size, form)


def dtype_of(name: str, action: str) -> np.dtype[Any]:
    """Return the dtype of a type of voxels.

    Raises
    ------
    UnsupportedError
    """
    if name.lower() not in DATA_TYPES:
        known = hint(name, DATA_TYPES)
        raise UnsupportedError(f"{action}: expected a dataType of numbers and found {brief(name)}; {known}")
    return np.dtype(name.lower())


def check_version(attributes: Mapping[str, Any] | None, path: str) -> None:
    """Refuse a container of a newer version of N5.

    Raises
    ------
    UnsupportedError
    """
    said = str((attributes or {}).get("n5", ""))
    major = said.partition(".")[0]
    if major.isdecimal() and int(major) > FORMAT[0]:
        raise UnsupportedError(f"open {path}: expected N5 up to version {FORMAT[0]} and found {brief(said)}")


def array_info(size: Sequence[int], blocks: Sequence[int], dtype: np.dtype[Any], compression: Any) -> DatasetInfo:
    """Describe a new dataset.

    Raises
    ------
    MetadataError, UnsupportedError
        As for `dataset_info`.
    """
    action = "create a dataset of N5"
    chosen = Compression.of(compression, action)
    form = BlockFormat(tuple(blocks), dtype_of(dtype.name, action), chosen)
    return dataset_info(DatasetInfo(tuple(size), form).to_document(), "a dataset of N5")
