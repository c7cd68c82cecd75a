"""The driver of Icechunk: from a url to a volume in a version."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pyvolume.caching.cache import BlockCache
from pyvolume.calls.retry import RetryPolicy
from pyvolume.errors import AddressError
from pyvolume.icechunk import address
from pyvolume.model.arguments import given
from pyvolume.model.extras import require
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.registry import Driver
from pyvolume.transfer.casting import Casting
from pyvolume.transfer.locking import NamedLock
from pyvolume.volume import Volume

if TYPE_CHECKING:
    from pyvolume.icechunk.opening import Opening
    from pyvolume.icechunk.repo import Repo


class IcechunkDriver(Driver):
    """Opens and creates volumes in repositories of Icechunk, see `Driver`."""

    forms = address.FORMS
    made_by_copies: ClassVar[bool] = True

    def recognises(self, url: str) -> bool:
        """Whether a url is one of Icechunk."""
        return address.recognises(url)

    def names_volume(self, url: str) -> bool:
        """Whether a url names a version and a path in it."""
        found = address.parse(url)
        return bool(found.ref and found.path)

    def names_after(self, url: str) -> Sequence[str]:
        """Return the paths that can follow a url with a version."""
        with self.connect(url) as repo:
            return list(repo)

    def catalogue(self, url: str, *, retry: RetryPolicy | None = None) -> Repo:
        """Open a repository, see `Driver`.

        Parameters
        ----------
        url : str
            Of a repository, or of a version in it.
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
    ) -> Repo:
        """Open a repository.

        Parameters
        ----------
        url : str
            Of a repository, or of a version in it, whose volumes the repository then shows; by default those of main.
        retry, anonymous, endpoint, region, credentials : optional
            As for `open`.

        Raises
        ------
        AddressError
            For a malformed url, and for that of a volume.
        ImportError
            If icechunk is not installed.
        NotFoundError, UnsupportedError, StoreError
            If there is no repository, or one of a newer format.
        """
        found = address.parse(url)
        if found.path:
            raise AddressError(
                f"connect {url}: expected a repository, or a version in it; pyvolume.open opens a volume"
            )
        _require(f"connect {url}")
        from pyvolume.icechunk.repo import Repo  # late: it imports the library
        from pyvolume.icechunk.repository import open_repository

        place = given(anonymous=anonymous, endpoint=endpoint, region=region, credentials=credentials)
        repository = open_repository(_opening(found, retry, place), "connect")
        return Repo(repository, found.ref) if found.ref else Repo(repository)

    @staticmethod
    def open(
        url: str,
        mode: Literal["r", "r+"] = "r",
        *,
        commit: str | None = None,
        discard: bool = False,
        retry: RetryPolicy | None = None,
        anonymous: bool | None = None,
        endpoint: str | None = None,
        region: str | None = None,
        credentials: Mapping[str, str] | None = None,
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
            In one of the forms of `pyvolume.icechunk.address`, with a version.
        mode : "r" or "r+"
            Read the snapshot that the version means now; or write to a branch, in a session that nobody else sees
            before it is committed.
        commit : str, optional
            What `close`, and the end of a ``with`` block without an error, commit with this note.
        discard : bool
            Whether they discard what is not committed. Without either, uncommitted writes are an error.
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
        partial_blocks, casting, lock, lock_aligned, cache
            See `pyvolume.Volume`.

        Raises
        ------
        AddressError
            For a malformed url.
        ImportError
            If icechunk is not installed.
        LockedError
            For mode "r+" of what is no branch.
        NotFoundError, UnsupportedError, MetadataError, StoreError
            If there is no repository, version or volume, several volumes, a broken one, or the bucket does not answer.
        """
        found = address.parse(url)
        if not found.ref:
            raise AddressError(
                f"open {url}: expected a version and a path, as in {found.url}:main/gray; pyvolume.connect opens the "
                "repository"
            )
        if commit is not None and discard:
            raise TypeError(f"open {url}: expected commit= or discard=True and found both")
        _require(f"open {url}")
        from pyvolume.icechunk.accessor import Owned, checked_out, volume_in  # late: it imports the library
        from pyvolume.icechunk.repository import open_repository

        place = given(anonymous=anonymous, endpoint=endpoint, region=region, credentials=credentials)
        with contextlib.ExitStack() as stack:
            repository = open_repository(_opening(found, retry, place))
            stack.callback(repository.close)
            checkout = checked_out(repository, found.ref, mode, f"open {url}")
            volume = volume_in(
                checkout, found.path, found.level, owned=Owned(repository, commit=commit, discard=discard),
                partial_blocks=partial_blocks, casting=casting, lock=lock, lock_aligned=lock_aligned, cache=cache,
            )  # fmt: skip
            stack.pop_all()
        return volume

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
        commit: str | None = None,
        discard: bool = False,
        retry: RetryPolicy | None = None,
        anonymous: bool | None = None,
        endpoint: str | None = None,
        region: str | None = None,
        credentials: Mapping[str, str] | None = None,
    ) -> Volume:
        """Create a volume, commit it, and open it for writing, see `pyvolume.create`.

        A repository is created if there is none, in the format that icechunk 1 and 2 read; of a new one also the
        branch.

        Parameters
        ----------
        url : str
            In one of the forms of `pyvolume.icechunk.address`, with a branch.
        metadata : VoxelsMetadata
            What it will be.
        chunks, format, levels, shards, compressors, fill_value
            As for `pyvolume.zarr.driver.ZarrDriver.create`; Icechunk has no zarr v2, and so no ``format="0.4"``.
        overwrite : bool
            Delete an array or a group that is there, in the same commit; the versions before keep it.
        commit, discard : optional
            As for `open`.
        retry, anonymous, endpoint, region, credentials : optional
            As for `open`.

        Raises
        ------
        ExistsError
            If something is there.
        NotFoundError
            If the repository is there and has no such branch.
        UnsupportedError
            If OME-Zarr has no such axes; ``format="zarr"`` has.
        MetadataError, FileNotFoundError, StoreError
            If the parts contradict each other, there is no folder for it, or the bucket refuses it.
        """
        found = address.parse(url)
        _require(f"create {url}")
        from pyvolume.icechunk import creation  # late: it imports the library
        from pyvolume.icechunk.accessor import Owned

        place = given(anonymous=anonymous, endpoint=endpoint, region=region, credentials=credentials)
        return creation.create(
            _opening(found, retry, place), found, metadata, Owned(commit=commit, discard=discard), overwrite=overwrite,
            chunks=chunks, format=format, levels=levels, shards=shards, compressors=compressors, fill_value=fill_value,
        )  # fmt: skip


DRIVER = IcechunkDriver()


def _require(action: str) -> None:
    for library in ("zarr", "icechunk"):
        require(library, extra="icechunk", action=action)


def _opening(found: address.Address, retry: RetryPolicy | None, place: dict[str, Any]) -> Opening:
    from pyvolume.icechunk.opening import Opening

    return Opening(address.Address(found.root), retry or RetryPolicy(), place)
