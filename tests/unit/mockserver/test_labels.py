"""Labels of the mock DVID: what the recorded exchanges do not show."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from plain_client import PlainClient, Reply, talking_to

from mockserver import MockServer
from mockserver.dvid.wire.labels import native

ROOT = "a" * 32
SIDE = 16
BLOCK = "16_16_16"


def solid(label: int, size: int = SIDE**3) -> bytes:
    return np.full(size, label, np.uint64).tobytes()


def frame(cell: tuple[int, int, int], voxels: NDArray[np.uint64]) -> bytes:
    data = gzip.compress(native.encode(voxels))
    return struct.pack("<3iI", *cell, len(data)) + data


def create(client: PlainClient, name: str = "seg", **settings: str) -> None:
    body = {"typename": "labelmap", "dataname": name, "BlockSize": "16,16,16", **settings}
    assert client.ask("POST", f"/api/repo/{client.server.uuid}/instance", body).status == 200


def write(client: PlainClient, at: str, label: int) -> None:
    assert client.at("POST", f"seg/raw/0_1_2/{BLOCK}/{at}?mutate=true", solid(label)).status == 200


def sizes(client: PlainClient, *labels: int) -> list[int]:
    found: list[int] = json.loads(client.at("GET", "seg/sizes", list(labels)).body)
    return found


@contextmanager
def serving(**options: Any) -> Iterator[PlainClient]:
    with MockServer(**options) as server, talking_to(server) as client:
        if not client.ask("GET", "/api/repos/info").body.startswith(b'{"'):
            client.ask("POST", "/api/repos", {"root": ROOT})
        yield client


@pytest.fixture
def client() -> Iterator[PlainClient]:
    with serving() as client:
        create(client, MaxDownresLevel="2")
        yield client


def test_counts_lag_until_they_are_released(client: PlainClient) -> None:
    client.server.indexing.hold()
    write(client, "0_0_0", 7)
    write(client, "16_0_0", 8)
    lagging = sizes(client, 7, 8), client.at("GET", "seg/maxlabel").status, client.server.indexing.waiting
    client.server.indexing.release()
    assert lagging == ([0, 0], 400, 2)
    assert sizes(client, 7, 8) == [SIDE**3, SIDE**3]
    assert client.document("seg/maxlabel") == {"maxlabel": 8}


def test_later_writes_are_counted_at_once_again(client: PlainClient) -> None:
    client.server.indexing.hold()
    client.server.indexing.release()
    write(client, "0_0_0", 7)
    assert sizes(client, 7) == [SIDE**3]


def test_voxels_do_not_lag(client: PlainClient) -> None:
    client.server.indexing.hold()
    write(client, "0_0_0", 7)
    assert client.document("seg/label/3_3_3") == {"Label": 7}
    assert client.at("GET", f"seg/raw/0_1_2/{BLOCK}/0_0_0?scale=1").body[:8] == struct.pack("<Q", 7)


def test_native_blocks_are_counted_before_the_answer(client: PlainClient) -> None:
    client.server.indexing.hold()
    client.at("POST", "seg/blocks", frame((0, 0, 0), np.full((16, 16, 16), 9, np.uint64, order="F")))
    assert sizes(client, 9) == [SIDE**3]


@pytest.mark.parametrize("query", ["", "?compression=lz4", "?scale=1"])
def test_an_unset_block_can_be_zeros(query: str) -> None:
    with serving(unset_block_fails=False) as client:
        create(client, MaxDownresLevel="1")
        answer = client.at("GET", f"seg/raw/0_1_2/{BLOCK}/0_0_0{query}")
    assert answer.status == 200


def test_the_servers_own_voxels_are_supervoxels(client: PlainClient) -> None:
    write(client, "0_0_0", 7)
    write(client, "16_0_0", 8)
    client.at("POST", "seg/merge", [7, 8])
    expected = np.repeat(np.array([7, 8], np.uint64), SIDE)[np.newaxis, :, np.newaxis, np.newaxis]
    voxels = client.server.voxels("seg")
    np.testing.assert_array_equal(voxels, np.broadcast_to(expected, voxels.shape))


def asked(client: PlainClient) -> list[tuple[int, bytes]]:
    paths = (
        "info", "maxlabel", "nextlabel", "mappings", "existing-labels", "listlabels?sizes=true", "supervoxel-sizes/7",
        "sparsevol/7?format=srles", "lastmod/7", "raw/0_1_2/64_16_16/0_0_0", "raw/0_1_2/2_2_2/96_0_0", "size/33",
        "raw/0_1_2/32_16_16/0_0_0?scale=1&supervoxels=true",
    )  # fmt: skip
    answers: list[Reply] = [client.at("GET", f"seg/{path}") for path in paths]
    return [(answer.status, answer.body) for answer in answers]


def edit(client: PlainClient) -> None:
    """Write and edit in all ways; some edits are refused after they changed something."""
    for number, label in enumerate((7, 8, 9, 10)):
        write(client, f"{16 * number}_0_0", label)
    client.at("POST", "seg/blocks?downres=true", frame((4, 0, 0), np.full((16, 16, 16), 33, np.uint64, order="F")))
    good = frame((6, 0, 0), np.full((16, 16, 16), 34, np.uint64, order="F"))
    assert client.at("POST", "seg/blocks", good + b"half").status == 400
    client.at("POST", "seg/ingest-supervoxels?scale=1", frame((1, 0, 0), np.ones((16, 16, 16), np.uint64, order="F")))
    client.at("POST", "seg/merge?u=me", [7, 8, 9])
    client.at("POST", "seg/cleave/7", [9])
    assert client.at("POST", "seg/cleave/7", [99]).status == 400
    split = struct.pack("<BBBBII4i", 0, 3, 0, 0, 0, 1, 16, 0, 0, 5)
    assert client.at("POST", "seg/split-supervoxel/8", split).status == 200
    client.at("POST", "seg/renumber", [500, 10])
    client.at("POST", "seg/mappings", bytes([0x0A, 0x06, 0x10, 0x21, 0x1A, 0x02, 0x22, 0x23]))
    client.at("POST", "seg/nextlabel/4")
    assert client.at("POST", f"seg/raw/0_1_2/{BLOCK}/-16_0_0", solid(1)).status == 500


def test_labels_are_kept_between_runs(tmp_path: Path) -> None:
    with serving(folder=tmp_path / "volumes") as client:
        create(client, MaxDownresLevel="2")
        edit(client)
        before = asked(client)
    with serving(folder=tmp_path / "volumes") as client:
        assert asked(client) == before
    assert [status for status, _ in before] == [200] * len(before)


def test_new_labels_go_on_after_a_restart(tmp_path: Path) -> None:
    with serving(folder=tmp_path / "volumes") as client:
        create(client)
        write(client, "0_0_0", 7)
        first = json.loads(client.at("POST", "seg/nextlabel/2").body)
    with serving(folder=tmp_path / "volumes") as client:
        assert json.loads(client.at("POST", "seg/nextlabel/2").body)["start"] == first["end"] + 1


PACKED = gzip.compress(struct.pack("<4IQ", 128, 128, 128, 1, 5))
HUGE = struct.pack("<3iI", 0, 0, 0, len(PACKED)) + PACKED
"""A solid block of 8 GiB in its frame."""

TOO_LARGE = {
    "a block of 8 GiB": ("huge", "blocks", HUGE, 413),
    "a block of other sides": ("seg", "blocks", HUGE, 500),
    "LZ4 of 8 GiB": ("huge", "raw/0_1_2/1024_1024_1024/0_0_0?compression=lz4", b"\0" * 9, 413),
    "gzip of 1 GiB": ("seg", "raw/0_1_2/16_16_16/0_0_0?compression=gzip", 8 * gzip.compress(bytes(2**27)), 413),
    "a run of negative length": (
        "seg",
        "split-supervoxel/7",
        struct.pack("<BBBBII8i", 0, 3, 0, 0, 0, 2, 0, 0, 0, 2**31 - 1, 0, 0, 0, 4 - 2**31),
        501,
    ),
}


@pytest.mark.parametrize(("name", "path", "body", "status"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_what_is_too_large_is_refused(client: PlainClient, name: str, path: str, body: bytes, status: int) -> None:
    create(client, "huge", BlockSize="1024,1024,1024")
    write(client, "0_0_0", 7)
    assert client.at("POST", f"{name}/{path}", body).status == status


@pytest.mark.parametrize("compression", ["lz4", "gzip", "google", "googlegzip"])
def test_large_boxes_are_not_compressed(client: PlainClient, compression: str) -> None:
    assert client.at("GET", f"seg/raw/0_1_2/512_512_256/0_0_0?compression={compression}").status == 501


@pytest.mark.parametrize("path", ["seg/index/7", "seg/pseudocolor/0_1/8_8/0_0_0", "seg/history/7/a/b"])
def test_endpoints_that_are_not_made_say_so(client: PlainClient, path: str) -> None:
    assert client.at("GET", path).status == 501


def test_runs_of_mixed_blocks_below_0_end_a_real_server(client: PlainClient) -> None:
    create(client, "plain")
    voxels = np.zeros((16, 16, 16), np.uint64, order="F")
    voxels[3:7, 3:7, 3:7] = 7
    client.at("POST", "plain/blocks", frame((0, 0, -1), voxels))
    answers = [client.at("GET", f"plain/sparsevol/7?format={kind}").status for kind in ("rles", "srles", "blocks")]
    assert answers == [500, 500, 200]
