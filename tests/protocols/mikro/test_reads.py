"""Reads that fail: an error that says what to do, and never a wrong voxel."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mikro_by_hand import ARRAY, asked, same, upload
from scripted import ScriptedServer, answer

import pyvolume
from mockserver import Fault, MikroServer
from pyvolume.errors import AnswerError, ForbiddenError, NotFoundError, StoreError, TransportError, UnsupportedError
from pyvolume.mikro import Mikro

DATES = {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}}


@pytest.mark.parametrize(
    ("found", "generation"), [({"next": None, "later": None}, 1), ({"next": None, "later": {"name": "L"}}, 3)]
)
def test_a_server_of_another_generation(found: dict[str, Any], generation: int) -> None:
    replies: list[dict[str, Any]] = [
        {"data": None, "errors": [{"message": "Cannot query field 'image' on type 'Query'."}]},
        {"data": found},
        {"data": found},
    ]
    answers = [answer(json.dumps(each).encode(), "Content-Type: application/json") for each in replies]
    with ScriptedServer(answers) as server, Mikro(server.url, token="a", store="localhost:1") as mikro:
        message = f"of generation {generation}, and pyvolume speaks generation 2"
        with pytest.raises(UnsupportedError, match=message):
            mikro.image(1)
        with pytest.raises(UnsupportedError, match=message):
            upload(mikro)
        assert mikro.connection.url == server.url


def test_a_page_of_a_proxy_is_no_answer() -> None:
    page = answer(b"<html>", "Content-Type: text/html")
    with (
        ScriptedServer([page, page]) as server,
        Mikro(server.url, token="a", store="localhost:1") as mikro,
        pytest.raises(AnswerError, match="expected JSON"),
    ):
        mikro.connect()


def test_a_server_of_the_store_that_is_another_one(mock: MikroServer, hasty: Mikro) -> None:
    image = upload(hasty)
    other = Mikro(hasty.connection, store=mock.url)
    with pytest.raises(NotFoundError, match=r"has no array for it; does store= name the object store"):
        other.image(image.id)
    nobody = Mikro(hasty.connection, store="http://127.0.0.1:1")
    with pytest.raises(TransportError, match="does store= name the object store"):
        nobody.image(image.id)


def test_an_id_that_is_none(hasty: Mikro) -> None:
    with pytest.raises(NotFoundError, match="there is none with this id, or it is of another organisation"):
        hasty.image(999)
    with pytest.raises(NotFoundError, match="an id is a number"):
        hasty.image("abc")


@pytest.mark.parametrize("broken", [b"", b"\x28\xb5\x2f\xfd nonsense"], ids=["cut", "nonsense"])
def test_a_broken_chunk_is_named(hasty: Mikro, mock: MikroServer, broken: bytes) -> None:
    image = upload(hasty)
    mock.put(next(key for key in mock.objects if key.endswith("c/0/0/1/1/1")), broken)
    with pytest.raises(AnswerError, match=r"the chunk .*c/0/0/1/1/1 cannot be decoded"):
        image.max()


def test_answers_that_are_cut_are_asked_again(own: Mikro, mock: MikroServer) -> None:
    image = upload(own)
    mock.faults.add(Fault("truncate", path=".*/c/0.*", times=3), Fault("busy", path=".*/c/0.*", times=2))
    same(image[...], ARRAY)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zarr_format": 2}, "expected the metadata of an array of Zarr v3"),
        ({"codecs": [{"name": "magic"}]}, "magic"),
        ({"data_type": DATES, "fill_value": 0}, "expected numbers along axes"),
        ({"data_type": "string", "fill_value": "", "codecs": [{"name": "vlen-utf8"}]}, "expected numbers along axes"),
        ({"shape": [1] * 6, "dimension_names": None}, "zarr|axes"),
    ],
)
def test_an_array_that_no_volume_can_show(
    hasty: Mikro, mock: MikroServer, change: dict[str, Any], message: str
) -> None:
    image = upload(hasty)
    key = next(key for key in mock.objects if key.endswith("zarr.json"))
    mock.put(key, json.dumps(json.loads(mock.objects[key]) | change).encode())
    with pytest.raises((UnsupportedError, pyvolume.errors.MetadataError), match=message):
        hasty.image(image.id)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("RequestTimeTooSkewed", ForbiddenError, "clocks of this machine and of the store"),
        ("SignatureDoesNotMatch", ForbiddenError, "does not accept the signature"),
        ("NoSuchBucket", NotFoundError, "does store= name the store"),
        ("InvalidAccessKeyId", ForbiddenError, "does store= name the store"),
    ],
)
@pytest.mark.parametrize("path", [r".*/zarr\.json", r".*/c/.*"], ids=["metadata", "chunks"])
def test_what_the_store_refuses_is_told(
    hasty: Mikro, mock: MikroServer, code: str, kind: type[StoreError], words: str, path: str
) -> None:
    image = upload(hasty)
    status = 404 if code == "NoSuchBucket" else 403
    mock.faults.add(Fault("error", times=None, path=path, status=status, text=f"<Error><Code>{code}</Code></Error>"))
    first = len(mock.requests)
    with pytest.raises(kind, match=words) as caught:
        hasty.image(image.id).max()
    assert type(caught.value) is kind
    is_renewed = code == "InvalidAccessKeyId"
    assert asked(mock, first).count("graphql") == 1 + is_renewed
