"""Container: a folder of datasets and groups."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

from pyvolume.errors import AddressError, AmbiguousError, KeyNotFoundError, NotFoundError, PyVolumeError
from pyvolume.model import arguments
from pyvolume.model.nearest import hint
from pyvolume.n5.accessor import N5Volume
from pyvolume.n5.address import canonical, checked, container_in
from pyvolume.n5.blocks import FILLED, Missing
from pyvolume.n5.client import Client, inside
from pyvolume.n5.documents import dataset_info, is_dataset
from pyvolume.n5.levels import level_paths
from pyvolume.n5.store import DatasetStore
from pyvolume.n5.versions import XML
from pyvolume.stores.catalogue import Entry

MOST = 1000
"""Datasets that a container lists; an image of many time points has more."""

DEEPEST = 16
"""Groups that lie in each other: links can lead in a circle."""

SHOWN = 8
"""Datasets that a message lists."""


class Container:
    """The datasets in a folder, by their paths in it.

    Nothing is remembered: each use looks into the folder.

    Parameters
    ----------
    path : str or path
        The folder.

    Raises
    ------
    AddressError
        If there is no such folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        if not self.path.is_dir():
            raise AddressError(f"connect: there is no folder {self.path}")
        self._client = Client(self.path)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing, as a container holds nothing open; servers are closed."""

    def __iter__(self) -> Iterator[str]:
        return iter(datasets_in(self._client))

    def __len__(self) -> int:
        return len(datasets_in(self._client))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and is_dataset(self._client.attributes(checked(name, self.path)))

    def __getitem__(self, name: str) -> N5Volume:
        return self.volume(name)

    def volume(self, name: str, mode: Literal["r", "r+"] = "r") -> N5Volume:
        """Open a dataset.

        Parameters
        ----------
        name : str
            Its path in the container.
        mode : "r" or "r+"
            Read only, or read and write.

        Raises
        ------
        KeyNotFoundError
            If there is none of this name.
        MetadataError, UnsupportedError
            As for `pyvolume.open`.
        """
        path = checked(arguments.text(name, "open a dataset", "a name"), self.path)
        if path not in self:
            action = f"open {name!r} in {self.path}"
            raise KeyNotFoundError(f"{action}: there is no such dataset; {hint(name, list(self))}", action=action)
        return N5Volume(dataset_store(self.path / path, mode, FILLED), mode=mode)

    def entries(self) -> list[Entry]:
        """Return the datasets, by name; the first thousand of them."""
        return [each for path in self if (each := self._entry(path)) is not None]

    def _entry(self, path: str) -> Entry | None:
        url = canonical(self.path / path)
        try:
            info = dataset_info(self._client.attributes(path) or {}, self._client.full(path))
        except PyVolumeError as error:  # a list is not lost because of one of its entries
            return Entry(path or ".", "broken", url, {"shape": "", "compression": str(error)})
        facts = {"shape": list(info.size), "compression": info.form.compression.kind}
        return Entry(path or ".", info.form.dtype.name, url, facts)

    def describe(self) -> dict[str, Any]:
        """Return the path of the folder, and how many datasets are in it."""
        return {"path": str(self.path), "datasets": len(self)}


def datasets_in(client: Client, group: str = "") -> list[str]:
    """Return the paths of the datasets in a group, sorted; up to `MOST`."""
    found: list[str] = []
    waiting = [group]
    while waiting and len(found) < MOST:
        path = waiting.pop()
        if is_dataset(client.attributes(path)):
            found.append(path)
        elif path.count("/") < DEEPEST:
            waiting += [inside(path, name) for name in reversed(client.folders(path))]
    return found


def container_of(path: Path) -> Path:
    """Return the folder that holds a dataset with others.

    That is the first called ``*.n5``, or the nearest whose attribute ``n5`` says the version of the format. A dataset
    without either is alone.
    """
    named = container_in(path)
    if named is not None:
        return named
    for folder in (path, *path.parents):
        with contextlib.suppress(OSError, PyVolumeError):
            if "n5" in (Client(folder).attributes("") or {}):
                return folder
    return path


def dataset_store(path: Path, mode: Literal["r", "r+"], missing: Missing) -> DatasetStore:
    """Open the dataset at a path."""
    container = container_of(path)
    relative = path.relative_to(container).as_posix()
    return DatasetStore(Client(container), "" if relative == "." else relative, mode=mode, missing=missing)


def levels_at(path: Path) -> list[Path]:
    """Return the datasets of a group of levels, the finest first; none if it is no such group."""
    return [path / each for each in level_paths(Client(path), "")]


def no_volume(path: Path) -> AddressError | NotFoundError:
    """Return the error for a path that names no volume: it says what there is."""
    if not path.exists():
        return NotFoundError(f"open: there is no {path}", action="open")
    if not path.is_dir():
        return AddressError(f"open: expected a folder of N5, or an XML file of BigDataViewer, and found {path}")
    if (path / XML).is_file():
        return AddressError(f"open: {path} is a version; open it as {canonical(path.parent)}?version={path.name}")
    found = datasets_in(Client(path))
    if not found:
        return AddressError(f"open: there is no dataset of N5 and no {XML} of a DataStore in {path}")
    shown = ", ".join(found[:SHOWN]) + (", …" if len(found) > SHOWN else "")
    action = f"open {path}"
    return AmbiguousError(
        f"{action}: expected a dataset and found a group with {shown}; name one, as in {path / found[0]}",
        action=action,
        candidates=tuple(found),
    )
