"""Arguments of a wrong type: every public function answers with a sentence of its own."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyvolume
from mockserver import MockServer
from pyvolume import segmentation
from pyvolume.dvid import Identity, general, keyvalue, roi, voxels
from pyvolume.errors import PyVolumeError

PACKAGE = Path(pyvolume.__file__).parent
CORNERS = (0, 0, 0, 0), (1, 4, 4, 4)
BOX = pyvolume.Box(*CORNERS)
CUBE = np.ones((1, 4, 4, 4), "uint8")
WRONG: list[Any] = [
    None, 3, -1, 2.5, float("nan"), True, "text", b"bytes", object(), [], ["a"], (1, 2), (1, "a"), {"a": 1}, {1, 2},
    np.str_("x"), 1j, [None], [[1, 2], [3]], (1.5, 2, 3), ("a", "b", "c"), "\0", "\udc80",
]  # fmt: skip


class Place:
    """What the calls are made on: a mock server, and a volume, a region and keys on it."""

    def __init__(self, server: MockServer) -> None:
        self.url = server.url
        self.connection = pyvolume.Connection(server.url, retry=pyvolume.RetryPolicy(patience=0))
        self.server = pyvolume.dvid.Server(self.connection)
        self.repo = self.server.create_repo("wrong")
        self.volume = self.repo.create_volume("gray", (8, 8, 8), "uint8", block_shape=(4, 4, 4))
        self.memory = pyvolume.from_array(np.zeros((1, 8, 8, 8), "uint8"))
        self.roi = self.repo.create_roi("nose", block_shape=(4, 4, 4))
        self.keys = self.repo.create_keyvalue("notes")
        self.keys["a"] = b"x"
        self.version = self.repo.root
        self.where = {"connection": self.connection, "uuid": str(self.repo.root_uuid), "data_name": "gray"}


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with MockServer() as server:
        yield Place(server)


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


Call = tuple[Callable[..., Any], Mapping[str, Any]]


def volume_calls(volume: pyvolume.Volume) -> dict[str, Call]:
    return {
        "read": (volume.read, {"box": CORNERS, "out": None, "progress": None}),
        "write": (volume.write, {"box": CORNERS, "array": CUBE, "progress": None}),
        "get_ndarray": (volume.get_ndarray, {"start": CORNERS[0], "stop": CORNERS[1], "out": None}),
        "post_ndarray": (volume.post_ndarray, {"start": CORNERS[0], "stop": CORNERS[1], "array": CUBE}),
        "read_many": (lambda boxes: list(volume.read_many(boxes)), {"boxes": [BOX]}),
        "read_many of one": (lambda box: list(volume.read_many([box])), {"box": CORNERS}),
        "write_many": (volume.write_many, {"pieces": [(BOX, CUBE)]}),
        "write_many of one": (lambda piece: volume.write_many([piece]), {"piece": (CORNERS, CUBE)}),
        "write_many of a box": (lambda box: volume.write_many([(box, CUBE)]), {"box": BOX}),
        "plan": (volume.plan, {"key": np.s_[:, 1:3]}),
        "scale": (volume.scale, {"level": 0}),
        "blocks": (lambda box, shape: list(volume.blocks(box, shape)), {"box": BOX, "shape": (1, 4, 4, 4)}),
        "thumbnail": (volume.thumbnail, {"size": 8}),
        "[key]": (volume.__getitem__, {"key": ...}),
        "[key] = ": (volume.__setitem__, {"key": np.s_[:, :4, :4, :4], "values": CUBE}),
        "absolute[key]": (volume.absolute.__getitem__, {"key": ...}),
        "absolute[key] = ": (volume.absolute.__setitem__, {"key": np.s_[:, :4, :4, :4], "values": CUBE}),
    }


def package_calls(at: Place) -> dict[str, Call]:
    copy, compare = {"src": at.memory, "dst": CUBE.copy(), "box": BOX}, {"a": at.memory, "b": CUBE, "box": BOX}
    size = {"shape": (1, 4, 4, 4), "dtype": "uint8", "dims": "cxyz", "resolution": 1.0, "units": "nm", "labels": None}
    return {
        "open": (pyvolume.open, {"url": f"dvid://{at.url}/:master/gray", "mode": "r", "connection": at.connection}),
        "copy": (pyvolume.copy, copy | {"concurrency": None, "progress": None, "resume": None}),
        "compare": (pyvolume.compare, compare | {"concurrency": None, "progress": None}),
        "unique_counts": (segmentation.unique_counts, {"labels": CUBE, "box": BOX, "mapping": {1: 2},
                                                       "progress": None}),
        "overlap": (segmentation.overlap, compare | {"concurrency": None, "progress": None}),
        "relabel": (segmentation.relabel, {"labels": CUBE, "mapping": {1: 2}}),
        "from_array": (pyvolume.from_array, {"array": CUBE, "dims": "cxyz", "block_shape": (4, 4, 4)}),
        "Box": (pyvolume.Box, {"start": (0, 0), "stop": (1, 1)}),
        "Box.contains": (BOX.contains, {"other": BOX}),
        "Box.intersection": (BOX.intersection, {"other": BOX}),
        "Box.union": (BOX.union, {"other": BOX}),
        "VoxelsMetadata.of": (pyvolume.VoxelsMetadata.of, size),
        "RetryPolicy": (pyvolume.RetryPolicy, {"patience": 1, "interval": 1, "max_interval": 1, "warn_after": 1,
                                               "deadline": None, "on_wait": None}),
        "Connection": (pyvolume.Connection, {"url": at.url, "timeout": 5, "retry": at.connection.retry, "auth": None,
                                             "session": None, "concurrency": 4}),
        "Connection.at": (at.connection.at, {"url": at.url, "auth": None, "session": None}),
        "set_options": (pyvolume.set_options, {"progress": None}),
        "Identity": (Identity, {"token": None, "user": None, "app": None, "admin_token": None}),
    }  # fmt: skip


def dvid_calls(at: Place) -> dict[str, Call]:
    new = {"name": "new", "shape": (4, 4, 4), "dtype": "uint8", "channels": 1, "block_shape": (4, 4, 4),
           "resolution": 1.0, "units": "nm", "compression": None, "tags": None}  # fmt: skip
    corner = {"top_left": (0, 0, 0), "top_right": (4, 0, 0), "bottom_left": (0, 4, 0), "resolution": None}
    plane = {"plane": "xy", "box": None, "z": 1, "format": "png", "quality": None}
    return {
        "Server": (pyvolume.dvid.Server, {"server": at.connection}),
        "create_repo": (at.server.create_repo, {"alias": "b", "description": "", "root": None}),
        "require_repo": (at.server.require_repo, {"alias": "b", "description": ""}),
        "repos[key]": (at.server.repos.__getitem__, {"key": "wrong"}),
        "create_volume": (at.repo.create_volume, new),
        "require_volume": (at.repo.require_volume, new | {"name": "required"}),
        "create_volume of data": (at.repo.create_volume, {"name": "filled", "data": CUBE[0]}),
        "create_roi": (at.repo.create_roi, {"name": "new", "block_shape": (4, 4, 4)}),
        "create_keyvalue": (at.repo.create_keyvalue, {"name": "new"}),
        "version": (at.repo.version, {"ref": ":master"}),
        "repo[name]": (at.repo.__getitem__, {"name": "gray"}),
        "rename": (at.repo.rename, {"alias": "wrong"}),
        "set_description": (at.repo.set_description, {"description": "b"}),
        "repo.add_log": (at.repo.add_log, {"lines": ["b"]}),
        "version.add_log": (at.version.add_log, {"lines": ["b"]}),
        "set_note": (at.version.set_note, {"note": "b"}),
        "version.volume": (at.version.volume, {"name": "gray", "mode": "r", "casting": "safe"}),
        "version.roi": (at.version.roi, {"name": "nose"}),
        "version.keyvalue": (at.version.keyvalue, {"name": "notes"}),
        "branch": (at.version.branch, {"name": "b", "note": ""}),
        "tag": (at.version.tag, {"name": "b", "note": ""}),
        "new_version": (at.version.new_version, {"note": ""}),
        "merge": (at.version.merge, {"others": [], "note": ""}),
        "commit": (at.version.commit, {"note": 3, "log": ["b"]}),
        "lost_blocks": (at.version.lost_blocks, {"name": "gray"}),
        "lost_keys": (at.version.lost_keys, {"name": "notes"}),
        "VoxelsAccessor": (voxels.VoxelsAccessor, at.where | {"query_args": None, "throttle": None,
                                                              "retry_timeout": None, "retry_interval": None,
                                                              "mode": "r", "partial_blocks": "merge", "lock": None}),
        "at": (at.volume.at, {"ref": at.version}),
        "masked": (at.volume.masked, {"roi": "nose"}),
        "image": (at.volume.image, plane),
        "image_file": (at.volume.image_file, plane),
        "oblique": (at.volume.oblique, corner),
        "set_extents": (at.volume.set_extents, {"start": (0, 0, 0, 0), "stop": (1, 8, 8, 8)}),
        "set_resolution": (at.volume.set_resolution, {"resolution": 1.0}),
    }  # fmt: skip


def object_calls(at: Place) -> dict[str, Call]:
    key = at.where | {"data_name": "notes", "key": "a"}
    at_roi = at.where | {"data_name": "nose"}
    return {
        "KeyValue": (keyvalue.KeyValue, at.where | {"data_name": "notes"}),
        "keys[key]": (at.keys.__getitem__, {"key": "a"}),
        "keys[key] = ": (at.keys.__setitem__, {"key": "b", "value": b"x"}),
        "keys.json[key] = ": (at.keys.json.__setitem__, {"key": "c", "value": 3}),
        "keys.read": (at.keys.read, {"key": "a", "start": 0, "stop": None}),
        "keys.range": (at.keys.range, {"start": "a", "stop": "b"}),
        "keys.open": (at.keys.open, {"key": "a"}),
        "get_many": (at.keys.get_many, {"keys": ["a"]}),
        "put_many": (at.keys.put_many, {"values": {"b": b"x"}}),
        "read_into": (at.keys.read_into, {"key": "a", "file": None}),
        "write_from": (at.keys.write_from, {"key": "b", "file": None}),
        "attrs[key] = ": (at.volume.attrs.__setitem__, {"name": "a", "value": 3}),
        "get_value": (keyvalue.get_value, key),
        "put_value": (keyvalue.put_value, key | {"value": b"x"}),
        "keyvalue.create_new": (keyvalue.create_new, at.where | {"data_name": "new"}),
        "Roi": (pyvolume.dvid.Roi, at_roi),
        "roi.create_new": (roi.create_new, at_roi | {"data_name": "new", "block_shape": (4, 4, 4)}),
        "contains": (at.roi.contains, {"points": [(1, 2, 3)]}),
        "partition": (at.roi.partition, {"side": 8}),
        "set_blocks": (at.roi.set_blocks, {"blocks": [(0, 0, 0)]}),
        "set_spans": (at.roi.set_spans, {"rows": [(0, 0, 0, 0)]}),
        "set_mask": (at.roi.set_mask, {"mask": np.ones((4, 4, 4), bool), "start": (0, 0, 0), "partial": "raise"}),
        "voxels.create_new": (voxels.create_new, at.where | {
            "data_name": "new", "voxels_metadata": pyvolume.VoxelsMetadata.of((1, 4, 4, 4), "uint8"),
            "block_shape": (4, 4, 4), "compression": None, "tags": None}),
        "get_metadata": (voxels.get_metadata, at.where),
        "voxels.get_ndarray": (voxels.get_ndarray, at.where | {"start": CORNERS[0], "stop": CORNERS[1]}),
        "voxels.post_ndarray": (voxels.post_ndarray, at.where | {
            "start": CORNERS[0], "stop": CORNERS[1], "array": CUBE}),
        "general.create_repo": (general.create_repo, {"connection": at.connection, "alias": "b"}),
        "get_repos_info": (general.get_repos_info, {"connection": at.connection}),
        "get_server_info": (general.get_server_info, {"connection": at.connection}),
        "get_server_types": (general.get_server_types, {"connection": at.connection}),
    }  # fmt: skip


def complaint_about(function: Callable[..., Any], arguments: Mapping[str, Any]) -> str:
    """Call a function, and return what is wrong with the error that it raises."""
    try:
        with contextlib.ExitStack() as stack:
            made = function(**arguments)
            if hasattr(made, "__exit__"):
                stack.enter_context(made)
    except (PyVolumeError, TypeError, ValueError) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        if not Path(last.filename).is_relative_to(PACKAGE) or not last.line or not last.line.startswith("raise"):
            return f"{type(error).__name__} of {Path(last.filename).name}:{last.lineno} {last.line}: {error}"
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} of {Path(last.filename).name}:{last.lineno} {last.line}"
    return ""


def complaints(calls: Mapping[str, Call]) -> list[str]:
    found = []
    for name, (function, good) in calls.items():
        for argument in good:
            for wrong in WRONG:
                complaint = complaint_about(function, {**good, argument: wrong})
                if complaint:
                    found.append(f"{name}({argument}={wrong!r:.40}): {complaint}")
    return found


GROUPS: dict[str, Callable[[Place], Mapping[str, Call]]] = {
    "memory": lambda at: volume_calls(at.memory),
    "DVID": lambda at: volume_calls(at.volume),
    "package": package_calls,
    "dvid": dvid_calls,
    "objects": object_calls,
}


@pytest.mark.parametrize("group", GROUPS)
def test_a_wrong_type_is_answered_with_a_sentence(place: Place, group: str) -> None:
    assert complaints(GROUPS[group](place)) == []
