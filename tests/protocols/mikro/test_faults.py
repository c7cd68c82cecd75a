"""Faults of Mikro: a grant that ends, an answer that is lost, a chunk that is broken; never a wrong voxel."""

from __future__ import annotations

import json
import logging
import pickle
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import web_tokens
from conformance_stores import ramp
from scripted import ScriptedServer, answer

import pyvolume
from mockserver import Fault, MikroServer, Step
from pyvolume import Bearer, Connection, RetryPolicy
from pyvolume.errors import (
    AnswerError,
    ForbiddenError,
    NotFoundError,
    RefusedError,
    StoreError,
    TransportError,
    UnsupportedError,
)
from pyvolume.mikro import Image, Mikro, documents
from pyvolume.mikro.client import ask
from pyvolume.mikro.creating import created
from pyvolume.mikro.refusals import meaning_of_store

dask: Any = pytest.importorskip("dask.array", reason="dask comes with the extra 'dask'")

AT_ONCE = RetryPolicy(patience=0)
ARRAY = ramp((1, 100, 80, 70, 1), "uint16")


def same(found: object, expected: object) -> None:
    np.testing.assert_array_equal(found, expected, strict=True)


def upload(mikro: Mikro, array: Any = ARRAY, name: str = "faulty", **options: Any) -> Image:
    return mikro.from_xarray(array, name, dims="cxyzt"[: array.ndim], chunks=(32, 32, 32), **options)


def asked(mock: MikroServer, first: int = 0) -> list[str]:
    """Return the requests from one on: GraphQL, or the end of the path of an object."""
    paths = [each.path for each in mock.requests[first:]]
    return ["graphql" if path == "/graphql" else path.split("/", 3)[3] for path in paths]


@pytest.fixture
def hasty(mock: MikroServer) -> Iterator[Mikro]:
    """Give the mock without patience."""
    with Connection(mock.url, auth="test", retry=AT_ONCE) as connection:
        yield Mikro(connection, store=mock.store_url)


class TestBudgets:
    def test_an_image_of_the_official_client(self, own: Mikro, mock: MikroServer) -> None:
        voxels = np.arange(256**3, dtype="<u2").reshape(256, 256, 256)
        image = own.image(by_hand(own, mock, voxels, 153))
        first = len(mock.requests)
        image = own.image(image.id)
        found = image[0, 100:164, 60:124, 120:184, 0]
        same(found, voxels[120:184, 60:124, 100:164].transpose(2, 1, 0))
        assert sorted(asked(mock, first)) == ["c/0/0/0/0/0", "c/0/0/1/0/0", "graphql", "zarr.json"]

    def test_a_crop_of_chunks_of_ours(self, own: Mikro, mock: MikroServer) -> None:
        voxels = ramp((128, 64, 64), "uint16")
        image = own.from_xarray(voxels, "ours", dims="zyx")
        first = len(mock.requests)
        with pyvolume.trace() as cost:
            same(own.image(image.id)[0, :, :, 32:96, 0], voxels[32:96].transpose(2, 1, 0))
        assert sorted(asked(mock, first)) == ["c/0/0/0/0/0", "c/0/0/1/0/0", "graphql", "zarr.json"]
        assert cost.requests == 4
        assert cost.bytes_fetched < 1.1e6

    def test_an_upload_of_a_small_array(self, own: Mikro, mock: MikroServer) -> None:
        own.connect()
        first = len(mock.requests)
        own.from_xarray(ramp((20, 30)), "small", dims="yx")
        assert asked(mock, first) == [
            "graphql", "c/0/0/0/0/0", "zarr.json", "graphql", "graphql", "graphql", "zarr.json",
        ]  # fmt: skip

    def test_nothing_outside_the_prefix_is_touched(self, own: Mikro, mock: MikroServer) -> None:
        upload(own).data.max()
        [prefix] = {key.partition("/")[0] for key in mock.objects}
        paths = {each.path.split("?")[0] for each in mock.requests if each.path != "/graphql"}
        assert {path.split("/")[2] for path in paths} == {prefix}
        assert {each.status for each in mock.requests} == {200}


