"""Labels on a server that speaks DVID's protocol, asked by plain HTTP."""

from __future__ import annotations

import gzip
import itertools
import json
import struct
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from conformance_stores import DvidBackend
from numpy.typing import NDArray

_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Labels:
    """An instance of labels, without the client that is tested."""

    url: str
    name: str

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"{self.url}/{self.name}/{path}", body, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            data: bytes = answer.read()
        return data

    def post(self, voxels: NDArray[np.uint64], start: Sequence[int] = (0, 0, 0)) -> None:
        """Write voxels (x, y, z)."""
        place = f"{'_'.join(map(str, voxels.shape))}/{'_'.join(map(str, start))}"
        self.ask("POST", f"raw/0_1_2/{place}?mutate=true", voxels.tobytes(order="F"))

    def get(self, shape: Sequence[int], start: Sequence[int] = (0, 0, 0), scale: int = 0) -> NDArray[np.uint64]:
        """Read voxels (x, y, z)."""
        place = f"{'_'.join(map(str, shape))}/{'_'.join(map(str, start))}"
        body = self.ask("GET", f"raw/0_1_2/{place}?scale={scale}")
        return np.frombuffer(body, "<u8").reshape(shape, order="F")

    def get_blocks(self, shape: Sequence[int], start: Sequence[int]) -> dict[tuple[int, ...], bytes]:
        """Read native blocks, by their coordinates."""
        place = f"{'_'.join(map(str, shape))}/{'_'.join(map(str, start))}"
        return frames(self.ask("GET", f"blocks/{place}?compression=blocks&supervoxels=true"))

    def post_blocks(self, blocks: dict[tuple[int, ...], bytes]) -> None:
        """Write native blocks."""
        packed = {place: gzip.compress(data) for place, data in blocks.items()}
        body = b"".join(struct.pack("<3iI", *place, len(data)) + data for place, data in packed.items())
        self.ask("POST", "blocks?compression=blocks&noindexing=true", body)


def frames(body: bytes) -> dict[tuple[int, ...], bytes]:
    """Return the native blocks of an answer, by their coordinates."""
    found = {}
    while body:
        *place, size = struct.unpack_from("<3iI", body)
        found[tuple(place)] = gzip.decompress(body[16 : 16 + size])
        body = body[16 + size :]
    return found


def new_labels(backend: DvidBackend, **settings: Any) -> Labels:
    """Make a labelmap."""
    url, name = backend.connection.url, f"labels-by-hand-{next(_NUMBERS)}"
    document = json.dumps({"typename": "labelmap", "dataname": name, **settings}).encode()
    with urllib.request.urlopen(f"{url}/api/repo/{backend.uuid}/instance", document, timeout=60):
        return Labels(f"{url}/api/node/{backend.uuid}", name)
