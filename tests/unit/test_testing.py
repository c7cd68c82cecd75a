"""The pytest plugin: a test fails if a fault that it has set never fired."""

from __future__ import annotations

import importlib.metadata

import pytest

from mockserver import DataStoreServer, Fault

pytest_plugins = ["pytester"]

IS_INSTALLED = any(each.value == "pyvolume.testing" for each in importlib.metadata.entry_points(group="pytest11"))
PLUGIN = () if IS_INSTALLED else ("-p", "pyvolume.testing")

HEAD = """
import pytest
from mockserver import Fault

"""


def outcomes(pytester: pytest.Pytester, test: str, *, apart: bool = False) -> tuple[dict[str, int], str]:
    """Run a test, in a process of its own if its libraries cannot be imported a second time."""
    pytester.makepyfile(HEAD + test)
    run = pytester.runpytest_subprocess if apart else pytester.runpytest
    result = run("-p", "no:cacheprovider", "-p", "no:npe2", *PLUGIN)
    return result.parseoutcomes(), result.stdout.str()


def test_a_fault_that_never_fired_fails_the_test_that_set_it(pytester: pytest.Pytester) -> None:
    found, output = outcomes(
        pytester,
        """
def test_sets_a_fault(voxel_server, voxel_volume):
    voxel_server.faults.add(Fault("busy", method="POST"))
    voxel_volume[0, 0, 0, 0]

def test_sets_none(voxel_server, voxel_volume):
    voxel_volume[0, 0, 0, 0]
""",
    )
    assert found == {"failed": 1, "passed": 1}
    assert "method='POST'" in output
    assert "grayscale/raw/" in output  # the request that the fault has missed


@pytest.mark.parametrize(
    "lines",
    [
        'faults.add(Fault("busy", times=2)); voxel_volume[0, 0, 0, 0]',
        'faults.add(Fault("busy", times=None)); faults.take("GET", "/api/repos/info")',
        'faults.add(Fault("busy", must_fire=False))',
        'faults.add(Fault("busy")); faults.clear()',
    ],
)
def test_a_fault_that_fired_or_need_not_fire_passes(pytester: pytest.Pytester, lines: str) -> None:
    found, output = outcomes(
        pytester, f"def test_it(voxel_server, voxel_volume):\n    faults = voxel_server.faults\n    {lines}\n"
    )
    assert found == {"passed": 1}, output


def test_each_of_several_faults_must_fire(pytester: pytest.Pytester) -> None:
    found, output = outcomes(
        pytester,
        """
def test_it(voxel_server, voxel_volume):
    voxel_server.faults.add(Fault("busy"), Fault("html", must_fire=False), Fault("reset", method="DELETE"))
    voxel_volume[0, 0, 0, 0]
""",
    )
    assert found == {"failed": 1}
    listed = output.partition("never fired")[2].partition("requests of this test")[0]
    assert ("reset" in listed, "busy" in listed, "html" in listed) == (True, False, False)


def test_a_test_that_fails_anyway_says_why_itself(pytester: pytest.Pytester) -> None:
    found, output = outcomes(
        pytester,
        """
def test_it(voxel_server):
    voxel_server.faults.add(Fault("busy"))
    raise RuntimeError("the reason")

def test_skips(voxel_server):
    voxel_server.faults.add(Fault("busy"))
    pytest.skip("no need")
""",
    )
    assert found == {"failed": 1, "skipped": 1}
    assert "the reason" in output
    assert "never fired" not in output


def test_a_misspelt_fault_fails_where_it_is_set(pytester: pytest.Pytester) -> None:
    found, output = outcomes(
        pytester,
        """
def test_it(voxel_server):
    voxel_server.faults.add(Fault("busy", path=".*/grayscale/rwa/.*"))
""",
    )
    assert found == {"failed": 1}
    assert "did you mean 'raw'" in output


def test_a_misspelt_fault_of_the_datastore_is_refused() -> None:
    for wrong, says in (
        (Fault("busy", path=".*/nwe/.*"), "did you mean 'new'"),
        (Fault("busy", path=".*/raw/.*"), "no path of this server has 'raw'"),
        (Fault("busy", method="FETCH"), "expected one of DELETE, GET"),
    ):
        with pytest.raises(ValueError, match=says):
            DataStoreServer(faults=[wrong])


@pytest.mark.parametrize(("fault", "outcome"), [("GET", "passed"), ("DELETE", "failed")])
def test_the_same_for_the_datastore(pytester: pytest.Pytester, fault: str, outcome: str) -> None:
    found, output = outcomes(
        pytester,
        f"""
def test_it(datastore_server, datastore_volume):
    datastore_server.faults.add(Fault("busy", method="{fault}"))
    voxels = datastore_server.voxels("embryo")
    assert (datastore_volume[:, 30:40, 5, 6] == voxels[:, 30:40, 5, 6]).all()
    datastore_volume[0, 30:40, 5, 6, 1, 0] = 7
    assert (datastore_server.voxels("embryo")[0, 30:40, 5, 6, 1, 0] == 7).all()
""",
    )
    assert found == {outcome: 1}, output


def test_the_same_for_mikro(pytester: pytest.Pytester) -> None:
    for library in ("graphql", "obstore", "zarr"):
        pytest.importorskip(library, reason=f"{library} comes with the extras 'mikro' and 'mock-mikro'")
    found, output = outcomes(
        pytester,
        """
from pyvolume.mikro import Mikro

@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_it(mikro_server, mikro_image, method):
    mikro_server.faults.add(Fault("busy", method=method))
    assert mikro_image[0, 30:40, 5, 6].shape == (10, 1)
    assert mikro_server.images == {1: "nucleus"}
    with Mikro(mikro_server.url, token="test", store=mikro_server.store_url) as mikro:
        assert mikro.image(1)[...].max() == mikro_image.data.max()
""",
        apart=True,
    )
    assert found == {"passed": 1, "failed": 1}, output
    assert "FAILED test_the_same_for_mikro.py::test_it[DELETE]" in output
