"""Volumes of N5: a dataset, an image of BigDataViewer, a dataset of an HPC DataStore in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pyvolume.model.box import BoxLike
from pyvolume.n5.address import number_of
from pyvolume.n5.images import choice_of, image_of_version
from pyvolume.n5.store import DatasetStore
from pyvolume.n5.versions import versions_of
from pyvolume.n5.views import ViewsStore
from pyvolume.transfer.checks import checked_box
from pyvolume.volume import Volume


class N5Volume(Volume):
    """A volume in a folder of N5: a dataset, or an image of BigDataViewer, which is read only.

    A dataset of three axes has the axes c, x, y, z. An image has the axes c, x, y, z, t and a, for channel, width,
    height, depth, time and angle.

    Parameters
    ----------
    store : DatasetStore or ViewsStore
        What reads the blocks.
    **options
        As for `pyvolume.Volume`.
    """

    def __init__(self, store: DatasetStore | ViewsStore, **options: Any) -> None:
        super().__init__(store, store.metadata, **options)

    @property
    def store(self) -> DatasetStore | ViewsStore:
        """The dataset, or the views."""
        return cast("DatasetStore | ViewsStore", self._transfer.store)

    @property
    def compression(self) -> Mapping[str, Any]:
        """The attribute ``compression``, which says how blocks are compressed."""
        return self.store.info.form.compression.to_document()

    def describe(self) -> dict[str, Any]:
        """Return the facts about the volume as values of JSON, see `Volume.describe`."""
        facts = super().describe() | {"compression": self.compression["type"]}
        if isinstance(self.store, ViewsStore):
            choice = self.store.choice
            facts |= {
                "levels": [list(each) for each in self.store.factors],
                "timepoints": list(choice.timepoints),
                "channels": list(choice.channels),
                "angles": list(choice.angles),
            }
        return facts

    def exists(self, box: BoxLike | None = None) -> NDArray[np.bool_]:
        """Say for each block whether it is stored; nothing is read.

        Parameters
        ----------
        box : Box or pair of corners, optional
            In absolute voxel coordinates; by default the bounds.

        Returns
        -------
        ndarray of bool
            One entry for each block that the box touches; with the axes of the volume.

        Raises
        ------
        SelectionError
            For a box outside the volume.
        ForbiddenError, OSError
            If a folder cannot be looked into.
        """
        return self._transfer.stored(self.bounds if box is None else checked_box(box, self.metadata))


class N5VersionedVolume(N5Volume):
    """A dataset of an HPC DataStore, in its folder: one level in one version, read only.

    A version shows what the server would show. The version ``"latest"`` is resolved once, when the volume is opened.
    """

    @property
    def store(self) -> ViewsStore:
        """The views of the version."""
        return cast("ViewsStore", self._transfer.store)

    @property
    def name(self) -> str:
        """The uuid of the dataset, which is the name of the folder."""
        return self.store.image.path.name

    @property
    def version(self) -> int | str:
        """The number of the version, or ``"mixedLatest"``."""
        return cast("int | str", self.store.image.version)

    @property
    def version_name(self) -> str:
        """The version as text."""
        return str(self.version)

    def describe(self) -> dict[str, Any]:
        """Return the facts about the volume as values of JSON, see `Volume.describe`."""
        return super().describe() | {"version": self.version, "versions": list(versions_of(self.store.image.client))}

    def version_labels(self) -> Mapping[str, str]:
        """Return the versions in the folder."""
        return {str(number): f"version {number}" for number in versions_of(self.store.image.client)}

    def at(self, ref: int | str) -> N5VersionedVolume:
        """Open the same level and view in another version, with the same options.

        Parameters
        ----------
        ref : int or str
            A number, ``"latest"`` or ``"mixedLatest"``.

        Raises
        ------
        AddressError
            If it cannot be a version.
        NotFoundError
            If there is no such version, or it has no such level, channel, time point or angle.
        """
        store = self.store
        image = image_of_version(store.image.path, number_of(ref))
        choice = choice_of(image, store.choice.words)
        other = ViewsStore(image, choice, level=store.factors[store.level], missing=store.missing)
        return self._with_store(other, other.metadata)
