"""What a client of Mikro must never do: show keys, leave its prefix, repeat a change, trust what is not sure."""

from __future__ import annotations

import gc
import json
import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conformance_stores import ramp
from file_server import FileServer
from mikro_by_hand import asked, by_hand, keys_of, upload
from scripted import ScriptedServer, answer
from tracebacks import told

import pyvolume
from mockserver import Fault, MikroServer, Step
from pyvolume import Connection, RetryPolicy
from pyvolume.errors import (
    AnswerError,
    ExistsError,
    ForbiddenError,
    NotFoundError,
    StoreError,
    TransportError,
    UnsupportedError,
)
from pyvolume.mikro import Mikro, documents
from pyvolume.mikro.grants import Grant

graphql: Any = pytest.importorskip("graphql", reason="graphql-core comes with the extra 'mock-mikro'")

TOKEN = "t0ken-of-anna"
DOCUMENTS = {
    name: text
    for name, text in vars(documents).items()
    if name.isupper() and text.startswith(("query ", "mutation ", "{"))
}


class TestSecrets:
    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            (Fault("error", path=".*/c/0.*", status=403, text="<Code>SignatureDoesNotMatch</Code>"), ForbiddenError),
            (Fault("reset", path=".*/c/0.*", times=None), TransportError),
            (Fault("html", path="/graphql", times=None), AnswerError),
        ],
        ids=["signature", "reset", "html"],
    )
    def test_none_is_in_a_text(
        self,
        caplog: pytest.LogCaptureFixture,
        capsys: pytest.CaptureFixture[str],
        fault: Fault,
        kind: type[StoreError],
    ) -> None:
        caplog.set_level(logging.DEBUG)
        once = RetryPolicy(patience=0)
        with (
            MikroServer(tokens={TOKEN: {"sub": "1"}}) as mock,
            Connection(mock.url, auth=TOKEN, retry=once) as connection,
            pyvolume.trace() as cost,
        ):
            mikro = Mikro(connection, store=mock.store_url)
            image = upload(mikro)
            texts = [*map(repr, (mikro, image, image.store, image.describe(), connection.auth, image.data, cost))]
            texts += [str(vars(image.store)), repr(image.store.client), str(pickle.dumps(image))]
            mock.faults.add(fault)
            mock.advance(901)
            with pytest.raises(kind) as caught:
                image.max()
            texts += [told(caught.value, everywhere=False), str(pickle.dumps(caught.value))]
            texts += [caplog.text, *capsys.readouterr()]
            assert not [secret for secret in (TOKEN, *keys_of(mock)) for text in texts if secret in text]

    @pytest.mark.parametrize(
        "fault",
        [
            Step("fail", "finishZarrUpload"),
            Step("fail", "fromArrayLike"),
            Fault("error", method="PUT", status=403, text="<Code>AccessDenied</Code>"),
        ],
        ids=["finish", "create", "put"],
    )
    def test_none_is_in_what_a_failed_upload_says(self, hasty: Mikro, mock: MikroServer, fault: Any) -> None:
        (mock.faults if isinstance(fault, Fault) else mock.steps).add(fault)
        with pytest.raises(StoreError) as caught:
            upload(hasty)
        text = told(caught.value, everywhere=False) + str(pickle.dumps(caught.value))
        assert keys_of(mock)
        assert not [secret for secret in keys_of(mock) if secret in text]

    def test_an_answer_with_keys_that_is_malformed_shows_none(self) -> None:
        grant = {"accessKey": "k3y-a", "secretKey": "k3y-b", "sessionToken": "k3y-c", "bucket": "b", "key": ""}
        image: dict[str, Any] = {
            "id": "1", "name": "a", "tags": [], "createdAt": "2026-11-21T01:10:06+00:00", "creator": None,
            "dataset": None, "views": [], "store": {"id": "1", "accessGrant": {**grant, "expiresIn": 9}},
        }  # fmt: skip
        reply = answer(json.dumps({"data": {"image": image}}).encode(), "Content-Type: application/json")
        with (
            ScriptedServer([reply, reply]) as server,
            Mikro(server.url, token="a", store="localhost:1") as mikro,
            pytest.raises(AnswerError, match="whole bucket") as caught,
        ):
            mikro.image(1)
        assert "k3y" not in told(caught.value, everywhere=False)

    def test_a_grant_is_not_pickled(self, own: Mikro) -> None:
        upload(own)
        with pytest.raises(TypeError, match="not sent to other processes"):
            pickle.dumps(next(each for each in gc.get_objects() if isinstance(each, Grant)))

    def test_the_keys_of_an_upload_are_not_kept(self, own: Mikro, mock: MikroServer) -> None:
        image = upload(own)
        writing = {each.access_key for each in mock._grants._by_key.values() if "put" in each.actions}
        gc.collect()
        held = {each.access_key for each in gc.get_objects() if isinstance(each, Grant)}
        assert (len(writing), writing & held, held != set()) == (1, set(), True)
        assert image.id

    def test_no_redirect_takes_them_to_another_host(self, hasty: Mikro, tmp_path: Path) -> None:
        image = upload(hasty)
        with FileServer(tmp_path) as server, FileServer(tmp_path) as other:
            url = other.url.replace("127.0.0.1", "localhost")
            server.behaviour = lambda asked: (307, url + asked.path)
            moved = Mikro(hasty.connection, store=server.url)
            with pytest.raises(StoreError):
                moved.image(image.id)
            with pytest.raises(StoreError):
                upload(moved)
            assert {each.method for each in server.asked} == {"GET", "PUT"}
            assert other.asked == []

    def test_no_redirect_takes_a_token_to_another_host(self, mock: MikroServer) -> None:
        moved = answer(b"", f"Location: {mock.url}/graphql", status="307 Temporary Redirect")
        with (
            ScriptedServer([moved] * 2) as server,
            Mikro(server.url, token="test", store=mock.store_url) as mikro,
            pytest.raises(AnswerError, match="307"),
        ):
            mikro.connect()
        assert mock.requests == []


