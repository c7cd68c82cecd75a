"""The XML of S3, as MinIO writes it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from xml.sax.saxutils import escape

from mockserver.http.messages import Answer
from mockserver.mikro.model.objects import Stored

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
XML = "application/xml"
BYTES = ("Accept-Ranges", "bytes")

MEANINGS: dict[str, tuple[int, str]] = {
    "AccessDenied": (403, "Access Denied."),
    "ExpiredToken": (400, "The provided token has expired."),
    "InvalidAccessKeyId": (403, "The Access Key Id you provided does not exist in our records."),
    "InvalidRange": (416, "The requested range is not satisfiable"),
    "InvalidTokenId": (403, "The security token included in the request is invalid"),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchUpload": (404, "The specified multipart upload does not exist."),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold"),
    "RequestTimeTooSkewed": (403, "The difference between the request time and the server's time is too large."),
    "SignatureDoesNotMatch": (
        403,
        "The request signature we calculated does not match the signature you provided. Check your key and signing "
        "method.",
    ),
    "XAmzContentSHA256Mismatch": (
        400,
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ),
}
"""Status and message of each code."""


class Denied(Exception):  # noqa: N818 - an answer of the protocol, not a fault of the program
    """Raised to answer with an error of S3.

    Parameters
    ----------
    code : str
        One of `MEANINGS`.
    *headers : (str, str)
        Further headers of the answer.
    """

    def __init__(self, code: str, *headers: tuple[str, str]) -> None:
        super().__init__(code)
        self.code, self.headers = code, headers


def document(text: str, *headers: tuple[str, str], status: int = 200) -> Answer:
    """Answer with a document."""
    data = f"{HEAD}{text}".encode()
    return Answer(status, XML, (data,), len(data), (BYTES, *headers), sized=True)


def error(denied: Denied, bucket: str, key: str) -> Answer:
    """Answer with an error."""
    status, message = MEANINGS[denied.code]
    place = f"<Key>{_text(key)}</Key>" if key else ""
    where = f"/{bucket}/{key}" if key else f"/{bucket}"
    return document(
        f"<Error><Code>{denied.code}</Code><Message>{_text(message)}</Message>{place}<BucketName>{_text(bucket)}"
        f"</BucketName><Resource>{_text(where)}</Resource><RequestId>1</RequestId><HostId>mock</HostId></Error>",
        *denied.headers,
        status=status,
    )


def listing(bucket: str, prefix: str, found: Iterable[tuple[str, Stored]], *, more: str) -> Answer:
    """Answer with the objects of a prefix; `more` continues a list that is cut."""
    each = [
        f"<Contents><Key>{_text(key)}</Key><LastModified>{stored.written:%Y-%m-%dT%H:%M:%S.000Z}</LastModified><ETag>"
        f"{_text(stored.etag)}</ETag><Size>{len(stored.data)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key, stored in found
    ]
    token = f"<NextContinuationToken>{_text(more)}</NextContinuationToken>" if more else ""
    return document(
        f'<ListBucketResult xmlns="{NAMESPACE}"><Name>{_text(bucket)}</Name><Prefix>{_text(prefix)}</Prefix>{token}'
        f"<KeyCount>{len(each)}</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>{'true' if more else 'false'}"
        f"</IsTruncated>{''.join(each)}</ListBucketResult>"
    )


def begun(bucket: str, key: str, upload: str) -> Answer:
    """Answer with the id of a multipart upload."""
    return document(
        f'<InitiateMultipartUploadResult xmlns="{NAMESPACE}"><Bucket>{_text(bucket)}</Bucket><Key>{_text(key)}</Key>'
        f"<UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
    )


def completed(host: str, bucket: str, key: str, stored: Stored) -> Answer:
    """Answer that a multipart upload is complete."""
    return document(
        f'<CompleteMultipartUploadResult xmlns="{NAMESPACE}"><Location>http://{host}/{_text(bucket)}/{_text(key)}'
        f"</Location><Bucket>{_text(bucket)}</Bucket><Key>{_text(key)}</Key><ETag>{_text(stored.etag)}</ETag>"
        "</CompleteMultipartUploadResult>",
        ("ETag", stored.etag),
    )


def deleted(keys: Iterable[str]) -> Answer:
    """Answer which objects are gone."""
    each = "".join(f"<Deleted><Key>{_text(key)}</Key></Deleted>" for key in keys)
    return document(f'<DeleteResult xmlns="{NAMESPACE}">{each}</DeleteResult>')


def elements(text: str, name: str) -> list[str]:
    """Return the texts of all elements of a name."""
    return [unescape(each) for each in re.findall(f"<{name}>([^<]*)</{name}>", text)]


def _text(value: str) -> str:
    return escape(value, {"'": "&#39;", '"': "&#34;"})
