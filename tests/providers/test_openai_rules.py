"""What OpenAI refuses of a request in the right shape: each rule, and what it lets by."""

import json

import httpx
import msgspec
import pytest

from harness.flow.tools import TOOLS
from harness.providers.call import Endpoint
from harness.providers.chat import Ask, Message, Tool, Trouble
from harness.providers.openai import OPENAI
from harness.providers.openai.rules import breach

USER = {"role": "user", "content": "hi"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "pay", "arguments": "{}"}}
CALLING = {"role": "assistant", "tool_calls": [CALL]}
ANSWER = {"role": "tool", "tool_call_id": "call_1", "content": "22"}
CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


def tool(**changed: object) -> dict[str, object]:
    return {"type": "function", "function": {"name": "pay", "parameters": CLOSED, **changed}}


def schema(of: object, name: str = "score", strict: bool = True) -> dict[str, object]:
    return {"type": "json_schema", "json_schema": {"name": name, "schema": of, "strict": strict}}


def decide(**body: object) -> Ask | Trouble:
    whole = {"model": "m", "messages": [USER], **body}
    content = json.dumps(whole).encode()
    url = "http://model/v1/chat/completions"
    return OPENAI.decode_request(httpx.Request("POST", url, content=content))


REFUSED: dict[str, tuple[dict[str, object], str | None, str | None]] = {
    "no messages": ({"messages": []}, "messages", "empty_array"),
    "no tools": ({"tools": []}, "tools", "empty_array"),
    "a bound of none": ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
    "a bound of less": (
        {"max_completion_tokens": -3},
        "max_completion_tokens",
        "integer_below_min_value",
    ),
    "two bounds": (
        {"max_tokens": 9, "max_completion_tokens": 9},
        None,
        "invalid_parameter_combination",
    ),
    "too hot": ({"temperature": 2.5}, "temperature", "decimal_above_max_value"),
    "too cold": ({"temperature": -1}, "temperature", "decimal_below_min_value"),
    "top_p above one": ({"top_p": 1.01}, "top_p", "decimal_above_max_value"),
    "a penalty too low": ({"presence_penalty": -3}, "presence_penalty", "decimal_below_min_value"),
    "a penalty too high": (
        {"frequency_penalty": 3},
        "frequency_penalty",
        "decimal_above_max_value",
    ),
    "two answers": ({"n": 2}, "n", "unsupported_value"),
    "no answer": ({"n": 0}, "n", "integer_below_min_value"),
    "options of no stream": ({"stream_options": {"include_usage": True}}, "stream_options", None),
    "a choice of no tools": ({"tool_choice": "auto"}, "tool_choice", None),
    "a choice of another tool": (
        {
            "tools": [tool()],
            "tool_choice": {"type": "function", "function": {"name": "look_up"}},
        },
        "tool_choice",
        None,
    ),
    "Mistral's word": ({"tools": [tool()], "tool_choice": "any"}, "tool_choice", "invalid_value"),
    "an unknown word": (
        {"tools": [tool()], "tool_choice": "always"},
        "tool_choice",
        "invalid_value",
    ),
    "a tool with a blank in its name": (
        {"tools": [tool(), tool(name="pay now")]},
        "tools[1].function.name",
        "invalid_value",
    ),
    "a strict tool with an open schema": (
        {"tools": [tool(strict=True, parameters={"type": "object", "properties": {}})]},
        "tools[0].function.parameters",
        "invalid_function_parameters",
    ),
    "a user who says nothing": (
        {"messages": [{"role": "user", "content": None}]},
        "messages.[0].content",
        None,
    ),
    "a tool that nobody called": ({"messages": [USER, ANSWER]}, "messages.[1].role", None),
    "a call that nobody answers": ({"messages": [USER, CALLING]}, "messages", None),
    "a call whose answer comes late": ({"messages": [CALLING, USER, ANSWER]}, "messages", None),
    "a call that is answered twice": (
        {"messages": [CALLING, ANSWER, ANSWER]},
        "messages.[2].role",
        None,
    ),
    "JSON mode that is not told": (
        {"response_format": {"type": "json_object"}},
        "messages",
        None,
    ),
    "a schema that is none": (
        {"response_format": {"type": "json_schema"}},
        "response_format.json_schema",
        "missing_required_parameter",
    ),
    "a schema with a blank in its name": (
        {"response_format": schema(CLOSED, name="my score")},
        "response_format.json_schema.name",
        "invalid_value",
    ),
    "an open schema": (
        {"response_format": schema({"type": "object", "properties": {}})},
        "response_format",
        None,
    ),
    "a role that there is not": (
        {"messages": [{"role": "king", "content": "hi"}]},
        "messages[0].role",
        "invalid_value",
    ),
    "messages that are a text": ({"messages": "hi"}, "messages", "invalid_type"),
    "content that is a number": (
        {"messages": [{"role": "user", "content": 4}]},
        "messages[0].content",
        "invalid_type",
    ),
    "a message without a role": (
        {"messages": [{"content": "hi"}]},
        "messages[0].role",
        "missing_required_parameter",
    ),
    "a bound in words": ({"max_tokens": "few"}, "max_tokens", "invalid_type"),
    "a bound in parts": ({"max_tokens": 2.5}, "max_tokens", "invalid_type"),
    "no model": ({"model": None}, "model", "invalid_type"),
}

