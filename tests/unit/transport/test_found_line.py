"""The line of an attempt through a given session is found, whatever the threads of the process do."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
import threading

from pyvolume.transport.line import FoundLine

# Each round lets the collection begin at another allocation; one of them is within the look at the frames.
COLLECTING = """
import gc, threading
from pyvolume.transport.line import FoundLine

class Node: pass

def make_garbage():
    node = Node()
    node.me, node.local = node, threading.local()
    node.local.x = 1

def rest(depth):
    rest(depth - 1) if depth else stop.wait()

line, stop = FoundLine(), threading.Event()
for number in range(60):
    stop.clear()
    threads = [threading.Thread(target=rest, args=(3,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    gc.disable()
    make_garbage()
    gc.set_threshold(gc.get_count()[0] + number // 3)
    gc.enable()
    line._find()
    gc.set_threshold(700)
    stop.set()
    for thread in threads:
        thread.join()
"""


def test_it_is_found_while_garbage_is_collected() -> None:
    subprocess.run([sys.executable, "-c", COLLECTING], check=True, timeout=60)


def test_garbage_is_collected_afterwards_only_if_it_was_before() -> None:
    line = FoundLine()
    line._find()
    assert gc.isenabled()
    gc.disable()
    try:
        line._find()
        assert not gc.isenabled()
    finally:
        gc.enable()


class HalfMade(socket.SocketIO):
    """A stream that does not know its socket yet, for as long as nobody says that it is made."""

    begun, is_made = threading.Event(), threading.Event()

    def __init__(self) -> None:
        self.begun.set()
        self.is_made.wait(60)

    def close(self) -> None:
        """Close nothing: there is no socket."""


def test_a_stream_that_is_being_made_is_passed_over() -> None:
    lines: list[FoundLine] = []

    def make() -> None:
        lines.append(FoundLine())
        HalfMade()

    thread = threading.Thread(target=make)
    thread.start()
    try:
        assert HalfMade.begun.wait(60)
        assert lines[0]._find() is None
    finally:
        HalfMade.is_made.set()
        thread.join()
