"""Alipay's mock after the payment: refunds, closing, cancelling, and what the app is told of it."""

from itertools import pairwise

import pytest

from harness.providers import alipay_ai as wire
from harness.providers.alipay_ai import trade
from tests.mocks.alipay_shop import (
    BLOCKED,
    Shop,
    at,
    back,
    by_code,
    by_qr,
    code_of,
    limited,
    reply,
    status_of,
    visit,
)

# Refunds


def test_a_payment_may_be_given_back_in_parts_to_the_last_fen() -> None:
    async def story(shop: Shop) -> None:
        await shop.pay("o-1", "1.00")
        for n, (amount, whole, status) in enumerate(
            [("0.60", "0.60", "TRADE_SUCCESS"), ("0.39", "0.99", "TRADE_SUCCESS"),
             ("0.01", "1.00", "TRADE_CLOSED")]
        ):  # fmt: skip
            told = reply(await shop.ask(back("o-1", amount, f"r-{n}")))
            assert (told.fund_change, told.refund_fee, told.send_back_fee) == ("Y", whole, amount)
            assert await status_of(shop, "o-1") == status
        over = await shop.ask(back("o-1", "0.01", "r-9"))
        assert code_of(over) == "ACQ.REASON_TRADE_REFUND_FEE_ERR"

    visit(story)


def test_a_refund_number_is_one_refund_for_ever() -> None:
    async def story(shop: Shop) -> None:
        await shop.pay("o-1", "10.00")
        first, again = [reply(await shop.ask(back("o-1", "4.00"))) for _ in range(2)]
        assert (first.fund_change, again.fund_change, again.refund_fee) == ("Y", "N", "4.00")
        other = await shop.ask(back("o-1", "5.00"))
        assert code_of(other) == "ACQ.DISCORDANT_REPEAT_REQUEST"
        assert shop.books()[0].refunds == {"r-1": 400}

    visit(story)


def test_a_refund_without_a_number_is_a_whole_one() -> None:
    async def story(shop: Shop) -> None:
        await shop.pay("o-1", "10.00")
        part = await shop.ask(back("o-1", "4.00", ""))
        assert code_of(part) == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
        whole = [reply(await shop.ask(back("o-1", "10.00", ""))).fund_change for _ in range(2)]
        assert whole == ["Y", "N"]
        stands = reply(await shop.ask(trade.RefundQuery(out_trade_no="o-1", out_request_no="o-1")))
        assert stands.refund_amount == "10.00"

    visit(story)


def test_a_refund_query_tells_of_that_refund_and_of_no_other() -> None:
    async def story(shop: Shop) -> None:
        await shop.pay("o-1", "10.00")
        await shop.ask(back("o-1", "4.00"))
        ask = trade.RefundQuery(out_trade_no="o-1", out_request_no="r-1")
        stands = reply(await shop.ask(ask))
        assert (stands.refund_amount, stands.total_amount) == ("4.00", "10.00")
        assert stands.refund_status == "REFUND_SUCCESS"
        other = reply(await shop.ask(trade.RefundQuery(out_trade_no="o-1", out_request_no="r-2")))
        assert other == trade.Reply(code="10000", msg="Success")
        nobody = trade.RefundQuery(out_trade_no="o-2", out_request_no="r-1")
        assert code_of(await shop.ask(nobody)) == "ACQ.TRADE_NOT_EXIST"

    visit(story)


# Closing and cancelling


def test_only_a_trade_that_waits_can_be_closed() -> None:
    async def story(shop: Shop) -> None:
        await shop.ask(by_qr("o-1"))
        close = trade.Close(out_trade_no="o-1")
        assert reply(await shop.ask(close)).out_trade_no == "o-1"
        assert code_of(await shop.ask(close)) == "ACQ.TRADE_STATUS_ERROR"
        await shop.pay("o-2")
        closed = await shop.ask(trade.Close(out_trade_no="o-2"))
        assert code_of(closed) == "ACQ.TRADE_STATUS_ERROR"
        nobody = await shop.ask(trade.Close(out_trade_no="o-3"))
        assert code_of(nobody) == "ACQ.TRADE_NOT_EXIST"
        assert shop.states() == {"o-1": "voided", "o-2": "paid"}

    visit(story)


@pytest.mark.parametrize(
    ("what", "action", "state"),
    [("paid", "refund", "voided"), ("waits", "close", "voided"), ("declined", "close", "declined")],
)
def test_cancelling_undoes_a_trade_once(what: str, action: str, state: str) -> None:
    async def story(shop: Shop) -> None:
        if what == "waits":
            await shop.ask(by_qr("o-1"))
        else:
            await shop.pay("o-1", payee=BLOCKED if what == "declined" else "noodles")
        for _ in range(2):
            told = reply(await shop.ask(trade.Cancel(out_trade_no="o-1")))
            assert (told.retry_flag, told.action) == ("N", action)
        assert await status_of(shop, "o-1") == "TRADE_CLOSED"
        assert shop.states() == {"o-1": state}
        again = await shop.ask(back("o-1", "1.00"))
        assert code_of(again) == "ACQ.TRADE_STATUS_ERROR"

    visit(story)


