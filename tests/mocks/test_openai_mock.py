"""The OpenAI mock and those that speak its wire: what clients of the real APIs would meet."""

import asyncio
import json

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from msgspec import structs

from harness.flow.tools import TOOLS, read_wish
from harness.flow.wish import QueryWish, RefundWish, SplitWish, Wish
from harness.providers import MODELS as WIRES
from harness.providers.call import Endpoint, Malformed, Unauthorized
from harness.providers.chat import Ask, Message, Reply, Schema
from harness.providers.dialects import DEEPSEEK, DIALECTS, MISTRAL
from harness.providers.openai import OPENAI, Dialect
from harness.providers.openai.got import decode_reply
from harness.providers.sse import is_keep_alive
from harness.providers.told import DrawKey
from harness.record import Outcome
from mocks.figures import Limits, Outage
from mocks.host import KEY, MockConfig
from tests.mocks.visit import AT, AT_MODEL, CONFIG, MODELS, Answer, Visit, visit
from tests.providers.anything import bodies

SETTLED: list[Outcome] = ["paid", "declined", "refunded", "reversed", "unknown"]
HI = Ask(model="gpt-4o", messages=[Message("user", "hi")])
GPT_9 = structs.replace(HI, model="gpt-9")
FAMILY: tuple[Dialect, ...] = (OPENAI, *DIALECTS)


def answer(asked: Ask, config: MockConfig = CONFIG) -> Answer:
    """Of the model that is asked, at its own provider."""
    provider = MODELS[asked.model].provider

    async def main(at: Visit) -> Answer:
        return await at.send(WIRES[provider].chat(AT[provider], asked).request)

    return visit(main, config)


def say(text: str, *, tools: bool = False, stream: bool = False) -> Reply:
    asked = Ask(
        model="gpt-4o", messages=[Message("user", text)], tools=TOOLS if tools else (),
        stream=stream, include_usage=True,
    )  # fmt: skip

    async def main(at: Visit) -> Reply:
        return (await at.ask(OPENAI.chat(AT_MODEL, asked))).value

    return visit(main)


def with_limits(**of: float) -> MockConfig:
    limits = msgspec.structs.replace(Limits.none(), **of)
    models = {name: msgspec.structs.replace(of, limits=limits) for name, of in MODELS.items()}
    return msgspec.structs.replace(CONFIG, models=models)


# What it understands


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "wish",
    [
        Wish(1250, "CNY", "tea-house", "balance"),
        Wish(5, "EUR", "metro", "card"),
        Wish(123_456, "CNY", "a_b-c", "card"),
        RefundWish(1250, "CNY", "txn_1"),
        SplitWish(9000, "CNY", "noodles", "balance", ("ada", "bob", "cleo")),
        QueryWish("txn_1"),
    ],
)
def test_a_wish_is_read_into_the_tool_call_it_means(
    wish: Wish | RefundWish | SplitWish | QueryWish, stream: bool
) -> None:
    reply = say(wish.said(), tools=True, stream=stream)
    assert (reply.text, reply.finish) == (None, "tool_calls")
    assert [read_wish(call) for call in reply.tool_calls] == [wish]


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
    assert (reply.tool_calls, reply.finish) == ((), "stop")
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
    asked = structs.replace(HI, messages=[Message("system", text), Message("user", "hi")])
    told = answer(asked)
    assert told.told is not None
    assert told.told.leaks == leaks
    assert b"4111" not in told.body


