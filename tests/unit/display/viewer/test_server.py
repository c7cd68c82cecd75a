"""The server behind the page of `pyvolume view`: planes, values, versions, and who may ask."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from conformance_stores import ramp
from numpy.typing import NDArray

import pyvolume
from mockserver import Fault, MockServer
from pyvolume.display.viewer.server import Viewer
from pyvolume.errors import SelectionError, UnsupportedError


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(viewer: Viewer, path: str, method: str = "GET", host: str | None = None) -> Answer:
    """Ask for a path behind the secret of the viewer."""
    return ask_at(viewer, urlsplit(viewer.url).path.rstrip("/") + path, method, host)


def ask_at(viewer: Viewer, path: str, method: str = "GET", host: str | None = None) -> Answer:
    port = urlsplit(viewer.url).port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers={"Host": host or f"127.0.0.1:{port}"})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


@pytest.fixture
def voxels() -> NDArray[Any]:
    return ramp((1, 7, 6, 5), "uint16")


@pytest.fixture
def viewer(voxels: NDArray[Any]) -> Iterator[Viewer]:
    with Viewer(pyvolume.from_array(voxels)) as viewer:
        yield viewer


def pixels(answer: Answer, dtype: str) -> NDArray[Any]:
    """Read an answer as rows of pixels."""
    shape = (int(answer.headers["X-Height"]), int(answer.headers["X-Width"]), -1)
    return np.frombuffer(answer.body, np.dtype(dtype).newbyteorder("<")).reshape(shape)


@pytest.mark.parametrize(
    ("axis", "key"), [("z", np.s_[0, :, :, 3]), ("y", np.s_[0, :, 3, :]), ("x", np.s_[0, 3, :, :])]
)
def test_a_plane_is_rows_of_voxels(viewer: Viewer, voxels: NDArray[Any], axis: str, key: Any) -> None:
    found = pixels(ask(viewer, f"/plane?axis={axis}&at=3"), "uint16")
    np.testing.assert_array_equal(found[..., 0], voxels[key].T)


def test_a_large_plane_is_thinned_out(viewer: Viewer, voxels: NDArray[Any]) -> None:
    answer = ask(viewer, "/plane?axis=z&at=0&most=3")
    assert answer.headers["X-Step"] == "3"
    np.testing.assert_array_equal(pixels(answer, "uint16")[..., 0], voxels[0, ::3, ::3, 0].T)


@pytest.mark.parametrize(
    ("part", "key", "start"),
    [
        ("x=2:5&y=1:3", np.s_[0, 2:5, 1:3, 3], "2,1"),
        ("x=2:5", np.s_[0, 2:5, :, 3], "2,0"),
        ("x=-9:3&y=4:99", np.s_[0, :3, 4:, 3], "0,4"),
        ("x=99:120&y=3:2", np.s_[0, 6:, 3:4, 3], "6,3"),
        ("x=1:6&y=1:6&most=3", np.s_[0, 1:6:2, 1:6:2, 3], "1,1"),
    ],
)
def test_a_part_of_a_plane(viewer: Viewer, voxels: NDArray[Any], part: str, key: Any, start: str) -> None:
    answer = ask(viewer, f"/plane?axis=z&at=3&{part}")
    assert answer.headers["X-Start"] == start
    np.testing.assert_array_equal(pixels(answer, "uint16")[..., 0], voxels[key].T)


@pytest.mark.parametrize(
    "path", ["/", "/volume", "/plane?axis=z&at=0", "/x/volume", "//volume", "/once/", "/once/x", "/%00/"]
)
def test_nobody_sees_the_page_without_its_secret(viewer: Viewer, path: str) -> None:
    answer = ask_at(viewer, path)
    assert answer.status == 403
    assert b"uint16" not in answer.body


def test_a_part_of_the_secret_does_not_help(viewer: Viewer) -> None:
    secret = urlsplit(viewer.url).path.strip("/")
    assert ask_at(viewer, f"/{secret}/volume").status == 200
    for wrong in (secret[:-1], secret + "x", secret.swapcase(), ""):
        assert ask_at(viewer, f"/{wrong}/volume").status == 403


def test_two_viewers_have_two_secrets(viewer: Viewer, voxels: NDArray[Any]) -> None:
    with Viewer(pyvolume.from_array(voxels)) as other:
        assert ask_at(other, urlsplit(viewer.url).path + "volume").status == 403


def test_colours_stand_together() -> None:
    voxels = ramp((4, 7, 6, 5))
    with Viewer(pyvolume.from_array(voxels)) as viewer:
        found = pixels(ask(viewer, "/plane?axis=z&at=2"), "uint8")
    np.testing.assert_array_equal(found, voxels[..., 2].transpose(2, 1, 0))


def test_values_are_exact() -> None:
    voxels = np.full((1, 2, 2, 2), 2**64 - 1, "uint64")
    with Viewer(pyvolume.from_array(voxels)) as viewer:
        assert json.loads(ask(viewer, "/voxel?x=1&y=0&z=1").body) == ["18446744073709551615"]


def test_the_page_learns_what_the_volume_is(viewer: Viewer) -> None:
    found = json.loads(ask(viewer, "/volume").body)
    assert (found["dtype"], found["start"], found["stop"]) == ("uint16", [0, 0, 0], [7, 6, 5])


@pytest.mark.parametrize("path", ["/", "/view.js", "/frame.js", "/paint.js", "/view.css"])
def test_the_page_needs_nothing_from_outside(viewer: Viewer, path: str) -> None:
    answer = ask(viewer, path)
    assert answer.status == 200
    assert b"http://" not in answer.body
    assert b"https://" not in answer.body
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1.evil.example"])
def test_another_name_for_this_machine_is_refused(viewer: Viewer, host: str) -> None:
    answer = ask(viewer, "/volume", host=host)
    assert answer.status == 403
    assert b"uint16" not in answer.body


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:PORT", 200),
        ("http://localhost:PORT", 200),
        ("https://127.0.0.1:PORT", 403),
        ("http://127.0.0.1:9", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
@pytest.mark.parametrize("path", ["volume", "once/TICKET"])
def test_a_page_of_another_site_is_refused(viewer: Viewer, origin: str, status: int, path: str) -> None:
    viewer._tickets.add("TICKET")
    address = urlsplit(viewer.url)
    connection = http.client.HTTPConnection(address.netloc, timeout=10)
    where = f"/{path}" if path.startswith("once") else f"{address.path}{path}"
    connection.request("GET", where, headers={"Origin": origin.replace("PORT", str(address.port))})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status == (303 if path.startswith("once") and status == 200 else status)
    assert ("TICKET" in viewer._tickets) == (status == 403 or path == "volume")


def test_the_secret_is_in_no_log_referrer_or_repr(
    viewer: Viewer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    policies = {ask(viewer, path).headers["Referrer-Policy"] for path in ("/", "/view.js", "/volume", "/nothing")}
    secret = urlsplit(viewer.url).path.strip("/")
    assert policies == {"no-referrer"}
    assert secret not in repr(viewer) + caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_written(viewer: Viewer, method: str) -> None:
    assert ask(viewer, "/plane?axis=z&at=0", method).status == 501


@pytest.mark.parametrize(
    "path",
    [
        "/plane",
        "/plane?axis=c&at=0",
        "/plane?axis=z&at=x",
        "/plane?axis=z&at=99",
        "/plane?axis=z&at=0&x=3",
        "/plane?axis=z&at=0&x=0:b",
        "/voxel?x=1",
        "/volume?version=ab",
    ],
)
def test_a_bad_question_is_refused(viewer: Viewer, path: str) -> None:
    assert ask(viewer, path).status == 400


@pytest.mark.parametrize("path", ["/nothing", "/../server.py", "/page/index.html"])
def test_there_is_nothing_else(viewer: Viewer, path: str) -> None:
    assert ask(viewer, path).status == 404


def test_other_versions_are_opened(voxels: NDArray[Any]) -> None:
    with MockServer({"gray": voxels}) as server, pyvolume.dvid.Server(server.url) as client:
        root = client.repos[server.uuid].root
        root.commit()
        trial = root.branch("trial")
        trial.volume("gray")[0, 1, 2, 3] = 9
        with Viewer(root.volume("gray")) as viewer:
            before = json.loads(ask(viewer, "/voxel?x=1&y=2&z=3").body)
            after = json.loads(ask(viewer, f"/voxel?x=1&y=2&z=3&version={trial.uuid}").body)
    assert (before, after) == ([str(voxels[0, 1, 2, 3])], ["9"])


def test_a_failure_of_the_server_is_told(voxels: NDArray[Any]) -> None:
    with (
        MockServer({"gray": voxels}) as server,
        pyvolume.open(f"dvid://{server.url}/{server.uuid}/gray") as volume,
        Viewer(volume) as viewer,
    ):
        server.faults.add(Fault("error", status=403, path=".*/raw/.*"))
        answer = ask(viewer, "/plane?axis=z&at=0")
    assert answer.status == 502
    assert b"403" in answer.body


def test_other_axes_and_empty_volumes_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="axes"):
        Viewer(pyvolume.from_array(ramp((1, 7, 6)), "cxy"))
    with pytest.raises(SelectionError, match="empty"):
        Viewer(pyvolume.from_array(np.zeros((1, 0, 6, 5))))


@pytest.fixture
def segmentation() -> Iterator[pyvolume.Volume]:
    """Give labels in three levels."""
    with MockServer() as server, pyvolume.dvid.Server(server.url) as dvid:
        labels = ramp((1, 32, 32, 32), "uint64") + np.uint64(1 << 60)
        repo = dvid.create_repo("labels")
        yield repo.create_labels("seg", data=labels, levels=3, block_shape=(16, 16, 16))


def test_a_level_is_chosen(segmentation: pyvolume.Volume) -> None:
    with Viewer(segmentation) as viewer:
        first, coarse = (json.loads(ask(viewer, f"/volume?scale={scale}").body) for scale in ("", "2"))
        assert (first["labels"], first["scale"], first["scales"]) == (True, 0, [[1, 1, 1], [2, 2, 2], [4, 4, 4]])
        assert (coarse["scale"], coarse["stop"]) == (2, [8, 8, 8])
        level = segmentation.scale(2)
        found = pixels(ask(viewer, "/plane?scale=2&axis=z&at=3"), "uint64")
        np.testing.assert_array_equal(found[..., 0], level[0, :, :, 3].T)
        value = json.loads(ask(viewer, "/voxel?scale=2&x=1&y=2&z=3").body)
        assert value == [str(level[0, 1, 2, 3])]
        assert ask(viewer, "/volume?scale=3").status == 400
        assert ask(viewer, "/volume?scale=x").status == 400


def test_a_level_that_was_opened_is_shown_first(segmentation: pyvolume.Volume) -> None:
    with Viewer(segmentation.scale(1)) as viewer:
        assert json.loads(ask(viewer, "/volume").body)["scale"] == 1
        assert json.loads(ask(viewer, "/volume?scale=0").body)["stop"] == [32, 32, 32]
