"""What GitHub's own description says of a request and of an answer.

The description is OpenAPI 3.0 (https://spec.openapis.org/oas/v3.0.3). Bodies and answers are held against its schemas
by openapi-schema-validator; finding the operation, and reading its parameters and its media type, is done here.
openapi-core does that too, on top of the same validator, but cannot be installed beside the openapi-spec-validator
that .ci/constraints.txt pins for moto: 0.23.1 wants one below 0.9.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, unquote

from openapi_schema_validator import OAS30ReadValidator, OAS30WriteValidator, oas30_format_checker
from referencing import Registry
from referencing.jsonschema import DRAFT4

_BASE = "urn:github"
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
    segments = path.split("/")
    for template, parts in _templates():
        if len(parts) == len(segments) and method.lower() in description()["paths"][template]:
            values = {}
            for part, segment in zip(parts, segments, strict=True):
                if part.startswith("{"):
                    values[part.strip("{}")] = unquote(segment)
                elif part != segment:
                    break
            else:
                if all(values.values()):
                    return Operation(method, template, values)
    return None


def request_problems(
    operation: Operation, query: Mapping[str, list[str]], content_type: str | None, raw: bytes
) -> list[str]:
    """Return what the description refuses in a request, in words; an empty list if it refuses nothing.

    Stricter than OpenAPI in one thing: a query parameter or a body that the description does not know is refused,
    because GitHub passes over it in silence, and whoever sent it meant something by it.
    """
    problems = list(_query_problems(operation, query))
    body = _raw(operation).get("requestBody")
    if body is None:
        return [*problems, "a body where none is known"] if raw else problems
    if not raw:
        return [*problems, "a body is required"] if body.get("required") else problems
    if (content_type or "").partition(";")[0].strip().lower() != _JSON:
        return [*problems, f"the body is said to be {content_type!r}, not {_JSON}"]
    try:
        value = json.loads(raw)
    except ValueError as error:
        return [*problems, f"the body is not JSON: {error}"]
    return [
        *problems,
        *_errors(_validator(_pointer(operation, "requestBody", "content", _JSON, "schema"), True), value),
    ]


def answer_problems(operation: Operation, status: int, body: object) -> list[str]:
    """Return what the description does not allow in an answer.

    A status that it does not list is not judged, nor is the body of a refusal for which it has none: GitHub answers
    401, 403, 404 and 422 from far more operations than list them, and always with a message.
    """
    pointer = _pointer(operation, "responses", str(status))
    response = _raw(operation)["responses"].get(str(status))
    if response is not None and "$ref" in response:
        pointer = tuple(response["$ref"].removeprefix("#/").split("/"))
        response = functools.reduce(lambda value, key: value[key], pointer, cast("Any", description()))
    if response is None:
        return []
    if _JSON not in response.get("content", {}):
        return [] if body is None or status >= 400 else ["a body where the description has none"]
    return list(_errors(_validator((*pointer, "content", _JSON, "schema"), False), body))


@functools.cache
def _templates() -> list[tuple[str, list[str]]]:
    """Return the description's paths, those with fewer placeholders first: `public-key` is no secret's name."""
    paths = [(path, path.split("/")) for path in description()["paths"]]
    return sorted(paths, key=lambda path: path[0].count("{"))


def _raw(operation: Operation) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", description()["paths"][operation.path][operation.method.lower()])


def _pointer(operation: Operation, *parts: str) -> tuple[str, ...]:
    return ("paths", operation.path, operation.method.lower(), *parts)


def _query_problems(operation: Operation, query: Mapping[str, list[str]]) -> Iterator[str]:
    known = {}
    for index, parameter in enumerate(_raw(operation).get("parameters", [])):
        pointer = _pointer(operation, "parameters", str(index), "schema")
        if "$ref" in parameter:
            name = parameter["$ref"].rpartition("/")[2]
            parameter = description()["components"]["parameters"][name]
            pointer = ("components", "parameters", name, "schema")
        if parameter["in"] == "query":
            known[parameter["name"]] = (parameter, pointer)
    for name, (parameter, _) in known.items():
        if parameter.get("required") and name not in query:
            yield f"the query parameter {name!r} is required"
    for name, texts in query.items():
        if name not in known:
            yield f"no query parameter {name!r} is known"
            continue
        parameter, pointer = known[name]
        for text in texts:
            value = _cast(text, parameter["schema"].get("type"))
            yield from (f"query parameter {name!r}: {error}" for error in _errors(_validator(pointer, True), value))


def _cast(text: str, kind: str | None) -> object:
    """Return a parameter's value in the type that its schema asks for, or the text as it is, to be refused."""
    if kind == "integer" and text.lstrip("-").isdecimal():
        return int(text)
    return {"true": True, "false": False}.get(text, text) if kind == "boolean" else text


@functools.cache
def _registry() -> Registry[Any]:
    empty: Registry[Any] = Registry()
    registry: Registry[Any] = empty.with_resource(_BASE, DRAFT4.create_resource(description()))
    return registry


@functools.cache
def _validator(pointer: tuple[str, ...], is_request: bool) -> Any:
    """Return the validator of the schema at a JSON pointer (RFC 6901) into the description."""
    fragment = quote("/".join(part.replace("~", "~0").replace("/", "~1") for part in pointer))
    kind = OAS30WriteValidator if is_request else OAS30ReadValidator
    return kind({"$ref": f"{_BASE}#/{fragment}"}, registry=_registry(), format_checker=oas30_format_checker)


def _errors(validator: Any, value: object) -> Iterator[str]:
    for error in validator.iter_errors(value):
        place = ".".join(str(part) for part in error.absolute_path)
        yield f"{place}: {error.message}" if place else str(error.message)
