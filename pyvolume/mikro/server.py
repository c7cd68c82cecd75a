"""Mikro: a server, and its images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from pyvolume.calls.progress import Progress
from pyvolume.mikro import datasets
from pyvolume.mikro.accessor import Image, opened
from pyvolume.mikro.address import Address, catalogue_of
from pyvolume.mikro.client import GENERATION, check_generation, generation_of
from pyvolume.mikro.datasets import Dataset
from pyvolume.mikro.lists import Images, images_of
from pyvolume.mikro.naming import id_of
from pyvolume.mikro.store import Place
from pyvolume.mikro.uploading import BANDWIDTH, Resolution, Wishes, uploaded
from pyvolume.model import arguments
from pyvolume.stores.catalogue import Entry
from pyvolume.transport.auth import Auth
from pyvolume.transport.bearer import only_auth
from pyvolume.transport.connection import Connection
from pyvolume.transport.handle import ServerHandle
from pyvolume.transport.urls import normalised_url


class Mikro(ServerHandle):
    """A Mikro of generation 2: a catalogue of images, and the object store with their voxels.

    Nothing is asked before it is used.

    Parameters
    ----------
    server : Connection or str
        The url of the catalogue, with or without ``/graphql``, for which a connection is made that `close` closes; or
        a connection to it, which `close` leaves open.
    token : str, optional
        Sent as a bearer token; only with a url.
    auth : Auth or str, optional
        Says who asks, such as a `pyvolume.Bearer` that renews its token; only with a url, and without a token.
    store : str
        The url of the object store, which the catalogue does not tell.
    region : str, optional
        Of the object store; by default what the catalogue says.
    owns_connection : bool
        Close a given connection too.

    Raises
    ------
    AddressError
        If a url is not one of an HTTP server.

    Examples
    --------
    >>> import numpy as np
    >>> from mockserver import MikroServer
    >>> mock = MikroServer()
    >>> with Mikro(mock.url, token="test", store=mock.store_url) as mikro:
    ...     image = mikro.from_xarray(np.ones((9, 8)), name="a", dims="xy")
    ...     image.shape, float(image.data.max())
    ((1, 9, 8, 1, 1), 1.0)
    >>> mock.close()
    """

    def __init__(
        self,
        server: Connection | str,
        *,
        token: str | None = None,
        auth: Auth | str | None = None,
        store: str,
        region: str | None = None,
        owns_connection: bool = False,
    ) -> None:
        asking = only_auth("Mikro", token, auth)
        if isinstance(server, Connection) and asking is not None:
            raise TypeError("Mikro: token and auth belong to the connection, which is given")
        address = server if isinstance(server, Connection) else catalogue_of(server)
        super().__init__(address, lambda url: Connection(url, auth=asking), owns_connection=owns_connection)
        self.store_url = normalised_url(store)
        self.region = region or ""
        self._generation = 0

    def connect(self) -> Self:
        """Ask the server what it is, so that a wrong url, token or generation is known now; one request.

        Returns
        -------
        Mikro
            The server itself.

        Raises
        ------
        UnsupportedError
            If it is of another generation.
        ForbiddenError, StoreError
            If it does not accept the token, or does not answer.
        """
        if self._generation != GENERATION:
            self._generation = check_generation(self.connection, "connect")
        return self

    @property
    def generation(self) -> int:
        """Which generation the server is, from 1 to 3; asked once."""
        if not self._generation:
            self._generation = generation_of(self.connection)
        return self._generation

    @property
    def images(self) -> Images:
        """The images of the organisation, by rising ids; a list that is asked for when it is used."""
        return images_of(self.connection)

    def image(self, id: str | int) -> Image:  # noqa: A002 - the word of Mikro
        """Open an image: one request to the catalogue, one to the object store.

        Parameters
        ----------
        id : str or int
            Its id.

        Raises
        ------
        NotFoundError
            If there is none, or the object store has no array for it.
        UnsupportedError, MetadataError, StoreError
            If the array is none that a volume can show, or a server does not answer.
        """
        return self._open(id)

    def _open(self, name: object, *, owned: bool = False) -> Image:
        text = name if isinstance(name, str) else str(arguments.integer(name, "open an image", "an id", 0))
        return opened(Place(self.connection, self._address(text)), owns_connection=owned)

    @property
    def datasets(self) -> list[Dataset]:
        """The datasets that the server lists. It can list those of other organisations too."""
        return list(datasets.datasets_of(self.connection))

    def dataset(self, id: str | int) -> Dataset:  # noqa: A002
        """Return a dataset by its id; one request.

        Raises
        ------
        NotFoundError
            If there is none.
        """
        return datasets.dataset_of(self.connection, id_of(id, "open a dataset", "a dataset"))

    def create_dataset(self, name: str, parent: Dataset | str | int | None = None) -> Dataset:
        """Create a dataset.

        Parameters
        ----------
        name : str
            Up to 200 characters. At the top several can have one name.
        parent : Dataset, str or int, optional
            The dataset that it is in, or its id.

        Raises
        ------
        ExistsError
            If the parent has one of this name.
        ForbiddenError, StoreError
            If the server refuses it.
        """
        return datasets.create(self.connection, name, parent)

    def from_xarray(
        self,
        array: Any,
        name: str | None = None,
        *,
        dims: Sequence[str] | None = None,
        tags: Sequence[str] = (),
        dataset: Dataset | str | int | None = None,
        channels: Sequence[str] | None = None,
        resolution: Resolution | None = None,
        chunks: Sequence[int] | Literal["auto"] = "auto",
        bandwidth: float = BANDWIDTH,
        progress: Progress = None,
    ) -> Image:
        """Upload an array as an image.

        Its axes are put into the order of Mikro, and those that are missing get a length of 1, see `canonical`. The
        image gives the axes of the array back. An array of dask is computed and uploaded chunk by chunk.

        The chunks come first, then the metadata of the array, then the image: if this is killed, there is no image, or
        a whole one.

        Parameters
        ----------
        array : xarray.DataArray or array-like
            Of numpy or dask, a dataset of a file, another volume; of numbers, which can be complex.
        name : str, optional
            Up to 1000 characters; by default the name of an array of xarray.
        dims : sequence of str, optional
            The letter of each axis of the array, among c, t, z, y and x; by default those of an array of xarray.
        tags : sequence of str
            Small letters and digits, with single hyphens between them: the server changes others.
        dataset : Dataset, str or int, optional
            Where the image belongs, or its id; by default the dataset of the user.
        channels : sequence of str, optional
            A name for each channel.
        resolution : float, sequence or mapping, optional
            Size of a voxel in micrometres: of x, y and z, one for each of them, or by letter. By default what evenly
            spaced coordinates of an array of xarray say.
        chunks : "auto" or sequence of int
            Shape of the chunks along x, y and z. "auto": 64 voxels along each; of less than 16 planes, planes of 512².
        bandwidth : float
            Bytes in a second that the way to the store carries. The keys for an upload cannot be renewed: one that
            would take longer is refused before anything is written.
        progress : bool or callable, optional
            Show a bar, or call a function with a `TransferStatus`; see `set_options`.

        Returns
        -------
        Image

        Raises
        ------
        MetadataError
            If the array is no image, or for names, tags or channels that do not fit. Nothing is sent.
        UnsupportedError
            If the upload would take too long, or the server is of another generation.
        StoreError
            If a server does not do it; the message says what is left.
        """
        wishes = Wishes.of(
            name, dims=dims, tags=tags, dataset=dataset, channels=channels, resolution=resolution, chunks=chunks,
            bandwidth=bandwidth, progress=progress,
        )  # fmt: skip
        return self._upload(array, wishes)

    def take_array(
        self,
        array: Any,
        *,
        name: str | None,
        dims: Sequence[str] | None = None,
        chunks: Sequence[int] | None = None,
        owned: bool = False,
    ) -> Image:
        """Upload an array, as `pyvolume.from_xarray` does, see `pyvolume.stores.catalogue.Taking`."""
        return self._upload(array, Wishes.of(name, dims=dims, chunks=chunks), owned=owned)

    def _upload(self, array: Any, wishes: Wishes, *, owned: bool = False) -> Image:
        self.connect()
        return self._open(uploaded(Place(self.connection, self._address()), array, wishes), owned=owned)

    def _address(self, image: str = "") -> Address:
        return Address(self.connection.url, self.store_url, image, self.region)

    def entries(self) -> list[Entry]:
        """Return the images, see `Catalogue`."""
        return [
            Entry(
                each.name,
                "image",
                self._address(each.id).url,
                {"id": each.id, "tags": list(each.tags), "created": each.created.isoformat(timespec="seconds")},
            )
            for each in self.images
        ]

    def describe(self) -> dict[str, Any]:
        """Return the facts about the server, see `Catalogue`."""
        return {"url": self.connection.url, "store": self.store_url, "generation": self.generation}
