"""The OpenAI wire in both roles: what one side writes is what the other side reads."""

import asyncio
import dataclasses
import json
import pickle
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.clock import VirtualClock, run
from harness.providers.call import (
    Endpoint,
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
)
from harness.providers.chat import (
    Ask,
    Message,
    Reply,
    Schema,
    Tool,
    ToolCall,
    Usage,
)
from harness.providers.dialects import DIALECTS
from harness.providers.openai import OPENAI, PATH, Dialect
from harness.providers.openai.got import decode_reply, decode_stream
from harness.providers.sse import decode_events
from harness.transport import measure
from tests.providers.anything import pieces, replies

AT = Endpoint("http://model/v1", "a-key")
OBJECT = msgspec.Raw(b'{"type":"object"}')
TOOL = Tool("pay", "Pay it.", OBJECT)
CLOSED = msgspec.Raw(b'{"type":"object","properties":{},"additionalProperties":false}')
HI = Ask(model="m", messages=[Message("user", "hi")])
STREAM = httpx.Headers({"content-type": "text/event-stream; charset=utf-8"})

# Each case is what it means, and its JSON written by hand.
ASKS: dict[str, tuple[Ask, dict[str, object]]] = {
    "the least": (HI, {"model": "m", "messages": [{"role": "user", "content": "hi"}]}),
    "tools, one forced": (
        Ask(
            model="m",
            messages=[Message("system", "s"), Message("user", "Zahle 3 €")],
            tools=[TOOL],
            tool_choice="pay",
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
    "tools, whichever": (
        replace(HI, tools=[replace(TOOL, description="")], tool_choice="required"),
        {
            "model": "m",
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [
                {"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}
            ],
            "tool_choice": "required",
        },
    ),
    "a conversation with an answered call, streamed within a bound": (
        Ask(
            model="m",
            messages=[
                Message("user", "hi"),
                Message("assistant", "", (ToolCall("call_1", "pay", '{"a":1}'),)),
                Message("tool", "22", tool_call_id="call_1"),
            ],
            max_tokens=9,
            stream=True,
            include_usage=True,
        ),
        {
            "model": "m",
            "messages": [
                {"role": "user", "content": "hi"},
                {
                    "role": "assistant",
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "type": "function",
                            "function": {"name": "pay", "arguments": '{"a":1}'},
                        }
                    ],
                },
                {"role": "tool", "content": "22", "tool_call_id": "call_1"},
            ],
            "max_completion_tokens": 9,
            "stream": True,
            "stream_options": {"include_usage": True},
        },
    ),
    "a schema to keep": (
        replace(HI, schema=Schema("score", CLOSED)),
        {
            "model": "m",
            "messages": [{"role": "user", "content": "hi"}],
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "score",
                    "schema": {"type": "object", "properties": {}, "additionalProperties": False},
                    "strict": True,
                },
            },
        },
    ),
}

REPLY = Reply(
    id="c-1",
    model="m",
    created=17,
    text="All done, 3 €.\r\n",
    finish="stop",
    usage=Usage(3, 4, 1),
)
TWO_CALLS = (
    ToolCall("call_0", "pay", '{"a": "a text that is longer than one part, ü\\n"}'),
    ToolCall("call_1", "look", ""),
)
REPLIES = {
    "text": REPLY,
    "text cut by the limit": replace(REPLY, text="All", finish="length", usage=None),
    "nothing": replace(REPLY, text=None, finish="content_filter"),
    "one tool call": replace(REPLY, text=None, tool_calls=TWO_CALLS[:1], finish="tool_calls"),
    "text and two tool calls": replace(REPLY, tool_calls=TWO_CALLS, finish="tool_calls"),
}

# Requests


@pytest.mark.parametrize("case", ASKS)
def test_a_request_is_written_as_the_api_reads_it(case: str) -> None:
    meant, on_the_wire = ASKS[case]
    request = OPENAI.chat(AT, meant).request
    assert (request.method, str(request.url)) == ("POST", "http://model/v1/chat/completions")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer a-key"
    assert json.loads(request.content) == on_the_wire


