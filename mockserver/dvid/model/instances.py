"""Data instances of all types that this server has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mockserver.dvid.model import keyvalues, regions, volumes
from mockserver.dvid.model.keyvalues import KeyValues
from mockserver.dvid.model.labels import instance as labels
from mockserver.dvid.model.regions import Region
from mockserver.dvid.model.settings import DataType, Origin
from mockserver.dvid.model.volumes import Volume
from mockserver.dvid.wire.bodies import Config

Instance = Volume | Region | KeyValues

TYPES: Mapping[str, DataType] = {
    **{name: kind.type for name, kind in volumes.TYPES.items()},
    **{name: kind.type for name, kind in labels.TYPES.items()},
    keyvalues.TYPE.name: keyvalues.TYPE,
    regions.TYPE.name: regions.TYPE,
}

_MAKERS: Mapping[str, Callable[[Config, Origin], Instance]] = {
    **dict.fromkeys(volumes.TYPES, volumes.from_config),
    **dict.fromkeys(labels.TYPES, labels.from_config),
    keyvalues.TYPE.name: keyvalues.from_config,
    regions.TYPE.name: regions.from_config,
}


def from_config(config: Config, origin: Origin) -> Instance:
    """Create an instance from the settings of a client; the keys of `config` are in lower case.

    Raises
    ------
    Refused
        With DVID's text for the first setting that DVID refuses.
    """
    return _MAKERS[config["typename"]](config, origin)
