"""Other people's clients in a user's function, unpatched and at their default addresses, take the
virtual time that the mocks mean, and not a microsecond more.
"""

from typing import Any

import httpx
import msgspec
import pytest

from harness.flow.own import OwnTurn
from harness.load.engine import Tally
from harness.load.health import examine
from harness.record import columns_of
from tests.cli.own_turn import A_TOKEN_S, FIRST_S, LITTLE, PAYMENT_S, mocks, play_own

# Untyped, so that the tests can be checked where the SDKs are not installed.
openai: Any = pytest.importorskip("openai")
anthropic: Any = pytest.importorskip("anthropic")
stripe: Any = pytest.importorskip("stripe")
genai: Any = pytest.importorskip("google.genai")

pytestmark = [
    pytest.mark.sdk,
    # Stripe's client gives httpx its body by a name that httpx would have otherwise.
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]

SAID = [{"role": "user", "content": "please pay 12.50 CNY to tea-house with my balance"}]
PAY = {
    "amount": 1099,
    "currency": "usd",
    "confirm": True,
    "payment_method": "pm_card_visa",
    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
}


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "sk-their-own")


def _only(tally: Tally) -> tuple[str, float]:
    """How the one turn ended, and after how many seconds."""
    (flow,) = tally.rows.flows
    _, reasons = examine(tally, columns_of(tally.rows), "virtual")
    assert reasons == [] or flow.outcome == "error"
    return flow.outcome, flow.response_ms / 1e3


def _exactly(seconds: float) -> Any:
    return pytest.approx(seconds, abs=1e-6)


def test_openai_s_client_takes_the_time_of_its_tokens() -> None:
    tokens: list[int] = []

    async def read() -> None:
        client = openai.AsyncOpenAI()
        reply = await client.chat.completions.create(model="gpt-4o", messages=SAID)
        tokens.append(reply.usage.completion_tokens)

    tally = play_own(read)
    assert _only(tally) == ("ok", _exactly(FIRST_S + A_TOKEN_S * tokens[0]))
    assert [(of.stage, of.provider, of.status) for of in tally.rows.spans] == [
        ("openai", "openai", 200)
    ]


def test_openai_s_stream_is_seen_as_it_comes() -> None:
    seen: list[float] = []

    async def read(turn: OwnTurn) -> None:
        start = turn.now()
        stream = await openai.AsyncOpenAI().chat.completions.create(
            model="gpt-4o", messages=SAID, stream=True, stream_options={"include_usage": True}
        )
        async for chunk in stream:
            seen.append(turn.now() - start)
            if chunk.usage is not None:
                seen.append(FIRST_S + A_TOKEN_S * chunk.usage.completion_tokens)

    tally = play_own(read)
    (span,) = tally.rows.spans
    assert seen[0] == _exactly(FIRST_S) and seen[-1] == _exactly(seen[-2])
    assert FIRST_S < seen[1] < seen[-1]
    assert _only(tally) == ("ok", _exactly(seen[-1]))
    assert span.first_token_s - span.start_s == _exactly(FIRST_S)


def test_who_acts_on_the_first_token_acts_then() -> None:
    async def read(turn: OwnTurn) -> None:
        with turn.stage("intent"):
            stream = await openai.AsyncOpenAI().chat.completions.create(
                model="gpt-4o", messages=SAID, stream=True
            )
            async for _ in stream:
                break
        with turn.stage("pay"):
            await _stripe().v1.payment_intents.create_async(PAY)

    tally = play_own(read)
    # The rest of the stream is wanted by nobody who waits for it.
    assert _only(tally) == ("ok", _exactly(FIRST_S + PAYMENT_S))
    calls = {of.stage: of for of in tally.rows.spans if of.provider}
    assert calls["pay"].start_s - calls["intent"].start_s == _exactly(FIRST_S)
    # The wait for the token is the stage's, though its call goes on.
    (own,) = [of for of in tally.rows.spans if not of.provider]
    assert (own.stage, own.critical, own.end_s - own.start_s) == ("intent", True, _exactly(FIRST_S))


def test_openai_s_client_retries_after_what_it_is_told() -> None:
    async def read(turn: OwnTurn) -> None:
        client = openai.AsyncOpenAI()
        with turn.stage("intent"):
            await client.chat.completions.create(model="gpt-4o", messages=SAID)
            await client.chat.completions.create(model="gpt-4o", messages=SAID)

    tallies = [play_own(read, mocks(LITTLE)) for _ in range(2)]
    outcome, _ = _only(tallies[0])
    # Between them it waits as it was told: the stage's own time, and no call.
    statuses = [of.status for of in tallies[0].rows.spans if of.provider]
    assert (outcome, statuses[:2], statuses[-1]) == ("ok", [200, 429], 200)
    assert tallies[0].causes == {("intent", "RateLimited 429"): len(statuses) - 2}
    assert len({msgspec.json.encode(of.rows.spans) for of in tallies}) == 1


