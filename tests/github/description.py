"""What GitHub's own description says of a request and of an answer.

The description is OpenAPI 3.0 (https://spec.openapis.org/oas/v3.0.3). openapi-core finds the operation and holds
parameters, bodies and answers against it. Here are what to hold against it, the few things it does not look at, and
the words for what it finds.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

from jsonschema_path import SchemaPath
from openapi_core import V30RequestValidator, V30ResponseValidator
from openapi_core.casting.schemas.exceptions import CastError
from openapi_core.deserializing.media_types.exceptions import MediaTypeDeserializeError
from openapi_core.templating.media_types.exceptions import MediaTypeNotFound
from openapi_core.templating.paths.exceptions import PathError
from openapi_core.testing import MockRequest, MockResponse
from openapi_core.validation.request.exceptions import (
    MissingRequiredParameter,
    MissingRequiredRequestBody,
    ParameterValidationError,
)
from openapi_core.validation.schemas.exceptions import InvalidSchemaValue

_JSON = "application/json"


@dataclass(frozen=True)
class Operation:
    """One method of one path of the description: `path` with its placeholders, and the values that filled them."""

    method: str
    path: str
    values: Mapping[str, str]

    @property
    def name(self) -> str:
        """Return the method and the path, the way GitHub's documentation writes them."""
        return f"{self.method} {self.path}"


@functools.cache
def description() -> Mapping[str, Any]:
    """Return the whole description, read once for each process."""
    text = Path(__file__).with_name("github-openapi.json").read_text(encoding="utf-8")
    return cast("Mapping[str, Any]", json.loads(text))


def find(method: str, path: str) -> Operation | None:
    """Return the operation that a request reaches, None if the description has none.

    `path` is still percent-encoded: a `/` inside a name must not end its segment.
    """
    try:
        found = _requests().path_finder.find(method.lower(), f"{_host()}{path}").path_result
    except PathError:
        return None
    values = {name: unquote(value) for name, value in found.variables.items()}
    # openapi-core lets a placeholder stand for nothing at all; at GitHub, no path has an empty segment.
    return Operation(method, found.pattern, values) if all(values.values()) else None


def request_problems(
    operation: Operation, query: Mapping[str, list[str]], content_type: str | None, raw: bytes
) -> list[str]:
    """Return what the description refuses in a request, in words; an empty list if it refuses nothing.

    Stricter than OpenAPI in three things: a query parameter or a body that the description does not know is refused,
    and so is a query parameter given twice. GitHub passes over them in silence, and whoever sent them meant something.
    """
    parameters = [_resolved(parameter) for parameter in _raw(operation).get("parameters", [])]
    known = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
    problems = [f"no query parameter {name!r} is known" for name in query if name not in known]
    problems += [f"query parameter {name!r}: given more than once" for name in query if len(query[name]) > 1]
    if raw and "requestBody" not in _raw(operation):
        problems.append("a body where none is known")
    # Of the media type, its parameters are left out: JSON between systems is UTF-8 anyway (RFC 8259, section 8.1).
    # Without one at all, openapi-core would take the body for the first that the description has.
    media_type = (content_type or "").partition(";")[0].strip()
    request = _request(operation, query, media_type, raw)
    return [*problems, *(words for error in _requests().iter_errors(request) for words in _words(error))]


def answer_problems(operation: Operation, status: int, body: object) -> list[str]:
    """Return what the description does not allow in an answer.

    A status that it does not list is not judged, nor is the body of a refusal for which it has none: GitHub answers
    401, 403, 404 and 422 from far more operations than list them, and always with a message.
    """
    responses = _raw(operation)["responses"]
    if str(status) not in responses:
        return []
    if _JSON not in _resolved(responses[str(status)]).get("content", {}):
        return [] if body is None or status >= 400 else ["a body where the description has none"]
    answer = MockResponse(json.dumps(body).encode(), status, content_type=_JSON)
    return [words for error in _answers().iter_errors(_request(operation), answer) for words in _words(error)]


def _host() -> str:
    return str(description()["servers"][0]["url"])


def _raw(operation: Operation) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", description()["paths"][operation.path][operation.method.lower()])


def _resolved(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a part of the description, or what stands where its reference points to."""
    if "$ref" not in part:
        return part
    return functools.reduce(lambda value, key: value[key], part["$ref"].removeprefix("#/").split("/"), description())


@functools.cache
def _schema() -> SchemaPath:
    return SchemaPath.from_dict(dict(description()))


@functools.cache
def _requests() -> V30RequestValidator:
    return V30RequestValidator(_schema())


@functools.cache
def _answers() -> V30ResponseValidator:
    return V30ResponseValidator(_schema())


def _request(
    operation: Operation, query: Mapping[str, list[str]] | None = None, media_type: str = "", raw: bytes = b""
) -> MockRequest:
    """Return a request in the shape that openapi-core takes; with a pattern, it searches for no other path."""
    return MockRequest(
        _host(),
        operation.method,
        operation.path,
        path_pattern=operation.path,
        args=dict(query or {}),
        view_args=dict(operation.values),
        data=raw,
        content_type=media_type,
    )


def _words(error: Exception) -> Iterator[str]:
    """Say what openapi-core found, a line for each thing: its own words repeat the whole body."""
    cause = error.__cause__
    place = f"{error.location} parameter {error.name!r}" if isinstance(error, ParameterValidationError) else ""
    if isinstance(error, MissingRequiredParameter):
        yield f"the {place} is required"
    elif isinstance(error, MissingRequiredRequestBody):
        yield "a body is required"
    elif isinstance(cause, MediaTypeNotFound):
        yield f"the body is said to be {cause.mimetype or None!r}, not {' or '.join(cause.availableMimetypes)}"
    elif isinstance(cause, MediaTypeDeserializeError):
        yield f"the body is not JSON: {cause.__context__}"
    elif isinstance(cause, CastError):
        yield f"{place}: {cause.value!r} is not of type {cause.type!r}"
    elif isinstance(cause, InvalidSchemaValue):
        for found in cast("Iterable[Any]", cause.schema_errors):
            where = ".".join([*([place] if place else []), *(str(part) for part in found.absolute_path)])
            yield f"{where}: {found.message}" if where else str(found.message)
    else:
        yield f"{place}: {cause or error}" if place else str(cause or error)
