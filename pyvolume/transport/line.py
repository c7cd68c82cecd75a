"""Line: the connection that one attempt uses, which another thread can cut."""

from __future__ import annotations

import contextlib
import gc
import http.client
import os
import socket
import struct
import sys
import threading
from types import FrameType
from typing import Self

from pyvolume.calls.processes import OfProcess

AGAIN = 0.05
"""Seconds after which a thread that goes on is cut off again."""

_LOOKING = OfProcess(threading.Lock)
"""Held while the collection of garbage is off."""

_DISCARD = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


def discard_unsent(connected: socket.socket) -> None:
    """Let the system discard what it has not sent yet when the socket is closed, and reset the connection."""
    with contextlib.suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)


class Line:
    """The connection of one attempt. An attempt that waits for it ends when another thread cuts it.

    A limit on the silence of a socket is no limit on an attempt: a server that sends one byte a second is never silent.

    Attributes
    ----------
    is_cut : bool
        Whether the attempt shall end.
    """

    def __init__(self) -> None:
        self.is_cut = False
        self._lock = threading.Lock()
        self._connected: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()

    def hold(self, connected: socket.socket) -> None:
        """Note the socket that the attempt uses from now on.

        Raises
        ------
        ConnectionAbortedError
            If the line is cut.
        """
        with self._lock:
            if self.is_cut:
                raise ConnectionAbortedError("the attempt was given up")
            self._connected = connected

    def release(self) -> None:
        """Note that the attempt uses its socket no more."""
        with self._lock:
            self._connected = None

    def cut(self) -> None:
        """End the attempt: its socket is shut down, now or as soon as it is held."""
        with self._lock:
            self.is_cut = True
            if self._connected is not None:
                _shut_down(self._connected)


class Lines(threading.local):
    """The line of the attempt that a thread makes at the moment."""

    def __init__(self) -> None:
        self.line = Line()


class FoundLine(Line):
    """The line of an attempt through a library that does not say which connection it uses.

    The socket is looked for where the thread of the attempt waits at the moment: in the methods of `http.client` and
    `socket` that it has called.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self._released = threading.Event()

    def release(self) -> None:
        self._released.set()

    def cut(self) -> None:
        self.is_cut = True
        threading.Thread(target=self._cut_until_released, name="pyvolume", daemon=True).start()

    def _cut_until_released(self) -> None:
        while not self._released.is_set():
            connected = self._find()
            if connected is not None:
                _shut_down(connected)
            self._released.wait(AGAIN)

    def _find(self) -> socket.socket | None:
        frame = _frame_of(self._thread)
        while frame is not None and not any(each is self for each in frame.f_locals.values()):
            match frame.f_locals.get("self"):
                case socket.socket() as connected:
                    return connected
                case socket.SocketIO(_sock=socket.socket() as connected):  # type: ignore[misc]  # none while it is made
                    return connected
                case http.client.HTTPConnection(sock=socket.socket() as connected):
                    return connected
            frame = frame.f_back
        return None


def _frame_of(thread: int) -> FrameType | None:
    """Return what a thread runs at the moment.

    Python 3.11 locks its list of threads meanwhile. A garbage collection that begins there and frees a
    `threading.local` would wait for that lock for ever (https://github.com/python/cpython/issues/106883).
    """
    with _LOOKING[os.getpid()]:
        collects = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames().get(thread)  # noqa: SLF001 - public, in spite of its name
        finally:
            if collects:
                gc.enable()


def _shut_down(connected: socket.socket) -> None:
    discard_unsent(connected)
    with contextlib.suppress(OSError):
        # not the method of a TLS socket, which would take the keys from the thread that uses it
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
