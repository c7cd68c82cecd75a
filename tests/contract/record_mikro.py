#!/usr/bin/env python3
# ruff: noqa
# mypy: ignore-errors
"""Record what a real Mikro server (generation 2) and its object store answer, exchange by exchange, as golden data for tests.

Usage: record_mikro.py CATALOGUE_URL STORE_URL KEY.pem OUT.jsonl [--expiry | --plain]

CATALOGUE_URL is the server without `/graphql`, STORE_URL the S3 endpoint that a client uses, KEY.pem the private RSA key of the
issuer `lab`, key id `lab-1`. The server is fresh: migrated, without rows, buckets empty. Its configuration has the static tokens
  test: {sub: "1"}   other: {sub: "2"}   viewer: {sub: "3", roles: ["viewer"]}   elsewhere: {sub: "9", active_org: "other_org"}
and a `role_arn`, so that its grants are temporary credentials for one prefix (the protocol page, 4.4, says what that takes).
Standard library only, and `openssl` for tokens.
--expiry waits at the end until the first grant has run out (set `session_duration_seconds` to 900, the least MinIO takes).
--plain appends the few exchanges of section `plain`, from a server without `role_arn`: it gives out permanent keys.

The exchanges form one story and are replayed in order. One JSON object a line:
  name      what this exchange shows
  section   auth, transport, core, lists, datasets, views, labelled, errors; scoped: the store enforces a grant's prefix and
            action; signing: the store checks signatures; expiry; plain
  to        catalogue (GraphQL and health) or store (S3)
  request   method, path (with query), headers (only those that matter), body
            signed: store only; the grant whose keys sign the request. The signing headers are left out.
            spoilt: what is wrong with the signature (secret, token, no token, time, payload)
            payload: "UNSIGNED-PAYLOAD" where this stands in x-amz-content-sha256 instead of the hash
  response  status, headers (only those a client may rely on), body
  binds     what the answer names for later: {"STORE": "requestZarrUpload.store"} is a path under `data`; a grant binds as a
            whole and is then used as {UPLOAD.key}, {UPLOAD.bucket}, {UPLOAD.accessKey}, ...; {"PARTS": "UploadId"} is an XML element
A body is {"text": ...} or {"zlib64": ..., "bytes": N, "sha256": ...}, or null where it is not recorded.

Names in braces, capitals only, stand for what the server chose:
  {STORE} {IMAGE} {DATASET} {AFFINE} {ADATASET}, also with a suffix (_MANY): an id, a decimal number as a string
  {ID} any id   {TIME} any time   {KEY} any object prefix   {SECRET} any key or token   {ANY} anything
  {TOKEN} {OTHER} {VIEWER} {ELSEWHERE} the static tokens   {JWT} {JWT_EXPIRED} ... signed tokens, described by the row's name
  {BUCKET} the physical bucket   {STORE_HOST} host:port of the object store   {MD5} of the body, base64
JSON: compare parsed, tags as a set. Errors: compare `message`; `locations` are of the query as sent. XML errors: compare the
status and `Code`.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import http.client
import json
import re
import struct
import subprocess
import sys
import time
import urllib.parse
import zlib

KEPT_HEADERS = (
    "content-type", "content-length", "transfer-encoding", "content-range", "accept-ranges", "etag", "allow", "location",
    "access-control-allow-origin", "access-control-allow-headers",
)  # fmt: skip
KINDS = {
    "store": "STORE", "finishZarrUpload": "STORE", "image": "IMAGE", "images": "IMAGE", "fromArrayLike": "IMAGE",
    "updateImage": "IMAGE", "deleteImage": "IMAGE", "originImage": "IMAGE", "first": "IMAGE", "second": "IMAGE",
    "dataset": "DATASET", "datasets": "DATASET", "createDataset": "DATASET", "ensureDataset": "DATASET",
    "deleteDataset": "DATASET", "putImagesInDataset": "DATASET", "parent": "DATASET", "children": "DATASET",
    "createAffineTransformationView": "AFFINE", "deleteAffineTransformationView": "AFFINE", "affineTransformationViews": "AFFINE",
    "createAdataset": "ADATASET", "adataset": "ADATASET",
}  # fmt: skip
SECRETS = ("accessKey", "secretKey", "sessionToken")
STATIC = {"TOKEN": "test", "OTHER": "other", "VIEWER": "viewer", "ELSEWHERE": "elsewhere"}

UPLOAD = (
    "mutation Upload($input: RequestZarrUploadInput!) { requestZarrUpload(input: $input) { status accessKey secretKey "
    "sessionToken bucket key path expiresIn store maxBytes originalFileName uploadFileName uploadContentType "
    "uploadFormField } }"
)
FINISH = (
    "mutation Finish($input: FinishZarrUploadInput!) { finishZarrUpload(input: $input) { id path bucket key shape chunks "
    "version dtype dimensionNames fillValue attributes storageTransformers chunkKeyEncoding codecs } }"
)
ACCESS = (
    "mutation Access($input: RequestZarrAccessInput!) { requestZarrAccess(input: $input) { status accessKey secretKey "
    "sessionToken region bucket key path expiresIn store } }"
)
CREATE = (
    "mutation Create($input: FromArrayLikeInput!) { fromArrayLike(input: $input) { id name tags createdAt creator { sub } "
    "dataset { id name isDefault } store { id shape chunks dtype dimensionNames } views { __typename } } }"
)
FETCH = (
    "query Fetch($id: ID!) { image(id: $id) { id name tags createdAt creator { sub } dataset { id name } store { id path "
    "bucket key shape chunks version dtype dimensionNames fillValue codecs accessGrant { status accessKey secretKey "
    "sessionToken region bucket key path expiresIn store } } } }"
)
GET = "query Get($id: ID!) { image(id: $id) { id name tags } }"
LIST = (
    "query List($filters: ImageFilter, $pagination: OffsetPaginationInput, $ordering: [ImageOrder!]! = []) { "
    "images(filters: $filters, pagination: $pagination, ordering: $ordering) { id name } }"
)
UPDATE = "mutation Update($input: UpdateImageInput!) { updateImage(input: $input) { id name tags } }"
DELETE = "mutation Delete($input: DeleteImageInput!) { deleteImage(input: $input) }"
VIEWS = (
    "query Views($id: ID!) { image(id: $id) { channels { label index } views { __typename xMin xMax yMin yMax zMin zMax "
    "tMin tMax cMin cMax isGlobal ... on ChannelView { id name emissionWavelength excitationWavelength acquisitionMode } "
    "... on AffineTransformationView { id affineMatrix pixelSize pixelSizeX pixelSizeY pixelSizeZ isotropic position stage "
    "{ id name } } ... on DerivedView { id originImage { id name } } ... on ScaleView { id scaleX scaleY scaleZ scaleT "
    "scaleC } } } }"
)


def pack(data: bytes) -> dict:
    try:
        text = data.decode("ascii")
        if len(data) < 20_000:
            return {"text": text}
    except UnicodeDecodeError:
        pass
    return {
        "zlib64": base64.b64encode(zlib.compress(data, 9)).decode(),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(key: str, *, kid: str | None = "lab-1", spoil: bool = False, **changes: object) -> str:
    now = int(time.time())
    claims: dict = {
        "sub": "1", "iss": "lab", "iat": now, "exp": now + 7200, "client_id": "recorder", "preferred_username": "recorder",
        "roles": ["admin"], "scope": "openid", "active_org": "static_org",
    }  # fmt: skip
    claims = {k: v for k, v in {**claims, **changes}.items() if v is not ...}
    header = {"alg": "RS256", "typ": "JWT", **({"kid": kid} if kid else {})}
    text = url64(json.dumps(header).encode()) + "." + url64(json.dumps(claims).encode())
    command = ["openssl", "dgst", "-sha256", "-sign", key]
    signature = subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout
    return text + "." + url64(bytes(reversed(signature)) if spoil else signature)


def sign(grant: dict, method: str, host: str, path: str, payload: str, when: datetime.datetime) -> dict[str, str]:
    """Signature version 4, path style, service s3."""
    stamp = when.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{grant.get('region') or 'us-east-1'}/s3/aws4_request"
    headers = {"host": host, "x-amz-content-sha256": payload, "x-amz-date": stamp}
    if grant["sessionToken"]:
        headers["x-amz-security-token"] = grant["sessionToken"]
    names = ";".join(sorted(headers))
    bare, _, query = path.partition("?")
    pairs = sorted((part.partition("=")[0], part.partition("=")[2]) for part in query.split("&") if part)
    lines = [method, bare, "&".join(f"{k}={v}" for k, v in pairs)]
    lines += [f"{k}:{headers[k]}" for k in sorted(headers)] + ["", names, payload]
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256("\n".join(lines).encode()).hexdigest()])
    key = ("AWS4" + grant["secretKey"]).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={grant['accessKey']}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return {**{k: v for k, v in headers.items() if k != "host"}, "authorization": authorization}


class Recorder:
    def __init__(self, catalogue: str, store: str, path: str, mode: str) -> None:
        self.catalogue = urllib.parse.urlsplit(catalogue).netloc
        self.store = urllib.parse.urlsplit(store).netloc
        self.file = open(path, mode)
        self.count = 0
        self.section = ""
        self.started = 0.0
        self.names: dict[str, str] = dict(STATIC)
        self.grants: dict[str, dict] = {}
        self.ids: dict[tuple[str, str], str] = {}  # kind and id, the name it is bound to

    # what stands for what

    def fill_in(self, text: str) -> str:
        def value(match: re.Match) -> str:
            name = match[1]
            if "." in name:
                grant, _, field = name.partition(".")
                return str(self.grants[grant][field])
            return self.names[name]

        return re.sub(r"\{([A-Z][A-Z0-9_]*(?:\.\w+)?)\}", value, text)

    def id_of(self, kind: str, value: str) -> str:
        return "{%s}" % self.ids.get((kind, str(value)), "ID")

    def plain(self, text: str) -> str:
        for name, grant in self.grants.items():
            text = text.replace(grant["key"], "{%s.key}" % name)
        for name in ("JWT", "JWT_EXPIRED"):
            if name in self.names:
                text = text.replace(self.names[name], "{%s}" % name)
        for grant in self.grants.values():
            text = text.replace(f"s3://{grant['bucket']}/", "s3://{BUCKET}/").replace(
                f"/{grant['bucket']}/", "/{BUCKET}/"
            )
            text = text.replace(f">{grant['bucket']}<", ">{BUCKET}<").replace(f">/{grant['bucket']}<", ">/{BUCKET}<")
        text = re.sub(r"\b[0-9a-f]{32}\b(?!-)", "{KEY}", text) if "ETag" not in text else text
        text = re.sub(r"(?<=for store )\d+", lambda m: self.id_of("STORE", m[0]), text)
        text = re.sub(r"(?<=\(parent_id, name\)=\()\d+", "{ID}", text)
        return text

    def mask(self, value: object, field: str = "") -> object:
        if isinstance(value, list):
            return [self.mask(item, field) for item in value]
        if isinstance(value, dict):
            kind = KINDS.get(field, "ID")
            keys = (value.get("accessKey"), value.get("key"))
            grant = next(
                (name for name, grant in self.grants.items() if (grant["accessKey"], grant["key"]) == keys), None
            )
            masked = {}
            for k, v in value.items():
                if k == "id":
                    masked[k] = self.id_of(kind, v) if v is not None else None
                elif k in SECRETS and v:
                    masked[k] = "{%s.%s}" % (grant, k) if grant else "{SECRET}"
                elif k in ("createdAt", "date") and v:
                    masked[k] = "{TIME}"
                elif k == "bucket" and "accessKey" in value:
                    masked[k] = "{BUCKET}"
                elif isinstance(v, str) and k in KINDS:
                    masked[k] = self.id_of(KINDS[k], v)
                else:
                    masked[k] = self.mask(v, k)
            return masked
        return self.plain(value) if isinstance(value, str) else value

    def mask_xml(self, text: str) -> str:
        text = re.sub(r"<(RequestId|HostId)>[^<]*</", r"<\1>{ANY}</", text)
        text = re.sub(r"<(LastModified)>[^<]*</", r"<\1>{TIME}</", text)
        for name, value in self.names.items():
            if name.startswith("PARTS"):
                text = text.replace(value, "{%s}" % name)
        return self.plain(text.replace(self.store, "{STORE_HOST}"))

    # one exchange

    def send(self, host: str, method: str, path: str, headers: dict, body: bytes | None) -> tuple[int, dict, bytes]:
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for key, value in headers.items():
            connection.putheader(key, value)
        if body is not None or method in ("POST", "PUT"):
            connection.putheader("Content-Length", str(len(body or b"")))
        connection.endheaders(body)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders() if k.lower() in KEPT_HEADERS}, data

    def write(
        self, name: str, to: str, request: dict, status: int, headers: dict, body: dict | None, binds: dict
    ) -> None:
        response = {"status": status, "headers": headers, "body": body}
        row = {"name": name, "section": self.section, "to": to, "request": request, "response": response}
        if binds:
            row["binds"] = binds
        self.file.write(json.dumps(row) + "\n")
        self.file.flush()
        self.count += 1

    def bind(self, name: str, value: object) -> None:
        if isinstance(value, dict):
            self.grants[name] = value
        else:
            self.names[name] = str(value)
            self.ids.setdefault((name.split("_")[0], str(value)), name)

    def web(
        self, name: str, method: str, path: str, body: str | None = None, headers: dict | None = None, *,
        token: str = "TOKEN", omit: bool = False, binds: dict | None = None,
    ) -> dict:  # fmt: skip
        """One exchange with the catalogue."""
        shown = dict(headers or {})
        if token:
            shown["Authorization"] = "Bearer {%s}" % token
        sent = {k: self.fill_in(v) for k, v in shown.items()}
        data_out = self.fill_in(body).encode() if body is not None else None
        status, kept, data = self.send(self.catalogue, method, self.fill_in(path), sent, data_out)
        try:
            answer = json.loads(data)
        except ValueError:
            answer = None
        for bound, where in (binds or {}).items():
            value = answer["data"]
            for step in where.split("."):
                value = value[int(step)] if step.isdigit() else value[step]
            self.bind(bound, value)
        text = json.dumps(self.mask(answer)) if answer is not None else self.plain(data.decode("latin1"))
        if answer is not None or omit:
            kept.pop("content-length", None)
        request = {
            "method": method,
            "path": path,
            "headers": shown,
            "body": None if body is None else pack(body.encode()),
        }
        self.write(name, "catalogue", request, status, kept, None if omit else pack(text.encode()), binds or {})
        return answer or {}

    def ask(
        self, name: str, query: str, variables: dict | None = None, *, token: str = "TOKEN", binds: dict | None = None
    ) -> dict:
        """One GraphQL operation."""
        body = json.dumps({"query": query, "variables": variables or {}})
        return self.web(name, "POST", "/graphql", body, {"Content-Type": "application/json"}, token=token, binds=binds)

    def s3(
        self, name: str, method: str, path: str, grant: str, body: bytes | None = None, headers: dict | None = None, *,
        spoilt: str = "", payload: str = "", binds: dict | None = None,
    ) -> bytes:  # fmt: skip
        """One exchange with the object store, signed with a grant's keys."""
        keys = dict(self.grants[grant])
        real = self.fill_in(path)
        when = datetime.datetime.now(datetime.timezone.utc)
        if spoilt == "secret":
            keys["secretKey"] = keys["secretKey"][::-1]
        elif spoilt == "token":
            keys["sessionToken"] = keys["sessionToken"][:-4] + "AAAA"
        elif spoilt == "no token":
            keys["sessionToken"] = ""
        elif spoilt == "time":
            when -= datetime.timedelta(minutes=20)
        sent = self.fill_in(body.decode()).encode() if body and body.startswith(b"<") else body
        digest = payload or hashlib.sha256(b"other" if spoilt == "payload" else sent or b"").hexdigest()
        self.names["MD5"] = base64.b64encode(hashlib.md5(sent or b"").digest()).decode()
        filled = {k: self.fill_in(v) for k, v in (headers or {}).items()}
        signature = sign(keys, method, self.store, real, digest, when)
        status, kept, data = self.send(self.store, method, real, {**filled, **signature}, sent)
        for bound, element in (binds or {}).items():
            self.bind(bound, re.search(f"<{element}>([^<]*)<", data.decode())[1])
        if data.startswith(b"<?xml"):
            kept.pop("content-length", None)
            data = self.mask_xml(data.decode()).encode()
        request = {
            "method": method,
            "path": path,
            "headers": headers or {},
            "body": None if body is None else pack(body),
        }
        request["signed"] = grant
        if spoilt:
            request["spoilt"] = spoilt
        if payload:
            request["payload"] = payload
        self.write(name, "store", request, status, kept, pack(data) if method != "HEAD" else None, binds or {})
        return data


