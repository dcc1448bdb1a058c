"""The Gemini wire in both roles: what one side writes is what the other side reads."""

import json

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers import gemini as wire
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
from harness.providers.gemini import GEMINI
from tests.providers.anything import decoded, pieces, replies

AT = Endpoint("http://model", "a-key")
OBJECT = msgspec.Raw(b'{"type":"object","properties":{"snake_case":{"default":null}}}')
TOOL = Tool("pay", "Pay it.", OBJECT)
USER = {"role": "user", "parts": [{"text": "hi"}]}
HI = {"contents": [USER]}
STREAM = httpx.Headers({"content-type": "text/event-stream"})
DECLARED = {
    "functionDeclarations": [
        {"name": "pay", "description": "Pay it.", "parametersJsonSchema": decoded(bytes(OBJECT))}
    ]
}

# Each case is what is meant, and its JSON written by hand.
ASKS = {
    "the least": (
        Ask(model="m", messages=[Message("user", "hi")], include_usage=True),
        {**HI, "generationConfig": {}},
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
            "contents": [{"role": "user", "parts": [{"text": "Zahle 3 €"}]}],
            "systemInstruction": {"parts": [{"text": "s"}]},
            "tools": [DECLARED],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
            "generationConfig": {"maxOutputTokens": 9},
        },
    ),
    "tools, one of them": (
        Ask(
            model="m",
            messages=[Message("user", "hi")],
            tools=[TOOL],
            tool_choice="pay",
            include_usage=True,
        ),
        {
            **HI,
            "tools": [DECLARED],
            "toolConfig": {
                "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["pay"]}
            },
            "generationConfig": {},
        },
    ),
    "tools, none of them": (
        Ask(
            model="m",
            messages=[Message("user", "hi")],
            tools=[TOOL],
            tool_choice="none",
            include_usage=True,
        ),
        {
            **HI,
            "tools": [DECLARED],
            "toolConfig": {"functionCallingConfig": {"mode": "NONE"}},
            "generationConfig": {},
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
                    (ToolCall("call_0", "pay", '{"a_b":1}'), ToolCall("call_1", "look", "{}")),
                ),
                Message("tool", '{"result":"22"}', (), "call_0"),
                Message("tool", "23", (), "call_1"),
            ],
            include_usage=True,
        ),
        {
            "contents": [
                USER,
                {
                    "role": "model",
                    "parts": [
                        {"text": "Well."},
                        {"functionCall": {"name": "pay", "args": {"a_b": 1}}},
                        {"functionCall": {"name": "look", "args": {}}},
                    ],
                },
                {
                    "role": "user",
                    "parts": [
                        {
                            "functionResponse": {
                                "name": "pay",
                                "response": {"result": '{"result":"22"}'},
                            }
                        },
                        {"functionResponse": {"name": "look", "response": {"result": "23"}}},
                    ],
                },
            ],
            "generationConfig": {},
        },
    ),
    "an answer by a schema": (
        Ask(
            model="m",
            messages=[Message("user", "hi")],
            schema=Schema("", OBJECT),
            include_usage=True,
        ),
        {
            **HI,
            "generationConfig": {
                "responseMimeType": "application/json",
                "responseJsonSchema": decoded(bytes(OBJECT)),
            },
        },
    ),
}


def request(
    body: object, path: str = "/v1beta/models/m:generateContent", **headers: str
) -> httpx.Request:
    content = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return httpx.Request("POST", AT.url(path), headers=named, content=content)


def same(one: Ask, other: Ask) -> bool:
    """Raw JSON has no equality of its own."""
    return decoded(msgspec.json.encode(one)) == decoded(msgspec.json.encode(other))


@pytest.mark.parametrize("case", ASKS)
def test_a_request_is_written_as_the_api_reads_it(case: str) -> None:
    meant, on_the_wire = ASKS[case]
    made = GEMINI.chat(AT, meant).request
    assert (made.method, str(made.url)) == (
        "POST",
        "http://model/v1beta/models/m:generateContent",
    )
    assert made.headers["x-goog-api-key"] == "a-key"
    assert json.loads(made.content) == on_the_wire


