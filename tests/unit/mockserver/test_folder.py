from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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


def append(folder: Path, written: dict[str, Any]) -> None:
    """Add a write of voxels to the journal."""
    with (folder / "journal.jsonl").open("a") as file:
        file.write(json.dumps({"operation": "write", "arguments": written}) + "\n")


def launch(folder: Path, **options: Any) -> subprocess.Popen[str]:
    # -B: where files cannot be larger, Python would keep the first part of a compiled module
    command = [sys.executable, "-B", "-m", "mockserver", "--port", "0", "--folder", str(folder)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3], **options
    )


def start(folder: Path, **options: Any) -> tuple[subprocess.Popen[str], str]:
    process = launch(folder, **options)
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_stops_while_it_reads_the_journal(folder: Path, number: signal.Signals) -> None:
    for body in ("100.raw", "101.raw"):
        os.mkfifo(folder / "voxels" / body)  # the server waits for its writer
        append(folder, {"uuid": ROOT, "name": "gray", "start": [0] * 3, "shape": [0] * 3, "grow": False, "body": body})
    with launch(folder) as process:
        (folder / "voxels" / "100.raw").open("wb").close()
        process.send_signal(number)
        try:
            said = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, said) == (128 + number, ("", ""))


def test_a_folder_belongs_to_one_server(folder: Path) -> None:
    with reopened(folder), pytest.raises(BlockingIOError, match="another server"):
        MockServer(folder=folder)
    with reopened(folder) as (server, _):
        assert server.voxels("gray", CHILD).any()


FOREIGN = {
    "a file of the user": {"notes.txt": b"mine"},
    "numbers among the voxels": {"voxels/7.raw": b"mine", "voxels/²": b"mine"},
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


def test_a_journal_that_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "journal.jsonl")
    with launch(tmp_path) as process:
        try:
            _, said = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, said.count("\n")) == (1, 1)
    assert [each.name for each in tmp_path.iterdir()] == ["journal.jsonl"]


def test_a_file_that_no_journal_names_stays(folder: Path) -> None:
    names = ("notes.txt", "voxels/12.txt", "voxels/0007.raw", "voxels/²³.raw")
    for name in names:
        (folder / name).write_bytes(b"mine")
    with reopened(folder) as (_, client):
        for value in range(3):
            write(client, CHILD, value)
    assert {(folder / name).read_bytes() for name in names} == {b"mine"}


def test_a_header_that_a_crash_cut_short_is_completed(tmp_path: Path, array: NDArray[Any]) -> None:
    (tmp_path / "voxels").mkdir()
    (tmp_path / "journal.jsonl").write_bytes(b'{"mock')
    MockServer({"gray": array}, folder=tmp_path).close()
    with reopened(tmp_path) as (server, _):
        np.testing.assert_array_equal(server.voxels("gray"), array, strict=True)


def talking_to_url(url: str) -> AbstractContextManager[PlainClient]:
    server: Any = SimpleNamespace(url=url, uuid=ROOT)
    return talking_to(server)


def everything(client: PlainClient, versions: list[str]) -> list[tuple[int, bytes]]:
    """Ask for all that a folder keeps."""
    paths = ["/api/repos/info"]
    for version in versions:
        node = f"/api/node/{version}"
        paths += [f"{node}/{word}" for word in ("note", "log", "roi/roi", "roi/info", "keyvalue/keys", "gray/info")]
        paths += [f"{node}/keyvalue/keyrangevalues/%00/%F4%8F%BF%BF?tar=true", f"{node}/keyvalue/tags"]
        paths += [f"{node}/gray/raw/0_1_2/64_64_64/{offset}" for offset in ("0_0_0", "-64_0_0")]
    answers = [client.ask("GET", path) for path in paths]
    # the real server does not keep the number of the next mutation to the unit either
    return [(each.status, re.sub(rb'MutationID":\d+', b"", each.body)) for each in answers]


