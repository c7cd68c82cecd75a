from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from plain_client import PlainClient, talking_to

from mockserver import MockServer

ROOT = "a" * 32
CHILD = "b" * 32


def block(value: int) -> bytes:
    return np.full(32**3, value, np.uint16).tobytes()


def write(client: PlainClient, uuid: str, value: int) -> None:
    client.ask("POST", f"/api/node/{uuid}/gray/raw/0_1_2/32_32_32/32_0_0", block(value))


@contextmanager
def reopened(folder: Path) -> Iterator[tuple[MockServer, PlainClient]]:
    with MockServer(folder=folder) as server, talking_to(server) as client:
        yield server, client


SPANS = [[0, 1, 2, 3], [4, 5, 6, 7]]


@pytest.fixture
def objects(folder: Path) -> Path:
    """Hold keys and a region besides, with something deleted in the child, a tag, notes and logs."""
    with reopened(folder) as (_, client):
        for typename in ("keyvalue", "roi"):
            client.ask("POST", f"/api/repo/{CHILD}/instance", {"typename": typename, "dataname": typename})
        for key in ("a", "%C3%A9%FF", "gone"):
            client.ask("POST", f"/api/node/{CHILD}/keyvalue/key/{key}", f"value of {key}".encode())
        client.ask("DELETE", f"/api/node/{CHILD}/keyvalue/key/gone")
        client.ask("POST", f"/api/node/{CHILD}/keyvalue/tags", {"kind": "test"})
        client.ask("POST", f"/api/node/{CHILD}/roi/roi", SPANS)
        client.ask("POST", f"/api/node/{CHILD}/gray/raw/0_1_2/64_32_32/0_0_0?roi=roi", 2 * block(9))
        client.ask("POST", f"/api/repo/{ROOT}/log", {"log": ["a line"]})
        client.ask("POST", f"/api/node/{CHILD}/log", {"log": ["another line"]})
        client.ask("POST", f"/api/node/{CHILD}/commit", {"note": "all of it"})
        client.ask("POST", f"/api/node/{CHILD}/tag", {"tag": "v1"})
    return folder


@pytest.fixture
def folder(tmp_path: Path, array: NDArray[Any]) -> Path:
    """Hold a volume, a committed version and a child with another block."""
    folder = tmp_path / "volumes"
    with MockServer({"gray": array}, root=ROOT, folder=folder) as server, talking_to(server) as client:
        client.at("POST", "note", {"note": "kept"})
        client.at("POST", "commit", {})
        client.at("POST", "newversion", {"uuid": CHILD})
        write(client, CHILD, 7)
        client.ask("POST", f"/api/node/{CHILD}/gray/resolution", [1, 2, 3])
        client.ask("POST", f"/api/repo/{ROOT}/instance", {"typename": "uint8blk", "dataname": "new"})
        client.ask("POST", f"/api/node/{CHILD}/new/extents", {"MaxPoint": [9, 9, 9]})
    return folder


def test_voxels_are_kept(folder: Path, array: NDArray[Any]) -> None:
    with reopened(folder) as (server, _):
        np.testing.assert_array_equal(server.voxels("gray"), array, strict=True)


def test_versions_are_kept_apart(folder: Path, array: NDArray[Any]) -> None:
    expected = array.copy()
    expected[:, 32:64, :32, :32] = 7
    with reopened(folder) as (server, _):
        np.testing.assert_array_equal(server.voxels("gray", CHILD), expected, strict=True)


def test_documents_are_kept_to_the_byte(folder: Path) -> None:
    with reopened(folder) as (_, client):
        first = client.ask("GET", "/api/repos/info").body
    with reopened(folder) as (_, client):
        assert client.ask("GET", "/api/repos/info").body == first


ASKED = (
    "/api/repos/info", "/api/node/v1/keyvalue/keys", "/api/node/v1/keyvalue/keyrangevalues/a/%FF?json=true",
    "/api/node/v1/note", "/api/node/v1/roi/roi", "/api/node/v1/roi/info",
    "/api/node/v1/gray/raw/0_1_2/64_32_32/0_0_0", f"/api/repo/{ROOT}/log", f"/api/node/{CHILD}/log",
)  # fmt: skip


def test_keys_regions_tags_and_logs_are_kept_to_the_byte(objects: Path) -> None:
    with reopened(objects) as (_, client):
        first = [client.ask("GET", path) for path in ASKED]
    with reopened(objects) as (_, client):
        assert [(200, client.ask("GET", path).body) for path in ASKED] == [(each.status, each.body) for each in first]


def test_a_masked_write_is_made_again_with_the_region_of_its_time(objects: Path) -> None:
    with reopened(objects) as (server, client):
        before = server.voxels("gray", "v1")
        client.ask("POST", f"/api/node/{CHILD}/newversion", {"uuid": "c" * 32})
        client.ask("DELETE", f"/api/node/{'c' * 32}/roi/roi")
    with reopened(objects) as (server, _):
        np.testing.assert_array_equal(server.voxels("gray", "v1"), before)