# arrays


def metadata(
    shape: list,
    chunks: list,
    dtype: object = "uint16",
    fill: object = 0,
    codecs: list | None = None,
    /,
    **changes: object,
) -> bytes:
    """zarr.json as the real client orders it. A key changed to `...` is left out."""
    document: dict = {
        "shape": shape,
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": codecs or [{"name": "bytes", "configuration": {"endian": "little"}}],
        "attributes": {},
        "dimension_names": ["c", "t", "z", "y", "x"],
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }
    document.update(changes)
    return json.dumps({k: v for k, v in document.items() if v is not ...}, indent=2).encode()


ZSTD = [
    {"name": "bytes", "configuration": {"endian": "little"}},
    {"name": "zstd", "configuration": {"level": 0, "checksum": False}},
]
RAW_ZSTD = b"\x28\xb5\x2f\xfd"  # the frame's magic


def zstd_stored(data: bytes) -> bytes:
    """A zstandard frame of stored blocks: legal for every decoder, and needs no encoder."""
    frame = RAW_ZSTD + b"\xa0" + struct.pack("<I", len(data))
    pieces = [data[i : i + 100_000] for i in range(0, len(data), 100_000)]
    for number, piece in enumerate(pieces):
        head = len(piece) << 3 | (number == len(pieces) - 1)
        frame += head.to_bytes(3, "little") + piece
    return frame