LARGE = b"9" * 5000
ABSURD = [
    LARGE, b"-" + LARGE, b"9" * 350,
    b'"' + b"0" * 5000 + b'1"', b"1e999", b"1e-999", b"0.1", b"-1", b"NaN", b"Infinity", b"null", b"true", b"[]", b"{}",
    b'""', b'"' + LARGE + b'"', b'"-1"', b'"NaN"', b'"1e999"', b'"0,0,0"', b'"1,2"', b'"\\ud800"', b'"\\udcff"',
    b'"\xff"', b'"\\u0000"', b'"a/b"', b'"' + b"x" * 70_000 + b'"', b"[" * 5000, b'[["a"]]', b"[[1,2,3,4]]",
    b"[[0,0,1,0]]", b"[2147483647,-2147483648,1e9]", b'{"a":"b"}', b'{"":""}', b'"master"', b'"conflict-free"',
    f'["{ROOT}","{CHILD}"]'.encode(), f'"{ROOT}"'.encode(), b'"uint8blk"', b'"keyvalue"', b'"roi"', b'"fresh"',
]  # fmt: skip
FIELDS = {
    "/api/repos": ["alias", "description", "root", "passcode"],
    f"/api/repo/{ROOT}/info": ["alias", "description"],
    f"/api/repo/{ROOT}/log": ["log"],
    f"/api/repo/{ROOT}/merge": ["mergeType", "parents", "note"],
    f"/api/repo/{CHILD}/instance": [
        "typename", "dataname", "Background", "VoxelSize", "VoxelUnits", "BlockSize", "MinPoint", "MaxPoint",
        "ScaleLevel", "Compression", "Checksum", "Versioned", "Tags", "GridStore", "anything",
    ],
    **{f"/api/node/{CHILD}/{word}": ["note", "log"] for word in
       ("note", "log")},
    **{f"/api/node/{ROOT}/{word}": ["note", "uuid", "branch", "tag"] for word in ("newversion", "branch", "tag")},
    f"/api/node/{CHILD}/keyvalue/tags": ["a", "\\ud800"],
    f"/api/node/{CHILD}/gray/extents": ["MinPoint", "MaxPoint"],
    f"/api/node/{CHILD}/commit": ["note", "log"],
}  # fmt: skip
WHOLE = [f"/api/node/{CHILD}/{path}" for path in (
    "gray/resolution", "gray/extents", "roi/roi", "keyvalue/keyvalues", "keyvalue/key/%00", "keyvalue/key/%FF",
    "keyvalue/key/%ED%A0%80", f"keyvalue/key/{'k' * 4000}", "gray/raw/0_1_2/32_32_32/0_0_0",
    f"gray/raw/0_1_2/32_32_32/{'9' * 5000}_0_0", "gray/raw/0_1_2/32_32_32/2147483616_0_0", "gray/blocks/0_0_0/1",
    f"gray/blocks/0_0_0/{'9' * 5000}", "gray/raw/0_1_2/0_32_32/0_0_0", "gray/raw/0_1_2/-32_-32_32/0_0_0",
)]  # fmt: skip
RIGHT = {"typename": b'"uint8blk"', "dataname": b'"new"', "mergeType": b'"conflict-free"', "note": b'"n"'}
values = st.sampled_from(ABSURD)


def as_object(fields: dict[str, bytes]) -> bytes:
    return b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), value) for name, value in fields.items())


def sent(path: str) -> st.SearchStrategy[tuple[str, bytes]]:
    """Give requests to a path: some right fields, and some absurd ones."""
    fields = {name: st.one_of(st.just(RIGHT[name]), values) if name in RIGHT else values for name in FIELDS[path]}
    return st.tuples(st.just(path), st.fixed_dictionaries({}, optional=fields).map(as_object))


posts = st.one_of(
    st.sampled_from(list(FIELDS)).flatmap(sent),
    st.tuples(st.sampled_from(WHOLE), st.one_of(values, st.just(block(3)), st.just(bytes(32**3)))),
)


