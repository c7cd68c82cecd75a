"""``vol.view()``: a page from Python, in a browser or in a notebook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import pyvolume

SCRIPT = """
import json, sys, time, urllib.request
from pathlib import Path
import numpy, pyvolume

opened = Path(sys.argv[1])
page = pyvolume.from_array(numpy.zeros((1, 4, 5, 6), "uint8")).view()
while not (opened.exists() and opened.read_text().endswith("\\n")):
    time.sleep(0.01)
address = opened.read_text().strip()
found = []
for _ in range(2):
    try:
        found.append(urllib.request.urlopen(address).url)
    except urllib.error.HTTPError as error:
        found.append(error.code)
print(json.dumps([page.url, address, found]))
"""


@pytest.fixture
def volume() -> pyvolume.Volume:
    return pyvolume.from_array(np.zeros((1, 4, 5, 6), "uint8"))


def test_the_page_is_there_until_it_is_closed(volume: pyvolume.Volume) -> None:
    page = volume.view(browser=False)
    with urllib.request.urlopen(page.url + "volume") as answer:
        assert json.load(answer)["stop"] == [4, 5, 6]
    page.close()
    page.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(page.url)


def test_the_browser_opens_an_address_that_works_once(tmp_path: Path) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{opened}"\n', "utf-8")
    browser.chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(opened)],
        env=os.environ | {"BROWSER": f"{browser} %s"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    url, address, found = json.loads(done.stdout)
    assert found == [url, 403]
    assert url.split("/")[3] not in address


@pytest.mark.parametrize(("kernel", "is_opened"), [(True, False), (False, True)])
def test_a_notebook_shows_the_page_itself(
    volume: pyvolume.Volume, monkeypatch: pytest.MonkeyPatch, kernel: bool, is_opened: bool
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    shell = SimpleNamespace(kernel=None) if kernel else SimpleNamespace()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    with volume.view() as page:
        shown = page._repr_html_()
    assert bool(opened) is is_opened
    assert f'<iframe src="{page.url}"' in shown
    assert f'<a href="{page.url}"' in shown


def test_a_page_for_other_axes_is_refused() -> None:
    with pytest.raises(pyvolume.errors.UnsupportedError):
        pyvolume.from_array(np.zeros((1, 4, 5)), "cxy").view(browser=False)


BROWSER = """#!{python}
import socket, sys, urllib.request
from urllib.parse import urlsplit

with urllib.request.urlopen(sys.argv[1]) as page:
    url = urlsplit(page.url)
connection = socket.create_connection((url.hostname, url.port))
connection.sendall(
    f"GET {{url.path}}open HTTP/1.1\\r\\nHost: {{url.netloc}}\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n".encode()
)
assert connection.recv(4096).startswith(b"HTTP/1.1 101 ")
"""


def test_the_command_ends_when_its_page_is_closed(tmp_path: Path) -> None:
    pytest.importorskip("click", reason="the command needs the extra 'cli'")
    np.save(tmp_path / "cut.npy", np.zeros((1, 4, 5, 6), "uint8"))
    browser = tmp_path / "browser"
    browser.write_text(BROWSER.format(python=sys.executable), "utf-8")
    browser.chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-m", "pyvolume.cli", "view", str(tmp_path / "cut.npy")],
        env=os.environ | {"BROWSER": f"{browser} %s"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("http://127.0.0.1:")
