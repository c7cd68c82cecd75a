"""What an operation may cost: requests and memory."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from command import run_command

import pyvolume
from mockserver import MockServer
from pyvolume.dvid import general, voxels
from pyvolume.dvid.repo import Repo
from pyvolume.dvid.version import Version
from pyvolume.errors import ExistsError
from pyvolume.stores.base import never_changes

MEBI = 1 << 20


def made(server: MockServer, since: int) -> list[str]:
    """Say what was asked of the volume: method and endpoint."""
    return [f"{record.method} {record.path.split('?')[0].split('/')[5]}" for record in server.requests[since:]]


@pytest.fixture
def volume(server: MockServer, connection: pyvolume.Connection) -> pyvolume.dvid.VoxelsAccessor:
    return pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray")


@pytest.fixture
def names(server: MockServer, connection: pyvolume.Connection) -> dict[str, str]:
    """Give names of one committed version."""
    repo = pyvolume.dvid.Server(connection).repos[server.uuid]
    repo.rename("brain")
    repo.create_labels("bodies", (64, 64, 64))
    repo.create_labels("old", (64, 64, 64), typename="labelblk")
    repo.root.commit()
    return {"uuid": server.uuid, "prefix": server.uuid[:9], "alias": "brain", "end": ":master"}


OPENING = {
    ("uuid", "gray"): ["gray/info"],
    ("uuid", "bodies"): ["bodies/info"],
    ("uuid", "old"): ["old/info", "old/metadata"],
    ("prefix", "gray"): ["repo/info", "gray/info"],
    ("end", "gray"): ["repos/info", "gray/info"],
    ("alias", "gray"): ["repo/info", "repos/info", "gray/info"],
}
"""What is asked for a volume, by the kind of name of its version and its own."""


def asked(server: MockServer, since: int) -> list[str]:
    """Say which documents were asked for."""
    paths = [record.path.partition("?")[0].split("/")[2:] for record in server.requests[since:]]
    return [f"{path[2] if path[0] == 'node' else path[0]}/{path[-1]}" for path in paths]


@pytest.mark.parametrize(("kind", "name"), OPENING)
def test_opening_asks_for_what_is_not_known(server: MockServer, names: dict[str, str], kind: str, name: str) -> None:
    before = len(server.requests)
    with pyvolume.trace() as traced, pyvolume.open(f"dvid://{server.url}/{names[kind]}/{name}") as volume:
        assert asked(server, before) == OPENING[kind, name]
        assert traced.requests == len(OPENING[kind, name])
        opened = volume.metadata
        volume.refresh()
        assert volume.metadata == opened


def test_a_handle_of_a_version_opens_with_one_request(server: MockServer, connection: pyvolume.Connection) -> None:
    before = len(server.requests)
    volume = pyvolume.dvid.Server(connection).repos[server.uuid].version(server.uuid).volume("gray")
    assert asked(server, before) == ["repos/info", "repo/info", "gray/info"]
    before = len(server.requests)
    pyvolume.dvid.VoxelsAccessor(connection, volume.uuid, "gray")
    assert asked(server, before) == ["gray/info"]


def test_the_state_of_a_version_is_asked_for_once_and_when_it_matters(
    server: MockServer, names: dict[str, str]
) -> None:
    before = len(server.requests)
    with pyvolume.open(f"dvid://{server.url}/{names['uuid']}/gray") as volume:
        assert [never_changes(volume.store) for _ in range(3)] == [True] * 3
        assert asked(server, before) == ["gray/info", "repo/info"]
    before = len(server.requests)
    with pyvolume.open(f"dvid://{server.url}/{names['uuid']}/gray", cache=pyvolume.BlockCache()) as volume:
        assert "not used" not in volume.describe()
        assert asked(server, before) == ["gray/info", "repo/info"]


def test_opening_by_branch_asks_for_this_branch(server: MockServer, connection: pyvolume.Connection) -> None:
    root = pyvolume.dvid.Server(connection).repos[server.uuid].root
    root.commit()
    root.branch("dev")
    before = len(server.requests)
    assert pyvolume.dvid.VoxelsAccessor(connection, f"{root.uuid[:9]}:dev", "gray").uuid == root.children()[0].uuid
    asked = [record.path.split("?")[0].rsplit("/", 2)[1:] for record in server.requests[before:]][:2]
    assert asked == [["branch-versions", "dev"], ["gray", "info"]]


@pytest.mark.parametrize(
    ("operate", "asked"),
    [
        (lambda v: v[...], ["GET raw"]),
        (lambda v: v[0, 5:9, ::7, [1, 5]], ["GET raw"]),
        (lambda v: v[:, 5:5], []),
        (lambda v: v.__setitem__((slice(None), slice(0, 32)), 1), ["POST raw"]),
        (lambda v: v.__setitem__((slice(None), slice(1, 32)), 1), ["GET raw", "POST raw"]),
        (lambda v: v.__setitem__((slice(None), slice(0, 64, 3)), 1), ["GET raw", "POST raw"]),
        (lambda v: v.__setitem__((slice(None), slice(None, None, -1)), 1), ["POST raw"]),
        (lambda v: v.__setitem__((slice(None), slice(3, 3)), 1), []),
        (lambda v: v.__setitem__((slice(None), slice(64, 96)), 1), ["POST raw"]),
        (lambda v: (v.shape, v.nbytes, v.bounds, repr(v)), []),
    ],
)
def test_an_operation_costs_no_more_requests_than_it_must(
    server: MockServer,
    volume: pyvolume.dvid.VoxelsAccessor,
    operate: Callable[[pyvolume.Volume], Any],
    asked: list[str],
) -> None:
    before = len(server.requests)
    operate(volume)
    assert made(server, before) == asked


@pytest.fixture
def repo(server: MockServer, connection: pyvolume.Connection) -> Repo:
    return pyvolume.dvid.Server(connection).repos[server.uuid]


def refused(repo: Repo) -> None:
    with pytest.raises(ExistsError):
        repo.create_roi("gray")


BUDGETS: dict[str, tuple[int, Callable[[Repo], Any]]] = {
    "repo.version()": (1, lambda repo: repo.version()),
    "repo.version(prefix)": (1, lambda repo: repo.version(repo.root_uuid[:8])),
    "repo.root": (1, lambda repo: (repo.root, repo.root.uuid, repo.root.parents, list(repo.root.ancestors()))),
    "repo.info()": (1, lambda repo: repo.info()),
    "repo.versions()": (1, lambda repo: repo.versions()),
    "repo.branches()": (1, lambda repo: repo.branches()),
    "create_keyvalue: look, create": (2, lambda repo: repo.create_keyvalue("notes")),
    "create_roi: look, create": (2, lambda repo: repo.create_roi("nose")),
    "create_volume: look, create, open": (3, lambda repo: repo.create_volume("v", None, "uint8")),
    "create_volume with a shape: the same": (3, lambda repo: repo.create_volume("v", (64, 64, 64), "uint8")),
    "a name that is taken": (1, refused),
}


@pytest.mark.parametrize("name", BUDGETS)
def test_what_is_asked_of_a_repository_costs(server: MockServer, repo: Repo, name: str) -> None:
    most, operate = BUDGETS[name]
    before = len(server.requests)
    operate(repo)
    assert len(server.requests) - before == most


VERSION_BUDGETS: dict[str, tuple[int, Callable[[Version], Any]]] = {
    "known": (0, lambda version: (version.uuid, version.created, version.parents, list(version.ancestors()))),
    "info()": (1, lambda version: version.info()),
    "children()": (1, lambda version: version.children()),
    "volume(name)": (1, lambda version: version.volume("gray")),
    "volumes()": (1, lambda version: version.volumes()),
    "roi(name)": (1, lambda version: version.roi("nose")),
    "keyvalue(name)": (1, lambda version: version.keyvalue("notes")),
    "VoxelsAccessor": (1, lambda version: pyvolume.dvid.VoxelsAccessor(version.connection, version.uuid, "gray")),
}


@pytest.mark.parametrize("name", VERSION_BUDGETS)
def test_what_is_asked_of_a_version_costs(server: MockServer, repo: Repo, name: str) -> None:
    most, operate = VERSION_BUDGETS[name]
    repo.create_keyvalue("notes")
    repo.create_roi("nose")
    version = repo.version()
    before = len(server.requests)
    operate(version)
    assert len(server.requests) - before == most


def test_the_mask_of_a_region_costs_one_request(server: MockServer, repo: Repo) -> None:
    region = repo.create_roi("nose").set_blocks([[0, 0, 0]])
    before = len(server.requests)
    mask = region.mask_volume()
    assert mask[0, 0, 0, 0] == 1
    assert len(server.requests) - before == 1


def test_names_and_versions_of_all_repositories_cost_one_request(
    server: MockServer, connection: pyvolume.Connection
) -> None:
    client = pyvolume.dvid.Server(connection)
    for number in range(3):
        client.create_repo(f"repo {number}")
    before = len(server.requests)
    infos = client.repos.info()
    assert sorted(info.alias for info in infos.values())[-3:] == ["repo 0", "repo 1", "repo 2"]
    assert all(info.graph.nodes for info in infos.values())
    assert len(server.requests) - before == 1
    assert [repo.root_uuid for repo in client.repos.values()] == list(dict(client.repos.items())) == list(infos)
    assert len(server.requests) - before == 3


@pytest.mark.parametrize("command", ["ls", "tree", "info"])
def test_the_command_looks_at_a_server_with_one_request(
    server: MockServer, connection: pyvolume.Connection, command: str
) -> None:
    pytest.importorskip("click", reason="click comes with the extra 'cli'")
    pytest.importorskip("rich", reason="rich comes with the extra 'cli'")
    for number in range(3):
        pyvolume.dvid.Server(connection).create_repo(f"repo {number}")
    before = len(server.requests)
    assert run_command(command, server.url, "--json").code == 0
    assert len(server.requests) - before == 1


def test_following_a_branch_costs_one_request_for_each_operation(server: MockServer, repo: Repo) -> None:
    follows = repo.version(":master", follow=True)
    before = len(server.requests)
    assert not follows.info().locked
    assert len(server.requests) - before == 1


def test_a_stepped_read_asks_for_the_enclosing_box_and_no_more(
    server: MockServer, volume: pyvolume.dvid.VoxelsAccessor
) -> None:
    volume[0, 10:40:8, 5, ::20]
    assert "/raw/0_1_2/25_1_61/10_5_0" in server.requests[-1].path


@pytest.fixture(scope="module")
def far_server() -> Iterator[str]:
    """Start a server in a process of its own, whose memory does not count here."""
    command = [sys.executable, "-m", "mockserver", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield next(word for word in line.split() if word.startswith("http"))
        process.terminate()


@pytest.fixture(scope="module")
def far_volume(far_server: str) -> Iterator[pyvolume.dvid.VoxelsAccessor]:
    with pyvolume.Connection(far_server, concurrency=4) as connection:
        uuid = general.create_repo(connection, "memory")
        metadata = pyvolume.VoxelsMetadata.of((1, 256, 256, 256), "uint16", units="um")
        voxels.create_new(connection, uuid, "large", metadata)
        volume = pyvolume.dvid.VoxelsAccessor(connection, uuid, "large")
        volume[:, :64, :64, :64] = 1
        yield volume


def peak_while(operate: Callable[[], object]) -> int:
    """Return how many bytes more were held at the peak than before."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = operate()
        _, peak = tracemalloc.get_traced_memory()
        del kept
        return peak - before
    finally:
        tracemalloc.stop()


