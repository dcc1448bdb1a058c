"""OpenAI's wire against foreign bytes: what the family writes is read right, whole or in pieces."""

import msgspec
import pytest

from harness.providers.call import (
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
)
from harness.providers.chat import Ask, Message, Reply, ToolCall, Usage
from harness.providers.openai import OPENAI
from harness.providers.openai.got import decode_reply, decode_stream
from tests.providers.anything import lines_ended_by
from tests.providers.foreign import FOLDER, read

PAY = "authorize_payment"
REPLIES = {
    "openai/completion": Reply(
        id="chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        model="gpt-4.1-2025-04-14",
        created=1741569952,
        text="Bitte schön: 12,50 € sind bezahlt \N{GRINNING FACE}.\nNoch etwas?",
        finish="stop",
        usage=Usage(19, 10),
    ),
    "openai/tool_call": Reply(
        id="chatcmpl-abc123",
        model="gpt-4o-mini",
        created=1699896916,
        text=None,
        tool_calls=(ToolCall("call_abc123", PAY, '{\n"amount": "12.50",\n"payee": "café"\n}'),),
        finish="tool_calls",
        usage=Usage(82, 17),
    ),
    "openai/stream_text": Reply(
        id="chatcmpl-C4QLZ1",
        model="gpt-4o-mini-2024-07-18",
        created=1755137933,
        text="All done: 12,50 € 已付款.",
        finish="stop",
        usage=Usage(22, 6),
    ),
    "openai/stream_tool_call": Reply(
        id="chatcmpl-C4QMb7",
        model="gpt-4o-mini-2024-07-18",
        created=1755137933,
        text=None,
        tool_calls=(ToolCall("call_PieqNSej6kM9", PAY, '{"amount":"12.50","payee":"tea-house"}'),),
        finish="tool_calls",
        usage=None,
    ),
    "openai/stream_parallel_tool_calls": Reply(
        id="chatcmpl-C4QNx2",
        model="gpt-4o-mini-2024-07-18",
        created=1755137933,
        text=None,
        tool_calls=(
            ToolCall("call_one", PAY, '{"amount":"1.00"}'),
            ToolCall("call_two", "look_up", '{"reference":"txn_1"}'),
        ),
        finish="tool_calls",
        usage=None,
    ),
    "deepseek/completion": Reply(
        id="930c60df-bf64-41c9-a88e-3ec75f81e00e",
        model="deepseek-reasoner",
        created=1705651092,
        text="付款已完成。",
        finish="stop",
        usage=Usage(16, 10, 5),
        reasoning="The state is paid.",
    ),
    "deepseek/stream": Reply(
        id="930c60df-bf64-41c9-a88e-3ec75f81e00e",
        model="deepseek-reasoner",
        created=1755137933,
        text="All done.",
        finish="stop",
        usage=Usage(16, 10, 5),
        reasoning="The state is paid.",
    ),
    "qwen/completion": Reply(
        id="chatcmpl-81951b98-28b8-9659-ab07-cd30d25600e7",
        model="qwen-plus",
        created=1726127645,
        text="All done.",
        finish="stop",
        usage=Usage(22, 17),
    ),
    "qwen/stream_tool_call": Reply(
        id="chatcmpl-3f8",
        model="qwen-plus",
        created=1755137933,
        text=None,
        tool_calls=(ToolCall("call_8f08d2b0fc0c4d8fab7123", PAY, '{"amount": "12.50"}'),),
        finish="tool_calls",
        usage=Usage(22, 17),
    ),
    "mistral/completion": Reply(
        id="cmpl-e5cc70bb28c444948073e77776eb30ef",
        model="mistral-small-latest",
        created=1702256327,
        text="All done.",
        finish="stop",
        usage=Usage(16, 34),
    ),
    "mistral/stream_tool_call": Reply(
        id="cmpl-e5c",
        model="mistral-small-latest",
        created=1755137933,
        text=None,
        tool_calls=(ToolCall("D681PevKs", PAY, '{"amount": "12.50"}'),),
        finish="tool_calls",
        usage=Usage(94, 30),
    ),
    "openrouter/stream": Reply(
        id="gen-1755137933",
        model="openai/gpt-4o-mini",
        created=1755137933,
        text="All done.",
        finish="stop",
        usage=Usage(10, 4),
        reasoning="It is",
    ),
}
STREAMS = [name for name in REPLIES if "/stream" in name]

