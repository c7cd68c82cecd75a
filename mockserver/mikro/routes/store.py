"""The object store: S3 in path style, as far as its clients go."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from mockserver.http.messages import Answer, Request
from mockserver.mikro.model.grants import Grant, Grants
from mockserver.mikro.model.objects import Bucket, Stored
from mockserver.mikro.wire import xml
from mockserver.mikro.wire.signing import UNSIGNED, signature_of
from mockserver.mikro.wire.xml import BYTES, Denied

PAGE = 1000
"""Keys of one page of a list."""

OBJECT = "binary/octet-stream"


class StoreApi:
    """Answers requests like the object store.

    Parameters
    ----------
    bucket : Bucket
        The only bucket.
    grants : Grants
        Who may do what.
    expired_code : callable
        Returns the code that answers keys that have expired.
    lists : callable
        Returns whether a missing object is a 404; otherwise it is a 403.
    """

    def __init__(
        self, bucket: Bucket, grants: Grants, expired_code: Callable[[], str], lists: Callable[[], bool]
    ) -> None:
        self._bucket = bucket
        self._grants = grants
        self._expired_code = expired_code
        self._lists = lists

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request; refusals become answers, too."""
        name, _, key = request.path.lstrip("/").partition("/")
        try:
            grant = self._signed(request)
            if name != self._bucket.name:
                raise Denied("AccessDenied" if grant.prefix else "NoSuchBucket")
            return self._routed(request, grant, key)
        except Denied as denied:
            answer = xml.error(denied, name, key)
            return _bare(answer) if request.method == "HEAD" else answer

    def _signed(self, request: Request) -> Grant:
        signature = signature_of(request.headers)
        if signature is None:
            raise Denied("AccessDenied")
        grant = self._grants.find(signature.access_key)
        if grant is None:
            raise Denied("InvalidAccessKeyId")
        if self._grants.is_over(grant):
            raise Denied(self._expired_code())
        if request.headers.get("x-amz-security-token", None if grant.session_token else "") != grant.session_token:
            raise Denied("InvalidTokenId")
        if "x-amz-security-token" in request.headers and not grant.session_token:
            raise Denied("InvalidTokenId")
        if signature.is_late():
            raise Denied("RequestTimeTooSkewed")
        if not signature.is_right(request, grant.secret_key):
            raise Denied("SignatureDoesNotMatch")
        return grant

    def _routed(self, request: Request, grant: Grant, key: str) -> Answer:
        if not key:
            return self._of_bucket(request, grant)
        step, action = self._step_of(request, grant)
        if not grant.allows(action, key):
            raise Denied("AccessDenied")
        return step(request, key)

    def _step_of(self, request: Request, grant: Grant) -> tuple[Callable[[Request, str], Answer], str]:
        """Return what a request does with an object, and the right that it needs."""
        steps: dict[tuple[str, bool], tuple[Callable[[Request, str], Answer], str]] = {
            ("GET", False): (self._read, "get"),
            ("HEAD", False): (self._read, "get"),
            ("PUT", False): (self._write, "put"),
            ("PUT", True): (self._part, "put"),
            ("POST", False): (self._begin, "put"),
            ("POST", True): (self._complete, "put"),
            ("DELETE", False): (self._delete, "delete"),
            ("DELETE", True): (self._abort, "abort"),
        }
        found = steps.get((request.method, "uploadId" in request.query))
        if found is None:
            raise Denied("AccessDenied" if grant.prefix else "MethodNotAllowed")
        return found

    def _of_bucket(self, request: Request, grant: Grant) -> Answer:
        query = request.query
        if request.method == "GET" and "list-type" in query:
            prefix = query.get("prefix", "")
            self._check(grant, "list", prefix)
            after = query.get("continuation-token", query.get("start-after", ""))
            found = [each for each in self._bucket.listed(prefix) if each[0] > after]
            page = found[:PAGE]
            more = page[-1][0] if len(found) > PAGE else ""
            return xml.listing(self._bucket.name, prefix, page, more=more)
        if request.method == "POST" and "delete" in query:
            keys = xml.elements(_body(request).decode(), "Key")
            for key in keys:
                self._check(grant, "delete", key)
            for key in keys:
                self._bucket.delete(key)
            return xml.deleted(keys)
        raise Denied("AccessDenied")

    @staticmethod
    def _check(grant: Grant, action: str, key: str) -> None:
        if not grant.allows(action, key):
            raise Denied("AccessDenied")

    def _read(self, request: Request, key: str) -> Answer:
        stored = self._bucket.get(key)
        if stored is None:
            raise Denied("NoSuchKey" if self._lists() else "AccessDenied")
        facts = (BYTES, ("ETag", stored.etag), ("Last-Modified", f"{stored.written:%a, %d %b %Y %H:%M:%S} GMT"))
        size = len(stored.data)
        wanted = request.headers.get("Range", "")
        if request.method == "HEAD":
            return Answer(200, OBJECT, headers=(*facts, ("Content-Length", str(size))))
        if not wanted:
            return Answer(200, OBJECT, (stored.data,), size, facts, sized=True)
        first, behind = _range(wanted, size)
        part = memoryview(stored.data)[first:behind]
        place = ("Content-Range", f"bytes {first}-{behind - 1}/{size}")
        return Answer(206, OBJECT, (part,), len(part), (*facts, place), sized=True)

    def _write(self, request: Request, key: str) -> Answer:
        stored, is_new = self._bucket.put(key, _body(request), only_new=request.headers.get("If-None-Match") == "*")
        if not is_new:
            raise Denied("PreconditionFailed", ("ETag", stored.etag))
        return _written(stored)

    def _delete(self, _request: Request, key: str) -> Answer:
        self._bucket.delete(key)
        return Answer(204, headers=(BYTES,))

    def _begin(self, _request: Request, key: str) -> Answer:
        return xml.begun(self._bucket.name, key, self._bucket.begin(key))

    def _abort(self, request: Request, _key: str) -> Answer:
        if not self._bucket.abort(request.query["uploadId"]):
            raise Denied("NoSuchUpload")
        return Answer(204, headers=(BYTES,))

    def _part(self, request: Request, _key: str) -> Answer:
        query = request.query
        stored = self._bucket.add(query["uploadId"], int(query["partNumber"]), _body(request))
        if stored is None:
            raise Denied("NoSuchUpload")
        return _written(stored)

    def _complete(self, request: Request, key: str) -> Answer:
        numbers = [int(each) for each in xml.elements(_body(request).decode(), "PartNumber")]
        stored = self._bucket.complete(request.query["uploadId"], numbers)
        if stored is None:
            raise Denied("NoSuchUpload")
        return xml.completed(request.headers.get("Host", request.host), self._bucket.name, key, stored)


def _written(stored: Stored) -> Answer:
    return Answer(headers=(BYTES, ("ETag", stored.etag)), sized=True)


def _body(request: Request) -> bytes:
    data = request.body.read()
    said = request.headers.get("x-amz-content-sha256", "")
    if said != UNSIGNED and said != hashlib.sha256(data).hexdigest():
        raise Denied("XAmzContentSHA256Mismatch")
    return data


def _range(text: str, size: int) -> tuple[int, int]:
    """Return the first byte, and the one behind the last."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", text)
    if found is None or found.groups() == ("", ""):
        return 0, size
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    if int(first) >= size:
        raise Denied("InvalidRange")
    return int(first), min(int(last or size - 1), size - 1) + 1


def _bare(answer: Answer) -> Answer:
    return Answer(answer.status, answer.content_type, headers=answer.headers)
