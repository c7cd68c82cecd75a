"""The rows of the catalogue."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

SIDES = ("xMin", "xMax", "yMin", "yMax", "zMin", "zMax", "tMin", "tMax", "cMin", "cMax")

LONGEST_NAME = 1000

LONGEST_TAG = 100

NUMBERS = ("bool", "complex64", "complex128", *(f"{kind}{n}" for kind in ("int", "uint") for n in (8, 16, 32, 64)))
NAMED = (*NUMBERS, "float16", "float32", "float64")
"""The types that the catalogue has a name for."""


class Failed(Exception):  # noqa: N818 - an answer of the protocol, not a fault of the program
    """Raised where the real server answers an error."""


@dataclass(frozen=True)
class Who:
    """Who asks.

    Parameters
    ----------
    sub, organisation : str
        Of the user.
    roles : frozenset of str
        In this organisation.
    """

    sub: str
    organisation: str
    roles: frozenset[str]


@dataclass
class Store:
    """A row that points at a prefix of the bucket.

    Parameters
    ----------
    id : int
        Its id.
    organisation, key : str
        Whose it is, and the prefix.
    metadata : mapping, optional
        ``zarr.json``, as of the last time it was read.
    """

    id: int
    organisation: str
    key: str
    metadata: Mapping[str, Any] | None = None

    @property
    def shape(self) -> list[int] | None:
        """The lengths of the axes."""
        return None if self.metadata is None else self.metadata["shape"]

    @property
    def chunks(self) -> list[int] | None:
        """The lengths of the chunks."""
        return None if self.metadata is None else self.metadata["chunk_grid"]["configuration"]["chunk_shape"]


@dataclass
class Dataset:
    """A folder of images."""

    id: int
    organisation: str
    creator: str
    name: str
    parent: Dataset | None = None
    is_default: bool = False
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class View:
    """A statement about an image, or a part of it.

    Parameters
    ----------
    id : int
        Unique among the views of this kind.
    kind : str
        The name of the type.
    given : mapping
        What was sent.
    """

    id: int
    kind: str
    given: Mapping[str, Any]
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Image:
    """An image.

    Parameters
    ----------
    tags : list of str
        The names, as given.
    """

    id: int
    organisation: str
    creator: str
    name: str
    store: Store
    dataset: Dataset | None
    tags: list[str] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Array:
    """An array dataset."""

    id: int
    name: str
    store: Store
    axes: list[Mapping[str, str]]


class Rows:
    """All rows of one server, which holds a lock for each request."""

    def __init__(self) -> None:
        self.stores: dict[int, Store] = {}
        self.images: dict[int, Image] = {}
        self.datasets: dict[int, Dataset] = {}
        self.arrays: dict[int, Array] = {}
        self.slugs: dict[str, str] = {}
        self._ids: dict[str, Iterator[int]] = {}

    def new_id(self, kind: str) -> int:
        """Return a new id of a kind of row."""
        return next(self._ids.setdefault(kind, count(1)))

    def default_dataset(self, who: Who) -> Dataset:
        """Return the dataset of a user for images without one, made on first use."""
        for each in self.datasets.values():
            if each.is_default and (each.creator, each.organisation) == (who.sub, who.organisation):
                return each
        return self.add_dataset(who, "Default", None, is_default=True)

    def add_dataset(self, who: Who, name: str, parent: Dataset | None, *, is_default: bool = False) -> Dataset:
        """Make a dataset."""
        made = Dataset(self.new_id("dataset"), who.organisation, who.sub, name, parent, is_default)
        self.datasets[made.id] = made
        return made

    def children(self, dataset: Dataset) -> list[Dataset]:
        """Return the datasets in a dataset."""
        return [each for each in self.datasets.values() if each.parent is dataset]

    def images_in(self, dataset: Dataset) -> list[Image]:
        """Return the images in a dataset."""
        return [each for each in self.images.values() if each.dataset is dataset]

    def delete_dataset(self, dataset: Dataset) -> None:
        """Delete a dataset with everything in it."""
        for child in self.children(dataset):
            self.delete_dataset(child)
        for image in self.images_in(dataset):
            del self.images[image.id]
        del self.datasets[dataset.id]

    def tag(self, image: Image, names: list[str]) -> None:
        """Add tags to an image."""
        for name in names:
            if len(name) > LONGEST_TAG:
                raise Failed(f"value too long for type character varying({LONGEST_TAG})\n")
            self.slugs.setdefault(name, self._slug(name))
            if name not in image.tags:
                image.tags.append(name)

    def _slug(self, name: str) -> str:
        text = unicodedata.normalize("NFKC", name).lower()
        slug = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", text)).strip("-_")
        taken = set(self.slugs.values())
        return slug if slug not in taken else next(s for n in count(1) if (s := f"{slug}_{n}") not in taken)
