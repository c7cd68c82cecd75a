"""How many requests reading and uploading cost, and which."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from conformance_stores import ramp
from mikro_by_hand import asked, by_hand, same, upload

import pyvolume
from mockserver import MikroServer
from pyvolume.mikro import Mikro


def test_an_image_of_the_official_client(own: Mikro, mock: MikroServer) -> None:
    voxels = np.arange(256**3, dtype="<u2").reshape(256, 256, 256)
    image = own.image(by_hand(own, mock, voxels, 153))
    first = len(mock.requests)
    image = own.image(image.id)
    found = image[0, 100:164, 60:124, 120:184, 0]
    same(found, voxels[120:184, 60:124, 100:164].transpose(2, 1, 0))
    assert sorted(asked(mock, first)) == ["c/0/0/0/0/0", "c/0/0/1/0/0", "graphql", "zarr.json"]


@pytest.mark.parametrize(("first", "chunks"), [(64, 1), (96, 2)])
def test_a_crop_of_chunks_of_ours(own: Mikro, mock: MikroServer, first: int, chunks: int) -> None:
    voxels = ramp((256, 256, 256), "uint16")
    image = own.from_xarray(voxels, "ours", dims="zyx")
    asked_before = len(mock.requests)
    key = np.s_[0, 64:128, 64:128, first : first + 64, 0]
    with pyvolume.trace() as cost:
        again = own.image(image.id)
        plan = again.plan(key)
        same(again[key], voxels[first : first + 64, 64:128, 64:128].transpose(2, 1, 0))
    found = asked(mock, asked_before)
    assert (found[:2], len(found)) == (["graphql", "zarr.json"], 2 + chunks)
    assert cost.requests == 2 + chunks
    assert cost.bytes_fetched < chunks * 525_000 + 5_000
    assert (plan.bytes_wanted, [each.box.shape for each in plan]) == (524_288, [(1, 64, 64, 64, 1)])


def test_metadata_is_read_once_for_each_image(own: Mikro, mock: MikroServer) -> None:
    image = own.image(upload(own).id)
    first = len(mock.requests)
    for _ in range(2):
        image.data.max()
        image.refresh()
        pickle.loads(pickle.dumps(image.store)).traits  # noqa: B018
    found = asked(mock, first)
    assert (found.count("zarr.json"), found.count("graphql")) == (0, 2)


def test_an_upload_of_a_small_array(own: Mikro, mock: MikroServer) -> None:
    own.connect()
    first = len(mock.requests)
    own.from_xarray(ramp((20, 30)), "small", dims="yx")
    assert asked(mock, first) == [
        "graphql", "c/0/0/0/0/0", "zarr.json", "graphql", "graphql", "graphql", "zarr.json",
    ]  # fmt: skip