def by_hand(mikro: Mikro, mock: MikroServer, voxels: Any, depth: int) -> str:
    """Write an image as the official client does: large chunks, zstd, a stray document; return its id."""
    found = ask(mikro.connection, "write by hand", documents.UPLOAD, {"input": {}}, changes=True)
    z, y, x = voxels.shape
    for at in range(-(-z // depth)):
        chunk = np.zeros((depth, y, x), "<u2")
        part = voxels[at * depth : (at + 1) * depth]
        chunk[: len(part)] = part
        mock.put(f"{found['key']}/c/0/0/{at}/0/0", zstd_stored(chunk.tobytes()))
    codecs = [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "zstd", "configuration": {"level": 0, "checksum": False}},
    ]
    document = {
        "shape": [1, 1, z, y, x],
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 1, depth, y, x]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": codecs,
        "attributes": {},
        "dimension_names": ["c", "t", "z", "y", "x"],
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }
    mock.put(f"{found['key']}/zarr.json", json.dumps(document, indent=2).encode())
    mock.put("zarr.json", b'{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    return created(mikro.connection, str(found["store"]), "official", {})


def zstd_stored(data: bytes) -> bytes:
    """Make a frame of zstd of stored blocks."""
    pieces = [data[at : at + 100_000] for at in range(0, len(data), 100_000)]
    heads = [(len(piece) << 3 | (at == len(pieces) - 1)).to_bytes(3, "little") for at, piece in enumerate(pieces)]
    blocks = b"".join(part for pair in zip(heads, pieces, strict=True) for part in pair)
    return b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(data)) + blocks


