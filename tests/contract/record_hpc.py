#!/usr/bin/env python3
"""Record what a real HPC DataStore server answers, exchange by exchange, as golden data for tests.

Usage: record_hpc.py URL OUT.jsonl     (a fresh stock server, security off; numpy only)

The exchanges form one story that starts on an empty server and is replayed in order. One JSON object a line:
  name      what this exchange shows
  request   method, path (with query), headers (only those that matter), body
            host: only where the exchange goes to another server than the one under test
            chunked: only where the body is sent in chunks instead of with a length
  response  status, headers (only those a client may rely on), body
  binds     only where the answer names something later exchanges use: {"MAIN": "body"}, {"DEDICATED": "location"}
A body is {"text": ...} or {"zlib64": ..., "bytes": N, "sha256": ...}.

The server chooses dataset uuids itself. Paths, headers and text bodies carry names in braces instead:
  {MAIN} {PLAIN} {UINT8} ...  a dataset uuid; bound by the exchange that creates it, 36 characters
  {HOST}                      host:port of the server under test
  {DEDICATED}                 host:port of the process that the server starts for a multi-resolution write
  {UUID} {ERROR_ID} {ROOT}    anything: an unknown uuid, an error number, the folder on the server's disk
Where a {HOST}, {ERROR_ID} or {ROOT} stands in a body, the content-length is left out.
`versions` in a dataset's JSON are in the order of the server's directory: compare them as a set.
The body of a 500 that comes from a null pointer depends on the server's Java (empty, or a page without a sentence, on
Java 11): compare the status only. PNG: decode.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import pathlib
import re
import select
import struct
import sys
import urllib.parse
import zlib
from typing import Any, TextIO

import numpy as np

KEPT_HEADERS = (
    "content-type", "content-length", "transfer-encoding", "content-encoding", "connection", "location", "allow",
)  # fmt: skip
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain"}
OCTETS = {"Content-Type": "application/octet-stream"}
DTYPES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64")
COMPRESSIONS = ("raw", "gzip", "bzip2", "lz4", "xz")
BODY_LIMIT = 10240 * 1024


def pack(data: bytes) -> dict[str, Any]:
    try:
        text = data.decode("ascii")
        if len(data) < 20_000:
            return {"text": text}
    except UnicodeDecodeError:
        pass
    return {
        "zlib64": base64.b64encode(zlib.compress(data, 9)).decode(),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


class Recorder:
    def __init__(self, url: str, file: TextIO) -> None:
        self.host = urllib.parse.urlsplit(url).netloc
        self.file = file
        self.count = 0
        self.names: dict[str, str] = {}  # what stands for what, in the order of binding

    def fill_in(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace("{" + name + "}", value)
        return text

    def mask(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace(value, "{" + name + "}")
        text = re.sub(rf"Error id {UUID}-\d+", "Error id {ERROR_ID}", text)
        text = re.sub(rf"((?:Exception: |directory: '))/[^\s<>']*?/(\{{\w+\}}|{UUID})/", r"\1{ROOT}/\2/", text)
        text = re.sub(UUID, "{UUID}", text)
        return text.replace(self.host, "{HOST}")

    def exchange(
        self, host: str, method: str, path: str, headers: dict[str, Any], body: bytes | None, chunked: bool
    ) -> tuple[Any, bytes]:
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for key, value in headers.items():
            connection.putheader(key, value)
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif body is not None or method == "POST":
            connection.putheader("Content-Length", str(len(body or b"")))
        connection.endheaders()
        large = body is not None and len(body) > 1_000_000
        refused_early = large and select.select([connection.sock], [], [], 2.0)[0]
        if body and not refused_early:
            connection.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer, data

    def __call__(
        self,
        name: str,
        method: str,
        path: str,
        body: bytes | str | dict[str, Any] | None = None,
        headers: dict[str, Any] | None = None,
        *,
        binds: str = "",
        host: str = "",
        chunked: bool = False,
    ) -> bytes:
        if isinstance(body, dict):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        headers = headers or {}
        target = self.fill_in(host) if host else self.host
        answer, data = self.exchange(target, method, self.fill_in(path), headers, body, chunked)
        kept = {k.lower(): v for k, v in answer.getheaders() if k.lower() in KEPT_HEADERS}
        if binds:
            found = urllib.parse.urlsplit(kept["location"]).netloc if "location" in kept else data.decode()
            self.names[binds] = found
        kept = {k: self.mask(v) for k, v in kept.items()}
        shown = self.shown(data, kept)
        request: dict[str, Any] = {
            "method": method,
            "path": path,
            "headers": headers,
            "body": None if body is None else pack(body),
        }
        if host:
            request["host"] = host
        if chunked:
            request["chunked"] = True
        row = {"name": name, "request": request, "response": {"status": answer.status, "headers": kept, "body": shown}}
        if binds:
            row["binds"] = {binds: "location" if "location" in kept else "body"}
        self.file.write(json.dumps(row) + "\n")
        self.count += 1
        return data

    def shown(self, data: bytes, headers: dict[str, Any]) -> dict[str, Any]:
        try:
            text = data.decode("ascii")
        except UnicodeDecodeError:
            return pack(data)
        masked = self.mask(text)
        if any(mask in masked for mask in ("{HOST}", "{ERROR_ID}", "{ROOT}")):
            headers.pop("content-length", None)
        return pack(masked.encode())


def ramp(shape_zyx: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    """Asymmetric voxels, extremes first: every wrong axis order, byte order or sign shows."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        voxels = rng.normal(size=shape_zyx).astype(dtype)
        extremes = [np.nan, np.inf, -np.inf, -0.0]
    else:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        voxels = rng.integers(low, high, size=shape_zyx, dtype=dtype, endpoint=True)
        extremes = [low, high, 1, 0]
    voxels.flat[:4] = np.array(extremes, dtype)
    return voxels


