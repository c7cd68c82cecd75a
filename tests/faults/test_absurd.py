"""Absurd documents: whatever a server says, the outcome is an object that can be used, or one of our errors."""

from __future__ import annotations

import copy
import functools
import io
import itertools
import json
import operator
import pickle
import tracemalloc
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import png
import pytest
import requests
import urllib3
from requests.adapters import BaseAdapter

import pyvolume
from mockserver import DataStoreServer, MockServer
from pyvolume.dvid import general
from pyvolume.dvid.keyvalue.mapping import KeyValue
from pyvolume.dvid.repo import Repo
from pyvolume.dvid.roi.region import Roi
from pyvolume.dvid.server import Server
from pyvolume.dvid.version import Version
from pyvolume.dvid.versions import changes
from pyvolume.dvid.versions.graph import Uuid
from pyvolume.dvid.versions.lookup import resolve
from pyvolume.errors import AnswerError, MetadataError, NotFoundError, PyVolumeError
from pyvolume.hpc import DataStore

DEEP = "\x00deep"
LONG = "\x00long"
RAW = {json.dumps(DEEP): "[" * 100_000 + "]" * 100_000, json.dumps(LONG): "1" * 5000}
"""What `json.dumps` cannot write, by what stands for it."""

ABSURD: list[Any] = [
    None, True, 0, -1, 2**31 - 1, 2**31, 2**62, 10**30, 10**400, 1.5, 4.0, 1e300, float("nan"), float("inf"),
    "", "x", "f4,f4", "(3,)u1", "O", "\ud800", "9999-99-99T99:99:99Z", "0001-01-01T00:00:00+23:59",
    [], {}, [None], {"a": {}}, [1.5] * 3, [2**62] * 3, ["x"] * 70, DEEP, LONG,
]  # fmt: skip

ALIKE = [("DataInstances",), ("Nodes",)]
"""Where all values are alike, so that changes of the first one are enough."""