KINDS: tuple[Ask, ...] = tuple(
    replace(HI, **changed)
    for changed in (
        {},
        {"model": 'm "[]"'},
        {"tools": (TOOL,)},
        {"tools": (replace(TOOL, parameters=CLOSED),)},
        {"tools": (TOOL,), "tool_choice": "required"},
        {"tools": (TOOL, replace(TOOL, name="find")), "tool_choice": "required"},
        {"schema": Schema("s", OBJECT)},
        {"schema": Schema("s", CLOSED)},
        {"max_tokens": 9},
        {"stream": True},
        {"stream": True, "include_usage": True},
    )
)


@pytest.mark.parametrize("dialect", [OPENAI, *DIALECTS], ids=lambda dialect: dialect.NAME)
def test_a_request_is_the_same_whatever_was_asked_before(dialect: Dialect) -> None:
    for messages in ([], [Message("user", "hi")], [Message("system", "[]"), Message("user", "€")]):
        for kind in KINDS:
            ask = replace(kind, messages=messages)
            first = dataclasses.replace(dialect).chat(AT, ask).request
            again = dialect.chat(AT, ask).request
            assert (again.content, again.headers.raw) == (first.content, first.headers.raw)
            told = json.loads(again.content)
            assert told["messages"][len(told["messages"]) - len(messages) :] == [
                {"role": message.role, "content": message.text} for message in messages
            ]


def test_tools_that_change_after_they_were_offered_are_offered_as_they_are() -> None:
    tools = [TOOL]
    ask = replace(HI, tools=tools)
    before = json.loads(OPENAI.chat(AT, ask).request.content)["tools"]
    tools.append(replace(TOOL, name="find"))
    after = json.loads(OPENAI.chat(AT, ask).request.content)["tools"]
    assert [len(before), len(after)] == [1, 2]


@pytest.mark.parametrize("dialect", [OPENAI, *DIALECTS], ids=lambda dialect: dialect.NAME)
def test_a_dialect_can_be_handed_to_another_process(dialect: Dialect) -> None:
    dialect.chat(AT, HI)
    assert pickle.loads(pickle.dumps(dialect)) == dialect


def test_each_key_opens_with_itself() -> None:
    for key in ("a-key", "another", "a-key"):
        request = OPENAI.chat(Endpoint("http://model/v1", key), HI).request
        assert request.headers["authorization"] == f"Bearer {key}"
        assert OPENAI.key_of(request) == key


@pytest.mark.parametrize("case", ASKS)
def test_a_request_is_read_as_it_was_meant(case: str) -> None:
    meant, on_the_wire = ASKS[case]
    by_hand = posted(json.dumps(on_the_wire).encode())
    for request in (OPENAI.chat(AT, meant).request, by_hand):
        asked = OPENAI.decode_request(request)
        assert isinstance(asked, Ask), asked
        assert plain(asked) == plain(meant)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ({"messages": [{"role": "developer", "content": "d"}]}, Message("system", "d")),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "a"},
                            {"type": "image_url", "image_url": {"url": "http://x"}},
                            {"type": "text", "text": "b"},
                        ],
                    }
                ]
            },
            Message("user", "a\nb"),
        ),
    ],
)
def test_a_message_may_be_written_in_other_ways(sent: dict[str, object], meant: Message) -> None:
    asked = OPENAI.decode_request(posted(json.dumps({"model": "m", **sent}).encode()))
    assert isinstance(asked, Ask), asked
    assert list(asked.messages) == [meant]


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 0.2, "seed": 7, "user": "u", "top_p": 1, "presence_penalty": -2},
        {"parallel_tool_calls": False, "logprobs": True, "top_logprobs": 2, "stop": ["a"]},
        {"stream": True, "stream_options": {"include_usage": False, "include_obfuscation": True}},
        {"store": True, "metadata": {"a": "b"}, "service_tier": "auto", "n": 1},
        {"response_format": {"type": "text"}, "tools": None, "tool_choice": None, "stream": None},
    ],
)
def test_what_has_no_part_in_the_answer_is_taken(more: dict[str, object]) -> None:
    _, least = ASKS["the least"]
    asked = OPENAI.decode_request(posted(json.dumps({**least, **more}).encode()))
    assert isinstance(asked, Ask), asked
    assert plain(replace(asked, stream=False)) == plain(HI)


