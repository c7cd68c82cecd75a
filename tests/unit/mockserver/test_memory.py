"""No request makes the mock take much memory, or run for ever."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from plain_client import PlainClient, talking_to

from mockserver import MockServer, RequestRecord
from mockserver.http.incoming import KEPT_BYTES, SCRATCH_BYTES, IncomingBody
from mockserver.http.messages import Declined
from mockserver.http.shared import MAX_HEAD_CHARACTERS, MAX_RECORDS, Records

MOST = 100 << 20
"""Bytes: several pieces of 8 MiB, and what tracing itself holds back."""

FAR = 2**31 - 32

REQUESTS = {
    "an upload of 2^31 blocks": ("POST", "v/blocks/0_0_0/2147483648", b"0123456789", 400),
    "an upload of unknown length into 2^31 thin pieces": (
        "POST",
        f"v/raw/0_1_2/8388608_{FAR}_32/0_0_0",
        iter([b"0123456789"]),
        400,
    ),
    "background of 216 MB": ("GET", "w/blocks/0_0_0/1", None, 200),
    "256 MiB of zeros": ("GET", "v/raw/0_1_2/-16384_-16384_1/0_0_0", None, 200),
    "blocks of all coordinates": ("GET", f"v/subvolblocks/{FAR}_{FAR}_{FAR}/0_0_0", None, 200),
    "a plane of 3 GiB": ("GET", "v/raw/xy/65536_49152/0_0_0", None, 501),
    "a stretched plane": ("GET", "v/isotropic/xz/8192_2048/0_0_0", None, 501),
    "a picture of 3 GiB": ("GET", "v/raw/0_1_2/65536_49152_1/0_0_0/jpg", None, 501),
    "an oblique plane of 2^30 pixels": ("GET", "v/arb/0_0_0/32768_0_0/0_32768_0/1", None, 501),
    "a mask of 2^40 voxels": ("GET", "r/mask/0_1_2/1048576_1048576_1/0_0_0", None, 500),
    "a partition into 2^31 boxes": ("GET", "r/partition?batchsize=1", None, 501),
    "a partition with 2^31 gaps": ("GET", "r/partition?batchsize=2147483647&optimized=true", None, 501),
}


@pytest.fixture(scope="module")
def client() -> Iterator[PlainClient]:
    with MockServer() as empty, talking_to(empty) as client:
        client.ask("POST", "/api/repos", {})
        create = f"/api/repo/{empty.uuid}/instance"
        client.ask("POST", create, {"typename": "uint8blk", "dataname": "v", "VoxelSize": "8,8,40"})
        client.ask("POST", create, {"typename": "uint8blk", "dataname": "w", "BlockSize": "600,600,600"})
        client.ask("POST", create, {"typename": "roi", "dataname": "r"})
        client.at("POST", "v/raw/0_1_2/32_32_32/0_0_0", bytes(32**3))
        client.at("POST", "r/roi", [[0, 0, 0, 2**31 - 1]])
        yield client


@pytest.mark.parametrize(("method", "path", "body", "status"), REQUESTS.values(), ids=REQUESTS)
def test_a_request_takes_little_memory(
    client: PlainClient, method: str, path: str, body: bytes | Iterator[bytes] | None, status: int
) -> None:
    tracemalloc.start()
    try:
        client.connection.request(method, f"/api/node/{client.server.uuid}/{path}", body)
        answer = client.connection.getresponse()
        while answer.read(1 << 20):
            pass
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (answer.status, most < MOST) == (status, True), most


class Endless(io.RawIOBase):
    """A connection whose client never stops sending."""

    def readable(self) -> bool:
        return True

    def readinto(self, view: Any) -> int:
        return len(view)


@pytest.mark.parametrize("most", [None, 2**46])
def test_a_body_that_is_too_long_to_keep_is_refused(most: int | None) -> None:
    body = IncomingBody(io.BufferedReader(Endless()), 2**50)
    with pytest.raises(Declined, match="keeps bodies of at most") as caught:
        body.read(most)
    assert (caught.value.status, body.received) == (413, KEPT_BYTES + SCRATCH_BYTES)


def test_blocks_of_a_box_come_in_the_order_of_their_places(client: PlainClient) -> None:
    for x, y in [(1, 0), (0, 1), (1, 1), (5, 5)]:
        client.at("POST", f"v/raw/0_1_2/32_32_32/{32 * x}_{32 * y}_0", bytes(32**3))
    body = client.at("GET", f"v/subvolblocks/64_64_{FAR}/0_0_0?compression=uncompressed").body
    heads = np.frombuffer(body, "<i4").reshape(-1, 4 + 32**3 // 4)[:, :3]
    assert heads.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]


def test_more_requests_than_are_kept_cannot_be_counted() -> None:
    records, record = Records(), RequestRecord("GET", "/", {}, 0, 200)
    for _ in range(MAX_RECORDS):
        records.add(record)
    assert len(records.copy()) == MAX_RECORDS
    records.add(record)
    with pytest.raises(OverflowError, match=r"keeps 100000 requests, .* and it received 100001"):
        records.copy()


def test_long_heads_are_not_kept_without_bound() -> None:
    records = Records()
    long = RequestRecord("GET", "/", {"X": "a" * (1 << 20)}, 0, 200)
    for _ in range(MAX_HEAD_CHARACTERS >> 20):
        records.add(long)
    with pytest.raises(OverflowError):
        records.copy()


def test_a_record_has_the_first_of_several_headers(client: PlainClient) -> None:
    client.connection.putrequest("GET", "/api/server/types")
    for value in range(20_000):
        client.connection.putheader("X", str(value))
    client.connection.endheaders()
    assert json.loads(client.connection.getresponse().read())
    assert client.server.requests[-1].headers["X"] == "0"
