"""The reader of napari: ``napari dvid://…``, and files that are dropped on its window; see ``napari.yaml``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from pyvolume import opening
from pyvolume.files import formats
from pyvolume.integrations.napari import LayerData, layers_of
from pyvolume.model.extras import require
from pyvolume.stores import registry
from pyvolume.stores.catalogue import Versioned
from pyvolume.stores.tokens import tokens_of
from pyvolume.volume import transfer_of


def get_reader(path: object) -> Callable[[str | os.PathLike[str]], list[LayerData]] | None:
    """Return the function that opens a volume as layers; None for what pyvolume does not open. No request.

    Parameters
    ----------
    path : str, path or list of these
        napari passes a url unchanged: npe2 compares it with the patterns of the manifest as it is, and makes no path of
        what has a scheme (``iter_compatible_readers`` of ``npe2/_plugin_manager.py``). A folder reaches every reader
        that accepts folders, whatever its patterns are. A list is a stack of files.

    Returns
    -------
    callable or None
        `read_layers` for a url with the scheme of a protocol, a file with a known suffix, and a folder of zarr.
    """
    if not isinstance(path, str | os.PathLike):
        return None
    text = os.fspath(path)
    suffix = formats.suffix_of(Path(text))
    is_file = suffix == ".zarr" or (suffix is not None and not Path(text).is_dir())
    return read_layers if is_file or registry.names_protocol(text) else None


def read_layers(path: str | os.PathLike[str]) -> list[LayerData]:
    """Open a volume for reading, and return its layers; no voxel is read.

    Tokens come from the environment, as in the command. The volume stays open: its connection is closed when the last
    layer that uses it is gone.

    Parameters
    ----------
    path : str or path
        As for `pyvolume.open`.

    Returns
    -------
    list of tuple
        Data, options and type of each layer. The data are arrays of dask with the axes (t, …, z, y, x), or a list of
        one for each resolution level, from that of the url on, the finest first.

    Raises
    ------
    ImportError
        If dask is missing, or the library of a file.
    AddressError, UnsupportedError, SelectionError, MetadataError, StoreError
        As for `pyvolume.open`; and for a volume that is empty or has no plane.

    Examples
    --------
    >>> import numpy as np
    >>> from mockserver import MockServer
    >>> with MockServer({"gray": np.zeros((1, 64, 48, 32), "uint8")}) as server:
    ...     layers = read_layers(f"dvid://{server.url}/:master/gray")
    >>> data, options, kind = layers[0]
    >>> data.shape, options["scale"], options["units"], kind
    ((32, 48, 64), [8.0, 8.0, 8.0], ['nm', 'nm', 'nm'], 'image')
    """
    require("dask.array", extra="napari", action="a layer of napari")
    url = os.fspath(path)
    options = registry.accepted(registry.find(url)[1].open, tokens_of(url))
    with contextlib.ExitStack() as stack:
        volume = stack.enter_context(opening.open(url, "r", **options))
        scales = volume.scales
        levels = [volume.scale(level) for level in range(scales.current, len(scales))]
        facts = {"url": volume.store.address}
        if isinstance(volume, Versioned):
            facts["version"] = str(volume.version_name)
        name = volume.name if registry.names_protocol(url) else Path(url).name
        layers = layers_of(name, [transfer_of(level, "a layer of napari") for level in levels], facts)
        stack.pop_all()
    return layers
