"""pyvolume: a huge volume on a server as if it were a numpy array.

Examples
--------
>>> import numpy as np, pyvolume
>>> volume = pyvolume.from_array(np.zeros((1, 20, 30, 40), "uint8"))
>>> volume[:, 5:10, 5:10, 5:10] = 7
>>> int(volume[0, 0:8, 5, 5].sum())
21
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyvolume import aio, dvid, errors, hpc, local, mikro, n5, segmentation, zarr
    from pyvolume.caching.cache import BlockCache
    from pyvolume.calls.progress import TransferStatus, set_options
    from pyvolume.calls.retry import RetryPolicy, RetryWait
    from pyvolume.calls.trace import Trace, trace
    from pyvolume.comparing import Difference, compare
    from pyvolume.copying import copy
    from pyvolume.creating import create
    from pyvolume.files.folder import Folder
    from pyvolume.integrations.order import canonical, restored
    from pyvolume.model.box import Box
    from pyvolume.model.metadata import VoxelsMetadata
    from pyvolume.opening import connect, default_server, from_array, open
    from pyvolume.pyramids import build_pyramid
    from pyvolume.recording import Receipt, Receipts, receipts
    from pyvolume.transfer.plan import Plan
    from pyvolume.transport.bearer import Bearer
    from pyvolume.transport.connection import Connection
    from pyvolume.transport.identity import ClientCredentials
    from pyvolume.uploading import from_xarray
    from pyvolume.volume import Volume

__all__ = [
    "Bearer",
    "BlockCache",
    "Box",
    "ClientCredentials",
    "Connection",
    "Difference",
    "Folder",
    "Plan",
    "Receipt",
    "Receipts",
    "RetryPolicy",
    "RetryWait",
    "Trace",
    "TransferStatus",
    "Volume",
    "VoxelsMetadata",
    "aio",
    "build_pyramid",
    "canonical",
    "compare",
    "connect",
    "copy",
    "create",
    "default_server",
    "dvid",
    "errors",
    "from_array",
    "from_xarray",
    "hpc",
    "local",
    "mikro",
    "n5",
    "open",
    "receipts",
    "restored",
    "segmentation",
    "set_options",
    "trace",
    "zarr",
]

# the pytest plugin is in this package, and must not make every test run pay for numpy and requests
_HOMES = {
    "Bearer": "pyvolume.transport.bearer",
    "BlockCache": "pyvolume.caching.cache",
    "Box": "pyvolume.model.box",
    "ClientCredentials": "pyvolume.transport.identity",
    "Connection": "pyvolume.transport.connection",
    "Difference": "pyvolume.comparing",
    "Folder": "pyvolume.files.folder",
    "Plan": "pyvolume.transfer.plan",
    "Receipt": "pyvolume.recording",
    "Receipts": "pyvolume.recording",
    "RetryPolicy": "pyvolume.calls.retry",
    "RetryWait": "pyvolume.calls.retry",
    "Trace": "pyvolume.calls.trace",
    "TransferStatus": "pyvolume.calls.progress",
    "Volume": "pyvolume.volume",
    "VoxelsMetadata": "pyvolume.model.metadata",
    "build_pyramid": "pyvolume.pyramids",
    "canonical": "pyvolume.integrations.order",
    "compare": "pyvolume.comparing",
    "connect": "pyvolume.opening",
    "copy": "pyvolume.copying",
    "create": "pyvolume.creating",
    "default_server": "pyvolume.opening",
    "from_array": "pyvolume.opening",
    "from_xarray": "pyvolume.uploading",
    "open": "pyvolume.opening",
    "receipts": "pyvolume.recording",
    "restored": "pyvolume.integrations.order",
    "set_options": "pyvolume.calls.progress",
    "trace": "pyvolume.calls.trace",
}


def __getattr__(name: str) -> Any:
    if name in {"aio", "dvid", "errors", "hpc", "local", "mikro", "n5", "segmentation", "zarr"}:
        return importlib.import_module(f"pyvolume.{name}")
    if name == "__version__":
        return importlib.import_module("pyvolume.model.release").release()
    if name not in _HOMES:
        raise AttributeError(f"module 'pyvolume' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