class TestGrants:
    @pytest.mark.parametrize("code", ["InvalidAccessKeyId", "ExpiredToken"])
    def test_16_workers_renew_one_that_has_ended_once(self, own: Mikro, mock: MikroServer, code: Any) -> None:
        mock.expired_code = code
        image = own.image(upload(own).id)
        lazy = image.to_dask(chunks=(1, 32, 32, 32, 1))
        image[0, 0, 0, 0]
        mock.advance(901)
        first = len(mock.requests)
        assert int(lazy.max().compute(scheduler="threads", num_workers=16)) == ARRAY.max()
        assert asked(mock, first).count("graphql") == 1

    def test_one_that_ends_soon_is_renewed_before(self) -> None:
        with MikroServer(seconds=0) as mock, Mikro(mock.url, token="test", store=mock.store_url) as mikro:
            with pytest.raises(UnsupportedError, match="cannot be renewed; nothing was written"):
                upload(mikro)
            assert mock.objects == {}

    def test_an_upload_that_cannot_last_is_refused_before_a_byte_moves(self, own: Mikro, mock: MikroServer) -> None:
        with pytest.raises(UnsupportedError, match=r"1.068 MiB take 1120 s at 1000 B a second.*bandwidth="):
            upload(own, bandwidth=1000)
        assert (mock.objects, mock.images) == ({}, {})

    def test_an_upload_whose_grant_ends_makes_no_image(self, own: Mikro, mock: MikroServer) -> None:
        with pytest.raises(ForbiddenError, match=r"upload an image.*cannot be renewed; no image was made"):
            upload(own, progress=lambda _status: mock.revoke())
        assert mock.images == {}

    @pytest.mark.parametrize("lists", [True, False])
    def test_a_chunk_that_is_missing_is_the_fill_value(self, own: Mikro, mock: MikroServer, lists: bool) -> None:
        image = upload(own)
        mock.delete(next(key for key in mock.objects if key.endswith("c/0/0/0/1/2")))
        mock.lists = lists
        expected = ARRAY.copy()
        expected[0, 64:96, 32:64, :32] = 0
        first = len(mock.requests)
        same(image[...], expected)
        assert asked(mock, first).count("graphql") == (0 if lists else 1)

    def test_one_that_has_ended_is_no_missing_chunk(self, mock: MikroServer) -> None:
        with Mikro(Connection(mock.url, auth="test", retry=AT_ONCE), store=mock.store_url) as mikro:
            image = upload(mikro)
            mock.revoke()
            mock.steps.add(Step("fail", "requestZarrAccess", message="the token service is down"))
            with pytest.raises(RefusedError, match=r"renew the access to image 1.*token service is down"):
                image.max()
            same(image[...], ARRAY)

    def test_permanent_keys_are_sent_without_a_session_token(self) -> None:
        with (
            MikroServer(grants="plain") as mock,
            Mikro(mock.url, token="test", store=mock.store_url) as mikro,
        ):
            same(upload(mikro, bandwidth=1)[...], ARRAY)
            signed = [each.headers for each in mock.requests if each.path != "/graphql"]
            assert signed
            assert not [headers for headers in signed if "x-amz-security-token" in map(str.lower, headers)]

    def test_no_secret_is_shown(
        self, own: Mikro, mock: MikroServer, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        caplog.set_level(logging.DEBUG)
        image = upload(own)
        texts = [repr(own), repr(image), repr(image.store), repr(image.describe()), repr(own.connection.auth)]
        texts += [str(vars(image.store)), repr(image.store.client)]
        mock.faults.add(Fault("error", path=".*/c/0.*", status=403, text="<Code>SignatureDoesNotMatch</Code>"))
        with pytest.raises(ForbiddenError) as caught:
            image.max()
        texts += [str(caught.value), repr(vars(caught.value)), caplog.text, *capsys.readouterr()]
        pickled = pickle.dumps(image)
        secrets = {"test-token"} | set(keys_of(mock))
        assert not [secret for secret in secrets for text in texts if secret in text]
        assert not [secret for secret in secrets if secret.encode() in pickled]


def keys_of(mock: MikroServer) -> list[str]:
    """Return the secrets that the mock has given out."""
    grants = mock._grants._by_key.values()
    return [text for each in grants for text in (each.access_key, each.secret_key, each.session_token)]


class TestTokens:
    def test_one_that_has_expired_is_renewed_and_the_request_repeated_once(self) -> None:
        given: list[str] = []
        old: dict[str, Any] = {"iat": 1, "exp": 2}

        def provider() -> tuple[str, float]:
            given.append(web_tokens.web_token(**({} if given else old)))
            return given[-1], 3600.0

        with (
            MikroServer(keys=web_tokens.public_keys()) as mock,
            Mikro(mock.url, auth=Bearer(provider), store=mock.store_url) as mikro,
        ):
            assert list(mikro.images) == []
            assert (len(given), len(mock.requests)) == (2, 2)

    @pytest.mark.parametrize(
        ("claims", "message"),
        [
            ({"iat": 1, "exp": 2}, r"the token has expired \(Token has expired\)"),
            ({"nbf": 1 << 40}, "the clocks of the two servers may differ"),
            ({"active_org": ...}, "the token names no organisation"),
            ({"kid": "other"}, "the server does not know this token"),
        ],
    )
    def test_a_wrong_one_is_told_once(self, claims: dict[str, Any], message: str) -> None:
        with (
            MikroServer(keys=web_tokens.public_keys()) as mock,
            Mikro(mock.url, token=web_tokens.web_token(**claims), store=mock.store_url) as mikro,
        ):
            with pytest.raises(ForbiddenError, match=message):
                mikro.connect()
            assert len(mock.requests) == 1

    def test_a_role_that_is_missing_is_not_renewed(self) -> None:
        calls: list[int] = []

        def provider() -> str:
            calls.append(1)
            return "viewer"

        tokens = {"viewer": {"sub": "3", "roles": ["viewer"]}}
        with (
            MikroServer(tokens=tokens) as mock,
            Mikro(mock.url, auth=Bearer(provider), store=mock.store_url) as mikro,
        ):
            with pytest.raises(ForbiddenError, match="may not do that"):
                upload(mikro)
            assert (len(calls), mock.images) == (1, {})


class TestUploads:
    @pytest.mark.parametrize(
        "fault",
        [
            Step("fail", "requestZarrUpload"),
            Fault("reset", method="PUT", path=".*/c/0/0/1/1/1", times=None),
            Fault("reset", method="PUT", path=".*/zarr.json", times=None),
            Step("fail", "finishZarrUpload"),
            Step("fail", "fromArrayLike"),
        ],
        ids=["request", "chunk", "metadata", "finish", "create"],
    )
    def test_a_crash_leaves_no_image(self, hasty: Mikro, mock: MikroServer, fault: Any) -> None:
        (mock.faults if isinstance(fault, Fault) else mock.steps).add(fault)
        with pytest.raises(StoreError):
            upload(hasty)
        assert mock.images == {}
        mock.faults.clear()
        same(upload(hasty)[...], ARRAY)

    def test_a_lost_answer_to_a_create_makes_no_second_image(self, hasty: Mikro, mock: MikroServer) -> None:
        mock.steps.add(Step("lose", "fromArrayLike"))
        image = upload(hasty, resolution=1.5)
        assert (mock.images, image.resolution[0]) == ({1: "faulty"}, 1.5)

    def test_a_lost_request_to_create_is_told(self, hasty: Mikro, mock: MikroServer) -> None:
        hasty.connect()
        image = upload(hasty)
        mock.faults.add(Fault("reset", path="/graphql"))
        with pytest.raises(
            TransportError, match=r"no image of this upload is in the catalogue.*look for 'a'"
        ) as caught:
            created(hasty.connection, image.store.store_id + "9", "a", {})
        assert (caught.value.uncertain, len(mock.images)) == (True, 1)

    def test_an_image_that_could_not_be_looked_up_is_told(self, hasty: Mikro, mock: MikroServer) -> None:
        mock.steps.add(Step("lose", "fromArrayLike"), Step("fail", "images", times=9))
        with pytest.raises(TransportError, match="could not be looked up whether an image 'faulty' was made"):
            upload(hasty)

    @pytest.mark.parametrize("kind", ["break", "lose"])
    def test_a_half_made_image_is_told(self, hasty: Mikro, mock: MikroServer, kind: Any) -> None:
        origin = upload(hasty, name="origin")
        mock.steps.add(Step(kind, "fromArrayLike"))
        store_id = origin.store.store_id
        given = {"derivedViews": [{"originImage": "999"}]}
        with pytest.raises(RefusedError, match=r"image \d was made all the same: .*delete it"):
            created(hasty.connection, store_id, "half", given)

    def test_a_dataset_that_is_none_is_refused_before(self, hasty: Mikro, mock: MikroServer) -> None:
        with pytest.raises(NotFoundError, match="there is none with this id"):
            upload(hasty, dataset="77")
        assert mock.objects == {}


class TestReads:
    @pytest.mark.parametrize(
        ("found", "generation"), [({"next": None, "later": None}, 1), ({"next": None, "later": {"name": "L"}}, 3)]
    )
    def test_a_server_of_another_generation(self, found: dict[str, Any], generation: int) -> None:
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

    def test_a_page_of_a_proxy_is_no_answer(self) -> None:
        page = answer(b"<html>", "Content-Type: text/html")
        with (
            ScriptedServer([page, page]) as server,
            Mikro(server.url, token="a", store="localhost:1") as mikro,
            pytest.raises(AnswerError, match="expected JSON"),
        ):
            mikro.connect()

    def test_a_server_of_the_store_that_is_another_one(self, mock: MikroServer, hasty: Mikro) -> None:
        image = upload(hasty)
        other = Mikro(hasty.connection, store=mock.url)
        with pytest.raises(NotFoundError, match=r"has no array for it; does store= name the object store"):
            other.image(image.id)
        nobody = Mikro(hasty.connection, store="http://127.0.0.1:1")
        with pytest.raises(TransportError, match="does store= name the object store"):
            nobody.image(image.id)

    def test_an_id_that_is_none(self, hasty: Mikro) -> None:
        with pytest.raises(NotFoundError, match="there is none with this id, or it is of another organisation"):
            hasty.image(999)
        with pytest.raises(NotFoundError, match="an id is a number"):
            hasty.image("abc")

    @pytest.mark.parametrize("broken", [b"", b"\x28\xb5\x2f\xfd nonsense"], ids=["cut", "nonsense"])
    def test_a_broken_chunk_is_named(self, hasty: Mikro, mock: MikroServer, broken: bytes) -> None:
        image = upload(hasty)
        mock.put(next(key for key in mock.objects if key.endswith("c/0/0/1/1/1")), broken)
        with pytest.raises(AnswerError, match=r"the chunk .*c/0/0/1/1/1 cannot be decoded"):
            image.max()

    def test_answers_that_are_cut_are_asked_again(self, own: Mikro, mock: MikroServer) -> None:
        image = upload(own)
        mock.faults.add(Fault("truncate", path=".*/c/0.*", times=3), Fault("busy", path=".*/c/0.*", times=2))
        same(image[...], ARRAY)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"zarr_format": 2}, "expected the metadata of an array of Zarr v3"),
            ({"codecs": [{"name": "magic"}]}, "magic"),
            ({"data_type": "complex64", "fill_value": [0.0, 0.0]}, "expected numbers along axes"),
            ({"shape": [1] * 6, "dimension_names": None}, "zarr|axes"),
        ],
    )
    def test_an_array_that_no_volume_can_show(
        self, hasty: Mikro, mock: MikroServer, change: dict[str, Any], message: str
    ) -> None:
        image = upload(hasty)
        key = next(key for key in mock.objects if key.endswith("zarr.json"))
        mock.put(key, json.dumps(json.loads(mock.objects[key]) | change).encode())
        with pytest.raises((UnsupportedError, pyvolume.errors.MetadataError), match=message):
            hasty.image(image.id)

    def test_what_the_store_says_of_clocks(self) -> None:
        exceptions = pytest.importorskip("obstore.exceptions", reason="obstore comes with the extra 'mikro'")
        text = "status code: 403 Forbidden: <Error><Code>RequestTimeTooSkewed</Code></Error>"
        error = exceptions.PermissionDeniedError(text)
        assert "clocks of this machine and of the store" in str(meaning_of_store(error, "read", "x"))
