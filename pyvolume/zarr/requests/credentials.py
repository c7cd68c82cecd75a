"""Credentials: who a request to a bucket is signed for, and to which server its secrets may go."""

from __future__ import annotations

import configparser
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from pyvolume.errors import AddressError, UnsupportedError
from pyvolume.model.nearest import hint
from pyvolume.model.secret import Secret
from pyvolume.transport.urls import normalised_url, origin

Provider: TypeAlias = Callable[[], Any]
"""Gives obstore the credentials whenever it signs."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """What the environment says of one kind of bucket.

    Parameters
    ----------
    hosts : tuple of str
        The ends of the names of the provider's own servers.
    endpoints : tuple of str
        The variables that name another server, the strongest first.
    secrets : tuple of str
        The variables that hold credentials, or tell where they are.
    words : tuple of str
        What `credentials=` can hold.
    """

    hosts: tuple[str, ...]
    endpoints: tuple[str, ...]
    secrets: tuple[str, ...]
    words: tuple[str, ...]


CLOUDS = {
    "s3": Cloud(
        (".amazonaws.com", ".amazonaws.com.cn"),
        ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
        (
            "AWS_ACCESS_KEY_ID",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ),
        ("access_key_id", "secret_access_key", "session_token"),
    ),
    "gs": Cloud(
        (".googleapis.com",),
        ("GOOGLE_BASE_URL",),
        (
            "GOOGLE_SERVICE_ACCOUNT",
            "GOOGLE_SERVICE_ACCOUNT_PATH",
            "GOOGLE_SERVICE_ACCOUNT_KEY",
            "GOOGLE_APPLICATION_CREDENTIALS",
        ),
        ("token",),
    ),
    "az": Cloud(
        (".core.windows.net",),
        ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
        (
            "AZURE_STORAGE_ACCOUNT_KEY",
            "AZURE_STORAGE_ACCESS_KEY",
            "AZURE_STORAGE_SAS_KEY",
            "AZURE_STORAGE_SAS_TOKEN",
            "AZURE_STORAGE_TOKEN",
            "AZURE_STORAGE_CLIENT_SECRET",
            "AZURE_CLIENT_SECRET",
            "AZURE_FEDERATED_TOKEN_FILE",
        ),
        ("account_name", "account_key", "sas_token", "token"),
    ),
    "http": Cloud((), (), (), ("token",)),
}
"""The kinds of buckets; web servers are one of them."""

CUSTOMER_KEY = "AWS_SSE_CUSTOMER_KEY_BASE64"
"""A secret that obstore adds to every request, also to unsigned ones."""

LOGIN = ("role_arn", "sso_session", "sso_start_url", "credential_process", "web_identity_token_file", "login_session")
"""Words of a profile whose credentials have to be asked for."""

GOOGLE_FILE = ".config/gcloud/application_default_credentials.json"
"""Where Google's tools keep the credentials of a user, in the home folder."""


@dataclass(frozen=True, slots=True)
class Signing:
    """How the requests to one server are signed.

    Parameters
    ----------
    endpoint : str
        The server; empty for that of the provider.
    is_signed : bool
        Whether they are signed at all.
    provider : callable, optional
        Gives the credentials. None: obstore finds those of the environment itself.
    region : str
        What a profile says.
    """

    endpoint: str
    is_signed: bool
    provider: Provider | None = None
    region: str = ""


def signing(
    kind: str, address: str, *, endpoint: str, anonymous: bool | None, credentials: Mapping[str, str] | None
) -> Signing:
    """Decide who the requests to a bucket are signed for.

    What the user gives counts; then the environment, and for S3 the profile. Credentials of these are for the server
    that they name too, else for the provider's own: they are sent to no other. Without any the requests are not signed.

    Parameters
    ----------
    kind : str
        A key of `CLOUDS`.
    address : str
        For messages.
    endpoint : str
        The server that the user has named; empty for none.
    anonymous : bool, optional
        True: not signed. False: always signed, also by the credentials of a virtual machine, which take a request.
    credentials : mapping, optional
        What the user gives.

    Raises
    ------
    AddressError
        If there are no credentials for this server, and `anonymous` is False.
    TypeError
        If the credentials have other words.
    UnsupportedError
        If a profile needs a login, and ``boto3`` is not installed.
    """
    found: object = credentials
    if not isinstance(found, Mapping | None):  # its value may be a secret
        raise TypeError(f"open {address}: expected a mapping as credentials=, and found {type(found).__name__}")
    if anonymous and credentials:
        raise TypeError(f"open {address}: give credentials= or anonymous=True, not both")
    profile = _profile() if kind == "s3" else {}
    home = _home(kind, profile)
    server = endpoint or home
    is_home = _is_home(kind, endpoint, home)
    if not is_home and kind == "s3" and CUSTOMER_KEY in os.environ:
        raise AddressError(f"open {address}: {CUSTOMER_KEY} of the environment is not sent to {endpoint}; unset it")
    if credentials:
        return Signing(server, True, _given(kind, credentials, address), profile.get("region", ""))
    if anonymous:
        return Signing(server, False, region=profile.get("region", ""))
    if not is_home and anonymous is False:
        names = " or ".join(CLOUDS[kind].endpoints[:2])
        raise AddressError(
            f"open {address}: credentials of the environment are not sent to {endpoint}; give credentials=, or name "
            f"this server in {names}"
        )
    if not is_home or (anonymous is None and not _has_own(kind, profile)):
        return Signing(server, False, region=profile.get("region", ""))
    return Signing(server, True, _of_profile(profile, address), profile.get("region", ""))


