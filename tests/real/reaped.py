"""What a run left at one mocked provider, on the virtual clock, and its reaping; of that it asserts
only that it makes no order."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import httpx

from harness.clock import VIRTUAL_DAY_S, VirtualClock, run
from harness.flow.flow import Flow, World
from harness.flow.payers import Payment, sessionless
from harness.flow.payers.prudent import Prudent
from harness.flow.wish import Wish
from harness.providers import alipay_ai, alipay_v3, unionpay, wechatpay
from harness.providers.alipay_ai import trade
from harness.providers.call import Endpoint
from harness.providers.unionpay.message import stamp
from harness.providers.unionpay.transactions import NewOrder
from harness.providers.wechatpay import orders
from harness.providers.wechatpay.signing import Stamp
from harness.real.caps import USUAL, least_minor
from harness.real.closing import Caller
from harness.real.journal import Entry, Journal, made_by, read_journal
from harness.real.meter import Meter
from harness.real.reaper import Left, reap
from harness.real.safe import SafeTransport
from tests.real.mocked import found_of, hosts_of
from tests.real.test_payers import PAYERS

T = TypeVar("T")
SESSION = sessionless("card")
PAYMENT = Payment("r1c2-0", "ada", Wish(4580, "CNY", "noodles", "card"))
NUMBER = "trun1_r1c2_0"
MAKING = (
    "/v1/payment_intents",
    "/v3/pay/transactions/native",
    "/v3/alipay/trade/precreate",
    "/gateway/api/appTransReq.do",
)


class Room:
    """A run's folder and the provider that it asked, on the virtual clock."""

    def __init__(self, folder: Path, provider: str) -> None:
        self.clock = VirtualClock()
        self.provider = provider
        self.path = folder / "orders.jsonl"
        self.found = found_of(provider)
        self.hosts = hosts_of(provider, self.clock)
        self.inner: httpx.AsyncBaseTransport = self.hosts

    def open(self) -> Journal:
        return Journal(self.path, now=lambda: VIRTUAL_DAY_S + self.clock.now())

    def safe(
        self, journal: Journal, inner: httpx.AsyncBaseTransport | None = None
    ) -> SafeTransport:
        inner = inner or self.hosts
        meter = Meter(USUAL)
        return SafeTransport(
            inner, [self.found], USUAL, journal, meter, "run-1", allow_production=True
        )

    async def order(self, inner: httpx.AsyncBaseTransport | None = None) -> None:
        """A turn of a run, whose process then ends."""
        journal = self.open()
        safe = self.safe(journal, inner)
        make, _ = PAYERS[self.provider]
        payer = Prudent(make(self.found.endpoint), "trun1", least_minor(self.provider))
        now = self.clock.now()
        flow = Flow(World(self.clock, safe, 1, 0, False), 0, 0, now, now)
        try:
            await payer.authorize(flow, SESSION, PAYMENT)
            await flow.join()
        finally:
            journal.close()

    async def write(self, **more: object) -> None:
        """An order that a crash came behind before it was sent."""
        journal = self.open()
        minor = least_minor(self.provider)["CNY"]
        told: dict[str, Any] = {
            "order_no": NUMBER, "amount_minor": minor, "by": made_by(self.found), **more,
        }  # fmt: skip
        entry = Entry(
            provider=self.provider, mode=self.found.mode, currency="CNY",
            at=VIRTUAL_DAY_S + self.clock.now(), run_id="run-1", **told,
        )  # fmt: skip
        await journal.intend(entry)
        journal.close()

    async def reap(self) -> list[Left]:
        self.hosts.sent.clear()
        journal = self.open()
        try:
            left = await reap(journal, {self.provider: self.found}, self.inner, self.clock)
        finally:
            journal.close()
        assert not [of for of in self.hosts.sent if of.method == "POST" and of.url.path in MAKING]
        assert not [of for of in self.hosts.sent if b"precreate" in of.url.query]
        return left

    @property
    def entry(self) -> Entry:
        [entry] = read_journal(self.path)
        return entry


