from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from plain_client import PlainClient, talking_to

from mockserver import MockServer
from mockserver.dvid.model.blocks import Voxels
from mockserver.dvid.model.lineage import Lineage
from mockserver.dvid.wire.geometry import Box

SHAPES = [(1, 70), (2, 30, 300), (1, 33, 40, 35), (3, 9, 8, 7, 5), (1, 5, 6, 7, 3, 2)]


def wire(array: NDArray[Any]) -> bytes:
    return array.astype(array.dtype.newbyteorder("<")).tobytes(order="F")


def ramp(shape: tuple[int, ...], dtype: str = "uint16") -> NDArray[Any]:
    return np.random.default_rng(7).integers(0, 100, shape).astype(dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_reads_an_array_of_any_number_of_axes(shape: tuple[int, ...]) -> None:
    array = ramp(shape)
    axes, size = "_".join(map(str, range(len(shape) - 1))), "_".join(map(str, shape[1:]))
    zeros = "_".join("0" for _ in shape[1:])
    with MockServer({"v": array}, dims="cxy") as server, talking_to(server) as client:
        reply = client.at("GET", f"v/raw/{axes}/{size}/{zeros}")
    assert reply.body == wire(array)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_extents_are_the_shape(shape: tuple[int, ...]) -> None:
    with MockServer({"v": ramp(shape)}, dims="cxy") as server, talking_to(server) as client:
        document = client.document("v/metadata")
    assert tuple(axis["Size"] for axis in document["Axes"]) == shape[1:]


def test_a_plane_takes_any_box_and_grows() -> None:
    array = ramp((2, 300, 280), "float32")
    box = ramp((2, 20, 30), "float32")
    with MockServer({"v": array}, dims="cxy") as server, talking_to(server) as client:
        client.at("POST", "v/raw/0_1/20_30/250_251", wire(box))
        expected = np.pad(array, ((0, 0), (0, 0), (0, 1)))
        expected[:, 250:270, 251:281] = box
        np.testing.assert_array_equal(server.voxels("v"), expected, strict=True)


@pytest.mark.parametrize(
    ("dtype", "channels", "name", "values"),
    [
        ("uint8", 1, "uint8blk", ["uint8"]),
        ("uint8", 4, "rgba8blk", ["uint8"] * 4),
        (">u2", 1, "uint16blk", ["uint16"]),
        ("int16", 1, "int16blk", ["int16"]),
        ("float64", 3, "float64blk", ["float64"] * 3),
    ],
)
def test_types_follow_the_dtype(dtype: str, channels: int, name: str, values: list[str]) -> None:
    with MockServer({"v": np.zeros((channels, 4, 4, 4), dtype)}) as server, talking_to(server) as client:
        document = client.document("v/info")
    found = document["Base"]["TypeName"], [value["DataType"] for value in document["Extended"]["Values"]]
    assert found == (name, values)


def test_an_array_without_voxels_is_an_empty_volume() -> None:
    with MockServer({"v": np.zeros((4, 0, 0, 0), np.uint8)}) as server:
        assert server.voxels("v").shape == (4, 0, 0, 0)


@pytest.mark.parametrize(
    ("volumes", "words"),
    [
        ({"v": np.zeros(5)}, "channel axis"),
        ({"v": np.zeros((1,) * 7)}, "channel axis"),
        ({"v": np.zeros((1, 2), "U3")}, "numbers"),
        ({"a/b": np.zeros((1, 2))}, "url"),
        ({"note": np.zeros((1, 2))}, "url"),
    ],
)
def test_refuses_volumes_it_cannot_serve(volumes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MockServer(volumes)


def test_refuses_a_root_that_is_no_uuid() -> None:
    with pytest.raises(ValueError, match="32 hexadecimal digits"):
        MockServer({}, root="xyz")


def test_the_root_can_be_chosen() -> None:
    with MockServer({}, root="a" * 32) as server:
        assert server.uuid == "a" * 32


def test_an_empty_server_has_no_uuid() -> None:
    with MockServer() as server, pytest.raises(LookupError, match="no repository"):
        _ = server.uuid


def test_a_child_shares_blocks_until_it_writes(client: PlainClient, array: NDArray[Any]) -> None:
    child = "b" * 32
    client.at("POST", "commit", {})
    client.at("POST", "newversion", {"uuid": child})
    block = np.full((1, 32, 32, 32), 9, np.uint16)
    client.ask("POST", f"/api/node/{child}/gray/raw/0_1_2/32_32_32/32_0_0", wire(block))
    expected = array.copy()
    expected[:, 32:64, :32, :32] = 9
    np.testing.assert_array_equal(client.server.voxels("gray", child), expected, strict=True)
    np.testing.assert_array_equal(client.server.voxels("gray"), array, strict=True)


def test_the_oracle_is_a_copy(server: MockServer, array: NDArray[Any]) -> None:
    server.voxels("gray")[...] = 0
    np.testing.assert_array_equal(server.voxels("gray"), array, strict=True)


def boxes() -> st.SearchStrategy[Box]:
    return st.builds(Box, st.tuples(*[st.integers(-20, 20)] * 3), st.tuples(*[st.integers(1, 20)] * 3))


def region(box: Box) -> tuple[slice, ...]:
    return (slice(None), *(slice(a + 24, a + 24 + n) for a, n in zip(box.start, box.shape, strict=True)))


@settings(max_examples=60)
@given(st.lists(boxes(), max_size=4), st.lists(boxes(), max_size=4), boxes())
def test_sparse_blocks_behave_as_one_array_for_each_version(parent: list[Box], child: list[Box], box: Box) -> None:
    voxels, expected = Voxels(np.dtype("u1"), 2, (8, 4, 16)), np.zeros((2, 64, 64, 64), "u1")
    first, second = (Lineage({0: [], 1: [0]}, version) for version in (0, 1))
    for number, (lineage, each) in enumerate([*((first, box) for box in parent), *((second, box) for box in child)], 1):
        voxels.store(lineage, each, voxels.stage(each, filling(number)))
        expected[region(each)] = number
    np.testing.assert_array_equal(voxels.array(second, box), expected[region(box)])


def filling(number: int) -> Callable[[memoryview], None]:
    def fill(view: memoryview) -> None:
        view[:] = bytes([number]) * len(view)

    return fill
