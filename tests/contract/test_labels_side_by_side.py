"""Random requests about labels, sent to the mock server and to a real one: the answers are the same."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import random
import re
import shutil
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any

import label_bodies
import lz4.block
import numpy as np
import pytest
import real_dvid
from numpy.typing import NDArray

from mockserver import MockServer
from mockserver.dvid.wire.labels import native

ROOT = "a" * 32
SIDE = 16
STEPS = 70
PATIENCE = 5.0
LABELS = range(1, 60)
# DVID says which of several labels or blocks it has found at fault, in no order.
CHANCE = (
    (rb"non-existent label \d+|label \d+ with no voxels", b"LABEL"),
    (rb"last one: ran .* remain|tried to split \d+ voxels", b"BLOCK"),
    (rb"label index only has \d+ voxels", b"BLOCK"),
)

Answer = tuple[int, str | None, Any]


@dataclass
class Pair:
    """Two servers that are asked the same."""

    addresses: Sequence[str]
    chance: random.Random
    nodes: list[str] = field(default_factory=lambda: [ROOT])

    @property
    def open_node(self) -> str:
        """The version that is written to."""
        return self.nodes[-1]

    def ask(self, method: str, path: str, body: Any = None, *, patience: float = 0) -> Answer:
        """Ask both servers, the real one again while it counts; return the answer."""
        data = json.dumps(body) if isinstance(body, dict | list) else body
        mock, real = (_asked(address, method, path, data) for address in self.addresses)
        started = monotonic()
        while mock != real and monotonic() - started < patience:
            sleep(0.02)
            real = _asked(self.addresses[1], method, path, data)
        assert mock == real, f"{method} {path}"
        return mock

    def about(self, method: str, path: str, body: Any = None) -> Answer:
        """Ask about the labels of the open version."""
        return self.ask(method, f"/api/node/{self.open_node}/seg/{path}", body)

    def settle(self) -> None:
        """Wait until the real server has counted the bodies."""
        for path, body in (("sizes", list(LABELS)), ("maxlabel", None)):
            self.ask("GET", f"/api/node/{self.open_node}/seg/{path}", body, patience=PATIENCE)

    def voxels(self, shape: tuple[int, int, int]) -> NDArray[np.uint64]:
        """Return labels in bricks of 4 x 4 x 4."""
        table = [self.chance.randrange(14) for _ in range(self.chance.choice([1, 2, 4, 12]))]
        bricks = np.array([self.chance.choice(table) for _ in range(np.prod(shape) // 64)], np.uint64)
        return np.asfortranarray(np.kron(bricks.reshape([n // 4 for n in shape]), np.ones((4, 4, 4), np.uint64)))


def _asked(address: str, method: str, path: str, body: str | bytes | None) -> Answer:
    with contextlib.closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        connection.request(method, path, body)
        answer = connection.getresponse()
        kind, data = answer.getheader("Content-Type"), answer.read()
    found = label_bodies.decoded(path, data) if answer.status == 200 else None
    if found is None:
        for pattern, blank in CHANCE:
            data = re.sub(pattern, blank, data)
    return answer.status, kind, data if found is None else found


@pytest.fixture(params=[1, 2, 3])
def pair(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Pair]:
    if shutil.which("dvid") is None or os.environ.get("PYVOLUME_DVID_URL"):
        pytest.skip("needs an empty server of its own: put `dvid` on PATH, and name no other server")
    with real_dvid.running(tmp_path) as real, MockServer(admin_token=real.admin_token) as mock:
        addresses = [url.removeprefix("http://") for url in (mock.url, real.url)]
        pair = Pair(addresses, random.Random(request.param))
        pair.ask("POST", f"/api/repos?admintoken={real.admin_token}", {"root": ROOT})
        settings = {"typename": "labelmap", "dataname": "seg", "BlockSize": "16,16,16", "MaxDownresLevel": "2"}
        pair.ask("POST", f"/api/repo/{ROOT}/instance", settings)
        yield pair


def write(pair: Pair) -> None:
    shape = [SIDE * pair.chance.choice([1, 1, 2]) for _ in range(3)]
    start = [SIDE * pair.chance.randrange(most) for most in (4, 4, 2)]
    data = pair.voxels((shape[0], shape[1], shape[2])).tobytes(order="F")
    query = pair.chance.choice(["", "mutate=true", "mutate=true", "mutate=true&compression=lz4"])
    if "lz4" in query:
        data = lz4.block.compress(data, store_size=False)
    pair.about("POST", f"raw/0_1_2/{_point(shape)}/{_point(start)}?{query}", data)
    pair.settle()


def post_blocks(pair: Pair) -> None:
    places = {tuple(pair.chance.randrange(most) for most in (4, 4, 2)) for _ in range(3)}
    frames = []
    for place in sorted(places):
        data = gzip.compress(native.encode(pair.voxels((SIDE, SIDE, SIDE))))
        frames.append(struct.pack("<3iI", *place, len(data)) + data)
    query = pair.chance.choice(["", "downres=true", "noindexing=true", "scale=1"])
    pair.about("POST", f"blocks?{query}", b"".join(frames))
    pair.settle()


def merge(pair: Pair) -> None:
    pair.about("POST", "merge", pair.chance.sample(range(1, 16), pair.chance.choice([2, 2, 3])))


def cleave(pair: Pair) -> None:
    label = pair.chance.randrange(1, 20)
    status, _, found = pair.about("GET", f"supervoxels/{label}")
    supervoxels = found if status == 200 else [1]
    pair.about("POST", f"cleave/{label}", pair.chance.sample(supervoxels, max(1, len(supervoxels) // 2)))


def split(pair: Pair) -> None:
    supervoxel = pair.chance.randrange(1, 16)
    status, _, found = pair.about("GET", f"sparsevol/{supervoxel}?supervoxels=true")
    if status == 200 and found:
        _, runs, _ = found
        chosen = pair.chance.sample(runs, max(1, len(runs) // 3))
        body = struct.pack("<BBBBII", 0, 3, 0, 0, 0, len(chosen)) + b"".join(struct.pack("<4i", *run) for run in chosen)
        query = pair.chance.choice(["", "?downres=false"])
        pair.about("POST", f"split-supervoxel/{supervoxel}{query}", body)


def renumber(pair: Pair) -> None:
    pair.about("POST", "renumber", [pair.chance.randrange(1, 80), pair.chance.randrange(1, 16)])


def commit(pair: Pair) -> None:
    pair.ask("POST", f"/api/node/{pair.open_node}/commit", {})
    child = f"{pair.chance.getrandbits(128):032x}"
    parent = pair.chance.choice(pair.nodes)
    pair.ask("POST", f"/api/node/{parent}/branch", {"uuid": child, "branch": child[:8]})
    pair.nodes.append(child)


def look(pair: Pair) -> None:
    """Read all that a version has."""
    chance = pair.chance
    shape = _point([chance.randrange(1, 50) for _ in range(3)])
    start = _point([chance.randrange(-5, 50) for _ in range(3)])
    kind, compression = chance.choice(["rles", "srles", "blocks"]), chance.choice(["", "lz4", "gzip"])
    label, scale, supervoxels = chance.randrange(1, 20), chance.randrange(3), chance.choice(["true", "false"])
    more = chance.choice(["", "&supervoxels=true", "&minx=5&maxx=40", "&miny=3&maxz=20&exact=false"])
    points = [[chance.randrange(64), chance.randrange(64), chance.randrange(32)] for _ in range(30)]
    asked: dict[str, Any] = {
        f"raw/0_1_2/{shape}/{start}?scale={scale}&supervoxels={supervoxels}&compression={compression}": None,
        f"blocks/64_64_32/0_0_0?compression=blocks&scale={scale}": None,
        f"labels?scale={chance.randrange(2)}": points,
        "mapping": list(LABELS),
        "sizes": list(LABELS),
        "sizes?supervoxels=true": list(LABELS),
        f"sparsevol/{label}?format={kind}&scale={chance.choice([0, 1]) if kind != 'srles' else 0}{more}": None,
        f"sparsevol-coarse/{label}": None,
        f"sparsevol-size/{label}": None,
        "sparsevols-coarse/1/30": None,
        "mappings": None,
        "listlabels?sizes=true": None,
        "existing-labels": None,
        "nextlabel": None,
        "maxlabel": None,
    }
    node = chance.choice(pair.nodes)
    for path, body in asked.items():
        pair.ask("GET", f"/api/node/{node}/seg/{path}", body, patience=PATIENCE)


def _point(numbers: Sequence[int]) -> str:
    return "_".join(map(str, numbers))


ACTIONS = {write: 6, post_blocks: 2, merge: 3, cleave: 2, split: 2, renumber: 1, commit: 1, look: 4}


def test_both_servers_answer_alike(pair: Pair) -> None:
    for action in pair.chance.choices(list(ACTIONS), list(ACTIONS.values()), k=STEPS):
        action(pair)
    look(pair)
