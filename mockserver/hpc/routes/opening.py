"""Requests that open a level of a version, and the status of a prefix."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mockserver.hpc.model.datasets import FULL, Dataset, Version
from mockserver.hpc.routes.datasets import DatasetsApi
from mockserver.hpc.wire.answers import Failed, json_document
from mockserver.http.messages import Answer, Request

MODES = ("read", "write", "read-write", "no-access")
MIXED = "mixedLatest"

Start = Callable[[Dataset, list[tuple[int, int, int]], "int | str", str, "int | None"], str]
"""Starts a process of its own for a dataset, levels, a version, a mode and a timeout; returns its ``host:port``."""


class OpeningApi:
    """Answers requests that open.

    Parameters
    ----------
    datasets : DatasetsApi
        Finds a dataset.
    start : callable
        Starts a process of its own.
    is_dedicated : bool
        Whether each open starts one.
    """

    def __init__(self, datasets: DatasetsApi, start: Start, *, is_dedicated: bool) -> None:
        self._datasets = datasets
        self._start = start
        self._is_dedicated = is_dedicated

    def open(self, request: Request, uuid: str, factors: str, version: str, mode: str) -> Answer:
        """Answer ``GET /datasets/U/rx/ry/rz/version/mode``."""
        x, y, z = level = _factors(factors)
        timeout = _timeout(request)
        if mode not in MODES:
            raise Failed(400, f"mode ({mode}) not supported")
        dataset = self._datasets.known(uuid)
        _check_level(dataset, level)
        found = _resolve(dataset, version, mode)
        if isinstance(found, int) and mode != "read":
            dataset.initialised.discard(found)
        if self._is_dedicated:
            return _redirect(f"http://{self._start(dataset, [level], found, mode, timeout)}/")
        host = request.headers.get("Host", request.host)
        return _redirect(f"http://{host}/datasets/{uuid}/{x}/{y}/{z}/{found}/")

    def open_several(self, request: Request, uuid: str, first: str, second: str) -> Answer:
        """Answer ``GET /datasets/U/R/R2/write``: it deletes all versions but one, and its process can do nothing."""
        levels = [_factors(first), _factors(second)]
        timeout = _timeout(request)
        dataset = self._datasets.known(uuid)
        for level in levels:
            if level == FULL:
                raise Failed(400, "Resolution [1,1,1] cannot be used.")
            if dataset.level(level) is None:
                raise Failed(404, f"Resolution {list(level)} not found in dataset {uuid}")
        dataset.versions = {0: dataset.versions[min(dataset.versions)]}
        return _redirect(f"http://{self._start(dataset, levels, 0, 'write-to-other-resolutions', timeout)}/")

    @staticmethod
    def status(request: Request, uuid: str, factors: str, version: str) -> Answer:  # noqa: ARG004
        """Answer ``GET /datasets/U/rx/ry/rz/version``, of which nothing is checked."""
        return status_of(uuid, -1 if version == MIXED else integer(version), "READ_WRITE", [_factors(factors)], None)


def status_of(uuid: str, version: int, mode: str, levels: Sequence[Sequence[int]], timeout: int | None) -> Answer:
    """Return the status of a prefix."""
    return json_document({
        "uuid": uuid,
        "version": version,
        "mode": mode,
        "resolutionLevels": [list(level) for level in levels],
        "serverTimeout": timeout,
    })


def integer(text: str) -> int:
    """Read a number as Java does.

    Raises
    ------
    Failed
    """
    digits = text[1:] if text[:1] in {"+", "-"} else text
    if not (digits.isascii() and digits.isdigit() and int(digits) < 2**31):
        raise Failed(400, f'For input string: "{text}"')
    return int(text)


def _check_level(dataset: Dataset, factors: tuple[int, int, int]) -> None:
    seen: dict[tuple[int, ...], int] = {}
    for index, level in enumerate(dataset.levels, 1):
        if level.factors in seen:
            raise Failed(406, _duplicate(dataset, seen[level.factors], index))
        seen[level.factors] = index
    if factors not in seen:
        raise Failed(404, f"Dataset with UUID={dataset.uuid} has not resolution [{','.join(map(str, factors))}]")


def _duplicate(dataset: Dataset, *numbers: int) -> str:
    shown = " and ".join(
        f"ResolutionLevel [levelId={number}, resolutions={list(dataset.levels[number - 1].factors)}, "
        f"blockDimensions={list(dataset.levels[number - 1].block_shape)}]"
        for number in numbers
    )
    return f"Duplicate key {list(dataset.levels[numbers[0] - 1].factors)} (attempted merging values {shown})"


def _resolve(dataset: Dataset, version: str, mode: str) -> int | str:
    """Return the version that is opened; ``new`` makes one."""
    for word, refused in ((MIXED, "write"), ("new", "read")):
        if version == word and mode == refused:
            raise Failed(400, f"{mode.upper()} mode is not valid for version {version}")
    latest = max(dataset.listed)
    if version == "new" and latest not in dataset.versions:
        raise Failed(400, f"Parameter 'srcDir' is not a directory: 'datasets/{dataset.uuid}/{latest}'")
    words: dict[str, Callable[[], int | str]] = {
        MIXED: lambda: MIXED,
        "latest": lambda: latest,
        "new": dataset.new_version,
    }
    if version in words:
        return words[version]()
    try:
        number = integer(version)
    except Failed:
        raise Failed(400, f"version ({version}) is not valid.") from None
    if number not in dataset.listed:
        raise Failed(404, f"version {number} not found")
    return number


def phantom(dataset: Dataset, version: int) -> None:
    """Make the folder that the server makes of a version that is not there."""
    dataset.versions[version] = Version(is_phantom=True)


def _factors(text: str) -> tuple[int, int, int]:
    words = text.split("/")
    for name, word in zip(("RxParam", "RyParam", "RzParam"), words, strict=True):
        check_parameter("PathParam", name, word)
    x, y, z = map(int, words)
    return x, y, z


def check_parameter(kind: str, name: str, word: str) -> None:
    """Refuse a parameter that is no number."""
    digits = word.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        unable = "RESTEASY003870: Unable to extract parameter from http request"
        raise Failed(404, f"{unable}: javax.ws.rs.{kind}(\"{name}\") value is '{word}'")


def _timeout(request: Request) -> int | None:
    word = request.query.get("timeout")
    if word is None:
        return None
    check_parameter("QueryParam", "timeout", word)
    return int(word)


def _redirect(location: str) -> Answer:
    return Answer(307, headers=(("Location", location),))
