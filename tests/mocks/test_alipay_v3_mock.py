"""Alipay's mock on the other wire: the same trades and books, told in the words of v3."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import httpx
import msgspec
import pytest

from harness.answer import play
from harness.clock import VirtualClock, run
from harness.providers import alipay_v3 as wire
from harness.providers.alipay_ai import trade
from harness.providers.call import Call, Endpoint, Overloaded, RateLimited, Unauthorized
from mocks.alipay_v3 import AlipayV3
from mocks.credentials import alipay_endpoint, alipay_keys
from mocks.figures import Limits
from mocks.keys import signing_pair
from mocks.ledger import Entry
from mocks.profile import PaymentProfile, load
from mocks.setting import Setting

T = TypeVar("T")
Answer = trade.Reply | trade.Refusal

AT = alipay_endpoint("http://mocks/alipay-v3", alipay_keys())
SHIPPED = load("alipay-v3", PaymentProfile)
EXACT = msgspec.structs.replace(
    SHIPPED, overhead=msgspec.structs.replace(SHIPPED.overhead, p50_ms=500.0, p99_ms=500.0)
)
ORDER = trade.Precreate(out_trade_no="o-1", total_amount="12.50", subject="tea")
QUERY = trade.Query(out_trade_no="o-1")
CLOSE = trade.Close(out_trade_no="o-1")


class Shop:
    def __init__(self, of: PaymentProfile) -> None:
        self.clock = VirtualClock()
        self.mock = AlipayV3(Setting(clock=self.clock, seed=1), of)
        self.took_ms: list[float] = []

    async def ask(self, biz: trade.Biz, at: Endpoint = AT) -> Answer:
        now_ms = int(self.clock.unix_s() * 1000)
        return await self.call(wire.ask(at, biz, now_ms, "n-1"))

    async def reply(self, biz: trade.Biz) -> trade.Reply:
        told = await self.ask(biz)
        assert isinstance(told, trade.Reply), told
        return told

    async def scan(self, qr_code: str, buyer: str = "ada") -> Answer:
        return await self.call(wire.submit(AT, qr_code, buyer))

    async def call(self, call: Call[T]) -> T:
        start = self.clock.now()
        answer = await play(self.clock, self.mock.decide(call.request))
        body = await answer.aread()
        self.took_ms.append(round((self.clock.now() - start) * 1e3, 3))
        return call.decode(answer.status_code, answer.headers, body)

    def books(self) -> list[Entry]:
        return [replace(entry, refunds=dict(entry.refunds)) for entry in self.mock.ledger]


def visit(story: Callable[[Shop], Coroutine[Any, Any, T]], of: PaymentProfile = EXACT) -> T:
    async def main() -> T:
        return await story(Shop(of))

    return run("virtual", main())


def limited(**of: float) -> PaymentProfile:
    return msgspec.structs.replace(EXACT, limits=msgspec.structs.replace(Limits.none(), **of))


def code_of(told: Answer) -> str:
    return told.sub_code if isinstance(told, trade.Refusal) else ""


def test_an_order_is_made_and_closed_and_cannot_be_paid_then() -> None:
    async def story(shop: Shop) -> None:
        made = await shop.reply(ORDER)
        assert made.qr_code.startswith("https://qr.alipay.com/")
        assert (await shop.reply(QUERY)).trade_status == "WAIT_BUYER_PAY"
        await shop.reply(CLOSE)
        assert (await shop.reply(QUERY)).trade_status == "TRADE_CLOSED"
        assert code_of(await shop.scan(made.qr_code)) == "ACQ.TRADE_HAS_CLOSE"
        assert code_of(await shop.ask(CLOSE)) == "ACQ.TRADE_STATUS_ERROR"
        assert [entry.state for entry in shop.books()] == ["voided"]
        assert set(shop.took_ms) == {500.0}

    visit(story)


def test_an_order_that_is_scanned_is_paid_whatever_it_costs_and_is_given_back() -> None:
    """There is no approval in this profile: nobody is asked for a password."""
    dear = msgspec.structs.replace(ORDER, total_amount="2000.00")

    async def story(shop: Shop) -> None:
        made = await shop.reply(dear)
        assert code_of(await shop.scan(made.qr_code)) == ""
        stands = await shop.reply(QUERY)
        assert (stands.trade_status, stands.buyer_user_id) == ("TRADE_SUCCESS", "ada")
        assert code_of(await shop.ask(CLOSE)) == "ACQ.TRADE_STATUS_ERROR"
        part = trade.Refund(refund_amount="500.00", out_trade_no="o-1", out_request_no="r-1")
        assert [(await shop.reply(part)).fund_change for _ in range(2)] == ["Y", "N"]
        asked = trade.RefundQuery(out_request_no="r-1", out_trade_no="o-1")
        assert (await shop.reply(asked)).refund_status == "REFUND_SUCCESS"
        (entry,) = shop.books()
        assert (entry.refunded_minor, entry.fee_minor) == (50_000, 1200)

    visit(story)


def test_a_number_enters_again_with_the_same_terms_and_with_no_others() -> None:
    async def story(shop: Shop) -> None:
        first, again = await shop.reply(ORDER), await shop.reply(ORDER)
        assert first.qr_code == again.qr_code
        other = msgspec.structs.replace(ORDER, total_amount="12.51")
        assert code_of(await shop.ask(other)) == "ACQ.CONTEXT_INCONSISTENT"

    visit(story)


def test_what_nobody_knows_is_refused_and_a_cancelled_number_is_closed_for_good() -> None:
    async def story(shop: Shop) -> None:
        for biz in (QUERY, CLOSE):
            assert code_of(await shop.ask(biz)) == "ACQ.TRADE_NOT_EXIST"
        assert (await shop.reply(trade.Cancel(out_trade_no="o-1"))).retry_flag == "N"
        assert code_of(await shop.ask(ORDER)) == "ACQ.TRADE_HAS_CLOSE"

    visit(story)


@pytest.mark.parametrize(
    "at",
    [replace(AT, key=signing_pair("a stranger")[0]), replace(AT, account="2021")],
    ids=["key", "app"],
)
def test_an_app_that_it_does_not_know_is_told_so(at: Endpoint) -> None:
    async def story(shop: Shop) -> None:
        with pytest.raises(Unauthorized):
            await shop.ask(ORDER, at)
        assert shop.books() == []

    visit(story)


def test_a_busy_gateway_says_so_at_once() -> None:
    async def often(shop: Shop) -> None:
        await shop.ask(ORDER)
        with pytest.raises(RateLimited):
            await shop.ask(QUERY)
        assert shop.took_ms == [500.0, 0.0]

    async def down(shop: Shop) -> None:
        with pytest.raises(Overloaded) as caught:
            await shop.ask(ORDER)
        assert type(caught.value) is Overloaded

    visit(often, limited(requests=1, window_s=3e7))
    visit(down, limited(overload_every_s=1e6, overload_lasts_s=1e6, overload_share=1.0))


def test_strangers_are_given_the_keys_that_open_it() -> None:
    async def story(shop: Shop) -> None:
        keys = await shop.call(wire.fetch_keys(AT.base_url))
        assert alipay_endpoint(AT.base_url, keys) == AT
        answer = shop.mock.decide(httpx.Request("POST", "http://mocks/alipay-v3/gateway.do"))
        assert answer.status == 404

    visit(story)
