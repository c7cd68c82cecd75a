"""A pytest plugin for tests of scripts that use pyvolume: strict servers of all protocols, without the real ones.

It is there wherever pyvolume is installed. It imports pytest and nothing heavy until a fixture is used.

Examples
--------
A test that reads a volume, and one that meets a server that is busy twice::

    def test_mean(voxel_volume):
        assert my_script.mean(voxel_volume) == pytest.approx(127.5, abs=5)

    def test_patience(voxel_server, voxel_volume):
        voxel_server.faults.add(Fault("busy", times=2))
        my_script.mean(voxel_volume)

``datastore_server`` and ``datastore_volume`` are the same for the HPC DataStore, ``mikro_server`` and ``mikro_image``
for Mikro.

A test fails if one of its faults has never fired; ``Fault("busy", must_fire=False)`` may stay unused.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mockserver import DataStoreServer, MikroServer, MockServer
    from pyvolume import Connection
    from pyvolume.dvid import VoxelsAccessor
    from pyvolume.hpc import DataStoreVolume
    from pyvolume.mikro import Image

VOLUME_NAME = "grayscale"
VOLUME_SHAPE = (1, 96, 80, 64)
"""Channel, x, y, z."""

DATASET_NAME = "embryo"
DATASET_SHAPE = (2, 48, 40, 36, 3, 1)
"""Channel, x, y, z, time, angle."""

IMAGE_NAME = "nucleus"
IMAGE_SHAPE = (2, 48, 40, 20, 1)
"""Channel, x, y, z, time."""

SERVERS = pytest.StashKey["list[MockServer | DataStoreServer | MikroServer]"]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a test that passes while a fault of one of its servers has never fired."""
    yield
    for server in item.stash.get(SERVERS, []):
        if unfired := [fault for fault in server.faults.unfired if fault.must_fire]:
            listed = "\n".join(f"  {fault}" for fault in unfired)
            sent = "\n".join(f"  {request.method} {request.path}" for request in server.requests) or "  none"
            pytest.fail(
                f"faults that never fired:\n{listed}\nrequests of this test:\n{sent}\n"
                "A fault with must_fire=False may stay unused.",
                pytrace=False,
            )


@pytest.fixture
def voxel_server(request: pytest.FixtureRequest) -> Iterator[MockServer]:
    """Give a server on a free port with one repository, in which there is one volume called ``grayscale``.

    The volume holds uint8 noise that is the same in every run, of shape (1, 96, 80, 64), in blocks of 32.

    A test fails if a fault that was added to the server has never fired, unless the fault has ``must_fire=False``.
    """
    import mockserver

    _check_is_ours(mockserver)
    with mockserver.MockServer({VOLUME_NAME: _noise(VOLUME_SHAPE, "uint8")}) as server:
        _watch(request, server)
        yield server


@pytest.fixture
def voxel_volume(voxel_server: MockServer) -> Iterator[VoxelsAccessor]:
    """Give the volume of `voxel_server`, open for reading and writing.

    It waits for a busy server without real pauses, and gives up after 5 seconds.
    """
    import pyvolume

    with _patient(voxel_server.url) as connection:
        yield pyvolume.dvid.VoxelsAccessor(connection, voxel_server.uuid, VOLUME_NAME)


@pytest.fixture
def datastore_server(request: pytest.FixtureRequest) -> Iterator[DataStoreServer]:
    """Give an HPC DataStore on a free port, in which there is one dataset with the label ``embryo``.

    It holds uint16 noise that is the same in every run, of shape (2, 48, 40, 36, 3, 1), in blocks of 32.

    A test fails if a fault that was added to the server has never fired, unless the fault has ``must_fire=False``.
    """
    import mockserver

    _check_is_ours(mockserver)
    with mockserver.DataStoreServer({DATASET_NAME: _noise(DATASET_SHAPE, "uint16")}) as server:
        _watch(request, server)
        yield server


@pytest.fixture
def datastore_volume(datastore_server: DataStoreServer) -> Iterator[DataStoreVolume]:
    """Give the dataset of `datastore_server` as a volume, open for reading and writing; patient as `voxel_volume`."""
    import pyvolume

    with _patient(datastore_server.url) as connection:
        yield pyvolume.hpc.DataStoreVolume(connection, datastore_server.uuids[DATASET_NAME])


@pytest.fixture
def mikro_server(request: pytest.FixtureRequest) -> Iterator[MikroServer]:
    """Give a Mikro with its object store on free ports, whose only token is ``"test"``; there is no image.

    A test fails if a fault that was added to the server has never fired, unless the fault has ``must_fire=False``.
    """
    import mockserver

    _check_is_ours(mockserver)
    with mockserver.MikroServer() as server:
        _watch(request, server)
        yield server


@pytest.fixture
def mikro_image(mikro_server: MikroServer) -> Iterator[Image]:
    """Give an image of `mikro_server` called ``nucleus``; patient as `voxel_volume`.

    It holds uint16 noise that is the same in every run, of shape (2, 48, 40, 20, 1).
    """
    import pyvolume

    with (
        _patient(mikro_server.url, auth="test") as connection,
        pyvolume.mikro.Mikro(connection, store=mikro_server.store_url) as mikro,
    ):
        yield mikro.from_xarray(_noise(IMAGE_SHAPE, "uint16"), IMAGE_NAME, dims="cxyzt")


def _noise(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    import numpy as np

    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def _watch(request: pytest.FixtureRequest, server: MockServer | DataStoreServer | MikroServer) -> None:
    """Let the test fail if a fault of a server never fires."""
    request.node.stash.setdefault(SERVERS, []).append(server)


def _patient(url: str, auth: str | None = None) -> Connection:
    import pyvolume

    retry = pyvolume.RetryPolicy(patience=5, interval=0.01, max_interval=0.05)
    return pyvolume.Connection(url, retry=retry, timeout=5, auth=auth)


def _check_is_ours(module: object) -> None:
    """Refuse the package of the same name that the public `mockserver-client` installs."""
    if not hasattr(module, "MockServer") or not hasattr(module, "Fault"):
        raise pytest.UsageError(
            f"the package 'mockserver' found at {getattr(module, '__file__', '?')} is not pyvolume's; "
            "another distribution (such as mockserver-client) has installed one of that name"
        )