def header(x: int, y: int, z: int) -> bytes:
    return struct.pack(">3i", x, y, z)


def block(zyx: np.ndarray) -> bytes:
    """One block on the wire: three sizes x, y, z, then the voxels, x fastest, everything big-endian."""
    z, y, x = zyx.shape
    return header(x, y, z) + zyx.astype(zyx.dtype.newbyteorder(">")).tobytes()


def dataset(**changes: object) -> dict[str, Any]:
    """A small dataset: 10 x 9 x 5 voxels in blocks of 4 x 4 x 4. A key changed to `...` is left out."""
    description = {
        "label": "small",
        "voxelType": "uint16",
        "dimensions": [10, 9, 5],
        "timepoints": 1,
        "timepointIds": [0],
        "channels": 1,
        "angles": 1,
        "voxelUnit": "um",
        "voxelResolution": [0.4, 0.4, 1.6],
        "timepointResolution": {"value": 90.0, "unit": "s"},
        "channelResolution": {"value": 0.0, "unit": None},
        "angleResolution": {"value": 0.0, "unit": None},
        "compression": "gzip",
        "resolutionLevels": [
            {"resolutions": [1, 1, 1], "blockDimensions": [4, 4, 4]},
            {"resolutions": [2, 2, 1], "blockDimensions": [4, 4, 4]},
        ],
    }
    description.update(changes)
    return {key: value for key, value in description.items() if value is not ...}


def server(do: Recorder) -> None:
    do("banner", "GET", "/")
    do("hello", "GET", "/hello")
    do("datasets cannot be listed", "GET", "/datasets")
    do("unrouted path", "GET", "/nothing")
    do("unknown dataset", "GET", "/datasets/nope")
    do("unknown dataset, JSON accepted", "GET", "/datasets/nope", headers={"Accept": "application/json"})
    do("unknown dataset, text accepted", "GET", "/datasets/nope", headers={"Accept": "text/plain"})
    do("delete an unknown dataset", "DELETE", "/datasets/nope")
    do("login of an unknown provider, security off", "GET", "/oauth2/nope")


