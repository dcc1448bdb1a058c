"""Tokens and keys that come where they must not: each is seen, and told without itself; what is
as it should be is not."""

import asyncio
import base64
from collections.abc import Awaitable, Callable

import httpx
import pytest

from harness.books import Account, Trespass
from harness.clock import VirtualClock, run
from harness.faults import Placed, Script
from harness.providers import MODELS, flat, openai, unionpay_ai
from harness.providers import wechat_ai as wire
from harness.providers.call import Endpoint
from harness.providers.chat import Ask, Message
from harness.providers.told import DrawKey, name_draw
from harness.providers.wechat_ai import Order, Session
from mocks.audit import accounts
from mocks.host import KEY, KEYS, Host, MockConfig, key_of
from mocks.profile import ModelProfile, PaymentProfile, load
from mocks.trail import KEPT_SPENT, MOST_NOTED, Trail
from tests.mocks.faults.wires import LANES, SAYS, chat, payment
from tests.mocks.visit import ADA, AT_PAY, BOB, Visit, visit

OURS, THEIRS = "wxs_00000000002a", "upt_00000000002a"
STRIPES = KEYS["stripe"]
ADAS = Order("o-1", ADA, "balance")
AT_TURN = DrawKey(0, 3, 1, "pay", 1)


# What WeChat Pay AI's mock judges itself


async def opened(at: Visit, user: str = ADA, method: str = "balance") -> Session:
    told = (await at.ask(wire.open_session(AT_PAY, user, method))).value
    assert isinstance(told, Session)
    return told


async def queries(at: Visit, token: str) -> None:
    asked = wire.transact(AT_PAY, "pay.query", token, await at.key(), ADAS)
    await at.ask(asked, AT_TURN)


async def refreshes(at: Visit, token: str) -> None:
    await at.ask(wire.refresh(AT_PAY, token), AT_TURN)


async def of_another_user(at: Visit) -> None:
    await queries(at, (await opened(at, BOB)).session_token)


async def of_another_method(at: Visit) -> None:
    await queries(at, (await opened(at, method="card")).session_token)


async def refreshed_twice(at: Visit) -> None:
    session = await opened(at)
    for _ in range(2):
        await refreshes(at, session.refresh_token)


async def refreshed_at_once(at: Visit) -> None:
    session = await opened(at)
    await asyncio.gather(*(refreshes(at, session.refresh_token) for _ in range(2)))


async def a_refresh_token_pays(at: Visit) -> None:
    await queries(at, (await opened(at)).refresh_token)


async def a_session_token_refreshes(at: Visit) -> None:
    await refreshes(at, (await opened(at)).session_token)


Told = Callable[[Visit], Awaitable[None]]

MISUSED: list[tuple[Told, str]] = [
    (of_another_user, "a token of another user or method came with an order"),
    (of_another_method, "a token of another user or method came with an order"),
    (refreshed_twice, "a refresh token came a second time"),
    (refreshed_at_once, "a refresh token came a second time"),
    (a_refresh_token_pays, "a refresh token came in place of a session token"),
    (a_session_token_refreshes, "a session token came in place of a refresh token"),
]


@pytest.mark.parametrize(("story", "why"), MISUSED, ids=lambda of: getattr(of, "__name__", ""))
def test_a_misused_token_is_told_of_with_its_turn(story: Told, why: str) -> None:
    async def main(at: Visit) -> None:
        await story(at)
        assert at.host.setting.trail.trespasses == [f"{why}, in turn 0.3.1 at pay"]

    visit(main)


async def as_it_should_be(at: Visit) -> None:
    session = await opened(at)
    await queries(at, session.session_token)
    await refreshes(at, session.refresh_token)
    await queries(at, session.session_token)


async def too_late(at: Visit) -> None:
    session = await opened(at)
    await at.clock.sleep_until(at.clock.now() + 1000)
    await queries(at, session.session_token)
    await at.clock.sleep_until(at.clock.now() + 40 * 86_400)
    for _ in range(2):
        await refreshes(at, session.refresh_token)


async def never_issued(at: Visit) -> None:
    await queries(at, "wxs_ffffffffffff")
    await refreshes(at, "wxs_ffffffffffff")


async def the_network_sent_it_twice(at: Visit) -> None:
    session = await opened(at)
    await refreshes(at, session.refresh_token)
    with at.host.setting.trail.echo():
        at.host.decide(wire.refresh(AT_PAY, session.refresh_token).request)