def test_usage_counts_four_characters_a_token() -> None:
    asked = structs.replace(HI, messages=[Message("system", "12345"), Message("user", "1234")])
    told = answer(asked)
    reply = decode_reply(told.status, told.headers, told.body)
    assert reply.usage is not None
    assert (reply.usage.prompt, reply.usage.completion) == (3, -(-len(reply.text or "") // 4))


@pytest.mark.parametrize("asked_for", [True, False])
def test_a_stream_ends_with_its_usage_only_where_asked(asked_for: bool) -> None:
    told = answer(structs.replace(HI, stream=True, include_usage=asked_for))
    reply = decode_reply(told.status, told.headers, told.body)
    assert (reply.usage is not None) is asked_for


def test_the_same_call_is_answered_the_same_again() -> None:
    assert answer(HI).body == answer(HI).body


def test_an_answer_is_dated_by_the_mocks_clock() -> None:
    async def main(at: Visit) -> list[int]:
        created = []
        for _ in range(3):
            await at.clock.sleep_until(at.clock.now() + 10.0)
            created.append((await at.ask(OPENAI.chat(AT_MODEL, HI))).value.created)
        return created

    first, *others = visit(main)
    assert first > 1_700_000_000
    assert [created - first >= 10 for created in others] == [True, True]


# Errors

POST = ("POST", "/chat/completions")


@pytest.mark.parametrize(
    ("call", "key", "body", "status", "code"),
    [
        (POST, KEY, b"hello", 400, None),
        (POST, KEY, b"{}", 400, None),
        (POST, KEY, b'{"model":"gpt-4o","messages":[]}', 400, "empty_array"),
        (POST, KEY, b'{"model":"\xff"}', 400, None),
        (POST, "guessed", HI, 401, "invalid_api_key"),
        (POST, "", HI, 401, "invalid_api_key"),
        (POST, "guessed", b"hello", 401, "invalid_api_key"),
        (POST, KEY, GPT_9, 404, "model_not_found"),
        (("POST", "/embeddings"), KEY, HI, 404, "unknown_url"),
        (("GET", "/chat/completions"), KEY, HI, 404, "unknown_url"),
        (("GET", "/models"), "guessed", b"", 401, "invalid_api_key"),
        (("GET", "/models/gpt-9"), KEY, b"", 404, "model_not_found"),
    ],
)
def test_an_error_has_the_apis_status_and_body(
    call: tuple[str, str], key: str, body: bytes | Ask, status: int, code: str | None
) -> None:
    if isinstance(body, Ask):
        body = OPENAI.chat(AT_MODEL, body).request.content
    headers = {"authorization": f"Bearer {key}"}
    request = httpx.Request(call[0], AT_MODEL.url(call[1]), headers=headers, content=body)

    async def main(at: Visit) -> Answer:
        return await at.send(request)

    told = visit(main)
    error = json.loads(told.body)["error"]
    assert (told.status, error["code"]) == (status, code)
    assert error["type"] == "invalid_request_error"
    assert set(error) == {"message", "type", "param", "code"}
    fault = Unauthorized if status == 401 else Malformed
    with pytest.raises(fault, match=f"^{status} invalid_request_error"):
        decode_reply(told.status, told.headers, told.body)


def test_an_error_never_repeats_the_key() -> None:
    async def main(at: Visit) -> None:
        call = OPENAI.chat(Endpoint(AT_MODEL.base_url, "sk-guessed"), HI)
        assert b"guessed" not in (await at.send(call.request)).body

    visit(main)


@pytest.mark.parametrize(
    ("of", "type_", "again_ms"),
    [
        ({"requests": 1, "window_s": 5.0}, "requests", 5000),
        ({"tokens": 1, "window_s": 3.0}, "tokens", 3000),
    ],
)
def test_a_rate_limit_is_told_with_its_kind_and_when_to_come_again(
    of: dict[str, float], type_: str, again_ms: int
) -> None:
    async def two_at_once(at: Visit) -> list[Answer]:
        calls = [at.send(OPENAI.chat(AT_MODEL, HI).request) for _ in range(2)]
        return await asyncio.gather(*calls)

    good, told = visit(two_at_once, with_limits(**of))
    assert (good.status, told.status) == (200, 429)
    error = json.loads(told.body)["error"]
    assert (error["type"], error["code"]) == (type_, "rate_limit_exceeded")
    assert int(told.headers["retry-after-ms"]) == again_ms
    assert int(told.headers["retry-after"]) == again_ms / 1000
    assert told.headers[f"x-ratelimit-remaining-{type_}"] == "0"
    assert told.took_us == 0


# Headers


def test_every_answer_tells_what_is_left_of_the_limits() -> None:
    config = with_limits(requests=500, tokens=30_000)

    async def main(at: Visit) -> list[Answer]:
        return [await at.send(OPENAI.chat(AT_MODEL, HI).request) for _ in range(2)]

    for told in visit(main, config):
        assert told.headers["x-ratelimit-limit-requests"] == "500"
        assert told.headers["x-ratelimit-remaining-requests"] == "499"
        assert told.headers["x-ratelimit-reset-requests"] == "120ms"
        assert told.headers["x-ratelimit-remaining-tokens"] == "29999"
        assert told.headers["openai-version"] == "2020-10-01"


@pytest.mark.parametrize("stream", [False, True])
def test_the_server_tells_how_long_it_worked_until_the_first_byte(stream: bool) -> None:
    told = answer(structs.replace(HI, stream=stream))
    worked_ms = int(told.headers["openai-processing-ms"])
    assert worked_ms == pytest.approx(told.first_byte_us / 1e3, abs=0.51)
    assert told.headers["x-request-id"].startswith("req_")


# The list of models


@pytest.mark.parametrize("provider", [dialect.NAME for dialect in FAMILY])
def test_a_provider_lists_its_own_models_by_name_and_id(provider: str) -> None:
    wire = next(dialect for dialect in FAMILY if provider == dialect.NAME)

    async def main(at: Visit) -> list[Answer]:
        headers = wire.opens_with(KEY)
        own = [name for name, of in MODELS.items() if of.provider == provider]
        paths = ["/models", *(f"/models/{name}" for name in own)]
        return [
            await at.send(httpx.Request("GET", AT[provider].url(path), headers=headers))
            for path in paths
        ]

    whole, *each = visit(main)
    listed = [card["id"] for card in json.loads(whole.body)["data"]]
    own = {name for name, of in MODELS.items() if of.provider == provider}
    ids = {of.model for of in MODELS.values() if of.provider == provider and of.model}
    assert set(listed) == own | ids
    assert {json.loads(told.body)["id"] for told in each} == own
    assert {json.loads(told.body)["object"] for told in each} == {"model"}


# Structured output


def score(least: int = 0) -> Ask:
    schema = {
        "type": "object",
        "properties": {"score": {"type": "integer", "minimum": least}},
        "required": ["score"],
        "additionalProperties": False,
    }
    return structs.replace(HI, schema=Schema("score", msgspec.Raw(json.dumps(schema).encode())))


def test_the_first_answer_by_a_schema_comes_late_and_only_that() -> None:
    """The same draw each time, so that all else takes the same time."""
    draw = DrawKey(0, 0, 0, "score", 1)

    async def main(at: Visit) -> list[int]:
        async def took(asked: Ask, of: DrawKey = draw) -> int:
            return (await at.send(OPENAI.chat(AT_MODEL, asked).request, of)).took_us

        asks = [score(), score(), score(1), score(), structs.replace(score(1), model="gpt-4o-mini")]
        return [await took(asked) for asked in asks] + [await took(score(), NEXT_ROUND)]

    cold, warm, other, again, _, next_round = visit(main)
    assert warm == again
    extra_us = cold - warm
    assert 2e6 < extra_us < 2e7
    assert other - warm == extra_us
    assert next_round > 2e6


NEXT_ROUND = DrawKey(1, 0, 0, "score", 1)


def test_a_weak_model_breaks_its_schema_as_often_as_its_profile_says() -> None:
    weak = msgspec.structs.replace(MODELS["mistral-small"], limits=None)
    assert weak.structure
    config = msgspec.structs.replace(CONFIG, models={"mistral-small": weak})
    request = MISTRAL.chat(AT["mistral"], structs.replace(score(), model="mistral-small"))

    async def main(at: Visit) -> list[str]:
        said = []
        for n in range(1500):
            told = await at.ask(request, DrawKey(0, n, 0, "score", 1))
            said.append(told.value.text or "")
        return said

    said = visit(main, config)
    broken = sum(not text.endswith("}") for text in said)
    leaking = sum("card_number" in text for text in said)
    assert broken / 1500 == pytest.approx(weak.structure.breaks_share, abs=0.015)
    assert leaking / 1500 == pytest.approx(weak.structure.leaks_share, abs=0.01)


# DeepSeek lets its clients wait


@pytest.mark.parametrize("stream", [False, True])
def test_whoever_waits_for_deepseek_is_sent_lines_until_the_answer_comes(stream: bool) -> None:
    asked = structs.replace(HI, model="deepseek-r1-lite", stream=stream)
    slow = MODELS["deepseek-r1-lite"]
    assert slow.keep_alive
    alive = msgspec.structs.replace(slow.keep_alive, after_ms=100.0)
    often = msgspec.structs.replace(slow, keep_alive=alive)
    config = msgspec.structs.replace(CONFIG, models={"deepseek-r1-lite": often})

    async def main(at: Visit) -> list[tuple[float, bytes]]:
        request = DEEPSEEK.chat(AT["deepseek"], asked).request
        began = at.clock.now()
        response = await at.host(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        return [(at.clock.now() - began, chunk) async for chunk in response.stream]

    chunks = visit(main, config)
    early = [when for when, chunk in chunks if is_keep_alive(chunk)]
    assert early == pytest.approx([0.1 * n for n in range(1, 1 + len(early))])
    assert early
    first = next(when for when, chunk in chunks if not is_keep_alive(chunk))
    assert 0 < first - early[-1] <= 0.1
    body = b"".join(chunk for _, chunk in chunks)
    kind = {"content-type": "text/event-stream" if stream else "application/json"}
    reply = decode_reply(200, httpx.Headers(kind), body)
    assert reply.usage is None if stream else reply.usage and reply.usage.reasoning > 0


def test_what_deepseek_thinks_is_streamed_before_the_answer_and_counted() -> None:
    told = answer(structs.replace(HI, model="deepseek-r1-lite", stream=True, include_usage=True))
    reply = decode_reply(told.status, told.headers, told.body)
    assert reply.usage is not None
    assert len(reply.reasoning) == 4 * reply.usage.reasoning
    assert told.body.index(b"reasoning_content") < told.body.index(b"Whom shall I pay")
    assert told.first_token_us < told.took_us / 2


# Outages


@pytest.mark.parametrize("origin", [0.0, 77.7])
def test_in_an_outage_nobody_is_answered_and_after_it_everybody(origin: float) -> None:
    down = [Outage("openai", from_s=10.0, for_s=5.0)]
    config = msgspec.structs.replace(CONFIG, outages=down)

    async def main(at: Visit) -> list[tuple[int, int]]:
        async def at_second(second: float, round_: int) -> tuple[int, int]:
            await at.clock.sleep_until(origin + second)
            draw = DrawKey(round_, 0, 0, "intent", 1)
            told = await at.send(OPENAI.chat(AT_MODEL, HI).request, draw)
            return told.status, told.took_us

        return [await at_second(second, 0) for second in (0.0, 7.0, 10.5, 14.0, 15.0)] + [
            await at_second(30.0, 1)
        ]

    answers = visit(main, config)
    assert [status for status, _ in answers] == [200, 200, 503, 503, 200, 200]
    assert [took for _, took in answers][2:4] == [0, 0]


# Any body at all


@pytest.mark.parametrize("dialect", FAMILY, ids=lambda of: of.NAME)
def test_no_body_makes_a_provider_fail_or_stumble(dialect: Dialect) -> None:
    model = next(name for name, of in MODELS.items() if of.provider == dialect.NAME)
    asked = structs.replace(
        score(), model=model, tools=TOOLS, tool_choice="required", max_tokens=99, stream=True
    )
    good = dialect.chat(AT[dialect.NAME], asked).request.content

    @settings(max_examples=40, deadline=None)
    @given(bodies(good))
    def holds(body: bytes) -> None:
        request = httpx.Request(
            "POST",
            AT[dialect.NAME].url("/chat/completions"),
            headers=dialect.opens_with(KEY),
            content=body,
        )

        async def main(at: Visit) -> Answer:
            return await at.send(request)

        told = visit(main, CONFIG)
        assert told.status < 500
        assert told.status != 200 or decode_reply(200, told.headers, told.body)

    holds()
