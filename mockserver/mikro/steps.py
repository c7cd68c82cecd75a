"""Steps: operations of the catalogue that fail, lag, or whose answer is lost."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Literal

KINDS = ("fail", "lose", "lag", "break")


@dataclass(frozen=True)
class Step:
    """What happens to the next operations of a name.

    Parameters
    ----------
    kind : str
        ``fail``
            It is not carried out, and answers the error `message`.
        ``lose``
            It is carried out, and the connection ends without an answer.
        ``break``
            It is carried out, and answers the error `message` all the same.
        ``lag``
            It is carried out after some `seconds`.
    field : str
        The root field, such as ``fromArrayLike``.
    times : int
        How many operations.
    message : str
        The text of the error.
    seconds : float
        The delay.

    Raises
    ------
    ValueError
        If there is no step of this kind.
    """

    kind: Literal["fail", "lose", "lag", "break"]
    field: str
    times: int = 1
    message: str = "the mock server fails"
    seconds: float = 0.1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind of step: expected one of {', '.join(KINDS)}, got {self.kind!r}")


class Steps:
    """The steps that a server still has to take; safe to change while it serves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: list[tuple[Step, int]] = []

    def add(self, *steps: Step) -> None:
        """Add steps; of several for one field, the first one added is taken first."""
        with self._lock:
            self._left += [(step, step.times) for step in steps]

    def clear(self) -> None:
        """Remove all steps."""
        with self._lock:
            self._left.clear()

    def take(self, field: str) -> Step | None:
        """Return the step for an operation, and count it as taken; wait if it lags."""
        with self._lock:
            at = next((n for n, (step, left) in enumerate(self._left) if step.field == field and left), None)
            if at is None:
                return None
            step, left = self._left[at]
            self._left[at] = step, left - 1
        if step.kind == "lag":
            time.sleep(step.seconds)
        return step
