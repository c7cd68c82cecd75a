"""Who takes part: names, what they need, and at which server they are."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from benchmarks.contenders import dvid, peers
from benchmarks.contenders.base import Contender, Place
from benchmarks.rows import Row


@dataclass(frozen=True)
class Entrant:
    """A contender by name.

    Parameters
    ----------
    make : callable
        Opens a volume.
    server : "dvid", "files", "tiled" or "hsds"
        Which kind it speaks with.
    needs : tuple of str
        Distributions, with the name of their module where that differs.
    always : bool
        Whether it takes part in every row, or only where a row names it.
    command : str
        The command of its server, which has to be on the PATH.
    """

    make: Callable[[Place], Contender]
    server: Literal["dvid", "files", "tiled", "hsds"]
    needs: tuple[str, ...] = ()
    always: bool = True
    command: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """What it needs and does not find."""
        modules = (name.replace("-", "") for name in self.needs)
        packages = [name for name, module in zip(self.needs, modules, strict=True) if not _is_here(module)]
        return (*packages, *([self.command] if self.command and shutil.which(self.command) is None else []))

    @property
    def versions(self) -> list[str]:
        """What it needs, with versions."""
        return [f"{name} {importlib.metadata.version(name)}" for name in self.needs]


def _is_here(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


ENTRANTS: dict[str, Entrant] = {
    "bare socket": Entrant(dvid.BareSocket, "dvid"),
    "requests": Entrant(dvid.PlainRequests, "dvid"),
    "http.client": Entrant(dvid.HttpClient, "dvid", always=False),
    "http.client, 4 threads": Entrant(dvid.HttpClientThreads, "dvid", always=False),
    "pyvolume": Entrant(dvid.Pyvolume, "dvid"),
    "pyvolume, 1 at once": Entrant(dvid.pyvolume_with(1), "dvid", always=False),
    "pyvolume, 8 at once": Entrant(dvid.pyvolume_with(8), "dvid", always=False),
    "pyvolume, static files": Entrant(dvid.Pyvolume, "files", always=False),
    "TensorStore": Entrant(peers.TensorStore, "files", ("tensorstore",)),
    "zarr + obstore": Entrant(peers.ZarrObstore, "files", ("zarr", "obstore")),
    "zarr + fsspec": Entrant(peers.ZarrFsspec, "files", ("zarr", "fsspec", "aiohttp")),
    "CloudVolume": Entrant(peers.CloudVolume, "files", ("cloud-volume",)),
    "tiled": Entrant(peers.Tiled, "tiled", ("tiled", "dask", "uvicorn")),
    "h5pyd + HSDS": Entrant(peers.H5pyd, "hsds", ("h5pyd",), command="hsds"),
}


def is_peer(name: str) -> bool:
    """Whether this is another library for volumes."""
    return ENTRANTS[name].server != "dvid" and not name.startswith("pyvolume")


def taking_part(row: Row, chosen: frozenset[str] | None) -> list[str]:
    """Return who can be measured in a row, among those that were chosen."""
    names = [
        name
        for name, entrant in ENTRANTS.items()
        if (name in row.contenders or (entrant.always and not row.canned)) and not entrant.missing
    ]
    return [name for name in names if chosen is None or name in chosen]
