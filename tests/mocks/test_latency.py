"""Delays on the virtual clock: a call takes what its mock told, and the draws fit the profile."""

import math
import re
from functools import cache
from statistics import NormalDist, median

import httpx
import numpy as np
import pytest

from harness import draws
from harness.flow.tools import TOOLS
from harness.providers import MODELS as WIRES
from harness.providers import wechat_ai
from harness.providers.call import Call
from harness.providers.chat import Ask, Message, Reply
from harness.providers.told import DrawKey
from mocks.figures import Figures, Overhead, TokenLatency
from mocks.latency import Delays
from mocks.profile import (
    GatewayProfile,
    ModelProfile,
    PaymentProfile,
    figures,
    load,
    names,
)
from tests.mocks.visit import (
    ADA,
    AT,
    AT_MODEL,
    AT_PAY,
    MODELS,
    PAY,
    SEED,
    Visit,
    visit,
    with_share,
)

DRAWS = 20_000
Z99 = NormalDist().inv_cdf(0.99)
WISH = "Please pay 12.50 CNY to tea-house with my balance."
FACTS = "Payment txn_00c0ffee: 12.50 CNY to tea-house with balance: paid"


def keys(count: int, stage: str) -> list[DrawKey]:
    return [DrawKey(n % 7, n, n % 5, stage, 1) for n in range(count)]


KEYS = keys(DRAWS, "intent")
MORE = 5
"""Times as many draws for figures whose tails are so wide, as those of webhooks and hops are, that
20,000 draws do not know their 99th percentile to 2 %, however well they are drawn."""


def ask(model: str, said: str, *, stream: bool = False) -> Call[Reply]:
    """The model is asked on the wire of its provider."""
    provider = MODELS[model].provider
    asked = Ask(
        model=model,
        messages=[Message("user", said)],
        tools=TOOLS if said == WISH else (),
        stream=stream,
        include_usage=True,
    )
    return WIRES[provider].chat(AT[provider], asked)


def intent(model: str, *, stream: bool = False) -> Call[Reply]:
    return ask(model, WISH, stream=stream)


def confirm(model: str, *, stream: bool) -> Call[Reply]:
    return ask(model, FACTS, stream=stream)


# Payments


def test_every_call_takes_exactly_what_its_mock_told() -> None:
    async def story(at: Visit) -> None:
        order = wechat_ai.Order("o-1", ADA, "balance", 500)
        requests = [
            wechat_ai.open_session(AT_PAY, ADA, "balance").request,
            wechat_ai.fetch_key(AT_PAY).request,
            (await at.transaction("pay.authorize", order)).request,
            (await at.transaction("pay.query", order)).request,
            (await at.transaction("pay.refund", order)).request,
            httpx.Request("POST", AT_PAY.url("/rpc"), content=b"hello"),
            *[intent(model).request for model in MODELS],
            *[confirm(model, stream=False).request for model in MODELS],
            *[confirm(model, stream=True).request for model in MODELS],
            httpx.Request("POST", AT_MODEL.url("/chat/completions"), content=b"hello"),
        ]
        for request in requests:
            await at.clock.sleep_until(at.clock.now() + 0.1234567)
            answer = await at.send(request)
            assert answer.took_us == answer.told_us

    visit(story)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.4, 1.0])
def test_session_and_transaction_of_one_turn_add_up_to_one_overhead(share: float) -> None:
    delays = Delays(SEED, wechat_ai.NAME)

    async def story(at: Visit) -> None:
        for key in keys(100, "session"):
            opened = await at.send(wechat_ai.open_session(AT_PAY, ADA, "balance").request, key)
            pay = DrawKey(key.round, key.conversation, key.turn, "pay", 1)
            # A refused transaction takes the time of a good one, and needs no seal.
            paid = await at.send(httpx.Request("POST", AT_PAY.url("/rpc"), content=b""), pay)
            whole_us = round(delays.overhead_s(key, PAY.overhead) * 1e6)
            assert opened.took_us + paid.took_us == whole_us
            assert opened.took_us == pytest.approx(share * whole_us, abs=1)

    visit(story, with_share(share))


@pytest.mark.parametrize("seed", [1, 7, 2026])
def test_the_cold_overhead_is_the_articles_800_to_1200_ms(seed: int) -> None:
    delays = Delays(seed, wechat_ai.NAME)
    drawn_ms = [delays.overhead_s(key, PAY.overhead) * 1e3 for key in keys(DRAWS, "session")]
    p1, p50, p99 = np.quantile(drawn_ms, [0.01, 0.5, 0.99])
    assert p1 == pytest.approx(800, abs=10)
    assert p50 == pytest.approx(980, abs=10)
    assert p99 == pytest.approx(1200, abs=15)


def test_fetching_the_key_takes_its_fixed_time() -> None:
    async def story(at: Visit) -> list[int]:
        return [(await at.ask(wechat_ai.fetch_key(AT_PAY))).answer.took_us for _ in range(3)]

    assert visit(story) == [60_000] * 3


