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
    """Values by key; in a key, a surrogate is a byte that is not UTF-8."""

    base: Base
    values: Layers[str, bytes] = field(default_factory=Layers)

    def within(self, lineage: Lineage, first: str = "", last: str | None = None) -> Iterator[tuple[str, bytes]]:
        """Yield key and value from the key `first` to `last`, inclusive, in the order of their bytes.

        Raises
        ------
        Refused
            If one of the keys is empty. A real server stores an empty key, and then cannot list the keys after it.
        """
        low, high = in_bytes(first), None if last is None else in_bytes(last)
        for key, value in sorted(self.values.seen(lineage).items(), key=lambda item: in_bytes(item[0])):
            if low <= in_bytes(key) and (high is None or in_bytes(key) <= high):
                if not key:
                    raise Refused("empty key")
                yield key, value


def in_bytes(text: str) -> bytes:
    """Return a text as the bytes that the client sent."""
    return text.encode(errors="surrogateescape")


def from_config(config: Config, origin: Origin) -> KeyValues:
    """Create an instance from the settings of a client."""
    return KeyValues(base_from(config, TYPE, origin))
