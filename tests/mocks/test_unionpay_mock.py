"""UnionPay's mock: orders that are paid, run out, are undone or given back; what is refused."""

from dataclasses import replace

import httpx
import msgspec
import pytest

from harness.providers import unionpay as wire
from harness.providers.call import Endpoint, Overloaded, RateLimited, Unauthorized
from harness.providers.unionpay.transactions import REFUND, UNDO, NewOrder, Query, order_id
from mocks.keys import signing_pair
from mocks.unionpay_keys import credentials, endpoint_of
from tests.mocks.unionpay_shop import AT, EXACT, Shop, limited, visit


def test_an_order_waits_is_paid_once_and_is_told_of() -> None:
    async def story(shop: Shop) -> None:
        at = shop.now
        made = await shop.order("r1-0")
        assert (made.resp_code, len(made.tn)) == ("00", 21)
        waiting = await shop.query("r1-0", at)
        assert (waiting.resp_code, waiting.orig_resp_code, waiting.txn_amt) == ("00", "05", "100")
        assert await shop.pay(made.tn) == "success"
        assert await shop.pay(made.tn) == "fail"
        paid = await shop.query("r1-0", at)
        assert (paid.orig_resp_code, len(paid.query_id)) == ("00", 21)
        (entry,) = shop.books()
        assert (entry.state, entry.fee_minor) == ("paid", EXACT.fee.of(100))
        assert entry.terms is not None
        assert (entry.terms.amount_minor, entry.terms.currency) == (100, "CNY")
        assert set(shop.took_ms) == {500.0}

    visit(story)


def test_an_order_that_nobody_pays_runs_out_and_cannot_be_paid_then() -> None:
    async def story(shop: Shop) -> None:
        at = shop.now
        made = await shop.order("r1-0", good_for_s=900.0)
        await shop.wait(899.0)
        assert (await shop.query("r1-0", at)).orig_resp_code == "05"
        await shop.wait(2.0)
        assert await shop.pay(made.tn) == "fail"
        assert (await shop.query("r1-0", at)).orig_resp_code == "01"
        assert [entry.state for entry in shop.books()] == ["voided"]

    visit(story)


def test_an_order_whose_payer_was_declined_runs_out_like_any_other() -> None:
    async def story(shop: Shop) -> None:
        at = shop.now
        made = await shop.order("r1-0", good_for_s=900.0)
        assert await shop.pay(made.tn, "ada-broke") == "fail"
        await shop.wait(901.0)
        assert await shop.pay(made.tn, "bob") == "fail"
        assert (await shop.query("r1-0", at)).orig_resp_code == "01"
        assert [entry.state for entry in shop.books()] == ["voided"]

    visit(story)


def test_a_number_is_of_one_order_whatever_else_it_says() -> None:
    async def story(shop: Shop) -> None:
        at = shop.now
        await shop.order("r1-0")
        for amount_minor in (100, 101):
            again = await shop.order("r1-0", amount_minor, at=at)
            assert (again.refused, again.resp_code) == (True, "12")
        assert len(shop.books()) == 1

    visit(story)


def test_a_transaction_is_found_by_its_number_and_its_time() -> None:
    async def story(shop: Shop) -> None:
        at = shop.now
        await shop.order("r1-0")
        for number, when in (("r1-1", at), ("r1-0", "20260101000000")):
            assert (await shop.query(number, when)).resp_code == "34"

    visit(story)


def test_a_payer_without_money_is_declined_and_another_may_pay() -> None:
    async def story(shop: Shop) -> None:
        at = shop.now
        made = await shop.order("r1-0")
        assert await shop.pay(made.tn, "ada-broke") == "fail"
        assert (await shop.query("r1-0", at)).orig_resp_code == "61"
        assert await shop.pay(made.tn, "bob") == "success"
        assert await shop.pay("712345678901234567890") == "fail"

    visit(story)