def paths_of(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the place of each value of a document."""
    yield path
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, value in itertools.islice(items, 1 if path[-1:] in ALIKE or isinstance(document, list) else None):
        yield from paths_of(value, (*path, name))


def variants(document: Any) -> Iterator[tuple[str, str]]:
    """Give what was changed, and the document with one value replaced, left out or repeated."""
    for path in paths_of(document):
        for absurd in ABSURD:
            yield f"{path} = {absurd!r:.40}", text_of(replaced(document, path, [absurd]))
        value = functools.reduce(operator.getitem, path, document)
        if isinstance(value, list):
            yield f"70 times {path}", text_of(replaced(document, path, [value * 70]))
        if path:
            yield f"without {path}", text_of(replaced(document, path, []))


def replaced(document: Any, path: tuple[Any, ...], value: list[Any]) -> Any:
    """Return a document with another value in a place, or without one."""
    if not path:
        return value[0]
    made = copy.copy(document)
    if len(path) == 1 and not value:
        del made[path[0]]
    else:
        made[path[0]] = replaced(document[path[0]], path[1:], value)
    return made


def text_of(document: Any) -> str:
    text = json.dumps(document)
    for name, raw in RAW.items():
        text = text.replace(name, raw)
    return text


class Library(BaseAdapter):
    """Answers from memory: the documents of a server by their path, one of them changed."""

    def __init__(self, documents: dict[str, bytes]) -> None:
        super().__init__()
        self.documents = documents
        self.asked = 0

    def send(self, request: requests.PreparedRequest, *_args: Any, **_options: Any) -> requests.Response:
        self.asked += 1
        path = (request.path_url or "").partition("?")[0]
        found = self.documents.get(f"{request.method} {path}")
        response = requests.Response()
        response.status_code = 404 if found is None else 200
        response.headers["Content-Type"] = "image/png" if path.endswith("png") else "application/json"
        response.raw = urllib3.HTTPResponse(io.BytesIO(found or b"404 page not found"), preload_content=False)
        return response

    def close(self) -> None:
        """Nothing is open."""


class Recorded:
    """The documents of a mock server, and a connection that gets them from memory."""

    def __init__(self, server: MockServer) -> None:
        self.uuid = Uuid(server.uuid)
        repo, node = f"/api/repo/{self.uuid}", f"/api/node/{self.uuid}"
        paths = [
            f"{repo}/info", f"{repo}/branch-versions/dev", "/api/repos/info", "/api/server/info", "/api/server/types",
            "/api/load", *(f"{node}/{name}/info" for name in ("gray", "nose", "notes")), f"{node}/gray/metadata",
            f"{node}/nose/roi", f"{node}/notes/keys", f"{node}/notes/keyrange/a/z",
        ]  # fmt: skip
        self.documents = {}
        for path in paths:
            with urllib.request.urlopen(server.url + path) as answer:
                document = json.load(answer)
            for each in [document, document.get(self.uuid)] if "/info" in path else []:
                if each and "DataInstances" in each:  # another document has what is left out
                    each["DataInstances"] = {"gray": {"Base": {"TypeName": "uint8blk"}}}
            self.documents[f"GET {path}"] = json.dumps(document).encode()
        self.documents[f"POST {node}/newversion"] = b'{"child": "ab12"}'
        self.documents["POST /api/repos"] = b'{"root": "ab12"}'
        self.library = Library(dict(self.documents))
        session = requests.Session()
        session.mount("http://", self.library)
        retry = pyvolume.RetryPolicy(patience=0)
        self.connection = pyvolume.Connection("server.invalid", session=session, retry=retry)

    def use_volume(self) -> None:
        volume = pyvolume.dvid.VoxelsAccessor(self.connection, self.uuid, "gray")
        with np.errstate(all="raise"):
            repr((volume, volume.describe(), volume.plan(np.s_[:1, :1]), volume.metadata, volume.bounds, volume.nbytes))
        repr((volume.shape, volume.chunks, volume.dims, volume.metadata.labels)).encode()
        pickle.dumps(volume.metadata)

    def use_repo(self) -> None:
        repo = Repo(self.connection, self.uuid, "mock")
        info, versions = repo.info(), repo.versions()
        repr((info, info.volumes, info.graph.branches, versions, repo.version(":master"))).encode()
        for version in versions.values():
            repr((version, version.parents, list(version.ancestors()))).encode()

    def use_repos(self) -> None:
        repos = Server(self.connection).repos
        repr((repos[self.uuid], repos.info(), resolve(self.connection, ":master"))).encode()

    def use_missing(self) -> None:
        with pytest.raises(NotFoundError):
            resolve(self.connection, "mastre")

    def use_region(self) -> None:
        region = Roi(self.connection, self.uuid, "nose")
        repr((region, region.read_spans(), region.read_bounds(), region.count_voxels(), region.mask_volume()))

    def use_keys(self) -> None:
        keys = KeyValue(self.connection, self.uuid, "notes")
        repr((list(keys), len(keys), keys.range("a", "z"))).encode()


Use = Callable[[Recorded], Any]
USES: dict[str, tuple[str, Use]] = {
    "instance info": ("GET /api/node/{}/gray/info", Recorded.use_volume),
    "metadata": ("GET /api/node/{}/gray/metadata", Recorded.use_volume),
    "repository": ("GET /api/repo/{}/info", Recorded.use_repo),
    "repositories": ("GET /api/repos/info", Recorded.use_repos),
    "repositories, for a name like it": ("GET /api/repos/info", Recorded.use_missing),
    "versions of a branch": (
        "GET /api/repo/{}/branch-versions/dev",
        lambda recorded: resolve(recorded.connection, f"{recorded.uuid}:dev"),
    ),
    "server info": ("GET /api/server/info", lambda recorded: general.get_server_info(recorded.connection)),
    "types": ("GET /api/server/types", lambda recorded: general.get_server_types(recorded.connection)),
    "load": ("GET /api/load", lambda recorded: Server(recorded.connection).load()),
    "region info": ("GET /api/node/{}/nose/info", Recorded.use_region),
    "spans": ("GET /api/node/{}/nose/roi", Recorded.use_region),
    "keyvalue info": ("GET /api/node/{}/notes/info", Recorded.use_keys),
    "keys": ("GET /api/node/{}/notes/keys", Recorded.use_keys),
    "a new version": (
        "POST /api/node/{}/newversion",
        lambda recorded: changes.new_version(recorded.connection, recorded.uuid, "").encode(),
    ),
    "a new repository": (
        "POST /api/repos",
        lambda recorded: general.create_repo(recorded.connection, "new", root=None).encode(),
    ),
}


@pytest.fixture(scope="module")
def recorded() -> Iterator[Recorded]:
    with MockServer({"gray": np.zeros((1, 64, 64, 64), "uint8")}) as server:
        with pyvolume.Connection(server.url) as connection:
            repo = Server(connection).repos[server.uuid]
            repo.create_roi("nose").set_blocks([[0, 0, 0], [1, 0, 0], [5, 5, 5]])
            repo.create_keyvalue("notes").update({"a": b"1", "b": b"2"})
            root: Version = repo.root
            root.set_note("a note")
            root.add_log(["a line"])
            root.commit()
            root.branch("dev")
            root.new_version()
        yield Recorded(server)


def wrong_outcomes(library: Library, path: str, use: Callable[[], Any]) -> list[str]:
    """Say what comes of a changed document, where it is neither an object nor an error of ours."""
    documents = dict(library.documents)
    use()
    wrong = []
    for what, text in variants(json.loads(documents[path])):
        library.documents = {**documents, path: text.encode()}
        before = library.asked
        try:
            use()
        except PyVolumeError as error:
            if len(str(error)) > 3000 or not str(error).isprintable():
                wrong.append(f"{what}: a message of {len(str(error))} characters")
            if isinstance(error, MetadataError) and not error.path:
                wrong.append(f"{what}: no path in {error}")
        except Exception as error:
            wrong.append(f"{what}: {type(error).__name__} {error!s:.200}")
        if library.asked - before > 40:
            wrong.append(f"{what}: {library.asked - before} requests")
    return wrong


@pytest.mark.parametrize("name", USES)
def test_an_absurd_document_is_an_object_or_an_error_of_ours(recorded: Recorded, name: str) -> None:
    key, use = USES[name]
    recorded.library.documents = dict(recorded.documents)
    assert wrong_outcomes(recorded.library, key.format(recorded.uuid), lambda: use(recorded)) == []


def test_an_absurd_document_of_a_datastore_is_an_object_or_an_error_of_ours() -> None:
    with DataStoreServer() as server, DataStore(server.url) as store:
        levels = [((1, 1, 1), (4, 4, 4)), ((2, 2, 1), (4, 4, 4))]
        uuid = store.create_dataset((10, 9, 5), "uint16", timepoints=[3, 5], channels=2, levels=levels).uuid
        path = f"/datasets/{uuid}"
        with urllib.request.urlopen(server.url + path) as answer:
            library = Library({f"GET {path}": answer.read()})
    session = requests.Session()
    session.mount("http://", library)
    connection = pyvolume.Connection("server.invalid", session=session, retry=pyvolume.RetryPolicy(patience=0))

    def use() -> None:
        with pyvolume.open(f"hpc://server.invalid/{uuid}", connection=connection) as volume:
            repr((volume, volume.describe(), volume.metadata, volume.plan(np.s_[:1, :1])))
            repr((volume.shape, volume.chunks, volume.dims, volume.metadata.labels)).encode()

    assert wrong_outcomes(library, f"GET {path}", use) == []


@pytest.mark.parametrize("side", [5, 8000, 30_000])
def test_a_picture_larger_than_the_plane_is_not_decoded(recorded: Recorded, side: int) -> None:
    picture = io.BytesIO()
    png.Writer(side, side, greyscale=True, bitdepth=1, compression=9).write_packed(
        picture, [bytes(-(-side // 8))] * side
    )
    path = f"GET /api/node/{recorded.uuid}/gray/raw/xy/4_4/0_0_0/png"
    recorded.library.documents = {**recorded.documents, path: picture.getvalue()}
    volume = pyvolume.dvid.VoxelsAccessor(recorded.connection, recorded.uuid, "gray")
    tracemalloc.start()
    try:
        with pytest.raises(AnswerError, match="image/png"):
            volume.image("xy", box=pyvolume.Box((0, 0), (4, 4)), z=0)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
