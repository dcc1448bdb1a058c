"""A shop that takes Alipay, on the virtual clock: its calls, and the notices that reach it."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import httpx
import msgspec

from harness.answer import play
from harness.clock import VirtualClock, run
from harness.providers import alipay_ai as wire
from harness.providers.alipay_ai import trade
from harness.providers.call import Call, Endpoint
from mocks.alipay_ai import AlipayAi, credentials
from mocks.figures import Limits
from mocks.ledger import Entry
from mocks.profile import PaymentProfile, load
from mocks.setting import Setting

T = TypeVar("T")
Answer = trade.Reply | trade.Refusal
Told = dict[str, str]

NOTICES = "http://shop/notices"


@cache
def at() -> Endpoint:
    app_id, private_pem, public_pem = credentials()
    return Endpoint("http://mocks/alipay-ai", private_pem, app_id, public_pem)


@cache
def profile() -> PaymentProfile:
    """The shipped one, every call 500 ms and every notice 300 ms, once and never late."""
    shipped = load("alipay-ai", PaymentProfile)
    assert shipped.webhook and shipped.approval
    return msgspec.structs.replace(
        shipped,
        overhead=msgspec.structs.replace(shipped.overhead, p50_ms=500.0, p99_ms=500.0),
        webhook=msgspec.structs.replace(
            shipped.webhook,
            p50_ms=300.0,
            p99_ms=300.0,
            twice_share=0.0,
            late_share=0.0,
            lost_share=0.0,
        ),
        approval=msgspec.structs.replace(shipped.approval, p50_s=4.0, p99_s=4.0),
    )


def limited(**limits: Any) -> PaymentProfile:
    source = {"provenance": "assumed", "source": "tests", "date": profile().fee.date}
    return msgspec.structs.replace(profile(), limits=Limits(**{**source, **limits}))


class Shop:
    """One app with its mock. `takes` False refuses every notice."""

    def __init__(self, of: PaymentProfile, takes: bool = True, deliver: bool = True) -> None:
        self.clock = VirtualClock()
        self.notices: list[tuple[float, Told]] = []
        self.took_ms: list[float] = []
        self._takes = takes
        setting = Setting(clock=self.clock, seed=1, deliver=self._take if deliver else None)
        self.mock = AlipayAi(setting, of)

    async def ask(self, biz: trade.Biz, notify_url: str = "") -> Answer:
        return await self.call(wire.ask(at(), biz, self._time(), notify_url))

    async def pay(
        self,
        order_no: str,
        amount: str = "45.80",
        *,
        payee: str = "noodles",
        buyer: str = "ada",
        notify_url: str = NOTICES,
    ) -> Answer:
        """By the app's order, in the user's client."""
        order = trade.AppPay(
            out_trade_no=order_no, total_amount=amount, subject="lunch", seller_id=payee
        )
        text = wire.sign_order(at(), order, self._time(), notify_url)
        return await self.call(wire.submit(at(), text, buyer, "card"))

    async def call(self, call: Call[Answer]) -> Answer:
        status, headers, body = await self.send(call.request)
        return call.decode(status, headers, body)

    async def send(self, request: httpx.Request) -> tuple[int, httpx.Headers, bytes]:
        start = self.clock.now()
        answer = await play(self.clock, self.mock.decide(request))
        body = await answer.aread()
        self.took_ms.append(round((self.clock.now() - start) * 1e3, 3))
        return answer.status_code, answer.headers, body

    async def wait(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.now() + seconds)

    def books(self) -> list[Entry]:
        """The ledger as it stands now; later changes do not reach it."""
        return [replace(entry, refunds=dict(entry.refunds)) for entry in self.mock.ledger]

    def states(self) -> dict[str, str]:
        return {entry.order_no: entry.state for entry in self.mock.ledger}

    async def _take(self, request: httpx.Request) -> httpx.Response:
        assert wire.decode_notice(at(), request) is not None
        assert str(request.url) == NOTICES
        told = dict(parse_qsl(request.content.decode()))
        self.notices.append((round(self.clock.now(), 6), told))
        return wire.encode_receipt(self._takes)

    def _time(self) -> str:
        return trade.beijing(self.clock.unix_s())


def visit(
    story: Callable[[Shop], Coroutine[Any, Any, T]],
    of: PaymentProfile | None = None,
    **how: bool,
) -> T:
    async def main() -> T:
        return await story(Shop(of or profile(), **how))

    return run("virtual", main())


def code_of(answer: Answer) -> str:
    """ "" for a call that was carried out."""
    return answer.sub_code if isinstance(answer, trade.Refusal) else ""


def reply(answer: Answer) -> trade.Reply:
    assert isinstance(answer, trade.Reply), answer
    return answer


CODE = "28763443825664394"
BLOCKED = "payee-blocked"


def by_code(order_no: str, amount: str = "100.00", subject: str = "tea") -> trade.Pay:
    return trade.Pay(out_trade_no=order_no, total_amount=amount, subject=subject, auth_code=CODE)


def by_qr(order_no: str, amount: str = "12.50", subject: str = "tea") -> trade.Precreate:
    return trade.Precreate(out_trade_no=order_no, total_amount=amount, subject=subject)


def back(order_no: str, amount: str, refund_no: str = "r-1") -> trade.Refund:
    return trade.Refund(refund_amount=amount, out_trade_no=order_no, out_request_no=refund_no)


async def status_of(shop: Shop, order_no: str) -> str:
    return reply(await shop.ask(trade.Query(out_trade_no=order_no))).trade_status
