"""The chat model's mock: wishes become tool calls, outcomes become prose, errors are the API's."""

import json

import httpx
import pytest

from harness.flow.tools import AUTHORIZE_PAYMENT, read_payment
from harness.flow.wish import Wish
from harness.providers import openai as wire
from harness.providers.call import Endpoint, Malformed
from harness.providers.openai import ChatReply, ChatRequest, Message
from harness.record import Outcome
from tests.mocks.visit import AT_MODEL, Visit, visit

SETTLED: list[Outcome] = ["paid", "declined", "refunded", "reversed", "unknown"]
HI = ChatRequest("gpt-4o", [Message("user", "hi")])
GPT_9 = ChatRequest("gpt-9", [Message("user", "hi")])


def say(text: str, *, tools: bool = False, stream: bool = False) -> ChatReply:
    offered = [AUTHORIZE_PAYMENT] if tools else []
    asked = ChatRequest("gpt-4o", [Message("user", text)], tools=offered, stream=stream)

    async def main(at: Visit) -> ChatReply:
        return (await at.ask(wire.chat(AT_MODEL, asked))).value

    return visit(main)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "wish",
    [
        Wish(1250, "CNY", "tea-house", "balance"),
        Wish(5, "EUR", "metro", "card"),
        Wish(123_456, "CNY", "a_b-c", "card"),
    ],
)
def test_a_wish_is_read_into_the_tool_call_it_means(wish: Wish, stream: bool) -> None:
    reply = say(wish.said(), tools=True, stream=stream)
    assert (reply.text, reply.finish_reason) == (None, "tool_calls")
    assert [read_payment(call) for call in reply.tool_calls] == [wish]


@pytest.mark.parametrize(
    ("text", "tools"),
    [
        ("hello", True),
        ("", True),
        ("pay 3 CNY to metro with my card", True),
        ("pay 3.00 CNY to metro with my card", False),
        ("Payment txn_1: 3.00 CNY to metro with card: pondering", False),
    ],
)
def test_what_it_does_not_understand_it_asks_about(text: str, tools: bool) -> None:
    reply = say(text, tools=tools)
    assert (reply.tool_calls, reply.finish_reason) == ((), "stop")
    assert reply.text is not None
    assert reply.text.startswith("Whom shall I pay")


@pytest.mark.parametrize("outcome", SETTLED)
def test_every_way_a_payment_ends_is_told_with_its_facts(outcome: Outcome) -> None:
    reply = say(f"Payment txn_1: 3.00 CNY to metro with card: {outcome}", stream=True)
    assert reply.text is not None
    assert "3.00 CNY to metro" in reply.text
    assert "txn_1" in reply.text


def test_only_a_paid_payment_is_said_to_have_gone_through() -> None:
    told = {
        outcome: say(f"Payment txn_1: 3.00 CNY to metro with card: {outcome}").text or ""
        for outcome in SETTLED
    }
    assert [outcome for outcome, text in told.items() if "All done" in text] == ["paid"]


@pytest.mark.parametrize(
    ("text", "leaks"), [("hi", 0), ("my card is 4111111111111111, token wxs_00000000002a", 2)]
)
def test_secrets_in_any_message_are_counted_and_not_repeated(text: str, leaks: int) -> None:
    asked = ChatRequest("gpt-4o", [Message("system", text), Message("user", "hi")])

    async def main(at: Visit) -> None:
        answer = await at.send(wire.encode_request(AT_MODEL, asked))
        assert answer.told is not None
        assert answer.told.leaks == leaks
        assert b"4111" not in answer.body

    visit(main)


def test_usage_counts_four_characters_a_token() -> None:
    asked = ChatRequest("gpt-4o", [Message("system", "12345"), Message("user", "1234")])

    async def main(at: Visit) -> None:
        reply = (await at.ask(wire.chat(AT_MODEL, asked))).value
        output = -(-len(reply.text or "") // 4)
        assert reply.usage == wire.Usage(3, output, 3 + output)

    visit(main)


@pytest.mark.parametrize("asked_for", [True, False])
def test_a_stream_ends_with_its_usage_only_where_asked(asked_for: bool) -> None:
    options = wire.StreamOptions(include_usage=True) if asked_for else None
    asked = ChatRequest("gpt-4o", [Message("user", "hi")], stream=True, stream_options=options)

    async def main(at: Visit) -> ChatReply:
        return (await at.ask(wire.chat(AT_MODEL, asked))).value

    assert (visit(main).usage is not None) is asked_for


def test_the_same_call_is_answered_the_same_again() -> None:
    async def main(at: Visit) -> bytes:
        return (await at.send(wire.encode_request(AT_MODEL, HI))).body

    assert visit(main) == visit(main)


# Errors

POST = ("POST", "/chat/completions")


@pytest.mark.parametrize(
    ("call", "key", "body", "status", "code"),
    [
        (POST, "mock-api-key", b"hello", 400, None),
        (POST, "mock-api-key", b"{}", 400, None),
        (POST, "mock-api-key", b'{"model":"gpt-4o","messages":[]}', 400, "empty_array"),
        (POST, "mock-api-key", b'{"model":"\xff"}', 400, None),
        (POST, "guessed", HI, 401, "invalid_api_key"),
        (POST, "", HI, 401, "invalid_api_key"),
        (POST, "guessed", b"hello", 401, "invalid_api_key"),
        (POST, "mock-api-key", GPT_9, 404, "model_not_found"),
        (("POST", "/embeddings"), "mock-api-key", HI, 404, "unknown_url"),
        (("GET", "/chat/completions"), "mock-api-key", HI, 404, "unknown_url"),
    ],
)  # fmt: skip
def test_an_error_has_the_apis_status_and_body(
    call: tuple[str, str], key: str, body: bytes | ChatRequest, status: int, code: str | None
) -> None:
    if isinstance(body, ChatRequest):
        body = wire.encode_request(AT_MODEL, body).content
    headers = {"authorization": f"Bearer {key}"}
    request = httpx.Request(call[0], AT_MODEL.url(call[1]), headers=headers, content=body)

    async def main(at: Visit) -> None:
        answer = await at.send(request)
        told = json.loads(answer.body)["error"]
        assert (answer.status, told["code"]) == (status, code)
        assert told["type"] == "invalid_request_error"
        assert set(told) == {"message", "type", "param", "code"}
        with pytest.raises(Malformed, match=f"^{status} invalid_request_error"):
            wire.decode_reply(answer.status, answer.headers, answer.body)

    visit(main)


def test_an_error_never_repeats_the_key() -> None:
    async def main(at: Visit) -> None:
        call = wire.chat(Endpoint(AT_MODEL.base_url, "sk-guessed"), HI)
        assert b"guessed" not in (await at.send(call.request)).body

    visit(main)
