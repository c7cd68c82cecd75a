"""What data instances of all types have, and the parser for the settings of a client."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mockserver.dvid.wire import gojson
from mockserver.dvid.wire.bodies import Config
from mockserver.dvid.wire.geometry import Point, parse_integer, parse_point, wrapped
from mockserver.http.messages import Refused

RESERVED_NAMES = frozenset({"log", "branch", "note", "commit", "newversion"})
COMPRESSIONS = {
    "none": "No compression, level -1",
    "snappy": "Go Snappy compression, level -1",
    "lz4": "LZ4 compression, level -1",
    "gzip": "gzip compression, level -1",
}
CHECKSUMS = {"none": "No checksum", "crc32": "CRC32 checksum"}
FLAGS = {"false": False, "0": False, "true": True, "1": True}


@dataclass(frozen=True)
class DataType:
    """A type of instances, with DVID's name."""

    name: str
    version: str
    file: str | None = None

    @property
    def url(self) -> str:
        """The url of its source code, a file or a folder with its name."""
        return f"github.com/janelia-flyem/dvid/datatype/{self.file or self.name}"


@dataclass(frozen=True)
class Origin:
    """The repository in which an instance is created, and the uuid of the instance."""

    repo_uuid: str
    data_uuid: str


@dataclass
class Base:
    """The part of an instance that ``info`` calls Base."""

    name: str
    type: DataType
    origin: Origin
    compression: str = COMPRESSIONS["lz4"]
    checksum: str = CHECKSUMS["none"]
    versioned: bool = True
    tags: dict[str, str] | None = None


def base_from(config: Config, data_type: DataType, origin: Origin) -> Base:
    """Return the part of a client's settings that all types have; the keys of `config` are in lower case.

    Raises
    ------
    Refused
        With DVID's text for the first setting that DVID refuses.
    """
    name = config["dataname"]
    if name in RESERVED_NAMES:
        raise Refused(f'cannot use reserved name "{name}"')
    return Base(name, data_type, origin, _compression(config), _checksum(config), _versioned(config), _tags(config))


def text_setting(config: Config, key: str) -> str | None:
    """Return a setting; DVID refuses it if it is not a JSON string."""
    value = config.get(key.lower())
    if key.lower() in config and not isinstance(value, str):
        raise Refused(f"Setting for '{key}' was not a string: {gojson.show(value)}")
    return value


def point_setting(config: Config, key: str) -> Point | None:
    """Return a setting of numbers and commas."""
    text = text_setting(config, key)
    return None if text is None else parse_point(text, ",")


def _compression(config: Config) -> str:
    text = text_setting(config, "Compression") or "lz4"
    word = text.lower()
    if word in COMPRESSIONS:
        return COMPRESSIONS[word]
    if word == "jpeg":
        block = text_setting(config, "BlockSize") or "32"
        return f"jpeg compression, level {block.split(',')[0]}"
    if match := re.fullmatch("gzip:(.*)", word):
        return _gzip(match[1])
    raise Refused(f"Illegal compression specified: {text}")


def _gzip(level: str) -> str:
    try:
        number = wrapped(parse_integer(level, function="Atoi", bits=64), 8)
    except Refused:
        words = "Should be 'gzip:<level>'"
        raise Refused(f'unable to parse gzip compression level ("{level}").  {words}') from None
    if number == 0:
        return COMPRESSIONS["none"]
    # DVID accepts a level that gzip does not know, and then stores without compression.
    return f"gzip compression, level {number}" if number in range(-1, 10) else "No compression, level 0"


def _checksum(config: Config) -> str:
    text = text_setting(config, "Checksum")
    if text is None:
        return CHECKSUMS["none"]
    if text.lower() not in CHECKSUMS:
        raise Refused(f"Illegal checksum specified: {text}")
    return CHECKSUMS[text.lower()]


def _versioned(config: Config) -> bool:
    if isinstance(config.get("versioned"), bool):
        return bool(config["versioned"])
    text = text_setting(config, "Versioned")
    if text is None:
        return True
    if text.lower() not in FLAGS:
        words = "needs to be 'false', '0', 'true', or '1'"
        raise Refused(f"Illegal setting for 'versioned' ({words}): {text}")
    return FLAGS[text.lower()]


def _tags(config: Config) -> dict[str, str] | None:
    text = text_setting(config, "Tags")
    if text is None:
        return None
    pairs = [word.split("=") for word in text.split(",")]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and pair[0]}
