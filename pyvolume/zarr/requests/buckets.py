"""Buckets: zarr stores upon obstore, in S3, Google's and Microsoft's clouds, and behind web servers."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import obstore
from obstore import exceptions
from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import ObjectStore

from pyvolume.errors import AddressError
from pyvolume.transport.urls import is_proxied, normalised_url, origin
from pyvolume.zarr.requests.credentials import Signing, signing
from pyvolume.zarr.requests.places import Place

ONCE: Any = {"max_retries": 0, "retry_timeout": timedelta(0)}
"""obstore repeats nothing: calls do."""

PATIENCE: Any = {"connect_timeout": "5s", "read_timeout": "120s", "timeout": "7 days"}
"""As for connections: seconds to connect and of silence, and no limit for a long answer."""

NOWHERE = "http://127.0.0.1:0"
"""A proxy that is never there, for all hosts but the one of the bucket.

obstore follows a redirect, and sends the session token of S3 along: here it reaches no other host.
"""

ADVICE = {"az": "; name the account in credentials={'account_name': ...} or in AZURE_STORAGE_ACCOUNT_NAME"}
"""What is added when a bucket cannot be opened."""


def open_bucket(
    place: Place,
    *,
    read_only: bool,
    anonymous: bool | None = None,
    region: str | None = None,
    credentials: Mapping[str, str] | None = None,
) -> tuple[ObjectStore[Any], Place]:
    """Open a bucket; no request is sent.

    Returns
    -------
    store : ObjectStore
        A missing object is an error of it.
    place : Place
        With the server that the environment names, where it does.

    Raises
    ------
    AddressError, TypeError
        As for `pyvolume.zarr.requests.credentials.signing`.
    """
    if region is not None and place.kind != "s3":
        raise TypeError(f"open {place.address}: only s3:// has a region=")
    signed = signing(place.kind, place.address, endpoint=place.endpoint, anonymous=anonymous, credentials=credentials)
    if place.kind == "http":
        return Pages(_web_server(place, signed), read_only=True), place
    server = normalised_url(signed.endpoint) if signed.endpoint else ""
    place = Place(place.kind, place.bucket, place.path, server)
    make: Any = {"s3": s3_store, "gs": _gs, "az": _az}[place.kind]
    try:
        store = make(place, signed, region, credentials or {})
    except exceptions.BaseError as error:
        said = str(error).partition("\n")[0]
        raise AddressError(f"open {place.address}: {said}{ADVICE.get(place.kind, '')}") from None
    return Objects(store, read_only=read_only), place


def _web_server(place: Place, signed: Signing) -> HTTPStore:
    options: Any = PATIENCE | {"allow_http": place.bucket.startswith("http://")}
    if signed.provider is not None:
        options["default_headers"] = {"Authorization": f"Bearer {signed.provider()['token']}"}
    return HTTPStore(place.bucket, client_options=options, retry_config=ONCE)


def _options(place: Place, signed: Signing) -> dict[str, Any]:
    client = PATIENCE | {"allow_http": place.endpoint.startswith("http://")}
    if signed.is_signed and place.endpoint and not is_proxied(place.endpoint):
        client |= {"proxy_url": NOWHERE, "proxy_excludes": origin(place.endpoint)[1]}
    return {
        "prefix": place.path or None,
        "client_options": client,
        "retry_config": ONCE,
        "credential_provider": signed.provider,
    }


def s3_store(place: Place, signed: Signing, region: str | None, _: Mapping[str, str] = MappingProxyType({})) -> S3Store:
    """Open a bucket of S3."""
    config: Any = {"skip_signature": not signed.is_signed}
    if region or signed.region:
        config["region"] = str(region or signed.region)
    if not place.endpoint:
        return S3Store(place.bucket, config=config, **_options(place, signed))
    config["endpoint"] = place.endpoint
    try:
        # newer versions let AWS_ENDPOINT_URL_S3 count more than `endpoint`, older ones do not know it
        return S3Store(place.bucket, config=config | {"aws_endpoint_url_s3": place.endpoint}, **_options(place, signed))
    except exceptions.UnknownConfigurationKeyError:
        return S3Store(place.bucket, config=config, **_options(place, signed))


def _gs(place: Place, signed: Signing, _region: str | None, _: Mapping[str, str]) -> GCSStore:
    config: Any = {"skip_signature": not signed.is_signed}
    if place.endpoint:
        config["base_url"] = place.endpoint
    return GCSStore(place.bucket, config=config, **_options(place, signed))


def _az(place: Place, signed: Signing, _region: str | None, credentials: Mapping[str, str]) -> AzureStore:
    config: Any = {"skip_signature": not signed.is_signed}
    if place.endpoint:
        config["endpoint"] = place.endpoint
    if "account_name" in credentials:
        config["account_name"] = credentials["account_name"]
    return AzureStore(place.bucket, config=config, **_options(place, signed))


class Objects(ObjectStore):  # type: ignore[type-arg] # it is not generic in older versions
    """zarr's store upon obstore, of which a missing object is an error: its status decides what it means."""

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer:
        """Return an object, or a part of it."""
        if byte_range is not None:
            return (await self.part(key, prototype, byte_range))[0]
        answer = await obstore.get_async(self.store, key)
        return prototype.buffer.from_bytes(await answer.bytes_async())  # type: ignore[arg-type]

    def value(self, key: str) -> memoryview:
        """Return an object; the thread waits for it."""
        return memoryview(obstore.get(self.store, key).bytes())

    async def part(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest) -> tuple[Buffer, Hashable]:
        """Return a range of bytes of an object, with a stamp that changes when the object does."""
        wanted: Any
        match byte_range:
            case RangeByteRequest(start, end):
                wanted = (start, end)
            case OffsetByteRequest(offset):
                wanted = {"offset": offset}
            case SuffixByteRequest(count) if isinstance(self.store, AzureStore):
                size = (await obstore.head_async(self.store, key))["size"]  # Azure knows no range from the end
                wanted = (max(0, size - count), size)
            case SuffixByteRequest(count):
                wanted = {"suffix": count}
        answer = await obstore.get_async(self.store, key, options={"range": wanted})
        facts = answer.meta
        stamp = (facts["e_tag"], facts["size"], facts["last_modified"])
        return prototype.buffer.from_bytes(await answer.bytes_async()), stamp  # type: ignore[arg-type]

    async def exists(self, key: str) -> bool:
        """Return True; a missing object is an error."""
        await obstore.head_async(self.store, key)
        return True


class Pages(Objects):
    """The files of a web server, which can only be read, and not be listed."""

    supports_writes = False
    supports_deletes = False
    supports_listing = False