def creation(do: Recorder) -> None:
    do("create without a content type", "POST", "/datasets", dataset())
    do("create with the wrong content type", "POST", "/datasets", dataset(), TEXT)
    do("create from malformed JSON", "POST", "/datasets", '{"label":', JSON)
    do("create from an empty body", "POST", "/datasets", "", JSON)
    do("create with an unknown voxel type", "POST", "/datasets", dataset(voxelType="complex64"), JSON)
    do("create without voxel type", "POST", "/datasets", dataset(voxelType=...), JSON)
    do("create without dimensions", "POST", "/datasets", dataset(dimensions=...), JSON)
    do("create with two dimensions", "POST", "/datasets", dataset(dimensions=[10, 9]), JSON)
    do("create without voxel resolution", "POST", "/datasets", dataset(voxelResolution=...), JSON)
    do("create without compression", "POST", "/datasets", dataset(compression=...), JSON)
    do("create without levels", "POST", "/datasets", dataset(resolutionLevels=...), JSON)
    do("create with a null label", "POST", "/datasets", dataset(label=None), JSON)
    do("create with an impossible label", "POST", "/datasets", dataset(label=".."), JSON)
    main = dataset(
        label='main: a/b "c"?',
        timepoints=3,
        timepointIds=[33, 20, 25],
        channels=2,
        angles=2,
        transformations=[[1, 0, 0, 5, 0, 1, 0, 6, 0, 0, 1, 7], [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0]],
        resolutionLevels=[
            {"resolutions": [1, 1, 1], "blockDimensions": [4, 4, 4], "dimensions": None},
            {"resolutions": [2, 2, 1], "blockDimensions": [4, 4, 4]},
            {"resolutions": [16, 16, 16], "blockDimensions": [4, 4, 4]},
        ],
        uuid="ignored",
        versions=[5],
        datasetType="N5",
        surprise=1,
    )
    do("create", "POST", "/datasets", main, JSON, binds="MAIN")
    do("query", "GET", "/datasets/{MAIN}")
    do("query with a trailing slash", "GET", "/datasets/{MAIN}/")
    do("HEAD of a query", "HEAD", "/datasets/{MAIN}")
    do("PUT on a dataset", "PUT", "/datasets/{MAIN}", "{}", JSON)
    bare = dataset(
        label=..., timepoints=..., timepointIds=..., channels=..., angles=..., voxelUnit=..., timepointResolution=...,
        channelResolution=..., angleResolution=..., compression="blosc", voxelType="UINT8",
    )  # fmt: skip
    do(
        "create with the least",
        "POST",
        "/datasets/",
        bare,
        {"Content-Type": "application/json; charset=utf-8"},
        binds="BARE",
    )
    do("query the least: unknown compression and upper case are echoed", "GET", "/datasets/{BARE}")


def opening(do: Recorder) -> None:
    n = "/datasets/{MAIN}/1/1/1"
    do("open 0 to read", "GET", f"{n}/0/read")
    do("open 0 to write", "GET", f"{n}/0/write")
    do("open 0 to read and write, with timeout", "GET", f"{n}/0/read-write?timeout=10000")
    do("open 0 without access", "GET", f"{n}/0/no-access")
    do("open latest", "GET", f"{n}/latest/read-write")
    do("open mixedLatest", "GET", f"{n}/mixedLatest/read")
    do("open mixedLatest to read and write", "GET", f"{n}/mixedLatest/read-write")
    do("open mixedLatest to write", "GET", f"{n}/mixedLatest/write")
    do("open new to read", "GET", f"{n}/new/read")
    do("open an absent version", "GET", f"{n}/7/read")
    do("open a word", "GET", f"{n}/all/read")
    do("open with an unknown mode", "GET", f"{n}/0/append")
    do("open an unknown dataset", "GET", "/datasets/nope/1/1/1/0/read")
    do("open an unknown dataset in an unknown mode", "GET", "/datasets/nope/1/1/1/0/append")
    do("open an unknown level", "GET", "/datasets/{MAIN}/3/3/3/0/read")
    do("open a level that is no number", "GET", "/datasets/{MAIN}/a/1/1/0/read")
    do("open with a timeout that is no number", "GET", f"{n}/0/read?timeout=soon")
    do("open by HEAD", "HEAD", f"{n}/0/read")
    do("open, another host name", "GET", f"{n}/0/read", headers={"Host": "images.example:1234"})
    do("open by POST", "POST", f"{n}/0/read")
    do("one number short of an open", "GET", "/datasets/{MAIN}/1/1/0/read")
    do("status of a prefix", "GET", f"{n}/0/")
    do("status of a prefix, no slash", "GET", f"{n}/0")
    do("status of mixedLatest", "GET", f"{n}/mixedLatest/")
    do("status of anything at all", "GET", "/datasets/nope/5/6/7/99/")
    do("status of latest", "GET", f"{n}/latest/")
    do("stop of a prefix does nothing", "POST", f"{n}/0/stop")


