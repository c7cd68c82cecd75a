"""Blocks of N5: TensorStore and lz4-java are the oracles."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from n5_by_hand import COMPRESSIONS, block
from numpy.typing import NDArray

from pyvolume.codecs import lz4block, n5
from pyvolume.codecs.compressions import ELSEWHERE, OPTIONS, Compression
from pyvolume.errors import AnswerError, MetadataError, UnsupportedError

DTYPES = [*(f"{sign}int{bits}" for sign in ("u", "") for bits in (8, 16, 32, 64)), "float32", "float64"]

LZ4_JAVA = (
    "000000030000000400000005000000064c5a34426c6f636b203300000080000000c45b3d0daf0000000100020003000702000baf03e803e9"
    "03ea03eb03ef02000baf07d007d107d207d307d702000b800bb80bb90bba0bbb4c5a34426c6f636b202800000070000000b6f827032f0bbf"
    "02000baf0fa00fa10fa20fa30fa702000baf13881389138a138b138f020006508f138f138f4c5a34426c6f636b100000000000000000000000"
    "00"
)
"""A block of `JAVA` from the LZ4BlockOutputStream of lz4-java 1.8.0, in frames of 128 bytes."""

JAVA = np.fromfunction(lambda x, y, z: 1000 * z + np.where(y == 0, x, 7), (4, 5, 6)).astype("uint16")


def form(compression: Any, dtype: str = "uint16", shape: tuple[int, ...] = (4, 5, 6)) -> n5.BlockFormat:
    return n5.BlockFormat(shape, np.dtype(dtype), Compression.of(compression, "open x"))


def same(actual: NDArray[Any], expected: NDArray[Any]) -> None:
    np.testing.assert_array_equal(actual.astype(actual.dtype.newbyteorder("=")), expected, strict=True)


def encoded(voxels: NDArray[Any], kind: n5.BlockFormat) -> bytes:
    return b"".join(n5.encode(voxels, kind))


def test_a_raw_block_is_big_endian_with_the_first_axis_fastest() -> None:
    expected = bytes.fromhex("0000 0003 00000002 00000001 00000001 0001 0102")
    voxels = np.array([1, 258], "uint16").reshape(2, 1, 1)
    assert encoded(voxels, form("raw")) == expected
    same(n5.decode(expected, form("raw"), "read x"), voxels)


@pytest.mark.parametrize("kind", COMPRESSIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_blocks_that_were_made_by_hand_are_read(kind: str, dtype: str) -> None:
    attribute, compress = COMPRESSIONS[kind]
    voxels = np.random.default_rng(0).integers(0, 127, (4, 5, 3)).astype(dtype)
    same(n5.decode(block(voxels, compress), form(attribute, dtype), "read x"), voxels)


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("order", ["F", "C"])
def test_what_is_encoded_is_decoded(kind: str, order: Any) -> None:
    voxels = np.random.default_rng(0).integers(0, 999, (4, 5, 6)).astype("uint16", order=order)
    same(n5.decode(encoded(voxels, form(kind)), form(kind), "read x"), voxels)


def test_values_are_cast_and_views_are_taken_as_they_are() -> None:
    voxels = np.arange(480, dtype="int64").reshape(12, 5, 8)[::3, :, 1:7]
    same(n5.decode(encoded(voxels, form("raw")), form("raw"), "read x"), voxels.astype("uint16"))


@pytest.mark.parametrize("kind", [each for each in OPTIONS if each != "lz4"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float32"])
def test_tensorstore_reads_what_is_encoded_and_writes_what_is_decoded(kind: str, dtype: str, tmp_path: Path) -> None:
    tensorstore = pytest.importorskip("tensorstore")
    chosen = Compression.of(kind, "create x")
    attributes = {
        "dimensions": [4, 5, 6], "blockSize": [4, 5, 6], "dataType": dtype, "compression": chosen.to_document(),
    }  # fmt: skip
    specification = {"driver": "n5", "kvstore": {"driver": "file", "path": str(tmp_path)}, "metadata": attributes}
    array = tensorstore.open(specification, create=True, open=True).result()
    ours, theirs = (np.random.default_rng(seed).integers(0, 120, (4, 5, 6)).astype(dtype) for seed in range(2))
    array.write(theirs).result()
    path = tmp_path / "0" / "0" / "0"
    same(n5.decode(path.read_bytes(), form(kind, dtype), "read x"), theirs)
    path.write_bytes(encoded(ours, form(kind, dtype)))
    again = tensorstore.open(specification | {"recheck_cached_data": True}, open=True).result()
    same(again.read().result(), ours)


def test_the_stream_of_lz4_java_is_read_and_written_byte_for_byte() -> None:
    kind = form({"type": "lz4", "blockSize": 128})
    same(n5.decode(bytes.fromhex(LZ4_JAVA), kind, "read x"), JAVA)
    assert encoded(JAVA, kind).hex() == LZ4_JAVA


def test_bytes_that_lz4_makes_no_smaller_are_stored_as_they_are() -> None:
    noise = np.random.default_rng(0).integers(0, 256, 5000, dtype="uint8").tobytes()
    packed = b"".join(lz4block.compress(memoryview(noise), 1024))
    assert len(packed) == len(noise) + 6 * 21
    assert lz4block.decompress(memoryview(packed), len(noise)) == noise


# made with the package xxhash
@pytest.mark.parametrize(
    ("size", "seed", "expected"),
    [
        (0, 0, 0x02CC5D05),
        (3, 1, 0x67E8298A),
        (15, 7, 0xC4A8DB73),
        (16, 0x9747B28C, 0xBD65B1D1),
        (23, 0x9747B28C, 0xCE49DD13),
        (1000, 0xFFFFFFFF, 0x5FA5C534),
    ],
)
def test_xxhash32_has_any_seed(size: int, seed: int, expected: int) -> None:
    assert lz4block.xxhash32(bytes(i * 7 % 256 for i in range(size)), seed) == expected


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_block_that_is_cut_anywhere_is_one_error(kind: str) -> None:
    data = encoded(JAVA, form(kind))
    end = len(data) - 21 if kind == "lz4" else len(data)  # the last frame of lz4 has no voxels
    for length in range(end):
        with pytest.raises(AnswerError, match=r"^read the block /a/0: expected"):
            n5.decode(data[:length], form(kind), "read the block /a/0")


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "lz4", "zstd"])
def test_no_changed_bit_of_a_block_with_a_checksum_changes_voxels_silently(kind: str) -> None:
    data = encoded(JAVA, form(kind))
    for at in range(16, len(data)):
        changed = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
        try:
            found = n5.decode(changed, form(kind), "read x")
        except AnswerError:
            continue
        same(found, JAVA)


def test_a_checksum_that_does_not_fit_is_an_error() -> None:
    data = bytearray.fromhex(LZ4_JAVA)
    data[16 + 17] ^= 1
    with pytest.raises(AnswerError, match="the checksum of a frame does not fit"):
        n5.decode(bytes(data), form("lz4"), "read x")


@pytest.mark.parametrize("kind", ["raw", "gzip", "bzip2", "xz", "lz4", "blosc", "zstd"])
def test_a_block_of_more_voxels_than_its_head_says_is_an_error(kind: str) -> None:
    data = bytearray(encoded(JAVA, form(kind)))
    struct.pack_into(">I", data, 12, 5)
    with pytest.raises(AnswerError, match="4×5×5 voxels"):
        n5.decode(bytes(data), form(kind), "read x")


def test_a_stream_that_would_fill_the_memory_is_not_decompressed() -> None:
    huge = zlib.compressobj(wbits=31)
    data = b"".join(huge.compress(bytes(1 << 20)) for _ in range(64)) + huge.flush()
    with pytest.raises(AnswerError, match="more than 240 bytes"):
        n5.decode(struct.pack(">HH3I", 0, 3, 4, 5, 6) + data, form("gzip"), "read x")


def test_streams_of_gzip_that_follow_each_other_are_one() -> None:
    head, body = block(JAVA)[:16], block(JAVA)[16:]
    compress = COMPRESSIONS["gzip"][1]
    same(n5.decode(head + compress(body[:100]) + compress(body[100:]), form("gzip"), "read x"), JAVA)


@pytest.mark.parametrize(
    ("head", "error", "message"),
    [
        ("0001 0003 00000004 00000005 00000006 00000078", UnsupportedError, "varying numbers of elements"),
        ("0002 00000078", UnsupportedError, "objects"),
        ("0007 0003 00000004 00000005 00000006", AnswerError, "the mode 7"),
        ("0000 0002 00000004 00000005", AnswerError, "3 axes .* 2 axes"),
        ("0000 0003 00000005 00000005 00000006", AnswerError, r"up to \(4, 5, 6\) voxels and found \(5, 5, 6\)"),
        ("0000 0003 ffffffff ffffffff ffffffff", AnswerError, "4294967295"),
        ("", AnswerError, "a head of 16 bytes and found 0"),
    ],
)
def test_a_wrong_head_is_one_sentence(head: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        n5.decode(bytes.fromhex(head), form("raw"), "read the block /a/0")
    assert str(caught.value).startswith("read the block /a/0: expected")


def test_a_smaller_block_and_one_without_voxels_are_read() -> None:
    small = np.ones((2, 5, 6), "uint16")
    same(n5.decode(block(small), form("raw"), "read x"), small)
    empty = np.zeros((0, 0, 0), "uint16")
    same(n5.decode(block(empty), form("gzip"), "read x"), empty)


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_an_unknown_compression_names_the_package_that_has_it(kind: str) -> None:
    with pytest.raises(UnsupportedError, match=f"raw, gzip, .*'{kind}', which {ELSEWHERE[kind]} has"):
        Compression.of({"type": kind}, "open x")


@pytest.mark.parametrize("found", [None, 3, {}, {"type": ["gzip"]}, "zip"])
def test_what_is_no_compression_is_refused(found: Any) -> None:
    with pytest.raises(UnsupportedError, match="one of the compressions raw, gzip"):
        Compression.of(found, "open x")


@pytest.mark.parametrize(
    "document",
    [
        {"type": "gzip", "level": 99},
        {"type": "xz", "preset": "6"},
        {"type": "lz4", "blockSize": 10**30},
        {"type": "bzip2", "blockSize": 1.5},
    ],
)
def test_an_impossible_option_is_a_metadata_error(document: dict[str, Any]) -> None:
    with pytest.raises(MetadataError, match="of the compression from") as caught:
        Compression.of(document, "open x")
    assert caught.value.path.startswith("$.compression.")


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(JAVA, form("zstd"))
    monkeypatch.setitem(__import__("sys").modules, "numcodecs", None)
    with pytest.raises(ImportError, match=r'zstd needs numcodecs: pip install "pyvolume-sdk\[n5\]"'):
        n5.decode(data, form("zstd"), "read x")