def test_a_number_that_was_cancelled_before_any_payment_can_never_be_paid() -> None:
    async def story(shop: Shop) -> None:
        told = reply(await shop.ask(trade.Cancel(out_trade_no="o-1")))
        assert (told.retry_flag, told.action, told.trade_no) == ("N", "", "")
        for late in (await shop.pay("o-1"), await shop.ask(by_code("o-1"))):
            assert code_of(late) == "ACQ.TRADE_HAS_CLOSE"
        nobody = await shop.ask(trade.Query(out_trade_no="o-1"))
        assert code_of(nobody) == "ACQ.TRADE_NOT_EXIST"

    visit(story)


def test_alipays_number_goes_before_the_orders_own() -> None:
    async def story(shop: Shop) -> None:
        await shop.pay("o-1")
        unknown = trade.Cancel(out_trade_no="o-1", trade_no="2026")
        assert reply(await shop.ask(unknown)).action == ""
        query = trade.Query(out_trade_no="o-1", trade_no="2026")
        assert code_of(await shop.ask(query)) == "ACQ.TRADE_NOT_EXIST"
        assert shop.states() == {"o-1": "paid"}

    visit(story)


def test_a_payment_of_which_a_part_is_back_cannot_be_cancelled() -> None:
    async def story(shop: Shop) -> None:
        await shop.pay("o-1")
        await shop.ask(back("o-1", "1.00"))
        told = await shop.ask(trade.Cancel(out_trade_no="o-1"))
        assert code_of(told) == "ACQ.REASON_TRADE_REFUND_FEE_ERR"

    visit(story)


# Notices


def test_a_payment_is_told_after_its_answer_by_the_time_of_its_delay() -> None:
    async def story(shop: Shop) -> None:
        await shop.pay("o-1")
        assert shop.clock.now() == pytest.approx(0.5)
        assert shop.notices == []
        await shop.wait(10.0)
        ((time, told),) = shop.notices
        assert time == 0.8
        assert (told["trade_status"], told["out_trade_no"]) == ("TRADE_SUCCESS", "o-1")
        assert (told["total_amount"], told["charge_amount"]) == ("45.80", "0.17")
        assert (told["gmt_payment"], told["notify_time"]) == ("2026-11-23 08:00:00",) * 2
        assert (told["seller_id"], told["buyer_id"]) == ("noodles", "ada")

    visit(story)


def test_who_waits_in_the_queue_is_told_later_too() -> None:
    async def story(shop: Shop) -> None:
        holder = wire.ask(at(), trade.Query(out_trade_no="o-9"), "2026-11-23 08:00:00").request
        shop.mock.decide(holder)
        await shop.pay("o-1")
        assert shop.took_ms == [1000.0]
        await shop.wait(10.0)
        assert [time for time, _ in shop.notices] == [1.3]

    visit(story, limited(slots=1, queue=10))


def test_what_becomes_of_an_app_payment_is_told_and_each_event_has_an_id() -> None:
    async def story(shop: Shop) -> None:
        await shop.pay("o-1", "10.00")
        await shop.ask(back("o-1", "4.00", "r-1"))
        await shop.ask(back("o-1", "4.00", "r-1"))
        await shop.ask(back("o-1", "6.00", "r-2"))
        await shop.pay("o-2", "10.00")
        await shop.ask(trade.Cancel(out_trade_no="o-2"))
        await shop.ask(trade.Cancel(out_trade_no="o-2"))
        await shop.wait(10.0)
        told = [
            (of["out_trade_no"], of["trade_status"], of.get("refund_fee"), of.get("out_biz_no"))
            for _, of in shop.notices
        ]
        assert told == [
            ("o-1", "TRADE_SUCCESS", None, None),
            ("o-1", "TRADE_SUCCESS", "4.00", "r-1"),
            ("o-1", "TRADE_CLOSED", "10.00", "r-2"),
            ("o-2", "TRADE_SUCCESS", None, None),
            ("o-2", "TRADE_CLOSED", "10.00", None),
        ]
        assert len({of["notify_id"] for _, of in shop.notices}) == 5

    visit(story)


def test_in_a_shop_only_the_payment_is_told() -> None:
    async def story(shop: Shop) -> None:
        await shop.ask(by_code("o-1"), "http://shop/notices")
        await shop.ask(back("o-1", "100.00"))
        qr_code = reply(await shop.ask(by_qr("o-2"), "http://shop/notices")).qr_code
        await shop.call(wire.submit(at(), qr_code, "ada", "card"))
        await shop.ask(trade.Cancel(out_trade_no="o-2"))
        await shop.wait(10.0)
        assert [of["trade_status"] for _, of in shop.notices] == ["TRADE_SUCCESS"] * 2

    visit(story)


def test_a_notice_that_is_not_taken_is_told_again_under_the_same_id() -> None:
    async def story(shop: Shop) -> None:
        await shop.pay("o-1")
        await shop.wait(100_000.0)
        times = [time for time, _ in shop.notices]
        # Four minutes, ten, ten, an hour, two, six and fifteen.
        waits = [round(after - before, 3) for before, after in pairwise(times)]
        assert waits == [240.0, 600.0, 600.0, 3600.0, 7200.0, 21_600.0, 54_000.0]
        assert len({told["notify_id"] for _, told in shop.notices}) == 1
        assert len({told["notify_time"] for _, told in shop.notices}) == 8

    visit(story, takes=False)


@pytest.mark.parametrize("deliver", [True, False])
def test_without_an_address_or_an_app_nobody_is_told(deliver: bool) -> None:
    async def story(shop: Shop) -> None:
        await shop.pay("o-1", notify_url="" if deliver else "http://shop/notices")
        await shop.wait(100.0)
        assert shop.notices == []

    visit(story, deliver=deliver)
