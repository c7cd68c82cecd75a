"""History: the versions of a volume of another store as commits, branches and tags."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from pyvolume.calls.progress import Progress, Reporter
from pyvolume.errors import NotFoundError, UnsupportedError
from pyvolume.icechunk.accessor import IcechunkVolume, Owned, volume_in
from pyvolume.icechunk.address import Address, parse
from pyvolume.icechunk.checkout import Session, write_to
from pyvolume.icechunk.creation import create_in, required
from pyvolume.icechunk.graph import MAIN, Graph, split_ref
from pyvolume.icechunk.opening import Opening
from pyvolume.icechunk.repository import Repository
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.catalogue import Ancestor, Historic
from pyvolume.transfer.grid import aligned
from pyvolume.transfer.pieces import Pieces
from pyvolume.volume import Volume, transfer_of
from pyvolume.zarr.attributes import change_attributes
from pyvolume.zarr.nodes import OURS

_log = logging.getLogger(__name__)

TRUNKS = ("master", "main")
"""Names of the main branch elsewhere; it becomes the branch of the url."""

PIECE_BYTES = 32 << 20
"""How many bytes are read at once."""


def bring_history(source: Volume, url: str, *, progress: Progress = None, **options: Any) -> dict[str, str]:
    """Bring all versions of a volume into a repository of Icechunk: a commit each, also where no voxel changed.

    The voxels of each version are read from the source, and compared with those of the version before it: chunks that
    are the same are not stored again. A version comes after its first parent; other parents, the name of the version,
    its note, its log and its time are in the metadata of the commit, see `Node.source`. Branches keep their names, but
    for the main one, which becomes the branch of the url. A version that cannot follow the end of its branch, as a
    merge can be, begins a branch ``BRANCH-NAME``. A tag of DVID, which is a version there, becomes a tag too.

    A second run brings the versions that are missing. A version that was not committed when it was brought is read
    again, and gets another commit if it has changed since.

    Parameters
    ----------
    source : Volume
        In any version; such as a volume of DVID.
    url : str
        Of the volume that gets the versions, ``icechunk://FOLDER:BRANCH/NAME``. Repository and volume are created if
        they are missing.
    progress : bool or callable, optional
        Show a bar, or call a function with a `TransferStatus`; see `pyvolume.set_options`.
    **options
        Of `pyvolume.icechunk.driver.IcechunkDriver.open` for the repository: `retry`, and those of a bucket.

    Returns
    -------
    dict of str to str
        For each version that is there now, also from earlier runs, the id of its snapshot, by its name in the source.

    Raises
    ------
    UnsupportedError
        If the source has no versions, or the volume began at a higher voxel than one of its versions.
    ExistsError, NotFoundError, ConflictError, StoreError, OSError
        If the repository could not be read or written. What was committed stays; another run goes on.
    """
    action = "bring the history"
    if not isinstance(source, Historic):
        raise UnsupportedError(f"{action} of {source.name}: the volume has no versions")
    address = parse(url)
    if not address.ref or not address.path:
        raise UnsupportedError(f"{action}: expected the url of a volume, {Address(address.root).url}:{MAIN}/NAME")
    retry = options.pop("retry", None)
    opening = Opening(Address(address.root), **({} if retry is None else {"retry": retry}), options=options)
    branch = split_ref(address.ref, action)[0]
    repository = required(opening, branch, action)
    try:
        return _History(source, repository, branch, address.path).bring(progress)
    finally:
        repository.close()


class _History:
    """The versions of one volume on their way."""

    def __init__(self, source: Any, repository: Repository, trunk: str, path: str) -> None:
        self._source = source
        self._repository = repository
        self._trunk = trunk
        self._path = path
        self._nodes: Mapping[str, Ancestor] = source.lineage()
        self._open = functools.lru_cache(maxsize=4)(source.at)

    def bring(self, progress: Progress) -> dict[str, str]:
        graph = self._graph()
        done = self._brought(graph)
        missing = [name for name in self._nodes if not self._is_final(name, done, graph)]
        bounds = {name: self._bounds(name) for name in missing}
        whole = functools.reduce(Box.union, (each for each in bounds.values() if each is not None), self._source.bounds)
        nbytes = sum(each.size for each in bounds.values() if each) * self._source.dtype.itemsize
        with Reporter(progress, "bring the history", nbytes) as reporter:
            for name in missing:
                uuid = self._version(name, done, whole, reporter)
                if uuid:
                    done[name] = uuid
        self._tag(done)
        return {name: done[name] for name in self._nodes if name in done}

    def _brought(self, graph: Graph) -> dict[str, str]:
        """Return the versions that are there: of several commits of one the last, by the order of the graph."""
        found = {}
        for uuid, node in graph.nodes.items():
            if node.source.get("path") == self._path and node.source.get("uuid") in self._nodes:
                found[str(node.source["uuid"])] = uuid
        return found

    def _is_final(self, name: str, done: Mapping[str, str], graph: Graph) -> bool:
        return name in done and graph.node(done[name]).source.get("state") == "committed"

    def _bounds(self, name: str) -> Box | None:
        volume = self._volume(name)
        return volume.bounds if volume is not None and volume.bounds.size else None

    def _volume(self, name: str) -> Volume | None:
        """Open the source in a version; None where it is not there."""
        try:
            volume: Volume = self._open(name)
        except NotFoundError:
            return None
        return volume

    def _version(self, name: str, done: Mapping[str, str], whole: Box, reporter: Reporter) -> str:
        """Bring one version, and return the id of its commit; empty if there is nothing new of an open one."""
        node, call = self._nodes[name], self._repository.opening.call()
        parent = next((done[each] for each in node.parents[:1] if each in done), None)
        before = done.get(name)
        branch = self._branch_for(node, name, before or parent)
        session = write_to(self._repository, branch, call, action=f"bring version {name}")
        volume = self._target(session, whole)
        source = self._volume(name)
        if source is not None:
            self._voxels(source, volume, reporter)
        if before is not None and not session.is_dirty and not node.locked:
            return ""
        state = "committed" if node.locked else "open"
        facts = {"uuid": str(name), "path": self._path, "parents": [str(each) for each in node.parents],
                 "branch": node.branch, "note": node.note, "log": list(node.log),
                 "created": node.created.isoformat(), "state": state,
                 "url": source.store.address if source is not None else ""}  # fmt: skip
        noted = {"address": facts["url"], "version": facts["uuid"], "state": state}
        change_attributes(
            session.client,
            volume.store.node.holder,
            call,
            lambda found: found | {OURS: found.get(OURS, {}) | {"source": noted}},
        )
        session.log = list(node.log)
        return session.commit(node.note or f"version {name}", call, metadata={"source": facts})

    def _branch_for(self, node: Ancestor, name: str, after: str | None) -> str:
        """Return the branch whose end a version follows; make it if there is none."""
        call, action = self._repository.opening.call(), f"bring version {name}"
        wanted = self._trunk if node.branch in TRUNKS else node.branch
        graph = self._graph()
        ends = graph.branches
        if after is None:
            if wanted == self._trunk:
                return wanted
            after = next(iter(graph.nodes))
        others = [each for each in ends if each.startswith(f"{wanted}-")]
        following = [each for each in (wanted, *others) if ends.get(each) == after]
        if following:
            return following[0]
        made = wanted if wanted not in ends else f"{wanted}-{str(name)[:8]}"
        self._repository.make_branch(made, after, call, action)
        return made

    def _target(self, session: Session, whole: Box) -> IcechunkVolume:
        """Open the volume in a session, at least as large as a box; create it if it is missing."""
        try:
            volume = volume_in(session, self._path)
        except NotFoundError:
            return create_in(session, self._path, self._described(whole), chunks=self._chunks(), owned=Owned())
        bounds = volume.bounds
        if any(low < first for low, first in zip(whole.start, bounds.start, strict=True)):
            raise UnsupportedError(
                f"bring the history: {volume.name} begins at {bounds.start}, and a version at {whole.start}; bring all "
                "versions into a new volume"
            )
        longest = tuple(map(max, whole.stop, bounds.stop))
        if longest != bounds.stop:
            volume.resize(longest)
        return volume

    def _described(self, whole: Box) -> VoxelsMetadata:
        metadata = self._source.metadata
        given = VoxelsMetadata.of(
            whole.shape, metadata.dtype, dims=metadata.dims, resolution=metadata.resolution, units=metadata.units,
            labels={dim: each for dim, each in zip(metadata.dims, metadata.labels, strict=True) if each is not None},
        )  # fmt: skip
        return dataclasses.replace(given, bounds=whole, translation=metadata.translation)

    def _chunks(self) -> tuple[int, ...] | None:
        chunks = tuple(self._source.store.traits.chunks)
        return chunks if any(n > 1 for n in chunks[1:]) else None

    def _voxels(self, source: Volume, volume: IcechunkVolume, reporter: Reporter) -> None:
        """Write the chunks that differ; what the version does not have is as it was before, the fill value."""
        traits = volume.store.traits
        box = source.bounds
        most = max(1, PIECE_BYTES // volume.dtype.itemsize)
        whole = aligned(box, traits.chunks, traits, volume.bounds) if box.size else box
        for piece in Pieces.of_box(box, whole, traits.chunks, most):
            transfer = transfer_of(source, "bring the history")
            given, stored = transfer.take(piece, transfer.begin()), volume.read(piece)
            if not np.array_equal(given, stored):
                for part in Pieces.of_box(piece, piece.aligned_to(traits.chunks), traits.chunks, 1):
                    at = part.slices_from(piece.start)
                    if not np.array_equal(given[at], stored[at]):
                        volume.write(part, given[at])
            reporter.moved(piece.size * volume.dtype.itemsize, 0)

    def _tag(self, done: Mapping[str, str]) -> None:
        """Name what is a tag of DVID: a version that is called as its branch says."""
        tags = self._graph().tags
        for name, node in self._nodes.items():
            if node.branch == f"tag-{name}" and name in done and name not in tags:
                self._repository.make_tag(str(name), done[name], self._repository.opening.call(), f"tag {name!r}")

    def _graph(self) -> Graph:
        return self._repository.graph(self._repository.opening.call(), "read versions")
