"""Options: what a user chooses about a volume of labels."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from pyvolume.errors import AddressError, UnsupportedError
from pyvolume.model import arguments

Compression = Literal["auto", "lz4", "gzip", "none", "google", "blocks"]
"""How labels are compressed on the wire."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a user chooses about a volume of labels, and which view of it is shown.

    Parameters
    ----------
    compression : str
        How voxels are compressed on the wire, see `LabelVolume`.
    ingest : bool
        Whether writes are the first ones of their blocks.
    supervoxels : bool
        Show the labels that are stored, in place of the bodies that they belong to.
    scale : int
        The resolution level; 0 is the finest.
    downres, indexing : bool
        Whether the server makes coarser levels of native blocks, and adds them to its index of bodies.
    """

    compression: Compression = "auto"
    ingest: bool = False
    supervoxels: bool = False
    scale: int = 0
    downres: bool = True
    indexing: bool = True

    def __post_init__(self) -> None:
        arguments.one_of(self.compression, get_args(Compression), "open labels", "compression")

    def check_voxels(self, action: str, typename: str) -> None:
        """Refuse options that only labels have.

        Raises
        ------
        UnsupportedError
        """
        if self.compression not in {"auto", "none"} or self.ingest:
            raise UnsupportedError(
                f"{action}: compression= and ingest= are for labels; the server sends the voxels of {typename} as they "
                "are"
            )

    def taking(self, query: Mapping[str, str]) -> tuple[Options, dict[str, str]]:
        """Return these options with the view that a query names, and the rest of the query.

        Raises
        ------
        AddressError
            For a view that is not possible.
        """
        rest = dict(query)
        scale, supervoxels = rest.pop("scale", str(self.scale)), rest.pop("supervoxels", str(self.supervoxels))
        if re.fullmatch("[0-9]{1,3}", scale) is None or supervoxels.lower() not in {"true", "false"}:
            raise AddressError(f"open labels: expected a scale from 0 on and supervoxels=true, and found {dict(query)}")
        return dataclasses.replace(self, scale=int(scale), supervoxels=supervoxels.lower() == "true"), rest

    @property
    def for_reads(self) -> str:
        """The compression of reads; for labels lz4 was the fastest on lines from 1 to 25 Gb/s."""
        return "lz4" if self.compression == "auto" else self.compression

    @property
    def for_writes(self) -> str:
        """The compression of writes; the server takes no ``google``, and counts voxels in ``blocks`` as new ones."""
        return "blocks" if self.compression == "blocks" and self.ingest else self.for_raw_writes

    @property
    def for_raw_writes(self) -> str:
        """The compression of writes that are no native blocks."""
        return self.compression if self.compression in {"gzip", "none"} else "lz4"

    @property
    def words(self) -> dict[str, str]:
        """The words of a query for the view."""
        supervoxels = {"supervoxels": "true"} if self.supervoxels else {}
        return supervoxels | ({"scale": str(self.scale)} if self.scale else {})
