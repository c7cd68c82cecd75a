"""Identity servers: bearer tokens by the client credentials of OAuth2."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from pyvolume.errors import AnswerError, ForbiddenError, RefusedError, StoreError
from pyvolume.model.secret import Secret
from pyvolume.transport.bearer import seconds_left
from pyvolume.transport.connection import Connection
from pyvolume.transport.request import Request, Upload


class ClientCredentials:
    """Tokens of an identity server by the client credentials of OAuth2; for a `Bearer`.

    Parameters
    ----------
    token_url : str
        Where tokens are asked for.
    client_id, client_secret : str
        Of the client.
    scope : str
        Of the tokens.
    pickle_secrets : bool
        Whether pickling keeps the client secret, see `Bearer`.
    **options
        Of the `Connection` to the identity server, such as `timeout` and `verify`.

    Examples
    --------
    >>> import pyvolume
    >>> tokens = ClientCredentials("https://lab.example/token", "viewer", "secret")
    >>> pyvolume.Bearer(tokens)
    Bearer(ClientCredentials('https://lab.example/token', 'viewer'))
    """

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: str,
        *,
        scope: str = "openid",
        pickle_secrets: bool = False,
        **options: Any,
    ) -> None:
        self._url = token_url
        self._client = client_id
        self._secret = Secret(client_secret)
        self._scope = scope
        self._options = options
        self._pickle_secrets = pickle_secrets

    @property
    def left_behind(self) -> bool:
        """Whether the secret was left in another process."""
        return not self._secret

    def __repr__(self) -> str:
        return f"ClientCredentials({self._url!r}, {self._client!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_secret": self._secret if self._pickle_secrets else Secret("")}

    def __call__(self) -> tuple[str, float]:
        """Ask for a token; one request.

        Raises
        ------
        ForbiddenError
            If the identity server refuses.
        StoreError
            If it does not answer as one.
        """
        parts = urlsplit(self._url)
        form = {"grant_type": "client_credentials", "client_secret": Secret(self._secret), "scope": self._scope}
        user = f"{quote(self._client, safe='')}:{quote(self._secret, safe='')}"
        basic = Secret(f"Basic {base64.b64encode(user.encode()).decode()}")
        request = Request(
            "get a token",
            "POST",
            parts.path or "/",
            upload=Upload.of(urlencode(form).encode()),
            headers={"Content-Type": "application/x-www-form-urlencoded", "Authorization": basic},
            refusal=_no_token,
        )
        with Connection(f"{parts.scheme}://{parts.netloc}", **self._options) as connection:
            return connection.exchange(request, lambda answer: _token_in(answer.read_json()), connection.new_call())


def _no_token(request: Request, status: int, _headers: Mapping[str, str], text: str) -> StoreError:
    """Tell what the identity server says; only its code is shown, because it may repeat what was sent."""
    try:
        code = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError):
        code = ""
    shown = f": {code}" if isinstance(code, str) and code.replace("_", "").isalnum() else ""
    kind = ForbiddenError if status < 500 else RefusedError
    message = f"{request.action}: the identity server answered {status}{shown}"
    return kind(message, action=request.action, status=status, reason=shown)


def _token_in(document: Any) -> tuple[str, float]:
    match document:
        case {"access_token": str(token), "expires_in": int() | float() as seconds}:
            return token, float(seconds)
        case {"access_token": str(token)}:
            return token, seconds_left(token)
    raise AnswerError("get a token: expected a document with access_token, and found another one")