def make_opened(folder: Path) -> None:
    """Hold a committed version, and a child with keys and a region."""
    arrays = {"gray": np.ones((1, 32, 32, 32), np.uint8)}
    with MockServer(arrays, root=ROOT, folder=folder) as server, talking_to(server) as client:
        client.at("POST", "commit", {})
        client.at("POST", "newversion", {"uuid": CHILD})
        for typename in ("keyvalue", "roi"):
            client.ask("POST", f"/api/repo/{CHILD}/instance", {"typename": typename, "dataname": typename})


def alone() -> Iterator[tuple[str, bytes]]:
    """Give each absurd value for each field, beside the right values of the others."""
    numbers = itertools.count()
    for path, value in itertools.product(WHOLE, [*ABSURD, block(3), bytes(32**3)]):
        yield path, value
    for path, names in FIELDS.items():
        right = {name: RIGHT[name] for name in names if name in RIGHT}
        for name, value in itertools.product(names, ABSURD):
            new = {"dataname": b'"new%d"' % next(numbers)} if "dataname" in names else {}
            yield path, as_object(right | new | {name: value})


def test_each_absurd_change_is_kept_or_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "volumes"
    make_opened(folder)
    with reopened(folder) as (_, client):
        statuses = Counter(client.ask("POST", path, body).status for path, body in alone())
        before = everything(client, [ROOT, CHILD])
    assert min(statuses[200], statuses[400]) > 100
    assert [record.exc_text for record in caplog.records if record.levelname == "ERROR"] == []
    with reopened(folder) as (_, client):
        assert everything(client, [ROOT, CHILD]) == before


