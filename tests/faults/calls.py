"""What an operator asks of AWS, call by call: read off real runs, by a proxy that breaks nothing.

A call is one line: service, operation and, for S3, on what; `iam CreateUser tags` if tags come along. The same in every
run, whatever the names: `state` is the state bucket, `data` an environment's, `archive` any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.faults.proxy import FaultProxy, Request

RECORD = Path(__file__).resolve().parents[1] / "cases" / "operator_calls.txt"
_KEY_ID = re.compile(r"Credential=([^/]+)/")

# What follows the method in an operation's name, by the word in the query.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html
_OF_BUCKETS = {
    "accelerate": "BucketAccelerateConfiguration",
    "acl": "BucketAcl",
    "cors": "BucketCors",
    "encryption": "BucketEncryption",
    "lifecycle": "BucketLifecycleConfiguration",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "notification": "BucketNotificationConfiguration",
    "object-lock": "ObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "publicAccessBlock": "PublicAccessBlock",
    "replication": "BucketReplication",
    "requestPayment": "BucketRequestPayment",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
}
_VERBS = {"GET": "Get", "PUT": "Put", "DELETE": "Delete", "HEAD": "Head"}


class Recorder(FaultProxy):
    """The proxy, which also keeps the calls of one access key. `upstream` is a port on loopback."""

    def __init__(self, upstream: int, key_id: str) -> None:
        super().__init__(upstream)
        self._key_id = key_id
        self.calls: set[str] = set()

    def judge(self, request: Request) -> str:
        """Keep the call if it is the operator's; the members' own calls need no permission of the operator's."""
        signed = _KEY_ID.search(request.headers.get("authorization", ""))
        if signed and signed[1] == self._key_id:
            self.calls.add(call_of(request))
        return super().judge(request)


def call_of(request: Request) -> str:
    """Return a request as a line. Raises LookupError for one of S3's that is not known here."""
    if operation := request.headers.get("x-amz-target"):
        return f"{request.service} {operation.rpartition('.')[2]}"
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        tags = " tags" if any(name.startswith(("Tags.member.", "TagSpecification.")) for name in form) else ""
        return f"{request.service} {form.get('Action', '?')}{tags}"
    if request.service != "s3":
        return f"{request.service} {request.method} {urlsplit(request.target).path}"
    return f"s3 {_of_s3(request)}"


def _of_s3(request: Request) -> str:
    parts = urlsplit(request.target)
    bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
    asked = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    place = "state" if "--tfstate--" in bucket else "data" if bucket.startswith("course--") else "archive"
    if not bucket:
        return "ListBuckets"
    if key:
        return f"{_of_object(request, asked)} {place}/"
    for word, name in _OF_BUCKETS.items():
        if word in asked:
            return f"{_VERBS[request.method]}{name} {place}"
    listing = {"versions": "ListObjectVersions", "uploads": "ListMultipartUploads"}
    for word, name in listing.items():
        if word in asked:
            return f"{name} {place}"
    named = {"HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket", "GET": "ListObjectsV2"}
    if request.method == "POST" and "delete" in asked:
        versions = " versions" if b"<VersionId>" in request.body else ""
        return f"DeleteObjects {place}/{versions}"
    return f"{named[request.method]} {place}"


def _of_object(request: Request, asked: set[str]) -> str:
    method = request.method
    if "uploadId" in asked:
        steps = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}
        copies = method == "PUT" and "x-amz-copy-source" in request.headers
        return "UploadPartCopy" if copies else steps.get(method, "ListParts")
    if method == "POST" and "uploads" in asked:
        return "CreateMultipartUpload"
    if "tagging" in asked:
        return f"{_VERBS[method]}ObjectTagging"
    if "retention" in asked or "legal-hold" in asked:
        return f"{_VERBS[method]}Object{'Retention' if 'retention' in asked else 'LegalHold'}"
    if method == "PUT" and "x-amz-copy-source" in request.headers:
        return "CopyObject"
    version = "Version" if "versionId" in asked else ""
    return f"{_VERBS[method]}Object{version}"


def recorded(walk: str) -> set[str]:
    """Return the calls of one walk that RECORD has; none of one that it does not know."""
    return _walks().get(walk, set())


def write_walk(walk: str, calls: Iterable[str]) -> None:
    """Write the calls of one walk into RECORD, in place of those it has."""
    walks = _walks() | {walk: set(calls)}
    opening = (
        "# What an operator asks of AWS, read off real runs; tests/faults/README.md says how to record it anew.\n"
        "# docs/generate_operator_policy.py makes the operator's policy of it.\n"
    )
    sections = ["".join(f"{line}\n" for line in (f"[{name}]", *sorted(found))) for name, found in walks.items()]
    RECORD.write_text("\n".join([opening, *sections]), encoding="utf-8")


def _walks() -> dict[str, set[str]]:
    walks: dict[str, set[str]] = {}
    text = RECORD.read_text(encoding="utf-8") if RECORD.is_file() else ""
    for line in text.splitlines():
        if line.startswith("["):
            found = walks.setdefault(line.strip("[]"), set())
        elif line and not line.startswith("#"):
            found.add(line)
    return walks