class TestPlaces:
    def test_nothing_outside_the_prefix_is_touched(self, own: Mikro, mock: MikroServer) -> None:
        upload(own).data.max()
        [prefix] = {key.partition("/")[0] for key in mock.objects}
        paths = {each.path.split("?")[0] for each in mock.requests if each.path != "/graphql"}
        assert {path.split("/")[2] for path in paths} == {prefix}
        assert {each.status for each in mock.requests} == {200}

    def test_an_image_is_never_written_again(self, own: Mikro, mock: MikroServer) -> None:
        image = upload(own)
        first = len(mock.requests)
        with pytest.raises(UnsupportedError, match="derive"):
            image[0, :3] = 1
        image.update(name="other")
        image.delete()
        assert asked(mock, first) == ["graphql"] * 2
        own.create_dataset("folder").put(upload(own))
        assert {each.method for each in mock.requests if each.path != "/graphql"} == {"GET", "PUT"}

    def test_metadata_of_somebody_else_is_not_replaced(self, own: Mikro, mock: MikroServer) -> None:
        def meanwhile(_status: object) -> None:
            prefix = next(iter(mock.objects)).partition("/")[0]
            mock.put(f"{prefix}/zarr.json", b"{}")

        with pytest.raises(ExistsError, match=r"zarr\.json.* is there already.*no image was made"):
            upload(own, progress=meanwhile)
        assert mock.images == {}
        assert b"{}" in mock.objects.values()


class TestChanges:
    @pytest.mark.parametrize(
        ("field", "fault"),
        [
            ("requestZarrUpload", Step("lose", "requestZarrUpload")),
            ("requestZarrUpload", Fault("gateway", path="/graphql", status=502)),
            ("createDataset", Step("lose", "createDataset")),
            ("createDataset", Fault("gateway", path="/graphql", status=503)),
            ("deleteImage", Step("lose", "deleteImage")),
        ],
    )
    def test_none_is_repeated_blindly(self, own: Mikro, mock: MikroServer, field: str, fault: Any) -> None:
        image = upload(own)
        steps: dict[str, Callable[[], object]] = {
            "requestZarrUpload": lambda: upload(own),
            "createDataset": lambda: own.create_dataset("folder"),
            "deleteImage": image.delete,
        }
        first = len(mock.requests)
        (mock.faults if isinstance(fault, Fault) else mock.steps).add(fault)
        with pytest.raises(StoreError) as caught:
            steps[field]()
        assert (caught.value.uncertain, asked(mock, first)) == (True, ["graphql"])

    @pytest.mark.parametrize("name", DOCUMENTS)
    def test_one_operation_is_sent_at_once(self, name: str) -> None:
        [operation] = graphql.parse(DOCUMENTS[name]).definitions
        fields = [each.name.value for each in operation.selection_set.selections]
        assert len(fields) == 1 or name == "GENERATION"
        assert not {"deleteDataset", "requestGeneralZarrAccess"} & set(fields)

    @pytest.mark.parametrize("name", DOCUMENTS)
    def test_of_an_array_only_its_id_and_the_keys_are_asked_for(self, name: str) -> None:
        words = set(DOCUMENTS[name].replace("{", " ").replace("}", " ").split())
        assert not {"shape", "chunks", "dtype", "codecs", "fillValue", "action", "path", "size", "pixelSize"} & words
        assert name == "IMAGE" or "accessGrant" not in words


class TestTrust:
    def test_the_metadata_of_the_array_counts_more_than_the_catalogue(self, own: Mikro, mock: MikroServer) -> None:
        image = own.image(by_hand(own, mock, ramp((64, 32, 32), "uint16"), 64))
        key = next(key for key in mock.objects if key.endswith("/zarr.json"))
        document = json.loads(mock.objects[key])
        mock.put(key, json.dumps({**document, "shape": [1, 1, 60, 32, 32]}).encode())
        assert (image.shape[3], own.image(image.id).shape[3]) == (64, 60)

    def test_a_list_shows_the_images_of_the_organisation(self) -> None:
        tokens = {"ours": {"sub": "1"}, "theirs": {"sub": "9", "active_org": "other"}}
        with MikroServer(tokens=tokens) as mock:
            ours, theirs = (Mikro(mock.url, token=token, store=mock.store_url) for token in tokens)
            image, folder = upload(ours), ours.create_dataset("folder")
            assert (ours.images.count(), theirs.images.count()) == (1, 0)
            with pytest.raises(NotFoundError, match="of another organisation"):
                theirs.image(image.id)
            stores = len(mock._rows.stores)
            with pytest.raises(NotFoundError, match="of another organisation"):
                upload(theirs, dataset=folder.id)
            assert len(mock._rows.stores) == stores