def test_a_read_holds_the_box_and_little_more(far_volume: pyvolume.dvid.VoxelsAccessor) -> None:
    assert peak_while(lambda: far_volume[...]) <= 1.05 * 32 * MEBI


def test_learning_how_many_requests_serve_best_takes_a_quarter_of_a_mebibyte_for_each(
    far_server: str, far_volume: pyvolume.dvid.VoxelsAccessor
) -> None:
    with pyvolume.Connection(far_server) as connection:
        learning = pyvolume.dvid.VoxelsAccessor(connection, far_volume.uuid, "large")
        for _ in range(4):
            with pyvolume.trace() as trace:
                peak = peak_while(lambda: learning[...])
            assert peak <= (1.05 * 32 + 0.25 * trace.at_once) * MEBI


def test_a_read_into_memory_at_hand_holds_little(far_volume: pyvolume.dvid.VoxelsAccessor) -> None:
    out = np.empty(far_volume.shape, "uint16", order="F")
    assert peak_while(lambda: far_volume.get_ndarray((0,) * 4, out.shape, out)) <= MEBI


def test_a_fortran_ordered_array_is_sent_without_a_copy(far_volume: pyvolume.dvid.VoxelsAccessor) -> None:
    array = np.ones((1, 256, 256, 256), "uint16", order="F")
    assert peak_while(lambda: far_volume.post_ndarray((0,) * 4, array.shape, array)) <= MEBI


@pytest.mark.parametrize("dtype", ["uint16", "int64"])
def test_any_other_array_is_sent_with_one_slab_of_extra_memory(
    far_volume: pyvolume.dvid.VoxelsAccessor, dtype: str
) -> None:
    array = np.ones((1, 256, 256, 256), dtype, order="C")
    assert peak_while(lambda: far_volume.post_ndarray((0,) * 4, array.shape, array)) <= 5 * MEBI


def test_a_scalar_is_broadcast_slab_by_slab(far_volume: pyvolume.dvid.VoxelsAccessor) -> None:
    assert peak_while(lambda: far_volume.__setitem__(..., 7)) <= 5 * MEBI
