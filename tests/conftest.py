"""One suite over every store: what numpy does with an array, a volume does with its voxels."""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import mikro_servers
import moto_server
import pytest
import real_dvid
from conformance_stores import (
    MOST_OBJECTS,
    Backend,
    CachedBackend,
    DataStoreBackend,
    DvidBackend,
    DvidVersions,
    FolderBackend,
    IcechunkBackend,
    IcechunkVersions,
    InPieces,
    LocalBackend,
    MemoryBackend,
    MikroBackend,
    MikroUploadBackend,
    N5Backend,
    ServedBackend,
    VersionedBackend,
    ZarrBackend,
)
from file_server import FileServer

import pyvolume

# a busy machine makes any example slow; times are measured in benchmarks/
hypothesis.settings.register_profile("pyvolume", deadline=None)
hypothesis.settings.load_profile("pyvolume")

# who was started by nohup or in the background ignores them, and so do the processes that tests start
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_finish() -> None:
    """Let no later collection of garbage look through the modules and the tests, which stay until the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _garbage() -> Iterator[None]:
    """Find here what a module leaves open, and let no later collection look through what it leaves until the end."""
    yield
    gc.collect()
    gc.freeze()


@contextlib.contextmanager
def mock_dvid() -> Iterator[DvidBackend]:
    """Give an empty mock server of its own."""
    from mockserver import MockServer

    with MockServer(admin_token="secret") as server:
        backend = DvidBackend(server.url, "secret")
        yield backend
        backend.connection.close()


@pytest.fixture(scope="session")
def mock_backend() -> Iterator[DvidBackend]:
    with mock_dvid() as backend:
        yield backend


@pytest.fixture(scope="session")
def hpc_backend() -> Iterator[DataStoreBackend]:
    from mockserver import DataStoreServer

    with contextlib.ExitStack() as stack:
        url = os.environ.get("PYVOLUME_HPC_URL") or stack.enter_context(DataStoreServer()).url
        backend = DataStoreBackend(url)
        stack.callback(backend.connection.close)
        stack.callback(backend.server.delete_all)
        yield backend


@pytest.fixture(scope="session")
def any_mikro() -> Iterator[pyvolume.mikro.Mikro]:
    with mikro_servers.running() as server:
        auth = pyvolume.Bearer(server.token, pickle_secrets=True)
        with server.open(token=None, auth=auth) as mikro:
            yield mikro


@pytest.fixture(scope="session")
def mikro_backend(any_mikro: pyvolume.mikro.Mikro) -> MikroBackend:
    return MikroBackend(any_mikro)


@pytest.fixture(scope="session")
def mikro_upload_backend(any_mikro: pyvolume.mikro.Mikro) -> MikroUploadBackend:
    return MikroUploadBackend(any_mikro)


MEMORY = Path("/dev/shm")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def folder_of_many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a folder for many small files: in memory, where the system has a place for that."""
    if os.access(MEMORY, os.W_OK):
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            yield Path(folder)
    else:
        yield tmp_path_factory.mktemp("many")


@pytest.fixture(scope="session")
def n5_backend(folder_of_many: Path) -> N5Backend:
    return N5Backend(_made(folder_of_many / "n5"))


@pytest.fixture(scope="session")
def fsdb_backend(folder_of_many: Path) -> LocalBackend:
    return LocalBackend(folder_of_many / "fsdb")


@pytest.fixture(scope="session")
def folder_backend(folder_of_many: Path) -> FolderBackend:
    return FolderBackend(_made(folder_of_many / "folder"))


@pytest.fixture(scope="session")
def real_backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DvidBackend]:
    with real_dvid.running(tmp_path_factory.mktemp("dvid")) as server:
        backend = DvidBackend(server.url, server.admin_token)
        yield backend
        backend.connection.close()


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """Give the url of a server that answers as S3 does."""
    pytest.importorskip("moto.server", reason="moto comes with the extra 'test'")
    with moto_server.running() as url:
        yield url


@pytest.fixture(scope="session")
def zarr_backend(folder_of_many: Path) -> ZarrBackend:
    return ZarrBackend(str(_made(folder_of_many / "zarr")))


@pytest.fixture(scope="session")
def zarr_v2_backend(folder_of_many: Path) -> ZarrBackend:
    return ZarrBackend(str(_made(folder_of_many / "zarr2")), format="0.4")


@pytest.fixture(scope="session")
def zarr_sharded_backend(folder_of_many: Path) -> ZarrBackend:
    return ZarrBackend(str(_made(folder_of_many / "shards")), shards=2)


