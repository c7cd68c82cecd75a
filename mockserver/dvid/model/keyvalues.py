"""Data instances of type keyvalue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mockserver.dvid.model.layers import Layers
from mockserver.dvid.model.lineage import Lineage
from mockserver.dvid.model.settings import Base, DataType, Origin, base_from
from mockserver.dvid.wire.bodies import Config
from mockserver.http.messages import Refused

TYPE = DataType("keyvalue", "0.2")


@dataclass
class KeyValues:
    """An instance of values by key; a key is text whose bytes may be no UTF-8, as surrogates."""

    base: Base
    values: Layers[str, bytes] = field(default_factory=Layers)

    def within(self, lineage: Lineage, first: str = "", last: str | None = None) -> Iterator[tuple[str, bytes]]:
        """Yield key and value from the key `first` to `last`, inclusive, in the order of their bytes.

        Raises
        ------
        Refused
            If an empty key is among them. A real server stores one, and cannot list beyond it any more.
        """
        low, high = in_bytes(first), None if last is None else in_bytes(last)
        for key, value in sorted(self.values.seen(lineage).items(), key=lambda item: in_bytes(item[0])):
            if low <= in_bytes(key) and (high is None or in_bytes(key) <= high):
                if not key:
                    raise Refused("empty key")
                yield key, value


def in_bytes(text: str) -> bytes:
    """Return the bytes a text came as."""
    return text.encode(errors="surrogateescape")


def from_config(config: Config, origin: Origin) -> KeyValues:
    """Make an instance of what a client asked for."""
    return KeyValues(base_from(config, TYPE, origin))
