from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from plain_client import PlainClient, talking_to

from mockserver import MockServer

PIL = pytest.importorskip("PIL.Image")

PLANES = {"xy": (0, 1), "xz": (0, 2), "yz": (1, 2), "0_1": (0, 1), "1_2": (1, 2)}
START = (3, 5, 7)


@pytest.fixture(params=[("uint8", 1), ("uint16", 1), ("uint8", 4)], ids=["gray", "deep", "colour"])
def painted(request: pytest.FixtureRequest) -> NDArray[Any]:
    dtype, channels = request.param
    voxels = np.random.default_rng(5).integers(0, np.iinfo(dtype).max, (channels, 40, 33, 36))
    return voxels.astype(dtype)


@pytest.fixture
def gallery(painted: NDArray[Any]) -> Iterator[PlainClient]:
    with MockServer({"v": painted}) as server, talking_to(server) as client:
        yield client


def pixels(data: bytes) -> NDArray[Any]:
    with PIL.open(io.BytesIO(data)) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize("plane", PLANES)
def test_a_plane_is_a_picture(gallery: PlainClient, painted: NDArray[Any], plane: str) -> None:
    box = [slice(a, a + 1) for a in START]
    across, down = PLANES[plane]
    box[across], box[down] = slice(START[across], START[across] + 9), slice(START[down], START[down] + 4)
    expected = painted[(slice(None), *box)].squeeze().T.reshape(pixels_shape := (4, 9, painted.shape[0]))
    found = pixels(gallery.at("GET", f"v/raw/{plane}/9_4/3_5_7").body).reshape(pixels_shape)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("name", "kind"), [("png", "png"), ("jpg", "jpeg"), ("jpg:30", "jpeg"), ("tif", "tiff"), ("bmp", "bmp")]
)
def test_pictures_come_in_formats(name: str, kind: str) -> None:
    with MockServer({"v": np.zeros((1, 8, 8, 8), np.uint8)}) as server, talking_to(server) as client:
        reply = client.at("GET", f"v/raw/xy/8_8/0_0_0/{name}")
    assert (reply.status, reply.headers["content-type"]) == (200, f"image/{kind}")


def test_a_volume_is_one_tall_jpeg() -> None:
    with MockServer({"v": np.full((1, 8, 6, 5), 90, np.uint8)}) as server, talking_to(server) as client:
        found = pixels(client.at("GET", "v/raw/0_1_2/8_6_5/0_0_0/jpg").body)
    assert (found.shape, int(np.abs(found.astype(int) - 90).max()) < 3) == ((30, 8), True)


def test_an_instance_stored_as_jpeg_is_lossy() -> None:
    noise = np.random.default_rng(6).integers(0, 256, 32**3, dtype=np.uint8)
    create = {"typename": "uint8blk", "dataname": "lossy", "Compression": "jpeg"}
    with MockServer({}) as server, talking_to(server) as client:
        client.ask("POST", f"/api/repo/{server.uuid}/instance", create)
        client.at("POST", "lossy/raw/0_1_2/32_32_32/0_0_0", noise.tobytes())
        found = np.frombuffer(client.at("GET", "lossy/raw/0_1_2/32_32_32/0_0_0").body, np.uint8)
    assert 0.5 < np.mean(found != noise) < 1


def test_the_stored_form_of_a_lossy_block_is_a_jpeg() -> None:
    create = {"typename": "uint8blk", "dataname": "lossy", "Compression": "jpeg"}
    with MockServer({}) as server, talking_to(server) as client:
        client.ask("POST", f"/api/repo/{server.uuid}/instance", create)
        client.at("POST", "lossy/raw/0_1_2/32_32_32/0_0_0", bytes(32**3))
        frame = client.at("GET", "lossy/subvolblocks/32_32_32/0_0_0").body
    assert pixels(frame[16:]).shape == (32 * 32, 32)
