"""Datasets: the folders of images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyvolume.mikro import documents
from pyvolume.mikro.client import ask
from pyvolume.mikro.documents import DatasetFacts, dataset_facts
from pyvolume.mikro.lists import Pages, images_of, pages
from pyvolume.mikro.naming import LONGEST_DATASET, checked_name, id_of
from pyvolume.transport.connection import Connection


class Dataset:
    """A folder of images.

    Parameters
    ----------
    connection : Connection
        To the catalogue.
    facts : DatasetFacts
        What it says of the dataset.
    """

    def __init__(self, connection: Connection, facts: DatasetFacts) -> None:
        self._connection = connection
        self._facts = facts

    def __repr__(self) -> str:
        return f"<Dataset {self.id} {self.name!r}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dataset) and (self.id, self._connection.url) == (other.id, other._connection.url)

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def id(self) -> str:
        """Its id."""
        return self._facts.id

    @property
    def name(self) -> str:
        """Its name; several can have one name."""
        return self._facts.name

    @property
    def is_default(self) -> bool:
        """Whether images without a dataset of their own come here."""
        return self._facts.is_default

    @property
    def parent(self) -> str:
        """The id of the dataset that it is in; empty for none."""
        return self._facts.parent

    @property
    def images(self) -> Any:
        """The images in the dataset, see `Images`."""
        return images_of(self._connection).find(dataset=self.id)

    def put(self, *images: Any) -> None:
        """Move images into the dataset; one request.

        Parameters
        ----------
        *images : Image, str or int
            Images, or their ids.

        Raises
        ------
        StoreError
            If the server refuses it.
        """
        action = f"put images into dataset {self.id}"
        ids = [id_of(each, action, "an image") for each in images]
        ask(
            self._connection,
            action,
            documents.PUT_IN,
            {"input": {"selfs": ids, "other": self.id}},
        )


def dataset_of(connection: Connection, name: str) -> Dataset:
    """Return the dataset with an id; one request."""
    action = f"open dataset {name}"
    return Dataset(connection, dataset_facts(ask(connection, action, documents.DATASET, {"id": name}), action))


def datasets_of(connection: Connection) -> Iterator[Dataset]:
    """Iterate over the datasets that the server lists, which can be those of other organisations too."""
    action = "list datasets"
    listed = Pages(connection, action, documents.DATASETS, {})
    for document in pages(listed):
        yield Dataset(connection, dataset_facts(document, action))


def create(connection: Connection, name: str, parent: Dataset | str | int | None) -> Dataset:
    """Create a dataset; one request."""
    action = f"create dataset {name!r}"
    given = {"name": checked_name(name, action, LONGEST_DATASET)}
    if parent is not None:
        given["parent"] = id_of(parent, action, "a dataset")
    found = ask(connection, action, documents.CREATE_DATASET, {"input": given}, changes=True)
    return Dataset(connection, dataset_facts(found, action))
