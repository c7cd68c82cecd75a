"""What instances of voxels and of labels have in common: axes, extents, size of a voxel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mockserver.dvid.model import documents
from mockserver.dvid.model.changes import Changes
from mockserver.dvid.model.place import Place
from mockserver.dvid.model.volumes import Volume
from mockserver.dvid.wire import gojson
from mockserver.dvid.wire.geometry import wrapped
from mockserver.http.messages import Answer, Refused, Request, document

DOCUMENT_TYPE = "application/vnd.dvid-nd-data+json"

_FITS: dict[str, Callable[[float], bool]] = {
    "int32": lambda number: isinstance(number, int) and wrapped(number, 32) == number,
    "float32": lambda number: abs(number) <= float(np.finfo(np.float32).max),
}


def metadata(_: Request, place: Place[Volume], __: object) -> Answer:
    """Send the axes and the properties."""
    described = documents.describe_axes(place.instance, place.lineage)
    return document(f"{gojson.encode(described)}\n", DOCUMENT_TYPE)


def set_extents(request: Request, place: Place[Volume], changes: Changes) -> Answer:
    """Replace the extents of a version."""
    low, high = _parse_extents(request.body.read(), place.instance.ndim)
    changes.make("set_extents", uuid=place.version.uuid, name=place.instance.base.name, low=low, high=high)
    return Answer()


def set_resolution(request: Request, place: Place[Volume], changes: Changes) -> Answer:
    """Replace the size of a voxel, in all versions."""
    size = _numbers(gojson.decode(request.body.read()), "float32")
    changes.make("set_resolution", uuid=place.version.uuid, name=place.instance.base.name, size=size)
    return Answer()


def _parse_extents(data: bytes, ndim: int) -> tuple[list[int], list[int]]:
    value = gojson.decode(data)
    if not isinstance(value, dict | None):
        raise Refused(f"json: cannot unmarshal {gojson.kind(value)} into Go value of type imageblk.extents3D")
    points = {"minpoint": [0] * ndim, "maxpoint": [0] * ndim}
    for key, point in (value or {}).items():
        if key.lower() in points and point is not None:
            given = _numbers(point, "int32", "extents3D." + {"minpoint": "MinPoint"}.get(key.lower(), "MaxPoint"))
            points[key.lower()] = [int(number) for number in (given + [0] * ndim)[:ndim]]
    return points["minpoint"], points["maxpoint"]


def _numbers(value: Any, go_type: str, field: str = "") -> list[float]:
    where = f"Go struct field {field} of type" if field else "Go value of type"
    if value is None:
        return []
    if not isinstance(value, list):
        kind = "dvid.Point3d" if field else "dvid.NdFloat32"
        raise Refused(f"json: cannot unmarshal {gojson.kind(value)} into {where} {kind}")
    for number in value:
        if gojson.kind(number) != "number":
            raise Refused(f"json: cannot unmarshal {gojson.kind(number)} into {where} {go_type}")
        if not _FITS[go_type](number):
            text = number.text if isinstance(number, gojson.Number) else number
            raise Refused(f"json: cannot unmarshal number {text} into {where} {go_type}")
    return value
