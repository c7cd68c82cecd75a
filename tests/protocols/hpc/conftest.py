from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from mockserver import DataStoreServer
from pyvolume.hpc import Dataset, DataStore

URL = os.environ.get("PYVOLUME_HPC_URL", "")


@pytest.fixture(scope="session", params=["mock", "real"])
def store(request: pytest.FixtureRequest) -> Iterator[DataStore]:
    """Give everything that speaks the protocol of the DataStore."""
    if request.param == "real":
        if not URL:
            pytest.skip("PYVOLUME_HPC_URL names no HPC DataStore")
        with DataStore(URL) as real:
            yield real
        return
    with DataStoreServer() as server, DataStore(server.url) as mock:
        yield mock


@pytest.fixture
def dataset(store: DataStore) -> Iterator[Dataset]:
    """Give a dataset of odd sizes, with gaps between the ids of its time points, in small blocks."""
    made = store.create_dataset(
        (10, 9, 5),
        "uint16",
        timepoints=[33, 20, 25],
        channels=2,
        angles=2,
        levels=[((1, 1, 1), (4, 4, 4)), ((2, 2, 1), (4, 4, 4)), ((16, 16, 16), (4, 4, 4))],
        resolution=(0.4, 0.4, 1.6),
        unit="um",
        time_resolution=(90.0, "s"),
        label="pyvolume test",
    )
    yield made
    store.delete(made.uuid)
