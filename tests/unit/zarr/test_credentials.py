"""Credentials: what is signed, for whom, and to which server secrets are sent."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import pickle
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from file_server import FileServer
from zarr_clients import KEYS, VOXELS, array_of, new_call, opened, read, stored, write

from pyvolume.errors import AddressError, ForbiddenError, StoreError, UnsupportedError
from pyvolume.zarr.client import Client
from pyvolume.zarr.opening import open_client
from pyvolume.zarr.requests import credentials

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT",
    "AWS_SECRET_ACCESS_KEY": "environment-secret",
    "AWS_SESSION_TOKEN": "environment-token",
}
SECRETS = [KEYS["secret_access_key"], KEYS["session_token"], "environment-secret", "environment-token"]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the credentials of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    with FileServer(stored(tmp_path / "served")) as server:
        yield server


def set_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def signed_by(server: FileServer, client: Client) -> set[str]:
    """Return the access keys of the requests of a client, and check that no others came; empty for unsigned ones."""
    server.asked.clear()
    array_of(client)
    heads = [asked.headers for asked in server.asked]
    assert heads != []
    found = {head.get("authorization", "").partition("Credential=")[2].partition("/")[0] for head in heads}
    for head in heads:
        assert ("x-amz-security-token" in head) == (found != {""})
    return found


def test_without_credentials_requests_are_not_signed(server: FileServer) -> None:
    assert signed_by(server, opened(server, "s3")) == {""}


def test_given_credentials_sign(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    set_keys(monkeypatch)
    assert signed_by(server, opened(server, "s3", credentials=KEYS)) == {"AKIAGIVEN"}


def test_given_keys_without_a_token_get_none_of_the_environment(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_keys(monkeypatch)
    keys = {word: KEYS[word] for word in ("access_key_id", "secret_access_key")}
    array_of(opened(server, "s3", credentials=keys))
    assert all("x-amz-security-token" not in asked.headers for asked in server.asked)


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_the_environment_signs_for_the_server_that_it_names(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    set_keys(monkeypatch)
    monkeypatch.setenv(variable, server.url)
    client = open_client("s3://bucket/x.zarr")
    assert client.address == f"s3+{server.url}/bucket/x.zarr"
    assert signed_by(server, client) == {"AKIAENVIRONMENT"}
    assert signed_by(server, opened(server, "s3")) == {"AKIAENVIRONMENT"}
    assert signed_by(server, open_client("s3://bucket/x.zarr", anonymous=True)) == {""}


@pytest.mark.parametrize("home", [{}, {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}, {"AWS_ENDPOINT_URL": "http://a"}])
def test_the_environment_does_not_sign_for_another_server(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, home: dict[str, str]
) -> None:
    set_keys(monkeypatch)
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    assert signed_by(server, opened(server, "s3")) == {""}
    assert signed_by(server, open_client("s3://bucket/x.zarr", endpoint=server.url)) == {""}
    with pytest.raises(AddressError, match=r"of the environment are not sent to .*AWS_ENDPOINT_URL"):
        opened(server, "s3", anonymous=False)
    everything = str([asked.headers for asked in server.asked])
    assert "ENVIRONMENT" not in everything
    assert "environment-token" not in everything


def test_a_key_of_the_environment_for_encryption_is_not_sent_to_another_server(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SSE_CUSTOMER_KEY_BASE64", "c2VjcmV0")
    with pytest.raises(AddressError, match="AWS_SSE_CUSTOMER_KEY_BASE64 of the environment is not sent") as caught:
        opened(server, "s3")
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(
    ("endpoint", "is_home"),
    [
        ("https://s3.eu-central-1.amazonaws.com", True),
        ("http://s3.eu-central-1.amazonaws.com", False),
        ("https://amazonaws.com.example.org", False),
        ("https://evilamazonaws.com", False),
    ],
)
def test_servers_of_the_provider_are_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, is_home: bool
) -> None:
    set_keys(monkeypatch)
    signing = credentials.signing("s3", "x", endpoint=endpoint, anonymous=None, credentials=None)
    assert signing.is_signed == is_home


def write_profile(name: str, words: dict[str, str], file: str = "credentials") -> None:
    path = Path.home() / ".aws" / file
    path.parent.mkdir(exist_ok=True)
    lines = [f"{word} = {value}" for word, value in words.items()]
    path.write_text("\n".join([f"[{name}]", *lines, ""]), "utf-8")


OF_FILE = {
    "aws_access_key_id": "AKIAPROFILE",
    "aws_secret_access_key": "profile-secret",
    "aws_session_token": "profile-token",
}


def test_a_profile_signs_for_the_server_that_it_names(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    write_profile("mine", OF_FILE)
    write_profile("profile mine", {"endpoint_url": server.url, "region": "mars-1"}, "config")
    assert signed_by(server, opened(server, "s3")) == {""}
    monkeypatch.setenv("AWS_PROFILE", "mine")
    assert signed_by(server, open_client("s3://bucket/x.zarr")) == {"AKIAPROFILE"}
    assert "/mars-1/" in server.asked[0].headers["authorization"]
    set_keys(monkeypatch)
    assert signed_by(server, open_client("s3://bucket/x.zarr")) == {"AKIAENVIRONMENT"}


def test_a_default_profile_does_not_sign_for_another_server(server: FileServer) -> None:
    write_profile("default", OF_FILE)
    assert signed_by(server, opened(server, "s3")) == {""}


def test_a_profile_with_a_login_is_left_to_boto3(server: FileServer, tmp_path: Path) -> None:
    script = tmp_path / "login.py"
    script.write_text(
        "import json; print(json.dumps({'Version': 1, 'AccessKeyId': 'AKIALOGIN', 'SecretAccessKey': 'x', "
        "'SessionToken': 'y', 'Expiration': '2099-01-01T00:00:00Z'}))",
        "utf-8",
    )
    words = {"credential_process": f"{sys.executable} {script}", "endpoint_url": server.url}
    write_profile("default", words, "config")
    assert signed_by(server, open_client("s3://bucket/x.zarr")) == {"AKIALOGIN"}


def test_the_region_is_part_of_the_signature(server: FileServer) -> None:
    array_of(opened(server, "s3", credentials=KEYS, region="venus-2"))
    assert {asked.headers["authorization"].split("/")[2] for asked in server.asked} == {"venus-2"}


def test_a_token_for_a_web_server(server: FileServer) -> None:
    array_of(opened(server, "http", credentials={"token": "abc"}))
    assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer abc"}


@pytest.mark.parametrize(("kind", "given"), [("http", {"token": "abc"}), ("s3", KEYS)])
def test_a_redirect_takes_no_secret_to_another_server(
    server: FileServer, tmp_path: Path, kind: str, given: dict[str, str]
) -> None:
    with FileServer(tmp_path / "served") as other:
        server.behaviour = lambda asked: (302, other.url + asked.path)
        with contextlib.suppress(Exception):
            array_of(opened(server, kind, credentials=given))
        assert all("authorization" not in asked.headers for asked in other.asked)
    assert all("authorization" in asked.headers for asked in server.asked)


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_no_session_token_to_another_host(
    server: FileServer, tmp_path: Path, status: int, method: str
) -> None:
    client = opened(server, "s3", mode="r+", credentials=KEYS)
    array, call = array_of(client, "r+"), new_call(patience=0)
    with FileServer(tmp_path / "served") as other:
        url = other.url.replace("127.0.0.1", "localhost")
        server.behaviour = lambda asked: (status, url + asked.path)
        with pytest.raises(StoreError):
            read(client, array, call=call) if method == "GET" else write(client, array, VOXELS, call=call)
        assert other.asked == []


def test_a_proxy_of_the_environment_is_used(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    with contextlib.suppress(FileNotFoundError):  # this server is no proxy
        array_of(open_client("s3://bucket/x.zarr", endpoint="http://far.example", credentials=KEYS))
    assert {asked.headers["host"] for asked in server.asked} == {"far.example"}


def service_account() -> str:
    """Return a document with a key of its own, as Google gives it."""
    key = rsa.generate_private_key(65537, 2048)
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
    facts = {"private_key": pem, "private_key_id": "1", "client_email": "me@localhost", "type": "service_account"}
    return json.dumps(facts)


@pytest.mark.parametrize(
    ("kind", "environment"),
    [
        ("az", {"AZURE_STORAGE_ACCOUNT_NAME": "me", "AZURE_STORAGE_ACCOUNT_KEY": "c2VjcmV0"}),
        ("az", {"AZURE_STORAGE_ACCOUNT_NAME": "me", "AZURE_STORAGE_SAS_TOKEN": "?sv=2020&sig=c2VjcmV0"}),
        ("az", {"AZURE_STORAGE_ACCOUNT_NAME": "me", "AZURE_STORAGE_TOKEN": "c2VjcmV0"}),
        ("gs", {"GOOGLE_SERVICE_ACCOUNT_KEY": service_account()}),
    ],
)
def test_other_clouds_do_not_sign_for_another_server_either(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, kind: str, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    array_of(open_client(f"{kind}://bucket/x.zarr", endpoint=server.url))
    assert all("authorization" not in asked.headers and "sig=" not in asked.path for asked in server.asked)
    with pytest.raises(AddressError, match="of the environment are not sent to"):
        open_client(f"{kind}://bucket/x.zarr", endpoint=server.url, anonymous=False)


@pytest.mark.parametrize(
    ("url", "options", "error", "message"),
    [
        ("s3://b/x", {"credentials": KEYS, "anonymous": True}, TypeError, "not both"),
        ("s3://b/x", {"credentials": {"acess_key_id": "a"}}, TypeError, "credentials have no 'acess_key_id'"),
        ("s3://b/x", {"credentials": {"access_key_id": "a"}}, TypeError, "expected credentials of"),
        ("s3://b/x", {"credentials": "secret-text"}, TypeError, "open s3://b/x: expected a mapping"),
        ("gs://b/x", {"region": "eu"}, TypeError, "only s3:// has a region="),
        ("http://h/x", {"endpoint": "http://h"}, AddressError, "a web server has no endpoint="),
        ("http://h/x", {"mode": "r+"}, UnsupportedError, "can only be read"),
        ("http://me:secret-text@h/x", {}, AddressError, "no user and password"),
        ("http://h/x?token=secret-text", {}, AddressError, "no query"),
        ("s3://b/x?token=secret-text", {}, AddressError, "expected s3://BUCKET/PATH"),
        ("s3:///x", {}, AddressError, "expected s3://BUCKET/PATH"),
        ("s3://b/x/../y", {}, AddressError, "expected s3://BUCKET/PATH"),
        ("s3+http://h/b/x", {"endpoint": "http://i"}, AddressError, "endpoint= is another server"),
        ("az://b/x", {}, AddressError, "name the account"),
        ("gs://b/x", {"credentials": {"key": "secret-text"}}, TypeError, "credentials have no 'key'"),
        ("x", {"anonymous": True}, TypeError, "anonymous of a bucket cannot be given"),
        ("x", {"mode": "rw"}, ValueError, "mode"),
    ],
)
def test_what_cannot_be_opened(url: str, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        open_client(url, **options)
    assert "secret-text" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "options"),
    [("gs", {}), ("az", {"credentials": {"account_name": "me", "account_key": "c2VjcmV0"}})],
)
def test_other_clouds_have_an_endpoint_too(server: FileServer, url: str, options: dict[str, Any]) -> None:
    client = open_client(f"{url}://bucket/x.zarr", endpoint=server.url, **options)
    array = array_of(client)
    assert (read(client, array) == VOXELS).all()
    assert ("authorization" in server.asked[0].headers) == bool(options)


def test_a_pickle_holds_no_secret_and_signs_by_the_environment_there(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_keys(monkeypatch)
    client = opened(server, "s3", credentials=KEYS, region="mars-1", missing=(404, 403))
    pickled = pickle.dumps((client, client.store, array_of(client)))
    assert [secret for secret in SECRETS if secret.encode() in pickled] == []
    again, store, _ = pickle.loads(pickled)
    assert (again.address, again.missing) == (client.address, client.missing)
    assert store.read_only
    assert signed_by(server, again) == {""}
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    assert signed_by(server, pickle.loads(pickled)[0]) == {"AKIAENVIRONMENT"}
    assert "/mars-1/" in server.asked[0].headers["authorization"]


def test_a_refusal_says_that_credentials_were_left_behind(server: FileServer) -> None:
    client = opened(server, "s3", credentials=KEYS)
    for _ in range(2):
        client = pickle.loads(pickle.dumps(client))
        server.behaviour = lambda _: 403
        with pytest.raises(ForbiddenError, match="credentials= were not sent to this process"):
            array_of(client)


def test_no_secret_shows(server: FileServer) -> None:
    client = opened(server, "s3", credentials=KEYS)
    array = array_of(client)
    server.behaviour = lambda _: (403, "<Error><Code>SignatureDoesNotMatch</Code><Message>No</Message></Error>")
    with pytest.raises(ForbiddenError, match="SignatureDoesNotMatch: No") as caught:
        read(client, array)
    shown = [repr(client), repr(client.store), repr(array), str(caught.value), repr(vars(caught.value))]
    shown += traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    assert [secret for secret in SECRETS if any(secret in each for each in shown)] == []


def test_a_signature_in_a_url_does_not_show(server: FileServer) -> None:
    secrets = {"account_name": "me", "sas_token": "?sv=2020&sig=sas-secret"}
    client = open_client("az://bucket/x.zarr", endpoint=server.url, credentials=secrets)
    array = array_of(client)
    assert "sas-secret" in server.asked[0].path
    for behaviour in (400, 403, 500, "cut", (302, "")):
        server.behaviour = lambda _, what=behaviour: what  # type: ignore[misc]
        with pytest.raises(Exception, match=r"x\.zarr") as caught:
            read(client, array, call=new_call(patience=0.05))
        report = "".join(traceback.format_exception(caught.value))
        assert "sas-secret" not in report


def test_a_file_of_the_environment_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", "/nowhere/account.json")
    with pytest.raises(AddressError, match=r"open gs://b/x: .*/nowhere/account\.json"):
        open_client("gs://b/x")


def test_a_copy_is_a_client_of_its_own(server: FileServer) -> None:
    client = opened(server, "s3")
    copied = copy.deepcopy(client)
    client.close()
    assert (read(copied, array_of(copied)) == VOXELS).all()