def test_bad_spans_have_emptied_a_region_after_a_restart(objects: Path) -> None:
    path = f"/api/node/{CHILD}/roi/roi?admintoken=x"
    with MockServer(folder=objects, admin_token="x") as server, talking_to(server) as client:
        assert client.ask("POST", path, [*SPANS, [7, 7, 3, 1]]).status == 400
        before = client.ask("GET", f"/api/node/{CHILD}/roi/info").body
    with reopened(objects) as (_, client):
        after = [client.ask("GET", f"/api/node/{CHILD}/roi/{word}").body for word in ("roi", "info")]
    assert after == [b"[]", before]


def test_a_volume_with_other_axes_is_kept(tmp_path: Path) -> None:
    array = np.random.default_rng(3).normal(size=(2, 40, 50, 3, 4)).astype(np.float32)
    MockServer({"v": array}, folder=tmp_path).close()
    with reopened(tmp_path) as (server, _):
        np.testing.assert_array_equal(server.voxels("v"), array, strict=True)


def test_what_the_folder_holds_wins_over_volumes(folder: Path, array: NDArray[Any]) -> None:
    with MockServer({"gray": np.zeros_like(array)}, folder=folder) as server:
        np.testing.assert_array_equal(server.voxels("gray"), array, strict=True)


def test_a_refused_merge_has_left_its_node_after_a_restart(folder: Path) -> None:
    parents = {"mergeType": "conflict-free", "parents": [ROOT, CHILD], "note": "refused"}
    with reopened(folder) as (_, client):
        assert client.ask("POST", f"/api/repo/{ROOT}/merge", parents).status == 400
        before = client.ask("GET", f"/api/repo/{ROOT}/info").body
    with reopened(folder) as (_, client):
        assert client.ask("GET", f"/api/repo/{ROOT}/info").body == before


def test_a_write_that_was_broken_off_leaves_no_file(folder: Path) -> None:
    files = sorted((folder / "voxels").iterdir())
    with reopened(folder) as (_, client):
        client.ask("POST", f"/api/node/{CHILD}/gray/raw/0_1_2/32_32_32/0_0_0", block(1)[:-1])
    assert sorted((folder / "voxels").iterdir()) == files


def test_a_change_that_a_crash_cut_short_is_forgotten(folder: Path, array: NDArray[Any]) -> None:
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(b'{"operation": "commit", "argum')
    (folder / "voxels" / "99.raw").write_bytes(b"half a body")
    with reopened(folder) as (server, client):
        write(client, CHILD, 8)
    with reopened(folder) as (server, _):
        assert server.voxels("gray", CHILD)[0, 32, 0, 0] == 8


def start(folder: Path) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "mockserver", "--port", "0", "--folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


WRITTEN = {
    "gray/raw/0_1_2/32_32_32/32_0_0": block(42),
    "keyvalue/key/last": b"just in time",
    "roi/roi": b"[[9,9,9,9]]",
    "note": b'{"note":"the last word"}',
}


@pytest.mark.parametrize("path", WRITTEN)
def test_what_was_answered_survives_a_kill(folder: Path, path: str) -> None:
    with reopened(folder) as (_, client):
        for typename in ("keyvalue", "roi"):
            client.ask("POST", f"/api/repo/{CHILD}/instance", {"typename": typename, "dataname": typename})
    process, url = start(folder)
    with process:
        try:
            urllib.request.urlopen(f"{url}/api/node/{CHILD}/{path}", data=WRITTEN[path], timeout=30).close()
        finally:
            process.kill()
    with reopened(folder) as (_, client):
        assert client.ask("GET", f"/api/node/{CHILD}/{path}").body == WRITTEN[path]


def test_the_command_stops_when_told(folder: Path) -> None:
    process, _ = start(folder)
    with process:
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_folder_belongs_to_one_server(folder: Path) -> None:
    with reopened(folder), pytest.raises(BlockingIOError, match="another server"):
        MockServer(folder=folder)
    with reopened(folder) as (server, _):
        assert server.voxels("gray", CHILD).any()


FOREIGN = {
    "a file of the user": {"notes.txt": b"mine"},
    "numbers among the voxels": {"voxels/7.raw": b"mine", "voxels/8": b"mine"},
    "a journal of something else": {"journal.jsonl": b'{"event": "mine"}\n'},
    "a journal without an end": {"journal.jsonl": b"mine"},
    "a journal cut short, beside a file": {"journal.jsonl": b'{"mock', "notes.txt": b"mine"},
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_folder_of_the_user_is_refused_and_left_as_it_is(tmp_path: Path, case: str) -> None:
    for name, content in FOREIGN[case].items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    with pytest.raises(FileExistsError, match="empty"):
        MockServer(folder=tmp_path)
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_a_file_that_no_journal_names_stays(folder: Path) -> None:
    for name in ("notes.txt", "voxels/12.txt", "voxels/0007.raw"):
        (folder / name).write_bytes(b"mine")
    with reopened(folder) as (_, client):
        for value in range(3):
            write(client, CHILD, value)
    assert [(folder / name).read_bytes() for name in ("notes.txt", "voxels/12.txt", "voxels/0007.raw")] == [b"mine"] * 3


def test_a_header_that_a_crash_cut_short_is_completed(tmp_path: Path, array: NDArray[Any]) -> None:
    (tmp_path / "voxels").mkdir()
    (tmp_path / "journal.jsonl").write_bytes(b'{"mock')
    MockServer({"gray": array}, folder=tmp_path).close()
    with reopened(tmp_path) as (server, _):
        np.testing.assert_array_equal(server.voxels("gray"), array, strict=True)
