"""A signal ends the command wherever it comes, even where Python or C code loses the exception."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

LOST = """
import os, signal, threading, weakref
from pyvolume.cli.signals import end_by_exceptions

class Watched: pass

end_by_exceptions()
watched = Watched()
reference = weakref.ref(watched, lambda _: os.kill(os.getpid(), {number}))
try:
    del watched
    threading.Event().wait(30)
finally:
    print("cleaned up")
"""

EARLY = """
import signal, threading

start = threading.Timer.start

def start_slowly(timer):
    threading.Timer.start = start
    start(timer)
    threading.Event().wait(30)

threading.Timer.start = start_slowly
"""

UNSEEN = """
import signal

kill = signal.pthread_kill

def before_the_wait(main, number):
    signal.pthread_kill = kill
    signal.raise_signal(number)

signal.pthread_kill = before_the_wait
"""

REPLACED = """
import signal, sys
import click
from pyvolume.cli import main
from pyvolume.cli.group import Commands

@click.command()
def odd():
    try:
        signal.raise_signal({number})
    except BaseException:
        raise TypeError("no such data type") from None

Commands.get_command = lambda *_: odd
sys.argv[1:] = ["odd"]
main()
"""

# First another thread gets the signal: as one that comes just before the wait begins, it does not wake the main thread.
# Then it comes at each of the last places that the main thread has passed until then, if these are the same each time.
SERVING = """
import io, signal, sys, threading

class Output(io.StringIO):
    def __init__(self, place):
        super().__init__()
        self.place = place
        self.passed = self.places = 0

    def flush(self):
        if not self.place:
            threading.Timer(0.3, self.end).start()
        sys.setprofile(self.profile)

    def profile(self, *_):
        self.passed += 1
        if self.passed == self.place:
            signal.raise_signal(signal.SIGTERM)

    def end(self):
        self.places = self.passed
        signal.raise_signal(signal.SIGTERM)

def serve(place):
    sys.stdout = output = Output(place)
    try:
        {serve}
    finally:
        sys.setprofile(None)
        sys.stdout = sys.__stdout__
    return output.places

serve(0)  # the first one imports modules
last = serve(0)
for place in range(max(0, last - int(sys.argv[2])), last):
    serve(place + 1)
print("ended")
"""

SERVERS = {
    "mock server": ("from mockserver.__main__ import main; main(['--port', '0'])", 30),
    "view": (
        "from pyvolume.cli.commands.view import view; view([sys.argv[1], '--no-browser'], standalone_mode=False)",
        0,  # rich does other things each time
    ),
}


def ended(code: str, number: signal.Signals) -> tuple[int, str, str]:
    script = textwrap.dedent(code).format(number=int(number))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_a_callback_of_a_weak_reference_comes_again(number: signal.Signals) -> None:
    assert ended(LOST, number) == (128 + number, "cleaned up\n", "")


@pytest.mark.parametrize("moment", [EARLY, UNSEEN], ids=["before its thread is started", "before the wait begins"])
def test_a_signal_that_comes_again_is_not_lost_again(moment: str) -> None:
    began = time.monotonic()
    assert ended(moment + LOST, signal.SIGTERM) == (128 + signal.SIGTERM, "cleaned up\n", "")
    assert time.monotonic() - began < 25


def test_an_interrupt_in_a_callback_of_a_weak_reference_comes_again() -> None:
    code, said, _ = ended(LOST, signal.SIGINT)
    assert (code, said) == (-signal.SIGINT, "cleaned up\n")


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGINT, "pyvolume: interrupted\n"), (signal.SIGTERM, "pyvolume: ended by SIGTERM\n")]
)
def test_an_error_in_place_of_the_exception_of_a_signal_does_not_hide_it(number: signal.Signals, said: str) -> None:
    assert ended(REPLACED, number) == (128 + number, "", said)


@pytest.mark.parametrize("server", SERVERS)
def test_a_signal_ends_a_server_wherever_it_comes(server: str, tmp_path: Path) -> None:
    np.save(tmp_path / "cut.npy", np.zeros((1, 4, 5, 6), "uint8"))
    serve, places = SERVERS[server]
    code = SERVING.replace("{serve}", serve)
    command = [sys.executable, "-c", code, str(tmp_path / "cut.npy"), str(places)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")
