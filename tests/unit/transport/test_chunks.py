"""Bodies in chunks, however they are cut on the way."""

from __future__ import annotations

import http.client
import io

import numpy as np
import pytest

from pyvolume.transport.chunks import IN_PLACE, MOST_BESIDE, MOST_TRAILERS, WINDOW, ChunkedBody

BODY = np.random.default_rng(0).integers(0, 256, 3 * WINDOW + 5, "uint8").tobytes()


class Wire(io.RawIOBase):
    """Gives some bytes, a few at a time."""

    def __init__(self, data: bytes, most: int) -> None:
        self._data = io.BytesIO(data)
        self._most = most

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview, /) -> int:  # type: ignore[override]
        return self._data.readinto(target[: self._most])


def framed(body: bytes, size: int, begin: bytes = b"%x\r\n", end: bytes = b"0\r\n\r\n") -> bytes:
    chunks = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(begin % len(chunk) + chunk + b"\r\n" for chunk in chunks) + end


def opened(wire: bytes, most: int = 1 << 30) -> ChunkedBody:
    return ChunkedBody(io.BufferedReader(Wire(wire, most)))


def everything(body: ChunkedBody, step: int) -> bytes:
    received = b""
    while some := body.read(step):
        received += some
    return received


@pytest.mark.parametrize("step", [1, 999, IN_PLACE, 1 << 30])
@pytest.mark.parametrize("most", [1, 1000, 1 << 30])
@pytest.mark.parametrize("size", [1, 7, 2048, IN_PLACE, IN_PLACE + 1, WINDOW, 1 << 30])
def test_gives_what_the_chunks_hold(size: int, most: int, step: int) -> None:
    data = BODY[:3000] if 1 in {size, most, step} else BODY
    body = opened(framed(data, size), most)
    assert everything(body, step) == data
    assert not body.has_rest


@pytest.mark.parametrize("begin", [b"%X\r\n", b"000%x\r\n", b"%x;name=value\r\n", b"%x \r\n", b"%x\n"])
@pytest.mark.parametrize(
    "end", [b"0\r\n\r\n", b"000;last\r\n\r\n", b"0\r\nA: b\r\nC: d\r\n\r\n", b"0\n\n", b"0\r\nA: b"]
)
@pytest.mark.parametrize("most", [1, 1 << 30])
def test_reads_every_form_of_the_lines_between(begin: bytes, end: bytes, most: int) -> None:
    body = opened(framed(BODY[:3000], 700, begin, end), most)
    assert everything(body, 5000) == BODY[:3000]
    assert body.readinto(bytearray(1)) == 0


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 100, 704, 705, 706, 708, -6, -5, -4])
@pytest.mark.parametrize("most", [1, 1 << 30])
def test_a_connection_that_ends_before_the_body_is_an_error(cut: int, most: int) -> None:
    body = opened(framed(BODY[:1400], 700)[:cut], most)
    with pytest.raises(http.client.IncompleteRead):
        everything(body, 5000)


def test_a_connection_that_ends_in_a_large_chunk_is_an_error() -> None:
    body = opened(framed(BODY, 1 << 30)[:-100])
    with pytest.raises(http.client.IncompleteRead):
        everything(body, 1 << 30)


BAD = {
    "nothing": b"\r\n",
    "no number": b"voxels\r\n",
    "a sign": b"+5\r\n12345\r\n0\r\n\r\n",
    "less than nothing": b"-5\r\n12345\r\n0\r\n\r\n",
    "a prefix": b"0x5\r\n12345\r\n0\r\n\r\n",
    "an underscore": b"1_0\r\n0123456789012345\r\n0\r\n\r\n",
    "two numbers": b"5 5\r\n12345\r\n0\r\n\r\n",
    "a huge number": b"f" * 16 + b"\r\n12345",
    "more than it says": b"4\r\n12345\r\n0\r\n\r\n",
    "less than it says": b"6\r\n12345\r\n0\r\n\r\n",
    "a line without end": b"5;" + b"x" * MOST_BESIDE,
    "a line without end, later": b"5\r\n12345\r\n5;" + b"x" * MOST_BESIDE,
    "a long trailer": b"0\r\n" + b"x" * (MOST_BESIDE + 1),
    "many trailers": b"0\r\n" + b"A: b\r\n" * (MOST_TRAILERS + 1) + b"\r\n",
}


@pytest.mark.parametrize("most", [1, 1 << 30])
@pytest.mark.parametrize("fault", BAD)
def test_what_is_no_chunk_is_an_error(fault: str, most: int) -> None:
    body = opened(BAD[fault] + b"rest" * 10000, most)
    with pytest.raises(http.client.HTTPException):
        everything(body, 5000)


@pytest.mark.parametrize("behind", [b"x", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_bytes_behind_the_end_are_refused(behind: bytes) -> None:
    body = opened(framed(BODY[:100], 10) + behind)
    assert everything(body, 5000) == BODY[:100]
    assert body.has_rest