def test_json_mode_asks_for_any_object() -> None:
    _, least = ASKS["the least"]
    said = {"messages": [{"role": "user", "content": "as JSON, please"}]}
    form = {"response_format": {"type": "json_object"}}
    asked = OPENAI.decode_request(posted(json.dumps({**least, **said, **form}).encode()))
    assert isinstance(asked, Ask), asked
    assert asked.schema is not None
    assert bytes(asked.schema.schema) == b'{"type":"object"}'


# Replies


@pytest.mark.parametrize("case", REPLIES)
def test_a_reply_is_read_as_it_was_meant(case: str) -> None:
    body = OPENAI.encode_reply(REPLIES[case])
    assert decode_reply(200, httpx.Headers(), body) == REPLIES[case]


@pytest.mark.parametrize("case", REPLIES)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_stream_is_read_as_it_was_meant_however_its_text_is_cut(case: str, size: int) -> None:
    reply = REPLIES[case]
    body = b"".join(OPENAI.encode_stream(reply, pieces(reply.text, size), USED))
    assert decode_reply(200, STREAM, body) == reply


@settings(max_examples=50)
@given(replies("c-", "call_"))
def test_any_reply_survives_both_ways_of_sending_it(reply: Reply) -> None:
    seen = replace(reply, reasoning="")  # OpenAI keeps to itself what a model thought.
    assert decode_reply(200, httpx.Headers(), OPENAI.encode_reply(reply)) == seen
    chunks = OPENAI.encode_stream(reply, pieces(reply.text, 2), USED)
    assert decode_stream(b"".join(chunks)) == seen


def test_a_reply_has_the_fields_that_sdks_show() -> None:
    told = json.loads(OPENAI.encode_reply(REPLIES["one tool call"]))
    assert set(told) == {
        "id", "object", "created", "model", "choices", "usage", "service_tier",
        "system_fingerprint",
    }  # fmt: skip
    (choice,) = told["choices"]
    assert set(choice) == {"index", "message", "logprobs", "finish_reason"}
    assert set(choice["message"]) == {"role", "content", "refusal", "annotations", "tool_calls"}
    assert choice["message"]["content"] is None
    assert told["usage"] == {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 1,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def test_a_stream_tells_its_usage_only_where_asked() -> None:
    chunks = OPENAI.encode_stream(REPLY, pieces(REPLY.text, 5), HI)
    assert decode_stream(b"".join(chunks)) == replace(REPLY, usage=None)
    assert b"usage" not in b"".join(chunks)


def test_until_its_end_a_stream_that_tells_its_usage_says_null() -> None:
    chunks = b"".join(OPENAI.encode_stream(REPLY, pieces(REPLY.text, 5), USED)).split(b"\n\n")
    events = [json.loads(chunk.removeprefix(b"data: ")) for chunk in chunks[:-2]]
    assert [event["usage"] for event in events[:-1]] == [None] * (len(events) - 1)
    assert (events[-1]["choices"], events[-1]["usage"]["total_tokens"]) == ([], 7)
    assert chunks[-2:] == [b"data: [DONE]", b""]


def test_all_chunks_of_a_stream_say_whose_they_are_whatever_the_names_hold() -> None:
    odd = 'x"delta":{}\n\\'
    reply = replace(REPLY, id=odd, model=odd)
    body = b"".join(OPENAI.encode_stream(reply, ["All ", "done"], USED))
    told = [json.loads(event.data) for event in decode_events(body) if event.data != "[DONE]"]
    assert {(each["id"], each["model"]) for each in told} == {(odd, odd)}
    assert [each["choices"][0]["delta"] for each in told if each["choices"]] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "All "},
        {"content": "done"},
        {},
    ]


