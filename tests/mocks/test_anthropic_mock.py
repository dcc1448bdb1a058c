"""Anthropic's mock, as its own clients meet it: both dialects, the events' times, the errors."""

import json

import httpx
import msgspec
import pytest
from hypothesis import given, settings

from harness.flow.tools import TOOLS, read_wish
from harness.flow.wish import Wish
from harness.providers import sse
from harness.providers.anthropic import ANTHROPIC, VERSION, VERSIONS
from harness.providers.chat import Ask, Message, Reply, Schema, ToolCall
from mocks.figures import Limits
from mocks.host import IN_PROCESS_URL, KEY, MockConfig, endpoints
from mocks.profile import ModelProfile, load, names
from tests.mocks.visit import CONFIG, Answer, Visit, visit
from tests.providers.anything import bodies
from tests.providers.foreign import read

AT = endpoints(IN_PROCESS_URL, CONFIG)["anthropic"]
MODELS = [name for name in names(ModelProfile) if load(name, ModelProfile).provider == "anthropic"]
MODEL = "claude-haiku-4-5"
WISH = Wish(1250, "CNY", "tea-house", "balance")
HI = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
OPENED = {"x-api-key": KEY, "anthropic-version": VERSION}


def send(
    body: object,
    headers: dict[str, str] = OPENED,
    path: str = "/v1/messages",
    config: MockConfig = CONFIG,
) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def main(at: Visit) -> Answer:
        return await at.send(httpx.Request("POST", AT.url(path), headers=headers, content=content))

    return visit(main, config)


def ask(asked: Ask) -> Reply:
    async def main(at: Visit) -> Reply:
        return (await at.ask(ANTHROPIC.chat(AT, asked))).value

    return visit(main)


def with_limits(limits: Limits) -> MockConfig:
    model = msgspec.structs.replace(load(MODEL, ModelProfile), limits=limits)
    return msgspec.structs.replace(CONFIG, models={MODEL: model})


@pytest.mark.parametrize("model", MODELS)
def test_every_model_goes_by_its_profile_and_by_its_id(model: str) -> None:
    for name in {model, load(model, ModelProfile).model} - {""}:
        reply = ask(Ask(model=name, messages=[Message("user", "hi")]))
        assert reply.model == name
        assert reply.text is not None


@pytest.mark.parametrize("stream", [False, True])
def test_a_wish_becomes_a_tool_call_and_its_result_becomes_prose(stream: bool) -> None:
    wished = Message("user", WISH.said())
    reply = ask(
        Ask(model=MODEL, messages=[wished], tools=TOOLS, tool_choice="required", stream=stream)
    )
    assert (reply.text, reply.finish) == (None, "tool_calls")
    (call,) = reply.tool_calls
    assert read_wish(call) == WISH
    assert call.id.startswith("toolu_")
    answered = Message("tool", "Payment t1: 12.50 CNY to tea-house with balance: paid", (), call.id)
    told = ask(
        Ask(
            model=MODEL,
            messages=[wished, Message("assistant", "", (call,)), answered],
            tools=TOOLS,
            stream=stream,
        )
    )
    assert told.finish == "stop"
    assert told.text is not None
    assert told.text.startswith("All done!")


@pytest.mark.parametrize("stream", [False, True])
def test_a_schema_is_kept(stream: bool) -> None:
    shape = msgspec.Raw(b'{"type":"object","properties":{"score":{"type":"integer"}}}')
    reply = ask(
        Ask(
            model=MODEL,
            messages=[Message("user", "hi")],
            schema=Schema("score", shape),
            stream=stream,
        )
    )
    assert json.loads(reply.text or "") == {"score": 7}


def test_the_first_byte_comes_with_the_first_token_and_the_last_with_the_stop() -> None:
    answer = send({**HI, "stream": True})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    names = [event.name for event in sse.decode_events(answer.body)]
    assert names[:3] == ["message_start", "ping", "content_block_start"]
    assert names[-2:] == ["message_delta", "message_stop"]
    assert 0 < answer.first_byte_us < answer.took_us == answer.told_us


