"""MockServer: starts and stops a mock of DVID."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mockserver.dvid.api import DvidApi
from mockserver.dvid.model.changes import Changes
from mockserver.dvid.model.labels.indexing import Indexing
from mockserver.dvid.model.repository import new_uuid, timestamp
from mockserver.dvid.model.settings import RESERVED_NAMES
from mockserver.dvid.model.volumes import Volume
from mockserver.dvid.policy import Policy
from mockserver.dvid.throttle import Throttle
from mockserver.dvid.tokens import make_token
from mockserver.dvid.wire.answers import busy_text, error
from mockserver.dvid.wire.geometry import Box
from mockserver.http.faults import Fault, Faults
from mockserver.http.framing import GO
from mockserver.http.server import Backend
from mockserver.http.shared import RequestRecord, Shared
from mockserver.http.sites import Site
from mockserver.journal import Journal

MAX_AXES = 5

CUBE_AXES = 3
"""An array of so many axes may have a channel or not."""


class MockServer:
    """A server that speaks DVID's protocol as strictly as the real one, and injects faults.

    It listens on 127.0.0.1 and is ready when the constructor returns.

    Parameters
    ----------
    volumes : mapping of str to array, optional
        Channel-first arrays of two to six axes. The server starts with one repository, in which each array is an
        instance of that name; its extents are the shape of the array. Without `volumes` the server starts empty.
    dims : str, optional
        One letter for each axis of the arrays that have so many. ``"xyz"``: they have no channel axis, one of length 1
        is added. It must be given for arrays of three axes: ``"xyz"`` or ``"cxy"``.
    port : int
        Port to listen on; 0 takes a free one.
    folder : path, optional
        Folder that keeps everything between runs; it must be empty or written by a mock server. If it holds
        repositories already, `volumes` is ignored.
    root : str, optional
        Uuid of the root version of the repository for `volumes`, 32 hexadecimal digits.
    faults : iterable of Fault
        The first faults to inject. A method or a word in a path that the server does not know is a ValueError.
    throttle_slots : int
        How many throttled operations may run at the same time.
    admin_token : str, optional
        Token of the administrator, who alone may create repositories. Without a token anybody may, like on
        DVID 1.0.0.
    auth : str
        With ``"token"``, requests for repositories need a token as `token` returns it; ``"none"``: they need none.
    jwt_secret : str, optional
        Secret that tokens are signed with, at least 32 characters, or PyJWT warns; a random one by default.
    read_only : bool
        True if only the administrator may change anything.
    cors : iterable of str
        Origins whose web pages may send requests, ``*`` for all. With ``auth="token"``, domains such as
        ``janelia.org``. Requests of other pages are refused.
    allowed_hosts : iterable of str
        Names of this machine besides ``localhost``, ``127.0.0.1`` and ``[::1]``. A request for a server of another
        name is refused: a web page can make its own name point here. What is no name of a host is a ValueError.
    unset_block_fails : bool
        True if a request for the voxels of exactly one block of a labelmap fails where nothing is stored, as on DVID.

    Examples
    --------
    >>> import numpy as np
    >>> with MockServer({"gray": np.zeros((1, 64, 64, 32), np.uint8)}) as server:
    ...     server.voxels("gray").shape
    (1, 64, 64, 32)
    """

    def __init__(
        self,
        volumes: Mapping[str, ArrayLike] | None = None,
        *,
        dims: str = "",
        port: int = 0,
        folder: str | os.PathLike[str] | None = None,
        root: str | None = None,
        faults: Iterable[Fault] = (),
        throttle_slots: int = 1,
        admin_token: str | None = None,
        auth: str = "none",
        jwt_secret: str | None = None,
        read_only: bool = False,
        cors: Iterable[str] = (),
        allowed_hosts: Iterable[str] = (),
        unset_block_fails: bool = True,
    ) -> None:
        if root is not None and not re.fullmatch("[0-9a-f]{32}", root):
            raise ValueError(f"root: expected 32 hexadecimal digits, got {root!r}")
        if auth not in {"none", "token"}:
            raise ValueError(f"auth: expected 'none' or 'token', got {auth!r}")
        self._jwt_secret = jwt_secret or secrets.token_hex()
        secret = self._jwt_secret if auth == "token" else None
        arrays = {name: _checked(name, volume, dims) for name, volume in (volumes or {}).items()}
        policy = Policy(admin_token, read_only, secret, tuple(cors))
        site = Site.of(allowed_hosts, policy.allows)
        self._changes = Changes(Journal(folder) if folder is not None else None)
        if volumes is not None and not self._changes.repositories.by_root:
            self._adopt(arrays, root or new_uuid())
        api = DvidApi(self._changes, Throttle(throttle_slots), policy, unset_block_fails=unset_block_fails)
        try:
            self.faults = Faults(*faults, check=lambda fault: api.vocabulary().check(fault))
        except ValueError:
            self._changes.close()
            raise
        self._shared = Shared(
            api=api,
            error=error,
            busy_text=busy_text(),
            is_admin=policy.is_admin,
            framing=GO,
            faults=self.faults,
            site=site,
        )
        try:
            self._backend = Backend(port, self._shared)
        except OSError:
            self._changes.close()
            raise

    @property
    def url(self) -> str:
        """Address of the server, as ``http://127.0.0.1:54321``."""
        return self._backend.url

    @property
    def uuid(self) -> str:
        """Uuid of the root version of the first repository.

        Raises
        ------
        LookupError
            If there is no repository yet.
        """
        for root in self._changes.repositories.by_root:
            return root
        raise LookupError("uuid: this server has no repository yet")

    @property
    def indexing(self) -> Indexing:
        """The background in which the voxels of bodies are counted after a write of labels.

        By default they are counted at once. After ``indexing.hold()``, later writes are not counted until
        ``indexing.release()``; ``indexing.waiting`` is their number.
        """
        return self._changes.repositories.indexing

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests that the server has received, in order, up to 100 000 of them.

        Raises
        ------
        OverflowError
            If the server has received more; it keeps none then.
        """
        return self._shared.records.copy()

    def token(self, user: str = "somebody", *, lifetime: float = 3600) -> str:
        """Return a token for ``Authorization: Bearer``, for servers with ``auth="token"``.

        Parameters
        ----------
        user : str
            The user that the token names.
        lifetime : float
            Seconds until the token expires; a negative number makes an expired token.

        Raises
        ------
        ImportError
            If PyJWT is not installed.
        """
        return make_token(self._jwt_secret, {"user": user, "exp": time.time() + lifetime})

    def voxels(self, name: str, version: str | None = None) -> NDArray[Any]:
        """Return a copy of the voxels of an instance, from 0 to the upper end of its extents.

        Parameters
        ----------
        name : str
            Name of the instance.
        version : str, optional
            A version in any form that a url accepts; the root version by default.

        Returns
        -------
        ndarray
            Channel first, Fortran order; zeros where nothing is stored.
        """
        _, node = self._changes.repositories.find(version or self.uuid)
        instance, lineage = self._changes.repositories.at(node.uuid, name, Volume)
        _, high = instance.extents_in(lineage) or (None, (-1,) * instance.ndim)
        box = Box((0,) * instance.ndim, tuple(max(0, last + 1) for last in high))
        return instance.voxels.array(lineage, box)

    def close(self) -> None:
        """Stop serving and close every connection; a second call does nothing."""
        if not self._shared.closing.is_set():
            self._backend.stop()
            self._changes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _adopt(self, arrays: Mapping[str, NDArray[Any]], root: str) -> None:
        self._changes.make("create_repository", root=root, alias="mock", description="", now=timestamp())
        for name, array in arrays.items():
            self._changes.adopt(root, name, array)


def _checked(name: str, volume: ArrayLike, dims: str) -> NDArray[Any]:
    if "/" in name or name in RESERVED_NAMES:
        raise ValueError(f"volume {name!r}: this name cannot be used in a url")
    array = np.asarray(volume)
    if len(dims) == array.ndim:
        array = array if dims.startswith("c") else array[np.newaxis]
    elif array.ndim == CUBE_AXES:
        raise ValueError(f"volume {name!r}: an array of 3 axes needs dims='xyz', without a channel, or dims='cxy'")
    if not 1 <= array.ndim - 1 <= MAX_AXES:
        raise ValueError(f"volume {name!r}: expected a channel axis and 1 to {MAX_AXES} more, got shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"volume {name!r}: expected numbers, got {array.dtype}")
    return array