def voxels(do: Recorder) -> None:
    p = "/datasets/{MAIN}/1/1/1/0"
    first, second = ramp((4, 4, 4), "u2", 1), ramp((4, 4, 4), "u2", 2)
    do("datatype", "GET", f"{p}/datatype/20/0/0")
    do("datatype of an unknown channel", "GET", f"{p}/datatype/20/9/0")
    do("datatype of an unknown time point", "GET", f"{p}/datatype/0/0/0")
    do("the same, JSON accepted", "GET", f"{p}/datatype/0/0/0", headers={"Accept": "application/json"})
    do("read a missing block", "GET", f"{p}/0/0/0/20/0/0")
    do("write one block", "POST", f"{p}/0/0/0/20/0/0", block(first), OCTETS)
    do("read it", "GET", f"{p}/0/0/0/20/0/0")
    do("read it, trailing slash", "GET", f"{p}/0/0/0/20/0/0/")
    do("HEAD of a block", "HEAD", f"{p}/0/0/0/20/0/0")
    do("the shortest test of byte order", "POST", f"{p}/1/0/0/20/0/0", header(2, 1, 1) + b"\0\1\1\2", OCTETS)
    do("reads back as written, whatever the size", "GET", f"{p}/1/0/0/20/0/0")
    do("write without content type", "POST", f"{p}/1/0/0/20/0/0", block(second))
    do(
        "write as a form",
        "POST",
        f"{p}/1/0/0/20/0/0",
        block(second),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    do("write by PUT", "PUT", f"{p}/1/0/0/20/0/0", block(second), OCTETS)
    do("write in chunks", "POST", f"{p}/1/0/0/20/0/0", block(second), OCTETS, chunked=True)
    do(
        "write two edge blocks",
        "POST",
        f"{p}/2/2/1/20/0/0/2/0/1/20/0/0",
        block(second[:1, :1, :2]) + block(second[:1, :, :2]),
        OCTETS,
    )
    do("existing, missing, existing", "GET", f"{p}/0/0/0/20/0/0/1/1/1/20/0/0/2/2/1/20/0/0")
    do("blocks of other channels, angles and times are missing", "GET", f"{p}/0/0/0/20/1/0/0/0/0/20/0/1/0/0/0/33/0/0")
    do(
        "write to another channel, angle and time in one request",
        "POST",
        f"{p}/0/0/0/20/1/0/0/0/0/33/0/1",
        block(second) + block(first),
        OCTETS,
    )
    do("read them", "GET", f"{p}/0/0/0/20/1/0/0/0/0/33/0/1")
    do("incomplete group of numbers is ignored", "GET", f"{p}/0/0/0/20/0/0/1/1/1")
    do("garbage between groups is skipped", "GET", f"{p}/1/1/1/20/0/0/x/1/1/1/20/0/0")
    do("a sign in a later group is skipped, another block is read", "GET", f"{p}/1/1/1/20/0/0/-1/0/0/20/0/0")
    do("one number short", "GET", f"{p}/0/0/0/20/0")
    do("one number short, POST", "POST", f"{p}/0/0/0/20/0", block(first), OCTETS)
    do("a double slash", "GET", f"{p}/0//0/0/20/0/0")
    do("not a number", "GET", f"{p}/a/0/0/20/0/0")
    do("outside the grid", "GET", f"{p}/99/99/99/20/0/0")
    do("write outside the grid", "POST", f"{p}/99/0/0/20/0/0", block(first[:1, :1, :1]), OCTETS)
    do("it is stored", "GET", f"{p}/99/0/0/20/0/0")
    do("write at a negative place", "POST", f"{p}/-1/0/0/20/0/0", block(first[:1, :1, :2]), OCTETS)
    do("it is stored, too", "GET", f"{p}/-1/0/0/20/0/0")
    do("unknown channel", "GET", f"{p}/0/0/0/20/9/0")
    do("unknown angle", "GET", f"{p}/0/0/0/20/0/9")
    do("unknown time point", "GET", f"{p}/0/0/0/0/0/0")
    do("write to an unknown channel", "POST", f"{p}/0/0/0/20/9/0", block(first), OCTETS)
    do("write to an unknown time point", "POST", f"{p}/0/0/0/0/0/0", block(first), OCTETS)
    do("unknown level", "GET", "/datasets/{MAIN}/3/3/3/0/0/0/0/20/0/0")
    do("write to an unknown level", "POST", "/datasets/{MAIN}/3/3/3/0/0/0/0/20/0/0", block(first), OCTETS)
    do("unknown dataset, block", "GET", "/datasets/nope/1/1/1/0/0/0/0/0/0/0")
    do("latest is no prefix", "GET", "/datasets/{MAIN}/1/1/1/latest/0/0/0/20/0/0")
    do("write to mixedLatest", "POST", "/datasets/{MAIN}/1/1/1/mixedLatest/0/0/0/20/0/0", block(first), OCTETS)
    do("block too large", "POST", f"{p}/1/1/0/20/0/0", block(ramp((4, 4, 5), "u2", 3)), OCTETS)
    do("two negative sizes", "POST", f"{p}/1/1/0/20/0/0", header(-1, -1, 4) + bytes(8), OCTETS)
    do("one negative size", "POST", f"{p}/1/1/0/20/0/0", header(-1, 4, 4), OCTETS)
    do("write without body", "POST", f"{p}/1/1/0/20/0/0", b"", OCTETS)
    do("header cut short", "POST", f"{p}/1/1/0/20/0/0", b"\0\0\0\4\0\0", OCTETS)
    do("nothing was stored by all these", "GET", f"{p}/1/1/0/20/0/0")
    do("payload cut short", "POST", f"{p}/1/1/0/20/0/0", header(2, 2, 2) + b"\1\2\3\4\5", OCTETS)
    do("it is stored with zeros", "GET", f"{p}/1/1/0/20/0/0")
    do("bytes to spare", "POST", f"{p}/1/1/0/20/0/0", block(first[:1, :2, :3]) + b"more", OCTETS)
    do("they are ignored", "GET", f"{p}/1/1/0/20/0/0")
    do("an empty block", "POST", f"{p}/1/1/0/20/0/0", header(0, 0, 0), OCTETS)
    do("an empty block is not a missing one", "GET", f"{p}/1/1/0/20/0/0")
    do(
        "second of two blocks is too large",
        "POST",
        f"{p}/2/0/0/20/0/0/2/1/0/20/0/0",
        block(second[:, :, :2]) + header(9, 9, 9),
        OCTETS,
    )
    do("the first was stored", "GET", f"{p}/2/0/0/20/0/0/2/1/0/20/0/0")
    do("one block sent for two", "POST", f"{p}/0/2/0/20/0/0/1/2/0/20/0/0", block(second[:, :1, :]), OCTETS)
    do("the first was stored here, too", "GET", f"{p}/0/2/0/20/0/0/1/2/0/20/0/0")
    do("write at a lower level", "POST", "/datasets/{MAIN}/2/2/1/0/1/0/0/20/0/0", block(second[:, :, :1]), OCTETS)
    do("read at a lower level", "GET", "/datasets/{MAIN}/2/2/1/0/1/0/0/20/0/0")
    do(
        "a level smaller than a voxel has one",
        "POST",
        "/datasets/{MAIN}/16/16/16/0/0/0/0/20/0/0",
        block(first[:1, :1, 1:2]),
        OCTETS,
    )


def types(do: Recorder) -> None:
    for number, dtype in enumerate(DTYPES):
        name, compression = dtype.upper(), COMPRESSIONS[number % 5]
        p = f"/datasets/{{{name}}}/1/1/1/0"
        voxels = ramp((2, 3, 4), dtype, 10 + number)
        do(
            f"create {dtype}, {compression}",
            "POST",
            "/datasets",
            dataset(voxelType=dtype, compression=compression),
            JSON,
            binds=name,
        )
        do(f"write {dtype}", "POST", f"{p}/0/0/0/0/0/0", block(voxels), OCTETS)
        do(f"read {dtype}", "GET", f"{p}/0/0/0/0/0/0")
    one = [{"resolutions": [1, 1, 1], "blockDimensions": [100_000, 1, 1]}]
    do(
        "create one wide block",
        "POST",
        "/datasets",
        dataset(voxelType="uint8", dimensions=[100_000, 1, 1], resolutionLevels=one),
        JSON,
        binds="WIDE",
    )
    p = "/datasets/{WIDE}/1/1/1/0"
    wide = (np.arange(16_352) // 64 % 251).astype("u1")[None, None]
    do("write 16352 voxels", "POST", f"{p}/0/0/0/0/0/0", block(wide), OCTETS)
    do("an answer of 16364 bytes comes in chunks", "GET", f"{p}/0/0/0/0/0/0")
    do("write 16351 voxels", "POST", f"{p}/0/0/0/0/0/0", block(wide[:, :, :-1]), OCTETS)
    do("an answer of 16363 bytes has a length", "GET", f"{p}/0/0/0/0/0/0")
    start = len("GET  HTTP/1.1") + len(do.fill_in(p)) + len("/0/0/0/0/0/0?")
    do("a request line of 4095 characters", "GET", f"{p}/0/0/0/0/0/0?" + "a" * (4095 - start))
    do("a request line of 4096 characters", "GET", f"{p}/0/0/0/0/0/0?" + "a" * (4096 - start))
    do("a body of 10 MiB", "POST", f"{p}/1/0/0/0/0/0", header(1, 1, 1) + bytes(BODY_LIMIT - 12), OCTETS)
    do("a body of 10 MiB and one byte", "POST", f"{p}/1/0/0/0/0/0", header(1, 1, 1) + bytes(BODY_LIMIT - 11), OCTETS)


def texts(do: Recorder) -> None:
    n = "/datasets/{MAIN}/common-metadata"
    do("no common metadata", "GET", n)
    do("set common metadata", "POST", n, "na\u00efve text", TEXT)
    do("get common metadata", "GET", n)
    do("set common metadata as JSON", "POST", n, "{}", JSON)
    do("set common metadata without content type", "POST", n, "text")
    do("common metadata of 255 characters", "POST", n, "x" * 255, TEXT)
    do("common metadata of 256 characters", "POST", n, "x" * 256, TEXT)
    do("common metadata of an unknown dataset", "GET", "/datasets/nope/common-metadata")
    do("common metadata is no version", "DELETE", n)


def versions(do: Recorder) -> None:
    n = "/datasets/{PLAIN}"
    v = n + "/1/1/1"
    old, new = ramp((4, 4, 4), "u2", 30), ramp((4, 4, 4), "u2", 31)
    do("create for versions", "POST", "/datasets", dataset(label="plain"), JSON, binds="PLAIN")
    do("write to version 0", "POST", f"{v}/0/0/0/0/0/0/0/1/0/0/0/0/0", block(old) + block(old), OCTETS)
    do("open new", "GET", f"{v}/new/write")
    do("a new version is empty", "GET", f"{v}/1/0/0/0/0/0/0")
    do("write to version 1", "POST", f"{v}/1/1/0/0/0/0/0/0/1/0/0/0/0", block(new) + block(new), OCTETS)
    do("latest is 1", "GET", f"{v}/latest/read")
    do("version 1 has its own blocks only", "GET", f"{v}/1/0/0/0/0/0/0/1/0/0/0/0/0/0/1/0/0/0/0")
    do("version 0 is unchanged", "GET", f"{v}/0/0/0/0/0/0/0/1/0/0/0/0/0/0/1/0/0/0/0")
    do(
        "mixedLatest has both, the later first",
        "GET",
        f"{v}/mixedLatest/0/0/0/0/0/0/1/0/0/0/0/0/0/1/0/0/0/0/1/1/1/0/0/0",
    )
    do("open new by HEAD makes a version, too", "HEAD", f"{v}/new/read-write")
    do("query with three versions", "GET", n)
    do("write to an older version", "POST", f"{v}/0/1/1/0/0/0/0", block(new), OCTETS)
    do("delete an absent version", "DELETE", f"{n}/9")
    do("delete no version", "DELETE", f"{n}/latest")
    do("delete a version", "DELETE", f"{n}/2")
    do("delete a version by GET", "GET", f"{n}/1/delete")
    do("query after deletion", "GET", n)
    do("delete the last version", "DELETE", f"{n}/0")
    do("numbers are used again", "GET", f"{v}/new/write")
    do("delete, then fail", "DELETE", f"{n}/1/7")
    do("the first was deleted", "GET", f"{v}/1/read")
    do("delete a version of an unknown dataset", "DELETE", "/datasets/nope/0")
    do("DELETE on a prefix is a list of versions", "DELETE", f"{n}/2/2/1/0/")
    do("a phantom: read a version that is not there", "GET", f"{v}/5/0/0/0/0/0/0")
    do("the phantom is listed", "GET", n)
    do("the phantom is the latest", "GET", f"{v}/latest/read")
    do("mixedLatest fails", "GET", f"{v}/mixedLatest/0/0/0/0/0/0")
    do("delete the phantom", "DELETE", f"{n}/5")
    do("mixedLatest works again", "GET", f"{v}/mixedLatest/0/0/0/0/0/0")


def pyramid(do: Recorder) -> None:
    n = "/datasets/{PLAIN}"
    do("rebuild", "PATCH", f"{n}/0/0/0/0/rebuild")
    do("the lower level is the mean, missing blocks count as zeros", "GET", f"{n}/2/2/1/0/0/0/0/0/0/0/1/0/0/0/0/0")
    do("rebuild an unknown channel", "PATCH", f"{n}/0/9/0/0/rebuild")
    do("rebuild an unknown dataset", "PATCH", "/datasets/nope/0/0/0/0/rebuild")
    do("rebuild by GET", "GET", f"{n}/0/0/0/0/rebuild")


def channels(do: Recorder) -> None:
    n = "/datasets/{PLAIN}"
    do("open new before channels are added", "GET", f"{n}/1/1/1/new/write")
    do("channels", "GET", f"{n}/channels")
    do("add two channels", "POST", f"{n}/channels", "2", TEXT)
    do("add one channel by an empty body", "POST", f"{n}/channels")
    do("channels after adding", "GET", f"{n}/channels")
    do("query after adding channels", "GET", n)
    do(
        "write to an added channel of both versions",
        "POST",
        f"{n}/1/1/1/0/0/0/0/0/2/0",
        block(ramp((4, 4, 4), "u2", 40)),
        OCTETS,
    )
    do("an added channel exists in every version", "GET", f"{n}/1/1/1/1/0/0/0/0/3/0")
    do("one channel further", "GET", f"{n}/1/1/1/1/0/0/0/0/4/0")
    do("add no integer", "POST", f"{n}/channels", " 1", TEXT)
    do("add channels to an unknown dataset", "POST", "/datasets/nope/channels", "1", TEXT)
    do("channels of an unknown dataset", "GET", "/datasets/nope/channels")
    do("PUT channels", "PUT", f"{n}/channels", "1", TEXT)
    do("add channels where the type is in upper case", "POST", "/datasets/{BARE}/channels", "1", TEXT)


def viewer(do: Recorder) -> None:
    n, b = "/datasets/{PLAIN}", "/bdv/{PLAIN}"
    do("XML of one version", "GET", f"{n}/0")
    do("XML of mixedLatest", "GET", f"{n}/mixedLatest")
    do("XML of all versions", "GET", f"{n}/all")
    do("XML of an absent version", "GET", f"{n}/9")
    do("XML of latest", "GET", f"{n}/latest")
    do("XML of an unknown dataset", "GET", "/datasets/nope/all")
    do("XML of angles and time points", "GET", "/datasets/{MAIN}/0")
    do("list for the viewer", "GET", f"{n}/json")
    do("thumbnail", "GET", f"{n}/mixedLatest/png")
    do("thumbnail of a number", "GET", f"{n}/0/png")
    do("settings", "GET", f"{n}/0/settings")
    do("BigDataServer list", "GET", f"{b}/json")
    do("BigDataServer XML", "GET", f"{b}/0")
    do("BigDataServer cell before init", "GET", f"{b}/0?p=cell/0/0/0/0/4/4/4/0/0/0")
    do("BigDataServer init", "GET", f"{b}/0?p=init")
    do("BigDataServer cell", "GET", f"{b}/0?p=cell/0/0/0/0/4/4/4/0/0/0")
    do("BigDataServer missing cell", "GET", f"{b}/0?p=cell/0/0/1/0/4/4/4/0/0/0")
    do("BigDataServer something else", "GET", f"{b}/0?p=other")
    do("BigDataServer latest", "GET", f"{b}/latest")
    do("BigDataServer absent version", "GET", f"{b}/9")
    do("BigDataServer settings", "GET", f"{b}/0/settings")
    do("BigDataServer thumbnail", "GET", f"{b}/0/png")


def oddities(do: Recorder) -> None:
    levels = [{"resolutions": [2, 2, 1], "blockDimensions": [4, 4, 4]}]
    do(
        "create without the full resolution",
        "POST",
        "/datasets",
        dataset(resolutionLevels=levels),
        JSON,
        binds="COARSE",
    )
    do("missing block without the full resolution", "GET", "/datasets/{COARSE}/2/2/1/0/0/0/0/0/0/0")
    levels = [{"resolutions": [1, 1, 1], "blockDimensions": [4, 4, 4]}] * 2
    do("create the same level twice", "POST", "/datasets", dataset(resolutionLevels=levels), JSON, binds="TWICE")
    do("open it", "GET", "/datasets/{TWICE}/1/1/1/0/read")
    do("create with a number as label", "POST", "/datasets", dataset(label="7"), JSON, binds="SEVEN")
    do("the label is taken for a version", "GET", "/datasets/{SEVEN}")
    do("opening new fails there", "GET", "/datasets/{SEVEN}/1/1/1/new/write")
    long = {"value": 1.0, "unit": "u" * 200}
    do(
        "create with too long a unit answers 200",
        "POST",
        "/datasets",
        dataset(timepointResolution=long),
        JSON,
        binds="LOST",
    )
    do("but there is no such dataset", "GET", "/datasets/{LOST}")
    do("its folder can be registered", "POST", "/datasets/{LOST}")
    do("and then is a dataset", "GET", "/datasets/{LOST}")
    do("register twice", "POST", "/datasets/{LOST}", "", TEXT)
    do("register nothing", "POST", "/datasets/nope")
    do("register with the wrong content type", "POST", "/datasets/nope", "{}", JSON)
    do("new version to survive version 0", "GET", "/datasets/{LOST}/1/1/1/new/write")
    do("delete version 0", "DELETE", "/datasets/{LOST}/0")
    do("query without version 0", "GET", "/datasets/{LOST}")
    do("open without version 0", "GET", "/datasets/{LOST}/1/1/1/1/read")
    do("block without version 0", "GET", "/datasets/{LOST}/1/1/1/1/0/0/0/0/0/0")
    do("delete dataset without version 0", "DELETE", "/datasets/{LOST}")


def pyramids_by_a_process(do: Recorder) -> None:
    do("create for a multi-resolution write", "POST", "/datasets", dataset(), JSON, binds="MULTI")
    n, d = "/datasets/{MULTI}", "{DEDICATED}"
    do("one level is not enough", "GET", f"{n}/2/2/1/write")
    do("the full level cannot be used", "GET", f"{n}/1/1/1/2/2/1/write")
    do("unknown level among several", "GET", f"{n}/2/2/1/8/8/1/write")
    do("several levels to read", "GET", f"{n}/2/2/1/2/2/1/read")
    do("three levels", "GET", f"{n}/2/2/1/2/2/1/2/2/1/write")
    do("new version before a multi-resolution write", "GET", f"{n}/1/1/1/new/write")
    do("open for a multi-resolution write", "GET", f"{n}/2/2/1/2/2/1/write?timeout=60000", binds="DEDICATED")
    do("it has deleted all versions but one", "GET", n)
    do("status of the process", "GET", "/", host=d)
    do("datatype from the process", "GET", "/datatype/0/0/0", host=d)
    do("read from the process", "GET", "/0/0/0/0/0/0", host=d)
    do("write to the process", "POST", "/0/0/0/0/0/0", block(ramp((4, 4, 4), "u2", 50)), OCTETS, host=d)
    do("write to the process with the wrong content type", "POST", "/0/0/0/0/0/0", b"", JSON, host=d)
    do("stop the process", "POST", "/stop", host=d)


def ending(do: Recorder) -> None:
    do("delete a dataset", "DELETE", "/datasets/{PLAIN}")
    do("it is gone", "GET", "/datasets/{PLAIN}")
    do("its blocks are gone", "GET", "/datasets/{PLAIN}/1/1/1/0/0/0/0/0/0/0")
    do("delete it again", "DELETE", "/datasets/{PLAIN}")
    do("delete a dataset by GET", "GET", "/datasets/{MAIN}/delete")
    do("that one is gone, too", "GET", "/datasets/{MAIN}")


def story(do: Recorder) -> None:
    for chapter in (
        server, creation, opening, voxels, types, texts, versions, pyramid, channels, viewer, oddities,
        pyramids_by_a_process, ending,
    ):  # fmt: skip
        chapter(do)


if __name__ == "__main__":
    with pathlib.Path(sys.argv[2]).open("w") as out:
        recorder = Recorder(sys.argv[1], out)
        story(recorder)
    sys.stdout.write(f"{recorder.count} exchanges\n")