def ramp(*shape: int) -> list[int]:
    """Asymmetric uint16 voxels in C order: every wrong axis order shows."""
    total = 1
    for size in shape:
        total *= size
    return [(7 * i * i + 3 * i + 11) % 65521 for i in range(total)]


def chunk(values: list[int], shape: list[int], chunks: list[int], at: list[int]) -> bytes:
    """One whole chunk, little-endian uint16; beyond the array's end it holds the fill value."""
    out = []

    def walk(axis: int, offset: int, inside: bool) -> None:
        if axis == len(shape):
            out.append(values[offset] if inside else 0)
            return
        for i in range(chunks[axis]):
            index = at[axis] * chunks[axis] + i
            walk(axis + 1, offset * shape[axis] + index, inside and index < shape[axis])

    walk(0, 0, True)
    return struct.pack(f"<{len(out)}H", *out)


# the story


def server(do: Recorder) -> None:
    do.section = "transport"
    do.web("health", "GET", "/ht", token="", omit=True)
    do.web("probe of an alias", "GET", "/.well-known/fakts-challenge", token="")
    do.web("the schema as text needs no token", "GET", "/schema", token="", omit=True)
    generations = (
        '{ next: __type(name: "FromArrayLikeInput") { name } later: __type(name: "CreateArrayDatasetInput") { name } }'
    )
    do.ask("which generation is this", generations)
    do.web("no JSON", "POST", "/graphql", "{", {"Content-Type": "application/json"})
    do.ask("unknown field", "{ images { id nothing } }")


