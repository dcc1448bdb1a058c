"""The Anthropic wire in both roles: what one side writes is what the other side reads."""

import json

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.providers import anthropic as wire
from harness.providers import sse
from harness.providers.anthropic import ANTHROPIC, BEARER, VERSION
from harness.providers.call import Endpoint
from harness.providers.chat import (
    Ask,
    Message,
    Reply,
    Schema,
    Tool,
    ToolCall,
    Usage,
)
from tests.providers.anything import decoded, pieces, replies

AT = Endpoint("http://model", "a-key")
OBJECT = msgspec.Raw(b'{"type":"object"}')
TOOL = Tool("pay", "Pay it.", OBJECT)
HI = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
STREAM = httpx.Headers({"content-type": "text/event-stream; charset=utf-8"})

# Each case is what is meant, and its JSON written by hand.
ASKS = {
    "the least": (
        Ask(model="m", messages=[Message("user", "hi")], max_tokens=9, include_usage=True),
        HI,
    ),
    "a bound where none was set": (
        Ask(model="m", messages=[Message("user", "hi")], include_usage=True),
        {**HI, "max_tokens": 1024},
    ),
    "tools, whichever": (
        Ask(
            model="m",
            messages=[Message("system", "s"), Message("user", "Zahle 3 €")],
            tools=[TOOL],
            tool_choice="required",
            max_tokens=9,
            include_usage=True,
        ),
        {
            **HI,
            "messages": [{"role": "user", "content": "Zahle 3 €"}],
            "system": "s",
            "tools": [
                {"name": "pay", "description": "Pay it.", "input_schema": {"type": "object"}}
            ],
            "tool_choice": {"type": "any"},
        },
    ),
    "tools, one of them, streamed": (
        Ask(
            model="m",
            messages=[Message("user", "hi")],
            tools=[TOOL],
            tool_choice="pay",
            max_tokens=9,
            stream=True,
            include_usage=True,
        ),
        {
            **HI,
            "tools": [
                {"name": "pay", "description": "Pay it.", "input_schema": {"type": "object"}}
            ],
            "tool_choice": {"type": "tool", "name": "pay"},
            "stream": True,
        },
    ),
    "two calls and their results": (
        Ask(
            model="m",
            messages=[
                Message("user", "hi"),
                Message(
                    "assistant",
                    "Well.",
                    (ToolCall("toolu_0", "pay", '{"a":1}'), ToolCall("toolu_1", "pay", "{}")),
                ),
                Message("tool", "22", (), "toolu_0"),
                Message("tool", "23", (), "toolu_1"),
            ],
            max_tokens=9,
            include_usage=True,
        ),
        {
            **HI,
            "messages": [
                {"role": "user", "content": "hi"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "text", "text": "Well."},
                        {"type": "tool_use", "id": "toolu_0", "name": "pay", "input": {"a": 1}},
                        {"type": "tool_use", "id": "toolu_1", "name": "pay", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "toolu_0", "content": "22"},
                        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "23"},
                    ],
                },
            ],
        },
    ),
    "an answer by a schema": (
        Ask(
            model="m",
            messages=[Message("user", "hi")],
            schema=Schema("", OBJECT),
            max_tokens=9,
            include_usage=True,
        ),
        {
            **HI,
            "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
        },
    ),
}


def request(body: object, **headers: str) -> httpx.Request:
    content = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    named = {"anthropic-version": VERSION} | {k.replace("_", "-"): v for k, v in headers.items()}
    return httpx.Request("POST", AT.url("/v1/messages"), headers=named, content=content)


def same(one: Ask, other: Ask) -> bool:
    """Raw JSON has no equality of its own."""
    return decoded(msgspec.json.encode(one)) == decoded(msgspec.json.encode(other))


@pytest.mark.parametrize("case", ASKS)
def test_a_request_is_written_as_the_api_reads_it(case: str) -> None:
    meant, on_the_wire = ASKS[case]
    made = ANTHROPIC.chat(AT, meant).request
    assert (made.method, str(made.url)) == ("POST", "http://model/v1/messages")
    assert made.headers["x-api-key"] == "a-key"
    assert made.headers["anthropic-version"] == "2026-10-21"
    assert json.loads(made.content) == on_the_wire


