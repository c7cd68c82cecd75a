"""Instance: which one, how it is created, and how it is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyvolume.calls.lost import once
from pyvolume.dvid.address import check_name, segment
from pyvolume.dvid.client import get_document, post_document
from pyvolume.dvid.documents import VOXEL_TYPES
from pyvolume.dvid.schemas import SCHEMAS
from pyvolume.dvid.versions import lookup
from pyvolume.dvid.versions.graph import RepoInfo, Uuid
from pyvolume.errors import AnswerError, ExistsError, KeyNotFoundError, NotFoundError, StoreError, UnsupportedError
from pyvolume.model.nearest import hint
from pyvolume.transport.answer import Answer
from pyvolume.transport.connection import Connection
from pyvolume.transport.request import Request

NOUNS = {**dict.fromkeys(VOXEL_TYPES, "volume"), "keyvalue": "mapping of keys", "roi": "region"}
"""What messages call an instance of each type."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance in one version.

    Parameters
    ----------
    connection : Connection
        To the server.
    uuid : Uuid
        The full uuid of the version.
    name : str
        The name of the instance.
    """

    connection: Connection
    uuid: Uuid
    name: str

    @property
    def path(self) -> str:
        """The path of its endpoints on the server, without a slash at the end."""
        return f"/api/node/{segment(self.uuid)}/{segment(self.name)}"

    @property
    def address(self) -> str:
        """The url of the instance, as `pyvolume.open` takes it."""
        return f"dvid://{self.connection.url}/{segment(self.uuid)}/{segment(self.name)}"


class InstanceHandle:
    """What handles of regions and of keys have in common: where they are, and requests without a result."""

    _instance: Instance

    @property
    def connection(self) -> Connection:
        """The connection to the server."""
        return self._instance.connection

    @property
    def uuid(self) -> Uuid:
        """The full uuid of the version."""
        return self._instance.uuid

    @property
    def name(self) -> str:
        """The name of the instance."""
        return self._instance.name

    def _exchange(self, request: Request) -> None:
        self.connection.exchange(request, Answer.read_nothing, self.connection.new_call())


def create(instance: Instance, document: Mapping[str, str], schema: str) -> None:
    """Create an instance in an open version.

    After a lost answer, an instance of this name and type counts as the new one. The caller has looked before that the
    name is free.

    Raises
    ------
    MetadataError
        For a name that could not be reached.
    ExistsError
        If the repository has an instance of this name.
    LockedError
        If the version is committed.
    TransportError
        If no answer arrived, and no such instance was there when looked for afterwards.
    """
    action = f"create {instance.name}"
    check_name(instance.name)
    SCHEMAS.validate(schema, document, action)

    def ask() -> str:
        path = f"/api/repo/{segment(instance.uuid)}/instance"
        body = post_document(instance.connection, action, path, document)
        if b'"result"' not in body:
            raise AnswerError(f"{action}: expected a result and found {body[:200]!r}", first_bytes=body[:200])
        return document["typename"]

    once(ask, lambda: found if (found := _typename(instance, action)) == document["typename"] else None)


def check_free(instance: Instance) -> None:
    """Refuse a name that could not be reached, and the name of an instance that is there.

    Raises
    ------
    MetadataError, ExistsError
    """
    check_name(instance.name)
    action = f"create {instance.name}"
    if _typename(instance, action) is not None:
        raise taken(instance.name)


def taken(name: str) -> ExistsError:
    """Return the error for the name of an instance that is there."""
    action = f"create {name}"
    return ExistsError(f"{action}: the name is taken, the repository has an instance of this name", action=action)


def find(instance: Instance, typename: str, schema: str = "dvid-info-1") -> dict[str, Any]:
    """Return the answer of ``/info`` of an instance of this type.

    Raises
    ------
    NotFoundError
        If there is no instance of this name.
    UnsupportedError
        If it is of another type.
    """
    action = f"open {instance.name}"
    document = read_info(instance, action, NOUNS[typename])
    found = document["Base"]["TypeName"]
    if found != typename:
        raise UnsupportedError(f"{action}: expected an instance of type {typename} and found {found}")
    SCHEMAS.validate(schema, document, action)
    return document


def read_info(instance: Instance, action: str, noun: str = "") -> dict[str, Any]:
    """Return the answer of ``/info`` of an instance.

    Parameters
    ----------
    instance : Instance
        Which one.
    action : str
        For messages.
    noun : str, optional
        What is wanted, one of the values of `NOUNS`. If there is no instance of this name, one further request finds a
        similar name.

    Raises
    ------
    NotFoundError
        If there is no instance of this name.
    """
    try:
        document: dict[str, Any] = get_document(instance.connection, action, f"{instance.path}/info", "dvid-info-1")
    except NotFoundError as error:
        raise _with_hint(error, instance, noun) if noun else error from None
    return document


def missing(action: str, name: str, info: RepoInfo, noun: str = "instance") -> str:
    """Return a sentence about an instance that is not there, with a similar name of the same kind."""
    names = [each for each, kind in info.instances.items() if noun in {"instance", NOUNS.get(kind)}]
    repository = repr(info.alias) if info.alias else info.graph.root[:8]
    return f"{action}: no {noun} {name!r} in repository {repository}; {hint(name, names)}"


def as_missing_key(error: NotFoundError) -> NotFoundError:
    """Return the error for a name in brackets that is not there: a `KeyNotFoundError` with the same facts."""
    if type(error) is not NotFoundError:  # several have the name
        return error
    return KeyNotFoundError(*error.args).with_facts(**vars(error))


def _with_hint(error: NotFoundError, instance: Instance, noun: str) -> NotFoundError:
    """Return the error with a sentence that tells what is missing, if the server can say it."""
    try:
        info = lookup.read_info(instance.connection, instance.uuid, error.action)
    except StoreError:
        return error
    if instance.name not in info.instances:
        error.args = (missing(error.action, instance.name, info, noun),)
    return error


def _typename(instance: Instance, action: str) -> str | None:
    """Return the type of an instance; None if there is none of this name."""
    try:
        found: str = read_info(instance, action)["Base"]["TypeName"]
    except NotFoundError:
        return None
    return found
