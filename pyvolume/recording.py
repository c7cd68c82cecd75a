"""Recording: receipts for the voxels that a script reads and writes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, overload

from pyvolume.display.table import listing
from pyvolume.files.atomic import appearing
from pyvolume.files.saving import Mode
from pyvolume.model import arguments
from pyvolume.model.units import readable
from pyvolume.transfer.receipts import Receipt, kept_by

__all__ = ["Receipt", "Receipts", "receipts"]


class Receipts(Sequence[Receipt]):
    """The receipts of a block, in the order in which the operations ended; made by `receipts`.

    Printed, it is one line for each. A notebook shows a table.
    """

    def __init__(self) -> None:
        self._receipts: list[Receipt] = []

    def keep(self, receipt: Receipt) -> None:
        """Add a receipt."""
        self._receipts.append(receipt)

    @overload
    def __getitem__(self, index: int) -> Receipt: ...

    @overload
    def __getitem__(self, index: slice) -> list[Receipt]: ...

    def __getitem__(self, index: int | slice) -> Receipt | list[Receipt]:
        return self._receipts[index]

    def __len__(self) -> int:
        return len(self._receipts)

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def __repr__(self) -> str:
        return f"<Receipts: {self._told('read')}, {self._told('write')}>"

    def _told(self, action: Literal["read", "write"]) -> str:
        """Say how many operations there were, and how many bytes."""
        sizes = [each.nbytes for each in self._receipts if each.action == action]
        return f"{len(sizes)} {action}{'' if len(sizes) == 1 else 's'} of {readable(sum(sizes))}"

    def _repr_html_(self) -> str:
        headings = ("action", "address", "start", "stop", "step", "dtype", "bytes", "sha256", "when")
        documents = [each.to_document() for each in self]
        return listing(headings, [[document[name] for name in headings] for document in documents])

    def to_json(self) -> str:
        """Return the receipts as JSON lines: one line of JSON for each."""
        return "".join(f"{each.to_json()}\n" for each in self)

    def save(self, path: str | os.PathLike[str], *, mode: Mode = "w-") -> None:
        """Write the receipts into a new file, as JSON lines.

        Parameters
        ----------
        path : path
            Of the file. It appears when it is complete.
        mode : "w-" or "w"
            Refuse a file that is there, or replace it.

        Raises
        ------
        ExistsError
            If the path is taken.
        OSError
            If the disk is full, or the folder is missing or not for this user.
        """
        arguments.one_of(mode, ("w-", "w"), f"save {os.fspath(path)}", "mode")
        with appearing(Path(path), force=mode == "w") as part:
            part.write_text(self.to_json(), "utf-8")


@contextlib.contextmanager
def receipts() -> Iterator[Receipts]:
    """Keep a receipt for each read and each write that begins inside the block, in all threads that they use.

    A read or write of an array has one receipt. What moves voxels piece by piece (`copy`, a reduction, `save` to HDF5
    and zarr, a write from a file) has one for each piece. An operation that fails has none. Nested blocks keep both.

    Yields
    ------
    Receipts
        A sequence of `Receipt`, which grows while the block runs.

    Examples
    --------
    >>> import numpy as np, pyvolume
    >>> volume = pyvolume.from_array(np.zeros((1, 8, 8, 8), "uint8"))
    >>> with pyvolume.receipts() as receipts:
    ...     volume[:, 2:4] = volume[:, 4:6] + 1
    >>> [(each.action, str(each.box), each.nbytes) for each in receipts]
    [('read', '(0:1, 4:6, 0:8, 0:8)', 128), ('write', '(0:1, 2:4, 0:8, 0:8)', 128)]
    """
    kept = Receipts()
    with kept_by((kept.keep,)):
        yield kept