TAKEN: dict[str, dict[str, object]] = {
    "an answered call": {"messages": [USER, CALLING, ANSWER]},
    "two calls, answered in any order": {
        "messages": [
            {"role": "assistant", "tool_calls": [CALL, {**CALL, "id": "call_2"}]},
            {**ANSWER, "tool_call_id": "call_2"},
            ANSWER,
            USER,
        ]
    },
    "JSON mode that a message tells": {
        "messages": [{"role": "user", "content": "Answer as JSON."}],
        "response_format": {"type": "json_object"},
    },
    "a closed schema": {"response_format": schema(CLOSED)},
    "an open schema that need not be kept": {"response_format": schema({}, strict=False)},
    "an open tool that is not strict": {"tools": [tool(parameters={"type": "object"})]},
    "a tool without parameters": {"tools": [{"type": "function", "function": {"name": "now"}}]},
    "each choice": {"tools": [tool()], "tool_choice": "required", "parallel_tool_calls": False},
    "the bounds themselves": {"temperature": 2, "top_p": 0, "max_tokens": 1, "n": 1},
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_the_api_refuses_is_refused_in_its_words(why: str) -> None:
    body, param, code = REFUSED[why]
    trouble = decide(**body)
    assert isinstance(trouble, Trouble)
    assert (trouble.kind, trouble.param, trouble.code) == ("bad_request", param, code)


@pytest.mark.parametrize("why", TAKEN)
def test_what_the_api_takes_is_taken(why: str) -> None:
    assert isinstance(decide(**TAKEN[why]), Ask)


@pytest.mark.parametrize("secret", ["sk-live-0123456789abcdef", "4111111111111111"])
def test_no_trouble_with_a_shape_repeats_what_was_sent(secret: str) -> None:
    for body in (
        {"messages": [{"role": secret, "content": secret}]},
        {"messages": secret},
        {"tool_choice": secret, "tools": [tool(name=f"a {secret}")]},
        {"max_tokens": secret},
    ):
        trouble = decide(**body)
        assert isinstance(trouble, Trouble)
        assert secret not in repr(trouble)


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (CLOSED, ""),
        ({"type": "string"}, "schema must be"),
        ([], "schema must be"),
        ({**CLOSED, "additionalProperties": True}, "In context=(), 'additionalProperties'"),
        ({**CLOSED, "required": []}, "Missing 'a'"),
        (
            {**CLOSED, "properties": {"a": {"type": "object", "properties": {}}}},
            "In context=('properties', 'a'), 'additionalProperties'",
        ),
        (
            {**CLOSED, "properties": {"a": {"type": "array", "items": {"properties": {}}}}},
            "In context=('properties', 'a', 'items')",
        ),
        (
            {**CLOSED, "properties": {"a": {"anyOf": [{"type": "null"}, {"type": "object"}]}}},
            "In context=('properties', 'a', 'anyOf', '1')",
        ),
        ({**CLOSED, "$defs": {"b": {"type": "object"}}}, "In context=('$defs', 'b')"),
        ({**CLOSED, "required": "a"}, "Missing 'a'"),
    ],
)
def test_a_strict_schema_closes_every_object_and_demands_every_key(of: object, says: str) -> None:
    told = breach(json.dumps(of).encode())
    assert told.startswith(says) or says in told
    assert bool(told) is bool(says)


def test_a_schema_that_nests_without_end_is_refused_and_not_followed() -> None:
    of: dict[str, object] = {"type": "string"}
    for _ in range(300):
        of = {"anyOf": [of]}
    assert "too deep" in breach(json.dumps({**CLOSED, "properties": {"a": of}}).encode())
    assert breach(b'{"a":"\xff"}') == "schema must be valid JSON."
    assert breach(b"[" * 100_000) == "schema must be valid JSON."


def test_the_agents_own_tools_are_strict() -> None:
    for of in TOOLS:
        assert breach(bytes(of.parameters)) == ""


def test_our_own_client_is_never_refused() -> None:
    raw = msgspec.Raw(json.dumps(CLOSED).encode())
    asked = Ask(
        model="m",
        messages=[Message("system", "s"), Message("user", "u")],
        tools=[Tool("pay", "Pay.", raw)],
        tool_choice="required",
        max_tokens=5,
        stream=True,
        include_usage=True,
    )
    request = OPENAI.chat(Endpoint("http://model/v1", "k"), asked).request
    assert isinstance(OPENAI.decode_request(request), Ask)
