"""Ctrl-C at any moment: no slot is lost, no box stays locked, nothing hangs, and what is read later is right."""

from __future__ import annotations

import gc
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from holds import held
from interrupts import interrupted_at, interrupted_in_the_wait_for_a_thread
from numpy.typing import NDArray

import pyvolume
from mockserver import MockServer
from pyvolume import Box, RetryPolicy
from pyvolume.calls.call import Call
from pyvolume.dvid import VoxelsAccessor
from pyvolume.stores.locks import process_locks
from pyvolume.transfer.pieces import Step
from pyvolume.transfer.pool import run_all

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # an interrupted request leaves its socket to Python
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

PATIENCE = 10
"""Seconds after which a check that hangs fails."""

PLACES = 40
"""Places of each operation at which Ctrl-C is pressed: `make torture` tries all."""

ARRAY: NDArray[Any] = np.random.default_rng(3).integers(1, 200, (1, 96, 96, 96), "uint8")
BOXES = [Box((0, x, 0, 0), (1, x + 24, 24, 24)) for x in range(0, 96, 24)]


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer({"gray": ARRAY.copy(), "copy": np.zeros_like(ARRAY)}) as server:
        yield server


@dataclass
class Bench:
    """What operations work on."""

    connection: pyvolume.Connection
    uuid: str
    folder: Path

    def open(self, name: str) -> VoxelsAccessor:
        return VoxelsAccessor(self.connection, self.uuid, name)

    def __post_init__(self) -> None:
        self.gray, self.copy = self.open("gray"), self.open("copy")


@pytest.fixture
def bench(server: MockServer, tmp_path: Path) -> Iterator[Bench]:
    policy = RetryPolicy(patience=2, interval=0.01)
    with pyvolume.Connection(server.url, retry=policy, concurrency=2) as connection:
        yield Bench(connection, server.uuid, tmp_path)


def write_some(bench: Bench) -> None:
    bench.gray[:, 5:9, 5:9, 5:9] = ARRAY[:, 5:9, 5:9, 5:9]


def leave_reads(bench: Bench) -> None:
    """Begin to read many boxes, and leave the iterator."""
    next(bench.gray.read_many(BOXES))


OPERATIONS: dict[str, Callable[[Bench], object]] = {
    "small read": lambda bench: bench.gray[0, 5:9, 5:9, 5:9],
    "unaligned write": write_some,
    "open": lambda bench: bench.open("gray"),
    "read many": lambda bench: list(bench.gray.read_many(BOXES)),
    "read ahead": leave_reads,
    "write many": lambda bench: bench.gray.write_many((box, ARRAY[box.slices_from((0,) * 4)]) for box in BOXES),
    "copy": lambda bench: pyvolume.copy(bench.gray, bench.copy, concurrency=2, resume=bench.folder / uuid4().hex),
}


def read_with_deadline(bench: Bench) -> None:
    retry = RetryPolicy(deadline=60)
    with pyvolume.Connection(bench.connection.url, retry=retry) as connection:
        VoxelsAccessor(connection, bench.uuid, "gray")


def read_in_pieces(bench: Bench) -> None:
    run_all([Step(box) for box in BOXES], lambda step: bench.gray.read(step.box), Call(RetryPolicy()), lambda: 2)


STARTING_THREADS: dict[str, Callable[[Bench], object]] = {
    "read many": OPERATIONS["read many"],
    "read in pieces": read_in_pieces,
    "deadline": read_with_deadline,
}


def is_left_in_order(bench: Bench) -> bool:
    """Whether nothing is held, soon, and the volume can be read and written."""
    end = time.monotonic() + PATIENCE
    while held(bench.connection.lanes.reads) or held(bench.connection.lanes.writes) or held(process_locks()):
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    bench.gray[:, 3:6, 3:6, 3:6] = ARRAY[:, 3:6, 3:6, 3:6]
    return bool((bench.gray[:, :30, 2:30, 2:30] == ARRAY[:, :30, 2:30, 2:30]).all())


@pytest.mark.parametrize("name", OPERATIONS)
def test_ctrl_c_where_a_call_begins_or_ends(bench: Bench, name: str) -> None:
    operate, kept = OPERATIONS[name], list[BaseException]()
    operate(bench)
    with interrupted_at(0) as passed:
        operate(bench)
    places = random.Random(name).sample(range(1, passed[0]), min(PLACES, passed[0] - 1))
    for place in places:
        try:
            with interrupted_at(place):
                operate(bench)
        except BaseException as error:
            kept.append(error)  # as an interactive session keeps the last traceback, with all that is in it
        assert is_left_in_order(bench), f"Ctrl-C at place {place} of {name}"
    assert {type(each) for each in kept} <= {KeyboardInterrupt}
    assert len(kept) > len(places) // 2
    kept.clear()
    gc.collect()  # the warnings are ignored here only


@pytest.mark.parametrize("name", STARTING_THREADS)
def test_ctrl_c_in_the_wait_for_a_thread_that_begins(bench: Bench, name: str) -> None:
    raised: list[BaseException] = []
    for _ in range(100):  # the thread can begin before anybody waits for it
        try:
            with interrupted_in_the_wait_for_a_thread() as times:
                STARTING_THREADS[name](bench)
        except BaseException as error:
            raised.append(error)
        if times[0]:
            break
    assert is_left_in_order(bench)
    assert [type(each) for each in raised] == [KeyboardInterrupt]
    gc.collect()


def test_ctrl_c_at_random_moments(bench: Bench) -> None:
    number, draw = 0, random.Random(1)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        end = time.monotonic() + 2
        while number < 200 and time.monotonic() < end:
            for name in ("small read", "unaligned write", "open"):
                try:
                    # again, because Python ignores what is raised while it tidies up
                    signal.setitimer(signal.ITIMER_REAL, draw.random() * 0.006 + 1e-5, 0.1)
                    try:
                        while True:
                            OPERATIONS[name](bench)
                    finally:
                        signal.setitimer(signal.ITIMER_REAL, 0)
                except KeyboardInterrupt:
                    number += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert is_left_in_order(bench)
    assert number > 30
    gc.collect()