def test_a_message_has_the_apis_ids_and_usage() -> None:
    answer = send(HI)
    told = json.loads(answer.body)
    assert told["id"].startswith("msg_")
    assert (told["type"], told["role"], told["stop_reason"]) == ("message", "assistant", "end_turn")
    assert told["stop_sequence"] is None
    assert told["usage"]["input_tokens"] == 1
    assert answer.headers["request-id"].startswith("req_")
    assert answer.headers["anthropic-organization-id"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("opens", [{"x-api-key": KEY}, {"authorization": f"Bearer {KEY}"}])
def test_either_header_opens_either_version(version: str, opens: dict[str, str]) -> None:
    assert send(HI, {**opens, "anthropic-version": version}).status == 200


def test_the_old_header_wins_even_when_it_is_the_wrong_key() -> None:
    answer = send(HI, {**OPENED, "x-api-key": "wrong", "authorization": f"Bearer {KEY}"})
    assert answer.status == 401


def test_a_sampling_parameter_is_taken_under_the_old_version_only() -> None:
    body = {**HI, "temperature": 1.0}
    assert send(body, {**OPENED, "anthropic-version": "2023-06-01"}).status == 200
    refused = send(body)
    assert refused.status == 400
    assert json.loads(refused.body)["error"] == {
        "type": "invalid_request_error",
        "message": "temperature: Extra inputs are not permitted",
    }


DOWN = msgspec.structs.replace(Limits.none(), overload_every_s=1e6, overload_lasts_s=1e6)
ONE = msgspec.structs.replace(Limits.none(), tokens=1, window_s=60.0)
LONG = {**HI, "messages": [{"role": "user", "content": "hi " * 40}]}


@pytest.mark.parametrize(
    ("body", "headers", "path", "limits", "status", "kind"),
    [
        (b"hello", OPENED, "/v1/messages", None, 400, "invalid_request_error"),
        ({**HI, "max_tokens": None}, OPENED, "/v1/messages", None, 400, "invalid_request_error"),
        (HI, {"x-api-key": KEY}, "/v1/messages", None, 400, "invalid_request_error"),
        (HI, {**OPENED, "x-api-key": "no"}, "/v1/messages", None, 401, "authentication_error"),
        (HI, {}, "/v1/messages", None, 401, "authentication_error"),
        ({**HI, "model": "claude-9"}, OPENED, "/v1/messages", None, 404, "not_found_error"),
        (HI, OPENED, "/v1/complete", None, 404, "not_found_error"),
        (LONG, OPENED, "/v1/messages", ONE, 429, "rate_limit_error"),
        (HI, OPENED, "/v1/messages", DOWN, 529, "overloaded_error"),
    ],
)
def test_an_error_has_the_apis_status_and_body(
    body: object,
    headers: dict[str, str],
    path: str,
    limits: Limits | None,
    status: int,
    kind: str,
) -> None:
    answer = send(body, headers, path, with_limits(limits) if limits else CONFIG)
    told = json.loads(answer.body)
    assert (answer.status, told["type"], told["error"]["type"]) == (status, "error", kind)
    assert told["request_id"] == answer.headers["request-id"]
    assert ("retry-after" in answer.headers) == (status == 429)


@given(bodies(read("anthropic/request.http").body))
@settings(max_examples=25, deadline=None)
def test_no_body_is_the_servers_fault(body: bytes) -> None:
    async def main(at: Visit) -> None:
        for version in VERSIONS:
            headers = {"x-api-key": KEY, "anthropic-version": version}
            request = httpx.Request("POST", AT.url("/v1/messages"), headers=headers, content=body)
            assert (await at.send(request)).status < 500

    visit(main)


def test_a_call_that_was_answered_before_can_be_asked_after_in_the_same_words() -> None:
    """What the mock gives as history is history that it takes."""
    calls = (ToolCall("toolu_a", "look_up", '{"word":"tea"}'), ToolCall("toolu_b", "look_up", "{}"))
    history = [
        Message("user", "hi"),
        Message("assistant", "Let me see.", calls),
        Message("tool", "a drink", (), "toolu_a"),
        Message("tool", "nothing", (), "toolu_b"),
        Message("user", "and now?"),
    ]
    assert ask(Ask(model=MODEL, messages=history)).finish == "stop"


def test_every_answer_tells_what_is_left_of_the_limits() -> None:
    limits = msgspec.structs.replace(Limits.none(), requests=3, tokens=100, window_s=60.0)

    async def main(at: Visit) -> list[tuple[int, str, str]]:
        told = []
        for _ in range(4):
            content = json.dumps(HI).encode()
            request = httpx.Request("POST", AT.url("/v1/messages"), headers=OPENED, content=content)
            answer = await at.send(request)
            left = answer.headers["anthropic-ratelimit-requests-remaining"]
            told.append((answer.status, left, answer.headers["anthropic-ratelimit-tokens-limit"]))
            assert answer.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
        return told

    told = visit(main, with_limits(limits))
    assert [status for status, _, _ in told] == [200, 200, 200, 429]
    assert [left for _, left, _ in told] == ["2", "1", "0", "0"]
    assert {limit for _, _, limit in told} == {"100"}


def test_the_models_are_listed_with_their_ids() -> None:
    async def main(at: Visit) -> dict[str, object]:
        request = httpx.Request("GET", AT.url("/v1/models"), headers=OPENED)
        told: dict[str, object] = json.loads((await at.send(request)).body)
        return told

    listed = visit(main)["data"]
    assert isinstance(listed, list)
    assert {"claude-haiku-4-5", "claude-haiku-4-5-20251001"} <= {card["id"] for card in listed}