def test_a_streamed_call_names_itself_once_and_then_its_arguments_in_parts() -> None:
    reply = REPLIES["one tool call"]
    deltas = [
        json.loads(line.removeprefix(b"data: "))["choices"][0]["delta"]
        for chunk in OPENAI.encode_stream(reply, [], HI)[:-1]
        for line in chunk.split(b"\n\n")[:-1]
    ]
    assert deltas[0] == {"role": "assistant", "content": "", "refusal": None}
    (head,) = deltas[1]["tool_calls"]
    assert head == {
        "index": 0,
        "id": "call_0",
        "type": "function",
        "function": {"name": "pay", "arguments": ""},
    }
    parts = [part for delta in deltas[2:] for part in delta["tool_calls"]]
    assert len(parts) > 1
    assert all(set(part) == {"index", "function"} for part in parts)
    assert "".join(p["function"]["arguments"] for p in parts) == reply.tool_calls[0].arguments


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 1000), max_size=8))
def test_a_stream_reads_the_same_wherever_the_network_cuts_it(cuts: list[int]) -> None:
    reply = REPLIES["text and two tool calls"]
    body = b"".join(OPENAI.encode_stream(reply, pieces(reply.text, 4), USED))
    edges = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    parts = [body[a:b] for a, b in pairwise(edges)]

    async def served(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Parts(parts))

    async def main() -> bytes:
        transport = httpx.MockTransport(served)
        call = OPENAI.chat(AT, USED)
        return (await measure(transport, VirtualClock(), call.request, 60.0)).body

    assert decode_stream(run("virtual", main())) == reply


HEAD = b'"id":"c","model":"m","created":1,"object":"chat.completion.chunk"'
FINISH = b"data: {" + HEAD + b',"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


def test_a_stream_may_tell_its_usage_anywhere() -> None:
    usage = b'"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}'
    early = b"data: {" + HEAD + b',"choices":[],' + usage + b"}\n\n"
    for body in (early + FINISH + DONE, FINISH + early + DONE):
        assert decode_stream(body).usage == Usage(1, 2)


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
        ("an unknown finish reason", FINISH.replace(b'"stop"', b'"bored"') + DONE),
        (
            "arguments before their call",
            b"data: {" + HEAD + b',"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,'
            b'"function":{"arguments":"{}"}}]},"finish_reason":null}]}\n\n' + FINISH + DONE,
        ),
    ],
)
def test_a_stream_that_the_wire_does_not_allow_is_malformed(why: str, body: bytes) -> None:
    with pytest.raises(Malformed):
        decode_stream(body)


def events(*told: str) -> bytes:
    return b"".join(f"data: {each}\n\n".encode() for each in (*told, "[DONE]"))


def text_chunk(text: str, more: str = "") -> str:
    """A chunk whose text is written so, well or not."""
    choice = '{"index":0,"delta":{"content":"' + text + '"},"finish_reason":"stop"}'
    return "{" + HEAD.decode() + more + ',"choices":[' + choice + "]}"