def story(main: Coroutine[Any, Any, T]) -> T:
    return run("virtual", main)


class Meddled(httpx.AsyncBaseTransport):
    """The same hosts, but for what a test says."""

    def __init__(
        self,
        hosts: httpx.AsyncBaseTransport,
        meddle: Callable[[httpx.Request], httpx.Response | None],
    ) -> None:
        self.hosts = hosts
        self.meddle = meddle
        self.times: list[float] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.times.append(asyncio.get_running_loop().time())
        answer = self.meddle(request)
        return answer or await self.hosts.handle_async_request(request)


class Killed(BaseException):
    pass


class Deadly(httpx.AsyncBaseTransport):
    """The same hosts, but that the process ends at the request of that number: before it is sent,
    or when it has done there what it does, and no answer has come."""

    def __init__(self, hosts: httpx.AsyncBaseTransport, number: int, *, arrives: bool) -> None:
        self.hosts = hosts
        self.number = number
        self.arrives = arrives
        self.sent = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent += 1
        if self.sent < self.number:
            return await self.hosts.handle_async_request(request)
        if self.sent == self.number and self.arrives:
            await self.hosts.handle_async_request(request)
        raise Killed


async def _alipay_v2(at: Endpoint, app: Caller, user: Caller) -> None:
    told = await app.call(alipay_ai.ask(at, PRECREATE, trade.beijing(app.now_s())))
    assert isinstance(told, trade.Reply)
    await user.call(alipay_ai.submit(at, told.qr_code, "ada", "balance"))


async def _alipay_v3(at: Endpoint, app: Caller, user: Caller) -> None:
    told = await app.call(alipay_v3.ask(at, PRECREATE, int(app.now_s() * 1000), app.nonce()))
    assert isinstance(told, trade.Reply)
    await user.call(alipay_v3.submit(at, told.qr_code, "ada"))


async def wechatpay_order(at: Endpoint, app: Caller, user: Caller | None, fen: int = 1) -> None:
    """Paid, where there is a user."""
    asked = orders.NewOrder(
        appid=at.app, mchid=at.account, description="noodles", out_trade_no=NUMBER,
        notify_url="https://notify.example.com/", amount=orders.Amount(fen),
    )  # fmt: skip
    told = await app.call(wechatpay.order(at, asked, Stamp(int(app.now_s()), app.nonce())))
    assert isinstance(told, orders.Ordered)
    now = Stamp(int(app.now_s()), app.nonce())
    if user is not None:
        await user.call(wechatpay.scan(at, told.code_url, "ada", now))


async def _unionpay(at: Endpoint, app: Caller, user: Caller) -> None:
    now_s = app.now_s()
    asked = NewOrder("trun1r1c20", stamp(now_s), 1, "156", stamp(now_s + 900))
    told = await app.call(unionpay.ask(at, asked, now_s))
    await user.call(unionpay.submit(at, told.tn, "ada"))


PRECREATE = trade.Precreate(
    out_trade_no=NUMBER, total_amount="0.01", subject="noodles", product_code="QR_CODE_OFFLINE"
)
_PAID: dict[str, Callable[[Endpoint, Caller, Caller], Coroutine[Any, Any, None]]] = {
    "alipay-ai": _alipay_v2,
    "alipay-v3": _alipay_v3,
    "wechatpay": wechatpay_order,
    "unionpay": _unionpay,
}


async def pay(room: Room) -> None:
    """An order that a run made and that somebody has paid, of which nothing went back. A user's
    client talks to the provider itself, and past our rules."""
    if room.provider not in _PAID:
        await room.order()
        return
    journal = room.open()
    app = Caller(room.safe(journal), room.clock, 1)
    await _PAID[room.provider](room.found.endpoint, app, Caller(room.hosts, room.clock, 1))
    journal.close()
