"""Gateways: the hop that they add, whom they turn to when a model is down, what they tell of it."""

import asyncio
import json

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from msgspec import structs

from harness.flow.tools import TOOLS
from harness.providers import GATEWAYS
from harness.providers import MODELS as WIRES
from harness.providers.call import Endpoint, Malformed, Overloaded, RateLimited, Unauthorized
from harness.providers.chat import Ask, Message, Reply
from harness.providers.gateway import Gateway
from harness.providers.openai.got import decode_reply
from harness.providers.told import DrawKey
from mocks.figures import Limits, Outage
from mocks.host import IN_PROCESS_URL, KEY, MockConfig, endpoints
from mocks.latency import Delays
from mocks.profile import GatewayProfile, ModelProfile, load, names
from tests.mocks.visit import SEED, Answer, Answered, Visit, visit
from tests.providers.anything import bodies

PROFILES = {name: load(name, GatewayProfile) for name in names(GatewayProfile)}
MODELS = {
    name: load(name, ModelProfile)
    for name in ("gpt-4o", "gpt-4o-mini", "claude-3-5-haiku", "gemini-1-5-pro", "deepseek-v3")
}
DRAW = DrawKey(0, 1, 2, "confirm", 1)
HI = Ask(model="openai/gpt-4o", messages=[Message("user", "hi")])
DOWN = [Outage("openai", from_s=0.0, for_s=1e6)]
ALL = pytest.mark.parametrize("gateway", GATEWAYS.values(), ids=lambda of: of.NAME)
STREAM = pytest.mark.parametrize("stream", [False, True])


def config(**of: object) -> MockConfig:
    usual = MockConfig(seed=SEED, pay={}, models=MODELS, gateways=PROFILES)
    return msgspec.structs.replace(usual, **of)


def at(gateway: Gateway) -> Endpoint:
    return endpoints(IN_PROCESS_URL, config())[gateway.NAME]


def ask(gateway: Gateway, asked: Ask, of: MockConfig | None = None) -> Answered[Reply]:
    async def main(visitor: Visit) -> Answered[Reply]:
        return await visitor.ask(gateway.chat(at(gateway), asked), DRAW)

    return visit(main, of or config())


def send(gateway: Gateway, asked: Ask, of: MockConfig) -> Answer:
    async def main(visitor: Visit) -> Answer:
        return await visitor.send(gateway.chat(at(gateway), asked).request, DRAW)

    return visit(main, of)


def direct(asked: Ask, provider: str = "openai") -> Answered[Reply]:
    async def main(visitor: Visit) -> Answered[Reply]:
        to = endpoints(IN_PROCESS_URL, config())[provider]
        return await visitor.ask(WIRES[provider].chat(to, asked), DRAW)

    return visit(main, config())


def hop_us(gateway: Gateway, target: int = 0) -> int:
    hop, delays = PROFILES[gateway.NAME].hop, Delays(SEED, gateway.NAME)
    return round(delays.drawn_s(DRAW, f"hop {target}", hop.p50_ms / 1e3, hop.p99_ms / 1e3) * 1e6)


# The hop


@ALL
def test_an_answer_takes_what_its_model_takes_and_the_hop(gateway: Gateway) -> None:
    through = ask(gateway, HI)
    straight = direct(structs.replace(HI, model="gpt-4o"))
    assert through.value.text == straight.value.text
    assert through.answer.took_us == straight.answer.took_us + hop_us(gateway)
    assert through.answer.took_us == through.answer.told_us


@ALL
def test_a_streams_first_token_comes_by_the_hop_later_and_by_what_streams_wait(
    gateway: Gateway,
) -> None:
    asked = structs.replace(HI, stream=True, include_usage=True)
    through = ask(gateway, asked).answer
    straight = direct(structs.replace(asked, model="gpt-4o")).answer
    waits_us = hop_us(gateway) + round(PROFILES[gateway.NAME].hop.stream_ms * 1e3)
    assert through.first_token_us == straight.first_token_us + waits_us
    assert through.took_us == straight.took_us + waits_us


