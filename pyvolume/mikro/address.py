"""Urls of Mikro: what a url names.

::

    mikro://http://localhost:8080?store=http://localhost:9000        a server
    mikro://http://localhost:8080/107?store=http://localhost:9000    an image
    mikro://…/107?store=…&t=3                                        its time point 3, without the axis t
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyvolume.errors import AddressError
from pyvolume.model.nearest import hint
from pyvolume.transport.urls import normalised_url, without_secrets, words_of

SCHEME = "mikro://"

FORMS = "mikro://http://HOST:PORT/IMAGE?store=http://HOST:PORT&t=0"
"""The form of a volume's url, for messages."""

WORDS = ("store", "region", "t")
"""The words of a query."""

ID = r"\d{1,18}"
"""An id in a url."""


@dataclass(frozen=True, slots=True)
class Address:
    """What a url names: a server, or an image on it.

    Parameters
    ----------
    server : str
        The url of the catalogue, without ``/graphql``.
    store : str
        The url of the object store.
    image : str
        The id of an image; empty for the server itself.
    region : str
        Of the object store; empty if the url names none.
    timepoint : int, optional
        The only time point that is shown; by default all, with the axis t.
    """

    server: str
    store: str
    image: str = ""
    region: str = ""
    timepoint: int | None = None

    @property
    def url(self) -> str:
        """The url."""
        region = f"&region={self.region}" if self.region else ""
        time = "" if self.timepoint is None else f"&t={self.timepoint}"
        return f"{SCHEME}{self.server}{'/' if self.image else ''}{self.image}?store={self.store}{region}{time}"


def recognises(url: str) -> bool:
    """Whether a url is one of Mikro."""
    return url.lower().startswith(SCHEME)


def parse(url: str) -> Address:
    """Understand a url of Mikro.

    Raises
    ------
    AddressError
        For a malformed url, one without a store, or a query with words that have no meaning here.

    Examples
    --------
    >>> address = parse("mikro://localhost:8080/107?store=localhost:9000")
    >>> address.server, address.image, address.store
    ('http://localhost:8080', '107', 'http://localhost:9000')
    """
    server, image = _parted(url)
    words = words_of(url.partition("?")[2])
    unknown = [word for word in words if word not in WORDS]
    if unknown:
        raise AddressError(f"open: a query has no word {unknown[0]!r}; {hint(unknown[0], WORDS)}")
    if not words.get("store"):
        raise AddressError(
            f"open {without_secrets(url)}: expected the url of the object store, which a catalogue does not tell, "
            f"as in {FORMS}"
        )
    time = words.get("t")
    if time is not None and not (image and re.fullmatch(ID, time, re.ASCII)):
        raise AddressError(f"open {without_secrets(url)}: expected t= as a time point of an image, from 0 on")
    region, timepoint = words.get("region", ""), None if time is None else int(time)
    return Address(normalised_url(server), normalised_url(words["store"]), image, region, timepoint)


def server_of(url: str) -> str:
    """Return the url of the catalogue.

    Raises
    ------
    AddressError
        For a malformed url.
    """
    return normalised_url(_parted(url)[0])


def catalogue_of(url: str) -> str:
    """Return the url of a catalogue as a user gives it, without the path of GraphQL.

    Examples
    --------
    >>> catalogue_of("localhost:8080/graphql")
    'http://localhost:8080'
    """
    return re.sub(r"/graphql/*$", "", normalised_url(url))


def _parted(url: str) -> tuple[str, str]:
    """Return the server of a url, and the id of the image; empty if the url names none."""
    path = url.partition("?")[0][len(SCHEME) :].rstrip("/") if recognises(url) else ""
    if "#" in url or not path or url.rstrip().endswith("]"):
        raise AddressError(f"open: expected {FORMS} and found {without_secrets(url)!r}")
    server, _, last = path.rpartition("/")
    if server and not server.endswith("/") and re.fullmatch(ID, last, re.ASCII):
        return catalogue_of(server), last
    return catalogue_of(path), ""
