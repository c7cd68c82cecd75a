"""Keys and regions: what the recorded exchanges do not show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from plain_client import PlainClient, talking_to

from mockserver import MockServer

SPANS = [[0, 0, 0, 0], [0, 1, -2, 1], [2, -1, 3, 3]]


@pytest.fixture
def client(array: NDArray[Any]) -> Iterator[PlainClient]:
    with MockServer({"gray": array}) as server, talking_to(server) as client:
        for typename in ("keyvalue", "roi"):
            client.ask("POST", f"/api/repo/{server.uuid}/instance", {"typename": typename, "dataname": typename})
        yield client


def mask(spans: list[list[int]], shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    inside = np.zeros(shape, bool)
    for z, y, first, last in spans:
        if min(z, y) >= 0:
            inside[32 * max(first, 0) : 32 * (last + 1), 32 * y : 32 * (y + 1), 32 * z : 32 * (z + 1)] = True
    return inside


def test_a_masked_read_is_zero_outside_the_region(client: PlainClient, array: NDArray[Any]) -> None:
    client.at("POST", "roi/roi", SPANS)
    body = client.at("GET", "gray/raw/0_1_2/64_96_40/0_0_0?roi=roi").body
    found = np.frombuffer(body, array.dtype).reshape(array.shape, order="F")
    np.testing.assert_array_equal(found, array * mask(SPANS, array.shape[1:]))


def test_a_masked_write_changes_nothing_outside_the_region(client: PlainClient, array: NDArray[Any]) -> None:
    client.at("POST", "roi/roi", SPANS)
    other = np.asfortranarray(array[:, :, :, :32] + 1)
    client.at("POST", "gray/raw/0_1_2/64_96_32/0_0_0?roi=roi", other.tobytes(order="F"))
    expected = array.copy()
    np.copyto(expected[..., :32], other, where=mask(SPANS, other.shape[1:]))
    np.testing.assert_array_equal(client.server.voxels("gray"), expected)


def test_points_are_inside_where_the_mask_is(client: PlainClient) -> None:
    client.at("POST", "roi/roi", SPANS)
    points = np.random.default_rng(4).integers(0, 96, (2000, 3))
    inside = mask(SPANS, (96, 96, 96))[tuple(points.T)]
    reply = client.at("POST", "roi/ptquery", points.tolist())
    assert reply.body == str(inside.tolist()).lower().replace(" ", "").encode()


def test_bad_spans_leave_what_was_stored_in_batches_before(client: PlainClient) -> None:
    spans = [[0, y, 0, 0] for y in range(25_000)]
    assert client.at("POST", "roi/roi", [*spans, [0, 0, 3, 1]]).status == 400
    assert len(client.document("roi/roi")) == 20_000


def test_a_partition_that_never_ends_is_refused(client: PlainClient) -> None:
    client.at("POST", "roi/roi", SPANS)
    assert client.at("GET", "roi/partition?batchsize=-1").status == 500


def test_every_value_of_a_large_list_comes_back(client: PlainClient) -> None:
    values = {f"key {number:04}": bytes([number % 256]) * number for number in range(1, 300)}
    for key, value in values.items():
        client.at("POST", f"keyvalue/key/{key.replace(' ', '%20')}", value)
    asked = b"".join(b"\x0a" + bytes([len(key)]) + key.encode() for key in values)
    many, ranged = client.at("GET", "keyvalue/keyvalues", asked), client.at("GET", "keyvalue/keyrangevalues/key/kez")
    assert (len(many.body), many.body) == (len(ranged.body), ranged.body)
    assert all(value in many.body for value in values.values())


def test_the_response_of_keyvalues_can_be_posted(client: PlainClient) -> None:
    for key in ("one", "two"):
        client.at("POST", f"keyvalue/key/{key}", b"\x00\xff" * 200)
    packed = client.at("GET", "keyvalue/keyrangevalues/a/z").body
    client.ask("POST", f"/api/repo/{client.server.uuid}/instance", {"typename": "keyvalue", "dataname": "copy"})
    client.at("POST", "copy/keyvalues", packed)
    assert client.at("GET", "copy/keyrangevalues/a/z").body == packed


@pytest.mark.parametrize("name", ["keyvalue", "roi"])
def test_only_volumes_have_voxels(client: PlainClient, name: str) -> None:
    with pytest.raises(TypeError, match="expected a Volume"):
        client.server.voxels(name)


@pytest.mark.parametrize(("last", "status", "value"), [("9" * 5000, 200, b"value"), ("0" * 5000 + "1", 206, b"va")])
def test_a_range_of_any_number_of_digits_is_answered(client: PlainClient, last: str, status: int, value: bytes) -> None:
    client.at("POST", "keyvalue/key/a", b"value")
    path = f"/api/node/{client.server.uuid}/keyvalue/key/a"
    client.connection.request("GET", path, headers={"Range": f"bytes=0-{last}"})
    answer = client.connection.getresponse()
    assert (answer.status, answer.read()) == (status, value)
