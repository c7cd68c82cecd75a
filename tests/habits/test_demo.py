"""The demonstration runs as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nibabel", reason="the demonstration's scan comes with nibabel, of the 'demo' extra")
image_module = pytest.importorskip("PIL.Image", reason="the demonstration draws with Pillow, of the 'demo' extra")


def run_demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "pyvolume.demo", "--output", str(folder), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tmp_path_factory.mktemp("demo") / "new"
    return run_demo(folder), folder


def test_demo_succeeds_quietly(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    assert (demo[0].returncode, demo[0].stderr) == (0, "")


def test_demo_tells_of_the_scan_the_retry_and_every_voxel(
    demo: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    output = demo[0].stdout
    assert "MRI scan of a human brain" in output
    assert output.count("retry: attempt") == 2
    assert "294,912 compared, in the server's own memory too: all as numpy has them" in output


def test_demo_prints_the_path_of_its_picture(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    path = Path(demo[0].stdout.split()[-1])
    assert path == (demo[1] / "slices.png").resolve()
    with image_module.open(path) as sheet:
        sheet.load()
        assert (sheet.format, sheet.mode) == ("PNG", "RGB")
        assert len(sheet.getcolors(1 << 24)) > 100


def test_demo_on_a_given_server_says_what_it_leaves_behind(tmp_path: Path) -> None:
    from mockserver import MockServer

    with MockServer() as server:
        output = run_demo(tmp_path, "--url", server.url).stdout
    assert "nothing can delete it over HTTP" in output
    assert "retry" not in output


def test_demo_without_a_server_says_so(tmp_path: Path) -> None:
    result = run_demo(tmp_path, "--url", "http://127.0.0.1:9")
    assert result.returncode == 1
    assert "is the server running?" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("named", [True, False])
def test_demo_sends_the_admin_token_only_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    from mockserver import MockServer

    with MockServer(admin_token="sesame") as server:
        monkeypatch.setenv("DVID_ADMIN_TOKEN", "sesame")
        monkeypatch.setenv("PYVOLUME_TOKEN_HOST", server.url if named else "http://example.org")
        result = run_demo(tmp_path, "--url", server.url)
    assert (result.returncode == 0, f"was not sent to {server.url}" in result.stdout) == (named, not named)
    assert any("sesame" in request.path for request in server.requests) == named
