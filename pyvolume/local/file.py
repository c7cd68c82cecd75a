"""LocalFile: a file of a fileset, with its metadata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pyvolume.calls.progress import Progress
from pyvolume.copying.run import copy
from pyvolume.errors import AddressError, NotFoundError
from pyvolume.files import values
from pyvolume.files.volumes import open_file
from pyvolume.local.address import canonical, check_axes
from pyvolume.local.changes import OURS, NewMetadata
from pyvolume.local.commit import Step
from pyvolume.local.described import Described
from pyvolume.local.layout import is_component
from pyvolume.local.refusals import told
from pyvolume.local.voxels import SHA256, known_of
from pyvolume.model import arguments
from pyvolume.model.arguments import brief
from pyvolume.volume import Volume

if TYPE_CHECKING:
    from pyvolume.local.fileset import Fileset


class LocalFile(Described):
    """A file in a folder database, which `Fileset` returns.

    Parameters
    ----------
    fileset : Fileset
        Where it is.
    id : str
        Its id.
    """

    def __init__(self, fileset: Fileset, id: str) -> None:  # noqa: A002 - the word of the database
        self.fileset = fileset
        self.id = id
        self._folder = fileset.scan.folder

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.fileset.path}/{self.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LocalFile) and (other.fileset, other.id) == (self.fileset, self.id)

    def __hash__(self) -> int:
        return hash((self.fileset, self.id))

    def _place(self) -> tuple[str, str]:
        return self.fileset.id, self.id

    def _change(self, step: Step, action: str) -> None:
        self.fileset.scan.change(step, action=action)

    @property
    def name(self) -> str:
        """The name of the file with the data, in the folder of the fileset.

        Raises
        ------
        NotFoundError
            If a program has registered the file, and has never written it.
        AddressError
            If the index names something outside of the folder.
        """
        name = self.fileset.name_of(self.id)
        action = f"open {self.fileset.path}/{self.id}"
        if name is None:
            raise NotFoundError(f"{action}: the file is in {self._folder.index}, and was never written", action=action)
        if not is_component(name):
            raise AddressError(
                f"{action}: expected the name of a file in the fileset and found {brief(name)} in {self._folder.index}"
            )
        return name

    @property
    def path(self) -> Path:
        """The file with the data.

        Raises
        ------
        NotFoundError
            If the index lists a file that is not there.
        AddressError
            If it is a folder, or a link that leaves the fileset.
        """
        place = self.fileset.path / self.name
        action = f"open {self.fileset.path}/{self.id}"
        if not place.resolve().is_relative_to(self.fileset.path.resolve()):
            raise AddressError(f"{action}: expected a file in the fileset, and {place} is a link to {place.resolve()}")
        if place.is_dir():
            raise AddressError(f"{action}: expected a file, and {place} is a folder")
        if not place.exists():
            raise NotFoundError(f"{action}: {self._folder.index} lists {place}, which is not there", action=action)
        return place

    def bytes(self) -> bytes:
        """Return the data as they are.

        Raises
        ------
        NotFoundError, AddressError
            As for `path`.
        ForbiddenError, OSError
            If they cannot be read.
        """
        path = self.path
        with told("read", path):
            return path.read_bytes()

    def read(self) -> Any:
        """Return the data as a value, by the suffix of the file.

        Returns
        -------
        object
            An array for npy, tif, h5 and zarr.zip, with the axes in the order in which they are stored. A mapping of
            arrays for npz. An array of rows, columns and colours for png and jpg. A `Mesh` for ply. A list of mappings
            for csv. Values of Python for json and toml, and a text for txt.

        Raises
        ------
        UnsupportedError
            For another suffix; `bytes` and `path` work for each file.
        MetadataError
            If the file is broken.
        ImportError
            If the library of the format is missing; the message names the extra.
        NotFoundError, AddressError, ForbiddenError, OSError
            As for `bytes`.
        """
        path = self.path
        with told("read", path):
            return values.read(path)

    def volume(
        self,
        mode: Literal["r", "r+"] = "r",
        *,
        axes: str | None = None,
        array: str | None = None,
        **options: Any,
    ) -> Volume:
        """Open the voxels of the file; they stay in the file, but for compressed formats.

        The metadata say what the axes are, where the voxels lie and how large they are: those that `Scan.pull` has
        written, ``axes`` of `Fileset.put`, or ``voxel_size`` and ``origin``, which the pipeline of ROMI writes for
        volumes with the axes x, y and z. A file can say it itself, too.

        Parameters
        ----------
        mode : "r" or "r+"
            Read only; or read and write, for npy and h5, in a database with mode ``"r+"``. The checksum in the metadata
            is removed then, because it is that of other voxels.
        axes : str, optional
            One letter for each axis of the array, in the order in which `read` returns it, where nothing says it.
        array : str, optional
            The name of the array, in a file of several, such as a label.
        **options
            Of `pyvolume.Volume`: ``partial_blocks``, ``casting``, ``lock``, ``lock_aligned``, ``cache``.

        Returns
        -------
        Volume
            Channel first.

        Raises
        ------
        UnsupportedError
            If nothing says what the axes are, the file holds no voxels, or it cannot be changed in place.
        MetadataError
            If the file is broken, or its metadata are.
        NotFoundError, AddressError, ForbiddenError, OSError
            As for `bytes`.
        """
        path, document = self.path, self._folder.document(*self._place())
        if axes is not None:
            check_axes(axes, f"open {path}")
        if array is not None:
            arguments.text(array, f"open {path}", "array")
        metadata = self.get_metadata()
        address = canonical(self._folder.root.path, self._folder.id, *self._place(), axes=axes, array=array)
        known = known_of(metadata, path, document, axes=axes, array=array, address=address)
        if mode == "r+":
            self._folder.root.check_writable(f"open {path}")
        with told("open", path):
            volume = open_file(path, mode, known, **options)
        ours = metadata.get(OURS)
        if mode == "r+" and isinstance(ours, dict) and SHA256 in ours:
            kept = {name: value for name, value in ours.items() if name != SHA256}
            self._change(NewMetadata(*self._place(), {OURS: kept}), f"open {path}")
        return volume

    def push(
        self,
        volume: Volume,
        *,
        axes: str | None = None,
        array: str | None = None,
        progress: Progress = None,
        verify: bool = False,
    ) -> int:
        """Copy the voxels of the file into a volume, at the coordinates where they lie, piece by piece.

        Parameters
        ----------
        volume : Volume
            Where they go, such as a volume on a server.
        axes, array : optional
            As for `volume`.
        progress, verify : optional
            As for `pyvolume.copy`.

        Returns
        -------
        int
            Bytes that were written.

        Raises
        ------
        SelectionError, VoxelsMismatchError, StoreError
            As for `pyvolume.copy`.
        UnsupportedError, MetadataError, NotFoundError, AddressError, ForbiddenError, OSError
            As for `volume`.
        """
        with self.volume(axes=axes, array=array) as source:
            return copy(source, volume, progress=progress, verify=verify)
