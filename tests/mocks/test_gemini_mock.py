"""Gemini's mock, as its own clients meet it: both versions of the path, its second base, errors."""

import json

import httpx
import msgspec
import pytest
from hypothesis import given, settings

from harness.flow.tools import TOOLS, read_wish
from harness.flow.wish import Wish
from harness.providers import sse
from harness.providers.chat import Ask, Message, Reply, Schema
from harness.providers.gemini import COMPATIBLE, GEMINI
from harness.providers.openai import got as openai_got
from mocks.figures import Limits
from mocks.host import IN_PROCESS_URL, KEY, MockConfig, endpoints
from mocks.profile import ModelProfile, load, names
from tests.mocks.visit import CONFIG, Answer, Visit, visit
from tests.providers.anything import bodies
from tests.providers.foreign import read

AT = endpoints(IN_PROCESS_URL, CONFIG)["gemini"]
MODELS = [name for name in names(ModelProfile) if load(name, ModelProfile).provider == "gemini"]
MODEL = "gemini-2.5-flash"
WISH = Wish(1250, "CNY", "tea-house", "balance")
HI = {"contents": [{"parts": [{"text": "hi"}]}]}
OPENED = {"x-goog-api-key": KEY}
WHOLE = f"/v1beta/models/{MODEL}:generateContent"
STREAM = f"/v1/models/{MODEL}:streamGenerateContent?alt=sse"
CHAT = f"{COMPATIBLE.BASE_PATH}/chat/completions"
CHAT_HI = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
BEARER = {"authorization": f"Bearer {KEY}"}


def send(
    body: object, path: str = WHOLE, headers: dict[str, str] = OPENED, config: MockConfig = CONFIG
) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def main(at: Visit) -> Answer:
        return await at.send(httpx.Request("POST", AT.url(path), headers=headers, content=content))

    return visit(main, config)


def ask(asked: Ask) -> Reply:
    async def main(at: Visit) -> Reply:
        return (await at.ask(GEMINI.chat(AT, asked))).value

    return visit(main)


def with_limits(limits: Limits) -> MockConfig:
    model = msgspec.structs.replace(load("gemini-2-5-flash", ModelProfile), limits=limits)
    return msgspec.structs.replace(CONFIG, models={"gemini-2-5-flash": model})


@pytest.mark.parametrize("model", MODELS)
def test_every_model_goes_by_its_profile_and_by_its_id(model: str) -> None:
    for name in (model, load(model, ModelProfile).model):
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
    shape = msgspec.Raw(b'{"type":"OBJECT","properties":{"score":{"type":"INTEGER"}}}')
    asked = Ask(
        model=MODEL, messages=[Message("user", "hi")], schema=Schema("", shape), stream=stream
    )
    assert json.loads(ask(asked).text or "") == {"score": 7}


def test_a_weak_model_breaks_some_of_its_calls_and_leaks_into_others() -> None:
    """By the profile's shares: 4 and 1.5 of a hundred."""
    asked = Ask(
        model="gemini-1.5-pro",
        messages=[Message("user", WISH.said())],
        tools=TOOLS,
        tool_choice="required",
    )

    async def main(at: Visit) -> list[str]:
        told = []
        for _ in range(600):
            reply = (await at.ask(GEMINI.chat(AT, asked))).value
            told.append(reply.tool_calls[0].arguments if reply.tool_calls else "")
        return told

    told = visit(main)
    assert 10 < told.count("") < 45
    assert 2 < sum("card_number" in arguments for arguments in told) < 22


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_both_versions_of_the_path_are_served(version: str) -> None:
    path = f"/{version}/models/{MODEL}:generateContent"
    answer = send(HI, path)
    told = json.loads(answer.body)
    (candidate,) = told["candidates"]
    assert candidate["content"]["role"] == "model"
    assert (candidate["finishReason"], candidate["index"]) == ("STOP", 0)
    assert told["modelVersion"] == MODEL
    assert told["usageMetadata"]["promptTokenCount"] == 1
    assert answer.headers["server-timing"].startswith("gfet4t7; dur=")
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]


def test_the_key_may_stand_in_the_query() -> None:
    assert send(HI, f"{WHOLE}?key={KEY}", {}).status == 200


def test_a_stream_ends_with_its_finish_reason_and_no_end_mark() -> None:
    answer = send(HI, STREAM)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.body.endswith(b"\r\n\r\n")
    told = [json.loads(event.data) for event in sse.decode_events(answer.body)]
    reasons = [each["candidates"][0].get("finishReason") for each in told]
    assert reasons == [None] * (len(told) - 1) + ["STOP"]
    assert 0 < answer.first_byte_us < answer.took_us == answer.told_us


