"""A merchant of UnionPay's mock, on the virtual clock: its calls, and phones that pay."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from harness.answer import play
from harness.clock import VirtualClock, run
from harness.providers import unionpay as wire
from harness.providers.call import Call, Endpoint
from harness.providers.unionpay.message import stamp
from harness.providers.unionpay.transactions import Asked, Back, Kind, NewOrder, Query, order_id
from mocks.figures import Limits
from mocks.ledger import Entry
from mocks.profile import PaymentProfile, load
from mocks.setting import Setting
from mocks.unionpay import Unionpay
from mocks.unionpay_keys import credentials, endpoint_of

T = TypeVar("T")

AT = endpoint_of("http://mocks/unionpay", credentials())
SHIPPED = load("unionpay", PaymentProfile)
EXACT = msgspec.structs.replace(
    SHIPPED, overhead=msgspec.structs.replace(SHIPPED.overhead, p50_ms=500.0, p99_ms=500.0)
)


def limited(**of: float) -> PaymentProfile:
    limits = msgspec.structs.replace(Limits.none(), **of)
    return msgspec.structs.replace(EXACT, limits=limits)


class Shop:
    """One merchant with its mock."""

    def __init__(self, of: PaymentProfile) -> None:
        self.clock = VirtualClock()
        self.mock = Unionpay(Setting(clock=self.clock, seed=1), of)
        self.took_ms: list[float] = []

    @property
    def now(self) -> str:
        return stamp(self.clock.unix_s())

    async def order(
        self, number: str, amount_minor: int = 100, *, at: str = "", good_for_s: float = 900.0
    ) -> wire.Reply:
        until = stamp(self.clock.unix_s() + good_for_s)
        return await self.ask(
            NewOrder(order_id(number), at or self.now, amount_minor, "156", until)
        )

    async def query(self, number: str, at: str) -> wire.Reply:
        return await self.ask(Query(order_id(number), at))

    async def back(
        self, kind: Kind, number: str, paid: wire.Reply, amount_minor: int
    ) -> wire.Reply:
        asked = Back(kind, order_id(number), self.now, amount_minor, paid.query_id)
        return await self.ask(asked)

    async def ask(self, asked: Asked, at: Endpoint = AT) -> wire.Reply:
        return await self.call(wire.ask(at, asked, self.clock.unix_s()))

    async def pay(self, tn: str, payer: str = "ada") -> str:
        return (await self.call(wire.submit(AT, tn, payer))).pay_result

    async def paid(self, number: str, amount_minor: int = 100) -> wire.Reply:
        """An order that a phone has paid, as a query tells of it."""
        at = self.now
        told = await self.order(number, amount_minor)
        assert await self.pay(told.tn) == "success"
        return await self.query(number, at)

    async def call(self, call: Call[T]) -> T:
        start = self.clock.now()
        answer = await play(self.clock, self.mock.decide(call.request))
        body = await answer.aread()
        self.took_ms.append(round((self.clock.now() - start) * 1e3, 3))
        return call.decode(answer.status_code, answer.headers, body)

    async def wait(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.now() + seconds)

    def books(self) -> list[Entry]:
        """The ledger as it stands now; later changes do not reach it."""
        return [replace(entry, refunds=dict(entry.refunds)) for entry in self.mock.ledger]


def visit(story: Callable[[Shop], Coroutine[Any, Any, T]], of: PaymentProfile = EXACT) -> T:
    async def main() -> T:
        return await story(Shop(of))

    return run("virtual", main())
