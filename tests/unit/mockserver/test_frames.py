from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from typing import Any

import lz4.block
import numpy as np
import pytest
from numpy.typing import NDArray
from plain_client import PlainClient, talking_to

from mockserver import MockServer

Unpack = Callable[[bytes], bytes]


def frames(data: bytes) -> dict[tuple[int, ...], bytes]:
    found, at = {}, 0
    while at < len(data):
        *cell, length = struct.unpack_from("<4i", data, at)
        found[tuple(cell)] = data[at + 16 : at + 16 + length]
        at += 16 + length
    return found


def block_of(array: NDArray[Any], cell: tuple[int, ...]) -> bytes:
    padded = np.zeros((1, 96, 96, 64), array.dtype)
    padded[:, : array.shape[1], : array.shape[2], : array.shape[3]] = array
    part = tuple(slice(32 * index, 32 * index + 32) for index in cell)
    return padded[(slice(None), *part)].tobytes(order="F")


def test_every_stored_block_has_a_frame(client: PlainClient) -> None:
    found = frames(client.at("GET", "gray/subvolblocks/96_96_64/0_0_0?compression=uncompressed").body)
    assert set(found) == {(x, y, z) for x in range(2) for y in range(3) for z in range(2)}


def test_a_frame_holds_the_voxels(client: PlainClient, array: NDArray[Any]) -> None:
    found = frames(client.at("GET", "gray/specificblocks?blocks=1,2,1,5,5,5&compression=uncompressed").body)
    assert found == {(1, 2, 1): block_of(array, (1, 2, 1))}


@pytest.mark.parametrize(
    ("compression", "unpack"),
    [
        ("lz4", lz4.block.decompress),
        ("gzip", gzip.decompress),
        ("none", bytes),
    ],
)
def test_blocks_come_as_they_are_stored(compression: str, unpack: Unpack) -> None:
    voxels = np.random.default_rng(8).integers(0, 9, 32**3, dtype=np.uint8).tobytes()
    create = {"typename": "uint8blk", "dataname": "v", "Compression": compression}
    with MockServer({}) as server, talking_to(server) as client:
        client.ask("POST", f"/api/repo/{server.uuid}/instance", create)
        client.at("POST", "v/raw/0_1_2/32_32_32/0_0_32", voxels)
        found = frames(client.at("GET", "v/subvolblocks/32_32_32/0_0_32").body)
    assert unpack(found[0, 0, 1]) == voxels


def test_the_stored_form_of_lz4_begins_with_the_size(client: PlainClient) -> None:
    found = frames(client.at("GET", "gray/subvolblocks/32_32_32/0_0_0").body)
    assert struct.unpack_from("<I", found[0, 0, 0]) == (2 * 32**3,)


def test_a_row_of_blocks_is_background_where_nothing_is_stored() -> None:
    create = {"typename": "uint8blk", "dataname": "v", "Background": "7"}
    with MockServer({}) as server, talking_to(server) as client:
        client.ask("POST", f"/api/repo/{server.uuid}/instance", create)
        client.at("POST", "v/blocks/1_0_0/1", bytes(32**3))
        assert client.at("GET", "v/blocks/0_0_0/2").body == b"\x07" * 32**3 + bytes(32**3)


def test_written_blocks_leave_the_extents(client: PlainClient) -> None:
    create = {"typename": "uint8blk", "dataname": "v"}
    client.ask("POST", f"/api/repo/{client.server.uuid}/instance", create)
    client.at("POST", "v/blocks/1_0_0/2", bytes(2 * 32**3))
    assert client.document("v/info")["Extents"] == {"MinPoint": None, "MaxPoint": None}
