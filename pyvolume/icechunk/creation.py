"""Creating volumes, and repositories around them."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

from pyvolume.errors import AddressError, ExistsError, NotFoundError, UnsupportedError
from pyvolume.icechunk.accessor import IcechunkVolume, Owned, volume_in
from pyvolume.icechunk.address import Address
from pyvolume.icechunk.checkout import Session, write_to
from pyvolume.icechunk.graph import MAIN
from pyvolume.icechunk.opening import Opening
from pyvolume.icechunk.repository import Repository, create_repository, open_repository
from pyvolume.icechunk.version import check_word
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.zarr.creation import build, planned
from pyvolume.zarr.nodes import open_any


def create(
    opening: Opening, address: Address, metadata: VoxelsMetadata, owned: Owned, *, overwrite: bool = False, **plan: Any
) -> IcechunkVolume:
    """Create a volume, commit it, and open it for writing, see `IcechunkDriver.create`.

    Parameters
    ----------
    opening : Opening
        How the repository is opened, or created.
    address : Address
        With a branch and a path.
    metadata : VoxelsMetadata
        What the volume will be.
    owned : Owned
        What its end does.
    overwrite : bool
        Replace an array or a group that is there.
    **plan
        Options of `pyvolume.zarr.creation.planned`.
    """
    action = f"create {address.url}"
    if not address.ref or address.level:
        raise AddressError(f"{action}: expected a branch and a path, as in {Address(address.root).url}:{MAIN}/gray")
    if plan.get("format") == "0.4":
        raise UnsupportedError(f"{action}: Icechunk holds zarr v3 only, and OME-Zarr 0.4 is v2; format='0.5' is v3")
    planned(metadata, "", action, **plan)  # refuses what cannot be, before a repository is made
    branch = address.ref.removeprefix(":")
    repository = required(opening, branch, action)
    try:
        call = opening.call()
        session = write_to(repository, branch, call, action=action)
        volume = create_in(session, address.path, metadata, overwrite=overwrite, owned=owned, **plan)
        session.commit(f"create {address.path or 'the root'}", call)
        volume.refresh()
    except BaseException:
        repository.close()
        raise
    volume._owned = dataclasses.replace(owned, repository=repository)  # noqa: SLF001 - of this package
    return volume


def create_in(
    session: Session,
    path: str,
    metadata: VoxelsMetadata,
    *,
    overwrite: bool = False,
    owned: Owned | None = None,
    **plan: Any,
) -> IcechunkVolume:
    """Create a volume in a session, and open it there; nothing is committed.

    Raises
    ------
    ExistsError
        If something is there.
    """
    action = f"create {session.place_of(path)}"
    name = path.rpartition("/")[2] or session.repository.root.rpartition("/")[2]
    new = planned(metadata, name, action, **plan)
    call = session.call()
    with contextlib.suppress(NotFoundError):
        open_any(session.client, path, "r", call)
        if not overwrite:
            raise ExistsError(f"{action}: it exists; overwrite=True replaces it", action=action)
        session.delete(path, call, action)
    build(new, session.client, path, session.call)
    return volume_in(session, path, owned=owned)


def required(opening: Opening, branch: str, action: str) -> Repository:
    """Open a repository with a branch; create both if there is none.

    Raises
    ------
    ExistsError
        If something else is there.
    NotFoundError
        If the repository is there and has no such branch.
    """
    check_word(action, branch)
    root = None if opening.address.is_remote else Path(opening.address.root)
    try:
        if root is not None and not root.is_dir():
            raise NotFoundError(f"{action}: there is no folder {root}", action=action)
        repository = open_repository(opening, action)
    except NotFoundError:
        try:
            repository = create_repository(opening, action)
        except ExistsError:
            repository = _made_by_another(opening, action)
        if branch != MAIN and repository.tip(branch, opening.call(), action) is None:
            first = repository.tip(MAIN, opening.call(), action)
            assert first is not None
            repository.make_branch(branch, first, opening.call(), action)
        return repository
    if repository.tip(branch, opening.call(), action) is None:
        repository.find(f":{branch}", opening.call(), action)  # suggests a similar name
    return repository


def _made_by_another(opening: Opening, action: str) -> Repository:
    """Open a repository that another process has made a moment ago."""
    try:
        return open_repository(opening, action)
    except NotFoundError:
        place = opening.address.root
        raise ExistsError(f"{action}: something is in {place} that is not of Icechunk", action=action) from None
