"""The driver of zarr: from a url to a volume."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pyvolume.caching.cache import BlockCache
from pyvolume.calls.retry import RetryPolicy
from pyvolume.model.arguments import given
from pyvolume.model.extras import require
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.registry import Driver
from pyvolume.transfer.casting import Casting
from pyvolume.transfer.locking import NamedLock
from pyvolume.volume import Volume
from pyvolume.zarr import address

if TYPE_CHECKING:
    from pyvolume.zarr.catalogue import ZarrGroup


class ZarrDriver(Driver):
    """Opens and creates volumes of zarr and OME-Zarr, see `Driver`."""

    forms = address.FORMS
    made_by_copies: ClassVar[bool] = True

    def recognises(self, url: str) -> bool:
        """Whether a url is one of zarr."""
        return address.recognises(url)

    def catalogue(self, url: str, *, retry: RetryPolicy | None = None) -> ZarrGroup:
        """Open a group, see `Driver`.

        Parameters
        ----------
        url : str
            Of a group: a plate, a well, labels, several images.
        retry : RetryPolicy, optional
            How long requests are repeated.
        """
        return self.connect(url, retry=retry)

    def connect(
        self,
        url: str,
        *,
        retry: RetryPolicy | None = None,
        anonymous: bool | None = None,
        endpoint: str | None = None,
        region: str | None = None,
        credentials: Mapping[str, str] | None = None,
        missing: Collection[int] = (404,),
    ) -> ZarrGroup:
        """Open a group.

        Parameters
        ----------
        url : str
            Of a group: a plate, a well, labels, several images.
        retry, anonymous, endpoint, region, credentials, missing : optional
            As for `open`.

        Raises
        ------
        ImportError
            If zarr is not installed.
        NotFoundError, UnsupportedError, MetadataError, StoreError
            If there is no group.
        """
        require("zarr", extra="zarr", action=f"connect {url}")
        from pyvolume.zarr.catalogue import ZarrGroup  # late: it imports zarr
        from pyvolume.zarr.opening import Opening

        place = given(anonymous=anonymous, endpoint=endpoint, region=region, credentials=credentials, missing=missing)
        return ZarrGroup(Opening(address.parse(url), "r", retry or RetryPolicy(), place))

    @staticmethod
    def open(
        url: str,
        mode: Literal["r", "r+"] = "r",
        *,
        retry: RetryPolicy | None = None,
        anonymous: bool | None = None,
        endpoint: str | None = None,
        region: str | None = None,
        credentials: Mapping[str, str] | None = None,
        missing: Collection[int] = (404,),
        partial_blocks: Literal["merge", "raise"] = "merge",
        casting: Casting = "checked",
        lock: NamedLock | None = None,
        lock_aligned: bool = True,
        cache: BlockCache | None = None,
    ) -> Volume:
        """Open the volume at a url.

        Parameters
        ----------
        url : str
            In one of the forms of `pyvolume.zarr.address`.
        mode : "r" or "r+"
            Read only, or read and write.
        retry : RetryPolicy, optional
            How long requests are repeated.
        anonymous : bool, optional
            Send no credentials to a bucket; by default those of the environment are sent, if there are any.
        endpoint : str, optional
            The url of the server of a bucket, where it is not that of the provider.
        region : str, optional
            Of a bucket.
        credentials : mapping, optional
            Of a bucket. They do not travel when the volume is pickled.
        missing : collection of int
            The statuses of HTTP that mean that a chunk is not stored. A bucket without the right to list answers 403.
        partial_blocks, casting, lock, lock_aligned, cache
            See `pyvolume.Volume`. A cache is not used: voxels of zarr can change.

        Raises
        ------
        AddressError
            For a malformed url.
        ImportError
            If zarr is not installed.
        NotFoundError, UnsupportedError, MetadataError, StoreError
            If there is no volume, several, a broken one, or the store does not answer.
        """
        require("zarr", extra="zarr", action=f"open {url}")
        from pyvolume.zarr.accessor import open_volume  # late: it imports zarr

        place = given(anonymous=anonymous, endpoint=endpoint, region=region, credentials=credentials, missing=missing)
        return open_volume(
            address.parse(url), mode, retry=retry, place=place, partial_blocks=partial_blocks, casting=casting,
            lock=lock, lock_aligned=lock_aligned, cache=cache,
        )  # fmt: skip

    def create(
        self,
        url: str,
        metadata: VoxelsMetadata,
        *,
        chunks: Sequence[int] | None = None,
        overwrite: bool = False,
        format: Literal["0.5", "0.4", "zarr"] = "0.5",  # noqa: A002 - as in pyvolume.create
        levels: Sequence[Sequence[float]] | int | Literal["auto"] | None = None,
        shards: Sequence[int] | None = None,
        compressors: Any = "auto",
        fill_value: float = 0,
        retry: RetryPolicy | None = None,
        anonymous: bool | None = None,
        endpoint: str | None = None,
        region: str | None = None,
        credentials: Mapping[str, str] | None = None,
    ) -> Volume:
        """Create a volume, and open it for writing, see `pyvolume.create`.

        Parameters
        ----------
        url : str
            In one of the forms of `pyvolume.zarr.address`.
        metadata : VoxelsMetadata
            What it will be.
        chunks : sequence of int, optional
            By default one channel, and cubes or squares of about 64³ voxels along x, y and z.
        overwrite : bool
            Delete an array or a group of zarr that is there.
        format : "0.5", "0.4" or "zarr"
            A version of OME-Zarr, for zarr v3 or v2; or an array without OME, which can have any axes.
        levels : "auto", int or sequence, optional
            Resolution levels to declare: their number, or for each one its factors along the axes of the volume, 1 for
            the first. ``"auto"``: until the longest side has at most 256 voxels. `build_pyramid` fills them.
        shards : sequence of int, optional
            Shape of the files that hold several chunks, see zarr.
        compressors : optional
            As in ``zarr.create_array``.
        fill_value : float
            The value of voxels that are not stored.
        retry, anonymous, endpoint, region, credentials : optional
            As for `open`.

        Raises
        ------
        ExistsError
            If something is there; with `overwrite`, something that is not of zarr.
        UnsupportedError
            If OME-Zarr has no such axes; ``format="zarr"`` has.
        MetadataError, FileNotFoundError, StoreError
            If the parts contradict each other, there is no folder for it, or the store refuses it.
        """
        require("zarr", extra="zarr", action=f"create {url}")
        from pyvolume.zarr import creation  # late: it imports zarr

        place = given(anonymous=anonymous, endpoint=endpoint, region=region, credentials=credentials)
        return creation.create(
            address.parse(url), metadata, chunks=chunks, format=format, levels=levels, shards=shards,
            compressors=compressors, fill_value=fill_value, overwrite=overwrite, retry=retry, place=place,
        )  # fmt: skip


DRIVER = ZarrDriver()
