"""Notices that come late, twice, early, out of order, never or from somebody else: no end of a
payment is another for it."""

import asyncio
from itertools import permutations

import pytest
from msgspec.structs import replace

from harness.faults import Fault, Placed
from harness.flow.payers import Payment, Refund, Settlement, sessionless
from harness.flow.payers.alipay_ai import NOTICE_PATIENCE_S, AlipayAi
from harness.providers.alipay_ai.trade import Notice
from harness.providers.call import ProviderFault, Unreachable
from mocks.alipay_ai.trades import APP_ID
from tests.flow.payers.stand import PAYMENT, Stand, at_stand, other

SESSION = sessionless("balance")
FEE = 19
NOTICES: tuple[Fault, ...] = (
    "notices-twice", "notices-reordered", "notices-lost", "notices-early", "notices-late",
    "notices-forged",
)  # fmt: skip
UNHEARD = ("notices-lost", "notices-late", "notices-reordered")
"""None comes while the app waits."""
WAITS = Notice(
    notify_id="n-1", app_id=APP_ID, out_trade_no=PAYMENT.order_no, trade_no="2026",
    trade_status="WAIT_BUYER_PAY", total_amount="50.00", seller_id=PAYMENT.wish.payee,
)  # fmt: skip
CLOSED = replace(WAITS, notify_id="n-2", trade_status="TRADE_CLOSED")
LONG_S = 1e6
"""Until every notice has come, or been given up."""


async def paid(stand: Stand, turn: int, payment: Payment = PAYMENT) -> object:
    try:
        return await stand.payer.authorize(stand.turn(turn), SESSION, payment)
    except ProviderFault:
        return None


@pytest.mark.parametrize("fault", NOTICES)
def test_a_payment_ends_as_the_books_have_it_whatever_becomes_of_its_notice(fault: Fault) -> None:
    async def story(stand: Stand) -> None:
        assert await paid(stand, 0) == Settlement("paid", FEE)
        stages = [key.stage for key in stand.calls]
        assert stages == (["pay", "query"] if fault in UNHEARD else ["pay"])
        part = Refund("r1c2-0-r1", 2000)
        told = await stand.payer.refund(stand.turn(1), SESSION, PAYMENT, part)
        assert told == Settlement("refunded", FEE)
        await asyncio.sleep(LONG_S)
        assert await paid(stand, 2) == Settlement("paid", FEE)  # Partly back, it stands as paid.
        assert (stand.captures, stand.kept_minor) == (1, 3000)

    at_stand("alipay-ai", story, [Placed(0, "pay", fault)])


@pytest.mark.parametrize("fault", NOTICES)
@pytest.mark.parametrize(
    "answer",
    ["reset", *(pytest.param(of, marks=pytest.mark.thorough) for of in ("duplicates", "late"))],
)
def test_a_second_try_tells_the_first_one_s_end_and_believes_no_notice_of_another_time(
    fault: Fault, answer: Fault
) -> None:
    async def story(stand: Stand) -> None:
        first = await paid(stand, 0)
        second = await paid(stand, 1)
        assert first in (None, second)
        assert (second, stand.captures) == (Settlement("paid", FEE), 1)
        assert await stand.payer.void(stand.turn(2), SESSION, PAYMENT)
        await asyncio.sleep(LONG_S)
        stands = await stand.payer.query(stand.turn(3), SESSION, PAYMENT)
        assert (stands, stand.kept_minor) == (Settlement("refunded", 0), 0)

    at_stand("alipay-ai", story, [Placed(0, "pay", fault), Placed(0, "pay", answer)])


def test_a_lost_notice_costs_the_wait_for_it_and_a_query() -> None:
    async def took(stand: Stand) -> float:
        before = stand.clock.now()
        await paid(stand, 0)
        return stand.clock.now() - before

    straight, lost = (
        at_stand("alipay-ai", took, placed) for placed in ([], [Placed(0, "pay", "notices-lost")])
    )
    assert NOTICE_PATIENCE_S < lost < straight + NOTICE_PATIENCE_S + 2.0


def test_a_query_that_is_turned_away_does_not_say_that_the_payment_was() -> None:
    async def story(stand: Stand) -> None:
        with pytest.raises(Unreachable):
            await stand.payer.authorize(stand.turn(0), SESSION, PAYMENT)
        assert stand.states == ["paid"]

    placed = [Placed(0, "pay", "notices-lost"), Placed(0, "query", "rate-limits")]
    at_stand("alipay-ai", story, placed)


@pytest.mark.parametrize("order", [*permutations(("its own", "waits", "forged"))])
def test_what_tells_of_no_end_is_no_end_in_whatever_order_it_comes(order: tuple[str, ...]) -> None:
    """A notice that the trade waits for its buyer may come before that of its end, or behind it."""
    others = {"waits": (WAITS, "alipay"), "forged": (CLOSED, "a stranger")}

    async def story(stand: Stand) -> None:
        paying = asyncio.create_task(paid(stand, 0))
        await asyncio.sleep(1.0)  # The user looks at it, who takes four seconds.
        for what in order:
            if what == "its own":
                assert await paying == Settlement("paid", FEE)
            else:
                await stand.tell(*others[what])
        assert (stand.states, stand.inbox.forged) == (["paid"], 1)
        assert await paid(stand, 1) == Settlement("paid", FEE)

    at_stand("alipay-ai", story)


def test_only_the_newest_orders_are_kept_and_an_older_one_is_asked_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.flow.payers.alipay_ai.KEPT_ORDERS", 2)

    async def story(stand: Stand) -> None:
        told = await asyncio.gather(*(paid(stand, n, other(n)) for n in range(4)))
        assert told == [Settlement("paid", FEE)] * 4
        assert isinstance(stand.payer, AlipayAi)
        assert len(stand.payer._orders) == 2
        asked = [key.turn for key in stand.calls if key.stage == "query"]
        assert sorted(asked) == [0, 1]

    at_stand("alipay-ai", story)


def test_a_refund_that_changes_no_money_is_asked_after_before_it_is_told() -> None:
    part = Refund("r1c2-0-r1", 2000)

    async def story(stand: Stand) -> None:
        await paid(stand, 0)
        for turn in (1, 2):
            told = await stand.payer.refund(stand.turn(turn), SESSION, PAYMENT, part)
            assert told == Settlement("refunded", FEE)
        asked = [(key.turn, key.stage) for key in stand.calls if key.turn]
        assert asked == [(1, "refund"), (2, "refund"), (2, "refund")]

    at_stand("alipay-ai", story)
