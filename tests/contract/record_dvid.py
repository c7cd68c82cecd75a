"""Record what a real DVID server answers, exchange by exchange, as golden data for tests.

Usage: PYTHONPATH=tests/support record_dvid.py URL ADMIN_TOKEN OUT.jsonl [extra | objects]   (fresh server, numpy only)

The exchanges form one story that starts on an empty server and is replayed in order. Version uuids are chosen by
the client, so that they are the same in every recording. With ``extra`` another story is told, of odd requests and
what becomes of them, with ``objects`` one of keys, regions and pictures. One JSON object a line:

  name      what this exchange shows
  section   core, roi, keyvalue or labels: which part of a server it needs
  request   method, path (with query), body; headers, if there are any of interest
  response  status, headers (only those a client may rely on), body

A body is {"text": ...} or {"zlib64": ..., "bytes": N, "sha256": ...}.
An exchange with "holds": N sends its head and half of its body, waits while the next N exchanges are made on other
connections, and then sends the rest: that is how a throttle slot is seen taken.
"""

from __future__ import annotations

import json
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from dvid_recorder import ROOT, Body, Recorder
from numpy.typing import NDArray

CHILD = "b" * 32
GRANDCHILD = "c" * 32
BRANCH = "d" * 32
REPOSITORY = f"/api/repo/{ROOT}"
NODE = f"/api/node/{ROOT}"
VOXELS = f"{NODE}/gray/raw/0_1_2"


