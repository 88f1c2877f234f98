"""The one place where secrets are taken out of text that may be shown or stored."""

from __future__ import annotations

import re

# Names whose value is a secret, as they stand in argv (`--password x`), in environments (`AWS_SECRET_…=x`),
# in INI and JSON. The value ends with its quotes, or else at white space, a quote or a comma. White space alone comes
# between name and value only after what no sentence has in it: an option, or a name with an underscore.
_NAME = r"(?=[\w-]*(?:secret|password|passwd|token))[\w-]+(?![\w-])"
_VALUE = r"(?:(?<=\")[^\"\n]+|(?<=')[^'\n]+|[^\s\"',;]+)"
_NAMED = re.compile(rf"(?i)(?<![\w-])({_NAME}[\"']?\s*[=:]\s*[\"']?|(?=-|\w*_){_NAME}\s+[\"']?){_VALUE}")
# Access key ids are not secret, but whoever sees one next to a log has half of a pair.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
_KEY_ID = re.compile(r"\b(A[KS]IA)[A-Z0-9]{12}([A-Z0-9]{4})\b")

MASK = "****"


def redact(text: str, *secrets: str) -> str:
    """Return `text` without the given secrets and without anything that looks like one by its name."""
    for secret in sorted(secrets, key=len, reverse=True):  # one may be part of another
        if secret:
            text = text.replace(secret, MASK)
    text = _NAMED.sub(rf"\1{MASK}", text)
    return _KEY_ID.sub(rf"\1{MASK}\2", text)
