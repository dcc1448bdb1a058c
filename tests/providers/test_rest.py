"""What plain REST interfaces share: bodies are read as JSON Schema reads them, and described so."""

import json
from typing import Annotated

import httpx
import msgspec
import pytest

from harness.providers import flat, unionpay_ai
from harness.providers.openapi import Operation, Parameter, document
from harness.providers.problem import Objection
from harness.providers.rest import Number, Positive, Problems, end_here

PROBLEMS = Problems("https://x.example/problems/", {"late": (409, "Too late")})


class Thing(msgspec.Struct, forbid_unknown_fields=True):
    number: Number
    amount: Positive

    def __post_init__(self) -> None:
        end_here(self.number)


def read(body: bytes, content_type: str = "application/json") -> Thing | Objection:
    request = httpx.Request("POST", "http://x/", headers={"content-type": content_type})
    return PROBLEMS.body(
        httpx.Request("POST", request.url, headers=request.headers, content=body), Thing
    )


@pytest.mark.parametrize("amount", [b"12", b"12.0", b"1.2e1", b"120e-1"])
def test_an_integer_is_an_integer_however_it_is_written(amount: bytes) -> None:
    told = read(b'{"number":"o-1","amount":' + amount + b"}")
    assert told == Thing("o-1", 12)
    assert isinstance(told, Thing)
    assert type(told.amount) is int


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", " application/json "]
)
def test_the_media_type_may_be_written_in_many_ways(content_type: str) -> None:
    assert read(b'{"number":"o-1","amount":1}', content_type) == Thing("o-1", 1)


def objections(body: str) -> tuple[str, int]:
    told = read(body.encode("utf-8", "surrogateescape"))
    assert isinstance(told, Objection)
    return told.problem.kind, told.problem.status


@pytest.mark.parametrize(
    "body", ["", "hello", '{"number":"\udcff"}', '{"number":', '{"a":' + "[" * 100_000, "{} {}"]
)
def test_what_is_no_json_is_objected_to_with_400(body: str) -> None:
    assert objections(body) == ("not-json", 400)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        {},
        {"number": "o-1"},
        {"number": "o-1", "amount": 0},
        {"number": "o-1", "amount": -1},
        {"number": "o-1", "amount": 1.5},
        {"number": "o-1", "amount": "1"},
        {"number": "o-1", "amount": True},
        {"number": "o-1", "amount": 10**12 + 1},
        {"number": "o-1", "amount": 10**400},
        {"number": "", "amount": 1},
        {"number": "o 1", "amount": 1},
        {"number": "o/1", "amount": 1},
        {"number": "o-1\n", "amount": 1},
        {"number": "o" * 65, "amount": 1},
        {"number": "ö", "amount": 1},
        {"number": 1, "amount": 1},
        {"number": None, "amount": 1},
        {"number": "o-1", "amount": 1, "more": 1},
    ],
)
def test_what_is_not_as_described_is_objected_to_with_422(fields: object) -> None:
    assert objections(json.dumps(fields)) == ("invalid-fields", 422)


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/jsonx", "application"])
def test_another_media_type_is_objected_to_with_415(content_type: str) -> None:
    told = read(b'{"number":"o-1","amount":1}', content_type)
    assert isinstance(told, Objection)
    assert (told.problem.kind, told.problem.status) == ("unsupported-media-type", 415)


def test_a_problem_of_the_interface_s_own_stands_beside_the_common_ones() -> None:
    late = PROBLEMS.objection("late", "by 3 s")
    assert (late.problem.type, late.problem.status) == ("https://x.example/problems/late", 409)
    assert PROBLEMS.wrong_method("GET").headers == {"allow": "GET"}
    for why, status in (("rate_limited", 429), ("overloaded", 503)):
        turned = PROBLEMS.turned_away(why, 1.5)  # type: ignore[arg-type]  # a loop widens it
        assert (turned.problem.status, turned.headers) == (status, {"retry-after": "2"})


# Descriptions


def test_a_description_says_of_a_body_what_its_decoder_takes() -> None:
    told = json.loads(
        document(
            "X",
            "for tests",
            "/x",
            [
                Operation(
                    name="make",
                    method="POST",
                    path="/things/{id}",
                    says="Make it",
                    body=Thing,
                    answers={201: Thing},
                    problems=[422],
                    parameters=[Parameter("id", "path", Annotated[int, msgspec.Meta(ge=1)], "Id")],
                )
            ],
            {"key": {"type": "http", "scheme": "basic"}},
            "key",
        )
    )
    assert told["servers"] == [{"url": "/x"}]
    make = told["paths"]["/things/{id}"]["post"]
    assert make["parameters"][0]["schema"] == {"type": "integer", "minimum": 1}
    assert sorted(make["responses"]) == ["201", "422", "429", "503"]
    assert list(make["responses"]["422"]["content"]) == ["application/problem+json"]
    assert told["components"]["schemas"]["Thing"] == {
        "title": "Thing",
        "type": "object",
        "properties": {
            "number": {
                "type": "string",
                "minLength": 1,
                "maxLength": 64,
                "pattern": "^[0-9A-Za-z_-]+$",
            },
            "amount": {"type": "integer", "minimum": 1, "maximum": 10**12},
        },
        "required": ["number", "amount"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize("wire", [flat, unionpay_ai], ids=lambda wire: wire.NAME)
def test_a_description_is_whole(wire: object) -> None:
    assert wire in (flat, unionpay_ai)
    request = httpx.Request("GET", "http://mocks/some/where/openapi.json")
    if wire is flat:
        asked = flat.decode_request(request)
        assert isinstance(asked, flat.Describe)
        status, headers, body = flat.encode_description(asked)
    else:
        told = unionpay_ai.decode_request(request)
        assert isinstance(told, unionpay_ai.Describe)
        status, headers, body = unionpay_ai.encode_description(told)
    assert (status, headers["content-type"]) == (200, "application/json")
    whole = json.loads(body)
    assert (whole["openapi"], whole["servers"]) == ("3.1.0", [{"url": "/some/where"}])
    schemas = whole["components"]["schemas"]
    refs = [text.split('"')[0] for text in body.decode().split("#/components/schemas/")[1:]]
    assert set(refs) <= set(schemas)
    names = [one["operationId"] for path in whole["paths"].values() for one in path.values()]
    assert len(set(names)) == len(names) >= 4
    for path in whole["paths"].values():
        for one in path.values():
            assert {"429", "503"} < set(one["responses"])
            assert not [status for status in one["responses"] if status.startswith("5")][1:]
