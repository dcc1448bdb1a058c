"""Notices from a mock process to an app, over HTTP all the way: signed, told once, and believed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx
import pytest
from msgspec import structs

from harness.cli.inbox_server import inbox_server
from harness.cli.mock_process import mock_process
from harness.clock import RealClock, run
from harness.flow.flow import Flow, World
from harness.flow.inbox import Inbox, Notice
from harness.flow.payers import Payment, Settlement, sessionless
from harness.flow.payers.alipay_ai import AlipayAi
from harness.flow.wish import Wish
from harness.http1 import Sockets
from harness.providers import stripe
from harness.providers.call import Call, Endpoint
from harness.providers.stripe import events
from harness.providers.stripe.objects import PaymentIntent, WebhookEndpoint
from harness.providers.stripe.requests import CreateEndpoint, CreateIntent
from harness.transport import measure
from mocks.credentials import CREDENTIALS
from mocks.host import MockConfig, key_of
from mocks.profile import PaymentProfile, load

pytestmark = pytest.mark.socket

T = TypeVar("T")
PATIENCE_S = 20.0
PAYMENT = Payment("alice-0", "alice", Wish(4580, "CNY", "noodles", "card"))


@dataclass(frozen=True, slots=True)
class App:
    """Over sockets to mocks in another process, and they to it."""

    url: str
    transport: httpx.AsyncBaseTransport
    inbox: Inbox

    async def ask(self, call: Call[T]) -> T:
        took = await measure(self.transport, RealClock(), call.request, PATIENCE_S)
        assert not took.fault, took.fault
        return call.decode(took.status, took.headers, took.body)

    def flow(self) -> Flow:
        clock = RealClock()
        world = World(clock, self.transport, 1, 0, True, 0.01, inbox=self.inbox)
        return Flow(world, 0, 0, clock.now(), clock.now())


def _mocks(provider: str, twice_share: float) -> MockConfig:
    """Answers and notices take next to no time, and the first try of none is lost."""
    profile = load(provider, PaymentProfile)
    assert profile.webhook
    overhead = structs.replace(profile.overhead, p50_ms=5.0, p99_ms=5.0)
    webhook = structs.replace(
        profile.webhook, p50_ms=20.0, p99_ms=20.0, twice_share=twice_share, late_share=0.0,
        lost_share=0.0, retry_s=[0.05],
    )  # fmt: skip
    quick = structs.replace(profile, overhead=overhead, webhook=webhook)
    return MockConfig(seed=1, pay={provider: quick}, models={})


class DeafAtFirst(Inbox):
    """The app cannot take the first notice."""

    heard = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.heard += 1
        return httpx.Response(503) if self.heard == 1 else await super().__call__(request)


def _met(
    mocks: MockConfig, story: Callable[[App], Awaitable[None]], inbox: Inbox | None = None
) -> None:
    ears = inbox or Inbox("")

    async def main(url: str) -> None:
        async with Sockets() as transport, inbox_server(ears) as ears.url:
            await story(App(url, transport, ears))

    with mock_process(mocks) as url:
        run("real", main(url))


async def _until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not happened():
            await asyncio.sleep(0.01)


async def _paid_by_alipay(app: App) -> Flow:
    at = await app.ask(CREDENTIALS["alipay-ai"].ask(f"{app.url}/alipay-ai"))
    payer, flow = AlipayAi(at, app.inbox, lambda luck: 0.01), app.flow()
    settled = await payer.authorize(flow, sessionless("card"), PAYMENT)
    assert settled == Settlement("paid", 17)
    return flow


def test_an_alipay_payment_is_told_by_its_notice_however_often_that_comes() -> None:
    async def story(app: App) -> None:
        flow = await _paid_by_alipay(app)
        assert [span.stage for span in flow.spans] == ["sign", "approve", "pay", "notify"]
        await _until(lambda: app.inbox.repeated == 1)
        assert app.inbox.forged == 0

    _met(_mocks("alipay-ai", twice_share=1.0), story)


def test_an_app_that_is_deaf_at_first_is_told_again() -> None:
    inbox = DeafAtFirst("")

    async def story(app: App) -> None:
        flow = await _paid_by_alipay(app)
        assert flow.spans[-1].stage == "notify"
        assert (inbox.heard, inbox.forged) == (2, 0)

    _met(_mocks("alipay-ai", twice_share=0.0), story, inbox)


def test_a_stripe_event_comes_signed_to_the_address_that_was_registered() -> None:
    secrets: list[str] = []

    def receive(request: httpx.Request) -> tuple[Notice | None, httpx.Response]:
        told = events.read_notice(request, secrets[0])
        notice = Notice(told.id, told.subject.id, "paid") if told else None
        return notice, events.acknowledge(told is not None)

    async def story(app: App) -> None:
        at = Endpoint(f"{app.url}/stripe", key_of("stripe"))
        url = app.inbox.register("stripe", receive)
        asked = CreateEndpoint(url=url, enabled_events=["payment_intent.succeeded"])
        made = await app.ask(stripe.create_endpoint(at, asked, "key-0"))
        assert isinstance(made, WebhookEndpoint) and made.secret
        secrets.append(made.secret)
        pay = CreateIntent(
            amount=4580, currency="usd", confirm=True, payment_method="pm_card_visa",
            payment_method_types=["card"],
        )  # fmt: skip
        paid = await app.ask(stripe.create_intent(at, pay, "key-1"))
        assert isinstance(paid, PaymentIntent) and paid.status == "succeeded"
        async with asyncio.timeout(PATIENCE_S):
            assert (await app.inbox.next(paid.id)).outcome == "paid"
        assert app.inbox.forged == 0

    _met(_mocks("stripe", twice_share=0.0), story)
