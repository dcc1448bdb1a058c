"""The OpenAI wire in both roles: what one side writes is what the other side reads."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.clock import VirtualClock, run
from harness.providers import openai as wire
from harness.providers.call import Endpoint, Malformed, Overloaded, ProviderFault
from harness.providers.openai import (
    ApiError,
    ChatReply,
    ChatRequest,
    FunctionName,
    FunctionSchema,
    Message,
    StreamOptions,
    Tool,
    ToolCall,
    ToolChoice,
    Usage,
)
from harness.transport import measure

AT = Endpoint("http://model/v1", "a-key")
TOOL = Tool(FunctionSchema("pay", "Pay it.", msgspec.Raw(b'{"type":"object"}')))

# Each case is what it means, and its JSON written by hand.
REQUESTS = {
    "the least": (
        ChatRequest("m", [Message("user", "hi")]),
        {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    ),
    "tools, one forced": (
        ChatRequest(
            "m",
            [Message("system", "s"), Message("user", "Zahle 3 €")],
            tools=[TOOL],
            tool_choice=ToolChoice(FunctionName("pay")),
        ),
        {
            "model": "m",
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "Zahle 3 €"},
            ],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "pay",
                        "description": "Pay it.",
                        "parameters": {"type": "object"},
                    },
                }
            ],
            "tool_choice": {"type": "function", "function": {"name": "pay"}},
        },
    ),
    "a stream with a limit": (
        ChatRequest(
            "m",
            [Message("user", "hi"), Message("assistant"), Message("tool", "22")],
            tool_choice="required",
            max_completion_tokens=9,
            stream=True,
            stream_options=StreamOptions(include_usage=True),
        ),
        {
            "model": "m",
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": None},
                {"role": "tool", "content": "22"},
            ],
            "tool_choice": "required",
            "max_completion_tokens": 9,
            "stream": True,
            "stream_options": {"include_usage": True},
        },
    ),
}

REPLIES = {
    "text": ChatReply("c-1", "m", 17, "All done, 3 €.\r\n", (), "stop", Usage(3, 4, 7)),
    "text cut by the limit": ChatReply("c-2", "m", 17, "All", (), "length", None),
    "nothing": ChatReply("c-3", "m", 17, None, (), "content_filter", None),
    "one tool call": ChatReply(
        "c-4", "m", 17, None, (ToolCall("call_0", "pay", '{"a": "ü\\n"}'),), "tool_calls", None
    ),
    "text and two tool calls": ChatReply(
        "c-5",
        "m",
        17,
        "Let me see.",
        (ToolCall("call_0", "pay", "{}"), ToolCall("call_1", "look", "")),
        "tool_calls",
        Usage(1, 2, 3),
    ),
}

replies = st.builds(
    ChatReply,
    st.text(),
    st.text(),
    st.integers(0, 2**40),
    st.none() | st.text(min_size=1),
    st.lists(st.builds(ToolCall, st.text(), st.text(), st.text()), max_size=3).map(tuple),
    st.sampled_from(["stop", "length", "tool_calls", "content_filter"]),
    st.none() | st.builds(Usage, *[st.integers(0, 10**6)] * 3),
)


@pytest.mark.parametrize("case", REQUESTS)
def test_a_request_is_written_as_the_api_reads_it(case: str) -> None:
    meant, on_the_wire = REQUESTS[case]
    request = wire.encode_request(AT, meant)
    assert (request.method, str(request.url)) == ("POST", "http://model/v1/chat/completions")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer a-key"
    assert msgspec.json.decode(request.content) == on_the_wire


@pytest.mark.parametrize("case", REQUESTS)
def test_a_request_is_read_as_it_was_meant(case: str) -> None:
    meant, on_the_wire = REQUESTS[case]
    by_hand = httpx.Request("POST", AT.url(wire.PATH), content=msgspec.json.encode(on_the_wire))
    for request in (wire.encode_request(AT, meant), by_hand):
        assert wire.decode_request(request) == meant


@pytest.mark.parametrize("case", REPLIES)
def test_a_reply_is_read_as_it_was_meant(case: str) -> None:
    body = wire.encode_reply(REPLIES[case])
    assert wire.decode_reply(200, httpx.Headers(), body) == REPLIES[case]


@pytest.mark.parametrize("case", REPLIES)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_stream_is_read_as_it_was_meant_however_its_text_is_cut(case: str, size: int) -> None:
    reply = REPLIES[case]
    body = b"".join(wire.encode_chunks(reply, pieces(reply, size), include_usage=True))
    headers = httpx.Headers({"content-type": "text/event-stream; charset=utf-8"})
    assert wire.decode_reply(200, headers, body) == reply


@given(replies)
def test_any_reply_survives_both_ways_of_sending_it(reply: ChatReply) -> None:
    assert wire.decode_reply(200, httpx.Headers(), wire.encode_reply(reply)) == reply
    chunks = wire.encode_chunks(reply, pieces(reply, 2), include_usage=True)
    assert wire.decode_stream(b"".join(chunks)) == reply


def test_a_stream_tells_its_usage_only_where_asked() -> None:
    reply = REPLIES["text"]
    told = wire.decode_stream(b"".join(wire.encode_chunks(reply, pieces(reply, 5))))
    assert told == msgspec.structs.replace(reply, usage=None)


@settings(deadline=None)
@given(st.lists(st.integers(0, 1000), max_size=8))
def test_a_stream_reads_the_same_wherever_the_network_cuts_it(cuts: list[int]) -> None:
    reply = REPLIES["text and two tool calls"]
    body = b"".join(wire.encode_chunks(reply, pieces(reply, 4), include_usage=True))
    edges = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    parts = [body[a:b] for a, b in pairwise(edges)]

    async def served(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Parts(parts))

    async def main() -> bytes:
        transport = httpx.MockTransport(served)
        call = wire.chat(AT, ChatRequest("m", [Message("user", "hi")], stream=True))
        return (await measure(transport, VirtualClock(), call.request, 60.0)).body

    assert wire.decode_stream(run("virtual", main())) == reply


HEAD = b'"id":"c","model":"m","created":1,"object":"chat.completion.chunk"'
FINISH = b"data: {" + HEAD + b',"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


def test_a_stream_may_tell_its_usage_anywhere() -> None:
    usage = b'"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}'
    early = b"data: {" + HEAD + b',"choices":[],' + usage + b"}\n\n"
    for body in (early + FINISH + DONE, FINISH + early + DONE):
        assert wire.decode_stream(body).usage == Usage(1, 2, 3)


@pytest.mark.parametrize(
    ("why", "body"),
    [
        ("nothing at all", b""),
        ("only comments", b": hello\n\n"),
        ("an end mark alone", DONE),
        ("no finish reason", b"data: {" + HEAD + b',"choices":[]}\n\n' + DONE),
        ("no end mark", FINISH),
        ("an end mark that no blank line closes", FINISH + b"data: [DONE]\n"),
        ("no JSON", b"data: hello\n\n" + FINISH + DONE),
        ("no chunk", b'data: {"id":"c"}\n\n' + FINISH + DONE),
        ("bytes that are no UTF-8", b'data: {"id":"\xff}\n\n' + FINISH + DONE),
        (
            "arguments before their call",
            b"data: {" + HEAD + b',"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,'
            b'"function":{"arguments":"{}"}}]},"finish_reason":null}]}\n\n' + FINISH + DONE,
        ),
    ],
)
def test_a_stream_that_the_wire_does_not_allow_is_malformed(why: str, body: bytes) -> None:
    with pytest.raises(Malformed):
        wire.decode_stream(body)


@pytest.mark.parametrize(
    "event",
    [
        b'{"error":{"message":"m","type":"server_error"}}',
        b'{ "error": {"message": "m", "type": "server_error", "param": null, "code": null}}',
        b'{"id":"c","error":{"message":"m","type":"server_error","code":"busy"}}',
    ],
)
def test_an_error_in_mid_stream_is_a_fault_however_it_is_spelled(event: bytes) -> None:
    with pytest.raises(Overloaded, match="server_error"):
        wire.decode_stream(b"data: " + event + b"\n\n" + FINISH + DONE)


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, Malformed), (401, Malformed), (403, Malformed), (404, Malformed), (302, Malformed),
        (429, Overloaded), (500, Overloaded), (502, Overloaded), (503, Overloaded),
        (504, Overloaded), (529, Overloaded),
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b'{"error":"busy"}', b'"\xff"'])
def test_a_status_decides_the_fault_whatever_the_body(
    status: int, fault: type[ProviderFault], body: bytes
) -> None:
    with pytest.raises(fault, match=f"{status} without an error body"):
        wire.decode_reply(status, httpx.Headers(), body)


def test_an_error_body_names_the_fault() -> None:
    body = wire.encode_error(ApiError("slow down", "requests", None, "rate_limit_exceeded"))
    with pytest.raises(Overloaded) as caught:
        wire.decode_reply(429, httpx.Headers(), body)
    assert str(caught.value) == "429 requests rate_limit_exceeded"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"[]",
        b'{"id":"\xff"}',
        b'{"deep":' + b"[" * 100_000,
        b'{"id":"c","model":"m","created":1,"choices":[]}',
        b'{"id":"c","model":"m","created":"now","choices":[{"message":{},"finish_reason":"stop"}]}',
        b'{"id":"c","model":"m","created":1,"choices":[{"message":{},"finish_reason":"bored"}]}',
    ],
)
def test_a_completion_that_the_wire_does_not_allow_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        wire.decode_reply(200, httpx.Headers(), body)


@given(
    st.integers(100, 599), st.sampled_from(["application/json", "text/event-stream"]), st.binary()
)
def test_no_answer_raises_anything_but_a_provider_fault(
    status: int, content_type: str, body: bytes
) -> None:
    with pytest.raises(ProviderFault):
        wire.decode_reply(status, httpx.Headers({"content-type": content_type}), body)


USER = b'"messages":[{"role":"user","content":"hi"}]'


@pytest.mark.parametrize(
    ("why", "body"),
    [
        ("empty", b""),
        ("no JSON", b"hello"),
        ("no object", b"[]"),
        ("no model", b"{" + USER + b"}"),
        ("no messages", b'{"model":"m"}'),
        ("empty messages", b'{"model":"m","messages":[]}'),
        ("unknown role", b'{"model":"m","messages":[{"role":"king","content":"hi"}]}'),
        ("model of a wrong type", b'{"model":1,' + USER + b"}"),
        ("bytes that are no UTF-8", b'{"model":"\xff",' + USER + b"}"),
        ("too deep", b'{"model":"m","deep":' + b"[" * 100_000),
        ("a lone surrogate", b'{"model":"\\ud800",' + USER + b"}"),
    ],
)
def test_a_malformed_request_earns_an_error_and_no_exception(why: str, body: bytes) -> None:
    error = wire.decode_request(httpx.Request("POST", AT.url(wire.PATH), content=body))
    assert isinstance(error, ApiError)
    assert error.type == "invalid_request_error"


@given(st.binary())
def test_no_request_body_raises(body: bytes) -> None:
    asked = wire.decode_request(httpx.Request("POST", AT.url(wire.PATH), content=body))
    assert isinstance(asked, ApiError | ChatRequest)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", wire.PATH), ("POST", "/completions"), ("POST", "/models")]
)
def test_another_method_or_path_is_an_unknown_url(method: str, path: str) -> None:
    content = wire.encode_request(AT, REQUESTS["the least"][0]).content
    error = wire.decode_request(httpx.Request(method, AT.url(path), content=content))
    assert isinstance(error, ApiError)
    assert error.code == "unknown_url"


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("Bearer a-key", "a-key"),
        ("bearer  a-key ", "a-key"),
        ("Basic a-key", ""),
        ("a-key", ""),
        ("Bearer", ""),
        (None, ""),
    ],
)
def test_a_key_is_read_only_from_a_bearer_header(header: str | None, key: str) -> None:
    headers = {} if header is None else {"authorization": header}
    assert wire.bearer(httpx.Request("POST", "http://model", headers=headers)) == key


class Parts(httpx.AsyncByteStream):
    """A body that comes in these parts, a second apart."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            await asyncio.sleep(1.0)
            yield part


def pieces(reply: ChatReply, size: int) -> list[str]:
    text = reply.text or ""
    return [text[at : at + size] for at in range(0, len(text), size)]
