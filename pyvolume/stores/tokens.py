"""Tokens of the environment: to which server each of them goes."""

from __future__ import annotations

import os

from pyvolume.errors import AddressError
from pyvolume.model.secret import Secret
from pyvolume.stores import registry
from pyvolume.transport.urls import normalised_url, origin, without_secrets

SERVER, TOKEN_HOST = "PYVOLUME_URL", "PYVOLUME_TOKEN_HOST"
"""The variables that name the servers that tokens are for."""


def token_for(server: str, variable: str) -> Secret | None:
    """Return the token in a variable if it is for a server, named by its url.

    Raises
    ------
    AddressError
        If PYVOLUME_TOKEN_HOST names no server.
    """
    token = Secret(os.environ.get(variable, "").strip())
    return token if token and origin(normalised_url(server)) in map(origin, _servers()) else None


def tokens_of(url: str) -> dict[str, Secret]:
    """Return the tokens of the environment that are for the server of a url, by the option of its driver.

    Raises
    ------
    AddressError
        If no driver recognises the url, or PYVOLUME_TOKEN_HOST names no server.
    """
    driver = registry.find(url)[1]
    server = driver.server_of(url)
    found = {option: token_for(server, variable) for option, variable in driver.environment.items() if server}
    return {option: token for option, token in found.items() if token}


def why_withheld(server: str, variable: str) -> str:
    """Say why the token in a variable does not go to a server; empty if it does, or if there is none."""
    if not os.environ.get(variable, "").strip() or token_for(server, variable):
        return ""
    named = [f"{name}={without_secrets(os.environ[name])}" for name in (SERVER, TOKEN_HOST) if os.environ.get(name)]
    reason = f"it is for {' and '.join(named)}" if named else f"no {SERVER} and no {TOKEN_HOST} says whom it is for"
    return f"{variable} was not sent to {server}: {reason}; {TOKEN_HOST}={server} sends it there"


def _servers() -> list[str]:
    """Return the urls of the servers that tokens are for."""
    host = os.environ.get(TOKEN_HOST, "").strip()
    urls = [host] if "://" in host else [f"{scheme}://{host}" for scheme in ("http", "https") if host]
    try:
        url = os.environ.get(SERVER, "")
        urls.append(registry.find(url)[1].server_of(url))
    except AddressError:
        pass  # a command that needs this url says what is wrong with it
    return [normalised_url(url) for url in urls if url]