FAULTS: dict[str, tuple[type[ProviderFault], str]] = {
    "openai/error_401": (Unauthorized, "401 invalid_request_error invalid_api_key"),
    "openai/error_429": (RateLimited, "429 tokens rate_limit_exceeded"),
    "openai/stream_error": (Overloaded, "error in mid-stream: server_error"),
    "deepseek/error_400_model": (Malformed, "400 invalid_request_error invalid_request_error"),
    "deepseek/error_400_schema": (Malformed, "400 invalid_request_error invalid_request_error"),
    "deepseek/error_402": (Malformed, "402 unknown_error invalid_request_error"),
    "deepseek/stream_broken_off": (
        Overloaded,
        "broken off by the provider: insufficient_system_resource",
    ),
    "qwen/error_401": (Unauthorized, "401 invalid_request_error invalid_api_key"),
    "qwen/error_429": (RateLimited, "429 limit_requests limit_requests"),
    "mistral/error_401": (Unauthorized, "401 without an error body"),
    "mistral/error_422": (Malformed, "422 invalid_request_error"),
    "mistral/error_422_usage": (Malformed, "422 invalid_request_error"),
    "mistral/error_429": (RateLimited, "429 rate_limited 1300"),
    "openrouter/error_402": (Malformed, "402 402"),
    "openrouter/late_error": (Overloaded, "error in mid-stream: 502"),
    "openrouter/stream_error": (RateLimited, "error in mid-stream: 429"),
    "litellm/error_401": (Unauthorized, "401 auth_error 401"),
    "litellm/error_429": (RateLimited, "429 throttling_error 429"),
    "portkey/error_400": (Malformed, "400 failure"),
    "portkey/error_503": (Overloaded, "503 server_error"),
}


@pytest.mark.parametrize("name", REPLIES)
def test_a_foreign_reply_is_read_whatever_fields_it_has_beside_ours(name: str) -> None:
    told = read(f"{name}.http")
    assert decode_reply(told.status, told.headers, told.body) == REPLIES[name]


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_foreign_stream_reads_the_same_under_every_line_end(name: str, end: bytes) -> None:
    body = read(f"{name}.http").body
    assert decode_stream(lines_ended_by(end, body)) == REPLIES[name]


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_short_anywhere_is_malformed(name: str) -> None:
    body = read(f"{name}.http").body
    for length in range(len(body.rstrip()) + 2):  # up to the first line end after the end mark
        with pytest.raises(Malformed):
            decode_stream(body[:length])


@pytest.mark.parametrize("name", STREAMS)
def test_what_follows_the_end_mark_is_not_read(name: str) -> None:
    body = read(f"{name}.http").body
    assert decode_stream(body + b"data: neither JSON nor a chunk\n\n") == REPLIES[name]


@pytest.mark.parametrize("name", FAULTS)
def test_a_foreign_error_is_the_fault_it_stands_for(name: str) -> None:
    fault, says = FAULTS[name]
    told = read(f"{name}.http")
    with pytest.raises(fault) as caught:
        decode_reply(told.status, told.headers, told.body)
    assert (type(caught.value), str(caught.value)) == (fault, says)


def test_a_foreign_request_is_read_whatever_fields_it_has_beside_ours() -> None:
    request = read("openai/request.http").request
    asked = OPENAI.decode_request(request)
    assert isinstance(asked, Ask), asked
    assert asked.model == "gpt-4.1"
    call = ToolCall("call_abc123", "get_current_weather", '{"location": "Boston, MA"}')
    assert asked.messages == [
        Message("system", "You are a helpful assistant."),
        Message("user", "What is the weather like in Boston today?"),
        Message("assistant", "", (call,)),
        Message("tool", "22", tool_call_id="call_abc123"),
    ]
    assert [tool.name for tool in asked.tools] == ["get_current_weather", "get_time"]
    schema = msgspec.json.decode(asked.tools[0].parameters)
    assert schema["required"] == ["location"]
    assert asked.tool_choice == "get_current_weather"
    assert (asked.max_tokens, asked.stream, asked.include_usage) == (200, True, True)
    assert OPENAI.key_of(request) == "a-key"


def test_every_foreign_file_says_where_its_shape_is_from_and_those_of_this_wire_are_read() -> None:
    names = [path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.http")]
    assert [name for name in names if not read(name).shape.startswith("Shape: ")] == []
    family = {name.partition("/")[0] for name in (*REPLIES, *FAULTS)}
    ours = {name.removesuffix(".http") for name in names if name.partition("/")[0] in family}
    assert ours == {*REPLIES, *FAULTS, "openai/request"}