def test_openrouters_first_byte_is_no_token() -> None:
    gateway = GATEWAYS["openrouter"]
    answer = ask(gateway, structs.replace(HI, stream=True)).answer
    assert answer.body.startswith(b": OPENROUTER PROCESSING\n\n")
    assert answer.first_byte_us == pytest.approx(hop_us(gateway) / 2, abs=1)
    assert answer.first_token_us > 10 * answer.first_byte_us


def test_a_gateways_own_workers_are_busy_for_the_hop_alone() -> None:
    """Of calls at once, each waits for the hops of those before it, and for no model's answer."""
    gateway = GATEWAYS["portkey"]
    draws = [DrawKey(0, n, 0, "confirm", 1) for n in range(20)]

    async def main(visitor: Visit) -> list[float]:
        request = [gateway.chat(at(gateway), HI).request for _ in draws]
        answers = await asyncio.gather(*map(visitor.send, request, draws))
        return [answer.told.queue_ms for answer in answers if answer.told]

    queues_ms = visit(main, config())
    hop, delays = PROFILES["portkey"].hop, Delays(SEED, "portkey")
    hops_ms = [
        delays.drawn_s(draw, "hop 0", hop.p50_ms / 1e3, hop.p99_ms / 1e3) * 1e3 for draw in draws
    ]
    assert queues_ms == pytest.approx([sum(hops_ms[:n]) for n in range(20)], abs=0.01)


# Names


@pytest.mark.parametrize(
    ("model", "provider", "name"),
    [
        ("gpt-4o", "openai", "gpt-4o"),
        ("openai/gpt-4o-mini", "openai", "gpt-4o-mini"),
        ("anthropic/claude-3-5-haiku", "anthropic", "claude-3-5-haiku"),
        ("claude-3-5-haiku-20241022", "anthropic", "claude-3-5-haiku-20241022"),
        ("gemini/gemini-1-5-pro", "gemini", "gemini-1-5-pro"),
        ("deepseek/deepseek-chat", "deepseek", "deepseek-chat"),
    ],
)
@ALL
def test_any_model_is_asked_by_its_name_with_or_without_its_vendor(
    gateway: Gateway, model: str, provider: str, name: str
) -> None:
    reply = ask(gateway, structs.replace(HI, model=model)).value
    assert reply.model == gateway.told_name(provider, name)
    assert reply.usage == direct(structs.replace(HI, model=name), provider).value.usage


@ALL
@pytest.mark.parametrize("model", ["gpt-9", "openai/gpt-9", "openai/", "/", "@"])
def test_what_nobody_has_is_refused_at_the_door(gateway: Gateway, model: str) -> None:
    with pytest.raises(Malformed):
        ask(gateway, structs.replace(HI, model=model))


@pytest.mark.parametrize("name", ["openrouter", "litellm", "portkey"])
def test_a_model_of_a_vendor_that_nobody_knows_is_not_taken_for_anothers(name: str) -> None:
    with pytest.raises(Malformed):
        ask(GATEWAYS[name], structs.replace(HI, model="nobody/gpt-4o"))


@ALL
def test_a_gateway_lists_every_model_behind_it_as_it_spells_them(gateway: Gateway) -> None:
    async def main(visitor: Visit) -> list[Answer]:
        headers = gateway.opens_with(KEY)
        url = at(gateway).url("/models")
        one = at(gateway).url("/models/" + gateway.name_of("openai", "gpt-4o").removeprefix("@"))
        return [
            await visitor.send(httpx.Request("GET", url, headers=headers)),
            await visitor.send(httpx.Request("GET", one, headers=headers)),
            await visitor.send(httpx.Request("GET", url)),
        ]

    whole, one, keyless = visit(main, config())
    listed = {card["id"] for card in json.loads(whole.body)["data"]}
    for name, of in MODELS.items():
        assert gateway.name_of(of.provider, name).removeprefix("@") in listed
    assert json.loads(one.body)["id"] in listed
    assert keyless.status == 401


