"""Drivers: how they are found, and what they must be like."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyvolume
from pyvolume.errors import AddressError, UnsupportedError
from pyvolume.stores import registry


class SevenDriver(registry.Driver):
    """Opens ``seven://N``: N voxels with the value 7."""

    forms = "seven://N"

    @staticmethod
    def recognises(url: str) -> bool:
        return url.endswith(".seven")

    @staticmethod
    def open(url: str, mode: str, *, partial_blocks: str, casting: str, value: int = 7) -> pyvolume.Volume:
        count = int(url.rpartition("/")[2].removesuffix(".seven"))
        return pyvolume.from_array(np.full((1, count), value, "uint8"))


class GreedyDriver(SevenDriver):
    @staticmethod
    def recognises(url: str) -> bool:
        return False

    @staticmethod
    def open(url: str, mode: str, **options: Any) -> pyvolume.Volume:
        raise AssertionError


DRIVER, GREEDY = SevenDriver(), GreedyDriver()


@pytest.fixture(autouse=True)
def other_package(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint(name, f"{__name__}:{attribute}", registry.GROUP)
        for name, attribute in (("seven", "DRIVER"), ("greedy", "GREEDY"))
    ]
    values = {"seven": DRIVER, "greedy": GREEDY}
    monkeypatch.setattr(EntryPoint, "load", lambda point: values[point.name])
    monkeypatch.setattr(registry, "_points", lambda path: tuple(points))


@pytest.mark.parametrize("url", ["seven://3", "3.seven"])
def test_a_driver_of_another_package_opens_its_urls(url: str) -> None:
    assert pyvolume.open(url)[0].tolist() == [7, 7, 7]


def test_its_options_are_those_of_its_signature() -> None:
    assert pyvolume.open("seven://2", value=5)[0].tolist() == [5, 5]
    with pytest.raises(TypeError, match="'value'"):
        pyvolume.open("seven://2", valeu=5)


def test_a_driver_that_takes_any_option_is_refused() -> None:
    with pytest.raises(TypeError, match="option"):
        pyvolume.open("greedy://2")


def test_the_message_for_an_unknown_scheme_names_the_drivers() -> None:
    with pytest.raises(AddressError, match="dvid, hpc, mikro, n5, fsdb, file, greedy, seven"):
        pyvolume.open("eight://2")


def test_a_driver_without_lists_says_so() -> None:
    driver = registry.load("seven")
    assert driver.names_volume("seven://2")
    with pytest.raises(UnsupportedError):
        driver.catalogue("seven://2")


class NoDriver:
    forms = "no://N"


class Confused(SevenDriver):
    @staticmethod
    def recognises(url: str) -> bool:
        raise ZeroDivisionError(url)


def failing(error: Exception) -> Callable[[EntryPoint], Any]:
    """Load no driver of another package."""

    def load(point: EntryPoint) -> Any:
        raise error

    return load


BROKEN = [
    failing(ImportError("install the library")),
    failing(ZeroDivisionError()),
    failing(AttributeError("no DRIVER")),
    lambda point: NoDriver(),
    lambda point: None,
]


@pytest.fixture(params=BROKEN)
def broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, other_package: None) -> None:
    monkeypatch.setattr(EntryPoint, "load", request.param)
    registry._warn_once.cache_clear()


@pytest.mark.usefixtures("broken")
def test_a_driver_that_fails_does_not_disturb_the_others(tmp_path: Path) -> None:
    np.save(tmp_path / "cut.npy", np.ones((1, 2, 3), "uint8"))
    with pyvolume.open(tmp_path / "cut.npy") as volume:
        assert volume[...].sum() == 6
    assert "tag" in registry.own_commands()
    assert registry.recognised("localhost:8000/ab/gray")
    assert not registry.recognised("3.seven")
    assert "dvid://" in registry.known_forms()


@pytest.mark.usefixtures("broken")
def test_a_driver_that_fails_does_not_disturb_the_message_of_an_error() -> None:
    exit_codes = pytest.importorskip("pyvolume.cli.exit_codes", reason="click comes with the extra 'cli'")
    assert exit_codes.sentence(ValueError("bad value")) == "bad value"


@pytest.mark.usefixtures("broken")
def test_a_driver_that_fails_is_named_where_it_is_missed(caplog: pytest.LogCaptureFixture) -> None:
    for url, error in [("seven://2", ImportError), ("3.seven", AddressError)]:
        with pytest.raises(error, match="'seven' of the package"):
            pyvolume.open(url)
    told = [each.levelname for each in caplog.records if "'seven'" in each.message]
    assert told == ["WARNING"]


def test_a_driver_that_cannot_say_what_it_recognises_does_not_disturb_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    registry._warn_once.cache_clear()
    values = {"greedy": Confused(), "seven": DRIVER}
    monkeypatch.setattr(EntryPoint, "load", lambda point: values[point.name])
    assert pyvolume.open("3.seven").shape == (1, 3)
    assert registry.recognised("3.seven")
    assert len([each for each in caplog.records if "'greedy'" in each.message and each.levelname == "WARNING"]) == 1


@pytest.mark.parametrize("name", registry.DRIVERS)
def test_our_drivers_name_their_options(name: str) -> None:
    driver = registry.load(name)
    parameters = inspect.signature(driver.open).parameters
    assert list(parameters)[:2] == ["url", "mode"]
    assert {"partial_blocks", "casting"} <= set(registry.option_names(driver.open))
