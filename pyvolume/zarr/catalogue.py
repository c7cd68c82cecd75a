"""ZarrGroup: what holds volumes in zarr: a plate, a well, labels, several images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Self

import zarr

from pyvolume.errors import KeyNotFoundError, UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.nearest import hint
from pyvolume.stores.catalogue import Entry
from pyvolume.zarr.accessor import ZarrVolume, open_volume
from pyvolume.zarr.nodes import joined, kinds_in, open_any
from pyvolume.zarr.opening import Opening


class ZarrGroup:
    """The volumes and groups in a group of zarr, by path.

    Parameters
    ----------
    opening : Opening
        How the group is reached.

    Raises
    ------
    UnsupportedError
        If there is an array; `pyvolume.open` opens it.
    NotFoundError, MetadataError, StoreError
        If there is no group, or a broken one.
    """

    def __init__(self, opening: Opening) -> None:
        self._client = opening.client()
        self._opening = opening.with_endpoint(self._client)
        self._path = opening.address.path
        self._group()

    def _group(self) -> zarr.Group:
        found = open_any(self._client, self._path, "r", self._opening.call())
        if not isinstance(found, zarr.Group):
            url = self._opening.address.url
            raise UnsupportedError(f"list {url}: expected a group and found an array; use pyvolume.open({url!r})")
        return found

    def _kinds(self) -> dict[str, str]:
        return kinds_in(self._client, self._group(), self._opening.call())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._opening.address.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open."""
        self._client.close()

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds())

    def __len__(self) -> int:
        return len(self._kinds())

    def __contains__(self, name: object) -> bool:
        return name in self._kinds()

    def __getitem__(self, name: str) -> ZarrVolume:
        return self.volume(name)

    def volume(self, name: str, mode: Literal["r", "r+"] = "r") -> ZarrVolume:
        """Open a volume.

        Parameters
        ----------
        name : str
            Its path in the group, such as ``"A/1/0"`` in a plate.
        mode : "r" or "r+"
            Read only, or read and write.

        Raises
        ------
        KeyNotFoundError
            If the group lists no such path.
        UnsupportedError, MetadataError, StoreError
            As for `pyvolume.open`.
        """
        path = arguments.text(name, "open volume", "a path")
        kinds = self._kinds()
        if not any(path == each or path.startswith(f"{each}/") for each in kinds):
            action = f"open {name!r} in {self._opening.address.url}"
            raise KeyNotFoundError(f"{action}: there is no such path; {hint(name, list(kinds))}", action=action)
        own = self._opening
        return open_volume(own.address.at(joined(self._path, path)), mode, retry=own.retry, place=own.options)

    def entries(self) -> list[Entry]:
        """Return what is in the group."""
        address = self._opening.address
        return [Entry(path, kind, address.at(joined(self._path, path)).url) for path, kind in self._kinds().items()]

    def describe(self) -> dict[str, Any]:
        """Return the address of the group, and how many entries it has."""
        return {"address": self._opening.address.url, "entries": len(self)}
