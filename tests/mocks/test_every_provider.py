"""Every provider of the cast through its own client: good, declined, busy, broken, locked out."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import httpx
import msgspec
import pytest
from msgspec import structs

from harness.cli.casting import ORDER_ONLY, PAYERS
from harness.cli.problems import Problems
from harness.clock import VirtualClock, run
from harness.flow.flow import Chat, Flow, World
from harness.flow.inbox import Inbox
from harness.flow.payers import Payer, Payment, Refund, Settlement
from harness.flow.wish import Wish
from harness.providers import MODELS
from harness.providers import PAYMENTS as WIRES
from harness.providers.call import (
    Call,
    Endpoint,
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
)
from harness.providers.chat import Ask, Message, Reply, Schema, Tool
from mocks.credentials import CREDENTIALS
from mocks.figures import Limits
from mocks.host import IN_PROCESS_URL, PAYMENTS, Host, MockConfig, endpoints, key_of
from mocks.ledger import BLOCKED_PAYEE
from mocks.profile import (
    FOLDER,
    GatewayProfile,
    ModelProfile,
    PaymentProfile,
    Profile,
    figures,
    load,
    names,
)

T = TypeVar("T")

PAY_PROFILES = names(PaymentProfile)
ORDERED = [name for name in PAY_PROFILES if load(name, PaymentProfile).provider in ORDER_ONLY]
PAID = [name for name in PAY_PROFILES if name not in ORDERED]
PROVIDERS = sorted(PAYMENTS)
WISH = Wish(4580, "CNY", "noodles", "balance")
ONE_A_YEAR = msgspec.structs.replace(Limits.none(), requests=1, window_s=3e7)
DOWN = msgspec.structs.replace(
    Limits.none(), overload_every_s=1e6, overload_lasts_s=1e6, overload_share=1.0
)


def test_wires_mocks_and_clients_have_the_same_names() -> None:
    assert set(WIRES) == set(PAYMENTS) == set(PAYERS)


def test_every_wire_is_served_and_every_served_wire_is_known() -> None:
    config = MockConfig(seed=1, pay=dict(_payments(Limits.none())), models={})
    assert set(endpoints(IN_PROCESS_URL, config)) >= set(PAYMENTS) | set(MODELS)


@pytest.mark.parametrize("kind", [PaymentProfile, ModelProfile, GatewayProfile])
def test_every_shipped_figure_has_its_provenance(kind: type[Profile]) -> None:
    assert names(kind)
    for name in names(kind):
        for section, of in figures(load(name, kind)):  # type: ignore[type-var]
            assert of.provenance in ("article", "vendor", "measured", "assumed"), (name, section)
            assert len(of.source) > 10, (name, section)


def test_every_provider_has_a_profile_of_its_own_name() -> None:
    assert set(PROVIDERS) <= {path.stem for path in FOLDER.glob("*.toml")}


# Payments


@dataclass(slots=True)
class Shop:
    """A client of one provider, and that provider's other side."""

    payer: Payer
    flow: Flow
    host: Host
    lane: str

    @property
    def states(self) -> list[str]:
        return [entry.state for entry in self.host.payments[self.lane].ledger]

    async def pay(self, order_no: str, wish: Wish = WISH) -> Settlement:
        session = await self.payer.open_session(self.flow, "ada", wish.method)
        told = await self.payer.authorize(self.flow, session, Payment(order_no, "ada", wish))
        assert told != "stale"
        return told


def visit(
    lane: str,
    story: Callable[[Shop], Awaitable[T]],
    *,
    limits: Limits | None = None,
    key: str | None = None,
    answer: Callable[[httpx.Request], httpx.Response] | None = None,
) -> T:
    clock, profile = VirtualClock(), load(lane, PaymentProfile)
    if limits:
        profile = msgspec.structs.replace(profile, limits=limits)

    async def main() -> T:
        inbox = Inbox("http://app")
        host = Host(clock, MockConfig(seed=1, pay={lane: profile}, models={}), deliver=inbox)
        transport = httpx.MockTransport(answer or host)
        at = endpoints(IN_PROCESS_URL, host.config)[lane]
        at = replace(at, key=key) if key else at
        world = World(clock, transport, 1, 0, True, inbox=inbox)
        chat = Chat(world, 0, "ada", 1, clock.now())
        payer = PAYERS[profile.provider](at, inbox, profile)
        flow = Flow(world, 0, 0, chat.due, clock.now())
        return await story(Shop(payer, flow, host, lane))

    return run("virtual", main())