def test_a_purchase_is_undone_whole_and_once() -> None:
    async def story(shop: Shop) -> None:
        paid = await shop.paid("r1-0")
        assert (await shop.back(UNDO, "undo-0", paid, 99)).resp_code == "36"
        at = shop.now
        undone = await shop.back(UNDO, "undo-1", paid, 100)
        assert (undone.resp_code, undone.txn_type) == ("00", "31")
        assert (await shop.query("undo-1", at)).orig_resp_code == "00"
        assert (await shop.back(UNDO, "undo-2", paid, 100)).resp_code == "45"
        assert (await shop.back(REFUND, "back-1", paid, 1)).resp_code == "45"
        assert [entry.state for entry in shop.books()] == ["voided"]

    visit(story)


def test_refunds_are_made_in_parts_each_once_and_never_above_the_purchase() -> None:
    async def story(shop: Shop) -> None:
        paid = await shop.paid("r1-0")
        assert (await shop.back(REFUND, "back-1", paid, 60)).resp_code == "00"
        assert (await shop.back(REFUND, "back-1", paid, 60)).resp_code == "12"
        assert (await shop.back(REFUND, "back-2", paid, 41)).resp_code == "36"
        assert (await shop.back(REFUND, "back-3", paid, 40)).resp_code == "00"
        (entry,) = shop.books()
        assert (entry.state, entry.refunded_minor) == ("refunded", 100)

    visit(story)


def test_nothing_goes_back_of_what_was_not_paid() -> None:
    async def story(shop: Shop) -> None:
        at = shop.now
        await shop.order("r1-0")
        waiting = await shop.query("r1-0", at)
        for kind in (UNDO, REFUND):
            assert (await shop.back(kind, f"back-{kind}", waiting, 100)).resp_code == "35"
        unknown = msgspec.structs.replace(waiting, query_id="9" * 21)
        assert (await shop.back(REFUND, "back-3", unknown, 100)).resp_code == "35"

    visit(story)


def test_a_currency_that_it_does_not_know_is_refused_and_nothing_is_booked() -> None:
    async def story(shop: Shop) -> None:
        asked = NewOrder(order_id("r1-0"), shop.now, 100, "999", shop.now)
        call = wire.ask(AT, asked, shop.clock.unix_s())
        answer = shop.mock.decide(call.request)
        assert b"respCode=10" in b"".join(answer.chunks)
        assert shop.books() == []

    visit(story)


@pytest.mark.parametrize(
    "at",
    [
        replace(AT, key=signing_pair("a stranger")[0]),
        replace(AT, key_id="1"),
        replace(AT, account="777290058100002"),
    ],
    ids=["key", "certificate", "merchant"],
)
def test_a_merchant_that_it_does_not_know_is_told_so(at: Endpoint) -> None:
    async def story(shop: Shop) -> None:
        with pytest.raises(Unauthorized):
            await shop.ask(Query(order_id("r1-0"), shop.now), at)

    visit(story)


def test_a_busy_gateway_says_so_at_once() -> None:
    async def often(shop: Shop) -> None:
        await shop.order("r1-0")
        with pytest.raises(RateLimited):
            await shop.order("r1-1")
        assert shop.took_ms == [500.0, 0.0] and len(shop.books()) == 1

    async def down(shop: Shop) -> None:
        with pytest.raises(Overloaded) as caught:
            await shop.order("r1-0")
        assert type(caught.value) is Overloaded

    visit(often, limited(requests=1, window_s=3e7))
    visit(down, limited(overload_every_s=1e6, overload_lasts_s=1e6, overload_share=1.0))


def test_strangers_are_given_the_keys_that_open_it() -> None:
    async def story(shop: Shop) -> None:
        keys = await shop.call(wire.fetch_keys(AT.base_url))
        assert endpoint_of(AT.base_url, keys) == AT
        assert keys == credentials()
        answer = shop.mock.decide(httpx.Request("GET", "http://mocks/unionpay/nothing"))
        assert answer.status == 404

    visit(story)
