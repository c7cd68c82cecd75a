"""Lists of the catalogue, page by page in the order of the ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, overload

from pyvolume.errors import MetadataError
from pyvolume.mikro import documents
from pyvolume.mikro.client import ask
from pyvolume.mikro.documents import ImageFacts, image_facts
from pyvolume.mikro.naming import id_of, listed_tags
from pyvolume.model import arguments
from pyvolume.transport.connection import Connection

PAGE = 100
"""Rows of one request."""


@dataclass(frozen=True, slots=True)
class Pages:
    """A list, and how it is asked for.

    Parameters
    ----------
    connection : Connection
        To the catalogue.
    action, document : str
        For messages, and the document of GraphQL.
    filters : mapping
        What the rows have in common.
    """

    connection: Connection
    action: str
    document: str
    filters: Mapping[str, Any]

    def rows(self, offset: int, limit: int, way: str = "ASC") -> list[Mapping[str, Any]]:
        """Return some rows, by rising or falling ids; one request."""
        variables = {
            "filters": dict(self.filters) or None,
            "ordering": [{"id": way}],
            "pagination": {"offset": offset, "limit": limit},
        }
        found: list[Mapping[str, Any]] = ask(self.connection, self.action, self.document, variables)
        return found


def pages(listed: Pages) -> Iterator[Mapping[str, Any]]:
    """Iterate over all rows, each once, also while others are added."""
    offset, seen = 0, set[str]()
    while True:
        rows = listed.rows(offset, PAGE)
        for row in rows:
            if row["id"] not in seen:
                seen.add(row["id"])
                yield row
        if len(rows) < PAGE:
            return
        offset += len(rows)


class Images:
    """The images of the organisation, by rising ids; asked for page by page, when they are used.

    Each entry is what the catalogue says of an image: ``id``, ``name``, ``tags``, ``created``, ``creator`` and
    ``dataset``. ``mikro.image(entry.id)`` opens it.

    Parameters
    ----------
    listed : Pages
        The list.
    """

    def __init__(self, listed: Pages) -> None:
        self._listed = listed

    def __repr__(self) -> str:
        return f"<Images of {self._listed.connection.url} {dict(self._listed.filters) or ''}>"

    def __iter__(self) -> Iterator[ImageFacts]:
        for row in pages(self._listed):
            yield image_facts(row, self._listed.action)

    def count(self) -> int:
        """Count the images; one request for each hundred, because the server does not tell the number."""
        return sum(1 for _ in pages(self._listed))

    def __bool__(self) -> bool:
        """Whether there is one; one request."""
        return bool(self._listed.rows(0, 1))

    def __contains__(self, image: object) -> bool:
        """Whether an image is in the list; one request."""
        wanted = getattr(image, "id", image)
        both = {"AND": dict(self._listed.filters)} if self._listed.filters else {}
        return isinstance(wanted, str) and bool(replace(self._listed, filters={"ids": [wanted], **both}).rows(0, 1))

    @overload
    def __getitem__(self, key: int) -> ImageFacts: ...
    @overload
    def __getitem__(self, key: slice) -> list[ImageFacts]: ...

    def __getitem__(self, key: int | slice) -> ImageFacts | list[ImageFacts]:
        """Return an image by its place, or some; a negative place counts from the newest one. One request for one."""
        action = self._listed.action
        if isinstance(key, slice):
            if key.step not in {None, 1} or (key.start or 0) < 0 or (key.stop or 0) < 0:
                return list(self)[key]
            first, stop = key.start or 0, key.stop
            if stop is not None and stop - first <= PAGE:
                return [image_facts(row, action) for row in self._listed.rows(first, max(0, stop - first))]
            return list(self)[key]
        at = arguments.integer(key, action, "a place")
        rows = self._listed.rows(at, 1) if at >= 0 else self._listed.rows(-at - 1, 1, "DESC")
        if not rows:
            raise IndexError(f"{action}: there is no image at place {at}")
        return image_facts(rows[0], action)

    def find(
        self,
        *,
        name: str | None = None,
        search: str | None = None,
        tags: Sequence[str] = (),
        dataset: Any = None,
        owner: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> Images:
        """Return a list of those images that have all of this; no request.

        Parameters
        ----------
        name : str, optional
            A part of the name, in small or capital letters.
        search : str, optional
            Words of the name, by the rules of English: a part of a word finds nothing.
        tags : sequence of str
            Any of these tags, as they were given to the server.
        dataset : Dataset, str or int, optional
            The dataset, or its id.
        owner : str, optional
            The ``sub`` of the user who made it.
        created_after, created_before : datetime, optional
            With a time zone.

        Raises
        ------
        MetadataError
            For a time without a zone, or a text in place of a list of tags.
        """
        for when in (created_after, created_before):
            if when is not None and when.tzinfo is None:
                raise MetadataError(f"find images: expected a time with a time zone and found {when}")
        given: dict[str, Any] = {
            "name": None if name is None else {"iContains": arguments.text(name, "find images", "a name")},
            "search": search,
            "tags": list(listed_tags(tags, "find images")) or None,
            "datasets": None if dataset is None else [id_of(dataset, "find images", "a dataset")],
            "owner": owner,
            "createdAfter": None if created_after is None else created_after.isoformat(),
            "createdBefore": None if created_before is None else created_before.isoformat(),
        }
        own = {key: value for key, value in given.items() if value is not None}
        before = {"AND": dict(self._listed.filters)} if self._listed.filters and own else {}
        return Images(replace(self._listed, filters={**own, **before} if own else self._listed.filters))


def images_of(connection: Connection) -> Images:
    """Return the images of a server; no request."""
    return Images(Pages(connection, "list images", documents.IMAGES, {}))
