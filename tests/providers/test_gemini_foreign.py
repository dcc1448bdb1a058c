"""The Gemini wire against foreign bytes: what the API and its SDK write is read right."""

import pytest

from harness.providers import gemini as wire
from harness.providers.call import Malformed, Overloaded, ProviderFault, RateLimited, Unauthorized
from harness.providers.chat import Ask, Message, Reply, ToolCall, Usage
from harness.providers.gemini import GEMINI
from tests.providers.anything import decoded, lines_ended_by
from tests.providers.foreign import read

REPLIES = {
    "text": Reply(
        id="Lvkgad-TOprpz7IPiMrqsQQ",
        model="gemini-2.0-flash",
        created=0,
        text="Bitte schön: 12,50 € sind bezahlt \N{GRINNING FACE}.\nNoch etwas?",
        finish="stop",
        usage=Usage(8, 20),
    ),
    "tool_calls": Reply(
        id="_qfgaevzGcz2juMP8pCmoAE",
        model="gemini-2.5-flash",
        created=0,
        text=None,
        tool_calls=(
            ToolCall("call_0", "authorize_payment", '{"amount":"12.50","payee":"café"}'),
            ToolCall("fc-2", "look_up", "{}"),
        ),
        finish="tool_calls",
        usage=Usage(57, 32 + 141, 141),
        reasoning="The user wants to pay.",
    ),
    "blocked": Reply(
        id="b-1",
        model="gemini-2.5-flash",
        created=0,
        text=None,
        finish="content_filter",
        usage=Usage(5, 0),
    ),
    "malformed_call": Reply(
        id="m-1", model="gemini-2.5-flash", created=0, text=None, finish="stop", usage=Usage(5, 0)
    ),
    "stream_text": Reply(
        id="S1V8aZK2NpGKqtsPvPuEqAw",
        model="gemini-3-pro-preview",
        created=0,
        text="All done: 12,50 € 已付款.",
        finish="stop",
        usage=Usage(165, 8),
    ),
    "stream_tool_call": Reply(
        id="SVV8aY6uBqe6qtsPmJbEuAM",
        model="gemini-3-pro-preview",
        created=0,
        text=None,
        tool_calls=(
            ToolCall("call_0", "authorize_payment", '{"amount": "12.50","payee": "tea-house"}'),
        ),
        finish="tool_calls",
        usage=Usage(29, 10 + 110, 110),
    ),
}
STREAMS = [name for name in REPLIES if name.startswith("stream")]


@pytest.mark.parametrize("name", REPLIES)
def test_a_foreign_reply_is_read_whatever_it_has_beside_ours(name: str) -> None:
    told = read(f"gemini/{name}.http")
    assert wire.decode_reply(told.status, told.headers, told.body) == REPLIES[name]


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_foreign_stream_reads_the_same_under_every_line_end(name: str, end: bytes) -> None:
    assert (
        wire.decode_stream(lines_ended_by(end, read(f"gemini/{name}.http").body)) == (REPLIES[name])
    )


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_without_its_finish_reason_is_malformed(name: str) -> None:
    body = read(f"gemini/{name}.http").body
    for length in range(0, len(body) - 3, 7):
        with pytest.raises(Malformed):
            wire.decode_stream(body[:length])


@pytest.mark.parametrize(
    ("name", "fault", "says"),
    [
        ("stream_error", Overloaded, "error in mid-stream: UNAVAILABLE"),
        ("error_400_key", Unauthorized, "400 INVALID_ARGUMENT"),
        ("error_403", Unauthorized, "403 PERMISSION_DENIED"),
        ("error_429", RateLimited, "429 RESOURCE_EXHAUSTED"),
        ("error_503", Overloaded, "503 UNAVAILABLE"),
        ("error_array", Malformed, "400 INVALID_ARGUMENT"),
    ],
)
def test_an_error_is_the_fault_it_stands_for(
    name: str, fault: type[ProviderFault], says: str
) -> None:
    told = read(f"gemini/{name}.http")
    with pytest.raises(ProviderFault) as caught:
        wire.decode_reply(told.status, told.headers, told.body)
    assert (type(caught.value), str(caught.value)) == (fault, says)


def test_a_request_of_the_sdk_is_read_though_it_mixes_both_spellings() -> None:
    request = read("gemini/request.http").request
    asked = GEMINI.decode_request(request)
    assert isinstance(asked, Ask)
    assert (asked.model, asked.max_tokens, asked.stream) == ("gemini-2.5-flash", 5, True)
    calls = (
        ToolCall("call_0", "get_weather", '{"snake_case":1}'),
        ToolCall("call_1", "get_time", "{}"),
    )
    assert asked.messages == [
        Message("system", "Be brief."),
        Message("user", "What is the weather like in Boston?"),
        Message("assistant", "", calls),
        Message("tool", "noon", (), "call_1"),
        Message("tool", '{"degrees_c":22,"sky":null}', (), "call_0"),
    ]
    assert [tool.name for tool in asked.tools] == ["get_weather", "get_time"]
    assert decoded(bytes(asked.tools[0].parameters)) == {
        "type": "object",
        "properties": {"snake_case": {"type": "integer"}},
        "required": ["snake_case"],
    }
    assert asked.tool_choice == "get_weather"
    assert GEMINI.key_of(request) == "a-key"


def test_a_request_in_snake_case_is_read_with_its_schema_as_it_was_sent() -> None:
    request = read("gemini/request_snake.http").request
    asked = GEMINI.decode_request(request)
    assert isinstance(asked, Ask)
    assert asked.messages == [Message("system", "Be brief."), Message("user", "Score this: tea")]
    assert (asked.model, asked.max_tokens, asked.stream) == ("gemini-1.5-pro", 64, False)
    assert asked.schema is not None
    assert decoded(bytes(asked.schema.schema)) == {
        "type": "OBJECT",
        "properties": {"risk_score": {"type": "INTEGER", "nullable": None}},
    }
    assert GEMINI.key_of(request) == "a-key"


@pytest.mark.parametrize("name", [*REPLIES, "error_429", "request", "request_snake"])
def test_every_foreign_file_says_where_its_shape_is_from(name: str) -> None:
    assert read(f"gemini/{name}.http").shape.startswith("Shape: ")
