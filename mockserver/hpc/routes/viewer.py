"""Requests of BigDataViewer: XML, lists, pictures, cells."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np

from mockserver.extras import extra
from mockserver.hpc.model.datasets import Dataset
from mockserver.hpc.routes.datasets import DatasetsApi
from mockserver.hpc.routes.opening import MIXED, integer
from mockserver.hpc.wire.answers import XML, Failed, body, json_document
from mockserver.hpc.wire.spimdata import init_of, list_of, spim_data
from mockserver.http.messages import OCTETS, Answer, Request

LIST = "application/json;charset=UTF-8"

WRONG_CODING = ("Content-Encoding", "UTF-8")
"""A header that the real server sends by mistake."""

SIDE = 100
"""Pixels along each side of a thumbnail."""


class ViewerApi:
    """Answers requests of BigDataViewer, in its own dialect and in that of BigDataServer.

    Parameters
    ----------
    datasets : DatasetsApi
        Finds a dataset.
    """

    def __init__(self, datasets: DatasetsApi) -> None:
        self._datasets = datasets

    def document(self, request: Request, uuid: str, version: str) -> Answer:
        """Answer ``GET /datasets/U/{N|mixedLatest|all}``."""
        try:
            dataset = self._datasets.known(uuid)
            versions: list[int | str] = [*sorted(dataset.versions), MIXED] if version == "all" else [
                MIXED if version == MIXED else _existing(dataset, version)
            ]  # fmt: skip
        except Failed as failed:
            raise Failed(failed.status, failed.text, XML) from None
        url = f"http://{_host(request)}/datasets/{uuid}/{version}"
        return body(spim_data(dataset, "bdv.hpc-datastore", url, versions), XML)

    def list(self, request: Request, uuid: str) -> Answer:
        """Answer ``GET /datasets/U/json``."""
        self._datasets.known(uuid)
        found = list_of(uuid, f"http://{_host(request)}/datasets/{uuid}", ["all", MIXED])
        return replace(body(found, LIST), chunked=True)

    def thumbnail(self, request: Request, uuid: str, version: str) -> Answer:  # noqa: ARG002
        """Answer ``GET …/png``: a picture of a plane in the middle."""
        dataset = self._datasets.known(uuid)
        number = max(dataset.versions) if version == "all" else version if version == MIXED else int(version)
        plane = dataset.voxels(number, 0, dataset.timepoints[0], 0, 0)[:, :, dataset.size[2] // 2].astype(float)
        low, high = float(plane.min()), float(plane.max())
        gray = ((plane - low) / ((high - low) or 1) * 255).astype(np.uint8).T
        with extra("Pillow"):
            from PIL import Image
        factor = SIDE / max(gray.shape)
        picture = Image.new("RGB", (SIDE, SIDE))
        scaled = Image.fromarray(gray).resize((
            max(1, int(gray.shape[1] * factor)),
            max(1, int(gray.shape[0] * factor)),
        ))
        picture.paste(scaled.convert("RGB"), (0, 0))
        file = io.BytesIO()
        picture.save(file, "png")
        return body(file.getvalue(), "image/png")

    def bdv_list(self, request: Request, uuid: str) -> Answer:
        """Answer ``GET /bdv/U/json``."""
        dataset = self._datasets.known(uuid)
        found = list_of(uuid, f"http://{_host(request)}/bdv/{uuid}", [*sorted(dataset.versions), MIXED])
        return replace(body(found, LIST), chunked=True)

    def bdv(self, request: Request, uuid: str, version: str) -> Answer:
        """Answer ``GET /bdv/U/N``, with or without ``p=``."""
        dataset = self._datasets.known(uuid)
        number = MIXED if version == MIXED else _existing(dataset, version)
        key = -1 if number == MIXED else int(number)
        wanted = request.query.get("p")
        if wanted is None:
            url = f"http://{_host(request)}/bdv/{uuid}/{version}"
            return _miscoded(body(spim_data(dataset, "bdv.remote", url, None), XML))
        if wanted == "init":
            dataset.initialised.add(key)
            return _miscoded(json_document(init_of(dataset)))
        words = wanted.split("/")
        if words[0] != "cell":
            return Answer(400)
        if key not in dataset.initialised:
            return _nothing()
        return _cell(dataset, number, words[1:])


def _cell(dataset: Dataset, version: int | str, words: list[str]) -> Answer:
    """Return the voxels of a block without their sizes; nothing for a missing one."""
    if len(words) < 10:
        raise Failed(500, "HTTP 500 Internal Server Error")
    timepoint, setup, level = map(integer, words[1:4])
    if timepoint not in dataset.timepoints or not 0 <= setup < dataset.channels * dataset.angles:
        return _nothing()
    channel, angle = divmod(setup, dataset.angles)
    x, y, z = (integer(low) // n for low, n in zip(words[7:10], dataset.levels[level].block_shape, strict=True))
    block = dataset.find(version, level, (x, y, z, timepoint, channel, angle))
    return _nothing() if block is None else body(block.voxels)


def _nothing() -> Answer:
    return Answer(content_type=OCTETS)


def _miscoded(answer: Answer) -> Answer:
    return replace(answer, headers=(*answer.headers, WRONG_CODING))


def _existing(dataset: Dataset, version: str) -> int:
    number = integer(version)
    if number not in dataset.versions:
        raise Failed(404, f"Dataset with UUID = {dataset.uuid} has no version {number}")
    return number


def _host(request: Request) -> str:
    return request.headers.get("Host", request.host)
