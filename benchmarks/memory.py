"""The memory of this process, as Linux tells it."""

from __future__ import annotations

import gc
import re
from pathlib import Path

from benchmarks.contenders.base import CannotDo

CLEAR_PEAK = "5"
"""Written to clear_refs it resets the peak of the memory in use."""


class Peak:
    """The peak of memory since this was made, in bytes: above what was in use then, and of the whole process."""

    def __init__(self) -> None:
        gc.collect()
        Path("/proc/self/clear_refs").write_text(CLEAR_PEAK)
        self._before = _status("VmRSS")

    @property
    def nbytes(self) -> int:
        """The peak so far, above what was in use."""
        return self.resident - self._before

    @property
    def resident(self) -> int:
        """The peak so far, of the whole process."""
        return _status("VmHWM")


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise CannotDo(f"this system does not tell {name}")
    return int(found[1]) * 1024
