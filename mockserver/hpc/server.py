"""DataStoreServer: starts and stops a mock of the HPC DataStore."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mockserver.hpc import vocabulary
from mockserver.hpc.api import DataStoreApi
from mockserver.hpc.dedicated import UNDERTOW, Dedicated
from mockserver.hpc.model.datasets import Dataset, Datasets
from mockserver.http.faults import Fault, Faults
from mockserver.http.messages import OCTETS, Answer
from mockserver.http.server import Backend
from mockserver.http.shared import RequestRecord, Shared
from mockserver.http.sites import Site

DIMS = "cxyzta"

BLOCK = 32
"""Voxels along each side of the blocks of a dataset that is made of an array."""


class DataStoreServer:
    """A server that speaks the DataStore's protocol like the real one, and injects faults.

    It listens on 127.0.0.1 and is ready when the constructor returns.

    Parameters
    ----------
    volumes : mapping of str to array, optional
        Arrays of four to six axes: c, x, y, z, t, a. Each becomes a dataset with this label, in full resolution, in
        blocks of 32.
    port : int
        Port to listen on; 0 takes a free one.
    faults : iterable of Fault
        The first faults to inject. A method or a word in a path that the server does not know is a ValueError.
    token : str, optional
        The bearer token that requests need.
    strict : bool
        Refuse a payload that is cut short, and a version that is not there. The real server fills the payload with
        zeros, and makes a folder that breaks the dataset.
    allowed_hosts : iterable of str
        Further names of this server, which the header ``Host`` of a request may have.
    dedicated : bool
        Start a process of its own for each open, which listens on another port and ends when it is idle, as old servers
        do.

    Examples
    --------
    >>> import numpy as np
    >>> zeros = np.zeros((1, 64, 64, 32), np.uint16)
    >>> with DataStoreServer({"embryo": zeros}) as server:
    ...     server.voxels("embryo").shape
    (1, 64, 64, 32, 1, 1)
    """

    def __init__(
        self,
        volumes: Mapping[str, ArrayLike] | None = None,
        *,
        port: int = 0,
        faults: Iterable[Fault] = (),
        token: str | None = None,
        strict: bool = False,
        allowed_hosts: Iterable[str] = (),
        dedicated: bool = False,
    ) -> None:
        self._datasets = Datasets()
        self._is_strict = strict
        self._processes: list[Dedicated] = []
        self.faults = Faults(*faults, check=vocabulary.check)
        self.uuids = {label: self._adopt(label, np.asarray(array)) for label, array in (volumes or {}).items()}
        api = DataStoreApi(
            self._datasets,
            self._start,
            lambda: threading.Thread(target=self.close, daemon=True).start(),
            token=token,
            is_dedicated=dedicated,
            is_strict=strict,
        )
        self._shared = Shared(
            api=api,
            error=_error,
            busy_text="",
            is_admin=lambda _query, _headers: False,
            framing=UNDERTOW,
            faults=self.faults,
            site=Site.of(allowed_hosts, lambda _origin: False),
        )
        self._backend = Backend(port, self._shared)

    @property
    def url(self) -> str:
        """Address of the server, as ``http://127.0.0.1:54321``."""
        return self._backend.url

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests that the server and its processes have received, in order."""
        return self._shared.records.copy()

    def voxels(self, name: str, version: int | str = "mixedLatest", level: int = 0) -> NDArray[Any]:
        """Return a copy of the voxels of a dataset, zeros where nothing is stored.

        Parameters
        ----------
        name : str
            The label of a dataset that was made of an array, or a uuid.
        version : int or "mixedLatest"
            The version; by default of each block the newest one.
        level : int
            Index of the resolution level.

        Returns
        -------
        ndarray
            With the axes c, x, y, z, t, a.
        """
        dataset = self._datasets.by_uuid[self.uuids.get(name, name)]
        with self._datasets.lock:
            views = [
                [
                    [dataset.voxels(version, level, timepoint, channel, angle) for angle in range(dataset.angles)]
                    for timepoint in dataset.timepoints
                ]
                for channel in range(dataset.channels)
            ]
        return np.asarray(views).transpose(0, 3, 4, 5, 1, 2)

    def versions(self, name: str) -> list[int]:
        """Return the versions of a dataset, by label or uuid."""
        return sorted(self._datasets.by_uuid[self.uuids.get(name, name)].versions)

    def stop_processes(self) -> None:
        """End the processes that opens have started, as if they were idle."""
        for process in self._processes:
            process.stop()

    def close(self) -> None:
        """Stop serving and close every connection; a second call does nothing."""
        self.stop_processes()
        if not self._shared.closing.is_set():
            self._backend.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(
        self, dataset: Dataset, levels: list[tuple[int, int, int]], version: int | str, mode: str, timeout: int | None
    ) -> str:
        process = Dedicated(
            self._shared,
            self._datasets,
            dataset,
            levels=levels,
            version=version,
            mode=mode,
            timeout=timeout,
            is_strict=self._is_strict,
        )
        self._processes.append(process)
        return process.address

    def _adopt(self, label: str, array: NDArray[Any]) -> str:
        """Make a dataset of an array, and return its uuid."""
        if not 4 <= array.ndim <= len(DIMS) or array.dtype.kind not in "iuf":
            raise ValueError(f"volume {label!r}: expected numbers on c, x, y, z, t, a, got shape {array.shape}")
        voxels: NDArray[Any] = array.reshape(array.shape + (1,) * (len(DIMS) - array.ndim))
        channels, x, y, z, timepoints, angles = voxels.shape
        dataset = self._datasets.create({
            "voxelType": array.dtype.name,
            "dimensions": [x, y, z],
            "timepoints": timepoints,
            "timepointIds": list(range(timepoints)),
            "channels": channels,
            "angles": angles,
            "voxelUnit": "um",
            "voxelResolution": [1.0, 1.0, 1.0],
            "compression": "raw",
            "resolutionLevels": [{"resolutions": [1, 1, 1], "blockDimensions": [BLOCK] * 3}],
            "label": label,
        })
        for channel, timepoint, angle in np.ndindex(channels, timepoints, angles):
            dataset.put(0, 0, (timepoint, channel, angle), voxels[channel, ..., timepoint, angle])
        return dataset.uuid


def _error(status: int, text: str) -> Answer:
    """Return an error answer as an injected fault sends it."""
    data = text.encode()
    return Answer(status, OCTETS, (data,), len(data))
