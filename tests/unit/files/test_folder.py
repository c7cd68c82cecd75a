"""Files side by side in a folder, as a server has volumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pyvolume
from pyvolume.cli.group import pyvolume as command
from pyvolume.errors import AddressError, ExistsError, KeyNotFoundError, MetadataError
from pyvolume.files.folder import Folder

pytest.importorskip("zarr", reason="zarr comes with the extra 'files'")

PIXELS = np.arange(24, dtype="uint8").reshape(4, 3, 2)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    np.save(tmp_path / "cells.npy", PIXELS[np.newaxis])
    (tmp_path / "notes.txt").write_text("not a volume")
    (tmp_path / ".hidden.npy").write_text("not finished")
    (tmp_path / "inside").mkdir()
    return pyvolume.connect(f"{tmp_path}/", kind=Folder)


def test_an_array_is_stored_and_opened_by_its_name(folder: Folder) -> None:
    volume = pyvolume.from_xarray(PIXELS, folder, name="Random image", dims="xyc")
    assert ("".join(volume.dims), volume.shape) == ("cxyzt", (2, 4, 3, 1, 1))
    volume.close()
    again = folder["Random image"]
    np.testing.assert_array_equal(again[...][:, :, :, 0, 0], PIXELS.transpose(2, 0, 1))
    assert again.mode == "r"
    with folder.volume("Random image", "r+") as writable:
        writable[:, 0] = 0
    assert not folder["Random image"][:, 0].any()


def test_resolution_and_units_stay(folder: Folder) -> None:
    metadata = pyvolume.VoxelsMetadata.of(
        (1, 4, 4, 4, 2), "uint8", dims="cxyzt", resolution=(0.5, 0.5, 2, 1), units=("um", "um", "um", "s")
    )
    folder.create_described("film", metadata).close()
    film = folder["film"]
    assert film.resolution == (0.5, 0.5, 2.0, 1.0)
    assert film.units == ("um", "um", "um", "s")


def test_its_volumes_are_the_files_of_known_formats(folder: Folder) -> None:
    pyvolume.from_xarray(PIXELS, folder, name="b", dims="xyz").close()
    assert list(folder) == ["b", "cells.npy"]
    assert len(folder) == 2
    assert "b" in folder
    assert "b.zarr" in folder
    assert "notes.txt" not in folder
    assert 3 not in folder


@pytest.mark.parametrize("name", ["cell.npy", "notes.txt", ".hidden.npy", "../a", "", "inside"])
def test_a_name_that_is_not_there_is_told(folder: Folder, name: str) -> None:
    with pytest.raises(KeyNotFoundError, match=r"cells\.npy"):
        folder[name]


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a\0b"])
def test_a_name_that_no_file_can_have_is_refused(folder: Folder, name: str) -> None:
    with pytest.raises(MetadataError):
        pyvolume.from_xarray(PIXELS, folder, name=name, dims="xyz")
    assert list(folder) == ["cells.npy"]


def test_a_volume_that_exists_is_not_replaced(folder: Folder) -> None:
    pyvolume.from_xarray(PIXELS, folder, name="b", dims="xyz").close()
    with pytest.raises(ExistsError):
        pyvolume.from_xarray(PIXELS * 0, folder, name="b", dims="xyz")
    assert folder["b"][...].any()


def test_chunks_can_be_chosen(folder: Folder) -> None:
    volume = pyvolume.from_xarray(PIXELS, folder, name="b", dims="xyz", chunks=(2, 3, 1))
    assert volume.chunks == (1, 2, 3, 1, 1)


def test_chunks_of_other_axes_are_refused(folder: Folder) -> None:
    with pytest.raises(MetadataError, match="chunks"):
        pyvolume.from_xarray(PIXELS, folder, name="b", dims="xyz", chunks=(2, 2))
    assert "b" not in folder


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AddressError, match="no folder"):
        pyvolume.connect(tmp_path / "nothing.d")


def test_open_names_the_call_for_a_folder(tmp_path: Path) -> None:
    with pytest.raises(AddressError, match="connect"):
        pyvolume.open(tmp_path)


def test_the_command_lists_it(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command(["ls", f"{folder.path}/"])
    assert ended.value.code == 0
    assert "cells.npy" in capsys.readouterr().out
