"""Requests for blocks, and for the type of their voxels."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from mockserver.hpc.model.datasets import FULL, Dataset, Datasets, Place
from mockserver.hpc.routes.datasets import DatasetsApi
from mockserver.hpc.routes.opening import MIXED, check_parameter, integer, phantom
from mockserver.hpc.wire.answers import EMPTY, Crashed, Failed, empty_crash, text
from mockserver.hpc.wire.blocks import packed, places, unpacked
from mockserver.http.messages import OCTETS, Answer, Request, octets

NAMES = ("x", "y", "z", "TIME", "CHANNEL", "ANGLE")
"""The parameters of a block in a path, as errors call them."""

SIX = re.compile(r"([^/]+)/([^/]+)/([^/]+)/([^/]+)/([^/]+)/([^/]+)(?:/(.*))?")


class BlocksApi:
    """Answers requests for blocks.

    Parameters
    ----------
    datasets : Datasets
        All datasets: blocks are read from folders, whatever the database says.
    is_strict : bool
        Whether a payload that is cut short and a version that is not there are refused.
    """

    def __init__(self, datasets: Datasets, *, is_strict: bool) -> None:
        self._datasets = datasets
        self._is_strict = is_strict

    def read(self, request: Request, uuid: str, factors: str, version: str, rest: str) -> Answer:  # noqa: ARG002
        """Answer ``GET`` of blocks."""
        wanted = read_places(rest)
        dataset, number = self._opened(uuid, version)
        return blocks_of(dataset, _factors(factors), number, wanted)

    def write(self, request: Request, uuid: str, factors: str, version: str, rest: str) -> Answer:
        """Answer ``POST`` of blocks."""
        wanted, data = read_places(rest), request.body.read()
        if version == MIXED:
            raise Failed(406, "Cannot write in mode: READ")
        dataset, number = self._opened(uuid, version)
        return store(dataset, _factors(factors), number, wanted, data, is_strict=self._is_strict)

    def datatype(self, request: Request, uuid: str, factors: str, version: str, view: str) -> Answer:  # noqa: ARG002
        """Answer ``GET …/datatype/t/c/a``, which looks at the full resolution."""
        words = view.split("/")
        for name, word in zip(NAMES[3:], words, strict=True):
            check_parameter("PathParam", name, word)
        dataset, _ = self._opened(uuid, version)
        return datatype_of(request, dataset, [int(word) for word in words])

    def _opened(self, uuid: str, version: str) -> tuple[Dataset, int | str]:
        """Return the folder and the version of a prefix; a number that is not there becomes a phantom."""
        dataset = self._datasets.by_uuid.get(uuid)
        number = MIXED if version == MIXED else integer(version)
        if dataset is None or dataset.is_bricked:
            raise Failed(500, "HTTP 500 Internal Server Error")
        if isinstance(number, int) and number not in dataset.versions:
            if self._is_strict:
                raise Failed(404, f"version {number} not found")
            if str(number) != dataset.label:
                phantom(dataset, number)
            raise empty_crash()
        checked = dataset.versions.values() if number == MIXED else [dataset.versions[int(number)]]
        if any(each.is_phantom for each in checked) or (number == MIXED and dataset.label.isdigit()):
            raise empty_crash()
        return dataset, number


def _factors(text: str) -> list[int]:
    return [int(word) for word in text.split("/")]


def read_places(rest: str) -> list[Place]:
    """Return the places in a path behind the prefix.

    Raises
    ------
    Failed
        If the first one holds something else than numbers.
    """
    match = SIX.fullmatch(rest)
    if match is None:
        raise Failed(404, "RESTEASY003210: Could not find resource")
    words = match.groups()[:6]
    for name, word in zip(NAMES, words, strict=True):
        check_parameter("PathParam", name, word)
    x, y, z, t, c, a = map(int, words)
    return places((x, y, z, t, c, a), match[7] or "")


def blocks_of(dataset: Dataset, factors: Sequence[int], version: int | str, wanted: Sequence[Place]) -> Answer:
    """Return blocks of a level."""
    level = dataset.level(factors)
    parts = []
    for place in wanted:
        _check_view(dataset, place)
        if level is None or place[3] not in dataset.timepoints:
            raise empty_crash()
        block = dataset.find(version, level, place)
        if block is None and dataset.level(FULL) is None:
            raise empty_crash()
        parts.append(packed(block))
    return octets(parts, sum(map(len, parts)))


def store(
    dataset: Dataset,
    factors: Sequence[int],
    version: int | str,
    wanted: Sequence[Place],
    data: bytes,
    *,
    is_strict: bool,
) -> Answer:
    """Store the blocks of a body, one after the other."""
    level = dataset.level(factors)
    for place in wanted:
        _check_view(dataset, place)
        if level is None or place[3] not in dataset.timepoints:
            raise Crashed
    assert level is not None
    largest, itemsize = dataset.levels[level].block_shape, np.dtype(dataset.dtype).itemsize
    blocks = unpacked(data, len(wanted), largest, itemsize, strict=is_strict)
    for place, block in zip(wanted, blocks, strict=True):
        dataset.versions[int(version)].blocks[level, place] = block
    return EMPTY


def datatype_of(request: Request, dataset: Dataset, view: Sequence[int]) -> Answer:
    """Return the type of the voxels of a time point, channel and angle."""
    _check_view(dataset, (0, 0, 0, view[0], view[1], view[2]))
    if view[0] not in dataset.timepoints or dataset.level(FULL) is None:
        raise Crashed
    return text(request, 200, dataset.dtype, OCTETS)


def _check_view(dataset: Dataset, place: Place) -> None:
    channel, angle = place[4:]
    if not (0 <= channel < dataset.channels and 0 <= angle < dataset.angles):
        raise Failed(400, f"Channel={channel} and angle={angle} not found.")


def rebuild(datasets: DatasetsApi, _request: Request, uuid: str, *words: str) -> Answer:
    """Answer ``PATCH /datasets/U/t/c/a/v/rebuild``: the lower levels become means; success is a 501."""
    for name, word in zip((*NAMES[3:], "VERSION"), words, strict=True):
        check_parameter("PathParam", name, word)
    timepoint, channel, angle, version = map(int, words)
    dataset = datasets.known(uuid)
    _check_view(dataset, (0, 0, 0, timepoint, channel, angle))
    if version not in dataset.versions:
        phantom(dataset, version)
        raise Crashed
    if timepoint not in dataset.timepoints:
        raise Crashed
    full = dataset.level(FULL)
    for index, level in enumerate(dataset.levels):
        if full is None or index == full:
            continue
        source = dataset.voxels(version, full, timepoint, channel, angle).astype(float)
        for axis, (factor, length) in enumerate(zip(level.factors, level.size(dataset.size), strict=True)):
            kept = np.moveaxis(source, axis, 0)[: length * factor]
            source = np.moveaxis(kept.reshape((length, -1, *kept.shape[1:])).mean(axis=1), 0, axis)
        means = np.floor(source + 0.5) if np.dtype(dataset.dtype).kind in "iu" else source
        dataset.put(version, index, (timepoint, channel, angle), means)
    return Answer(501)
