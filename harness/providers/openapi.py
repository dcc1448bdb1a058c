"""OpenAPI 3.1 descriptions, made from the very structs that a wire decodes and encodes.

So what a description says of a body is what its decoder takes. It serves nothing and knows no
provider. Sources: OpenAPI Specification 3.1.0, JSON Schema 2020-12.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec

from harness.providers.problem import MEDIA_TYPE, Problem
from harness.providers.rest import JSON

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Parameter:
    """`kind` is the annotated type that its value must keep."""

    name: str
    where: str
    kind: Any
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call: what is sent, what a success answers, and the statuses of its problems."""

    name: str
    method: str
    path: str
    says: str
    answers: Mapping[int, type[msgspec.Struct]]
    problems: Sequence[int] = ()
    problem: type[msgspec.Struct] = Problem
    """The error body; one that is no problem object is plain JSON."""
    body: type[msgspec.Struct] | None = None
    media_type: str = JSON
    parameters: Sequence[Parameter] = ()
    security: Sequence[Json] | None = None
    """None where the whole interface's holds."""


_LATE = (429, 503)
"""The statuses of a call that was turned away, whatever it asked, with a Retry-After."""


def document(
    title: str,
    says: str,
    server: str,
    operations: Sequence[Operation],
    schemes: Mapping[str, Json],
    security: str,
) -> bytes:
    """The description, as JSON. A call needs the `security` scheme unless it says else."""
    paths: dict[str, Json] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    structs = {kind.__name__: kind for one in operations for kind in _structs(one)}
    _, schemas = msgspec.json.schema_components(
        [structs[name] for name in sorted(structs)], ref_template=_REF
    )
    whole: Json = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1", "description": says},
        "servers": [{"url": server}],
        "security": [{security: []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": dict(schemes)},
    }
    return msgspec.json.encode(whole)


def _operation(of: Operation) -> Json:
    told: Json = {
        "operationId": of.name,
        "summary": of.says,
        "responses": {str(status): answer for status, answer in _answers(of)},
    }
    if of.parameters:
        told["parameters"] = [_parameter(one) for one in of.parameters]
    if of.body is not None:
        told["requestBody"] = {"required": True, "content": _content(of.media_type, of.body)}
    if of.security is not None:
        told["security"] = list(of.security)
    return told


def _answers(of: Operation) -> Iterator[tuple[int, Json]]:
    for status, kind in of.answers.items():
        yield status, _answer(status, _content(JSON, kind))
    errors = _content(MEDIA_TYPE if of.problem is Problem else JSON, of.problem)
    for status in of.problems:
        yield status, _answer(status, errors)
    for status in _LATE:
        late = _answer(status, _content(MEDIA_TYPE, Problem))
        yield status, {**late, "headers": {"Retry-After": _RETRY_AFTER}}


def _answer(status: int, content: Json) -> Json:
    return {"description": HTTPStatus(status).phrase, "content": content}


def _content(media_type: str, kind: type[msgspec.Struct]) -> Json:
    return {media_type: {"schema": {"$ref": _REF.format(name=kind.__name__)}}}


def _parameter(of: Parameter) -> Json:
    return {
        "name": of.name,
        "in": of.where,
        "required": True,
        "description": of.says,
        "schema": msgspec.json.schema(of.kind),
    }


def _structs(of: Operation) -> Iterator[type[msgspec.Struct]]:
    yield from of.answers.values()
    yield of.problem
    yield Problem
    if of.body is not None:
        yield of.body


_REF = "#/components/schemas/{name}"
_RETRY_AFTER: Json = {
    "description": "Seconds until it makes sense to come again",
    "required": True,
    "schema": {"type": "integer", "minimum": 1},
}
