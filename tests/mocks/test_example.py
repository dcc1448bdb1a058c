"""An example of a schema keeps it, whatever it asks for within reason, and always ends."""

import json
import re
from typing import cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mocks.example import DEEPEST, MOST, Json, example

Schema = dict[str, object]


def of(schema: object, **told: Json) -> Json:
    return example(msgspec.Raw(json.dumps(schema).encode()), told)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, "example"),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "integer", "minimum": 2.5}, 3),
        ({"type": "integer", "maximum": -2}, -2),
        ({"type": "number", "exclusiveMaximum": -2}, -2.5),
        ({"type": "number", "minimum": 0.25}, 0.25),
        ({"type": "integer", "minimum": -5, "maximum": 5}, 0),
        ({"type": "integer", "minimum": 10**400}, 10**15),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["null", "string"]}, "example"),
        ({"type": ["null"]}, None),
        ({"enum": ["a", "b"]}, "a"),
        ({"const": {"a": 1}}, {"a": 1}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 0),
        ({"oneOf": [{"const": 4}]}, 4),
        ({"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]},
         {"a": 1, "b": 2}),
        ({"allOf": [{"type": "integer"}]}, 0),
        ({"type": "array", "items": {"type": "integer"}}, [0]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3}, [0, 0, 0]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 0}, []),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}]}, [1, 2]),
        ({"type": "string", "minLength": 9}, "example.."),
        ({"type": "string", "maxLength": 3}, "exa"),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"properties": {"a": {"type": "string"}}}, {"a": "example"}),
        ({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}, {"a": "example"}),
        ({"$defs": {"n": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/n"}}},
         {"a": 0}),
        ({"$defs": {"a/b": {"const": 1}}, "$ref": "#/$defs/a~1b"}, 1),
        ({"$ref": "#/nowhere"}, "example"),
        ({"$ref": "#"}, {}),
        ({"type": "object"}, {}),
        ({}, "example"),
        (True, {}),
        ([], {}),
        ("object", {}),
    ],
)  # fmt: skip
def test_the_least_that_keeps_a_schema(schema: object, expected: Json) -> None:
    assert of(schema) == expected


def test_what_is_known_is_filled_in_on_the_first_level_and_only_what_is_asked_for() -> None:
    schema = {
        "type": "object",
        "properties": {
            "score": {"type": "integer"},
            "why": {"type": "string"},
            "inner": {"type": "object", "properties": {"score": {"type": "integer"}}},
        },
    }
    told = of(schema, score=93, approve=True)
    assert told == {"score": 93, "why": "example", "inner": {"score": 0}}


# Schemas without end


def test_a_schema_that_contains_itself_ends_where_it_may() -> None:
    list_of = {"properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}}
    text = json.dumps(of(list_of))
    assert text.endswith('{"next": null}' + "}" * (text.count("{") - 1))


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"n": {"properties": {k: {"$ref": "#/$defs/n"} for k in "abcdefgh"}}},
         "$ref": "#/$defs/n"},
        {"type": "array", "minItems": 10**9, "items": {"type": "array", "minItems": 10**9}},
        {"type": "string", "minLength": 10**12},
        {"allOf": [{"$ref": "#"}] * 20},
        {"anyOf": [{"anyOf": [{"$ref": "#"}]}]},
        {"type": "array", "items": {"$ref": "#"}},
    ],
)  # fmt: skip
def test_no_schema_asks_for_more_than_an_example(schema: object) -> None:
    assert len(json.dumps(of(schema))) < 20 * MOST


@pytest.mark.parametrize("raw", [b"", b"{", b"[" * 100_000, b'{"type":"\xff"}', b"\xff"])
def test_a_schema_that_is_no_json_is_an_empty_object(raw: bytes) -> None:
    assert example(msgspec.Raw(raw), {}) == {}


# Any schema


def keeps(value: object, schema: Schema) -> bool:
    """A judge of its own for the part of JSON Schema that the schemas below are made of."""
    if "enum" in schema:
        return value in cast(list[object], schema["enum"])
    if "anyOf" in schema:
        return any(keeps(value, option) for option in cast(list[Schema], schema["anyOf"]))
    match schema["type"]:
        case "object":
            fields = cast(dict[str, Schema], schema["properties"])
            return (
                isinstance(value, dict)
                and set(value) == set(fields)
                and all(keeps(value[name], fields[name]) for name in fields)
            )
        case "array":
            least = cast(int, schema["minItems"])
            return (
                isinstance(value, list)
                and len(value) >= least
                and all(keeps(item, cast(Schema, schema["items"])) for item in value)
            )
        case "integer":
            low, high = cast(int, schema["minimum"]), cast(int, schema["maximum"])
            return isinstance(value, int) and low <= value <= high
        case "string":
            least, most = cast(int, schema["minLength"]), cast(int, schema["maxLength"])
            return isinstance(value, str) and least <= len(value) <= most
        case "boolean":
            return isinstance(value, bool)
        case _:
            return value is None


def ordered(low: str, high: str, least: int) -> st.SearchStrategy[Schema]:
    pairs = st.tuples(st.integers(least, 50), st.integers(least, 50))
    return pairs.map(lambda pair: {low: min(pair), high: max(pair)})


leaves = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    ordered("minimum", "maximum", -50).map(lambda bounds: {"type": "integer", **bounds}),
    ordered("minLength", "maxLength", 0).map(lambda bounds: {"type": "string", **bounds}),
    st.lists(st.integers(), min_size=1, max_size=3).map(lambda options: {"enum": options}),
)
names = st.text("abc", min_size=1, max_size=3)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.dictionaries(names, inner, max_size=3).map(
            lambda fields: {"type": "object", "properties": fields}
        ),
        st.tuples(inner, st.integers(0, 3)).map(
            lambda pair: {"type": "array", "items": pair[0], "minItems": pair[1]}
        ),
        st.lists(inner, min_size=1, max_size=2).map(lambda options: {"anyOf": options}),
    ),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(schemas)
def test_an_example_keeps_its_schema(schema: Schema) -> None:
    if len(re.findall("type|anyOf", json.dumps(schema))) <= DEEPEST:
        assert keeps(of(schema), schema), of(schema)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(
            ["type", "properties", "items", "prefixItems", "minItems", "maxItems", "enum", "const",
             "anyOf", "allOf", "$ref", "minimum", "maximum", "exclusiveMaximum", "minLength",
             "maxLength", "format", "a"]
        ),
        inner, max_size=4,
    ),
    max_leaves=10,
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(anything)
def test_no_schema_raises_and_every_example_is_json(schema: object) -> None:
    json.loads(msgspec.json.encode(of(schema)))