def ramp(shape_zyx: tuple[int, ...], dtype: str, seed: int) -> NDArray[Any]:
    """Asymmetric voxels: every wrong axis order or byte order shows."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape_zyx).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, size=shape_zyx, dtype=dtype, endpoint=True)


def smooth_labels(shape_zyx: tuple[int, int, int], seed: int, count: int) -> NDArray[Any]:
    z, y, x = np.indices(shape_zyx)
    cell = (x // 13) + 7 * (y // 11) + 31 * (z // 17)
    table: NDArray[Any] = np.random.default_rng(seed).integers(1, 2**40, size=4096, dtype="u8")
    chosen: NDArray[Any] = table[cell % count].astype("<u8")
    return chosen


def server_and_repositories(do: Recorder) -> None:
    """What is there before any data."""
    do("empty server lists no repos", "GET", "/api/repos/info")
    do("types in use on an empty server", "GET", "/api/server/types")
    do("compiled types", "GET", "/api/server/compiled-types")
    do("repo creation needs the admin token", "POST", "/api/repos", {"alias": "golden"})
    do(
        "create repo",
        "POST",
        "/api/repos?admintoken=TOKEN",
        {"alias": "golden", "description": "recorded", "root": ROOT},
    )
    do("create repo twice", "POST", "/api/repos?admintoken=TOKEN", {"alias": "golden", "root": ROOT})
    do("repo exists", "HEAD", f"/api/repo/{ROOT}")
    do("repo unknown", "HEAD", "/api/repo/fff")
    do("repo info", "GET", f"{REPOSITORY}/info")
    do("unrouted path", "GET", "/api/nothing")
    do("unknown version", "GET", "/api/node/fff/gray/info")
    do("unknown instance", "GET", f"{NODE}/gray/info")


def instances(do: Recorder) -> None:
    """Six types of voxels, and what cannot be created."""
    for name, kind in (
        ("gray", "uint8blk"),
        ("rgba", "rgba8blk"),
        ("u16", "uint16blk"),
        ("u32", "uint32blk"),
        ("u64", "uint64blk"),
        ("f32", "float32blk"),
    ):
        do(
            f"create {kind}",
            "POST",
            f"{REPOSITORY}/instance",
            {"typename": kind, "dataname": name, "BlockSize": "32,32,32", "VoxelSize": "4,4,40"},
        )
    do("create instance twice", "POST", f"{REPOSITORY}/instance", {"typename": "uint8blk", "dataname": "gray"})
    do("create without typename", "POST", f"{REPOSITORY}/instance", {"dataname": "x"})
    do("create unknown type", "POST", f"{REPOSITORY}/instance", {"typename": "int16blk", "dataname": "x"})
    do(
        "create with list instead of string",
        "POST",
        f"{REPOSITORY}/instance",
        {"typename": "uint8blk", "dataname": "x", "BlockSize": [32, 32, 32]},
    )
    do("create with reserved name", "POST", f"{REPOSITORY}/instance", {"typename": "uint8blk", "dataname": "note"})
    do("empty volume info", "GET", f"{NODE}/gray/info")
    do("empty volume metadata", "GET", f"{NODE}/gray/metadata")
    do("rgba metadata", "GET", f"{NODE}/rgba/metadata")
    do("read of an empty volume is zeros", "GET", f"{NODE}/gray/raw/0_1_2/5_4_3/10_20_30")


def voxels(do: Recorder) -> None:
    """Writing and reading boxes."""
    gray = ramp((32, 64, 32), "u1", 1)  # z, y, x
    do("write aligned uint8", "POST", f"{NODE}/gray/raw/0_1_2/32_64_32/0_32_64", gray.tobytes())
    do("info after one write", "GET", f"{NODE}/gray/info")
    do("metadata after one write", "GET", f"{NODE}/gray/metadata")
    do("read it whole", "GET", f"{NODE}/gray/raw/0_1_2/32_64_32/0_32_64")
    do("read a part", "GET", f"{NODE}/gray/raw/0_1_2/7_5_3/11_40_70")
    do("read across the edge", "GET", f"{NODE}/gray/raw/0_1_2/6_4_5/-3_30_62")
    do("read one small box, no chunking", "GET", f"{NODE}/gray/raw/0_1_2/2_2_2/0_32_64")
    do(
        "write at a negative offset",
        "POST",
        f"{NODE}/gray/raw/0_1_2/32_32_32/-32_0_-64",
        ramp((32, 32, 32), "u1", 2).tobytes(),
    )
    do("read at a negative offset", "GET", f"{NODE}/gray/raw/0_1_2/3_2_2/-5_1_-40")
    do("extents after the negative write", "GET", f"{NODE}/gray/info")
    do(
        "overwrite with mutate",
        "POST",
        f"{NODE}/gray/raw/0_1_2/32_32_32/0_32_64?mutate=true",
        ramp((32, 32, 32), "u1", 3).tobytes(),
    )
    do("read after mutate", "GET", f"{NODE}/gray/raw/0_1_2/4_3_2/30_62_64")


def bad_boxes(do: Recorder) -> None:
    """Boxes and verbs that are refused."""
    do("body too short", "POST", f"{NODE}/gray/raw/0_1_2/32_32_32/0_0_0", b"hello")
    do("body too long", "POST", f"{NODE}/gray/raw/0_1_2/32_32_32/0_0_0", bytes(32**3 + 1))
    do("unaligned offset", "POST", f"{NODE}/gray/raw/0_1_2/32_32_32/0_0_1", bytes(32**3))
    do("unaligned size", "POST", f"{NODE}/gray/raw/0_1_2/32_32_31/0_0_0", bytes(32 * 32 * 31))
    do("unaligned and short", "POST", f"{NODE}/gray/raw/0_1_2/32_32_31/0_0_0", b"hello")
    do("2-d write", "POST", f"{NODE}/gray/raw/0_1/32_32/0_0_0", bytes(32 * 32))
    do("zero size read", "GET", f"{NODE}/gray/raw/0_1_2/0_10_10/0_0_0")
    do("bad dims", "GET", f"{NODE}/gray/raw/1_0/10_10/0_0_0")
    do("two-dimensional offset", "GET", f"{NODE}/gray/raw/0_1_2/10_10_10/0_0")
    do("not a number", "GET", f"{NODE}/gray/raw/0_1_2/a_10_10/0_0_0")
    do("too few parts", "GET", f"{NODE}/gray/raw/0_1_2/10_10_10")
    do("over the size limit", "GET", f"{NODE}/gray/raw/0_1_2/2000_2000_2000/0_0_0")
    do("unknown endpoint", "GET", f"{NODE}/gray/nothing")
    do("HEAD on voxels", "HEAD", f"{NODE}/gray/raw/0_1_2/2_2_2/0_0_0")
    do("DELETE on voxels", "DELETE", f"{NODE}/gray/raw/0_1_2/2_2_2/0_0_0")
    do("format on 3-d is ignored", "GET", f"{NODE}/gray/raw/0_1_2/2_2_2/0_32_64/png")
    do("2-d xy png", "GET", f"{NODE}/gray/raw/0_1/8_4/0_32_64")
    do("2-d xz png", "GET", f"{NODE}/gray/raw/xz/8_4/0_32_64/png")
    do("2-d yz png", "GET", f"{NODE}/gray/raw/1_2/8_4/0_32_64/png")
    do("extents cannot be read", "GET", f"{NODE}/gray/extents")


def types(do: Recorder) -> None:
    """The other types of voxels, resolution, extents."""
    for name, dtype, channels in (
        ("rgba", "u1", 4),
        ("u16", "<u2", 1),
        ("u32", "<u4", 1),
        ("u64", "<u8", 1),
        ("f32", "<f4", 1),
    ):
        shape = (32, 32, 32, channels) if channels > 1 else (32, 32, 32)
        do(f"write {name}", "POST", f"{NODE}/{name}/raw/0_1_2/32_32_32/32_0_0", ramp(shape, dtype, 5).tobytes())
        do(f"read {name}", "GET", f"{NODE}/{name}/raw/0_1_2/3_2_2/33_1_1")
        do(f"{name} metadata", "GET", f"{NODE}/{name}/metadata")
    do("set resolution", "POST", f"{NODE}/u16/resolution", [8.0, 8.0, 20.0])
    do("resolution seen in metadata", "GET", f"{NODE}/u16/metadata")
    do("set extents", "POST", f"{NODE}/u16/extents", {"MinPoint": [0, 0, 0], "MaxPoint": [299, 399, 499]})
    do("extents seen in metadata", "GET", f"{NODE}/u16/metadata")


def blocks(do: Recorder) -> None:
    """Block endpoints."""
    do("blocks along x", "GET", f"{NODE}/gray/blocks/0_1_2/2")
    do("subvolblocks uncompressed", "GET", f"{NODE}/gray/subvolblocks/64_64_32/0_32_64?compression=uncompressed")
    do("subvolblocks unaligned", "GET", f"{NODE}/gray/subvolblocks/32_32_32/1_0_0?compression=uncompressed")
    do("specificblocks uncompressed", "GET", f"{NODE}/gray/specificblocks?blocks=0,1,2,5,5,5&compression=uncompressed")


def roi(do: Recorder) -> None:
    """Regions of interest."""
    do(
        "create roi",
        "POST",
        f"{REPOSITORY}/instance",
        {"typename": "roi", "dataname": "region", "BlockSize": "32,32,32"},
    )
    do("empty roi", "GET", f"{NODE}/region/roi")
    do("post roi", "POST", f"{NODE}/region/roi", [[2, 1, 0, 0], [2, 2, 0, 1]])
    do("get roi", "GET", f"{NODE}/region/roi")
    do("roi info", "GET", f"{NODE}/region/info")
    do("roi mask", "GET", f"{NODE}/region/mask/0_1_2/40_40_4/0_30_62")
    do("roi ptquery", "POST", f"{NODE}/region/ptquery", [[5, 40, 70], [5, 5, 5]])
    do("masked read", "GET", f"{NODE}/gray/raw/0_1_2/40_8_2/0_32_64?roi=region")
    do("masked read, unknown roi", "GET", f"{NODE}/gray/raw/0_1_2/4_4_4/0_0_0?roi=nope")


def keyvalue(do: Recorder) -> None:
    """Keys and values."""
    do("create keyvalue", "POST", f"{REPOSITORY}/instance", {"typename": "keyvalue", "dataname": "kv"})
    do("no keys", "GET", f"{NODE}/kv/keys")
    do("put key", "POST", f"{NODE}/kv/key/greeting", b"hello")
    do("put second key", "POST", f"{NODE}/kv/key/zebra", b'{"legs": 4}')
    do("get key", "GET", f"{NODE}/kv/key/greeting")
    do("head key", "HEAD", f"{NODE}/kv/key/greeting")
    do("get missing key", "GET", f"{NODE}/kv/key/nothing")
    do("keys", "GET", f"{NODE}/kv/keys")
    do("keyrange", "GET", f"{NODE}/kv/keyrange/a/h")
    do("keyvalues as json", "GET", f"{NODE}/kv/keyvalues?json=true", ["zebra"])
    do("delete key", "DELETE", f"{NODE}/kv/key/zebra")
    do("keys after delete", "GET", f"{NODE}/kv/keys")


def labels(do: Recorder) -> None:
    """Label volumes."""
    do(
        "create labelmap",
        "POST",
        f"{REPOSITORY}/instance",
        {"typename": "labelmap", "dataname": "seg", "BlockSize": "64,64,64", "MaxDownresLevel": "2"},
    )
    do(
        "create labelblk",
        "POST",
        f"{REPOSITORY}/instance",
        {"typename": "labelblk", "dataname": "oldseg", "BlockSize": "32,32,32"},
    )
    do("labelmap info, empty", "GET", f"{NODE}/seg/info")
    do(
        "labelmap bad block size",
        "POST",
        f"{REPOSITORY}/instance",
        {"typename": "labelmap", "dataname": "x", "BlockSize": "20,20,20"},
    )
    do("one unset aligned block", "GET", f"{NODE}/seg/raw/0_1_2/64_64_64/0_0_0")
    do("one unset aligned block, lz4", "GET", f"{NODE}/seg/raw/0_1_2/64_64_64/0_0_0?compression=lz4")
    do("unset, not one block", "GET", f"{NODE}/seg/raw/0_1_2/3_3_3/0_0_0")


def label_reads(do: Recorder) -> None:
    """Written labels, in every compression and scale."""
    seg = smooth_labels((64, 64, 128), 7, 40)
    do("write labels", "POST", f"{NODE}/seg/raw/0_1_2/128_64_64/0_0_0?mutate=true", seg.tobytes())
    do("read labels", "GET", f"{NODE}/seg/raw/0_1_2/9_8_7/20_10_30")
    do("read labels lz4", "GET", f"{NODE}/seg/raw/0_1_2/64_64_64/0_0_0?compression=lz4")
    do("read labels gzip", "GET", f"{NODE}/seg/raw/0_1_2/64_64_64/0_0_0?compression=gzip")
    do("read labels google", "GET", f"{NODE}/seg/raw/0_1_2/64_64_64/0_0_0?compression=google")
    do("read labels googlegzip", "GET", f"{NODE}/seg/raw/0_1_2/64_64_64/0_0_0?compression=googlegzip")
    do("read labels, unknown compression", "GET", f"{NODE}/seg/raw/0_1_2/64_64_64/0_0_0?compression=zz")
    do("read labels scale 1", "GET", f"{NODE}/seg/raw/0_1_2/16_16_16/0_0_0?scale=1")
    do("read labels scale 2", "GET", f"{NODE}/seg/raw/0_1_2/8_8_8/0_0_0?scale=2")
    do("labels unaligned write", "POST", f"{NODE}/seg/raw/0_1_2/64_64_64/0_0_1", bytes(8 * 64**3))
    do("labels short write", "POST", f"{NODE}/seg/raw/0_1_2/64_64_64/0_0_0", bytes(800))
    do("label blocks native", "GET", f"{NODE}/seg/blocks/128_64_64/0_0_0?compression=blocks")
    do("label blocks lz4", "GET", f"{NODE}/seg/blocks/64_64_64/0_0_0?compression=lz4")
    do("label blocks with unset ones", "GET", f"{NODE}/seg/blocks/64_64_64/0_0_64?compression=blocks")


def label_queries(do: Recorder) -> None:
    """Labels at points, copies of blocks."""
    do("label at a point", "GET", f"{NODE}/seg/label/20_10_30")
    do("labels at points", "GET", f"{NODE}/seg/labels", [[20, 10, 30], [127, 63, 63], [500, 500, 500]])
    do("labels at points by POST", "POST", f"{NODE}/seg/labels", [[20, 10, 30]])
    native = do(
        "label blocks native, to copy", "GET", f"{NODE}/seg/blocks/128_64_64/0_0_0?compression=blocks&supervoxels=true"
    )
    do(
        "create second labelmap",
        "POST",
        f"{REPOSITORY}/instance",
        {"typename": "labelmap", "dataname": "copy", "BlockSize": "64,64,64"},
    )
    do("post native label blocks", "POST", f"{NODE}/copy/blocks?compression=blocks", native)
    do("read the copied labels", "GET", f"{NODE}/copy/raw/0_1_2/9_8_7/20_10_30")
    do("empty labelmap has no maxlabel", "GET", f"{NODE}/oldseg/maxlabel")


def label_indices(do: Recorder) -> None:
    """Sizes, sparse volumes, merging."""
    seg = smooth_labels((64, 64, 128), 7, 40)
    time.sleep(3)  # indexing is asynchronous
    first, second = (int(v) for v in np.unique(seg)[:2])
    do("maxlabel", "GET", f"{NODE}/seg/maxlabel")
    do("size of a label", "GET", f"{NODE}/seg/size/{first}")
    do("size of an absent label", "GET", f"{NODE}/seg/size/12345")
    do("sizes", "GET", f"{NODE}/seg/sizes", [first, 12345])
    do("sparsevol rles", "GET", f"{NODE}/seg/sparsevol/{first}")
    do("sparsevol blocks", "GET", f"{NODE}/seg/sparsevol/{first}?format=blocks")
    do("sparsevol of an absent label", "GET", f"{NODE}/seg/sparsevol/12345")
    do("sparsevol coarse", "GET", f"{NODE}/seg/sparsevol-coarse/{first}")
    do("sparsevol size", "GET", f"{NODE}/seg/sparsevol-size/{first}")
    do("sparsevol within bounds", "GET", f"{NODE}/seg/sparsevol/{first}?minx=0&maxx=15&miny=0&maxy=15&minz=0&maxz=15")
    do("supervoxels of a label", "GET", f"{NODE}/seg/supervoxels/{first}")
    do("merge two labels", "POST", f"{NODE}/seg/merge", [first, second])
    do("mapping after merge", "GET", f"{NODE}/seg/mapping", [first, second, 12345])
    do("size after merge", "GET", f"{NODE}/seg/size/{first}")
    do("merge into an absent label", "POST", f"{NODE}/seg/merge", [12345, first])
    do("blocks after merge, mapped", "GET", f"{NODE}/seg/blocks/64_64_64/0_0_0?compression=blocks")
    do(
        "blocks after merge, supervoxels",
        "GET",
        f"{NODE}/seg/blocks/64_64_64/0_0_0?compression=blocks&supervoxels=true",
    )
    do("cleave it off again", "POST", f"{NODE}/seg/cleave/{first}", [second])
    do("label zero is background", "GET", f"{NODE}/seg/size/0")
    do("labelblk write", "POST", f"{NODE}/oldseg/raw/0_1_2/32_32_32/0_0_0", smooth_labels((32, 32, 32), 8, 5).tobytes())
    do("labelblk read lz4", "GET", f"{NODE}/oldseg/raw/0_1_2/32_32_32/0_0_0?compression=lz4")


def throttle(do: Recorder) -> None:
    """Harmless while nobody else is throttled, 503 while the only slot is taken."""
    small = "2_2_2/0_32_64"
    do("throttled read", "GET", f"{NODE}/gray/raw/0_1_2/{small}?throttle=on")

    def while_taken(do: Recorder) -> None:
        do("throttled read, slot taken", "GET", f"{NODE}/gray/raw/0_1_2/{small}?throttle=on")
        do("throttled read spelled true, slot taken", "GET", f"{NODE}/gray/raw/0_1_2/{small}?throttle=true")
        do("throttled write, slot taken", "POST", f"{NODE}/gray/raw/0_1_2/32_32_32/0_32_64?throttle=on", bytes(32**3))
        do("throttled read spelled 1 is not throttled", "GET", f"{NODE}/gray/raw/0_1_2/{small}?throttle=1")
        do("plain read, slot taken", "GET", f"{NODE}/gray/raw/0_1_2/{small}")
        do("throttled subvolblocks, slot taken", "GET", f"{NODE}/gray/subvolblocks/32_32_32/0_32_64?throttle=on")
        do("throttled label read, slot taken", "GET", f"{NODE}/seg/raw/0_1_2/4_4_4/0_0_0?throttle=on")
        do("throttled 2-d read, slot taken", "GET", f"{NODE}/gray/raw/0_1/2_2/0_32_64?throttle=on")

    do.hold(
        "throttled write that holds the slot",
        f"{NODE}/u16/raw/0_1_2/32_32_32/64_0_0?throttle=on",
        ramp((32, 32, 32), "<u2", 11).tobytes(),
        while_taken,
    )
    do("throttled read, slot free again", "GET", f"{NODE}/u16/raw/0_1_2/2_2_2/64_0_0?throttle=on")
    do("settings need the admin token", "POST", "/api/server/settings", {"throttle": "2"})
    do("settings want text", "POST", "/api/server/settings?admintoken=TOKEN", {"throttle": 2})
    do("two throttle slots", "POST", "/api/server/settings?admintoken=TOKEN", {"throttle": "2"})
    do.hold(
        "throttled write that holds one of two slots",
        f"{NODE}/u16/raw/0_1_2/32_32_32/96_0_0?throttle=on",
        ramp((32, 32, 32), "<u2", 12).tobytes(),
        lambda do: do("throttled read, second slot", "GET", f"{NODE}/gray/raw/0_1_2/{small}?throttle=on"),
    )
    do("one throttle slot again", "POST", "/api/server/settings?admintoken=TOKEN", {"throttle": "1"})


def notes(do: Recorder) -> None:
    """Notes, logs, names."""
    do("note", "POST", f"{NODE}/note", {"note": "a note"})
    do("note without the key wipes it", "POST", f"{NODE}/note", {"text": "x"})
    do("note wiped", "GET", f"{NODE}/note")
    do("log", "POST", f"{NODE}/log", {"log": ["one line"]})
    do("repo log", "POST", f"{REPOSITORY}/log", {"log": ["a repo line"]})
    do("rename repo", "POST", f"{REPOSITORY}/info", {"alias": "golden again", "description": "renamed"})
    do(
        "gzip upload is taken as raw bytes",
        "POST",
        f"{NODE}/gray/raw/0_1_2/32_32_32/0_32_64",
        zlib.compress(bytes(32**3)),
    )


def versions(do: Recorder) -> None:
    """Commit, new versions, branches."""
    do("status open", "GET", f"{NODE}/status")
    do("newversion of an open node", "POST", f"{NODE}/newversion", {"note": "x", "uuid": CHILD})
    do("commit without body", "POST", f"{NODE}/commit")
    do("commit", "POST", f"{NODE}/commit", {"note": "first data", "log": ["recorded"]})
    do("status locked", "GET", f"{NODE}/status")
    do("write to a locked node", "POST", f"{NODE}/gray/raw/0_1_2/32_32_32/0_32_64", bytes(32**3))
    do("key write to a locked node", "POST", f"{NODE}/kv/key/late", b"late")
    do("instance on a locked node", "POST", f"{REPOSITORY}/instance", {"typename": "uint8blk", "dataname": "late"})
    do("note on a locked node", "POST", f"{NODE}/note", {"note": "late"})
    do("newversion", "POST", f"{NODE}/newversion", {"note": "second", "uuid": CHILD})
    do("second child on the same branch", "POST", f"{NODE}/newversion", {"note": "again", "uuid": GRANDCHILD})
    do("branch", "POST", f"{NODE}/branch", {"branch": "dev", "note": "a branch", "uuid": BRANCH})


def version_reads(do: Recorder) -> None:
    """What the versions hold and how they are named."""
    do("child inherits voxels", "GET", f"/api/node/{CHILD}/gray/raw/0_1_2/3_2_2/1_63_65")
    do(
        "write to the child",
        "POST",
        f"/api/node/{CHILD}/gray/raw/0_1_2/32_32_32/0_32_64?mutate=true",
        ramp((32, 32, 32), "u1", 9).tobytes(),
    )
    do("child sees its write", "GET", f"/api/node/{CHILD}/gray/raw/0_1_2/3_2_2/1_40_65")
    do("parent is unchanged", "GET", f"{NODE}/gray/raw/0_1_2/3_2_2/1_40_65")
    do("branch is unchanged", "GET", f"/api/node/{BRANCH}/gray/raw/0_1_2/3_2_2/1_40_65")
    do("leaf of master", "GET", "/api/node/:master/gray/raw/0_1_2/3_2_2/1_40_65")
    do("one before the leaf", "GET", "/api/node/:master~1/gray/raw/0_1_2/3_2_2/1_40_65")
    do("too far back", "GET", "/api/node/:master~9/status")
    do("prefix and branch", "GET", f"/api/node/{ROOT[:4]}:dev/status")
    do("short prefix", "GET", "/api/node/b/status")
    do("branch versions", "GET", f"{REPOSITORY}/branch-versions/master")
    do("branch versions of dev", "GET", f"{REPOSITORY}/branch-versions/dev")


def tags(do: Recorder) -> None:
    """Tags, and versions that cannot be made."""
    do("commit the child", "POST", f"/api/node/{CHILD}/commit", {"note": "child done"})
    do("tag", "POST", f"/api/node/{CHILD}/tag", {"tag": "v1", "note": "release"})
    do("a tag is a locked version", "GET", "/api/node/v1/status")
    do("read through a tag", "GET", "/api/node/v1/gray/raw/0_1_2/3_2_2/1_40_65")
    do(
        "merge with an open branch",
        "POST",
        f"{REPOSITORY}/merge",
        {"mergeType": "conflict-free", "parents": [CHILD, BRANCH], "note": "m"},
    )
    do("bad child uuid", "POST", f"/api/node/{CHILD}/newversion", {"uuid": "xyz"})
    do("branch named master", "POST", f"/api/node/{CHILD}/branch", {"branch": "master"})
    do("branch name taken", "POST", f"/api/node/{CHILD}/branch", {"branch": "dev"})
    do("node note", "GET", f"{NODE}/note")
    do("node log", "GET", f"{NODE}/log")
    do("repos info with versions", "GET", "/api/repos/info")
    do("types in use", "GET", "/api/server/types")


def story(do: Recorder) -> None:
    """The story of dvid.jsonl."""
    for part in (
        server_and_repositories, instances, voxels, bad_boxes, types, blocks, roi, keyvalue, labels, label_reads,
        label_queries, label_indices, throttle, notes, versions, version_reads, tags,
    ):  # fmt: skip
        part(do)


def odd_json(do: Recorder) -> None:
    """Bodies that are no JSON, or other JSON than wanted."""
    for name, body in (
        ("no JSON", "nonsense"), ("cut short", '{"alias":'), ("a list", [1, 2]), ("a number", {"alias": 3}),
        ("a trailing comma", '{"alias":"x",}'), ("single quotes", "{'alias': 'x'}"), ("a bool", {"root": True}),
    ):  # fmt: skip
        do(f"create repo of {name}", "POST", "/api/repos?admintoken=TOKEN", body)
    do("create the repo", "POST", "/api/repos?admintoken=TOKEN", {"ALIAS": "odd", "root": ROOT})
    do("repo log that is text", "POST", f"{REPOSITORY}/log", {"log": "x"})
    do("repo log of numbers", "POST", f"{REPOSITORY}/log", {"log": [1]})
    do("settings that are no number", "POST", "/api/server/settings?admintoken=TOKEN", {"throttle": "x"})


def odd_paths(do: Recorder) -> None:
    """Paths beside the routes, and verbs beside the methods."""
    for method, path in (
        ("GET", REPOSITORY), ("GET", f"{REPOSITORY}/info/"), ("GET", f"{REPOSITORY}/nothing"), ("GET", NODE),
        ("POST", f"{NODE}/nothing"), ("DELETE", REPOSITORY), ("PUT", "/api/repos"), ("GET", "/api/node/fff/nothing"),
        ("OPTIONS", f"{NODE}/note"), ("OPTIONS", f"{NODE}/newversion"), ("GET", f"{NODE}//note"),
        ("GET", f"{NODE}/../{ROOT}/status"), ("GET", "/api/server/info/"),
    ):  # fmt: skip
        do(f"{method} {path}", method, path)


def odd_versions(do: Recorder) -> None:
    """Version specifiers that are read in unexpected ways."""
    for text in (
        "A" * 32, "a:b:c", f"{ROOT}:absent", f"{ROOT}:", ":master~0", ":master~1", ":master~x", f"{ROOT}~1",
        "%3Amaster", ":MASTER", "%61", ":",
    ):  # fmt: skip
        do(f"version {text}", "GET", f"/api/node/{text}/status")


def odd_instances(do: Recorder) -> None:
    """Settings of instances."""
    for name, settings in (
        ("one number as block", {"BlockSize": "32"}), ("words as block", {"BlockSize": "a,b,c"}),
        ("words as voxel size", {"VoxelSize": "a,b,c"}), ("background too large", {"Background": "256"}),
        ("jpeg quality", {"Compression": "jpeg:80"}), ("unknown checksum", {"Checksum": "md5"}),
        ("versioned maybe", {"Versioned": "maybe"}), ("null units", {"VoxelUnits": None}),
    ):  # fmt: skip
        do(
            f"create with {name}",
            "POST",
            f"{REPOSITORY}/instance",
            {"typename": "uint8blk", "dataname": "x"} | settings,
        )
    create = {"typename": "uint8blk", "dataname": "gray"}
    do("create gray", "POST", f"{REPOSITORY}/instance", create)
    full = {
        "TypeName": "uint8blk", "DATANAME": "full", "BlockSize": "16,32,64", "VoxelSize": "4.2,8,1e-3",
        "VoxelUnits": "microns,nm,s", "MinPoint": "0,0,0", "MaxPoint": "299,399,499", "Background": "7",
        "Compression": "gzip:3", "Checksum": "crc32", "Tags": "a=b,c=d,e", "versioned": False, "unknown": "1",
    }  # fmt: skip
    do("create with every setting", "POST", f"{REPOSITORY}/instance", full)
    do("every setting in info", "GET", f"{NODE}/full/info")
    do("write within the extents given at creation", "POST", f"{NODE}/full/raw/0_1_2/16_32_64/16_32_-64", bytes(32768))
    do("extents given at creation are gone", "GET", f"{NODE}/full/metadata/")
    do("an unset block is background", "GET", f"{NODE}/full/blocks/5_5_5/1")
    do("two axes as block", "POST", f"{REPOSITORY}/instance", create | {"dataname": "flat", "BlockSize": "32,32"})
    do("write where no block fits", "POST", f"{NODE}/flat/raw/0_1_2/32_32_32/0_0_0", bytes(32768))
    do("no units", "POST", f"{REPOSITORY}/instance", create | {"dataname": "unitless", "VoxelUnits": ""})


def odd_reads(do: Recorder) -> None:
    """Boxes of unusual form."""
    do("write to read", "POST", f"{VOXELS}/64_32_32/32_64_-32", ramp((32, 32, 64), "u1", 21).tobytes())
    for rest in (
        "raw", "raw/0_1_2/", "raw/0_1_2/1_1_1/0_0_0/", "raw/VOL/2_2_2/32_64_-32", "raw/0,1,2/2_2_2/32_64_-32",
        "raw/0_1_2/2,2,2/0_0_0", "raw/0_1_2/2_2/0_0_0", "raw/0_1_2/2_2_2_2/0_0_0", "raw/0_1_2/2/0_0_0",
        "raw/0_1_2/+2_2_2/%200_0_0", "raw/0_1_2/2_2_2/1.5_0_0", "raw/0_1_2/2_2_2/2147483648_0_0",
        "raw/0_1_2/2_2_2/-2147483649_0_0", "raw/0_1_2/-1_2_2/0_0_0", "raw/0_1_2/-1_-1_5/0_0_0", "raw/0/1/0",
        "raw/0_1_2_3/1_1_1_1/0_0_0_0", "raw/arb/1_1_1/0_0_0", "raw/xy/2_2/0_0_0/gif", "raw/xy/2_2_2/0_0_0",
        "raw/xy/2_2/0_0", "raw/xy/0_2/0_0_0", "raw/xy/9_5/32_64_-32/jpg:x", "isotropic/0_1_2/2_2_2/32_64_-32",
        "raw/0_1_2/2_2_2/32_64_-32?scale=3", "raw/0_1_2/12_12_12/30_60_-40", "raw/0_1_2/13_13_13/30_60_-40",
        "raw/0_1_2/2048_1_1/0_64_-32", "raw/0_1_2/2049_1_1/0_64_-32", "rawkey", "rawkey/x", "info/x", "tags",
    ):  # fmt: skip
        do(f"GET {rest}", "GET", f"{NODE}/gray/{rest}")


def odd_writes(do: Recorder) -> None:
    """Writes that are taken, and some that are not."""
    do("write of a box without a voxel", "POST", f"{VOXELS}/0_0_0/0_0_0", b"")
    do("write without a voxel, but a body", "POST", f"{VOXELS}/0_0_0/0_0_0", b"x")
    do("write without a voxel far away", "POST", f"{VOXELS}/0_0_0/640_640_640", b"")
    do("extents after writes without a voxel", "GET", f"{NODE}/gray/info")
    do("write of two negative sizes", "POST", f"{VOXELS}/-32_-32_32/0_0_0", bytes(32768))
    do("extents after two negative sizes", "GET", f"{NODE}/gray/metadata")
    do("write to isotropic", "POST", f"{NODE}/gray/isotropic/0_1_2/32_32_32/0_0_0", bytes(32768))
    do("write at an offset of two numbers", "POST", f"{VOXELS}/32_32_32/0_0", b"")
    do("write at a nearly aligned negative offset", "POST", f"{VOXELS}/32_32_32/-31_0_0", bytes(32768))
    do("write with a picture's format", "POST", f"{VOXELS}/32_32_32/0_0_0/png", bytes(32768))
    do("info does not take POST", "POST", f"{NODE}/gray/info", {})
    extents: dict[str, Body] = {
        "nothing": "",
        "one point": {"MinPoint": [1, 2, 3]},
        "short and long points": {"minpoint": [1], "MAXPOINT": [5, 6, 7, 8]},
        "fractions": {"MinPoint": [1.5, 2, 3]},
        "a large number": {"MaxPoint": [99999999999, 0, 0]},
        "a list": [],
        "null": "null",
    }
    for name, body in extents.items():
        do(f"extents of {name}", "POST", f"{NODE}/full/extents", body)
        do(f"metadata after extents of {name}", "GET", f"{NODE}/full/metadata")
    sizes: dict[str, Body] = {"text": '"x"', "words": ["a"], "floats": [4.2, 0.001, 1e10], "a huge one": "[1e40,1,1]"}
    for name, body in sizes.items():
        do(f"resolution of {name}", "POST", f"{NODE}/full/resolution", body)
    do("metadata after odd resolutions", "GET", f"{NODE}/full/metadata")


def odd_blocks(do: Recorder) -> None:
    """The block endpoints."""
    for rest in (
        "blocks", "blocks/0_0_0", "blocks/0_0/1", "blocks/0_0_0/x", "blocks/0_0_0/0", "blocks/0_2_-1/3",
        "subvolblocks/32_32_32/a_0_0", "subvolblocks/31_32_32/0_0_0", "subvolblocks/32_32_32/320_0_0?compression=lz4",
        "subvolblocks/32_32_32/32_64_-32?compression=jpeg", "subvolblocks/1024_32_32/3200_0_0", "specificblocks",
        "specificblocks?blocks=1,2", "specificblocks?blocks=1,2,x", "specificblocks?blocks=1,2,-1&compression=zip",
        "specificblocks?blocks=1,2,-1&compression=jpeg", "specificblocks?blocks=1,2,-1&prefetch=on",
        "specificblocks?blocks=1,2,-1&compression=uncompressed",
    ):  # fmt: skip
        do(f"GET {rest}", "GET", f"{NODE}/gray/{rest}")
    do("write blocks", "POST", f"{NODE}/gray/blocks/20_0_0/2", ramp((65536,), "u1", 22).tobytes())
    do("read written blocks", "GET", f"{VOXELS}/10_3_3/665_2_2")
    do("extents after blocks", "GET", f"{NODE}/gray/info")
    do("write too little of blocks", "POST", f"{NODE}/gray/blocks/20_0_0/2", bytes(100))
    do("write too much of a block", "POST", f"{NODE}/gray/blocks/20_0_0/1", bytes(40000))


def odd_nodes(do: Recorder) -> None:
    """Locks, and what overrides them."""
    do("commit of a list", "POST", f"{NODE}/commit", [])
    do("commit with a number as note", "POST", f"{NODE}/commit", {"note": 1})
    do("commit with text behind", "POST", f"{NODE}/commit", '{"note":"x"} y')
    do("tag of an open version", "POST", f"{NODE}/tag", {"tag": "v0"})
    do("commit with null", "POST", f"{NODE}/commit", "null")
    do("commit again", "POST", f"{NODE}/commit", {})
    do("PUT to a locked version", "PUT", f"{VOXELS}/32_32_32/0_0_0", b"x")
    do("unknown endpoint of a locked version", "POST", f"{NODE}/gray/nothing", b"x")
    do("unknown instance of a locked version", "POST", f"{NODE}/nothing/raw", b"x")
    do("unversioned data ignore the lock", "POST", f"{NODE}/full/raw/0_1_2/16_32_64/0_0_0", bytes(32768))
    do("big write to a locked version", "POST", f"{VOXELS}/32_32_32/0_0_0", bytes(200_000))
    do("token overrides the lock", "POST", f"{VOXELS}/32_32_32/0_0_0?admintoken=TOKEN", b"\x05" * 32768)
    do("committed voxels have changed", "GET", f"{VOXELS}/2_2_2/0_0_0")
    do("token creates on a locked version", "POST", f"{REPOSITORY}/instance?admintoken=TOKEN",
       {"typename": "uint8blk", "dataname": "late"})  # fmt: skip
    for uuid in ("x", "g" * 32, "A" * 31 + "-"):
        do(f"child {uuid}", "POST", f"{NODE}/newversion", {"uuid": uuid})
    do("the child", "POST", f"{NODE}/newversion", {"note": "<child>", "uuid": CHILD})
    do("the branch", "POST", f"{NODE}/branch", {"branch": "dev", "uuid": BRANCH})
    do("write to the child only", "POST", f"/api/node/{CHILD}/late/raw/0_1_2/32_32_32/3200_0_0", bytes(32768))
    do("extents leak to the parent", "GET", f"{NODE}/late/metadata")
    do("extents leak to the branch", "GET", f"/api/node/{BRANCH}/late/metadata")


def odd_merges(do: Recorder) -> None:
    """Merges and tags."""
    do("commit the only child", "POST", f"/api/node/{CHILD}/commit", {})
    do("commit the branch", "POST", f"/api/node/{BRANCH}/commit", {})
    for name, body in (
        ("nothing", ""), ("one parent", {"parents": [CHILD]}), ("numbers", {"parents": [1, 2]}),
        ("unknown parents", {"mergeType": "conflict-free", "parents": ["zz", CHILD]}),
        ("another kind", {"mergeType": "other", "parents": [CHILD, BRANCH]}),
        ("two branches", {"mergeType": "conflict-free", "parents": [CHILD, BRANCH], "note": "both"}),
    ):  # fmt: skip
        do(f"merge of {name}", "POST", f"{REPOSITORY}/merge", body)
    do("branch versions after the merge", "GET", f"{REPOSITORY}/branch-versions/dev")
    do("leaf of master after the merge", "GET", "/api/node/:master/note")
    do("the graph after the merge", "GET", f"{REPOSITORY}/info")
    do("tag", "POST", f"/api/node/{CHILD}/tag", {"tag": "rel-1.0"})
    do("tag twice", "POST", f"/api/node/{CHILD}/tag", {"tag": "rel-1.0"})
    do("write to a tag", "POST", "/api/node/rel-1.0/gray/raw/0_1_2/32_32_32/0_0_0", bytes(32768))
    do("a second repo", "POST", "/api/repos?admintoken=TOKEN", {"root": "9" * 32})
    do("no branch without a uuid any more", "GET", "/api/node/:master/status")


def odd_coordinates(do: Recorder) -> None:
    """The first and the last blocks of 32-bit coordinates, and extents of more than 2^31 voxels."""
    root, lowest, highest = "e" * 32, -(2**31), 2**31 - 32
    node, block = f"/api/node/{root}", ramp((32, 32, 32), "u1", 23).tobytes()
    do("repository of coordinates", "POST", "/api/repos?admintoken=TOKEN", {"root": root})
    for name in ("edge", "over"):
        do(f"create {name}", "POST", f"/api/repo/{root}/instance", {"typename": "uint8blk", "dataname": name})
    edge = f"{node}/edge/raw/0_1_2"
    do("write the highest block", "POST", f"{edge}/32_32_32/{highest}_0_0", block)
    do("read the highest block", "GET", f"{edge}/32_32_32/{highest}_0_0")
    do("write the block above the lowest", "POST", f"{edge}/32_32_32/{lowest + 32}_0_0", block)
    do("read the block above the lowest", "GET", f"{edge}/32_32_32/{lowest + 32}_0_0")
    do("metadata of nearly 2^32 voxels", "GET", f"{node}/edge/metadata")
    do("write the lowest block, which is not stored", "POST", f"{edge}/32_32_32/{lowest}_0_0", block)
    do("read the lowest block", "GET", f"{edge}/32_32_32/{lowest}_0_0")
    do("read from the lowest block on", "GET", f"{edge}/64_32_32/{lowest}_0_0")
    do("read a voxel of the lowest block", "GET", f"{edge}/1_1_1/{lowest + 31}_0_0")
    do("metadata of 2^32 voxels", "GET", f"{node}/edge/metadata")
    do("info of 2^32 voxels", "GET", f"{node}/edge/info")
    over = f"{node}/over/raw/0_1_2"
    do("write beyond the highest block, where nothing is stored", "POST", f"{over}/64_32_32/{highest}_0_0", block * 2)
    do("read beyond the highest block", "GET", f"{over}/64_32_32/{highest}_0_0")
    do("read the highest block alone", "GET", f"{over}/32_32_32/{highest}_0_0")
    do("info after a write beyond the highest block", "GET", f"{node}/over/info")
    tags = {"Tags": "pyvolume-bounds=0_-5_0:100_100_90,a=b", "MinPoint": "0,-5,0", "MaxPoint": "99,99,89"}
    declared = {"typename": "uint8blk", "dataname": "declared"} | tags
    do("create with bounds in a tag", "POST", f"/api/repo/{root}/instance", declared)
    do("bounds in a tag", "GET", f"{node}/declared/info")
    do("write a box without a voxel in an empty volume", "POST", f"{node}/declared/raw/0_1_2/0_0_0/-64_0_32", b"")
    do("metadata after a box without a voxel", "GET", f"{node}/declared/metadata")
    do("write another box without a voxel", "POST", f"{node}/declared/raw/0_1_2/0_0_0/128_96_64", b"")
    do("metadata after both corners", "GET", f"{node}/declared/metadata")


def extra_story(do: Recorder) -> None:
    """The story of dvid_extra.jsonl."""
    for part in (
        odd_json,
        odd_paths,
        odd_versions,
        odd_instances,
        odd_reads,
        odd_writes,
        odd_blocks,
        odd_nodes,
        odd_merges,
        odd_coordinates,
    ):
        part(do)


KV = f"{NODE}/kv"
REGION = f"{NODE}/region"

# Every form of a key that HTTP can carry.
KEYS = {
    "a": b"one", "b": b'{"x": 1}', "c": b"{}", "empty": b"", "f": b"3", "%C3%A9t%C3%A9": "\u00e9".encode(),
    "with%2Fslash": b"cut", "with%20blank": b"4", "quote%22": b"5", "line%0A": b"6", "percent%25": b"7",
    "back%5C": b"8", "%3Ca%3E%26": b"9", "%E6%97%A5%E6%9C%AC": b"10", "long": bytes(range(256)) * 20,
}  # fmt: skip


def keys(do: Recorder) -> None:
    """Single keys: names, verbs, ranges of bytes."""
    do("create the repo", "POST", "/api/repos?admintoken=TOKEN", {"alias": "objects", "root": ROOT})
    do("create kv", "POST", f"{REPOSITORY}/instance", {"typename": "keyvalue", "dataname": "kv", "Tags": "a=b"})
    do("create kv without versions", "POST", f"{REPOSITORY}/instance",
       {"typename": "keyvalue", "dataname": "kv-flat", "versioned": False, "Compression": "none"})  # fmt: skip
    do("info of kv", "GET", f"{KV}/info")
    do("info of kv-flat", "GET", f"{NODE}/kv-flat/info")
    for key, value in KEYS.items():
        do(f"put {key}", "POST", f"{KV}/key/{key}", value)
        do(f"get {key}", "GET", f"{KV}/key/{key}")
        do(f"head {key}", "HEAD", f"{KV}/key/{key}")
    do("all keys", "GET", f"{KV}/keys")
    for method, rest in (
        ("GET", "key/with"), ("GET", "key/with/more/of/it"), ("GET", "key"), ("GET", "key/"), ("POST", "key/"),
        ("PUT", "key/a"), ("OPTIONS", "key/a"), ("HEAD", "key/none"), ("GET", "key/no%0A%22%C3%A9%01ne"),
        ("HEAD", "keys"), ("POST", "keys"), ("DELETE", "key/none"), ("GET", "nothing"),
        ("GET", "raw/0_1_2/1_1_1/0_0_0"), ("HEAD", "info"), ("PUT", "keyvalues"), ("HEAD", "keyvalues"),
        ("GET", "tags"), ("HEAD", "tags"),
    ):  # fmt: skip
        do(f"{method} {rest}", method, f"{KV}/{rest}")
    for wanted in (
        "bytes=0-2", "bytes=5100-", "bytes=-3", "bytes=-9999", "bytes=100-99999", "bytes=-0", "bytes=5120-",
        "bytes=2-1", "bytes=0-0,2-2", "items=0-1", "bytes=-", "bytes=a-1", "bytes=1-a", "bytes= 1 - 2 ",
    ):  # fmt: skip
        do.part(f"range {wanted}", f"{KV}/key/long", wanted)
    do.part("range of a missing key", f"{KV}/key/none", "bytes=0-1")
    do.part("range twice", f"{KV}/key/a?byte_start=0&byte_end=1", "bytes=0-1")
    for query in ("0&byte_end=1", "0", "0&byte_end=3", "3&byte_end=3", "2&byte_end=1", "x&byte_end=1", "0&byte_end="):
        do(f"byte_start={query}", "GET", f"{KV}/key/a?byte_start={query}")
    for body in ({"x": "y"}, {"x": "z", "w": "v"}, [1], {"r": 1}, ""):
        do(f"tags of {body}", "POST", f"{KV}/tags", body)
    do("replace tags", "POST", f"{KV}/tags?replace=true", {"only": "one"})
    do("tags", "GET", f"{KV}/tags")


def many_keys(do: Recorder) -> None:
    """Ranges of keys, and lists of them."""
    for rest in (
        "keyrange/a/c", "keyrange/b/b", "keyrange/c/a", "keyrange/a", "keyrange/a/c/d", "keyrange/0/zzz",
        "keyrange/%C3/%FF", "keyrangevalues/a/c", "keyrangevalues/a/f?json=true",
        "keyrangevalues/a/c?json=true&check=true", "keyrangevalues/a", "keyrangevalues/b/f?json=true&check=true",
        "keyrangevalues/a/c?tar=true", "keyrangevalues/a/z?jsontar=true", "keyrangevalues/a/c?json=true&tar=true",
        "keyrangevalues/c/a?json=true", "keyrangevalues/a/zz", "keyrangevalues/a/c?json=1",
    ):  # fmt: skip
        do(f"GET {rest}", "GET", f"{KV}/{rest}")
    lists: tuple[Body, ...] = (
        ["b", "a"], ["b", "none", "empty", "f"], [], "", "nonsense", {"a": 1}, [1], "null", ["quote\""],
        ["a/b", "", "\u00e9t\u00e9"], [{"key": "b", "byte_start": 6, "byte_end": 6}],
        [{"key": "b", "byte_start": 0, "byte_end": 1}], [{"KEY": "c"}], [{"key": "a", "byte_start": 1}],
        [{"key": "none", "byte_start": 1, "byte_end": 2}], [{"key": "b"}, "a"], [{"key": 1}],
        [{"key": "b", "byte_start": 2, "byte_end": 1}], [{"key": "b", "byte_start": 5, "byte_end": 70}],
        [{"key": "b", "byte_start": -1, "byte_end": 2}], [{"key": "b", "byte_start": "1", "byte_end": 2}],
    )  # fmt: skip
    for query in ("json=true", "tar=true", "json=true&check=true"):
        for body in lists:
            do(f"keyvalues?{query} of {json.dumps(body)}", "GET", f"{KV}/keyvalues?{query}", body)
    messages = {
        "two keys": b"\x0a\x01b\x0a\x04none", "a range": b"\x0a\x01b\x12\x07\x0a\x01a\x10\x01\x18\x02",
        "nothing": b"", "a range beyond": b"\x12\x07\x0a\x01a\x10\x01\x18\x09",
        "a range reversed": b"\x12\x07\x0a\x01a\x10\x02\x18\x01", "cut short": b"\x0a\x05p",
        "no text": b"\x0a\x02\xff\xfe", "unknown fields": b"\x0a\x01b\x50\x96\x01\x5a\x01x", "JSON": b'["a"]',
    }  # fmt: skip
    for name, message in messages.items():
        do(f"keyvalues of {name}", "GET", f"{KV}/keyvalues", message)
    do("put two values", "POST", f"{KV}/keyvalues", b"\x0a\x08\x0a\x01p\x12\x03abc\x0a\x03\x0a\x01q")
    do("put a key with a slash", "POST", f"{KV}/keyvalues", b"\x0a\x09\x0a\x03x/y\x12\x02zz")
    for name in ("cut short", "no text", "nothing"):
        do(f"put values of {name}", "POST", f"{KV}/keyvalues", messages[name])
    do("keys put at once", "GET", f"{KV}/keyrange/p/y")
    do("put an empty key", "POST", f"{NODE}/kv-flat/keyvalues", b"\x0a\x05\x0a\x00\x12\x01a")
    do("an empty key spoils the list", "GET", f"{NODE}/kv-flat/keys")


SPANS = [
    [2, 1, 0, 0],
    [1, -1, -5, -2],
    [-3, 0, 0, 0],
    [1, -1, -9, -7],
    [2, 1, 0, 0],
    [2, 1, 0, 5],
    [2, 1, 3, 4],
    [9, 0, 8, 9],
]


def regions(do: Recorder) -> None:
    """Spans, good and bad, and what is asked of them."""
    for name, size in (
        ("region", None),
        ("region-16", "16,32,8"),
        ("region-x", "32,32"),
        ("region-x", "32"),
        ("region-x", "a,b,c"),
    ):
        settings = {"typename": "roi", "dataname": name} | ({"BlockSize": size} if size else {})
        do(f"create {name} of blocks {size}", "POST", f"{REPOSITORY}/instance", settings)
    do("info of a new region", "GET", f"{REGION}/info")
    lists: tuple[Body, ...] = (
        SPANS, [[5, 0, 0, 0], [7, 0, 3, 1], [9, 0, 0, 0]], SPANS, "", "nonsense", {"a": 1}, [1], [[1, 2, 3, "a"]],
        [[1.5, 0, 0, 0]], [[1, 2, 3, 99999999999]], [[1, 2, 3]], [[1, 2, 3, 4, 5]], "[null]", "null",
        [[0, 0, -2147483648, 2147483647]], [], SPANS,
    )  # fmt: skip
    for number, body in enumerate(lists):
        do(f"spans, list {number}", "POST", f"{REGION}/roi", body)
        do(f"after list {number}", "GET", f"{REGION}/roi")
        do(f"info after list {number}", "GET", f"{REGION}/info")
    for method, rest in (
        ("HEAD", "roi"), ("PUT", "roi"), ("OPTIONS", "roi"), ("GET", "roi/x"), ("GET", "ptquery"),
        ("HEAD", "ptquery"), ("POST", "mask/0_1_2/4_4_4/0_0_0"), ("HEAD", "mask/0_1_2/4_4_4/0_0_0"),
        ("GET", "nothing"), ("GET", "tags"), ("HEAD", "info"),
    ):  # fmt: skip
        do(f"{method} {rest} of a region", method, f"{REGION}/{rest}")
    rng = np.random.default_rng(8)
    points: tuple[Body, ...] = (
        rng.integers(-320, 320, (500, 3)).tolist(),
        [[0, 32, 64], [31, 63, 95], [32, 32, 64], [-1, -1, 32], [0, 0, -96]], [], "", "nonsense", [[1, 2]],
        [[1, 2, 3, 4]], [1], {"a": 1}, [["a", 1, 2]], [[1.5, 2, 3]], "null",
    )  # fmt: skip
    for number, body in enumerate(points):
        do(f"points in a region, list {number}", "POST", f"{REGION}/ptquery", body)
    for rest in (
        "0_1_2/70_40_8/-3_20_60", "vol/2_2_2/62_30_30", "0_1_2/100_80_96/-150_-40_-100", "0_1_2/20_20_20/-60_-32_40",
        "0_1_2/0_1_1/0_0_0", "0_1/2_2/0_0_0", "0_1_2/4_4/0_0_0", "0_1_2/4_4_4/0_0", "0_1_2/4_4_4", "foo/4_4_4/0_0_0",
        "0_1_2/a_4_4/0_0_0", "arb/1/1",
    ):  # fmt: skip
        do(f"mask {rest}", "GET", f"{REGION}/mask/{rest}")
    for query in (
        "",
        "batchsize=2",
        "batchsize=2&optimized=true",
        "batchsize=3",
        "batchsize=3&optimized=on",
        "batchsize=8",
        "batchsize=x",
    ):
        do(f"partition {query}", "GET", f"{REGION}/partition?{query}")
    dense = [[z, y, x, x + length] for z in range(7) for y in range(0, 9, 2) for x, length in ((y, z), (y + 9, 2))]
    do("spans with gaps", "POST", f"{NODE}/region-16/roi", dense)
    for query in ("batchsize=4", "batchsize=4&optimized=true", "batchsize=2&optimized=true"):
        do(f"partition {query} of gaps", "GET", f"{NODE}/region-16/partition?{query}")
    do("DELETE of spans", "DELETE", f"{NODE}/region-16/roi")
    do("no spans", "GET", f"{NODE}/region-16/roi")
    do("partition of no spans", "GET", f"{NODE}/region-16/partition?batchsize=2")


def masked(do: Recorder) -> None:
    """Voxels read and written through a region."""
    do(
        "create region-v",
        "POST",
        f"{REPOSITORY}/instance",
        {"typename": "roi", "dataname": "region-v", "BlockSize": "16,16,16"},
    )
    do("spans for voxels", "POST", f"{NODE}/region-v/roi", [[0, 0, 0, 1], [0, 1, 0, 0], [1, -1, -1, 3]])
    do("spans of other blocks", "POST", f"{REGION}/roi", [[0, 0, 0, 0]])
    for name, kind, dtype in (("gray", "uint8blk", "u1"), ("deep", "uint16blk", "<u2"), ("colour", "rgba8blk", "u1")):
        settings = {
            "typename": kind,
            "dataname": name,
            "Background": "7",
            "VoxelSize": "8,8,20",
            "BlockSize": "16,16,16",
        }
        do(f"create {name}", "POST", f"{REPOSITORY}/instance", settings)
        shape = (16, 32, 32, 4) if name == "colour" else (16, 32, 32)
        do(f"write {name}", "POST", f"{NODE}/{name}/raw/0_1_2/32_32_16/0_0_0", ramp(shape, dtype, 31).tobytes())
        for rest in (
            "raw/0_1_2/9_9_3/12_12_0",
            "raw/0_1_2/70_3_3/-3_0_14",
            "isotropic/0_1_2/9_9_3/12_12_0",
            "raw/xy/40_40/0_0_5",
        ):
            do(f"{name} {rest} in a region", "GET", f"{NODE}/{name}/{rest}?roi=region-v")
    for query in (
        "region",
        f"region-v,{ROOT}",
        "kv",
        "nope",
        "region-v&attenuation=2",
        "region-v&attenuation=8",
        "region-v&attenuation=x",
    ):
        do(f"read with roi={query}", "GET", f"{NODE}/gray/raw/0_1_2/4_2_2/14_14_0?roi={query}")
    whole = ramp((16, 32, 32), "u1", 32).tobytes()
    for query in ("kv", "nope", "region-v"):
        do(f"write with roi={query}", "POST", f"{NODE}/gray/raw/0_1_2/32_32_16/0_0_0?roi={query}", whole)
    do(
        "unaligned write in an unknown region",
        "POST",
        f"{NODE}/gray/raw/0_1_2/32_32_15/0_0_0?roi=nope",
        whole[: 32 * 32 * 15],
    )
    do("what a masked write has changed", "GET", f"{VOXELS}/32_32_2/0_0_3")
    do("write outside of the region", "POST", f"{VOXELS}/16_16_16/320_320_320?roi=region-v", bytes(4096))
    do("extents after a write outside of the region", "GET", f"{NODE}/gray/metadata")


def pictures(do: Recorder) -> None:
    """Planes of every type, planes of square pixels, oblique cuts."""
    for name, kind, dtype, count in (
        ("p8", "uint8blk", "u1", 1), ("p16", "uint16blk", "<u2", 1), ("p32", "uint32blk", "<u4", 1),
        ("p64", "uint64blk", "<u8", 1), ("pfloat", "float32blk", "<f4", 1), ("pcolour", "rgba8blk", "u1", 4),
    ):  # fmt: skip
        settings = {
            "typename": kind,
            "dataname": name,
            "Background": "9",
            "VoxelSize": "8,10,20",
            "BlockSize": "16,16,16",
        }
        do(f"create {name}", "POST", f"{REPOSITORY}/instance", settings)
        voxels = ramp((16, 16, 16, count) if count > 1 else (16, 16, 16), dtype, 41).tobytes()
        do(f"write {name}", "POST", f"{NODE}/{name}/raw/0_1_2/16_16_16/0_0_0", voxels)
        for rest in (
            "raw/xy/5_3/0_1_2", "raw/xz/20_18/-2_1_2", "raw/yz/5_3/0_1_2/png", "isotropic/xy/5_8/0_0_0",
            "isotropic/xz/14_15/0_1_0", "isotropic/yz/11_16/3_0_0", "isotropic/yz/3_1/3_0_0",
            "isotropic/xz/0_5/0_0_0", "arb/0_0_0/80_0_0/0_80_40/8", "arb/4_4_4/100_0_30/0_80_140/7.3",
            "arb/-30.5_5_7/80_20_0/9_120_40/9", "arb/0_0_0/3_0_0/0_80_40/8",
        ):  # fmt: skip
            do(f"GET {rest} of {name}", "GET", f"{NODE}/{name}/{rest}")
        for image_format in ("jpg", "jpeg:20", "bmp"):
            do(f"{image_format} of {name}", "GET", f"{NODE}/{name}/raw/xy/16_16/0_0_1/{image_format}")
    do("tiff of p8", "GET", f"{NODE}/p8/raw/xy/16_16/0_0_1/tif")
    for rest in (
        "arb/0_0_0/80_0_0/0_80_40", "arb/0_0_0/80_0_0/0_80_40/x", "arb/0_0/80_0_0/0_80_40/8",
        "arb/a_0_0/80_0_0/0_80_40/8", "arb/0_0_0/80_0_0/0_80_40/8/gif", "arb/0_0_0/80_0_0/0_80_40/8/png",
        "isotropic/xz/5_5/0_0", "isotropic/xz/5_5/0_0_0/jpg:x",
    ):  # fmt: skip
        do(f"GET {rest}", "GET", f"{NODE}/p8/{rest}")
    do("POST arb", "POST", f"{NODE}/p8/arb/0_0_0/80_0_0/0_80_40/8", b"")


def object_versions(do: Recorder) -> None:
    """Keys and regions in versions."""
    child, branch = f"/api/node/{CHILD}", f"/api/node/{BRANCH}"
    do("commit", "POST", f"{NODE}/commit", {})
    for method, rest in (
        ("POST", "kv/key/a"), ("DELETE", "kv/key/a"), ("PUT", "kv/key/a"), ("POST", "kv/keyvalues"),
        ("POST", "kv/keys"), ("POST", "kv/tags"), ("POST", "region/roi"), ("DELETE", "region/roi"),
        ("PUT", "region/roi"), ("POST", "region/mask/x"), ("HEAD", "kv/key/a"),
    ):  # fmt: skip
        do(f"{method} {rest} of a locked version", method, f"{NODE}/{rest}", b"x" if method != "HEAD" else None)
    do("points on a locked version", "POST", f"{REGION}/ptquery", [[0, 0, 0]])
    do("unversioned kv ignores the lock", "POST", f"{NODE}/kv-flat/key/a", b"now")
    do("token overrides the lock of kv", "POST", f"{KV}/key/f?admintoken=TOKEN", b"forced")
    do("the child", "POST", f"{NODE}/newversion", {"uuid": CHILD})
    do("the branch", "POST", f"{NODE}/branch", {"branch": "dev", "uuid": BRANCH})
    do("child inherits a key", "GET", f"{child}/kv/key/f")
    do("child deletes a key", "DELETE", f"{child}/kv/key/a")
    do("child puts a key", "POST", f"{child}/kv/key/b", b"of the child")
    do("child empties a key", "POST", f"{child}/kv/key/c", b"")
    for name, node in (("parent", NODE), ("child", child), ("branch", branch)):
        do(f"keys of the {name}", "GET", f"{node}/kv/keys")
        do(f"values of the {name}", "GET", f"{node}/kv/keyvalues?json=true", ["a", "b", "c"])
        do(f"deleted in the child, seen by {name}", "HEAD", f"{node}/kv/key/a")
        do(f"emptied in the child, seen by {name}", "HEAD", f"{node}/kv/key/c")
        do(f"range of the {name}", "GET", f"{node}/kv/keyrangevalues/a/c")
    do("child puts it back", "POST", f"{child}/kv/key/a", b"back")
    do("it is back", "GET", f"{child}/kv/key/a")
    do("child inherits spans", "GET", f"{child}/region/roi")
    do("child replaces spans", "POST", f"{child}/region/roi", [[0, 0, 0, 1], [7, 7, 7, 7]])
    do("branch deletes spans", "DELETE", f"{branch}/region/roi")
    for name, node in (("parent", NODE), ("child", child), ("branch", branch)):
        do(f"spans of the {name}", "GET", f"{node}/region/roi")
        do(f"region info of the {name}", "GET", f"{node}/region/info")
        do(f"masked read of the {name}", "GET", f"{node}/gray/raw/0_1_2/9_9_3/12_12_0?roi=region")
    do("bad spans in the child", "POST", f"{child}/region/roi", [[3, 0, 0, 0], [4, 0, 2, 1]])
    do("no spans are left in the child", "GET", f"{child}/region/roi")
    do("partition by the range of another version", "GET", f"{REGION}/partition?batchsize=2")
    do("types in use", "GET", "/api/server/types")
    do("repos info with kv and region", "GET", "/api/repos/info")


def objects_story(do: Recorder) -> None:
    """The story of dvid_objects.jsonl."""
    for part in (keys, many_keys, regions, masked, pictures, object_versions):
        part(do)


def main() -> None:
    """Tell a story to a server and keep what it answered."""
    url, token, path, *which = sys.argv[1:]
    recorder = Recorder(url, token, Path(path))
    {"extra": extra_story, "objects": objects_story}.get("".join(which), story)(recorder)
    recorder.save()
    sys.stdout.write(f"{len(recorder.rows)} exchanges\n")


if __name__ == "__main__":
    main()