@pytest.mark.parametrize("lane", PAID)
def test_a_payment_goes_through_and_is_booked_once(lane: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.payer.start(shop.flow)
        settled = await shop.pay("o-1")
        assert settled.outcome == "paid"
        assert settled.fee_minor > 0
        assert shop.states == ["paid"]
        entry = next(iter(shop.host.payments[lane].ledger))
        assert entry.terms and (entry.terms.amount_minor, entry.terms.currency) == (4580, "CNY")

    visit(lane, story)


@pytest.mark.parametrize("lane", PAID)
def test_a_decline_is_a_result_and_costs_nothing(lane: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.payer.start(shop.flow)
        settled = await shop.pay("o-1", structs.replace(WISH, payee=BLOCKED_PAYEE))
        assert settled == Settlement("declined")
        assert "paid" not in shop.states

    visit(lane, story)


@pytest.mark.parametrize("lane", PAID)
def test_a_user_without_money_is_declined(lane: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.payer.start(shop.flow)
        session = await shop.payer.open_session(shop.flow, "ada-broke", "balance")
        payment = Payment("o-1", "ada-broke", WISH)
        assert await shop.payer.authorize(shop.flow, session, payment) == Settlement("declined")

    visit(lane, story)


@pytest.mark.parametrize("lane", PAY_PROFILES)
@pytest.mark.parametrize(("limits", "fault"), [(ONE_A_YEAR, RateLimited), (DOWN, Overloaded)])
def test_a_busy_provider_is_a_fault_of_its_own_kind_and_books_nothing(
    lane: str, limits: Limits, fault: type[ProviderFault]
) -> None:
    async def story(shop: Shop) -> None:
        with pytest.raises(fault) as told:
            await shop.payer.start(shop.flow)
            for n in range(3):
                await shop.pay(f"o-{n}")
        assert type(told.value) is fault
        assert len(shop.states) <= 1

    visit(lane, story, limits=limits)


@pytest.mark.parametrize("lane", PAY_PROFILES)
def test_a_wrong_key_is_told_as_such_and_books_nothing(lane: str) -> None:
    provider = load(lane, PaymentProfile).provider
    wrong = _other_rsa_key() if provider in CREDENTIALS else f"{key_of(provider)[:8]}wrong"

    async def story(shop: Shop) -> None:
        with pytest.raises(Unauthorized) as told:
            await shop.payer.start(shop.flow)
            await shop.pay("o-1")
        assert wrong[:40] not in str(told.value)
        assert shop.states == []

    visit(lane, story, key=wrong)


GARBAGE = [
    (200, b"", "application/json"),
    (200, b"{", "application/json"),
    (200, b"[]", "application/json"),
    (200, b"\xff\xfe", "text/html"),
    (200, b'{"status":"succeeded"}', "application/json"),
    (302, b"", "text/plain"),
]


@pytest.mark.parametrize("lane", PAY_PROFILES)
@pytest.mark.parametrize(("status", "body", "kind"), GARBAGE)
def test_an_answer_that_is_none_is_malformed(
    lane: str, status: int, body: bytes, kind: str
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={"content-type": kind}, content=body)

    async def story(shop: Shop) -> None:
        with pytest.raises(Malformed):
            await shop.payer.start(shop.flow)
            await shop.pay("o-1")

    visit(lane, story, answer=answer)


@pytest.mark.parametrize("lane", PAY_PROFILES)
def test_paying_twice_under_one_number_books_it_once(lane: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.payer.start(shop.flow)
        first, second = await asyncio.gather(
            shop.pay("o-1"), shop.pay("o-1"), return_exceptions=True
        )
        if lane in PAID:  # An order that is given up by then may be refused.
            assert (await shop.pay("o-1")).outcome == "paid"
        assert len(shop.states) == 1
        for told in (first, second):
            assert isinstance(told, ProviderFault) or (
                isinstance(told, Settlement) and told.outcome == shop.payer.good_end
            )

    visit(lane, story)


@pytest.mark.parametrize("lane", PAID)
def test_a_payment_can_be_asked_after_and_taken_back(lane: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.payer.start(shop.flow)
        await shop.pay("o-1")
        session = await shop.payer.open_session(shop.flow, "ada", "balance")
        known, unknown = Payment("o-1", "ada", WISH), Payment("o-2", "ada", WISH)
        stands = await shop.payer.query(shop.flow, session, known)
        assert stands is not None and stands.outcome == "paid"
        assert await shop.payer.query(shop.flow, session, unknown) is None
        assert await shop.payer.void(shop.flow, session, known)
        after = await shop.payer.query(shop.flow, session, known)
        assert after is not None and after.outcome in ("reversed", "refunded")

    visit(lane, story)


@pytest.mark.parametrize("lane", ORDERED)
def test_where_nobody_pays_an_order_is_made_and_given_up_again_and_costs_nothing(
    lane: str,
) -> None:
    async def story(shop: Shop) -> None:
        await shop.payer.start(shop.flow)
        assert await shop.pay("order-1") == Settlement("ordered")
        await shop.flow.join()
        session = await shop.payer.open_session(shop.flow, "ada", "balance")
        known, unknown = Payment("order-1", "ada", WISH), Payment("order-2", "ada", WISH)
        part = Refund("order-1-r", 100)
        assert await shop.payer.refund(shop.flow, session, known, part) == Settlement("declined")
        stands = await shop.payer.query(shop.flow, session, known)
        assert stands in (Settlement("ordered"), None)
        assert await shop.payer.query(shop.flow, session, unknown) is None
        assert await shop.payer.void(shop.flow, session, known)
        assert len(shop.states) == 1 and shop.states[0] in ("open", "voided")

    visit(lane, story)


def test_a_provider_is_compared_by_default_only_if_something_is_paid_by_it() -> None:
    assert {load(name, PaymentProfile).provider for name in ORDERED} == ORDER_ONLY
    assert Problems().payments("--pay", None, "food_order") == PAID


def _payments(limits: Limits) -> list[tuple[str, PaymentProfile]]:
    return [
        (name, msgspec.structs.replace(load(name, PaymentProfile), limits=limits))
        for name in PROVIDERS
    ]


def _other_rsa_key() -> str:
    from mocks.keys import signing_pair

    return signing_pair("somebody else's")[0]


# Models

MODEL_PROVIDERS = sorted(MODELS)
TOOL = Tool(
    "look_up",
    "Look a word up.",
    msgspec.Raw(
        b'{"type":"object","properties":{"word":{"type":"string"}},"required":["word"],'
        b'"additionalProperties":false}'
    ),
)


def ask(
    provider: str,
    asked: Ask,
    *,
    limits: Limits | None = None,
    key: str | None = None,
    answer: Callable[[httpx.Request], httpx.Response] | None = None,
) -> Reply:
    """What a model of that provider answers; a gateway's own upstream is GPT-4o's."""
    profile = msgspec.structs.replace(load("gpt-4o", ModelProfile), limits=limits)
    gateway = provider in _gateways()
    if not gateway:
        profile = msgspec.structs.replace(profile, provider=provider)
    gateways = {
        name: msgspec.structs.replace(of, limits=limits) for name, of in _gateways().items()
    }
    config = MockConfig(seed=1, pay={}, models={"gpt-4o": profile}, gateways=gateways)

    async def main() -> Reply:
        clock = VirtualClock()
        host = Host(clock, config)
        at = endpoints(IN_PROCESS_URL, config)[provider]
        world = World(clock, httpx.MockTransport(answer or host), 1, 0, True)
        flow = Flow(world, 0, 0, 0.0, 0.0)
        call: Call[Reply] = MODELS[provider].chat(Endpoint(at.base_url, key or at.key), asked)
        return await flow.call("confirm", call)

    return run("virtual", main())


def _gateways() -> dict[str, GatewayProfile]:
    return {
        load(name, GatewayProfile).provider: load(name, GatewayProfile)
        for name in names(GatewayProfile)
    }


SAY = Ask(model="gpt-4o", messages=[Message("system", "Be kind."), Message("user", "hello")])


@pytest.mark.parametrize("provider", MODEL_PROVIDERS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_model_answers_whole_and_streamed_with_its_usage(provider: str, stream: bool) -> None:
    reply = ask(provider, structs.replace(SAY, stream=stream, include_usage=True))
    assert reply.text and reply.text.startswith("Whom shall I pay")
    assert reply.finish == "stop"
    assert reply.usage and reply.usage.prompt > 0 and reply.usage.completion > 10


@pytest.mark.parametrize("provider", MODEL_PROVIDERS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_model_calls_the_tool_it_must(provider: str, stream: bool) -> None:
    asked = structs.replace(SAY, tools=[TOOL], tool_choice="required", stream=stream)
    reply = ask(provider, asked)
    assert [call.name for call in reply.tool_calls] == ["look_up"]
    assert msgspec.json.decode(reply.tool_calls[0].arguments) == {"word": "example"}


@pytest.mark.parametrize("provider", MODEL_PROVIDERS)
def test_a_model_keeps_a_schema(provider: str) -> None:
    asked = structs.replace(SAY, schema=Schema("word", TOOL.parameters))
    assert msgspec.json.decode(ask(provider, asked).text or "") == {"word": "example"}


@pytest.mark.parametrize("provider", MODEL_PROVIDERS)
def test_a_model_stops_at_the_bound_it_was_given(provider: str) -> None:
    reply = ask(provider, structs.replace(SAY, max_tokens=5))
    assert reply.finish == "length"
    assert reply.usage and reply.usage.completion == 5


@pytest.mark.parametrize("provider", MODEL_PROVIDERS)
@pytest.mark.parametrize("stream", [False, True])
def test_an_overloaded_model_provider_is_a_fault(provider: str, stream: bool) -> None:
    with pytest.raises(Overloaded) as told:
        ask(provider, structs.replace(SAY, stream=stream), limits=DOWN)
    assert not isinstance(told.value, RateLimited)


@pytest.mark.parametrize("provider", MODEL_PROVIDERS)
def test_a_rate_limit_is_a_fault_of_its_own_kind(provider: str) -> None:
    none = msgspec.structs.replace(Limits.none(), tokens=1, window_s=3e7)
    with pytest.raises(RateLimited):
        ask(provider, SAY, limits=none)


@pytest.mark.parametrize("provider", MODEL_PROVIDERS)
def test_a_wrong_key_of_a_model_is_told_as_such(provider: str) -> None:
    with pytest.raises(Unauthorized) as told:
        ask(provider, SAY, key="sk-guessed-wrong")
    assert "guessed" not in str(told.value)


@pytest.mark.parametrize("provider", MODEL_PROVIDERS)
def test_a_model_that_nobody_has_is_malformed(provider: str) -> None:
    with pytest.raises(Malformed):
        ask(provider, structs.replace(SAY, model="gpt-99"))


@pytest.mark.parametrize("provider", MODEL_PROVIDERS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("status", "body", "kind"), GARBAGE)
def test_an_answer_of_a_model_that_is_none_is_malformed(
    provider: str, stream: bool, status: int, body: bytes, kind: str
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={"content-type": kind}, content=body)

    with pytest.raises(Malformed):
        ask(provider, structs.replace(SAY, stream=stream), answer=answer)
