"""Repositories that are not there, are broken, are newer, or refuse: one sentence each."""

from __future__ import annotations

import errno
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import icechunk
import moto_server
import numpy as np
import pytest

import pyvolume
from pyvolume.errors import BusyTimeoutError, ForbiddenError, NotFoundError, PyVolumeError, UnsupportedError
from pyvolume.icechunk import IcechunkVolume
from pyvolume.icechunk.refusals import meaning, said

SHAPE = (1, 16, 16, 16)
KEYS = moto_server.KEYS


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"icechunk://{tmp_path}/brain:main/gray"


@pytest.fixture
def made(url: str, tmp_path: Path) -> Path:
    pyvolume.create(url, SHAPE, "uint8").close()
    return tmp_path / "brain"


def test_there_is_no_folder(url: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"there is no folder; pyvolume\.create makes"):
        pyvolume.open(url)
    assert not (tmp_path / "brain").exists()


def test_a_folder_is_no_repository(url: str, tmp_path: Path) -> None:
    (tmp_path / "brain").mkdir()
    with pytest.raises(NotFoundError, match="there is no repository of Icechunk"):
        pyvolume.open(url)
    assert list((tmp_path / "brain").iterdir()) == []


def test_a_newer_format_is_one_sentence() -> None:
    class IcechunkError(Exception):
        pass

    IcechunkError.__module__ = "icechunk"
    found = meaning(
        IcechunkError("  x this repository uses Icechunk v2 format, please upgrade the icechunk library"), "open", "/x"
    )
    assert isinstance(found, UnsupportedError)
    assert str(found).startswith("open: /x has a newer format than the installed icechunk reads; Python 3.12 or later")


@pytest.mark.skipif(icechunk.__version__.startswith("1."), reason="this library knows one format only")
def test_new_repositories_have_the_format_that_all_read(made: Path) -> None:
    opened: Any = icechunk.Repository.open(icechunk.local_filesystem_storage(str(made)))
    assert int(opened.spec_version) == 1


def test_a_broken_branch_is_one_sentence(made: Path, url: str) -> None:
    (file,) = made.glob("refs/branch.main/*")
    file.write_text("{}")
    with pytest.raises(PyVolumeError, match=str(made)):
        pyvolume.open(url)


def test_a_lost_snapshot_is_one_sentence(made: Path, url: str) -> None:
    shutil.rmtree(made / "snapshots")
    with pytest.raises((PyVolumeError, OSError), match=str(made)):
        pyvolume.open(url)


def test_a_lost_chunk_names_the_volume(made: Path, url: str) -> None:
    with pyvolume.open(url, "r+", commit="noise") as volume:
        volume[...] = np.random.default_rng(0).integers(0, 256, SHAPE, "uint8")
    shutil.rmtree(made / "chunks")
    with pyvolume.open(url) as volume, pytest.raises((PyVolumeError, OSError), match="gray/0/c/0/0/0/0"):
        volume[...]


def test_what_icechunk_says_is_one_line() -> None:
    text = "  x object not found\n  | \n  | context:\n  |    0: icechunk::storage::get\n  | \n  `-> more"
    assert said(text) == "object not found"
    assert said("object not found\n\ncontext:\n   0: icechunk::get") == "object not found"


def test_an_error_of_others_means_nothing() -> None:
    assert meaning(ValueError("no"), "open", "/x") is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("disk (os error 28)", OSError),
        ("disk (os error 13)", ForbiddenError),
        ("disk (os error 2)", NotFoundError),
        ("tcp connect error: Connection refused (os error 111)", ConnectionError),
        ('service error: Error { code: "AccessDenied", message: "no" }', ForbiddenError),
        ('service error: Error { code: "SlowDown", message: "no" }', pyvolume.errors.BusyError),
        ('service error: Error { code: "NoSuchBucket", message: "no" }', NotFoundError),
        ("service error: unhandled error", pyvolume.errors.RefusedError),
        ("Server returned non-2xx status code: 403 Forbidden", ForbiddenError),
        ("something else", pyvolume.errors.AnswerError),
    ],
)
def test_an_error_has_the_class_of_what_it_means(text: str, kind: type[Exception]) -> None:
    found = meaning(icechunk.IcechunkError(text), "read voxels", "/data/brain")
    assert isinstance(found, kind)
    assert "/data/brain" in str(found)


