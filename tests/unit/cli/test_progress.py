"""The bar on the terminal."""

from __future__ import annotations

import io
import threading

import pytest

from pyvolume.calls.progress import TransferStatus

pytest.importorskip("rich", reason="rich comes with the extra 'cli'")

from pyvolume.cli.progress import progress_bar


class Terminal(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.written.set()
        return super().write(text)


def drawn(stream: io.StringIO, *seconds: float) -> str:
    """Report pieces at such times of a clock, and return what was drawn."""
    clock = [0.0]
    with progress_bar("get cut.h5", stream=stream, now=lambda: clock[0]) as tell:
        for i, clock[0] in enumerate(seconds):
            tell(TransferStatus((i + 1) << 20, 8 << 20, 0))
    return stream.getvalue()


def test_nothing_is_drawn_within_a_second() -> None:
    assert drawn(Terminal(), 0.1, 0.9) == ""


def test_a_bar_with_a_rate_follows() -> None:
    text = drawn(Terminal(), 0.5, 1.5, 2.5, 3.5)
    assert "get cut.h5" in text
    assert "MiB" in text
    assert "1.2 MB/s" in text
    assert "0:00:04 left" in text


def test_nothing_is_drawn_where_nobody_looks() -> None:
    assert drawn(io.StringIO(), 0.5, 5.0) == ""


def test_a_bar_appears_before_anything_has_come() -> None:
    terminal = Terminal()
    with progress_bar("get cut.h5", stream=terminal, patience=0):
        assert terminal.written.wait(30)
    assert "get cut.h5" in terminal.getvalue()
