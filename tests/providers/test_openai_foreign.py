"""The OpenAI wire against foreign bytes: what the API writes is read right, whole or in pieces."""

import msgspec
import pytest

from harness.providers import openai as wire
from harness.providers.call import Malformed, Overloaded, ProviderFault
from harness.providers.openai import ChatReply, ChatRequest, Message, ToolCall, Usage
from tests.providers.foreign import FOLDER, read

REPLIES = {
    "completion": ChatReply(
        "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "gpt-4.1-2025-04-14",
        1741569952,
        "Bitte schön: 12,50 € sind bezahlt \N{GRINNING FACE}.\nNoch etwas?",
        (),
        "stop",
        Usage(19, 10, 29),
    ),
    "tool_call": ChatReply(
        "chatcmpl-abc123",
        "gpt-4o-mini",
        1699896916,
        None,
        (
            ToolCall(
                "call_abc123", "authorize_payment", '{\n"amount": "12.50",\n"payee": "café"\n}'
            ),
        ),
        "tool_calls",
        Usage(82, 17, 99),
    ),
    "stream_text": ChatReply(
        "chatcmpl-C4QLZ1",
        "gpt-4o-mini-2024-07-18",
        1755137933,
        "All done: 12,50 € 已付款.",
        (),
        "stop",
        Usage(22, 6, 28),
    ),
    "stream_tool_call": ChatReply(
        "chatcmpl-C4QMb7",
        "gpt-4o-mini-2024-07-18",
        1755137933,
        None,
        (
            ToolCall(
                "call_PieqNSej6kM9", "authorize_payment", '{"amount":"12.50","payee":"tea-house"}'
            ),
        ),
        "tool_calls",
        None,
    ),
    "stream_parallel_tool_calls": ChatReply(
        "chatcmpl-C4QNx2",
        "gpt-4o-mini-2024-07-18",
        1755137933,
        None,
        (
            ToolCall("call_one", "authorize_payment", '{"amount":"1.00"}'),
            ToolCall("call_two", "look_up", '{"reference":"txn_1"}'),
        ),
        "tool_calls",
        None,
    ),
}
STREAMS = [name for name in REPLIES if name.startswith("stream")]


@pytest.mark.parametrize("name", REPLIES)
def test_a_foreign_reply_is_read_whatever_fields_it_has_beside_ours(name: str) -> None:
    told = read(f"openai/{name}.http")
    assert wire.decode_reply(told.status, told.headers, told.body) == REPLIES[name]


@pytest.mark.parametrize("name", STREAMS)
def test_a_foreign_stream_reads_the_same_under_every_line_end(name: str) -> None:
    lines = read(f"openai/{name}.http").body.replace(b"\r\n", b"\n")
    for end in (b"\n", b"\r\n", b"\r"):
        assert wire.decode_stream(lines.replace(b"\n", end)) == REPLIES[name]


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_short_anywhere_is_malformed(name: str) -> None:
    body = read(f"openai/{name}.http").body
    for length in range(len(body.rstrip()) + 2):  # up to the first line end after the end mark
        with pytest.raises(Malformed):
            wire.decode_stream(body[:length])


@pytest.mark.parametrize("name", STREAMS)
def test_what_follows_the_end_mark_is_not_read(name: str) -> None:
    body = read(f"openai/{name}.http").body
    assert wire.decode_stream(body + b"data: neither JSON nor a chunk\n\n") == REPLIES[name]


def test_an_error_in_mid_stream_is_a_fault_even_after_text() -> None:
    told = read("openai/stream_error.http")
    with pytest.raises(Overloaded, match="mid-stream: server_error"):
        wire.decode_reply(told.status, told.headers, told.body)


@pytest.mark.parametrize(
    ("name", "fault", "says"),
    [
        ("error_429", Overloaded, "429 tokens rate_limit_exceeded"),
        ("error_401", Malformed, "401 invalid_request_error invalid_api_key"),
    ],
)
def test_an_error_status_is_the_fault_it_stands_for(
    name: str, fault: type[ProviderFault], says: str
) -> None:
    told = read(f"openai/{name}.http")
    with pytest.raises(fault) as caught:
        wire.decode_reply(told.status, told.headers, told.body)
    assert str(caught.value) == says


def test_a_foreign_request_is_read_whatever_fields_it_has_beside_ours() -> None:
    request = read("openai/request.http").request
    asked = wire.decode_request(request)
    assert isinstance(asked, ChatRequest)
    assert asked.model == "gpt-4.1"
    assert asked.messages == [
        Message("developer", "You are a helpful assistant."),
        Message("user", "What is the weather like in Boston today?"),
        Message("assistant", None),
        Message("tool", "22"),
    ]
    assert [tool.function.name for tool in asked.tools] == ["get_current_weather", "get_time"]
    schema = msgspec.json.decode(asked.tools[0].function.parameters)
    assert schema["required"] == ["location"]
    assert asked.tool_choice == wire.ToolChoice(wire.FunctionName("get_current_weather"))
    assert (asked.max_completion_tokens, asked.stream) == (200, True)
    assert asked.stream_options == wire.StreamOptions(include_usage=True)
    assert wire.bearer(request) == "a-key"


def test_every_foreign_file_says_where_its_shape_is_from() -> None:
    names = [path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.http")]
    assert {f"openai/{name}.http" for name in REPLIES} < set(names)
    assert [name for name in names if not read(name).shape.startswith("Shape: ")] == []
