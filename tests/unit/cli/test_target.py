"""What arguments of the command name, and the slices behind them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("click", reason="click comes with the extra 'cli'")

from pyvolume.cli.dvid.place import place
from pyvolume.cli.slices import parse_slices
from pyvolume.cli.target import Target, parse_target
from pyvolume.dvid.address import Address
from pyvolume.errors import AddressError, SelectionError

HOST = "http://localhost:8000"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (":, 10:110, 20:120", np.s_[:, 10:110, 20:120]),
        ("0,::2,-5:,:-1:-3", np.s_[0, ::2, -5:, :-1:-3]),
        ("..., 3", np.s_[..., 3]),
        ("5", (5,)),
        ("[1, -2], [3]", np.s_[[1, -2], [3]]),
        ("+1:0x10,", np.s_[1:16,]),
        ("[]", ([],)),
    ],
)
def test_slices_mean_what_numpy_writes(text: str, key: Any) -> None:
    assert parse_slices(text) == (key if isinstance(key, tuple) else (key,))


@pytest.mark.parametrize(
    ("text", "stops_at"),
    [
        ("1:2, foo", "foo"),
        ("True", "True"),
        ("1.5", "1.5"),
        ("'a'", "'a'"),
        ("None", "None"),
        ("0] + v[1", "] + v"),
        ("0][1", "]"),
        ("__import__('os').system('false')", "__import__"),
        ("1, [2, x]", "x]"),
        ("1 2", "1 2"),
        ("", ""),
        ("1:2:3:4", ":4"),
    ],
)
def test_everything_else_is_refused_and_shown(text: str, stops_at: str) -> None:
    with pytest.raises(SelectionError) as caught:
        parse_slices(text)
    assert f">>>{stops_at}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "url", "key"),
    [
        (f"dvid://{HOST}/:master/gray", f"dvid://{HOST}/:master/gray", None),
        (f"dvid://{HOST}/ab:dev~1/gray[0, 5:]", f"dvid://{HOST}/ab:dev~1/gray", (0, slice(5, None))),
        ("localhost:8000/:master/gray[0]", "localhost:8000/:master/gray", (0,)),
        (f"{HOST}/api/node/ab12/gray", f"{HOST}/api/node/ab12/gray", None),
        ("dvid://http://[::1]:8000/ab12/gray", "dvid://http://[::1]:8000/ab12/gray", None),
        ("dvid://http://[::1]:8000", "dvid://http://[::1]:8000", None),
        ("dvid://[::FFFF]", "dvid://[::FFFF]", None),
        ("[::1]:8000", "[::1]:8000", None),
        ("[::1]:8000/ab12/gray[0]", "[::1]:8000/ab12/gray", (0,)),
    ],
)
def test_an_argument_is_a_url_and_slices(text: str, url: str, key: Any) -> None:
    assert parse_target(text) == Target(url, key)


def test_a_url_with_one_slash_is_not_the_rest_of_another() -> None:
    with pytest.raises(AddressError, match="slash"):
        parse_target("dvid:/localhost:8000/ab/gray", HOST)


@pytest.mark.parametrize("default", [HOST, f"{HOST}/", f"dvid://{HOST}"])
def test_the_environment_completes_it(default: str) -> None:
    assert parse_target(":master/gray[0]", default) == Target(f"{default.rstrip('/')}/:master/gray", (0,))
    assert parse_target("", default) == Target(default.rstrip("/"))


@pytest.mark.parametrize(
    "text", ["", ":master/gray", f"dvid://{HOST}[0]", f"dvid://{HOST}/ab12/gray[0", "ftp://host/a/b", f"{HOST}?a=b"]
)
def test_what_names_nothing_is_refused(text: str) -> None:
    with pytest.raises((AddressError, SelectionError)):
        parse_target(text)


def test_a_secret_in_a_url_is_not_repeated() -> None:
    with pytest.raises(AddressError) as caught:
        parse_target("dvid://http://me:secret@host/ab12/gray")
    assert "secret" not in str(caught.value)


def test_a_link_of_neuroglancer_names_a_volume() -> None:
    link = "https://neuroglancer-demo.appspot.com/#!%7B%22layers%22:%5B%7B%22source%22:%22dvid://http://h:1/ab/g%22%7D%5D%7D"
    assert parse_target(link) == Target("dvid://http://h:1/ab/g")


def test_dvids_own_commands_take_urls_without_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYVOLUME_URL", HOST)
    assert place(":master/notes").address == Address(HOST, ":master", "notes")
    import click

    with pytest.raises(click.BadParameter, match="slices"):
        place(":master/notes[0]")