def authentication(do: Recorder, key: str) -> None:
    do.section = "auth"
    do.names["JWT"] = jwt(key)
    do.names["JWT_EXPIRED"] = jwt(key, iat=1_000_000_000, exp=1_000_003_600)
    do.names["JWT_BAD_SIGNATURE"] = jwt(key, spoil=True)
    do.names["JWT_NO_ORG"] = jwt(key, active_org=...)
    query = "{ images { id } }"
    do.ask("no token", query, token="")
    nonsense = {"Content-Type": "application/json", "Authorization": "Bearer nonsense"}
    do.web("a token that is no JWT", "POST", "/graphql", json.dumps({"query": query}), nonsense, token="")
    do.ask("a static token", query)
    do.ask("a signed token", query, token="JWT")
    do.ask("a token past its exp", query, token="JWT_EXPIRED")
    do.ask("a token with a wrong signature", query, token="JWT_BAD_SIGNATURE")
    do.ask("a token without active_org", query, token="JWT_NO_ORG")


def upload(do: Recorder) -> None:
    do.section = "core"
    real = metadata([1, 1, 2, 20, 30], [1, 1, 2, 20, 30], "uint16", 0, ZSTD)
    voxels = struct.pack("<1200H", *ramp(2, 20, 30))
    do.ask(
        "request an upload",
        UPLOAD,
        {"input": {}},
        binds={"UPLOAD": "requestZarrUpload", "STORE": "requestZarrUpload.store"},
    )
    all_fields = {"shape": [4, 5], "chunks": [2, 2], "version": "3", "host": "x", "port": 1}
    never = {"UPLOAD_NEVER": "requestZarrUpload", "STORE_NEVER": "requestZarrUpload.store"}
    do.ask("request with all arguments, by a viewer", UPLOAD, {"input": all_fields}, token="VIEWER", binds=never)
    do.section = "errors"
    do.ask("action is declared, but never filled in", "mutation { requestZarrUpload(input: {}) { action store } }")
    do.ask("finish before anything is written", FINISH, {"input": {"storeId": "{STORE}"}})
    do.ask("create before anything is written", CREATE, {"input": {"array": "{STORE}", "name": "early"}})
    do.section = "core"
    p = "/{UPLOAD.bucket}/{UPLOAD.key}"
    do.s3("write a chunk", "PUT", f"{p}/c/0/0/0/0/0", "UPLOAD", zstd_stored(voxels))
    do.s3("write zarr.json last", "PUT", f"{p}/zarr.json", "UPLOAD", real)
    do.s3("never overwrite", "PUT", f"{p}/zarr.json", "UPLOAD", real, {"If-None-Match": "*"})
    do.s3("list the prefix", "GET", "/{UPLOAD.bucket}?list-type=2&prefix={UPLOAD.key}%2F", "UPLOAD")
    do.ask("finish", FINISH, {"input": {"storeId": "{STORE}", "valid": True}})
    do.s3("the upload grant still writes", "PUT", f"{p}/c/0/0/0/0/0", "UPLOAD", zstd_stored(voxels))
    created = {"IMAGE": "fromArrayLike.id", "DATASET": "fromArrayLike.dataset.id"}
    do.ask(
        "create an image",
        CREATE,
        {"input": {"array": "{STORE}", "name": "first", "tags": ["b", "a", "a", "Cell Type"]}},
        binds=created,
    )
    twin = {"IMAGE_TWIN": "fromArrayLike.id"}
    do.ask("a second image of the same store", CREATE, {"input": {"array": "{STORE}", "name": "first"}}, binds=twin)
    do.section = "errors"
    do.ask("a viewer may not create", CREATE, {"input": {"array": "{STORE}", "name": "v"}}, token="VIEWER")
    do.ask("create from an unknown store", CREATE, {"input": {"array": "999999", "name": "x"}})
    do.ask(
        "create from a store of another organisation",
        CREATE,
        {"input": {"array": "{STORE}", "name": "x"}},
        token="ELSEWHERE",
    )
    do.ask("finish as invalid", 'mutation { finishZarrUpload(input: {storeId: "{STORE}", valid: false}) { id shape } }')


