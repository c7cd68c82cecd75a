"""The server of files, with its voxels in chunks (``Transfer-Encoding: chunked``) instead of with a length.

What a real DVID sends, as Go's net/http makes it of its writes (seen on the wire of DVID 3400c2cb):

- An answer of at most 2 KiB has a length.
- Raw voxels, also as lz4, come in one chunk as long as the body: DVID writes them at once.
- Blocks of labels come in a chunk of 2 KiB and one with the rest, for each block. What it compresses by gzip comes in
  chunks of 2 KiB throughout.

A proxy that is written in Go copies a body in pieces of 32 KiB, each of which becomes a chunk.
"""

from __future__ import annotations

import argparse
import os
import socket
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.servers.files import NOISE, FileServer, Part
from benchmarks.servers.shaping import Line, Pace
from benchmarks.servers.until_closed import accept, address_of, converse, listener

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


@dataclass
class ChunkingServer(FileServer):
    """A server of files whose voxels come in chunks.

    Parameters
    ----------
    root, line
        As for `FileServer`; the rates of a line do not count.
    chunk : int
        Bytes of a chunk; 0 for one that is as long as the body.
    """

    chunk: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.chunk:
            noise = np.memmap(self.root / NOISE, np.uint8, "r").reshape(-1, self.chunk)
            begin = np.frombuffer(b"%x\r\n" % self.chunk, np.uint8)
            framed = np.empty((len(noise), self._framed(self.chunk)), np.uint8)
            framed[:, : len(begin)], framed[:, len(begin) : -2], framed[:, -2:] = begin, noise, (13, 10)
            framed.tofile(self.root / self._file)

    def _framed(self, nbytes: int) -> int:
        """Return how many bytes whole chunks are on the wire."""
        count, rest = divmod(nbytes, self.chunk)
        if rest:
            raise ValueError(f"{nbytes} bytes are not chunks of {self.chunk}")
        return count * (self.chunk + len(b"%x\r\n\r\n" % self.chunk))

    @property
    def _file(self) -> str:
        """The file of noise as it is on the wire: no answer has to be copied."""
        return f"noise.chunks-{self.chunk}"

    def _send(self, connection: socket.socket, part: Part, pace: Pace, *, with_body: bool) -> None:
        if part.path != self.root / NOISE:
            super()._send(connection, part, pace, with_body=with_body)
            return
        path, runs = part.path, part.runs
        begin, end = b"%x\r\n" % part.nbytes, b"\r\n" + END
        if self.chunk:
            path, begin, end = self.root / self._file, b"", END
            runs = [(self._framed(start), self._framed(nbytes)) for start, nbytes in runs]
        connection.send(HEAD + begin, getattr(socket, "MSG_MORE", 0))
        with path.open("rb", buffering=0) as file:
            for start, nbytes in runs:
                sent = 0
                while sent < nbytes:
                    sent += os.sendfile(connection.fileno(), file.fileno(), start + sent, nbytes - sent)
        connection.sendall(end)


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--chunk", type=int, default=0)
    options = parser.parse_args()
    listening = listener()
    accept(listening, ChunkingServer(options.root, Line(), chunk=options.chunk).serve)
    converse(address_of(listening))


if __name__ == "__main__":
    main()
