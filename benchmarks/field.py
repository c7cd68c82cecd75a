"""The servers of a run, and the way to each of them."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import pyvolume
from benchmarks.contenders.base import Place
from benchmarks.contenders.peers import fill_hsds, fill_tiled
from benchmarks.entrants import ENTRANTS
from benchmarks.layout import CHUNKS, VOLUMES, Voxels, noise, prepare
from benchmarks.rows import PLAIN, Row
from benchmarks.servers.files import EDGE
from benchmarks.servers.start import Server, proxy_to, running
from pyvolume.dvid import general, voxels
from pyvolume.stores.tokens import token_for

MEMORY = Path("/dev/shm")
"""A file system in memory, so that no disk is measured."""


@dataclass(frozen=True)
class Way:
    """How contenders reach their servers in one row.

    Parameters
    ----------
    urls : dict of str to str
        By kind of server.
    uuid : str
        Of the version on the DVID server.
    proxies : tuple of Server
        What is in between.
    """

    urls: dict[str, str]
    uuid: str
    proxies: tuple[Server, ...] = ()

    def place(self, row: Row, contender: str) -> Place:
        """Return where a contender finds the volume of a row."""
        kind = ENTRANTS[contender].server
        name = "written" if row.writes else "noise"
        return Place(self.urls[kind], name, self.uuid, row.chunk)

    def requests(self) -> int:
        """Return how many requests have passed the proxies since this was asked last."""
        return sum(int(proxy.ask("requests")) for proxy in self.proxies)


@dataclass(frozen=True)
class Field:
    """All servers of a run.

    Parameters
    ----------
    root : Path
        Holds the files.
    way : Way
        The direct one.
    """

    root: Path
    way: Way

    @contextlib.contextmanager
    def reached(self, row: Row, *, counted: bool = False) -> Iterator[Way]:
        """Give the way for a row; through proxies if its line is not plain, or its requests are to be counted."""
        with contextlib.ExitStack() as stack:
            if row.canned:
                module, options = "files", {"root": self.root, **row.line.options()}
                if row.chunked is not None:
                    module, options = "chunked", {"root": self.root, "chunk": row.chunked}
                url = stack.enter_context(running(module, options)).url
                yield dataclasses.replace(self.way, urls={"dvid": url})
            elif row.line == PLAIN and not counted:
                yield self.way
            else:
                proxies = {kind: stack.enter_context(proxy_to(url, row.line)) for kind, url in self.way.urls.items()}
                urls = {kind: proxy.url for kind, proxy in proxies.items()}
                yield Way(urls, self.way.uuid, tuple(proxies.values()))


@contextlib.contextmanager
def field(url: str | None, kinds: frozenset[str]) -> Iterator[Field]:
    """Start the servers and put the volumes onto them.

    Parameters
    ----------
    url : str, optional
        Of a real DVID server, to be used instead of the mock.
    kinds : frozenset of str
        Which servers are needed besides that of files.
    """
    with contextlib.ExitStack() as stack:
        parent = MEMORY if os.access(MEMORY, os.W_OK) else None
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=parent, prefix="pyvolume-benchmark-")))
        prepare(root)
        urls = {"files": stack.enter_context(running("files", {"root": root})).url}
        urls["dvid"] = url or stack.enter_context(running("mock")).url
        version = _fill_dvid(urls["dvid"], root, given=url is not None)
        for kind, fill in (("tiled", fill_tiled), ("hsds", fill_hsds)):
            if kind in kinds:
                urls[kind] = stack.enter_context(running(kind)).url
                _fill(fill, urls[kind], root)
        yield Field(root, Way(urls, version))


def _fill_dvid(url: str, root: Path, *, given: bool) -> str:
    """Make the volumes in a new repository; keep the documents that a client asks for as files."""
    token = token_for(url, "DVID_ADMIN_TOKEN") if given else None
    with pyvolume.Connection(url, auth=pyvolume.dvid.Identity(admin_token=token)) as connection:
        version = general.create_repo(connection, f"pyvolume-benchmark-{uuid.uuid4().hex[:8]}")
        volume = noise(root)[None, :, :, :EDGE]
        for name in VOLUMES:
            metadata = pyvolume.VoxelsMetadata.of((1, 0, 0, 0), "uint8", units="nanometers")
            voxels.create_new(connection, version, name, metadata)
            values = volume if name == "noise" else np.zeros_like(volume, order="F")
            voxels.VoxelsAccessor(connection, version, name)[:, :EDGE, :EDGE, :EDGE] = values
        paths = [f"node/{version}/{name}/{document}" for name in VOLUMES for document in ("info", "metadata")]
        for path in [f"repo/{version}/info", *paths]:
            copy = root / "api" / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            with urllib.request.urlopen(f"{connection.url}/api/{path}") as answer:
                copy.write_bytes(answer.read())
    return str(version)


def _fill(fill: Callable[[str, str, Voxels, int], None], url: str, root: Path) -> None:
    volume = noise(root)[:, :, :EDGE]
    for chunk in CHUNKS:
        for name in VOLUMES:
            fill(url, name, volume if name == "noise" else np.zeros_like(volume), chunk)