def reading(do: Recorder) -> None:
    do.section = "core"
    do.ask("fetch with a read grant, one request", FETCH, {"id": "{IMAGE}"}, binds={"READ": "image.store.accessGrant"})
    do.ask("request access", ACCESS, {"input": {"storeId": "{STORE}"}})
    p, u = "/{READ.bucket}/{READ.key}", "/{UPLOAD.bucket}/{UPLOAD.key}"
    do.s3("read zarr.json", "GET", f"{p}/zarr.json", "READ")
    do.s3("read a chunk", "GET", f"{p}/c/0/0/0/0/0", "READ")
    do.s3("the head of a chunk", "HEAD", f"{p}/c/0/0/0/0/0", "READ")
    do.s3("a range", "GET", f"{p}/c/0/0/0/0/0", "READ", headers={"Range": "bytes=12-43"})
    do.s3("a missing chunk", "GET", f"{p}/c/0/0/1/0/0", "READ")
    do.section = "errors"
    do.ask("access to a store of another organisation", ACCESS, {"input": {"storeId": "{STORE}"}}, token="ELSEWHERE")
    do.ask("fetch an unknown image", GET, {"id": "999999"})
    do.ask(
        "one of two root fields fails: no data at all",
        '{ first: image(id: "{IMAGE}") { id } second: image(id: "999999") { id } }',
    )
    do.section = "scoped"
    do.s3("write with a read grant", "PUT", f"{p}/c/9", "READ", b"x")
    do.s3("write zarr.json at the bucket's root", "PUT", "/{UPLOAD.bucket}/zarr.json", "UPLOAD", b"{}")
    do.s3("read zarr.json at the bucket's root", "GET", "/{UPLOAD.bucket}/zarr.json", "UPLOAD")
    do.s3("write beside the prefix", "PUT", u + "0/zarr.json", "UPLOAD", b"{}")
    do.s3("read another store's prefix", "GET", "/{UPLOAD_NEVER.bucket}/{UPLOAD_NEVER.key}/zarr.json", "UPLOAD")
    do.s3("list the bucket", "GET", "/{UPLOAD.bucket}?list-type=2", "UPLOAD")
    do.s3("delete with an upload grant", "DELETE", f"{u}/c/0/0/0/0/0", "UPLOAD")
    do.s3("and write again", "PUT", f"{u}/c/0/0/0/0/0", "UPLOAD", zstd_stored(struct.pack("<1200H", *ramp(2, 20, 30))))
    do.section = "signing"
    do.s3("wrong secret", "GET", f"{p}/zarr.json", "READ", spoilt="secret")
    do.s3("wrong session token", "GET", f"{p}/zarr.json", "READ", spoilt="token")
    do.s3("no session token", "GET", f"{p}/zarr.json", "READ", spoilt="no token")
    do.s3("a clock 20 minutes slow", "GET", f"{p}/zarr.json", "READ", spoilt="time")
    do.s3("body and hash differ", "PUT", f"{u}/c/8", "UPLOAD", b"body", spoilt="payload")
    do.s3(
        "the payload may be left out of the signature", "PUT", f"{u}/c/8", "UPLOAD", b"body", payload="UNSIGNED-PAYLOAD"
    )


