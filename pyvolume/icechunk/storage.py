"""Storage: where a repository is, as Icechunk wants it, and the format of new ones."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import icechunk

from pyvolume.calls.holds import AUTO, Lanes
from pyvolume.errors import UnsupportedError
from pyvolume.icechunk.address import Address

FORMAT = 1
"""The format of new repositories: that of icechunk 1, which icechunk 2 reads and writes too."""

SILENCE = 60
"""Seconds without a byte after which a request to a bucket fails."""

S3_WORDS = {"access_key_id": "access_key_id", "secret_access_key": "secret_access_key", "token": "session_token"}
"""Icechunk's words for the parts of a key of S3."""

is_first_library = icechunk.__version__.partition(".")[0] == "1"
"""Whether the library knows one format only."""


def storage_of(address: Address, options: Mapping[str, Any]) -> Any:
    """Return Icechunk's storage of a repository; no request is sent.

    Parameters
    ----------
    address : Address
        Of the repository.
    options : mapping
        For buckets: `anonymous`, `endpoint`, `region` and `credentials`, see `IcechunkDriver.open`.

    Raises
    ------
    AddressError, TypeError, UnsupportedError
        If the options contradict each other or the address.
    """
    if "ICECHUNK_LOG" not in os.environ:
        # it would print that commits to folders are not safe, which a lock takes care of
        icechunk.set_logs_filter("error")
    if address.is_remote:
        return _bucket(address, options)
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise TypeError(f"open: {', '.join(given)} belong to a bucket, and {address.root} is a folder")
    return icechunk.local_filesystem_storage(str(Path(address.root)))


def configuration() -> Any:
    """Return how Icechunk works: it repeats nothing, because calls do."""
    return icechunk.RepositoryConfig(
        storage=icechunk.StorageSettings(retries=icechunk.StorageRetriesSettings(max_tries=1))
    )


def lanes_of(address: Address) -> Lanes | None:
    """Return new slots for the requests to a repository; None for one in a folder, where they are not limited."""
    return Lanes(AUTO) if address.is_remote else None


def creation() -> dict[str, Any]:
    """Return the options of a new repository."""
    return {} if is_first_library else {"spec_version": FORMAT}


def _bucket(address: Address, options: Mapping[str, Any]) -> Any:
    from pyvolume.zarr.requests.credentials import signing  # obstore is not needed for folders
    from pyvolume.zarr.requests.places import parse

    place = parse(address.root, options.get("endpoint"))
    credentials = options.get("credentials")
    signed = signing(
        place.kind, place.address, endpoint=place.endpoint, anonymous=options.get("anonymous"), credentials=credentials
    )
    if options.get("region") is not None and place.kind != "s3":
        raise TypeError(f"open {place.address}: only s3:// has a region=")
    held = {} if signed.provider is None else dict(signed.provider())
    make = {"s3": _s3, "gs": _gs, "az": _az}[place.kind]
    return make(place, signed, held, {**options, "credentials": credentials or {}})


def _s3(place: Any, signed: Any, held: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    return icechunk.s3_storage(
        bucket=place.bucket,
        prefix=place.path or None,
        region=str(options.get("region") or signed.region or "") or None,
        endpoint_url=signed.endpoint or None,
        allow_http=signed.endpoint.startswith("http://"),
        force_path_style=bool(signed.endpoint),
        network_stream_timeout_seconds=SILENCE,
        **_who(signed, held, S3_WORDS),
    )


def _gs(place: Any, signed: Any, held: Mapping[str, Any], _: Mapping[str, Any]) -> Any:
    config = {"google_base_url": signed.endpoint} if signed.endpoint else None
    return icechunk.gcs_storage(
        bucket=place.bucket, prefix=place.path or None, config=config, **_who(signed, held, {"token": "bearer_token"})
    )


def _az(place: Any, signed: Any, held: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    account = options["credentials"].get("account_name") or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME")
    if not signed.is_signed or not account:
        raise UnsupportedError(
            f"open {place.address}: Icechunk needs an account of Azure; name it in credentials={{'account_name': ...}} "
            "or in AZURE_STORAGE_ACCOUNT_NAME"
        )
    who = _who(signed, held, {"access_key": "access_key", "sas_token": "sas_token", "token": "bearer_token"})
    config = {"azure_storage_endpoint": signed.endpoint} if signed.endpoint else None
    return icechunk.azure_storage(
        account=str(account), container=place.bucket, prefix=place.path or "", config=config, **who
    )


def _who(signed: Any, held: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the words with which Icechunk signs requests."""
    if not signed.is_signed:
        return {"anonymous": True}
    found = {name: str(held[word]) for word, name in names.items() if held.get(word)}
    return found or {"from_env": True}
