"""How many requests reading and uploading cost, and which."""

from __future__ import annotations

import numpy as np
from conformance_stores import ramp
from mikro_by_hand import asked, by_hand, same

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


def test_a_crop_of_chunks_of_ours(own: Mikro, mock: MikroServer) -> None:
    voxels = ramp((128, 64, 64), "uint16")
    image = own.from_xarray(voxels, "ours", dims="zyx")
    first = len(mock.requests)
    with pyvolume.trace() as cost:
        same(own.image(image.id)[0, :, :, 32:96, 0], voxels[32:96].transpose(2, 1, 0))
    assert sorted(asked(mock, first)) == ["c/0/0/0/0/0", "c/0/0/1/0/0", "graphql", "zarr.json"]
    assert cost.requests == 4
    assert cost.bytes_fetched < 1.1e6


def test_an_upload_of_a_small_array(own: Mikro, mock: MikroServer) -> None:
    own.connect()
    first = len(mock.requests)
    own.from_xarray(ramp((20, 30)), "small", dims="yx")
    assert asked(mock, first) == [
        "graphql", "c/0/0/0/0/0", "zarr.json", "graphql", "graphql", "graphql", "zarr.json",
    ]  # fmt: skip