def multipart(do: Recorder) -> None:
    do.section = "core"
    u = "/{UPLOAD.bucket}/{UPLOAD.key}/c/7"
    first, last = bytes(5 * 1024 * 1024), b"end"
    do.s3("start a multipart upload", "POST", f"{u}?uploads=", "UPLOAD", binds={"PARTS": "UploadId"})
    do.s3("part 1, 5 MiB", "PUT", f"{u}?partNumber=1&uploadId={{PARTS}}", "UPLOAD", first)
    do.s3("part 2", "PUT", f"{u}?partNumber=2&uploadId={{PARTS}}", "UPLOAD", last)
    parts = "".join(
        f'<Part><PartNumber>{n}</PartNumber><ETag>"{hashlib.md5(b).hexdigest()}"</ETag></Part>'
        for n, b in ((1, first), (2, last))
    )
    done = f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{parts}</CompleteMultipartUpload>'
    do.s3("complete it", "POST", f"{u}?uploadId={{PARTS}}", "UPLOAD", done.encode())
    do.s3("its head", "HEAD", u, "UPLOAD")
    gone = "".join(f"<Object><Key>{{UPLOAD.key}}/c/{n}</Key></Object>" for n in (7, 8, 9))
    body = f'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{gone}</Delete>'.encode()
    do.s3("delete several, one not there", "POST", "/{UPLOAD.bucket}?delete=", "UPLOAD", body, {"Content-MD5": "{MD5}"})


