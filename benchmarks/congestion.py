"""Congestion control of this process's own sockets.

Some kernels send with bbr, which paces itself and caps a connection on one machine at a fraction of what it can
carry. The benchmark pins what it can reach to cubic: the sockets of its own process, and those that its own server
accepts; of other libraries those that they hold open.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from urllib3.connection import HTTPConnection

SYSTEM = Path("/proc/sys/net/ipv4/tcp_congestion_control")
PINNED = (socket.IPPROTO_TCP, getattr(socket, "TCP_CONGESTION", 0), b"cubic")


def system_default() -> str:
    """Return what sockets use here if nobody pins them."""
    return SYSTEM.read_text().strip() if SYSTEM.exists() else "unknown"


def can_pin() -> bool:
    """Whether this kernel lets a socket choose cubic."""
    if not PINNED[1]:
        return False
    with socket.socket() as probe:
        try:
            probe.setsockopt(*PINNED)
        except OSError:
            return False
    return True


def pin_urllib3() -> None:
    """Pin every connection that requests and pyvolume will open.

    requests has no setting for it, and urllib3 takes its list of defaults once: it is added to in place.
    """
    options: Any = HTTPConnection.default_socket_options
    if PINNED not in options:
        options.append(PINNED)


def pin_open() -> None:
    """Pin every socket that this process holds open, whichever library has opened it."""
    for entry in list(Path("/proc/self/fd").iterdir()):
        with suppress(OSError):
            duplicate = os.dup(int(entry.name))
            try:
                found = socket.socket(fileno=duplicate)
            except OSError:
                os.close(duplicate)
            else:
                with found:
                    found.setsockopt(*PINNED)