# Models


@pytest.mark.parametrize("model", MODELS)
def test_a_model_takes_ttft_and_then_its_tokens_at_its_rate(model: str) -> None:
    latency, reasoning = MODELS[model].latency, MODELS[model].reasoning
    delays = Delays(SEED, MODELS[model].provider)

    async def story(at: Visit) -> None:
        for key in keys(10, "confirm"):
            ttft_us = round(delays.ttft_s(key, latency) * 1e6)
            whole = await at.ask(confirm(model, stream=False), key)
            assert whole.value.text is not None
            assert whole.value.usage is not None
            thought = whole.value.usage.reasoning
            assert (thought > 0) == (reasoning is not None)
            said = whole.value.usage.completion - thought
            assert said == -(-len(whole.value.text) // 4)
            thought_us, said_us = (round(n / latency.tokens_per_s * 1e6) for n in (thought, said))
            assert whole.answer.took_us == ttft_us + thought_us + said_us
            assert whole.answer.first_token_us == whole.answer.took_us
            stream = await at.ask(confirm(model, stream=True), key)
            assert stream.value.text == whole.value.text
            # What a model thinks is a token that the client sees, or time in which it sees none.
            unseen_us = 0 if reasoning and reasoning.shown else thought_us
            assert stream.answer.first_token_us == ttft_us + unseen_us
            assert stream.answer.took_us == whole.answer.took_us

    visit(story)


@pytest.mark.parametrize("model", MODELS)
def test_only_a_keep_alive_comes_before_the_first_token(model: str) -> None:
    alive = MODELS[model].keep_alive

    async def story(at: Visit) -> None:
        early = 0
        for key in keys(10, "confirm"):
            answer = (await at.ask(confirm(model, stream=True), key)).answer
            early += answer.first_byte_us < answer.first_token_us
            if answer.first_byte_us < answer.first_token_us:
                assert alive
                assert answer.first_byte_us == round(alive.after_ms * 1e3)
        assert alive or early == 0

    visit(story)


@pytest.mark.parametrize("model", ["gpt-4o", "claude-3-5-sonnet", "gemini-1-5-pro", "deepseek-v3"])
def test_a_streamed_tool_call_is_whole_when_its_last_token_is_made(model: str) -> None:
    async def story(at: Visit) -> None:
        key = DrawKey(0, 1, 2, "intent", 1)
        whole = await at.ask(intent(model), key)
        stream = await at.ask(intent(model, stream=True), key)
        called, streamed = whole.value.tool_calls, stream.value.tool_calls
        assert [(one.name, one.arguments) for one in streamed] == [
            (one.name, one.arguments) for one in called
        ]
        assert called != ()
        assert stream.value.finish == "tool_calls"
        assert stream.answer.took_us == whole.answer.took_us

    visit(story)


def test_the_tokens_of_a_stream_come_evenly_and_never_before_the_first() -> None:
    async def story(at: Visit) -> None:
        response = await at.host(confirm("gpt-4o", stream=True).request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        times_us = [round(at.clock.now() * 1e6) async for _ in response.stream]
        gaps_us = np.diff(times_us)
        assert len(gaps_us) > 3
        assert gaps_us.max() - gaps_us.min() <= 1

    visit(story)


# Quantiles of every shipped profile

SHIPPED: dict[str, PaymentProfile | ModelProfile | GatewayProfile] = {
    **{name: load(name, PaymentProfile) for name in names(PaymentProfile)},
    **{name: load(name, ModelProfile) for name in names(ModelProfile)},
    **{name: load(name, GatewayProfile) for name in names(GatewayProfile)},
}


def spread(of: Figures) -> tuple[float, float] | None:
    """Its median and its 99th percentile, where it has both."""
    fields = {field: getattr(of, field) for field in of.__struct_fields__}
    spreads = [(fields[low], fields[low.replace("p50", "p99")]) for low in fields if "p50" in low]
    return spreads[0] if spreads else None


SPREADS = [
    (name, section)
    for name, profile in SHIPPED.items()
    for section, of in figures(profile)
    if spread(of)
]


def draw(delays: Delays, key: DrawKey, of: Figures, section: str) -> float:
    """In the figure's own unit."""
    stated = spread(of)
    assert stated
    match of:
        case TokenLatency():
            return delays.ttft_s(key, of) * 1e3
        case Overhead():
            return delays.overhead_s(key, of) * 1e3
        case _:
            return delays.drawn_s(key, section, *stated)


@cache
def scores(provider: str, kind: str, section: str) -> np.typing.NDArray[np.float64]:
    """How many deviations of the logarithm each draw is from its median. They hang on the provider
    and the question, and on no figure, so that all figures of a provider are drawn from these."""
    like = next(
        of
        for profile in SHIPPED.values()
        for name, of in figures(profile)
        if type(of).__name__ == kind and name == section and profile.provider == provider
    )
    stated = spread(like)
    assert stated
    delays = Delays(SEED, provider)
    wide = kind not in ("TokenLatency", "Overhead")
    asked = keys(MORE * DRAWS, "intent") if wide else KEYS
    drawn = np.array([draw(delays, key, like, section) for key in asked])
    return np.log(drawn / stated[0]) / math.log(stated[1] / stated[0]) * Z99


@pytest.mark.parametrize(("name", "section"), SPREADS)
def test_a_figure_is_drawn_with_its_profiles_quantiles(name: str, section: str) -> None:
    provider, of = SHIPPED[name].provider, getattr(SHIPPED[name], section)
    stated = spread(of)
    assert stated
    p50, p99 = stated
    sigma = math.log(p99 / p50) / Z99
    drawn = p50 * np.exp(scores(provider, type(of).__name__, section) * sigma)
    delays = Delays(SEED, provider)
    for n in range(0, DRAWS, 1000):
        assert drawn[n] == pytest.approx(draw(delays, KEYS[n], of, section), rel=1e-4)
    p95 = draws.lognormal(0.95, p50, p99)
    assert np.quantile(drawn, [0.5, 0.95, 0.99]) == pytest.approx([p50, p95, p99], rel=0.02)


@pytest.mark.parametrize(
    ("model", "claim_holds"),
    [("claude-3-5-haiku-claimed", True), ("claude-3-5-haiku", False), ("gpt-4o", False)],
)
def test_only_the_claimed_haiku_reads_a_wish_in_under_300_ms(model: str, claim_holds: bool) -> None:
    async def story(at: Visit) -> float:
        return median(
            [(await at.ask(intent(model), k)).answer.took_us for k in keys(301, "intent")]
        )

    assert (visit(story) < 300_000) is claim_holds


# Draws of a mock


def test_a_delay_hangs_on_its_key_and_not_on_the_calls_before() -> None:
    async def story(at: Visit, order: list[DrawKey]) -> dict[DrawKey, int]:
        call = confirm("gpt-4o", stream=False)
        return {key: (await at.ask(call, key)).answer.took_us for key in order}

    order = keys(20, "confirm")
    there = visit(lambda at: story(at, order))
    back = visit(lambda at: story(at, order[::-1]))
    assert there == back
    assert len(set(there.values())) == len(order)


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("round", DrawKey(1, 0, 0, "pay", 1)),
        ("conversation", DrawKey(0, 1, 0, "pay", 1)),
        ("turn", DrawKey(0, 0, 1, "pay", 1)),
        ("stage", DrawKey(0, 0, 0, "session", 1)),
        ("attempt", DrawKey(0, 0, 0, "pay", 2)),
    ],
)
def test_a_draw_hangs_on_every_part_of_its_key_but_stages_share_one_overhead(
    field: str, other: DrawKey
) -> None:
    delays, key = Delays(SEED, "any"), DrawKey(0, 0, 0, "pay", 1)
    latency = MODELS["gpt-4o"].latency
    assert delays.ttft_s(key, latency) != delays.ttft_s(other, latency)
    shared = delays.overhead_s(key, PAY.overhead) == delays.overhead_s(other, PAY.overhead)
    assert shared is (field == "stage")