def arrays(do: Recorder) -> None:
    do.section = "core"
    shape, chunks = [2, 2, 3, 4, 5], [1, 2, 3, 3, 4]
    values = ramp(*shape)
    many = {"UPLOAD_MANY": "requestZarrUpload", "STORE_MANY": "requestZarrUpload.store"}
    do.ask("request an upload of several chunks", UPLOAD, {"input": {}}, binds=many)
    p = "/{UPLOAD_MANY.bucket}/{UPLOAD_MANY.key}"
    for at in ([0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [1, 0, 0, 1, 1]):
        do.s3(
            f"write chunk {at}",
            "PUT",
            f"{p}/c/" + "/".join(map(str, at)),
            "UPLOAD_MANY",
            chunk(values, shape, chunks, at),
        )
    do.s3("write zarr.json, no compression", "PUT", f"{p}/zarr.json", "UPLOAD_MANY", metadata(shape, chunks))
    views = {
        "transformationViews": [{"affineMatrix": [[0.4, 0, 0, 1], [0, 0.5, 0, 2], [0, 0, 1.6, 3], [0, 0, 0, 1]]}],
        "channelViews": [
            {"cMin": 0, "cMax": 1, "name": "dapi", "emissionWavelength": 461.0},
            {"cMin": 1, "cMax": 2, "name": "gfp"},
        ],
        "derivedViews": [{"originImage": "{IMAGE}"}],
        "rgbViews": [],
    }
    second = {"IMAGE_MANY": "fromArrayLike.id"}
    do.ask(
        "create with views, without finish",
        CREATE,
        {"input": {"array": "{STORE_MANY}", "name": "Second image", **views}},
        binds=second,
    )
    do.ask("access", ACCESS, {"input": {"storeId": "{STORE_MANY}"}}, binds={"READ_MANY": "requestZarrAccess"})
    r = "/{READ_MANY.bucket}/{READ_MANY.key}"
    do.s3("an edge chunk is whole", "GET", f"{r}/c/0/0/0/0/1", "READ_MANY")
    do.s3("a chunk never written holds the fill value", "GET", f"{r}/c/0/0/0/1/1", "READ_MANY")
    do.section = "errors"
    half = {"array": "{STORE_MANY}", "name": "half", "derivedViews": [{"originImage": "999999"}]}
    do.ask("create with a view of an unknown image", CREATE, {"input": half})
    do.ask("the image is there all the same", LIST, {"filters": {"name": {"exact": "half"}}})
    odd = {"UPLOAD_ODD": "requestZarrUpload", "STORE_ODD": "requestZarrUpload.store"}
    do.ask("request an upload of odd metadata", UPLOAD, {"input": {}}, binds=odd)
    inner = [{"name": "bytes", "configuration": {"endian": "little"}}]
    shards = {
        "chunk_shape": [1, 1, 1, 4, 4],
        "codecs": inner,
        "index_codecs": [*inner, {"name": "crc32c"}],
        "index_location": "end",
    }
    small = [1, 1, 1, 8, 8]
    for what, document in {
        "Zarr v2": metadata([2], [2], zarr_format=2),
        "no names, no fill value": metadata(small, small, dimension_names=..., fill_value=...),
        "shards": metadata(small, small, "uint16", 0, [{"name": "sharding_indexed", "configuration": shards}]),
        "three dimensions": metadata([3, 4, 5], [2, 4, 5], dimension_names=["z", "y", "x"]),
    }.items():
        do.s3(f"write {what}", "PUT", "/{UPLOAD_ODD.bucket}/{UPLOAD_ODD.key}/zarr.json", "UPLOAD_ODD", document)
        do.ask(f"finish {what}", FINISH, {"input": {"storeId": "{STORE_ODD}"}})
    do.ask(
        "an image of three dimensions gets an RGB view a plane",
        CREATE,
        {"input": {"array": "{STORE_ODD}", "name": "planes"}},
    )
    do.section = "labelled"
    axes = [{"key": key, "kind": "space"} for key in "zyx"]
    fields = "id name dims dimDescriptors { key kind } dataArrays { level shape chunkShape scaleFactors store { id } }"
    make = f"mutation Make($input: CreateADatasetInput!) {{ createAdataset(input: $input) {{ {fields} }} }}"
    given = {"data": "{STORE_ODD}", "scales": [], "name": "volume", "dimDescriptors": axes}
    do.ask("create an array dataset", make, {"input": given}, binds={"ADATASET": "createAdataset.id"})
    capitals = [{**axis, "kind": "SPACE"} for axis in axes]
    do.ask("a kind in capitals is stored, but cannot be read", make, {"input": {**given, "dimDescriptors": capitals}})


def views(do: Recorder) -> None:
    do.section = "views"
    add = "mutation Add($input: AffineTransformationViewInput!) { createAffineTransformationView(input: $input) { id affineMatrix } }"
    do.ask("views of an image", VIEWS, {"id": "{IMAGE_MANY}"})
    size = [[2, 0, 0, 0], [0, 3, 0, 0], [0, 0, 4, 0], [0, 0, 0, 1]]
    made = {"AFFINE": "createAffineTransformationView.id"}
    do.ask("add a voxel size", add, {"input": {"image": "{IMAGE}", "affineMatrix": size}}, binds=made)
    delete = "mutation($input: DeleteViewInput!) { %s(input: $input) }"
    do.ask("delete a view of any kind never works", delete % "deleteView", {"input": {"id": "{AFFINE}"}})
    do.ask("delete a view of a kind", delete % "deleteAffineTransformationView", {"input": {"id": "{AFFINE}"}})


def lists(do: Recorder) -> None:
    do.section = "lists"
    rising = {"ordering": [{"id": "ASC"}]}
    do.ask("list", LIST, rising)
    do.ask("a page, newest first", LIST, {"ordering": [{"createdAt": "DESC"}], "pagination": {"offset": 1, "limit": 2}})
    do.ask("by exact name", LIST, {"filters": {"name": {"exact": "first"}}, **rising})
    do.ask("by part of a name, case ignored", LIST, {"filters": {"name": {"iContains": "SECOND"}}})
    do.ask("search is by whole words", LIST, {"filters": {"search": "images"}})
    do.ask("search by part of a word", LIST, {"filters": {"search": "ima"}})
    do.ask("by ids", LIST, {"filters": {"ids": ["{IMAGE_MANY}", "999999"]}})
    do.ask("by tag, as it was given", LIST, {"filters": {"tags": ["Cell Type"]}})
    do.ask("by tag, as it is answered: nothing", LIST, {"filters": {"tags": ["cell-type"]}})
    do.ask("another organisation sees nothing", LIST, token="ELSEWHERE")


def updates(do: Recorder) -> None:
    do.section = "core"
    do.ask(
        "rename and tag: tags come back as slugs",
        UPDATE,
        {"input": {"id": "{IMAGE}", "name": "renamed", "tags": ["c", "cell type"]}},
    )
    do.ask(
        "an empty name is ignored, tags are only added", UPDATE, {"input": {"id": "{IMAGE}", "name": "", "tags": []}}
    )
    do.ask(
        "another user of the organisation may update",
        UPDATE,
        {"input": {"id": "{IMAGE}", "name": "by other"}},
        token="OTHER",
    )


def datasets(do: Recorder) -> None:
    do.section = "datasets"
    create = "mutation($input: CreateDatasetInput!) { %s(input: $input) { id name isDefault parent { id } } }"
    do.ask(
        "create a dataset",
        create % "createDataset",
        {"input": {"name": "folder"}},
        binds={"DATASET_FOLDER": "createDataset.id"},
    )
    inner = {"name": "inner", "parent": "{DATASET_FOLDER}"}
    do.ask("a child", create % "ensureDataset", {"input": inner}, binds={"DATASET_INNER": "ensureDataset.id"})
    do.ask("the same child again", create % "createDataset", {"input": inner})
    move = {"selfs": ["{IMAGE_TWIN}"], "other": "{DATASET_INNER}"}
    do.ask(
        "move an image",
        "mutation($input: AssociateInput!) { putImagesInDataset(input: $input) { id images { id } } }",
        {"input": move},
    )
    fields = "id name description isDefault createdAt children { id name images { id name } } images { id }"
    do.ask("fetch a dataset", f"query($id: ID!) {{ dataset(id: $id) {{ {fields} }} }}", {"id": "{DATASET_FOLDER}"})
    delete = "mutation($input: DeleteDatasetInput!) { deleteDataset(input: $input) }"
    do.ask("delete a dataset", delete, {"input": {"id": "{DATASET_FOLDER}"}})
    do.ask("its children and their images are gone", GET, {"id": "{IMAGE_TWIN}"})


def ending(do: Recorder) -> None:
    do.section = "core"
    do.ask("only the creator may delete", DELETE, {"input": {"id": "{IMAGE}"}}, token="OTHER")
    do.ask("delete", DELETE, {"input": {"id": "{IMAGE}"}})
    do.ask("it is gone", GET, {"id": "{IMAGE}"})
    do.ask("its store still grants access", ACCESS, {"input": {"storeId": "{STORE}"}})
    do.s3(
        "and its voxels are still there",
        "GET",
        "/{READ.bucket}/{READ.key}/c/0/0/0/0/0",
        "READ",
        headers={"Range": "bytes=0-3"},
    )


def expiry(do: Recorder) -> None:
    do.section = "expiry"
    time.sleep(max(0, do.started + int(do.grants["UPLOAD"]["expiresIn"]) + 5 - time.time()))
    do.s3("write with a grant that has run out", "PUT", "/{UPLOAD.bucket}/{UPLOAD.key}/c/6", "UPLOAD", b"late")
    do.s3("read with a grant that has run out", "GET", "/{READ.bucket}/{READ.key}/zarr.json", "READ")
    do.ask("a new grant", ACCESS, {"input": {"storeId": "{STORE}"}}, binds={"RENEWED": "requestZarrAccess"})
    do.s3("reads again", "HEAD", "/{RENEWED.bucket}/{RENEWED.key}/zarr.json", "RENEWED")


def plain(do: Recorder) -> None:
    do.section = "plain"
    bare = {"BARE": "requestZarrUpload", "STORE_BARE": "requestZarrUpload.store"}
    do.ask("a grant of permanent keys: the session token is empty", UPLOAD, {"input": {}}, binds=bare)
    small = [1, 1, 1, 2, 2]
    do.s3(
        "signed without a session token", "PUT", "/{BARE.bucket}/{BARE.key}/zarr.json", "BARE", metadata(small, small)
    )
    do.ask(
        "a read grant has the same keys",
        ACCESS,
        {"input": {"storeId": "{STORE_BARE}"}},
        binds={"BARE_READ": "requestZarrAccess"},
    )
    do.s3("and writes", "PUT", "/{BARE_READ.bucket}/{BARE_READ.key}/c/0/0/0/0/0", "BARE_READ", bytes(8))


def main() -> None:
    catalogue, store, key, out, *options = sys.argv[1:]
    do = Recorder(catalogue, store, out, "a" if "--plain" in options else "w")
    if "--plain" in options:
        plain(do)
    else:
        server(do)
        authentication(do, key)
        upload(do)
        do.started = time.time()
        for chapter in (reading, multipart, arrays, views, lists, updates, datasets, ending):
            chapter(do)
        if "--expiry" in options:
            expiry(do)
    print(do.count, "exchanges")


if __name__ == "__main__":
    main()
