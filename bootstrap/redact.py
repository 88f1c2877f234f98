"""The one place where secrets are taken out of text that may be shown or stored."""

from __future__ import annotations

import re

# Names whose value is a secret, as they stand in argv (`--password x`), in environments (`AWS_SECRET_…=x`),
# in INI and JSON. The value ends at white space, a quote or a comma.
_SECRET_NAME = r"[\w-]*(?:secret|password|passwd|token|session_token|flask_server_secret_key)[\w-]*"
_NAMED = re.compile(rf"(?i)(\b{_SECRET_NAME}\b[\"']?\s*[=:\s]\s*[\"']?)([^\s\"',;]+)")
# Access key ids are not secret, but whoever sees one next to a log has half of a pair.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
_KEY_ID = re.compile(r"\b(A[KS]IA)[A-Z0-9]{12}([A-Z0-9]{4})\b")

MASK = "****"


def redact(text: str, *secrets: str) -> str:
    """Return `text` without the given secrets and without anything that looks like one by its name."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    text = _NAMED.sub(rf"\1{MASK}", text)
    return _KEY_ID.sub(rf"\1{MASK}\2", text)
