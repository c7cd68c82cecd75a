"""Identity: how a user and their tokens reach a DVID server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pyvolume.errors import RefusedError
from pyvolume.model.secret import Secret
from pyvolume.transport.auth import Additions, Auth, bearer_headers
from pyvolume.transport.request import Request


@dataclass(frozen=True, init=False)
class Identity:
    """Who asks a DVID server; an argument of `Connection`.

    A connection without one sends neither names nor tokens. `pyvolume.open` and a `Server` that is made from a url use
    ``Identity()`` if nothing else is given.

    Parameters
    ----------
    user, app : str, optional
        Names that the server writes to its log.
    token : str, optional
        Sent as ``Authorization: Bearer``.
    admin_token : str, optional
        Sent with the creation of repositories, and never with anything else: with it a real DVID lets anyone
        overwrite a committed version. It shows in no log of pyvolume and its libraries, except with a session of the
        user.
    pickle_secrets : bool
        Whether a pickled connection contains the tokens. By default pickling leaves them out; a copy within the
        process, as by `copy.deepcopy`, keeps them.

    Raises
    ------
    ValueError
        If a token has characters that are not printable, or the bearer token some that are not ASCII.

    Examples
    --------
    >>> import pyvolume
    >>> anna = Identity("anna", token="secret")
    >>> connection = pyvolume.Connection("localhost:8000", auth=anna)
    >>> connection.auth
    Identity(user='anna', app='pyvolume')
    """

    user: str | None
    app: str | None
    token: str | None = field(repr=False)
    admin_token: str | None = field(repr=False)
    pickle_secrets: bool = field(repr=False)
    left_behind = False

    def __init__(
        self,
        user: str | None = None,
        app: str | None = "pyvolume",
        token: str | None = None,
        admin_token: str | None = None,
        *,
        pickle_secrets: bool = False,
    ) -> None:
        # the parameters are replaced: they would show in the traceback of an error
        token, admin_token = (None if each is None else Secret(each) for each in (token, admin_token))
        bearer_headers(Secret(token or ""))
        if not (admin_token or "").isprintable():
            raise ValueError("connect: expected an admin token of printable characters")
        given = {"user": user, "app": app, "token": token, "admin_token": admin_token}
        vars(self).update(given, pickle_secrets=pickle_secrets)

    def __getstate__(self) -> dict[str, Any]:
        if self.pickle_secrets or not (self.token or self.admin_token):
            return vars(self)
        return {**vars(self), "token": None, "admin_token": None, "left_behind": True}

    def __copy__(self) -> Self:
        return self  # copying would use the state for pickling

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def apply(self, request: Request, /) -> Additions:
        """Return the names and tokens that go with a request."""
        names = {"u": self.user, "app": self.app}
        return Additions(
            query={name: value for name, value in names.items() if value},
            headers=bearer_headers(Secret(self.token)) if self.token else {},
            secrets={"admintoken": self.admin_token} if request.privileged and self.admin_token else {},
        )

    def refresh(self, _refused: RefusedError, /) -> bool:
        """Return False: DVID gives out no tokens."""
        return False


Kind = Literal["token", "admin_token"]

VARIABLES: Mapping[str, str] = {"token": "PYVOLUME_TOKEN", "admin_token": "DVID_ADMIN_TOKEN"}
"""The variables of the environment that the command reads; Python code passes tokens itself.

The reader of napari reads the first one.
"""


def token_advice(kind: Kind, *, sent: bool) -> str:
    """Return what an error says about a token that the server wants: a wrong one was sent, or none."""
    wanted = f"the server wants {'a token' if kind == 'token' else 'its admin token'}"
    if sent:
        return f"{wanted}, and does not accept the one that was sent"
    way_out = f"Python code passes Identity({kind}=...), the variable {VARIABLES[kind]} is for the command"
    return f"{wanted}, and none was sent; {way_out}"


def sends(auth: Auth | None, kind: Kind) -> bool:
    """Whether a connection sends a token of this kind where it is wanted."""
    return bool(getattr(auth, kind)) if isinstance(auth, Identity) else auth is not None and kind == "token"
