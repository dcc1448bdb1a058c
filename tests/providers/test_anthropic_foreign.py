"""The Anthropic wire against foreign bytes: what the API and its SDK write is read right."""

import pytest

from harness.providers import anthropic as wire
from harness.providers.anthropic import ANTHROPIC
from harness.providers.anthropic import reply as anthropic_reply
from harness.providers.call import Malformed, Overloaded, ProviderFault, RateLimited, Unauthorized
from harness.providers.chat import Ask, Message, Reply, ToolCall, Usage
from tests.providers.anything import decoded, lines_ended_by
from tests.providers.foreign import read

PAY = ToolCall(
    "toolu_01Ttepb9joVoQFHP568v7UAL",
    "authorize_payment",
    '{"amount": "12.50", "payee": "café"}',
)
REPLIES = {
    "message": Reply(
        id="msg_011CeEgv4QcC6bo2wwJgepD6",
        model="claude-haiku-4-5-20251001",
        created=0,
        text="Bitte schön: 12,50 € sind bezahlt \N{GRINNING FACE}.\nNoch etwas?",
        finish="stop",
        usage=Usage(8 + 3 + 10, 16),
    ),
    "tool_use": Reply(
        id="msg_01CTV3rhAAYCrzRGTEoJbJt7",
        model="claude-sonnet-4-5-20250929",
        created=0,
        text="Let me pay that.",
        tool_calls=(PAY, ToolCall("toolu_011j5uC2Tg3TZJo3nmLtJ8Mm", "look_up", "{}")),
        finish="tool_calls",
        usage=Usage(628, 50),
    ),
    "stream_text": Reply(
        id="msg_01W31jAUhgU7aDqWUQK1VHgy",
        model="claude-sonnet-4-6",
        created=0,
        text="All done: 12,50 € 已付款.",
        finish="stop",
        usage=Usage(25, 15),
    ),
    "stream_tool_use": Reply(
        id="msg_014p7gG3wDgGV9EUtLvnow3U",
        model="claude-sonnet-4-6",
        created=0,
        text="Let me pay.",
        tool_calls=(
            ToolCall(
                "toolu_01T1x1fJ34qAmk2tNTrN7Up6",
                "authorize_payment",
                '{"amount": "12.50", "payee": "tea\\u002dhouse"}',
            ),
            ToolCall("toolu_015czvgRAN7XL7DZXTBbSXiP", "look_up", "{}"),
        ),
        finish="tool_calls",
        usage=Usage(472, 89),
    ),
    "stream_thinking": Reply(
        id="msg_01XyZ",
        model="claude-opus-5-5",
        created=0,
        text="Yes.",
        finish="length",
        usage=Usage(40, 30, 28),
        reasoning="12.50 is little.\nSo:",
    ),
}
STREAMS = [name for name in REPLIES if name.startswith("stream")]


@pytest.mark.parametrize("name", REPLIES)
def test_a_foreign_reply_is_read_whatever_it_has_beside_ours(name: str) -> None:
    told = read(f"anthropic/{name}.http")
    assert wire.decode_reply(told.status, told.headers, told.body) == REPLIES[name]


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_foreign_stream_reads_the_same_under_every_line_end(name: str, end: bytes) -> None:
    body = lines_ended_by(end, read(f"anthropic/{name}.http").body)
    assert anthropic_reply.of_stream(body) == REPLIES[name]


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_short_anywhere_is_malformed(name: str) -> None:
    body = read(f"anthropic/{name}.http").body
    for length in range(0, len(body) - 1, 7):
        with pytest.raises(Malformed):
            anthropic_reply.of_stream(body[:length])
    with pytest.raises(Malformed, match="ended before message_stop"):
        anthropic_reply.of_stream(body[:-1])


@pytest.mark.parametrize("name", STREAMS)
def test_what_follows_the_stop_is_not_read(name: str) -> None:
    body = read(f"anthropic/{name}.http").body + b"data: neither JSON nor an event\n\n"
    assert anthropic_reply.of_stream(body) == REPLIES[name]


@pytest.mark.parametrize(
    ("name", "fault", "says"),
    [
        ("stream_error", Overloaded, "error in mid-stream: overloaded_error"),
        ("error_429", RateLimited, "429 rate_limit_error"),
        ("error_529", Overloaded, "529 overloaded_error"),
        ("error_401", Unauthorized, "401 authentication_error"),
        ("error_404", Malformed, "404 not_found_error"),
        ("error_400", Malformed, "400 invalid_request_error"),
    ],
)
def test_an_error_is_the_fault_it_stands_for(
    name: str, fault: type[ProviderFault], says: str
) -> None:
    told = read(f"anthropic/{name}.http")
    with pytest.raises(ProviderFault) as caught:
        wire.decode_reply(told.status, told.headers, told.body)
    assert (type(caught.value), str(caught.value)) == (fault, says)


def test_a_foreign_request_of_the_old_version_is_read_whatever_it_has_beside_ours() -> None:
    request = read("anthropic/request.http").request
    asked = ANTHROPIC.decode_request(request)
    assert isinstance(asked, Ask)
    assert (asked.model, asked.max_tokens, asked.stream) == (
        "claude-3-5-sonnet-20241022",
        200,
        True,
    )
    calls = (
        ToolCall("toolu_01", "get_weather", '{"location": "Boston, MA"}'),
        ToolCall("toolu_02", "get_weather", "{}"),
    )
    assert asked.messages == [
        Message("system", "You are a helpful assistant.\nBe brief."),
        Message("user", "What is the weather like in Boston?"),
        Message("assistant", "I will look.", calls),
        Message("tool", "22", (), "toolu_01"),
        Message("tool", "no such place", (), "toolu_02"),
        Message("user", "And in Paris?"),
    ]
    assert [tool.name for tool in asked.tools] == ["get_weather", "str_replace_based_edit_tool"]
    assert decoded(bytes(asked.tools[0].parameters)) == {
        "type": "object",
        "properties": {"location": {"type": "string"}},
        "required": ["location"],
    }
    assert asked.tool_choice == "get_weather"
    assert ANTHROPIC.key_of(request) == "a-key"


def test_a_request_of_the_sdk_is_read() -> None:
    request = read("anthropic/request_sdk.http").request
    asked = ANTHROPIC.decode_request(request)
    assert isinstance(asked, Ask)
    assert asked.messages == [Message("user", "hi")]
    assert (asked.max_tokens, asked.stream, asked.tool_choice) == (5, False, "auto")
    assert asked.schema is not None
    schema = decoded(bytes(asked.schema.schema))
    assert isinstance(schema, dict)
    assert schema["required"] == ["score"]
    assert ANTHROPIC.key_of(request) == "a-key"


@pytest.mark.parametrize("name", [*REPLIES, "error_429", "request", "request_sdk"])
def test_every_foreign_file_says_where_its_shape_is_from(name: str) -> None:
    assert read(f"anthropic/{name}.http").shape.startswith("Shape: ")
