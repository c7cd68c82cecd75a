"""A signal ends the command wherever it comes, even where Python or C code loses the exception."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

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


def ended(code: str, number: signal.Signals) -> tuple[int, str, str]:
    script = textwrap.dedent(code).format(number=int(number))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_a_callback_of_a_weak_reference_comes_again(number: signal.Signals) -> None:
    assert ended(LOST, number) == (128 + number, "cleaned up\n", "")


def test_an_interrupt_in_a_callback_of_a_weak_reference_comes_again() -> None:
    code, said, _ = ended(LOST, signal.SIGINT)
    assert (code, said) == (-signal.SIGINT, "cleaned up\n")


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGINT, "pyvolume: interrupted\n"), (signal.SIGTERM, "pyvolume: ended by SIGTERM\n")]
)
def test_an_error_in_place_of_the_exception_of_a_signal_does_not_hide_it(number: signal.Signals, said: str) -> None:
    assert ended(REPLACED, number) == (128 + number, "", said)