FULL = """
import resource, signal, sys
import numpy as np
import pyvolume

voxels = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 64), "uint8")
volume = pyvolume.create(sys.argv[1], voxels.shape, "uint8", chunks=(1, 64, 64, 64))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    volume[...] = voxels
except OSError as error:
    print(error.errno, error.filename)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
volume[...] = voxels
volume.commit("there is space again")
print((pyvolume.open(sys.argv[1])[...] == voxels).all())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="files have no limit there")
def test_a_full_disk_is_one_sentence_and_the_session_goes_on(url: str) -> None:
    command = [sys.executable, "-B", "-c", FULL, url]  # -B: a compiled module is a file too
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said_first, said_last = done.stdout.splitlines()
    number, _, place = said_first.partition(" ")
    assert int(number) == errno.EFBIG
    assert place.endswith("brain:main/gray/0/c/0/0/0/0")
    assert said_last == "True"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_folder_without_rights_is_one_sentence(made: Path, url: str) -> None:
    for folder in (made, made / "refs"):
        folder.chmod(0o500)
    try:
        with pyvolume.open(url, "r+", discard=True, kind=IcechunkVolume) as volume, pytest.raises(ForbiddenError):
            volume.commit()
    finally:
        for folder in (made, made / "refs"):
            folder.chmod(0o700)


class _Refusing(http.server.BaseHTTPRequestHandler):
    """Answers each request as S3 refuses one."""

    code, status = "AccessDenied", 403

    def _refuse(self) -> None:
        body = f'<?xml version="1.0"?><Error><Code>{self.code}</Code><Message>no</Message></Error>'.encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_HEAD = _refuse  # noqa: N815 - names of the library

    def log_message(self, *_: Any) -> None:
        pass


class _Busy(_Refusing):
    code, status = "SlowDown", 503


@pytest.fixture
def refusing(request: pytest.FixtureRequest) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), request.param) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("refusing", [_Refusing], indirect=True)
def test_a_bucket_without_rights_is_one_sentence(refusing: str) -> None:
    options: dict[str, Any] = {"endpoint": refusing, "credentials": KEYS, "region": "us-east-1"}
    with pytest.raises(ForbiddenError, match="AccessDenied"):
        pyvolume.open("icechunk+s3://bucket/brain:main/gray", **options)
    with pytest.raises(ForbiddenError, match="AccessDenied"):
        pyvolume.create("icechunk+s3://bucket/brain:main/gray", SHAPE, "uint8", **options)


@pytest.mark.parametrize("refusing", [_Busy], indirect=True)
def test_a_bucket_that_stays_busy_is_given_up_by_the_deadline(refusing: str) -> None:
    options: dict[str, Any] = {"endpoint": refusing, "credentials": KEYS, "region": "us-east-1"}
    with pytest.raises((BusyTimeoutError, ConnectionError)):
        pyvolume.open("icechunk+s3://bucket/brain:main/gray", retry=pyvolume.RetryPolicy(deadline=2), **options)


def test_an_option_of_a_bucket_is_none_of_a_folder(made: Path, url: str) -> None:
    with pytest.raises(TypeError, match="region belong to a bucket"):
        pyvolume.open(url, region="us-east-1")


class TestBuckets:
    @pytest.fixture
    def bucket(self, moto_url: str) -> dict[str, Any]:
        moto_server.make_bucket(moto_url, "refusals")
        return {"endpoint": moto_url, "credentials": KEYS, "region": "us-east-1"}

    def test_versions_are_kept_there(self, bucket: dict[str, Any]) -> None:
        url = "icechunk+s3://refusals/brain:main/gray"
        with pytest.raises(NotFoundError, match="no repository of Icechunk"):
            pyvolume.open(url, **bucket)
        with pyvolume.create(url, SHAPE, "uint8", **bucket) as volume:
            volume[...] = 1
            volume.commit("ones")
        with pyvolume.open(url, "r+", kind=IcechunkVolume, **bucket) as volume:
            assert [int(volume.at(ref)[0, 0, 0, 0]) for ref in ("main", "main~1")] == [1, 0]
            volume.version.tag("v1")
            with pytest.raises(UnsupportedError, match="credentials= are not sent"):
                volume.fork()
        with pyvolume.connect(url.partition(":main")[0], **bucket) as repo:
            assert list(repo.tags()) == ["v1"]

    def test_there_is_no_bucket(self, bucket: dict[str, Any]) -> None:
        with pytest.raises(NotFoundError):
            pyvolume.create("icechunk+s3://nobody-has-this/brain:main/gray", SHAPE, "uint8", **bucket)