@ALL
def test_tools_go_through_and_come_back(gateway: Gateway) -> None:
    wish = "Please pay 12.50 CNY to tea-house with my balance."
    asked = structs.replace(
        HI, messages=[Message("user", wish)], tools=TOOLS, tool_choice="required"
    )
    (call,) = ask(gateway, asked).value.tool_calls
    assert call.name == "authorize_payment"


# Failover


@ALL
@STREAM
def test_when_the_model_is_down_another_one_answers_a_hop_later(
    gateway: Gateway, stream: bool
) -> None:
    asked = structs.replace(HI, stream=stream)
    fails_over = config(outages=DOWN, fallbacks={"gpt-4o": "claude-3-5-haiku"})
    through = ask(gateway, asked, fails_over)
    straight = direct(structs.replace(asked, model="claude-3-5-haiku"), "anthropic")
    assert through.value.model == gateway.told_name("anthropic", "claude-3-5-haiku")
    assert through.value.text == straight.value.text
    hops_us = hop_us(gateway, 0) + hop_us(gateway, 1)
    stream_us = round(PROFILES[gateway.NAME].hop.stream_ms * 1e3) if stream else 0
    assert through.answer.took_us == straight.answer.took_us + hops_us + stream_us


def test_who_answered_instead_is_told_in_headers() -> None:
    fails_over = config(outages=DOWN, fallbacks={"openai/gpt-4o": "gemini/gemini-1-5-pro"})
    litellm = ask(GATEWAYS["litellm"], HI, fails_over).answer.headers
    assert litellm["x-litellm-attempted-fallbacks"] == "1"
    assert litellm["x-litellm-model-group"] == "gemini-1-5-pro"
    portkey = ask(GATEWAYS["portkey"], HI, fails_over).answer.headers
    assert portkey["x-portkey-last-used-option-index"] == "config.targets[1]"
    assert portkey["x-portkey-provider"] == "google"
    usual = ask(GATEWAYS["portkey"], HI).answer.headers
    assert usual["x-portkey-last-used-option-index"] == "config.targets[0]"


def test_a_model_that_is_up_is_not_replaced() -> None:
    steady = config(fallbacks={"gpt-4o": "claude-3-5-haiku"})
    for gateway in GATEWAYS.values():
        assert ask(gateway, HI, steady).value.model == gateway.told_name("openai", "gpt-4o")


def test_a_rate_limit_of_the_model_fails_over_and_a_bad_request_does_not() -> None:
    none = msgspec.structs.replace(Limits.none(), tokens=1, window_s=1e9)
    limited = {
        **MODELS,
        "gpt-4o": msgspec.structs.replace(MODELS["gpt-4o"], limits=none),
    }
    fallbacks = {"gpt-4o": "gpt-4o-mini", "gpt-9": "gpt-4o-mini"}
    asked = structs.replace(HI, messages=[Message("user", "many words " * 9)])
    gateway = GATEWAYS["litellm"]
    reply = ask(gateway, asked, config(models=limited, fallbacks=fallbacks)).value
    assert reply.model == "gpt-4o-mini"
    with pytest.raises(Malformed):
        ask(gateway, structs.replace(HI, model="openai/gpt-9"), config(fallbacks=fallbacks))


def test_the_story_of_an_outage_in_the_middle_of_a_run() -> None:
    """Before, within and after: the model that is used follows the windows, not the calls."""
    windows = [Outage("openai", from_s=10.0, for_s=5.0)]
    fails_over = config(outages=windows, fallbacks={"gpt-4o": "claude-3-5-haiku"})
    gateway = GATEWAYS["litellm"]

    async def main(visitor: Visit) -> list[str]:
        used = []
        for n, second in enumerate((100.0, 109.0, 110.0, 114.9, 115.0)):
            await visitor.clock.sleep_until(second)
            draw = DrawKey(4, n, 0, "confirm", 1)
            reply = await visitor.ask(gateway.chat(at(gateway), HI), draw)
            used.append(reply.value.model)
        return used

    usual, other = "gpt-4o", "claude-3-5-haiku"
    assert visit(main, fails_over) == [usual, usual, other, other, usual]