def _home(kind: str, profile: Mapping[str, str]) -> str:
    """Return the server that the credentials of the environment are for; empty for that of the provider."""
    named = (os.environ.get(name, "") for name in CLOUDS[kind].endpoints)
    return next(filter(None, named), profile.get("endpoint_url", ""))


def _is_home(kind: str, endpoint: str, home: str) -> bool:
    if not endpoint:
        return True
    scheme, host, port = origin(endpoint)
    if home:
        return (scheme, host, port) == origin(normalised_url(home))
    return scheme == "https" and f".{host}".endswith(CLOUDS[kind].hosts)


def _has_own(kind: str, profile: Mapping[str, str]) -> bool:
    if any(os.environ.get(name) for name in CLOUDS[kind].secrets):
        return True
    if kind == "gs":
        return Path.home().joinpath(GOOGLE_FILE).is_file()
    return "aws_access_key_id" in profile or any(word in profile for word in LOGIN)


def _profile() -> dict[str, str]:
    """Return what the files of Amazon's tools say of the profile; the environment counts more than they do."""
    name = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or "default"
    places = {
        "AWS_CONFIG_FILE": ("config", name if name == "default" else f"profile {name}"),
        "AWS_SHARED_CREDENTIALS_FILE": ("credentials", name),
    }
    found: dict[str, str] = {}
    for variable, (file, section) in places.items():
        parser = configparser.RawConfigParser()
        path = Path(os.environ.get(variable) or Path.home() / ".aws" / file)
        try:
            parser.read_string(path.expanduser().read_text("utf-8"))
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue
        if parser.has_section(section):
            found |= {word: Secret(value) for word, value in parser.items(section)}
    return {**found, "profile": name} if found else {}


def _of_profile(profile: Mapping[str, str], address: str) -> Provider | None:
    if not profile or any(os.environ.get(name) for name in CLOUDS["s3"].secrets):
        return None
    if "aws_access_key_id" in profile:
        words = {word: profile.get(f"aws_{word}", "") for word in CLOUDS["s3"].words}
        return _given("s3", words, address)
    if not any(word in profile for word in LOGIN):
        return None
    try:
        import boto3
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        raise UnsupportedError(
            f"open {address}: the profile {profile['profile']!r} needs a login, which boto3 does; pip install boto3"
        ) from None
    provider: Provider = Boto3CredentialProvider(boto3.Session(profile_name=profile["profile"]))
    return provider


def _given(kind: str, credentials: Mapping[str, str], address: str) -> Provider:
    """Return what gives obstore the credentials of the user, and nothing of the environment beside them."""
    words = CLOUDS[kind].words
    unknown = [word for word in credentials if word not in words]
    if unknown:
        raise TypeError(f"open {address}: credentials have no {unknown[0]!r}; {hint(unknown[0], words)}")
    held = {word: Secret(value) for word, value in credentials.items() if value}
    made = _as_obstore(kind, held)
    if made is None:
        raise TypeError(f"open {address}: expected credentials of {', '.join(words)} and found {', '.join(held)}")
    answer = made | {"expires_at": None}
    return lambda: answer


def _as_obstore(kind: str, held: Mapping[str, str]) -> dict[str, Any] | None:
    match kind, held:
        case "s3", {"access_key_id": key, "secret_access_key": secret}:
            return {"access_key_id": key, "secret_access_key": secret, "token": held.get("session_token")}
        case "az", {"account_key": key}:
            return {"access_key": key}
        case "az", {"sas_token": token}:
            return {"sas_token": token}
        case _, {"token": token}:
            return {"token": token}
    return None