async def only_the_networks_copy_was_served(at: Visit) -> None:
    """The client was turned away, and tries again."""
    session = await opened(at)
    with at.host.setting.trail.echo():
        at.host.decide(wire.refresh(AT_PAY, session.refresh_token).request)
    await refreshes(at, session.refresh_token)


@pytest.mark.parametrize(
    "story",
    [
        as_it_should_be,
        too_late,
        never_issued,
        the_network_sent_it_twice,
        only_the_networks_copy_was_served,
    ],
)
def test_no_client_is_blamed_for_what_is_allowed_or_what_others_did(story: Told) -> None:
    async def main(at: Visit) -> None:
        await story(at)
        assert at.host.setting.trail.trespasses == []

    visit(main)


# What is seen on the way in, at any provider

ORDER = flat.NewPayment("o-1", 100, "CNY", "ada", "balance", "noodles")


def at_(provider: str, key: str) -> Endpoint:
    return Endpoint(f"http://mocks/{provider}", key)


def post(headers: dict[str, str], content: bytes = b"") -> httpx.Request:
    return httpx.Request("POST", "http://mocks/any", headers=headers, content=content)


def basic(name: str, key: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{key}".encode()).decode()}


def asks_model(key: str, said: str = "hello") -> httpx.Request:
    ask = Ask(model="gpt-4o", messages=[Message("user", said)])
    return openai.OPENAI.chat(at_("openai", key), ask).request


STRAYS = [
    ("unionpay-ai", unionpay_ai.query(at_("unionpay-ai", ""), OURS, "o-1").request, "wechat-ai"),
    ("flat", flat.pay(at_("flat", OURS), ORDER).request, "wechat-ai"),
    ("stripe", post({"authorization": f"Bearer {OURS}"}), "wechat-ai"),
    ("stripe", post(basic(OURS, "")), "wechat-ai"),
    ("alipay-ai", post({}, f"biz_content=%7B{OURS}%7D".encode()), "wechat-ai"),
    ("wechatpay", post({"authorization": f'token="{OURS}"'}), "wechat-ai"),
    ("flat", flat.query(at_("flat", KEY), OURS).request, "wechat-ai"),
    ("stripe", httpx.Request("GET", f"http://mocks/stripe/v1?a={THEIRS}"), "unionpay-ai"),
    ("openai", asks_model(OURS), "wechat-ai"),
    ("wechat-ai", wire.refresh(at_("wechat-ai", ""), THEIRS).request, "unionpay-ai"),
    ("openai", asks_model(THEIRS), "unionpay-ai"),
    ("openai", asks_model(STRIPES), "stripe"),
    ("flat", flat.pay(at_("flat", STRIPES), ORDER).request, "stripe"),
    ("wechat-ai", wire.open_session(at_("wechat-ai", STRIPES), "ada", "card").request, "stripe"),
    ("unionpay-ai", post(basic("app", STRIPES)), "stripe"),
    ("stripe", post({"authorization": f"Bearer {KEY}"}), "a key"),
]
FINE = [
    ("wechat-ai", wire.refresh(at_("wechat-ai", KEY), OURS).request),
    ("unionpay-ai", unionpay_ai.query(at_("unionpay-ai", ""), THEIRS, "o-1").request),
    ("unionpay-ai", post(basic("app", KEY))),
    ("unionpay-ai", post({"authorization": "Basic !"})),
    ("flat", flat.pay(at_("flat", KEY), ORDER).request),
    ("stripe", post({"authorization": f"Bearer {STRIPES}"})),
    ("stripe", post({}, b"description=interrupt_00&wxs_=upt_&a=abrupt_0")),
    ("stripe", post({"idempotency-key": f"{KEY}-2"})),
    ("openai", asks_model(KEY)),
    # In a prompt it is a leak, which the model's mock counts.
    ("openai", asks_model(KEY, f"pay with {OURS}")),
]


def world() -> Trail:
    """That of all payment mocks."""
    pay = {lane: load(lane, PaymentProfile) for lane in LANES}

    async def main() -> Trail:
        return Host(VirtualClock(), MockConfig(seed=1, pay=pay, models={})).setting.trail

    return run("virtual", main())


def seen(provider: str, request: httpx.Request) -> Trail:
    trail = world()
    trail.look(provider, key_of(provider), request)
    return trail


@pytest.mark.parametrize(("provider", "request_", "whose"), STRAYS)
def test_what_is_anothers_is_seen_and_not_said(
    provider: str, request_: httpx.Request, whose: str
) -> None:
    trail = seen(provider, request_)
    ((owner, trespass),) = trail.noted
    why = trespass.why
    assert why.endswith(f" came to {provider}")
    assert whose in (owner, "a key")
    assert not [secret for secret in (OURS, THEIRS, STRIPES, KEY) if secret in why]


@pytest.mark.parametrize(("provider", "request_"), FINE)
def test_what_is_its_own_is_fine(provider: str, request_: httpx.Request) -> None:
    assert seen(provider, request_).noted == []


@pytest.mark.parametrize("lane", LANES)
def test_nothing_that_our_clients_send_to_pay_is_anothers(lane: str) -> None:
    trail, provider = world(), load(lane, PaymentProfile).provider
    for sent in payment(lane).sent:
        trail.look(provider, key_of(provider), sent.request)
    assert trail.noted == []


@pytest.mark.parametrize("provider", sorted({name for name, _ in SAYS}))
def test_nothing_that_our_clients_ask_models_is_anothers(provider: str) -> None:
    trail = world()
    for sent in chat(provider, False).sent:
        trail.look(provider, key_of(provider), sent.request)
    assert trail.noted == []


def test_a_stray_names_the_turn_that_its_call_named() -> None:
    request = asks_model(STRIPES)
    name_draw(request, AT_TURN)
    assert seen("openai", request).trespasses == [
        "the key of stripe came to openai, in turn 0.3.1 at pay"
    ]


@pytest.mark.parametrize("name", ["flat", "openai"])
def test_it_is_looked_at_whether_or_not_anything_is_to_go_wrong(name: str) -> None:
    request = httpx.Request("POST", f"http://mocks/{name}/v1", headers={"x-any": OURS}, content=b"")
    name_draw(request, AT_TURN)

    async def main() -> list[Account]:
        pay = {lane: load(lane, PaymentProfile) for lane in ("flat", "wechat-ai")}
        host = Host(VirtualClock(), MockConfig(seed=1, pay=pay, models={}))
        host.decide(request)
        return accounts(host)

    (trespass,) = [of for account in run("virtual", main()) for of in account.trespasses]
    assert (trespass.rule, trespass.intent) == ("own tokens", "0.3.1")
    assert trespass.why == f"a token of wechat-ai came to {name}, in turn 0.3.1 at pay"


def test_a_secret_in_a_prompt_is_noted_though_the_answer_is_lost() -> None:
    asked = Ask(model="gpt-4o", messages=[Message("user", f"pay with {OURS}, please")])
    request = MODELS["openai"].chat(Endpoint("http://mocks/openai/v1", KEY), asked).request
    name_draw(request, DrawKey(0, 3, 1, "intent", 1))

    async def main() -> list[Account]:
        models = {"gpt-4o": load("gpt-4o", ModelProfile)}
        pay = {"flat": load("flat", PaymentProfile)}
        lost = Script([Placed(1, "intent", "timeouts")])
        host = Host(VirtualClock(), MockConfig(seed=1, pay=pay, models=models), faults=lost)
        assert host.decide(request).ending == "silence"
        return accounts(host)

    (account,) = run("virtual", main())
    why = "a secret was in a prompt, in turn 0.3.1 at intent"
    assert account.trespasses == [Trespass("no secret", "0.3.1", why)]
    assert OURS not in why


# Bounds


def test_of_used_tokens_the_newest_are_known_and_of_trespasses_the_first() -> None:
    trail = Trail()
    for n in range(KEPT_SPENT + 1):
        trail.spend(str(n))
    assert [trail.spent(str(n)) for n in (0, 1, KEPT_SPENT)] == [False, True, True]
    for n in range(MOST_NOTED + 1):
        trail.note("flat", str(n), None)
    assert (len(trail.noted), trail.trespasses[0]) == (MOST_NOTED, "0")


def test_two_lanes_of_one_provider_issue_no_token_twice() -> None:
    trail = Trail()
    assert [trail.token("wechat-ai") for _ in range(2)] == ["wxs_000000000000", "wxs_000000000001"]
    assert trail.token("unionpay-ai") == "upt_000000000000"