# Trouble that nobody can mend


@ALL
@STREAM
@pytest.mark.parametrize("fallbacks", [{}, {"gpt-4o": "gpt-4o-mini"}])
def test_when_all_are_down_the_trouble_is_told_after_all_tries(
    gateway: Gateway, stream: bool, fallbacks: dict[str, str]
) -> None:
    asked = structs.replace(HI, stream=stream)
    told = send(gateway, asked, config(outages=DOWN, fallbacks=fallbacks))
    with pytest.raises(Overloaded) as caught:
        decode_reply(told.status, told.headers, told.body)
    assert type(caught.value) is Overloaded
    assert told.took_us == sum(hop_us(gateway, n) for n in range(1 + len(fallbacks)))
    in_stream = gateway.NAME == "openrouter" and stream
    assert (told.status == 200) is in_stream
    assert b"OPENROUTER PROCESSING" in told.body if in_stream else True


@ALL
@STREAM
def test_a_limit_of_the_gateway_is_its_own_and_told_at_once(gateway: Gateway, stream: bool) -> None:
    limits = msgspec.structs.replace(Limits.none(), requests=1, window_s=1e6)
    profile = msgspec.structs.replace(PROFILES[gateway.NAME], limits=limits)
    limited = config(gateways={gateway.NAME: profile})

    async def main(visitor: Visit) -> Answer:
        call = gateway.chat(at(gateway), structs.replace(HI, stream=stream))
        await visitor.ask(call)
        return await visitor.send(call.request)

    told = visit(main, limited)
    assert (told.status, told.took_us) == (429, 0)
    with pytest.raises(RateLimited):
        decode_reply(told.status, told.headers, told.body)


@ALL
def test_a_gateway_knows_its_own_keys_only(gateway: Gateway) -> None:
    async def main(visitor: Visit) -> Answer:
        to = Endpoint(at(gateway).base_url, "sk-guessed")
        return await visitor.send(gateway.chat(to, HI).request)

    told = visit(main, config())
    assert b"guessed" not in told.body
    with pytest.raises(Unauthorized):
        decode_reply(told.status, told.headers, told.body)


def test_litellm_tells_what_the_answer_cost_at_the_vendors_price() -> None:
    through = ask(GATEWAYS["litellm"], HI)
    usage, price = through.value.usage, MODELS["gpt-4o"].price
    assert usage and price
    cost = (usage.prompt * price.input_usd + usage.completion * price.output_usd) / 1e6
    assert float(through.answer.headers["x-litellm-response-cost"]) == pytest.approx(cost)
    overhead_ms = float(through.answer.headers["x-litellm-overhead-duration-ms"])
    assert overhead_ms == pytest.approx(hop_us(GATEWAYS["litellm"]) / 1e3, abs=0.001)


@ALL
def test_no_body_makes_a_gateway_fail_or_stumble(gateway: Gateway) -> None:
    asked = structs.replace(HI, tools=TOOLS, tool_choice="required", max_tokens=99, stream=True)
    good = gateway.chat(at(gateway), asked).request.content

    @settings(max_examples=40, deadline=None)
    @given(bodies(good))
    def holds(body: bytes) -> None:
        url, headers = at(gateway).url("/chat/completions"), gateway.opens_with(KEY)

        async def main(visitor: Visit) -> Answer:
            request = httpx.Request("POST", url, headers=headers, content=body)
            return await visitor.send(request)

        told = visit(main, config())
        assert told.status < 500
        assert told.status != 200 or decode_reply(200, told.headers, told.body)

    holds()