def test_providers_and_seeds_draw_apart() -> None:
    key, overhead = DrawKey(0, 0, 0, "pay", 1), PAY.overhead
    sources = [("wechat-ai", 1), ("wechat-ai", 2), ("openai", 1)]
    assert len({Delays(seed, name).overhead_s(key, overhead) for name, seed in sources}) == 3


def test_a_client_that_names_no_draw_is_served_a_new_one_each_time() -> None:
    async def story(at: Visit) -> list[int]:
        call = wechat_ai.open_session(AT_PAY, ADA, "balance")
        return [(await at.ask(call)).answer.took_us for _ in range(20)]

    first, second = visit(story), visit(story)
    assert len(set(first)) == 20
    assert first == second


def test_a_drawn_delay_is_whole_microseconds() -> None:
    latency: TokenLatency = MODELS["gpt-4o"].latency
    delays = Delays(SEED, "openai")
    for key in keys(100, "intent"):
        seconds = delays.ttft_s(key, latency)
        assert seconds == draws.microseconds(seconds)


def test_the_overhead_at_the_median_draw_is_the_median() -> None:
    overhead: Overhead = PAY.overhead
    assert draws.lognormal(0.5, overhead.p50_ms, overhead.p99_ms) == overhead.p50_ms


def test_the_mock_reads_the_sentences_that_these_tests_write() -> None:
    """Were they not understood, every time above would be that of asking back."""

    async def story(at: Visit) -> None:
        assert (await at.ask(intent("gpt-4o"))).value.tool_calls
        said = (await at.ask(confirm("gpt-4o", stream=False))).value.text
        assert said is not None
        assert re.search("12.50 CNY to tea-house went through", said)

    visit(story)
