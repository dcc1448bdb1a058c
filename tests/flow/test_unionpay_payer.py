"""Orders at UnionPay's gateway that nobody pays: made, left to run out, and shown to nobody."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import httpx
import pytest

from harness.flow.payers import Payment, Refund, Settlement
from harness.flow.payers.unionpay import GOOD_FOR_S, Unionpay
from harness.flow.recover import resolve
from harness.flow.wish import Wish
from harness.providers import unionpay as wire
from harness.providers.call import Malformed, Unreachable
from harness.providers.unionpay.message import fields_of_answer
from tests.flow.order_till import (
    LUNCH,
    SESSION,
    WISH,
    Answer,
    Till,
    answer_lost,
    never_arrives,
    visit,
)

T = TypeVar("T")


def on(story: Callable[[Till], Coroutine[Any, Any, T]]) -> T:
    return visit("unionpay", Unionpay, story)


async def paid(till: Till) -> None:
    """Somebody's phone has paid after all."""
    tn = next(tn for body in till.answers if (tn := fields_of_answer(body).get("tn", "")))
    assert (await till.past(wire.submit(till.at, tn, "eve"))).pay_result == "success"


def test_an_order_is_made_for_a_quarter_of_an_hour_and_needs_no_closing() -> None:
    async def story(till: Till) -> None:
        assert await till.order() == Settlement("ordered")
        await till.flow.join()
        assert till.calls == ["pay"]
        asked = dict(parse_qsl(till.requests[0].content.decode()))
        assert (asked["orderId"], asked["txnAmt"], asked["currencyCode"]) == (
            "r1c2Z2D0",
            "4580",
            "156",
        )
        assert int(asked["payTimeout"]) - int(asked["txnTime"]) == 1500  # In minutes: 15.
        assert await till.query() == Settlement("ordered")
        await till.clock.sleep_until(GOOD_FOR_S + 2)
        assert await till.query() == Settlement("ordered")
        assert till.states == ["voided"]
        assert (till.payer.good_end, till.payer.has_sessions) == ("ordered", False)

    on(story)


def test_the_number_to_pay_is_shown_to_nobody() -> None:
    async def story(till: Till) -> None:
        settled = await till.order()
        (tn,) = (fields_of_answer(body)["tn"] for body in till.answers)
        assert tn not in repr((settled, till.flow.spans, vars(till.payer)))

    on(story)


def test_a_second_try_of_an_order_has_the_time_of_the_first_and_makes_no_other() -> None:
    async def story(till: Till) -> None:
        till.trouble["pay"] = answer_lost
        with pytest.raises(Unreachable):
            await till.order()
        del till.trouble["pay"]
        await till.clock.sleep_until(60.0)
        assert await till.order() == Settlement("ordered")
        assert till.calls == ["pay", "pay", "query"]
        times = {dict(parse_qsl(of.content.decode()))["txnTime"] for of in till.requests}
        assert len(times) == 1
        assert till.states == ["open"]

    on(story)


def test_an_order_that_was_lost_on_its_way_is_found_or_never_was() -> None:
    async def session_again() -> Any:
        return SESSION

    async def story(till: Till) -> None:
        till.trouble["pay"] = answer_lost
        with pytest.raises(Unreachable):
            await till.order()
        found = await resolve(till.flow, till.payer, session_again, SESSION, LUNCH)
        till.trouble["pay"] = never_arrives
        other = Payment("r1c2-1", "ada", WISH)
        with pytest.raises(Unreachable):
            await till.order(other)
        gone = await resolve(till.flow, till.payer, session_again, SESSION, other)
        assert (found, gone) == (Settlement("ordered"), Settlement("reversed"))

    on(story)


def test_a_void_asks_and_is_good_while_nothing_was_paid() -> None:
    async def story(till: Till) -> None:
        assert await till.void() is True
        await till.order()
        assert await till.void() is True
        assert till.calls == ["reverse", "pay", "reverse"]

    on(story)


def test_a_void_undoes_what_was_paid_and_can_be_repeated() -> None:
    async def story(till: Till) -> None:
        await till.order()
        await paid(till)
        assert await till.query() == Settlement("paid")
        for _ in range(2):
            assert await till.void() is True
        assert till.states == ["voided"]

    on(story)


def test_what_cannot_be_undone_any_more_is_given_back() -> None:
    async def story(till: Till) -> None:
        await till.order()
        await paid(till)
        # A part is back already, so that the purchase is not whole.
        await till.payer.refund(till.flow, SESSION, LUNCH, Refund("r-1", 4580))
        assert await till.void() is False

    on(story)


def test_a_refund_is_made_once_and_never_above_the_payment() -> None:
    async def story(till: Till) -> None:
        await till.order()
        await paid(till)
        for _ in range(2):
            part = await till.payer.refund(till.flow, SESSION, LUNCH, Refund("r-1", 80))
            assert part == Settlement("refunded")
        for refund in (Refund("r-1", 81), Refund("r-2", 4501)):
            forbidden = await till.payer.refund(till.flow, SESSION, LUNCH, refund)
            assert forbidden == Settlement("declined")
        (entry,) = till.ledger
        assert entry.refunded_minor == 80

    on(story)


def test_nothing_is_given_back_of_what_was_not_paid() -> None:
    async def story(till: Till) -> None:
        await till.order()
        refused = await till.payer.refund(till.flow, SESSION, LUNCH, Refund("r-1", 80))
        assert refused == Settlement("declined")

    on(story)


def test_a_refund_that_was_only_taken_on_is_left_open() -> None:
    async def story(till: Till) -> None:
        await till.order()
        await paid(till)
        seen = 0

        async def no_news(request: httpx.Request, answer: Answer) -> httpx.Response:
            nonlocal seen
            seen += 1
            if seen == 3:  # After the payment and the refund: how the refund stands.
                return httpx.Response(200, content=b"respCode=05")
            return await answer(request)

        till.trouble["refund"] = no_news
        with pytest.raises(Unreachable):
            await till.payer.refund(till.flow, SESSION, LUNCH, Refund("r-1", 80))

    on(story)


def test_an_order_of_another_amount_or_currency_is_not_ours_to_make() -> None:
    async def story(till: Till) -> None:
        await till.order()
        with pytest.raises(Malformed, match="another amount"):
            await till.query(Payment("r1c2-0", "ada", Wish(4581, "CNY", "noodles", "card")))
        with pytest.raises(ValueError, match="XAU"):
            await till.order(Payment("r1c2-1", "ada", Wish(1, "XAU", "noodles", "card")))

    on(story)
