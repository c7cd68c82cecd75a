"""What a merge leaves of what both sides have changed, on the mock server and on a real one."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from real_dvid import RealDvid

ROOT, LEFT, RIGHT = "a" * 32, "b" * 32, "c" * 32
BLOCK = 32**3

Ask = Callable[..., bytes]


@pytest.fixture(scope="module")
def ask(start_server: Callable[[], AbstractContextManager[RealDvid]]) -> Iterator[Ask]:
    with start_server() as server:

        def ask(method: str, path: str, body: Any = None) -> bytes:
            connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
            path = f"/api/{path}".replace("TOKEN", server.admin_token or "")
            connection.request(method, path, body if isinstance(body, bytes | None) else json.dumps(body).encode())
            data = connection.getresponse().read()
            connection.close()
            return data

        yield ask


@pytest.fixture(scope="module")
def merged(ask: Ask) -> str:
    """Change the same and other things on two branches, and merge them."""
    ask("POST", "repos?admintoken=TOKEN", {"root": ROOT})
    for name, typename in (("kv", "keyvalue"), ("region", "roi"), ("gray", "uint8blk")):
        ask("POST", f"repo/{ROOT}/instance", {"typename": typename, "dataname": name})
    write(ask, ROOT, dict.fromkeys("abcd", b"root"), [0, 1, 2], {0: 10, 1: 11, 2: 12, 3: 13})
    ask("POST", f"node/{ROOT}/commit", {})
    ask("POST", f"node/{ROOT}/newversion", {"uuid": LEFT})
    ask("POST", f"node/{ROOT}/branch", {"uuid": RIGHT, "branch": "right"})
    write(ask, LEFT, {"a": b"left", "b": b"left", "l": b"left"}, [0, 5], {0: 20, 1: 21})
    write(ask, RIGHT, {"a": b"right", "c": b"right"}, [1, 6], {0: 30, 2: 32})
    ask("DELETE", f"node/{LEFT}/kv/key/d")
    for uuid in (LEFT, RIGHT):
        ask("POST", f"node/{uuid}/commit", {})
    answer = ask("POST", f"repo/{ROOT}/merge", {"mergeType": "conflict-free", "parents": [LEFT, RIGHT]})
    return str(json.loads(answer)["child"])


def write(ask: Ask, uuid: str, values: dict[str, bytes], layers: list[int], blocks: dict[int, int]) -> None:
    for key, value in values.items():
        ask("POST", f"node/{uuid}/kv/key/{key}", value)
    ask("POST", f"node/{uuid}/region/roi", [[z, 0, 0, 0] for z in layers])
    for x, voxel in blocks.items():
        ask("POST", f"node/{uuid}/gray/raw/0_1_2/32_32_32/{32 * x}_0_0", bytes([voxel]) * BLOCK)


def test_a_key_that_both_sides_have_changed_is_gone(ask: Ask, merged: str) -> None:
    assert ask("GET", f"node/{merged}/kv/key/a") == b'Key "a" not found\n'


def test_keys_that_one_side_has_changed_are_kept(ask: Ask, merged: str) -> None:
    values = {
        key: ask("GET", f"node/{merged}/kv/key/{key}") for key in json.loads(ask("GET", f"node/{merged}/kv/keys"))
    }
    assert values == {"b": b"left", "c": b"right", "l": b"left"}


def test_a_block_that_both_sides_have_changed_is_gone(ask: Ask, merged: str) -> None:
    assert list(ask("GET", f"node/{merged}/gray/raw/0_1_2/97_1_1/0_0_0")[::32]) == [0, 21, 32, 13]


def test_spans_of_both_sides_are_joined(ask: Ask, merged: str) -> None:
    spans = json.loads(ask("GET", f"node/{merged}/region/roi"))
    assert [z for z, *_ in spans] == [0, 1, 5, 6]