@pytest.mark.parametrize(
    "told",
    [
        (
            text_chunk("a") + ",{" + HEAD.decode(),
            text_chunk("b").removeprefix("{" + HEAD.decode() + ","),
        ),
        (text_chunk("a") + ",{", text_chunk("b")[1:]),
        (text_chunk("a"), text_chunk("b") + text_chunk("c"), ""),
        (text_chunk("a"), text_chunk("b\\"), text_chunk("nc")),
        (text_chunk("a"), text_chunk("\\ud83d"), text_chunk("\\ude00")),
        (text_chunk("a"), text_chunk("b"), text_chunk('c""d')),
    ],
)
def test_each_event_is_a_chunk_of_its_own_whatever_they_make_together(told: Sequence[str]) -> None:
    with pytest.raises(Malformed):
        decode_stream(events(*told))


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("stop", ""),
        ("m", ',"delta":{"content":"m"}'),
        ('a","content":"b', ""),
        ('a","role":"assistant', ""),
        ('a","reasoning":"b', ""),
        ('a"},"delta":{"content":"a', ""),
    ],
)
def test_chunks_that_are_alike_but_for_their_text_are_read_each(text: str, more: str) -> None:
    alike = [text_chunk(each, more) for each in ("x", text, text, "y")]
    assert outcome(alike) == outcome(unlike(alike)) != "Malformed"


WRITTEN = st.text('"\\{},:nu0d83e €', max_size=8) | st.sampled_from(['","content":"', '"},{"'])


@given(st.lists(st.text().map(lambda text: json.dumps(text)[1:-1]) | WRITTEN, max_size=5))
def test_texts_in_a_stream_are_read_as_if_each_stood_alone(texts: list[str]) -> None:
    alike = [text_chunk(text) for text in texts]
    assert outcome(alike) == outcome(unlike(alike))


def outcome(told: Sequence[str]) -> Reply | str:
    try:
        return decode_stream(events(*told))
    except ProviderFault as fault:
        return type(fault).__name__


def unlike(told: Sequence[str]) -> list[str]:
    """The same chunks, none like another: with a field that nobody reads."""
    return [f'{{"obfuscation":{n},{each[1:]}' for n, each in enumerate(told)]


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
        decode_stream(b"data: " + event + b"\n\n" + FINISH + DONE)


# Faults


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, Malformed), (401, Unauthorized), (402, Malformed), (403, Unauthorized),
        (404, Malformed), (302, Malformed), (422, Malformed), (429, RateLimited),
        (500, Overloaded), (502, Overloaded), (503, Overloaded), (504, Overloaded),
        (529, Overloaded),
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b'{"error":"busy"}', b'"\xff"', b"[]"])
def test_a_status_decides_the_fault_whatever_the_body(
    status: int, fault: type[ProviderFault], body: bytes
) -> None:
    with pytest.raises(fault, match=f"{status} without an error body") as caught:
        decode_reply(status, httpx.Headers(), body)
    assert type(caught.value) is fault


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
        b'{"id":"c","model":"m","created":1,"choices":[{"message":{}}]}',
    ],
)
def test_a_completion_that_the_wire_does_not_allow_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        decode_reply(200, httpx.Headers(), body)


@given(
    st.integers(100, 599), st.sampled_from(["application/json", "text/event-stream"]), st.binary()
)
def test_no_answer_raises_anything_but_a_provider_fault(
    status: int, content_type: str, body: bytes
) -> None:
    with pytest.raises(ProviderFault):
        decode_reply(status, httpx.Headers({"content-type": content_type}), body)


@pytest.mark.parametrize("word", ["sk-live-4f00", "a word", "x" * 65, "\N{GRINNING FACE}"])
def test_a_fault_repeats_no_text_of_the_answer(word: str) -> None:
    """Only what looks like a machine-readable word is told, and never the message."""
    body = json.dumps({"error": {"message": "my secret", "type": word + " ", "code": None}})
    with pytest.raises(RateLimited) as caught:
        decode_reply(429, httpx.Headers(), body.encode())
    assert str(caught.value) == "429 without an error body"


USED = replace(HI, stream=True, include_usage=True)


class Parts(httpx.AsyncByteStream):
    """A body that comes in these parts, a second apart."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            await asyncio.sleep(1.0)
            yield part


def posted(body: bytes) -> httpx.Request:
    return httpx.Request("POST", AT.url(PATH), content=body)


def plain(ask: Ask) -> object:
    """The ask as builtins: a raw schema is equal to another with the same bytes only here."""
    return json.loads(msgspec.json.encode(ask))