def test_openai_s_own_error_fails_the_turn_by_its_status() -> None:
    async def read() -> None:
        client = openai.AsyncOpenAI(max_retries=0)
        for _ in range(2):
            await client.chat.completions.create(model="gpt-4o", messages=SAID)

    tally = play_own(read, mocks(LITTLE))
    assert _only(tally)[0] == "error"
    assert tally.fault == "RateLimited: RateLimitError 429"


def test_openai_s_patience_is_counted_in_virtual_time() -> None:
    async def read() -> None:
        client = openai.AsyncOpenAI(timeout=0.25, max_retries=0)
        await client.chat.completions.create(model="gpt-4o", messages=SAID)

    tally = play_own(read)
    assert _only(tally) == ("error", _exactly(0.25))
    assert tally.causes == {("openai", "Unreachable: nothing came for 0.25 s"): 1}


def test_anthropic_s_client_takes_the_time_of_its_tokens_whole_and_streamed() -> None:
    took: list[float] = []

    async def read(turn: OwnTurn) -> None:
        client = anthropic.AsyncAnthropic()
        asked = {"model": "claude-haiku-4-5", "max_tokens": 1024, "messages": SAID}
        reply = await client.messages.create(**asked)
        took.append(FIRST_S + A_TOKEN_S * reply.usage.output_tokens)
        async with client.messages.stream(**asked) as stream:
            reply = await stream.get_final_message()
        took.append(FIRST_S + A_TOKEN_S * reply.usage.output_tokens)

    tally = play_own(read)
    assert _only(tally) == ("ok", _exactly(sum(took)))
    assert [of.end_s - of.start_s for of in tally.rows.spans] == [_exactly(of) for of in took]


def test_google_s_client_over_httpx_takes_the_time_of_its_tokens_whole_and_streamed() -> None:
    took: list[float] = []

    async def read() -> None:
        # Where aiohttp is installed too, Google's client takes that unless it is told.
        options = {"httpx_async_client": httpx.AsyncClient()}
        models = genai.Client(api_key="their-own", http_options=options).aio.models
        asked = {"model": "gemini-2.5-flash", "contents": SAID[0]["content"]}
        reply = await models.generate_content(**asked)
        took.append(FIRST_S + A_TOKEN_S * _tokens(reply))
        tokens = [_tokens(of) async for of in await models.generate_content_stream(**asked)]
        took.append(FIRST_S + A_TOKEN_S * tokens[-1])

    tally = play_own(read)
    assert _only(tally) == ("ok", _exactly(sum(took)))


def _tokens(reply: Any) -> int:
    usage = reply.usage_metadata
    return int(usage.candidates_token_count or 0) + int(usage.thoughts_token_count or 0)


def _stripe() -> Any:
    return stripe.StripeClient("sk_test_their_own", http_client=stripe.HTTPXClient())


def test_stripe_s_client_pays_in_a_second_and_a_declined_card_is_a_decline() -> None:
    async def pay(turn: OwnTurn) -> str:
        with turn.stage("pay"):
            intent = await _stripe().v1.payment_intents.create_async(PAY)
        return "paid" if intent.status == "succeeded" else "error"

    async def decline(turn: OwnTurn) -> None:
        with turn.stage("pay"):
            refused = {**PAY, "payment_method": "pm_card_chargeDeclined"}
            await _stripe().v1.payment_intents.create_async(refused)

    assert _only(play_own(pay)) == ("paid", _exactly(PAYMENT_S))
    declined = play_own(decline)
    assert _only(declined)[0] == "declined"
    assert (declined.finished, declined.failed, declined.causes) == (1, 0, {})


def test_stripe_s_synchronous_calls_never_leave_the_turn() -> None:
    async def pay() -> None:
        stripe.StripeClient("sk_test_their_own").v1.payment_intents.create(PAY)

    with pytest.raises(ExceptionGroup) as told:
        play_own(pay)
    assert "api.stripe.com" in str(told.value.exceptions[0])


def test_many_turns_with_clients_of_their_own_are_alike_in_every_run() -> None:
    async def buy(turn: OwnTurn) -> None:
        with turn.stage("intent"):
            await openai.AsyncOpenAI().chat.completions.create(model="gpt-4o", messages=SAID)
        with turn.stage("pay"):
            await _stripe().v1.payment_intents.create_async(PAY)

    tallies = [play_own(buy, turns=10) for _ in range(2)]
    assert tallies[0].rows.flows == tallies[1].rows.flows
    assert len({msgspec.json.encode(of.rows.spans) for of in tallies}) == 1
    assert tallies[0].finished == 10