@pytest.fixture(scope="session")
def s3(moto_url: str) -> Iterator[str]:
    """Give the url of the server, with credentials in the environment: those that are given are not pickled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", moto_server.KEYS["access_key_id"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", moto_server.KEYS["secret_access_key"])
        patch.setenv("AWS_ENDPOINT_URL", moto_url)
        yield moto_url


@pytest.fixture(scope="session")
def zarr_s3_backend(s3: str) -> ZarrBackend:
    moto_server.make_bucket(s3, "conformance")
    return ZarrBackend("s3://conformance", most=MOST_OBJECTS, endpoint=s3, region="us-east-1")


@pytest.fixture(scope="session")
def zarr_http_backend(folder_of_many: Path) -> Iterator[ServedBackend]:
    folder = _made(folder_of_many / "served")
    with FileServer(folder) as server:
        yield ServedBackend(ZarrBackend(str(folder)), server.url)


@pytest.fixture(scope="session")
def icechunk_backend(folder_of_many: Path) -> IcechunkBackend:
    return IcechunkBackend(f"icechunk://{_made(folder_of_many / 'icechunk')}")


@pytest.fixture(scope="session")
def icechunk_s3_backend(s3: str) -> IcechunkBackend:
    moto_server.make_bucket(s3, "versions")
    return IcechunkBackend("icechunk+s3://versions", most=MOST_OBJECTS, endpoint=s3, region="us-east-1")


HOMES = {
    "mock": "mock_backend",
    "dvid": "real_backend",
    "hpc": "hpc_backend",
    "n5": "n5_backend",
    "fsdb": "fsdb_backend",
    "folder": "folder_backend",
    "zarr": "zarr_backend",
    "zarr 2": "zarr_v2_backend",
    "zarr shards": "zarr_sharded_backend",
    "zarr s3": "zarr_s3_backend",
    "zarr http": "zarr_http_backend",
    "icechunk": "icechunk_backend",
    "mikro": "mikro_backend",
    "mikro upload": "mikro_upload_backend",
    "icechunk s3": "icechunk_s3_backend",
}


@contextlib.contextmanager
def _dvid(request: pytest.FixtureRequest) -> Iterator[DvidBackend]:
    """Give a mock server of its own, or the real server.

    Who looks for a name asks for all repositories, so a mock server that holds those of all modules is slow.
    """
    if request.param == "mock":
        with mock_dvid() as backend:
            yield backend
    else:
        yield request.getfixturevalue(HOMES[request.param])


@pytest.fixture(scope="module", params=["mock", *real_dvid.if_there()])
def dvid(request: pytest.FixtureRequest) -> Iterator[DvidBackend]:
    """Everything that speaks DVID's protocol."""
    with _dvid(request) as backend:
        yield backend


@pytest.fixture(scope="module", params=["mock", *real_dvid.if_there(), "icechunk"])
def versioned(request: pytest.FixtureRequest, folder_of_many: Path) -> Iterator[VersionedBackend]:
    """Everything that keeps versions."""
    if request.param == "icechunk":
        yield IcechunkVersions(Path(tempfile.mkdtemp(dir=folder_of_many)))
    else:
        with _dvid(request) as backend:
            yield DvidVersions(backend)


LOCAL: dict[str, Callable[[], Backend]] = {"memory": MemoryBackend, "cached": CachedBackend}
GROWING = [*LOCAL, "mock", *real_dvid.if_there()]
"""Stores whose volumes become larger by a write, and have a fill value around them."""

STORES = [*GROWING, "hpc", "n5", "fsdb", "zarr", "zarr 2", "zarr shards", "zarr s3", "icechunk"]
READABLE = [*STORES, "icechunk s3", "folder", "zarr http", "mikro"]
"""Stores whose volumes are made otherwise than by writing to them, too; and versions in a bucket: that writes of many
kinds arrive is seen with versions in a folder, and with zarr in a bucket."""

WAYS = [None, 1, 8]
"""In one piece where that is possible; or forced into pieces, which follow each other or run at once."""


ONCE = [
    "fsdb",
    "folder",
    "zarr 2",
    "zarr shards",
    "zarr s3",
    "zarr http",
    "icechunk",
    "icechunk s3",
    "mikro",
    "mikro upload",
]
LEFT_OUT = [*itertools.product(ONCE, [1, 8]), ("cached", 1), ("zarr", 1), ("n5", 1)]
"""What would find nothing that the other ways do not."""


def _in_all_ways(stores: list[str]) -> Any:
    """Return a fixture that gives some stores, in every way of moving boxes."""

    @pytest.fixture(
        scope="session",
        params=[pair for pair in itertools.product(stores, WAYS) if pair not in LEFT_OUT],
        ids=lambda param: param[0] if param[1] is None else f"{param[0]}-{param[1]} at once",
    )
    def backend(request: pytest.FixtureRequest) -> Backend:
        store, at_once = request.param
        backend: Backend = LOCAL[store]() if store in LOCAL else request.getfixturevalue(HOMES[store])
        return backend if at_once is None else InPieces(backend, at_once)

    return backend


backend = _in_all_ways([*STORES, "mikro upload"])  # which stays in its process, and is no volume that others read
growing = _in_all_ways(GROWING)
readable = _in_all_ways(READABLE)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Give a client of a cluster of two processes on this machine; a cluster that is idle takes a tenth of a core."""
    distributed = pytest.importorskip("distributed", reason="distributed comes with the extra 'distributed'")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", silence_logs="CRITICAL"
        ) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):
        yield client
