"""Record what a real DVID server answers about labels.

Usage: PYTHONPATH=tests/support record_labels.py URL ADMIN_TOKEN OUT.jsonl     (a fresh server)

The story of dvid_labels.jsonl, in the form of record_dvid.py. It does not ask what ends a real server: runs of a body
in a block below 0 that has several labels.
"""

from __future__ import annotations

import gzip
import struct
import sys
import time
from pathlib import Path
from typing import Any

import lz4.block
import numpy as np
from dvid_recorder import ROOT, Recorder
from numpy.typing import NDArray

REPOSITORY = f"/api/repo/{ROOT}"
NODE = f"/api/node/{ROOT}"
CHILD = "b" * 32
BRANCH = "d" * 32
GRANDCHILD = "c" * 32
SEG = f"{NODE}/seg"
PLAIN = f"{NODE}/plain"
SIDE = 16
COMPRESSIONS = ("", "lz4", "gzip", "google", "googlegzip")
PATIENCE = 0.7

Voxels = NDArray[np.uint64]


def cells(shape: tuple[int, int, int], seed: int = 0) -> Voxels:
    """Labels from 1 to 11 in bricks, and 0 in some of them; x, y, z."""
    x, y, z = np.indices(shape)
    bricks = (x // 5) + 3 * (y // 7) + 5 * (z // 6) + seed
    return np.asfortranarray(np.where(bricks % 4 == 0, 0, 1 + bricks % 11), np.uint64)


def many(seed: int) -> Voxels:
    """A block in which sub-blocks have from 1 to 512 labels."""
    rng = np.random.default_rng(seed)
    out = np.zeros((SIDE,) * 3, np.uint64, order="F")
    for number, (x, y, z) in enumerate(np.ndindex(2, 2, 2)):
        part = rng.integers(1, 2 + 4 ** (number if number < 5 else 5), (8, 8, 8), np.uint64)
        out[8 * x : 8 * x + 8, 8 * y : 8 * y + 8, 8 * z : 8 * z + 8] = part * 2**33
    return out


def wire(voxels: Voxels) -> bytes:
    return voxels.astype("<u8").tobytes(order="F")


def solid(label: int, side: int = SIDE) -> bytes:
    return struct.pack("<4IQ", *[side // 8] * 3, 1, label)


def two(first: int, second: int) -> bytes:
    """A block whose first sub-block has two labels, the others only the second; the table has one more."""
    head = struct.pack("<4I3Q", 2, 2, 2, 3, first, second, 12345)
    counts, indices = struct.pack("<8H", 2, *[1] * 7), struct.pack("<9I", 0, *[1] * 8)
    return head + counts + indices + bytes([0b00001111] * 64)


def frame(cell: tuple[int, int, int], block: bytes, *, packed: bool = True) -> bytes:
    data = gzip.compress(block, mtime=0) if packed else block
    return struct.pack("<3iI", *cell, len(data)) + data


def runs(*rows: tuple[int, int, int, int]) -> bytes:
    return struct.pack("<BBBBII", 0, 3, 0, 0, 0, len(rows)) + b"".join(struct.pack("<4i", *row) for row in rows)


def create(do: Recorder, name: str, kind: str = "labelmap", **settings: Any) -> None:
    body = {"typename": kind, "dataname": name, **settings}
    do(f"create {name} {sorted(settings)}", "POST", f"{REPOSITORY}/instance", body)


def instances(do: Recorder) -> None:
    """Instances of the three types, and settings that are refused."""
    do("create the repo", "POST", "/api/repos?admintoken=TOKEN", {"alias": "labels", "root": ROOT})
    create(do, "seg", BlockSize="16,16,16", MaxDownresLevel="2", VoxelSize="4,4,40")
    create(do, "plain", BlockSize="16,16,16")
    create(do, "deep", BlockSize="16,16,16", MaxDownresLevel="2")
    create(do, "array", "labelarray", BlockSize="16,16,16", MaxDownresLevel="1")
    create(do, "old", "labelblk", BlockSize="16,16,16")
    create(do, "lz", BlockSize="16,16,16", Compression="lz4")
    create(do, "bare", BlockSize="16,16,16", IndexedLabels="false")
    create(do, "wide", blocksize="32,16,16")
    create(do, "stock")
    create(do, "stockarray", "labelarray")
    create(do, "stockold", "labelblk")
    create(do, "region", "roi", BlockSize="16,16,16")
    for name, settings in (
        ("odd", {"BlockSize": "20,20,20"}), ("odd", {"BlockSize": [16, 16, 16]}), ("odd", {"MaxDownresLevel": "x"}),
        ("odd", {"MaxDownresLevel": "-1"}), ("odd", {"MaxDownresLevel": "256"}), ("odd", {"MaxDownresLevel": 2}),
        ("odd", {"IndexedLabels": "maybe"}), ("odd", {"IndexedLabels": True}), ("note", {"BlockSize": "16,16,16"}),
        ("seg", {}), ("odd", {"Compression": "zip"}),
    ):  # fmt: skip
        create(do, name, **settings)
    create(do, "odd", "labelarray", CountLabels="maybe")
    for name in ("seg", "plain", "array", "old", "lz", "bare", "wide", "stock", "stockarray", "stockold"):
        do(f"info of {name}, empty", "GET", f"{NODE}/{name}/info")
        do(f"metadata of {name}, empty", "GET", f"{NODE}/{name}/metadata")
    do("roi", "POST", f"{NODE}/region/roi", [[0, 0, 0, 0], [0, 1, 1, 1]])


def unset(do: Recorder) -> None:
    """Reads where nothing is stored; one block is a bug of the server."""
    for compression in (*COMPRESSIONS, "zz"):
        query = f"?compression={compression}" if compression else ""
        for name in ("seg", "array", "old"):
            do(f"unset block of {name} {query}", "GET", f"{NODE}/{name}/raw/0_1_2/16_16_16/16_0_-16{query}")
        do(f"unset, two blocks {query}", "GET", f"{SEG}/raw/0_1_2/32_16_16/0_0_0{query}")
    do("unset block at a scale", "GET", f"{SEG}/raw/0_1_2/16_16_16/0_0_0?scale=1")
    do("unset block, supervoxels", "GET", f"{SEG}/raw/0_1_2/16_16_16/0_0_0?supervoxels=true&compression=gzip")
    do("unset block through a region", "GET", f"{SEG}/raw/0_1_2/16_16_16/0_0_0?roi=region")
    do("unset, not aligned", "GET", f"{SEG}/raw/0_1_2/16_16_16/1_0_0")
    do("unset blocks", "GET", f"{SEG}/blocks/16_16_16/0_0_0")
    for query in ("maxlabel", "nextlabel", "existing-labels", "listlabels", "mappings", "size/1", "sparsevol/1"):
        do(f"{query} of an empty labelmap", "GET", f"{SEG}/{query}")
    for query in ("maxlabel", "nextlabel", "sparsevol/1", "sparsevol-size/1"):
        do(f"{query} of an empty labelarray", "GET", f"{NODE}/array/{query}")


def writes(do: Recorder) -> None:
    """Boxes that are stored, and boxes that are not."""
    box, data = "32_32_16/0_0_0", wire(cells((32, 32, 16)))
    do("write labels", "POST", f"{SEG}/raw/0_1_2/{box}?mutate=true", data)
    small = wire(cells((16, 16, 16), 3))
    do("write lz4", "POST", f"{SEG}/raw/0_1_2/16_16_16/32_0_0?compression=lz4",
       lz4.block.compress(small, store_size=False))  # fmt: skip
    do("write gzip", "POST", f"{SEG}/raw/0_1_2/16_16_16/32_16_0?compression=gzip", gzip.compress(small, mtime=0))
    do("PUT writes, too", "PUT", f"{SEG}/raw/0_1_2/16_16_16/48_0_0", small)
    do("DELETE writes, too", "DELETE", f"{SEG}/raw/0_1_2/16_16_16/48_16_0", small)
    for name, query, body in (
        ("lz4 that is short", "lz4", lz4.block.compress(small[:16000], store_size=False)),
        ("lz4 that is long", "lz4", lz4.block.compress(small + b"12345678", store_size=False)),
        ("lz4 with its size", "lz4", lz4.block.compress(small, store_size=True)),
        ("lz4 of nothing", "lz4", b""), ("lz4 that is none", "lz4", b"\xff" * 40), ("gzip of nothing", "gzip", b""),
        ("gzip that is none", "gzip", b"0123456789012345"), ("gzip cut short", "gzip", gzip.compress(small)[:-20]),
        ("gzip of too little", "gzip", gzip.compress(b"1234")), ("google", "google", small), ("unknown", "zz", small),
    ):  # fmt: skip
        for place in ("seg", "old"):
            do(
                f"write {name} to {place}",
                "POST",
                f"{NODE}/{place}/raw/0_1_2/16_16_16/64_0_0?compression={query}",
                body,
            )
        do(f"read after {name}", "GET", f"{SEG}/raw/0_1_2/8_8_8/70_8_8")
    for name, at, body in (
        ("unaligned", "16_16_16/0_0_1", small), ("unaligned and short", "16_16_15/0_0_0", b"1"),
        ("short", "16_16_16/0_0_0", b"12345678"), ("long", "16_16_16/0_0_0", small + b"1"),
        ("flat", "16_16/0_0_0", small), ("no number", "a_16_16/0_0_0", small), ("no offset", "16_16_16", small),
    ):  # fmt: skip
        for place in ("seg", "array", "old"):
            do(f"write {name} to {place}", "POST", f"{NODE}/{place}/raw/0_1_2/{at}", body)
    do("write a plane", "POST", f"{SEG}/raw/0_1/16_16/0_0_0", small)
    do("write isotropic", "POST", f"{SEG}/isotropic/0_1_2/16_16_16/0_0_0", small)
    do("write through a region", "POST", f"{PLAIN}/raw/0_1_2/32_32_16/0_0_0?roi=region", wire(cells((32, 32, 16), 1)))
    do("write through no region", "POST", f"{PLAIN}/raw/0_1_2/16_16_16/0_0_0?roi=nope", small)
    do("write through labels", "POST", f"{PLAIN}/raw/0_1_2/16_16_16/0_0_0?roi=seg", small)
    do("read what the region let through", "GET", f"{PLAIN}/raw/0_1_2/32_32_1/0_0_3")
    do("write below 0", "POST", f"{PLAIN}/raw/0_1_2/32_16_32/-32_0_-16", wire(cells((32, 16, 32), 5)))
    do("write below 0 with scales", "POST", f"{NODE}/deep/raw/0_1_2/16_16_16/-16_0_-16", small)
    do("write below 0 with scales, y", "POST", f"{NODE}/deep/raw/0_1_2/16_16_16/64_-16_0", small)
    do("write below 0 with scales, x and y", "POST", f"{NODE}/deep/raw/0_1_2/16_16_16/-16_16_0", small)
    do("its scale", "GET", f"{NODE}/deep/raw/0_1_2/32_16_16/-16_0_0?scale=1")
    do("it is stored", "GET", f"{NODE}/deep/raw/0_1_2/16_16_16/-16_0_-16")
    do("HEAD of raw", "HEAD", f"{SEG}/raw/0_1_2/16_16_16/0_0_0")
    do("throttled read", "GET", f"{SEG}/raw/0_1_2/2_2_2/0_0_0?throttle=on")
    time.sleep(PATIENCE)
    for name in ("seg", "plain"):
        do(f"info of {name}", "GET", f"{NODE}/{name}/info")
        do(f"metadata of {name}", "GET", f"{NODE}/{name}/metadata")


def reads(do: Recorder) -> None:
    """Boxes in all compressions and scales."""
    for compression in COMPRESSIONS:
        query = f"compression={compression}&" if compression else ""
        for box in ("16_16_16/0_0_0", "32_32_16/0_0_0", "9_8_7/11_12_5", "24_8_8/-4_8_8"):
            do(f"read {box} {query}", "GET", f"{SEG}/raw/0_1_2/{box}?{query}")
        do(f"read a scale {query}", "GET", f"{SEG}/raw/0_1_2/16_16_16/0_0_0?{query}scale=1")
        do(f"read a scale, part {query}", "GET", f"{SEG}/raw/0_1_2/24_16_8/0_0_0?{query}scale=2&supervoxels=true")
    for scale in ("3", "-1", "256", "257", "x", "1.5", "99999999999999999999", "0"):
        do(f"scale {scale}", "GET", f"{SEG}/raw/0_1_2/5_4_3/3_3_3?scale={scale}")
        do(f"scale {scale} of a labelblk", "GET", f"{NODE}/old/raw/0_1_2/5_4_3/3_3_3?scale={scale}")
    do("through a region", "GET", f"{SEG}/raw/0_1_2/32_32_16/0_0_0?roi=region&compression=lz4")
    do("through a region at a scale", "GET", f"{SEG}/raw/0_1_2/16_16_8/0_0_0?roi=region&scale=1")
    do("through no region", "GET", f"{SEG}/raw/0_1_2/16_16_8/0_0_0?roi=nope")
    for name, at in (
        ("zero", "0_1_2/0_4_4/0_0_0"), ("negative", "0_1_2/-4_4_4/0_0_0"), ("huge", "0_1_2/2000_2000_2000/0_0_0"),
        ("bad dims", "1_0/4_4/0_0_0"), ("no number", "0_1_2/a_4_4/0_0_0"), ("few parts", "0_1_2/4_4_4"),
        ("flat offset", "0_1_2/4_4_4/0_0"), ("four dims", "0_1_2_3/4_4_4_4/0_0_0_0"), ("commas", "0_1_2/4,4,4/0_0_0"),
        ("arb", "arb/1_2_3/4_5_6/7_8_9/8"), ("out of range", "0_1_2/4_4_4/2147483648_0_0"),
        ("no plane", "0_1/0_4/0_0_0"),
        ("flat plane offset", "0_1/4_4/0_0"), ("solid plane", "0_1/4_4_4/0_0_0"),
    ):  # fmt: skip
        for place in ("seg", "array", "old"):
            do(f"read {name} of {place}", "GET", f"{NODE}/{place}/raw/{at}")
    for at in ("0_1/6_4/3_3_3", "xz/6_4/3_3_3/png", "1_2/6_4/3_3_3", "xy/6_4/3_3_3/jpg:75", "0_1/6_4/3_3_3/gif"):
        do(f"plane {at}", "GET", f"{SEG}/raw/{at}")
    do("plane at a scale", "GET", f"{SEG}/raw/0_1/6_4/3_3_3?scale=1&supervoxels=true")
    do("isotropic plane", "GET", f"{SEG}/isotropic/xz/6_4/3_3_3")
    do("isotropic box", "GET", f"{SEG}/isotropic/0_1_2/6_4_2/3_3_3")
    do("format of a box", "GET", f"{SEG}/raw/0_1_2/6_4_2/3_3_3/jpg")


def blocks(do: Recorder) -> None:
    """Blocks of boxes and of lists."""
    for compression in ("", "lz4", "gzip", "blocks", "uncompressed", "google", "zz"):
        query = f"compression={compression}&" if compression else ""
        for name in ("seg", "array", "old", "lz"):
            do(f"blocks of {name} {query}", "GET", f"{NODE}/{name}/blocks/64_16_16/0_0_0?{query}")
        for name in ("seg", "array", "lz"):
            listed = f"{NODE}/{name}/specificblocks?{query}blocks="
            do(f"specific blocks of {name} {query}", "GET", f"{listed}0,0,0,9,9,9,1,1,0,-1,0,-1")
        do(f"blocks of a scale {query}", "GET", f"{SEG}/blocks/32_16_16/0_0_0?{query}scale=1&supervoxels=true")
    for words in ("", "0", "0,0", "0,0,0,1", "a,0,0", "0,0,0,0,0,0"):
        do(f"specific blocks {words}", "GET", f"{SEG}/specificblocks?blocks={words}")
    do("specific blocks of no list", "GET", f"{SEG}/specificblocks")
    do("specific blocks by POST", "POST", f"{SEG}/specificblocks?blocks=0,0,0")
    do("specific blocks of a bad scale", "GET", f"{SEG}/specificblocks?blocks=0,0,0&scale=x")
    for name, at in (
        ("unaligned", "16_16_16/1_0_0"), ("unaligned size", "16_16_8/0_0_0"), ("one word", "16_16_16"), ("none", ""),
        ("flat", "16_16/0_0"), ("no number", "a_16_16/0_0_0"), ("empty", "0_0_0/0_0_0"),
        ("below 0", "32_16_32/-16_0_-16"),
    ):  # fmt: skip
        for place in ("seg", "array"):
            do(f"blocks {name} of {place}", "GET", f"{NODE}/{place}/blocks/{at}".rstrip("/"))
    do("blocks, unaligned, old", "GET", f"{NODE}/old/blocks/16_16_16/1_0_0")
    do("blocks by POST, old", "POST", f"{NODE}/old/blocks/16_16_16/0_0_0", b"")
    do("blocks of a bad scale", "GET", f"{SEG}/blocks/16_16_16/0_0_0?scale=x")


def posted_blocks(do: Recorder) -> None:
    """Native blocks that are stored, and bad ones."""
    good = frame((4, 2, 0), two(7, 900)) + frame((5, 2, 0), solid(901)) + frame((4, 3, 0), solid(0))
    do("post blocks", "POST", f"{SEG}/blocks?downres=true", good)
    do("sizes after it", "GET", f"{SEG}/sizes", [7, 900, 901, 12345, 0])
    do("largest label after it", "GET", f"{SEG}/maxlabel")
    do("read them", "GET", f"{SEG}/blocks/32_32_16/64_32_0?compression=blocks")
    do("read their scale", "GET", f"{SEG}/raw/0_1_2/16_16_8/32_16_0?scale=1")
    do("post blocks again", "POST", f"{SEG}/blocks?compression=blocks", good)
    do("sizes are doubled", "GET", f"{SEG}/sizes", [7, 900, 901])
    do("post blocks without indexing", "POST", f"{SEG}/blocks?noindexing=true", frame((6, 2, 0), solid(902)))
    do("size without indexing", "GET", f"{SEG}/size/902")
    do("label without indexing", "GET", f"{SEG}/label/100_40_8")
    do("post a scale", "POST", f"{SEG}/blocks?scale=1", frame((7, 1, 0), solid(903)))
    do("read the posted scale", "GET", f"{SEG}/raw/0_1_2/16_16_8/112_16_4?scale=1")
    do("ingest", "POST", f"{SEG}/ingest-supervoxels?scale=0", frame((7, 2, 0), solid(904)))
    do("ingest a scale", "POST", f"{SEG}/ingest-supervoxels?scale=2", frame((3, 3, 3), solid(905)))
    do("read the ingested", "GET", f"{SEG}/raw/0_1_2/4_4_4/112_32_0")
    do("read the ingested scale", "GET", f"{SEG}/raw/0_1_2/4_4_4/48_48_48?scale=2")
    do("info after ingestion", "GET", f"{SEG}/info")
    many_labels = many(1)
    do("write many labels", "POST", f"{PLAIN}/raw/0_1_2/16_16_16/64_64_64", wire(many_labels))
    do("blocks of many labels", "GET", f"{PLAIN}/blocks/16_16_16/64_64_64?compression=blocks")
    for scale, downres in (("1", "true"), ("x", "false"), ("256", "true")):
        do(f"downres {scale}", "POST", f"{SEG}/blocks?scale={scale}&downres={downres}", good)
    do("post lz4", "POST", f"{SEG}/blocks?compression=lz4", good)
    do("post to an LZ4 labelmap", "POST", f"{NODE}/lz/blocks", good)
    do("ingest into an LZ4 labelmap", "POST", f"{NODE}/lz/ingest-supervoxels", good)
    do("post to a labelmap without levels", "POST", f"{PLAIN}/blocks?downres=true", frame((6, 6, 6), solid(55)))
    for name, body in (
        ("nothing", b""), ("half a head", good[:9]), ("a head only", good[:16]), ("half a block", good[:40]),
        ("no length", struct.pack("<3iI", 9, 9, 9, 0)), ("no gzip", frame((9, 9, 9), b"1" * 40, packed=False)),
        ("short gzip", frame((9, 9, 9), b"12", packed=False)),
        ("no labels", frame((9, 9, 9), struct.pack("<4IQ", 2, 2, 2, 0, 0))),
        ("cut gzip", frame((9, 9, 9), gzip.compress(solid(1), mtime=0)[:-5], packed=False)),
        ("tiny", frame((9, 9, 9), b"1234")), ("good and bad", frame((9, 8, 0), solid(31)) + b"12"),
    ):  # fmt: skip
        for path in ("blocks", "ingest-supervoxels"):
            do(f"{path} of {name}", "POST", f"{SEG}/{path}", body)
    do("what was before the fault", "GET", f"{SEG}/raw/0_1_2/2_2_2/144_128_0")
    do("it is not counted", "GET", f"{SEG}/size/31")
    gaps = struct.pack("<4I2Q8H6I", 2, 2, 2, 2, 0, 77, 0, 1, 1, 1, 1, 1, 1, 0, *[1] * 6)
    do("post a block with empty sub-blocks", "POST", f"{PLAIN}/blocks", frame((8, 8, 8), gaps))
    do("their size", "GET", f"{PLAIN}/size/77")
    for kind in ("blocks", "rles", "srles"):
        do(f"empty sub-blocks as {kind}", "GET", f"{PLAIN}/sparsevol/77?format={kind}")


def points(do: Recorder) -> None:
    """Labels at points."""
    for query in ("", "?supervoxels=true", "?scale=1", "?scale=9", "?scale=x"):
        do(f"label {query}", "GET", f"{SEG}/label/11_12_5{query}")
        do(f"labels {query}", "GET", f"{SEG}/labels{query}", [[11, 12, 5], [0, 0, 0], [500, 500, 500], [33, 5, 6]])
    for text in ("", "1_2", "1_2_3_4", "a_2_3", "1,2,3", "1_2_2147483648", "70_8_8/9"):
        do(f"label at {text}", "GET", f"{SEG}/label/{text}".rstrip("/"))
    for place in ("array", "old"):
        do(f"label of {place}", "GET", f"{NODE}/{place}/label/1_2_3")
        do(f"labels of {place}", "GET", f"{NODE}/{place}/labels", [[1, 2, 3]])
        do(f"label of {place} at a", "GET", f"{NODE}/{place}/label/a")
    do("label below 0, in a block that is not stored", "GET", f"{SEG}/label/-5_200_-1")
    for name, body in (
        ("nothing", ""), ("null", "null"), ("none", "[]"), ("an object", "{}"), ("a flat list", "[1,2,3]"),
        ("short points", "[[1,2]]"), ("long points", "[[1,2,3,4]]"), ("texts", '[["1",2,3]]'), ("reals", "[[1.5,2,3]]"),
        ("big", "[[2147483648,0,0]]"), ("bad JSON", "[[1,2,3]"),
    ):  # fmt: skip
        do(f"labels of {name}", "GET", f"{SEG}/labels", body)
    do("labels with a hash", "GET", f"{SEG}/labels?hash=0123", [[1, 2, 3]])
    do("labels by POST", "POST", f"{SEG}/labels", [[1, 2, 3]])
    do("HEAD of a label", "HEAD", f"{SEG}/label/11_12_5")


def bodies(do: Recorder) -> None:
    """Sizes and supervoxels."""
    for query in ("size", "supervoxels", "supervoxel-sizes", "lastmod", "sparsevol-size"):
        for label in ("3", "999", "0", "x", "-1", "18446744073709551616", ""):
            do(f"{query} {label}", "GET", f"{SEG}/{query}/{label}".rstrip("/"))
        do(f"{query} by POST", "POST", f"{SEG}/{query}/3", b"")
        do(f"HEAD of {query}", "HEAD", f"{SEG}/{query}/3")
        do(f"HEAD of {query}, absent", "HEAD", f"{SEG}/{query}/999")
    for query in ("size", "sparsevol-size"):
        do(f"{query} of a supervoxel", "GET", f"{SEG}/{query}/3?supervoxels=true")
    for path in ("sizes", "mapping"):
        for name, body in (
            ("some", "[3,4,0,999]"), ("nothing", ""), ("null", "null"), ("texts", '["3"]'), ("reals", "[3.5]"),
            ("below 0", "[-3]"), ("an object", "{}"), ("twice", "[3,3]"), ("big", "[18446744073709551615]"),
            ("too big", "[18446744073709551616]"), ("bad JSON", "[3"),
        ):  # fmt: skip
            do(f"{path} of {name}", "GET", f"{SEG}/{path}", body)
        do(f"{path} of supervoxels", "GET", f"{SEG}/{path}?supervoxels=true", [3, 4, 999])
        do(f"{path} with a hash", "GET", f"{SEG}/{path}?hash=0123", [3])
        do(f"{path} by POST", "POST", f"{SEG}/{path}", [3])
    do("mapping without a look", "GET", f"{SEG}/mapping?nolookup=true", [3, 999, 0])
    do("existing labels", "GET", f"{SEG}/existing-labels")
    do("existing labels by POST", "POST", f"{SEG}/existing-labels")
    for query in ("", "?start=5", "?start=5&number=3", "?sizes=true&number=4", "?number=0", "?start=x", "?number=-1"):
        do(f"listlabels {query}", "GET", f"{SEG}/listlabels{query}")
    do("listlabels by POST", "POST", f"{SEG}/listlabels")
    do("tags", "GET", f"{SEG}/tags")
    do("set tags", "POST", f"{SEG}/tags", {"a": "b"})
    do("tags after it", "GET", f"{SEG}/tags")


def numbers(do: Recorder) -> None:
    """New labels."""
    do("next label", "GET", f"{SEG}/nextlabel")
    do("five new labels", "POST", f"{SEG}/nextlabel/5")
    do("largest label after them", "GET", f"{SEG}/maxlabel")
    for count in ("", "0", "x", "18446744073709551615"):
        do(f"new labels: {count}", "POST", f"{SEG}/nextlabel/{count}".rstrip("/"))
    do("nextlabel by PUT", "PUT", f"{SEG}/nextlabel/5?a=b")
    do("maxlabel by PUT", "PUT", f"{SEG}/maxlabel/5")
    for query in ("", "?admintoken=TOKEN"):
        for number in ("2000", "1000", "0", "x", "281474976710657", ""):
            do(f"set maxlabel {number} {query}", "POST", f"{SEG}/maxlabel/{number}".rstrip("/") + query)
    do("largest label set", "GET", f"{SEG}/maxlabel")
    plain = f"{PLAIN}/set-nextlabel"
    for number, ceiling in (
        ("500", ""), ("0", ""), ("18446744073709551615", ""), ("700", "600"), ("x", ""), ("500", "x"), ("500", "503"),
    ):  # fmt: skip
        query = f"?admintoken=TOKEN&ceiling={ceiling}" if ceiling else "?admintoken=TOKEN"
        do(f"set nextlabel {number} {ceiling}", "POST", f"{plain}/{number}{query}")
    do("set nextlabel without a token", "POST", f"{plain}/500")
    do("set nextlabel by GET", "GET", f"{plain}/500")
    do("set nextlabel to nothing", "POST", f"{plain}?admintoken=TOKEN")
    do("next label, set", "GET", f"{PLAIN}/nextlabel")
    do("two new labels", "POST", f"{PLAIN}/nextlabel/2")
    do("too many new labels", "POST", f"{PLAIN}/nextlabel/9")
    do("largest label of plain", "GET", f"{PLAIN}/maxlabel")
    do("lift the ceiling", "POST", f"{plain}/800?admintoken=TOKEN&ceiling=0")
    do("info of plain with numbers", "GET", f"{PLAIN}/info")


def sparse(do: Recorder) -> None:
    """Sparse volumes in all forms."""
    for label in (3, 7, 900, 901, 999):
        for kind in ("rles", "srles", "blocks"):
            do(f"sparsevol {label} {kind}", "GET", f"{SEG}/sparsevol/{label}?format={kind}")
        do(f"coarse {label}", "GET", f"{SEG}/sparsevol-coarse/{label}")
        do(f"HEAD of sparsevol {label}", "HEAD", f"{SEG}/sparsevol/{label}")
        do(f"HEAD of sparsevol-coarse {label}", "HEAD", f"{SEG}/sparsevol-coarse/{label}")
    for compression in ("lz4", "gzip", "zz"):
        for kind in ("rles", "srles", "blocks"):
            do(f"sparsevol {kind} {compression}", "GET", f"{SEG}/sparsevol/3?format={kind}&compression={compression}")
    for scale in ("1", "2", "3", "x"):
        for kind in ("rles", "srles", "blocks"):
            do(f"sparsevol {kind} at scale {scale}", "GET", f"{SEG}/sparsevol/3?format={kind}&scale={scale}")


def bounded(do: Recorder) -> None:
    """Sparse volumes within bounds."""
    for bounds in (
        "minx=5&maxx=20", "maxx=10", "maxx=66", "minz=3&maxz=4&miny=2&maxy=18", "minx=17", "minx=200", "maxx=-1",
        "minx=x", "minx=5&maxx=20&exact=false", "minx=5&maxx=9&scale=1", "maxz=7&exact=false&supervoxels=true",
        "minx=5&maxx=20&minx=1", "maxy=2147483648",
    ):  # fmt: skip
        for label in (3, 901):
            for kind in ("rles", "srles", "blocks"):
                do(f"sparsevol {label} {kind} {bounds}", "GET", f"{SEG}/sparsevol/{label}?format={kind}&{bounds}")
            do(f"coarse {label} {bounds}", "GET", f"{SEG}/sparsevol-coarse/{label}?{bounds}")
            do(f"HEAD {label} {bounds}", "HEAD", f"{SEG}/sparsevol/{label}?{bounds}")


def sparse_refusals(do: Recorder) -> None:
    """Requests for sparse volumes that are refused, ranges of bodies, bodies at points."""
    do("sparsevol by POST", "POST", f"{SEG}/sparsevol/3")
    do("sparsevol by PUT", "PUT", f"{SEG}/sparsevol/3")
    for query in ("sparsevol", "sparsevol-coarse", "sparsevol-by-point", "sparsevols-coarse", "sparsevols-coarse/1"):
        do(f"{query} of nothing", "GET", f"{SEG}/{query}")
    for text in ("0", "x"):
        do(f"sparsevol {text}", "GET", f"{SEG}/sparsevol/{text}")
        do(f"coarse {text}", "GET", f"{SEG}/sparsevol-coarse/{text}")
        do(f"coarse range {text}", "GET", f"{SEG}/sparsevols-coarse/{text}/9")
    for span in ("1/5", "5/1", "1/900", "950/999"):
        do(f"coarse range {span}", "GET", f"{SEG}/sparsevols-coarse/{span}")
    do("coarse range within bounds", "GET", f"{SEG}/sparsevols-coarse/1/900?maxx=15")
    for at in ("11_12_5", "0_0_0", "a", "500_1_1", "11_12_5?scale=1", "11_12_5?format=srles&supervoxels=true"):
        do(f"sparsevol by point {at}", "GET", f"{SEG}/sparsevol-by-point/{at}")


def below_0(do: Recorder) -> None:
    """Bodies in blocks below 0."""
    do("below 0 as blocks", "GET", f"{PLAIN}/sparsevol/7?format=blocks")
    do("coarse below 0", "GET", f"{PLAIN}/sparsevol-coarse/7")
    do("size below 0", "GET", f"{PLAIN}/sparsevol-size/7")
    do("post solid blocks across 0", "POST", f"{PLAIN}/blocks",
       b"".join(frame((x, 20, 0), solid(600)) for x in (-2, -1, 0, 1, 3)))  # fmt: skip
    for bounds in ("", "minx=-20&maxx=20", "minx=-1", "maxx=-17", "minx=-40&maxx=-30"):
        for kind in ("rles", "blocks") if bounds != "minx=-40&maxx=-30" else ("blocks",):
            do(f"solid across 0 {kind} {bounds}", "GET", f"{PLAIN}/sparsevol/600?format={kind}&{bounds}")
        do(f"solid across 0 coarse {bounds}", "GET", f"{PLAIN}/sparsevol-coarse/600?{bounds}")


def merges(do: Recorder) -> None:
    """Merges, mappings, cleaves."""
    everything = [2, 3, 4, 5, 6, 7, 900, 901]
    do("merge", "POST", f"{SEG}/merge?u=me&app=test", [3, 4, 5])
    do("mapping after merge", "GET", f"{SEG}/mapping", everything)
    do("sizes after merge", "GET", f"{SEG}/sizes", everything)
    do("sizes of supervoxels after merge", "GET", f"{SEG}/sizes?supervoxels=true", everything)
    do("size of a merged supervoxel", "GET", f"{SEG}/size/4?supervoxels=true")
    do("size of a merged body", "GET", f"{SEG}/size/4")
    do("supervoxels after merge", "GET", f"{SEG}/supervoxels/3")
    do("supervoxel sizes after merge", "GET", f"{SEG}/supervoxel-sizes/3")
    do("sparsevol size after merge", "GET", f"{SEG}/sparsevol-size/3")
    do("sparsevol size of a supervoxel", "GET", f"{SEG}/sparsevol-size/4?supervoxels=true")
    for kind in ("rles", "srles", "blocks"):
        do(f"sparsevol after merge {kind}", "GET", f"{SEG}/sparsevol/3?format={kind}")
        do(f"sparsevol of a supervoxel {kind}", "GET", f"{SEG}/sparsevol/4?format={kind}&supervoxels=true")
    do("coarse of a supervoxel", "GET", f"{SEG}/sparsevol-coarse/4?supervoxels=true")
    do("mappings", "GET", f"{SEG}/mappings")
    do("mappings, binary", "GET", f"{SEG}/mappings?format=binary")
    do("mappings of another labelmap", "GET", f"{PLAIN}/mappings")
    do("existing labels after merge", "GET", f"{SEG}/existing-labels")
    do("listlabels after merge", "GET", f"{SEG}/listlabels?sizes=true")
    for query in ("", "?supervoxels=true", "?scale=1", "?compression=lz4"):
        do(f"raw after merge {query}", "GET", f"{SEG}/raw/0_1_2/16_16_16/0_0_0{query}")
        do(f"blocks after merge {query}", "GET", f"{SEG}/blocks/32_16_16/0_0_0{query}")
    do("specific blocks after merge", "GET", f"{SEG}/specificblocks?blocks=0,0,0")
    do("labels after merge", "GET", f"{SEG}/labels", [[11, 12, 5], [3, 1, 1], [16, 1, 1], [20, 1, 1]])
    for body in ("[3]", "[]", "null", "{}", "[3,0]", "[3,999]", "[999,3]", "[3,4]", "[0,3]", "", '["3",4]', "[6,7,7]"):
        do(f"merge {body}", "POST", f"{SEG}/merge", body)
    do("merge by GET", "GET", f"{SEG}/merge", "[3,4]")
    do("cleave", "POST", f"{SEG}/cleave/3?u=you", [4])
    do("mapping after cleave", "GET", f"{SEG}/mapping", [*everything, 2001])
    do("sizes after cleave", "GET", f"{SEG}/sizes", [*everything, 2001])
    do("next label after cleave", "GET", f"{SEG}/nextlabel")
    for at, body in (
        ("3", "[4]"), ("3", "[3,5]"), ("3", "[]"), ("3", ""), ("3", "{}"), ("999", "[4]"), ("0", "[4]"), ("x", "[4]"),
        ("", "[4]"), ("3", "[3,3]"), ("3", '["5"]'),
    ):  # fmt: skip
        do(f"cleave {at} {body}", "POST", f"{SEG}/cleave/{at}".rstrip("/"), body)
    do("cleave by GET", "GET", f"{SEG}/cleave/3", "[4]")
    do("next label after failed cleaves", "GET", f"{SEG}/nextlabel")
    do("existing labels after cleaves", "GET", f"{SEG}/existing-labels")


def splits(do: Recorder) -> None:
    """Splits of supervoxels, new numbers, posted mappings."""
    split = f"{SEG}/split-supervoxel"
    part = runs((80, 32, 0, 16), (80, 33, 0, 8))
    do("split a supervoxel", "POST", f"{split}/901?u=me", part)
    do("sizes after split", "GET", f"{SEG}/sizes", [900, 901])
    do("mapping after split", "GET", f"{SEG}/mapping", [900, 901])
    do("supervoxels after split", "GET", f"{SEG}/supervoxels/901")
    do("size of a split supervoxel", "GET", f"{SEG}/size/901?supervoxels=true")
    do("sparsevol of a split supervoxel", "GET", f"{SEG}/sparsevol/901?supervoxels=true")
    do("sparsevol after split", "GET", f"{SEG}/sparsevol/901")
    do("voxels after split", "GET", f"{SEG}/blocks/16_16_16/80_32_0?compression=blocks&supervoxels=true")
    do("voxels after split, mapped", "GET", f"{SEG}/raw/0_1_2/16_16_16/80_32_0")
    do("scale after split", "GET", f"{SEG}/raw/0_1_2/16_8_8/32_16_0?scale=1&supervoxels=true")
    do("split it again", "POST", f"{split}/901", part)
    do("split to chosen labels", "POST", f"{split}/900?split=5000&remain=5001&downres=false", runs((65, 41, 3, 2)))
    do("supervoxels after that", "GET", f"{SEG}/supervoxels/900")
    do("largest label after that", "GET", f"{SEG}/maxlabel")
    do("scale without downres", "GET", f"{SEG}/raw/0_1_2/8_8_8/32_16_0?scale=1&supervoxels=true")
    for name, at, body in (
        ("nothing", "7", b""), ("half a head", "7", part[:6]), ("a head", "7", part[:8]), ("cut runs", "7", part[:20]),
        ("cut number", "7", part[:22]), ("binary", "7", b"\1" + part[1:]), ("no runs", "7", runs()),
        ("too many voxels", "7", runs((64, 32, 0, 9999))), ("other voxels", "7", runs((70, 40, 3, 3))),
        ("an absent supervoxel", "998", part), ("zero", "0", part),
        ("no number", "x", part), ("no label", "", part),
    ):  # fmt: skip
        do(f"split {name}", "POST", f"{split}/{at}".rstrip("/"), body)
    do("split to a bad label", "POST", f"{split}/7?split=x", part)
    do("split by GET", "GET", f"{split}/7")
    do("sizes after failed splits", "GET", f"{SEG}/sizes?supervoxels=true", [7, 5000, 5001])
    do("renumber", "POST", f"{SEG}/renumber?u=me", [3000, 3])
    do("mapping after renumber", "GET", f"{SEG}/mapping", [3, 5, 3000, 4])
    do("sizes after renumber", "GET", f"{SEG}/sizes", [3, 3000])
    do("largest label after renumber", "GET", f"{SEG}/maxlabel")
    for text in ("[3000,2]", "[9,999]", "[1,2,3]", "[]", "{}", "", '["1",2]', "[7000,3000,3000,999]"):
        do(f"renumber {text}", "POST", f"{SEG}/renumber", text)
    do("renumber by GET", "GET", f"{SEG}/renumber", "[1,2]")
    do("sizes after failed renumbers", "GET", f"{SEG}/sizes", [3000, 7000])
    mapping = bytes([0x0A, 0x08, 0x08, 0x01, 0x10, 0x0B, 0x1A, 0x02, 0x02, 0x06])
    do("post mappings", "POST", f"{SEG}/mappings", mapping)
    do("mapping after that", "GET", f"{SEG}/mapping", [2, 6, 11])
    do("sizes after that", "GET", f"{SEG}/sizes", [2, 6, 11])
    do("mappings after that", "GET", f"{SEG}/mappings")
    do("mappings by DELETE", "DELETE", f"{SEG}/mappings")


def overwrites(do: Recorder) -> None:
    """Counts of bodies after voxels were written over others."""
    labels = list(range(1, 12))
    fresh = wire(np.full((16, 16, 16), 42, np.uint64))
    do("write over labels", "POST", f"{PLAIN}/raw/0_1_2/16_16_16/-32_0_-16?mutate=true", fresh)
    time.sleep(PATIENCE)
    do("sizes after writing over", "GET", f"{PLAIN}/sizes", [*labels, 42])
    do("write without mutate", "POST", f"{PLAIN}/raw/0_1_2/16_16_16/-16_0_-16", fresh)
    time.sleep(PATIENCE)
    do("sizes after writing without mutate", "GET", f"{PLAIN}/sizes", [*labels, 42])
    do("write zeros", "POST", f"{PLAIN}/raw/0_1_2/16_16_16/-32_0_-16?mutate=true", bytes(len(fresh)))
    time.sleep(PATIENCE)
    do("sizes after zeros", "GET", f"{PLAIN}/sizes", [*labels, 42])
    do("write zeros over labels with scales", "POST", f"{SEG}/raw/0_1_2/16_16_16/0_0_0?mutate=true", bytes(len(fresh)))
    time.sleep(PATIENCE)
    do("a scale after zeros", "GET", f"{SEG}/raw/0_1_2/16_16_8/0_0_0?scale=1")
    do("a higher scale after zeros", "GET", f"{SEG}/raw/0_1_2/16_16_8/0_0_0?scale=2")
    do("sizes of supervoxels after zeros", "GET", f"{SEG}/sizes?supervoxels=true", labels)
    do("write zeros where nothing is", "POST", f"{NODE}/wide/raw/0_1_2/32_16_16/0_0_0", bytes(2 * len(fresh)))
    time.sleep(PATIENCE)
    do("largest label of zeros", "GET", f"{NODE}/wide/maxlabel")


def others(do: Recorder) -> None:
    """The other types, and instances without an index."""
    data = wire(cells((32, 16, 16), 2))
    for name in ("array", "old", "lz", "bare"):
        do(f"write {name}", "POST", f"{NODE}/{name}/raw/0_1_2/32_16_16/0_0_0", data)
        time.sleep(PATIENCE)
        do(f"read {name}", "GET", f"{NODE}/{name}/raw/0_1_2/32_16_16/0_0_0?compression=gzip")
        do(f"read block of {name}", "GET", f"{NODE}/{name}/raw/0_1_2/16_16_16/16_0_0")
        do(f"label in {name}", "GET", f"{NODE}/{name}/label/20_9_3")
        do(f"labels in {name}", "GET", f"{NODE}/{name}/labels", [[20, 9, 3], [500, 0, 0], [-1, -1, -1]])
        do(f"info of {name}", "GET", f"{NODE}/{name}/info")
        do(f"metadata of {name}", "GET", f"{NODE}/{name}/metadata")
        do(f"resolution of {name}", "POST", f"{NODE}/{name}/resolution", [2.0, 3.0, 4.5])
        if name != "lz":  # a labelmap that stores LZ4 sends damaged blocks, and an error behind them
            do(f"blocks in {name}", "GET", f"{NODE}/{name}/blocks/32_16_16/0_0_0")
            do(f"specific blocks in {name}", "GET", f"{NODE}/{name}/specificblocks?blocks=0,0,0,1,0,0")
        for query in (
            "maxlabel", "nextlabel", "sparsevol/3", "sparsevol/3?format=blocks", "sparsevol-size/3",
            "sparsevol-coarse/3", "sparsevols-coarse/1/4", "sparsevol-by-point/20_9_3", "size/3", "supervoxels/3",
            "lastmod/3", "extents", "tags", "existing-labels", "mappings", "nothing",
        ):  # fmt: skip
            do(f"{query} of {name}", "GET", f"{NODE}/{name}/{query}")
        do(f"mapping of {name}", "GET", f"{NODE}/{name}/mapping", [3])
        for path in ("index/3", "split/3", "history/3/4/5"):
            if name == "old":
                do(f"{path} of {name}", "GET", f"{NODE}/{name}/{path}")
        do(f"cleave of {name}", "POST", f"{NODE}/{name}/cleave/3", [3])
        do(f"HEAD of {name}", "HEAD", f"{NODE}/{name}/info")
        do(f"HEAD of a body of {name}", "HEAD", f"{NODE}/{name}/sparsevol/3")
    do("scale of an array", "GET", f"{NODE}/array/raw/0_1_2/16_8_8/0_0_0?scale=1")
    do(
        "mutate an array",
        "POST",
        f"{NODE}/array/raw/0_1_2/16_16_16/0_0_0?mutate=true",
        wire(np.full((16, 16, 16), 3, np.uint64)),
    )
    do("merge without an index", "POST", f"{NODE}/bare/merge", [3, 4])
    do("nextlabel of an array", "POST", f"{NODE}/array/nextlabel/3")
    do("blocks to an array", "POST", f"{NODE}/array/blocks", frame((5, 0, 0), solid(77)))
    do("read them from the array", "GET", f"{NODE}/array/raw/0_1_2/2_2_2/80_0_0")
    do("largest label of the array", "GET", f"{NODE}/array/maxlabel")


def versions(do: Recorder) -> None:
    """Bodies and mappings in versions."""
    do("commit", "POST", f"{NODE}/commit", {"note": "done"})
    for method, path in (
        ("POST", "merge"), ("POST", "cleave/7"), ("POST", "nextlabel/1"), ("POST", "raw/0_1_2/16_16_16/0_0_0"),
        ("POST", "blocks"), ("POST", "sizes"), ("PUT", "raw/0_1_2/16_16_16/0_0_0"),
    ):  # fmt: skip
        do(f"{method} {path} on a locked node", method, f"{SEG}/{path}", "[6,7]")
    do("newversion", "POST", f"{NODE}/newversion", {"uuid": CHILD})
    do("branch", "POST", f"{NODE}/branch", {"branch": "dev", "uuid": BRANCH})
    child, branch = f"/api/node/{CHILD}/seg", f"/api/node/{BRANCH}/seg"
    looked_at = [7, 8, 9, 10, 5, 3000, 42]
    do("merge in the child", "POST", f"{child}/merge", [8, 9])
    do("merge in the branch", "POST", f"{branch}/merge", [10, 9])
    data = wire(np.full((16, 16, 16), 42, np.uint64))
    do("write in the child", "POST", f"{child}/raw/0_1_2/16_16_16/32_16_0?mutate=true", data)
    do(
        "write in the branch",
        "POST",
        f"{branch}/raw/0_1_2/16_16_16/160_0_0",
        wire(np.full((16, 16, 16), 43, np.uint64)),
    )
    time.sleep(PATIENCE)
    for name, node in (("parent", SEG), ("child", child), ("branch", branch)):
        do(f"mapping in the {name}", "GET", f"{node}/mapping", looked_at)
        do(f"sizes in the {name}", "GET", f"{node}/sizes", looked_at)
        do(f"mappings in the {name}", "GET", f"{node}/mappings")
        do(f"existing labels in the {name}", "GET", f"{node}/existing-labels")
        do(f"largest label in the {name}", "GET", f"{node}/maxlabel")
        do(f"voxels in the {name}", "GET", f"{node}/raw/0_1_2/48_16_16/0_16_0?compression=lz4")
        do(f"a scale in the {name}", "GET", f"{node}/raw/0_1_2/24_8_8/0_8_0?scale=1")
        do(f"info in the {name}", "GET", f"{node}/info")
        do(f"sparsevol in the {name}", "GET", f"{node}/sparsevol/8")
        do(f"next label in the {name}", "GET", f"{node}/nextlabel")
    do("cleave in the child", "POST", f"{child}/cleave/8", [9])
    do("mapping after it in the child", "GET", f"{child}/mapping", looked_at)
    do("mapping after it in the branch", "GET", f"{branch}/mapping", looked_at)
    do("write a supervoxel that is mapped elsewhere", "POST", f"{child}/raw/0_1_2/16_16_16/176_0_0",
       wire(np.full((16, 16, 16), 10, np.uint64)))  # fmt: skip
    do("map it in the branch", "POST", f"{branch}/merge", [10, 43])
    do(
        "write it in the child",
        "POST",
        f"{child}/raw/0_1_2/16_16_16/192_0_0",
        wire(np.full((16, 16, 16), 43, np.uint64)),
    )
    time.sleep(PATIENCE)
    do("sizes after these", "GET", f"{child}/sizes", [10, 43, 7])
    do("mapping after these", "GET", f"{child}/mapping", [10, 43, 7])
    do("commit the child", "POST", f"/api/node/{CHILD}/commit", {})
    do("grandchild", "POST", f"/api/node/{CHILD}/newversion", {"uuid": GRANDCHILD})
    grandchild = f"/api/node/{GRANDCHILD}/seg"
    do("mapping in the grandchild", "GET", f"{grandchild}/mapping", looked_at)
    do("sizes in the grandchild", "GET", f"{grandchild}/sizes", looked_at)
    do("split in the grandchild", "POST", f"{grandchild}/split-supervoxel/42", runs((32, 16, 0, 5)))
    do("supervoxels in the grandchild", "GET", f"{grandchild}/supervoxels/42")
    do("supervoxels in the child", "GET", f"{child}/supervoxels/42")
    do("voxels in the grandchild", "GET", f"{grandchild}/raw/0_1_2/16_16_16/32_16_0?supervoxels=true")
    do("voxels in the child again", "GET", f"{child}/raw/0_1_2/16_16_16/32_16_0?supervoxels=true")
    do("repo info", "GET", f"{REPOSITORY}/info")
    do("types in use", "GET", "/api/server/types")


def story(do: Recorder) -> None:
    """The story of dvid_labels.jsonl."""
    for part in (
        instances, unset, writes, reads, blocks, posted_blocks, points, bodies, numbers, sparse, bounded,
        sparse_refusals, below_0, merges, splits, overwrites, others, versions,
    ):  # fmt: skip
        part(do)


def main() -> None:
    """Tell the story to a server and keep what it answered."""
    url, token, path = sys.argv[1:]
    recorder = Recorder(url, token, Path(path), "labels")
    story(recorder)
    recorder.save()
    sys.stdout.write(f"{len(recorder.rows)} exchanges\n")


if __name__ == "__main__":
    main()
