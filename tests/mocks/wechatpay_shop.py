"""A shop that takes WeChat Pay, on the virtual clock: its calls, and what its mock has booked."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar

import httpx
import msgspec

from harness.answer import play
from harness.clock import VirtualClock, run
from harness.providers import wechatpay as wire
from harness.providers.call import Call, Endpoint
from harness.providers.wechatpay import orders
from harness.providers.wechatpay.signing import Stamp
from mocks.figures import Limits
from mocks.ledger import Entry
from mocks.profile import PaymentProfile, load
from mocks.setting import Setting
from mocks.wechatpay import Wechatpay
from mocks.wechatpay_keys import credentials

T = TypeVar("T")
NOTIFY_URL = "https://shop.example.com/notices"


@cache
def at() -> Endpoint:
    return wire.endpoint_of("http://mocks/wechatpay", credentials().keys)


@cache
def profile() -> PaymentProfile:
    """The shipped one, every call 500 ms."""
    shipped = load("wechatpay", PaymentProfile)
    overhead = msgspec.structs.replace(shipped.overhead, p50_ms=500.0, p99_ms=500.0)
    return msgspec.structs.replace(shipped, overhead=overhead)


def limited(**limits: Any) -> PaymentProfile:
    source = {"provenance": "assumed", "source": "tests", "date": profile().fee.date}
    return msgspec.structs.replace(profile(), limits=Limits(**{**source, **limits}))


def new(no: str = "order-1", total: int = 4580, **changed: Any) -> orders.NewOrder:
    keys = credentials().keys
    made = orders.NewOrder(
        appid=keys.appid,
        mchid=keys.mchid,
        description="lunch",
        out_trade_no=no,
        notify_url=NOTIFY_URL,
        amount=orders.Amount(total),
    )
    return msgspec.structs.replace(made, **changed)


class Shop:
    """One merchant with its mock. Its clock may be wrong by `off_s`."""

    def __init__(self, of: PaymentProfile) -> None:
        self.clock = VirtualClock()
        self.at = at()
        self.off_s = 0
        self.took_ms: list[float] = []
        self.mock = Wechatpay(Setting(clock=self.clock, seed=1), of)
        self._nonces = 0

    def stamp(self) -> Stamp:
        self._nonces += 1
        return Stamp(int(self.clock.unix_s()) + self.off_s, f"n{self._nonces}")

    async def order(self, asked: orders.NewOrder | None = None) -> str:
        """A code, or why there is none."""
        told = await self.call(wire.order(self.at, asked or new(), self.stamp()))
        return told.code_url if isinstance(told, orders.Ordered) else told.code

    async def paid(self, asked: orders.NewOrder | None = None, openid: str = "ada") -> orders.Order:
        told = await self.scan(await self.order(asked), openid)
        assert isinstance(told, orders.Order)
        return told

    async def scan(self, code: str, openid: str = "ada") -> orders.Order | orders.Refusal:
        return await self.call(wire.scan(self.at, code, openid, self.stamp()))

    async def state(self, no: str = "order-1") -> str:
        """Where the order stands, or why that is not told."""
        told = await self.call(wire.query(self.at, no, self.stamp()))
        return told.trade_state if isinstance(told, orders.Order) else told.code

    async def close(self, no: str = "order-1") -> str:
        told = await self.call(wire.close(self.at, no, self.stamp()))
        return told if told == "closed" else told.code

    async def refund(
        self, amount: int, total: int = 4580, no: str = "back-1", order_no: str = "order-1"
    ) -> str:
        """The refund's state, or why there is none."""
        asked = orders.NewRefund(
            out_trade_no=order_no,
            out_refund_no=no,
            amount=orders.RefundAmount(amount, total),
        )
        told = await self.call(wire.refund(self.at, asked, self.stamp()))
        return told.status if isinstance(told, orders.Refunded) else told.code

    async def call(self, call: Call[T]) -> T:
        start = self.clock.now()
        answer = await play(self.clock, self.mock.decide(call.request))
        body = await answer.aread()
        self.took_ms.append(round((self.clock.now() - start) * 1e3, 3))
        return call.decode(answer.status_code, answer.headers, body)

    async def send(self, request: httpx.Request) -> httpx.Response:
        answer = await play(self.clock, self.mock.decide(request))
        await answer.aread()
        return answer

    def books(self) -> list[tuple[str, str, int, int]]:
        """Order number, state, fee and what was given back."""
        return [
            (each.order_no, each.state, each.fee_minor, each.refunded_minor)
            for each in self.mock.ledger
        ]

    def entries(self) -> list[Entry]:
        return [replace(entry, refunds=dict(entry.refunds)) for entry in self.mock.ledger]


def visit(story: Callable[[Shop], Coroutine[Any, Any, T]], of: PaymentProfile | None = None) -> T:
    async def main() -> T:
        return await story(Shop(of or profile()))

    return run("virtual", main())