@pytest.mark.parametrize("case", ASKS)
def test_a_request_is_read_as_it_was_meant(case: str) -> None:
    meant, on_the_wire = ASKS[case]
    asked = GEMINI.decode_request(request(on_the_wire))
    assert isinstance(asked, Ask)
    assert same(asked, meant)


def test_a_stream_is_asked_for_by_the_path() -> None:
    made = GEMINI.chat(AT, Ask(model="a/b", messages=[Message("user", "hi")], stream=True)).request
    assert made.url.raw_path == b"/v1beta/models/a%2Fb:streamGenerateContent?alt=sse"
    asked = GEMINI.decode_request(made)
    assert isinstance(asked, Ask)
    assert (asked.model, asked.stream) == ("a/b", True)


@given(replies("r-", "call_"), st.integers(1, 40))
@settings(max_examples=50, deadline=None)
def test_any_reply_survives_both_ways_of_sending_it(reply: Reply, size: int) -> None:
    assert wire.decode_reply(200, httpx.Headers(), GEMINI.encode_reply(reply)) == reply
    chunks = GEMINI.encode_stream(reply, pieces(reply.text, size), ASKS["the least"][0])
    assert wire.decode_reply(200, STREAM, b"".join(chunks)) == reply


def test_a_stream_has_an_opening_a_chunk_a_piece_and_a_finish_without_end_mark() -> None:
    reply = Reply(
        id="chatcmpl-1",
        model="m",
        created=5,
        text="Let me see.",
        tool_calls=(ToolCall("call_0", "pay", '{"a":1}'),),
        finish="tool_calls",
        usage=Usage(3, 40, 4),
    )
    chunks = GEMINI.encode_stream(reply, ["Let me ", "see."], ASKS["the least"][0])
    assert all(c.startswith(b"data: {") and c.endswith(b"}\r\n\r\n") for c in chunks)
    told = [json.loads(chunk[6:]) for chunk in chunks]
    parts = [each["candidates"][0]["content"]["parts"] for each in told]
    assert parts == [
        [{"text": ""}],
        [{"text": "Let me "}],
        [{"text": "see."}],
        [{"functionCall": {"name": "pay", "args": {"a": 1}}}],
        [{"text": ""}],
    ]
    assert [each["candidates"][0].get("finishReason") for each in told] == [None] * 4 + ["STOP"]
    assert told[-1]["usageMetadata"] == {
        "promptTokenCount": 3,
        "candidatesTokenCount": 36,
        "thoughtsTokenCount": 4,
        "totalTokenCount": 43,
    }
    assert told[-1]["responseId"] == "1"


@pytest.mark.parametrize("arguments", ['{"amount": "12.', "", "[1]", "no"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_whose_arguments_are_no_object_is_told_as_tried_and_not_made(
    arguments: str, stream: bool
) -> None:
    broken = Reply(
        id="r-1",
        model="m",
        created=0,
        text=None,
        tool_calls=(ToolCall("call_0", "pay", arguments),),
        finish="tool_calls",
        usage=Usage(1, 1),
    )
    body = (
        b"".join(GEMINI.encode_stream(broken, [], ASKS["the least"][0]))
        if stream
        else GEMINI.encode_reply(broken)
    )
    assert b'"finishReason":"MALFORMED_FUNCTION_CALL"' in body
    told = wire.decode_reply(200, STREAM if stream else httpx.Headers(), body)
    assert (told.tool_calls, told.text, told.finish) == ((), None, "stop")


def test_the_client_never_prints_its_key() -> None:
    call = GEMINI.chat(Endpoint("http://model", "AIza-secret"), ASKS["the least"][0])
    assert "secret" not in repr(call)
