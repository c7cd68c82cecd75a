"""The memory of this process, as Linux tells it."""

from __future__ import annotations

import gc
import re
from pathlib import Path

from benchmarks.contenders.base import CannotDo

CLEAR_PEAK = "5"
"""Written to clear_refs it resets the peak of the memory in use."""


class Peak:
    """The peak of memory above what was in use when this was made, in bytes."""

    def __init__(self) -> None:
        gc.collect()
        Path("/proc/self/clear_refs").write_text(CLEAR_PEAK)
        self._before = _status("VmRSS")

    @property
    def nbytes(self) -> int:
        """The peak so far."""
        return _status("VmHWM") - self._before


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise CannotDo(f"this system does not tell {name}")
    return int(found[1]) * 1024
