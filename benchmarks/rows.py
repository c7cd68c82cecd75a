"""What is measured: one row for each thing that is moved, and the line that it is moved over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from benchmarks.contenders.base import Corner
from benchmarks.servers.files import EDGE
from benchmarks.servers.shaping import Line

Action: TypeAlias = Literal[
    "read", "random reads", "many reads", "read into", "read into, busy", "write", "write C", "write slice"
]

CUBE = (EDGE,) * 3
PLAIN = Line()
LATENT = Line(latency=0.02)
LIMITED = Line(per_connection=50e6)
FAR = Line(latency=0.1, per_connection=10e6)
PASSING, FAILING = Line(failing=1 << 62), Line(failing=100)

MANY = 256
"""Boxes that are given away at once."""

CLIENTS = ("bare socket", "requests", "pyvolume")
"""Those who are sent to the file server under DVID's paths: nobody's server is measured there."""


@dataclass(frozen=True)
class Row:
    """One thing to do.

    Parameters
    ----------
    name, title : str
        For the command line, and for people.
    action : Action
        "random reads" reads boxes of `shape` one after the other, "many reads" gives many of them away at once.
        "write C" writes an array in C order, "write slice" a part of a larger one.
    shape, start : tuple of int
        Of the box.
    line : Line
        What is put between client and server.
    chunk : int
        Edge of the chunks, for contenders whose volumes lie in files: the faster one of two.
    memory : bool
        Whether the peak of memory is measured.
    contenders : tuple of str
        Who takes part besides pyvolume and its peers; if `canned`, who takes part at all.
    canned : bool
        Whether the answers come from the file server.
    chunked : int, optional
        Bytes of the chunks in which it sends voxels, 0 for one as long as the body; by default it sends a length.
    """

    name: str
    title: str
    action: Action
    shape: Corner
    start: Corner = (0, 0, 0)
    line: Line = PLAIN
    chunk: int = 64
    memory: bool = False
    contenders: tuple[str, ...] = ()
    canned: bool = False
    chunked: int | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the box, or of all that are given away at once."""
        x, y, z = self.shape
        return x * y * z * (MANY if self.action == "many reads" else 1)

    @property
    def warms_up(self) -> bool:
        """Whether everyone works for some seconds before the first round: a client can learn what a line is like."""
        return not self.canned and self.line not in (PLAIN, PASSING, FAILING)

    @property
    def writes(self) -> bool:
        """Whether the action is a write."""
        return self.action.startswith("write")


SMALL: Corner = (64, 64, 64)
ODD: Corner = (10, 20, 30)
STATIC = "pyvolume, static files"

TABLE = (
    Row("read-512", "512³ read", "read", CUBE, chunk=128, memory=True, contenders=("http.client, 4 threads",)),
    Row("write-512", "512³ write", "write", CUBE, memory=True),
    Row("read-64", "1000 random 64³ reads, one after the other", "random reads", SMALL),
    Row("read-100", "100³ unaligned read", "read", (100,) * 3, ODD),
    Row("write-100", "100³ unaligned write", "write", (100,) * 3, ODD),
    Row("write-128", "128³ aligned write, the box around it", "write", (128,) * 3),
    Row("latency", "512³ read, 20 ms more for each request", "read", CUBE, line=LATENT, chunk=128,
        contenders=(STATIC,)),
    Row("limit", "512³ read, 50 MB/s for each connection", "read", CUBE, line=LIMITED, chunk=128, contenders=(STATIC,)),
    Row("far", "512³ read, 100 ms more for each request, 10 MB/s for each connection", "read", CUBE, line=FAR,
        chunk=128, contenders=(STATIC,)),
    Row("boxes", "256 random 64³ reads at once, 20 ms more for each request", "many reads", SMALL, line=LATENT),
    Row("passed", "random 64³ reads through the same proxy", "random reads", SMALL, line=PASSING),
    Row("failing", "random 64³ reads, 1 % of requests failing", "random reads", SMALL, line=FAILING),
)  # fmt: skip
"""pyvolume and its peers, each at a server of its kind."""

DEEP = (512, 512, 1024)
ONE = "pyvolume, 1 at once"
EIGHT = "pyvolume, 8 at once"


def _canned(
    name: str,
    title: str,
    action: Action,
    shape: Corner,
    *contenders: str,
    line: Line = PLAIN,
    chunked: int | None = None,
) -> Row:
    """Make a row without a server to speak of; the peak of memory where nothing is filled or shaped."""
    contenders = contenders or CLIENTS
    return Row(name, title, action, shape, contenders=contenders, line=line, canned=True,
               chunked=chunked, memory=line == PLAIN and "into" not in action)  # fmt: skip


CANNED = (
    _canned("into-256M", "GET 256 MiB into an array", "read into", DEEP),
    _canned("into-512", "GET 512³ into an array", "read into", CUBE, *CLIENTS, ONE),
    _canned("new-512", "GET 512³ as a new array", "read", CUBE),
    _canned("into-16M", "GET 16 MiB into an array", "read into", (256,) * 3),
    _canned("into-1M", "GET 1 MiB into an array", "read into", (128, 128, 64)),
    _canned("into-64", "GET 64³ into an array", "read into", SMALL),
    _canned("into-4K", "GET 4 KiB into an array", "read into", (16,) * 3, *CLIENTS, "http.client"),
    _canned("chunk-4K", "GET 4 KiB in one chunk", "read into", (16,) * 3, *CLIENTS, ONE, "http.client", chunked=0),
    _canned("chunk-64", "GET 64³ in one chunk", "read into", SMALL, *CLIENTS, ONE, chunked=0),
    _canned("chunk-16M", "GET 16 MiB in one chunk", "read into", (256,) * 3, *CLIENTS, ONE, chunked=0),
    _canned("chunk-512", "GET 512³ in one chunk", "read into", CUBE, *CLIENTS, ONE, chunked=0),
    _canned("chunks-16M", "GET 16 MiB in chunks of 32 KiB", "read into", (256,) * 3, *CLIENTS, ONE, chunked=32 << 10),
    _canned("chunks-512", "GET 512³ in chunks of 32 KiB", "read into", CUBE, *CLIENTS, ONE, chunked=32 << 10),
    _canned("busy-512", "GET 512³ beside a busy thread", "read into, busy", CUBE),
    _canned("post-256M", "POST 256 MiB, Fortran order", "write", DEEP),
    _canned("post-C", "POST 512³, C order", "write C", CUBE),
    _canned("post-slice", "POST 448×448×512 out of 512³", "write slice", (448, 448, 512)),
    _canned("capped", "GET 512³, 200 MB/s for each connection", "read", CUBE, ONE, EIGHT,
            line=Line(per_connection=200e6)),
    _canned("link-1G", "GET 512³, a link of 1 Gb/s", "read", CUBE, "pyvolume", line=Line(shared=125e6)),
    _canned("link-10G", "GET 512³, a link of 10 Gb/s", "read", CUBE, "pyvolume", line=Line(shared=1.25e9)),
)  # fmt: skip
"""The client alone: a bare socket, requests and pyvolume at a server that costs next to nothing."""