@given(requests=st.lists(posts, min_size=5, max_size=40))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_change_however_absurd_makes_a_folder_unopenable(
    tmp_path_factory: pytest.TempPathFactory, requests: list[tuple[str, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("absurd") / "volumes"
    make_opened(folder)
    with reopened(folder) as (_, client):
        for path, body in requests:
            client.ask("POST", path, body)
        before = everything(client, [ROOT, CHILD])
    with reopened(folder) as (_, client):
        assert everything(client, [ROOT, CHILD]) == before


@pytest.mark.parametrize("damage", ["shorter", "longer", "missing"])
def test_a_body_that_is_not_as_it_was_written_is_named(folder: Path, damage: str) -> None:
    body = max((folder / "voxels").iterdir())
    content = body.read_bytes()
    body.unlink()
    if damage != "missing":
        body.write_bytes(content[:-1] if damage == "shorter" else content + b"x")
    with pytest.raises(OSError, match=re.escape(str(body))):
        MockServer(folder=folder)
    process, url = start(folder)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, url, said.count("\n"), str(body) in said) == (1, "", 1, True)
    body.write_bytes(content)
    with reopened(folder) as (server, _):
        assert server.voxels("gray", CHILD)[0, 32, 0, 0] == 7


def test_what_the_system_refuses_at_a_start_is_not_forgotten(folder: Path) -> None:
    with reopened(folder) as (_, client):
        write(client, CHILD, 9)
    body = max((folder / "voxels").iterdir())
    kept, content = (folder / "journal.jsonl").read_bytes(), body.read_bytes()
    body.unlink()
    body.symlink_to(body)
    with pytest.raises(OSError, match=re.escape(str(body))):
        MockServer(folder=folder)
    assert (folder / "journal.jsonl").read_bytes() == kept
    body.unlink()
    body.write_bytes(content)
    with reopened(folder) as (server, _):
        assert server.voxels("gray", CHILD)[0, 32, 0, 0] == 9


@pytest.mark.parametrize("name", ["../../secret", "notes.txt"])
def test_a_journal_names_no_file_but_those_of_its_voxels(folder: Path, name: str) -> None:
    (folder / "voxels" / name).write_bytes(block(1))
    append(folder, {"uuid": CHILD, "name": "gray", "start": [0] * 3, "shape": [32] * 3, "body": name})
    with pytest.raises(OSError, match="which is no file of voxels"):
        MockServer(folder=folder)


def test_a_line_that_is_not_as_it_was_written_is_named(folder: Path) -> None:
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    for damaged in (b"\0" * 20 + b"\n", b'{"operation": "explode", "arguments": {}}\n', b"[]\n"):
        journal.write_bytes(b"".join([*lines[:2], damaged, *lines[3:]]))
        with pytest.raises(OSError, match=r"line 3 of .*journal\.jsonl cannot be carried out"):
            MockServer(folder=folder)
        assert journal.read_bytes().splitlines(keepends=True)[2] == damaged


def test_what_a_full_disk_refused_is_not_there_and_the_rest_is(tmp_path: Path) -> None:
    limit = 300_000

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    folder = tmp_path / "volumes"
    begin(folder)
    bodies = set((folder / "voxels").iterdir())
    process, url = start(folder, preexec_fn=limited)
    kept = {}
    with process, talking_to_url(url) as client:
        node = f"/api/node/{ROOT}"
        for key in range(12):
            value = bytes([key]) * 50_000
            if client.ask("POST", f"{node}/keyvalue/key/{key}", value).status == 200:
                kept[str(key)] = value
            assert client.ask("POST", f"{node}/keyvalue/key/small{key}", b"x").status in {200, 500}
        refused = client.ask("POST", f"{node}/gray/raw/0_1_2/64_64_64/0_0_0", bytes([1]) * (2 * 64**3))
        assert (refused.status, b"cannot be kept: File too large" in refused.body) == (500, True)
        before = everything(client, [ROOT])
        process.kill()
    assert 1 < len(kept) < 12
    assert set((folder / "voxels").iterdir()) == bodies
    with reopened(folder) as (_, client):
        assert everything(client, [ROOT]) == before
        for name, value in kept.items():
            assert client.ask("GET", f"/api/node/{ROOT}/keyvalue/key/{name}").body == value


def test_what_was_answered_before_a_kill_at_any_moment_is_there(tmp_path: Path) -> None:
    folder, moments = tmp_path / "volumes", random.Random(5)
    begin(folder)
    answered: dict[str, bytes] = {}
    for _ in range(4):
        process, url = start(folder)
        enough = threading.Event()
        with process:
            threads = [threading.Thread(target=write_on, args=(url, first, answered, enough)) for first in range(2)]
            for thread in threads:
                thread.start()
            enough.wait(60)
            threading.Event().wait(moments.random() / 20)
            process.kill()
            for thread in threads:
                thread.join(60)
        with reopened(folder) as (_, client):
            for path, body in list(answered.items()):
                found = client.ask("GET", f"/api/node/{ROOT}/{path}").body
                assert found in {body, after(body)}, path
                answered[path] = found


def begin(folder: Path) -> None:
    arrays = {"gray": np.zeros((1, 64, 64, 64), np.uint16)}
    with MockServer(arrays, root=ROOT, folder=folder) as server, talking_to(server) as client:
        client.ask("POST", f"/api/repo/{ROOT}/instance", {"typename": "keyvalue", "dataname": "keyvalue"})


def write_on(url: str, first: int, answered: dict[str, bytes], enough: threading.Event) -> None:
    """Write a value and a block again and again, each one more than before, until the server is killed."""
    paths = [f"keyvalue/key/{first}", f"gray/raw/0_1_2/32_32_32/{32 * first}_0_0"]
    with talking_to_url(url) as client, contextlib.suppress(OSError, http.client.HTTPException):
        for count in range(50_000):
            for path, body in zip(paths, (b"%d" % count, block(count)), strict=True):
                if client.ask("POST", f"/api/node/{ROOT}/{path}", body).status == 200:
                    answered[path] = body
            if count >= 3:
                enough.set()


def after(body: bytes) -> bytes:
    """Return what is written after a body: its request may have come without an answer."""
    is_block = len(body) == len(block(0))
    return block(int(np.frombuffer(body, "u2")[0]) + 1) if is_block else b"%d" % (int(body) + 1)
