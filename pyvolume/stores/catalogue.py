"""What is around a volume: lists, versions, a place to create one, attributes. All are optional."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

from pyvolume.model.metadata import VoxelsMetadata

V_co = TypeVar("V_co", covariant=True)

ARRAY_ATTRIBUTE = "xarray"
"""The attribute of a volume that says what the array was that it comes from."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a list.

    Parameters
    ----------
    name : str
        Its name.
    kind : str
        What it is, such as ``"repository"`` or ``"uint8blk"``.
    url : str
        The url that names it.
    facts : mapping
        More about it, as values of JSON.
    """

    name: str
    kind: str
    url: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_document(self) -> dict[str, Any]:
        """Return the entry as a value of JSON."""
        return {"name": self.name, "kind": self.kind, "url": self.url, **self.facts}


class Catalogue(Protocol):
    """A place that is no volume: a server, a repository, a version, a folder."""

    def entries(self) -> Sequence[Entry]:
        """Return what is there, by name."""

    def describe(self) -> dict[str, Any]:
        """Return the facts about the place itself, as values of JSON."""

    def __enter__(self) -> Self:
        """Return the catalogue; leaving the ``with`` closes it."""

    def __exit__(self, *exc: object) -> None:
        """Close what the catalogue holds open."""


@runtime_checkable
class Versioned(Protocol):
    """A volume in one of several versions."""

    @property
    def version_name(self) -> str:
        """The full name of the version."""

    def version_labels(self) -> Mapping[str, str]:
        """Return a label for people for each version, by its full name; one request."""

    def at(self, ref: str) -> Any:
        """Open the same volume in another version."""


@runtime_checkable
class Timed(Protocol):
    """A volume with the axis t."""

    def at_time(self, timepoint: int) -> Any:
        """Return the volume at one time point, without the axis t."""


class Ancestor(Protocol):
    """What is known of a version."""

    @property
    def parents(self) -> Sequence[str]:
        """The full names of the versions that it was made from, the main one first."""

    @property
    def branch(self) -> str:
        """Its branch."""

    @property
    def note(self) -> str:
        """A text about it."""

    @property
    def log(self) -> Sequence[str]:
        """Lines about it."""

    @property
    def created(self) -> datetime:
        """When it was made."""

    @property
    def locked(self) -> bool:
        """Whether it never changes."""


@runtime_checkable
class Historic(Versioned, Protocol):
    """A volume whose versions are known as a graph."""

    def lineage(self) -> Mapping[str, Ancestor]:
        """Return what is known of each version, by its full name, each after its parents; one request."""


@runtime_checkable
class Creating(Protocol[V_co]):
    """A place where volumes are created."""

    @property
    def volume_dims(self) -> tuple[str, ...]:
        """The letters of the axes of its volumes, channel first."""

    def create_described(self, name: str, metadata: VoxelsMetadata, block_shape: Sequence[int] | None = None) -> V_co:
        """Create a volume, and open it for writing.

        Parameters
        ----------
        name : str
            Its name.
        metadata : pyvolume.VoxelsMetadata
            With the axes of `volume_dims`; it begins at voxel 0.
        block_shape : sequence of int, optional
            Shape of the blocks along x, y and z.
        """


@runtime_checkable
class Taking(Protocol[V_co]):
    """A place that takes whole arrays: a volume there is never written in parts."""

    def take_array(
        self,
        array: Any,
        *,
        name: str | None,
        dims: Sequence[str] | None = None,
        chunks: Sequence[int] | None = None,
        owned: bool = False,
    ) -> V_co:
        """Store an array, and open it for reading.

        Parameters
        ----------
        array, name, dims, chunks
            As for `pyvolume.from_xarray`.
        owned : bool
            Whether closing the volume closes the place.
        """


@runtime_checkable
class Attributed(Protocol):
    """A volume with attributes of its own."""

    @property
    def attrs(self) -> MutableMapping[str, Any]:
        """Values of JSON by their names."""


@runtime_checkable
class Sourced(Protocol):
    """A volume that keeps where its voxels were copied from."""

    @property
    def source(self) -> Mapping[str, Any]:
        """What `note_source` has kept; empty if nothing was."""

    def note_source(self, source: Mapping[str, Any]) -> None:
        """Keep where the voxels come from, as values of JSON."""
