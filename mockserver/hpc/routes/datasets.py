"""Requests about datasets: create, query, register, delete, channels, metadata, versions."""

from __future__ import annotations

import json
from typing import Any

from mockserver.hpc.model.datasets import Dataset, Datasets
from mockserver.hpc.wire.answers import (
    EMPTY,
    PAGE,
    PLAIN,
    Crashed,
    Failed,
    empty_crash,
    json_document,
    text,
)
from mockserver.http.messages import Answer, Request

NO_CONTENT_TYPE = "RESTEASY003065: Cannot consume content type"
LONGEST_TEXT = 255
TYPES = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)} | {"float32", "float64"}


def media_type(request: Request) -> str:
    """Return the type of a request's body without parameters; empty if there is none."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class DatasetsApi:
    """Answers requests about datasets.

    Parameters
    ----------
    datasets : Datasets
        All of them.
    """

    def __init__(self, datasets: Datasets) -> None:
        self._datasets = datasets

    def create(self, request: Request) -> Answer:
        """Answer ``POST /datasets``."""
        if media_type(request) != "application/json":
            return text(request, 501, NO_CONTENT_TYPE)
        document = _parsed(request.body.read())
        _check(document)
        return text(request, 200, self._datasets.create(document).uuid, PLAIN)

    def query(self, request: Request, uuid: str) -> Answer:  # noqa: ARG002 - all handlers are called alike
        """Answer ``GET /datasets/U``."""
        dataset = self.known(uuid)
        row: dict[str, Any] = dataset.row or {}
        before = {name: row[name] for name in ("voxelType", "dimensions", "timepoints", "channels", "angles")}
        names = ("voxelUnit", "voxelResolution", "timepointResolution", "channelResolution", "angleResolution",
                 "compression", "resolutionLevels")  # fmt: skip
        return json_document({
            "uuid": uuid,
            **before,
            "transformations": None,
            **{name: row[name] for name in names},
            "versions": dataset.listed,
            "label": dataset.label or None,
            "viewRegistrations": None,
            "timepointIds": dataset.timepoints,
            "datasetType": None,
        })

    def known(self, uuid: str) -> Dataset:
        """Return a dataset that the database has.

        Raises
        ------
        Failed
            If there is none.
        Crashed
            If it has no version 0.
        """
        dataset = self._datasets.by_uuid.get(uuid)
        if dataset is None or dataset.row is None:
            raise Failed(404, f"Dataset with UUID = {uuid} not found ")
        if dataset.is_bricked:
            raise Crashed(f"java.lang.RuntimeException: {without_version_0(uuid)}")
        return dataset

    def register(self, request: Request, uuid: str) -> Answer:
        """Answer ``POST /datasets/U``."""
        if media_type(request) not in {"", "text/plain"}:
            return text(request, 501, NO_CONTENT_TYPE)
        dataset = self._datasets.by_uuid.get(uuid)
        if dataset is None:
            raise Failed(404, f"Dataset with uuid {uuid}  was not located in storage ")
        if dataset.is_bricked:
            raise Failed(500, f"Cannot add dataset {uuid}")
        if dataset.row is not None:
            raise Failed(409, f"Dataset with uuid {uuid} is already added.")
        self._datasets.register(dataset)
        return text(request, 200, "Done.")

    def delete(self, request: Request, uuid: str) -> Answer:  # noqa: ARG002
        """Answer ``DELETE /datasets/U``: any problem is a 500."""
        dataset = self._datasets.by_uuid.get(uuid)
        if dataset is None or dataset.row is None:
            raise Failed(500, f"Dataset with UUID = {uuid} not found ")
        if dataset.is_bricked:
            raise Failed(500, without_version_0(uuid))
        del self._datasets.by_uuid[uuid]
        return EMPTY

    def delete_versions(self, request: Request, uuid: str, numbers: str) -> Answer:  # noqa: ARG002
        """Answer ``DELETE /datasets/U/v/…``: one after the other, until one is not there."""
        words = numbers.split("/")
        for word in words:
            if not _is_integer(word):
                raise Failed(400, f"{word} is not correct version")
        dataset = self._datasets.by_uuid.get(uuid)
        for number in map(int, words):
            if dataset is None or number not in dataset.versions:
                raise Failed(404, f"Dataset with uuid={uuid} does not have version {number}")
            if len(dataset.versions) == 1:
                raise Failed(406, f"Version {number} is the last version in dataset {uuid}")
            del dataset.versions[number]
            dataset.initialised.discard(number)
        return EMPTY

    def metadata(self, request: Request, uuid: str) -> Answer:
        """Answer ``GET /datasets/U/common-metadata``."""
        return text(request, 200, self.known(uuid).metadata, PLAIN)

    def set_metadata(self, request: Request, uuid: str) -> Answer:
        """Answer ``POST /datasets/U/common-metadata``."""
        dataset, found = self.known(uuid), request.body.read().decode("utf-8", "replace")
        if len(found) > LONGEST_TEXT:
            raise Crashed("io.quarkus.arc.ArcUndeclaredThrowableException: Error invoking subclass method")
        dataset.metadata = found
        return EMPTY

    def channels(self, request: Request, uuid: str) -> Answer:  # noqa: ARG002
        """Answer ``GET /datasets/U/channels``."""
        row = self.known(uuid).row or {}
        return json_document(row["channels"])

    def add_channels(self, request: Request, uuid: str) -> Answer:
        """Answer ``POST /datasets/U/channels``."""
        given = request.body.read().decode("utf-8", "replace")
        if given and not _is_integer(given):
            raise Failed(400, f"{given} is not integer")
        dataset = self._datasets.by_uuid.get(uuid)
        if dataset is None or dataset.row is None:
            raise Failed(500, f"Dataset with UUID = {uuid} not found ", PLAIN)
        if dataset.row["voxelType"] != dataset.dtype:
            raise empty_crash()
        count = int(given or 1)
        dataset.channels += max(0, count)
        dataset.row["channels"] += count
        return EMPTY


def without_version_0(uuid: str) -> str:
    """Return what the server says of a dataset without version 0."""
    missing = f"java.io.FileNotFoundException: datasets/{uuid}/0/export.xml (No such file or directory)"
    return f"mpicbg.spim.data.SpimDataIOException: {missing}"


def _is_integer(word: str) -> bool:
    return word.removeprefix("-").removeprefix("+").isascii() and word.removeprefix("-").removeprefix("+").isdigit()


def _parsed(data: bytes) -> dict[str, Any]:
    """Return the document of a create.

    Raises
    ------
    Failed
        For an empty body, or one that is no JSON object.
    """
    if not data.strip():
        raise empty_crash()
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise Failed(400, f"com.fasterxml.jackson.core.JsonParseException: {problem}", PAGE) from None
    if not isinstance(document, dict) or ("label" in document and document["label"] is None):
        raise Failed(400, "com.fasterxml.jackson.databind.JsonMappingException: N&#x2F;A", PAGE)
    return document


def _check(document: dict[str, Any]) -> None:
    """Refuse what the real server fails at, in its order.

    Raises
    ------
    Failed
    """
    if document.get("voxelType") is None:
        raise empty_crash()
    if not isinstance(document["voxelType"], str) or document["voxelType"].lower() not in TYPES:
        name = str(document["voxelType"]).upper()
        raise Failed(500, f"No enum constant org.janelia.saalfeldlab.n5.DataType.{name}", PLAIN)
    size = document.get("dimensions")
    if size is None:
        raise Failed(500, "dimensions is marked non-null but is null", PLAIN)
    if len(size) < 3:
        raise Failed(500, f"arraycopy: last source index 3 out of bounds for long[{len(size)}]", PLAIN)
    if any(document.get(name) is None for name in ("voxelResolution", "compression", "resolutionLevels")):
        raise empty_crash()
    if document.get("label") in {".", ".."} or len((document.get("label") or "").encode()) > LONGEST_TEXT:
        raise Failed(500, f"java.nio.file.FileAlreadyExistsException: datasets/{document['label']}", PLAIN)
    _check_numbers(document)


def _check_numbers(document: dict[str, Any]) -> None:
    levels = document["resolutionLevels"]
    try:
        [int(n) for n in document["dimensions"]]
        [float(n) for n in document["voxelResolution"]]
        [int(n) for level in levels for n in [*level["resolutions"], *level["blockDimensions"]]]
    except (TypeError, ValueError, KeyError, OverflowError) as problem:
        raise Failed(400, f"com.fasterxml.jackson.databind.JsonMappingException: {problem}", PAGE) from None