DOWN = msgspec.structs.replace(Limits.none(), overload_every_s=1e6, overload_lasts_s=1e6)
ONE = msgspec.structs.replace(Limits.none(), tokens=1, window_s=60.0)
LONG = {"contents": [{"parts": [{"text": "hi " * 40}]}]}
NOBODY = "/v1beta/models/gemini-99:generateContent"


@pytest.mark.parametrize(
    ("body", "path", "headers", "limits", "code", "status"),
    [
        (b"hello", WHOLE, OPENED, None, 400, "INVALID_ARGUMENT"),
        ({}, WHOLE, OPENED, None, 400, "INVALID_ARGUMENT"),
        (HI, WHOLE, {"x-goog-api-key": "no"}, None, 400, "INVALID_ARGUMENT"),
        (HI, WHOLE, {}, None, 400, "INVALID_ARGUMENT"),
        (HI, NOBODY, OPENED, None, 404, "NOT_FOUND"),
        (HI, "/v1beta/nothing", OPENED, None, 404, "NOT_FOUND"),
        (LONG, STREAM, OPENED, ONE, 429, "RESOURCE_EXHAUSTED"),
        (HI, WHOLE, OPENED, DOWN, 503, "UNAVAILABLE"),
    ],
)
def test_an_error_has_the_apis_status_and_body(
    body: object,
    path: str,
    headers: dict[str, str],
    limits: Limits | None,
    code: int,
    status: str,
) -> None:
    answer = send(body, path, headers, with_limits(limits) if limits else CONFIG)
    told = json.loads(answer.body)["error"]
    assert (answer.status, told["code"], told["status"]) == (code, code, status)
    details = [detail["@type"].rsplit(".", 1)[1] for detail in told.get("details", [])]
    if headers.get("x-goog-api-key") != KEY:
        assert details == ["ErrorInfo"]
    assert ("RetryInfo" in details) == (code == 429)


@given(bodies(read("gemini/request.http").body) | bodies(read("gemini/request_snake.http").body))
@settings(max_examples=25, deadline=None)
def test_no_body_is_the_servers_fault(body: bytes) -> None:
    async def main(at: Visit) -> None:
        for path in (WHOLE, STREAM, CHAT):
            headers = {**OPENED, **BEARER}
            request = httpx.Request("POST", AT.url(path), headers=headers, content=body)
            assert (await at.send(request)).status < 500

    visit(main)


def test_the_models_are_listed_with_their_ids() -> None:
    async def main(at: Visit) -> dict[str, object]:
        request = httpx.Request("GET", AT.url("/v1beta/models"), headers=OPENED)
        told: dict[str, object] = json.loads((await at.send(request)).body)
        return told

    listed = visit(main)["models"]
    assert isinstance(listed, list)
    assert {f"models/{MODEL}", "models/gemini-1.5-pro"} <= {card["name"] for card in listed}


# The second base, on OpenAI's wire


@pytest.mark.parametrize("stream", [False, True])
def test_the_second_base_speaks_openais_wire(stream: bool) -> None:
    answer = send({**CHAT_HI, "stream": stream}, CHAT, BEARER)
    reply = openai_got.decode_reply(answer.status, answer.headers, answer.body)
    assert reply.model == MODEL
    assert reply.text is not None
    assert answer.headers["server-timing"]


@pytest.mark.parametrize(
    ("body", "headers", "limits", "code", "status"),
    [
        (b"hello", BEARER, None, 400, "INVALID_ARGUMENT"),
        (CHAT_HI, {"authorization": "Bearer no"}, None, 400, "INVALID_ARGUMENT"),
        (CHAT_HI, OPENED, None, 400, "INVALID_ARGUMENT"),
        ({**CHAT_HI, "model": "gemini-99"}, BEARER, None, 404, "NOT_FOUND"),
        (CHAT_HI, BEARER, DOWN, 503, "UNAVAILABLE"),
    ],
)
def test_errors_of_the_second_base_are_googles_in_an_array(
    body: object, headers: dict[str, str], limits: Limits | None, code: int, status: str
) -> None:
    answer = send(body, CHAT, headers, with_limits(limits) if limits else CONFIG)
    (told,) = json.loads(answer.body)
    assert (answer.status, told["error"]["code"], told["error"]["status"]) == (code, code, status)


def test_both_bases_draw_on_the_same_limits() -> None:
    two = msgspec.structs.replace(Limits.none(), requests=2, window_s=1e9)

    async def main(at: Visit) -> list[int]:
        statuses = []
        for path, headers, body in [(WHOLE, OPENED, HI), (CHAT, BEARER, CHAT_HI)] * 2:
            content = json.dumps(body).encode()
            request = httpx.Request("POST", AT.url(path), headers=headers, content=content)
            statuses.append((await at.send(request)).status)
        return statuses

    assert visit(main, with_limits(two)) == [200, 200, 429, 429]
