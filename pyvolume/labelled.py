"""The engine of xarray: ``xr.open_dataset(url, engine="pyvolume")``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint

from pyvolume import opening
from pyvolume.model.box import BoxLike
from pyvolume.stores import registry
from pyvolume.volume import Volume

CONVENTIONS = "CF-1.11"


class PyvolumeBackend(BackendEntrypoint):
    """Opens volumes as datasets of one variable, see the page *Labelled arrays*."""

    description = "Open volumes on servers and in files with pyvolume"

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        box: BoxLike | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> xr.Dataset:
        """Open a volume for reading.

        Parameters
        ----------
        filename_or_obj : str, path or Volume
            As for `pyvolume.open`. Closing the dataset closes a volume that was opened for it.
        drop_variables : str or iterable of str, optional
            Names of coordinates, or of the volume, that are left out.
        box : Box or pair of corners, optional
            As for `Volume.to_xarray`.
        options : mapping, optional
            Options of `pyvolume.open`, such as a token.

        Returns
        -------
        xarray.Dataset
            Its variable has the name of the volume.

        Raises
        ------
        TypeError
            For `options` of a volume that is open already.
        AddressError, SelectionError, StoreError
            As for `pyvolume.open` and `Volume.to_xarray`.
        """
        is_open = isinstance(filename_or_obj, Volume)
        if is_open and options:
            raise TypeError("open_dataset: options are those of a url, and the volume is open already")
        names = [drop_variables] if isinstance(drop_variables, str) else drop_variables or ()
        with contextlib.ExitStack() as stack:
            if is_open:
                volume = filename_or_obj
            else:
                volume = stack.enter_context(opening.open(filename_or_obj, "r", **(options or {})))
            dataset: xr.Dataset = volume.to_xarray(box=box).to_dataset().drop_vars(names, errors="ignore")
            stack.pop_all()
        dataset.attrs["Conventions"] = CONVENTIONS
        if not is_open:
            dataset.set_close(volume.close)
        return dataset

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether this is a volume, or a url with the scheme of a protocol; no request.

        Files and http are left to other engines.
        """
        if isinstance(filename_or_obj, Volume):
            return True
        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        return registry.names_protocol(os.fspath(filename_or_obj))