@pytest.mark.parametrize("case", ASKS)
def test_a_request_is_read_as_it_was_meant(case: str) -> None:
    meant, on_the_wire = ASKS[case]
    asked = ANTHROPIC.decode_request(request(on_the_wire))
    assert isinstance(asked, Ask)
    assert same(asked, replace(meant, max_tokens=meant.max_tokens or 1024))


@given(replies("msg_", "toolu_"), st.integers(1, 40))
@settings(max_examples=50, deadline=None)
def test_any_reply_survives_both_ways_of_sending_it(reply: Reply, size: int) -> None:
    assert wire.decode_reply(200, httpx.Headers(), ANTHROPIC.encode_reply(reply)) == reply
    chunks = ANTHROPIC.encode_stream(reply, pieces(reply.text, size), ASKS["the least"][0])
    assert wire.decode_reply(200, STREAM, b"".join(chunks)) == reply


CALLED = Reply(
    id="chatcmpl-1",
    model="m",
    created=5,
    text="Let me see.",
    tool_calls=(ToolCall("call_0", "pay", '{"amount": "12.50", "payee": "tea-house"}'),),
    finish="tool_calls",
    usage=Usage(3, 40),
)


def test_a_stream_has_the_events_of_the_api_in_their_order() -> None:
    chunks = ANTHROPIC.encode_stream(CALLED, ["Let me ", "see."], ASKS["the least"][0])
    events = list(sse.decode_events(b"".join(chunks)))
    assert [event.name for event in events] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    told = [json.loads(event.data) for event in events]
    assert [event["type"] for event in told] == [event.name for event in events]
    assert told[0]["message"]["content"] == []
    assert told[0]["message"]["usage"]["output_tokens"] == 1
    assert told[6]["content_block"] == {
        "type": "tool_use",
        "id": "toolu_0",
        "name": "pay",
        "input": {},
    }
    parts = [event["delta"]["partial_json"] for event in told[7:10]]
    assert parts[0] == ""
    assert "".join(parts) == CALLED.tool_calls[0].arguments
    with pytest.raises(json.JSONDecodeError):
        json.loads(parts[1])
    assert told[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert told[-2]["usage"]["output_tokens"] == 40


def test_there_is_an_opening_a_chunk_a_piece_and_a_finish() -> None:
    chunks = ANTHROPIC.encode_stream(CALLED, ["Let me ", "see."], ASKS["the least"][0])
    assert chunks[0].startswith(b"event: message_start")
    assert b"Let me " in chunks[1]
    assert b"see." in chunks[2]
    assert chunks[-1].startswith(b"event: message_delta")


@pytest.mark.parametrize("arguments", ['{"amount": "12.', "", "[1]", "no", "\\"])
def test_arguments_that_are_no_object_reach_a_client_so_that_it_cannot_take_them_for_one(
    arguments: str,
) -> None:
    broken = Reply(
        id="msg_1",
        model="m",
        created=0,
        text=None,
        tool_calls=(ToolCall("toolu_0", "pay", arguments),),
        finish="tool_calls",
        usage=Usage(1, 1),
    )
    whole = wire.decode_reply(200, httpx.Headers(), ANTHROPIC.encode_reply(broken))
    assert json.loads(whole.tool_calls[0].arguments) == {"INVALID_JSON": arguments}
    chunks = ANTHROPIC.encode_stream(broken, [], ASKS["the least"][0])
    streamed = wire.decode_reply(200, STREAM, b"".join(chunks))
    assert streamed.tool_calls[0].arguments == (arguments or "{}")


def test_the_client_never_prints_its_key() -> None:
    call = ANTHROPIC.chat(Endpoint("http://model", "sk-ant-secret"), ASKS["the least"][0])
    assert "secret" not in repr(call)


def test_a_token_goes_as_a_bearer_token_and_as_nothing_else() -> None:
    ask = Ask(model="m", messages=[Message("user", "hi")])
    request = ANTHROPIC.chat(Endpoint("http://model", "a-token", key_id=BEARER), ask).request
    assert ("x-api-key" in request.headers, ANTHROPIC.key_of(request)) == (False, "a-token")
