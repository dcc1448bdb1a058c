"""Alipay's mock, the ways a call can go and the ways to pay: what is booked, what is refused."""

import httpx
import pytest

from harness.providers import alipay_ai as wire
from harness.providers.alipay_ai import trade
from harness.providers.call import Endpoint, Overloaded, RateLimited, Unauthorized
from harness.providers.told import decode_told
from mocks.alipay_ai import BUYER_ID, credentials
from mocks.keys import signing_pair
from tests.mocks.alipay_shop import (
    BLOCKED,
    Shop,
    at,
    back,
    by_code,
    by_qr,
    code_of,
    limited,
    profile,
    reply,
    status_of,
    visit,
)

# The six ways a call can go


def test_a_payment_is_accepted_captured_and_charged() -> None:
    async def story(shop: Shop) -> None:
        told = reply(await shop.pay("o-1"))
        assert (told.out_trade_no, told.total_amount, told.seller_id) == ("o-1", "45.80", "noodles")
        assert (len(told.trade_no), told.timestamp) == (28, "2026-11-23 08:00:00")
        stands = reply(await shop.ask(trade.Query(out_trade_no="o-1")))
        assert (stands.trade_status, stands.receipt_amount) == ("TRADE_SUCCESS", "45.80")
        assert (stands.buyer_user_id, stands.charge_amount) == ("ada", "0.17")
        assert stands == reply(await shop.ask(trade.Query(trade_no=told.trade_no)))
        (entry,) = shop.books()
        assert (entry.state, entry.fee_minor) == ("paid", profile().fee.of(4580)) == ("paid", 17)

    visit(story)


@pytest.mark.parametrize("subject", ["payee", "subject"])
def test_a_blocked_payee_is_declined_at_once_by_every_way_to_pay(subject: str) -> None:
    async def story(shop: Shop) -> None:
        declined = "ACQ.SELLER_BEEN_BLOCKED"
        for _ in range(2):
            assert code_of(await shop.pay("o-1", payee=BLOCKED)) == declined
            assert code_of(await shop.ask(by_code("o-2", subject=BLOCKED))) == declined
        qr_code = reply(await shop.ask(by_qr("o-3", subject=BLOCKED))).qr_code
        assert code_of(await shop.call(wire.submit(at(), qr_code, "ada", "card"))) == declined
        stands = reply(await shop.ask(trade.Query(out_trade_no="o-1")))
        assert (stands.trade_status, stands.send_pay_date) == ("TRADE_CLOSED", "")
        assert shop.states() == dict.fromkeys(("o-1", "o-2", "o-3"), "declined")
        assert shop.notices == []

    visit(story)


def test_an_app_that_calls_too_often_is_turned_away_and_nothing_is_booked() -> None:
    async def story(shop: Shop) -> None:
        await shop.pay("o-1")
        for call in (shop.pay("o-2"), shop.ask(by_code("o-3")), shop.ask(back("o-1", "1.00"))):
            with pytest.raises(RateLimited, match=r"40005 isv.app-call-limited"):
                await call
        assert shop.took_ms == [500.0, 0.0, 0.0, 0.0]
        assert [(entry.order_no, entry.refunds) for entry in shop.books()] == [("o-1", {})]

    visit(story, limited(requests=1, window_s=3600.0))


def test_an_overloaded_provider_says_that_it_does_not_know() -> None:
    async def story(shop: Shop) -> None:
        for call in (shop.pay("o-1"), shop.ask(by_code("o-2"))):
            with pytest.raises(Overloaded, match=r"20000 isp.unknow-error") as caught:
                await call
            assert type(caught.value) is Overloaded
        assert shop.books() == []

    visit(story, limited(overload_every_s=10.0, overload_lasts_s=10.0))


@pytest.mark.parametrize("amount", ["0.00", "-1", "1.234", "many"])
def test_a_malformed_payment_is_refused_and_changes_nothing(amount: str) -> None:
    async def story(shop: Shop) -> None:
        for answer in (
            await shop.pay("o-1", amount),
            await shop.ask(by_code("o-1", amount)),
            await shop.ask(by_qr("o-1", amount)),
            await shop.ask(back("o-1", amount)),
        ):
            assert code_of(answer) == "ACQ.INVALID_PARAMETER"
        assert shop.books() == []

    visit(story)


@pytest.mark.parametrize(
    "stranger",
    [
        Endpoint(at().base_url, signing_pair("a stranger")[0], at().account, at().peer_key),
        Endpoint(at().base_url, at().key, "2021000000000009", at().peer_key),
    ],
    ids=["another key", "another app"],
)
def test_a_stranger_is_unauthorized_and_changes_nothing(stranger: Endpoint) -> None:
    async def story(shop: Shop) -> None:
        await shop.pay("o-1")
        before = shop.books()
        order = trade.AppPay(out_trade_no="o-2", total_amount="1.00", subject="tea")
        text = wire.sign_order(stranger, order, "2026-11-23 08:00:00", "")
        calls = [
            wire.submit(stranger, text, "ada", "card"),
            *(wire.ask(stranger, biz, "2026-11-23 08:00:00")
              for biz in (by_code("o-2"), back("o-1", "1.00"), trade.Cancel(out_trade_no="o-1"))),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(Unauthorized):
                await shop.call(call)
        assert shop.books() == before

    visit(story)


# Paying


def test_an_order_number_is_one_payment_for_ever() -> None:
    async def story(shop: Shop) -> None:
        await shop.pay("o-1")
        assert code_of(await shop.pay("o-1")) == "ACQ.TRADE_HAS_SUCCESS"
        for other in (
            await shop.pay("o-1", "45.81"),
            await shop.pay("o-1", payee="tea-house"),
            await shop.pay("o-1", buyer="bob"),
            await shop.ask(by_code("o-1", "45.80")),
            await shop.ask(by_qr("o-1", "45.80")),
        ):
            assert code_of(other) == "ACQ.CONTEXT_INCONSISTENT"
        assert len(shop.books()) == 1

    visit(story)


def test_trades_of_mocks_side_by_side_have_numbers_of_their_own() -> None:
    async def story(shop: Shop) -> list[str]:
        return [reply(await shop.pay(order_no)).trade_no for order_no in ("o-1", "o-2")]

    async def other(shop: Shop) -> list[str]:
        return [reply(await shop.pay(order_no)).trade_no for order_no in ("p-1", "p-2")]

    assert visit(story) == visit(story)
    assert len({*visit(story), *visit(other)}) == 4


def test_a_qr_code_waits_for_its_buyer_and_is_paid_once() -> None:
    async def story(shop: Shop) -> None:
        first, again = [reply(await shop.ask(by_qr("o-1"))) for _ in range(2)]
        assert first == again
        assert first.qr_code.startswith(wire.QR_PREFIX)
        assert await status_of(shop, "o-1") == "WAIT_BUYER_PAY"
        scan = wire.submit(at(), first.qr_code, "", "card")
        told = reply(await shop.call(scan))
        assert (told.out_trade_no, told.total_amount) == ("o-1", "12.50")
        assert code_of(await shop.call(scan)) == "ACQ.TRADE_HAS_SUCCESS"
        assert code_of(await shop.ask(by_qr("o-1"))) == "ACQ.TRADE_HAS_SUCCESS"
        stands = reply(await shop.ask(trade.Query(out_trade_no="o-1")))
        assert (stands.trade_status, stands.buyer_user_id) == ("TRADE_SUCCESS", BUYER_ID)

    visit(story)


def test_a_qr_code_that_nobody_made_is_of_no_trade() -> None:
    async def story(shop: Shop) -> None:
        call = wire.submit(at(), wire.QR_PREFIX + "bax000000000000000000000", "ada", "card")
        assert code_of(await shop.call(call)) == "ACQ.TRADE_NOT_EXIST"
        assert shop.books() == []

    visit(story)


def test_a_payment_code_is_charged_at_once_up_to_a_thousand() -> None:
    async def story(shop: Shop) -> None:
        told = reply(await shop.ask(by_code("o-1", "1000")))
        assert (told.code, told.receipt_amount) == ("10000", "1000.00")
        assert (told.buyer_user_id, told.gmt_payment) == ("2088443825664394", "2026-11-23 08:00:00")

    visit(story)


LARGE = by_code("o-1", "1000.01")


def test_above_a_thousand_the_buyer_enters_a_password_first() -> None:
    async def story(shop: Shop) -> None:
        for _ in range(2):
            told = reply(await shop.ask(LARGE, "http://shop/notices"))
            assert (told.code, told.receipt_amount) == ("10003", "0.00")
        assert await status_of(shop, "o-1") == "WAIT_BUYER_PAY"
        assert shop.states() == {"o-1": "open"}
        await shop.wait(4.0)  # the answer came 0.5 s after the question, the password 4 s later
        stands = reply(await shop.ask(trade.Query(out_trade_no="o-1")))
        assert (stands.trade_status, stands.send_pay_date) == (
            "TRADE_SUCCESS", "2026-11-23 08:00:04"
        )  # fmt: skip
        assert code_of(await shop.ask(LARGE)) == "ACQ.TRADE_HAS_SUCCESS"
        assert [(time, told["trade_status"]) for time, told in shop.notices] == [
            (4.8, "TRADE_SUCCESS")
        ]

    visit(story)


def test_without_anybody_asking_the_password_is_entered_all_the_same() -> None:
    async def story(shop: Shop) -> None:
        await shop.ask(LARGE, "http://shop/notices")
        await shop.wait(60.0)
        assert shop.states() == {"o-1": "paid"}
        assert len(shop.notices) == 1

    visit(story)


@pytest.mark.parametrize("notify_url", ["http://shop/notices", ""])
def test_the_money_moves_when_the_password_is_entered_and_not_when_somebody_asks_next(
    notify_url: str,
) -> None:
    """What a user was shown before is false by the books, whoever came to know of it how."""

    async def story(shop: Shop) -> None:
        shop.mock.ledger.hear(None, shop.clock.now())
        await shop.ask(LARGE, notify_url)
        await shop.wait(60.0)
        shop.mock.ledger.hear(None, shop.clock.now())
        await status_of(shop, "o-1")
        assert [(of.moved, of.at_s) for of in shop.mock.ledger.movements] == [
            ("captured", 4.5),
            ("fee", 4.5),
        ]

    visit(story)


@pytest.mark.parametrize("end", [trade.Close, trade.Cancel])
def test_a_trade_given_up_while_it_waits_is_never_paid(
    end: type[trade.Close] | type[trade.Cancel],
) -> None:
    async def story(shop: Shop) -> None:
        await shop.ask(LARGE, "http://shop/notices")
        assert code_of(await shop.ask(end(out_trade_no="o-1"))) == ""
        await shop.wait(60.0)
        assert await status_of(shop, "o-1") == "TRADE_CLOSED"
        assert code_of(await shop.ask(LARGE)) == "ACQ.TRADE_HAS_CLOSE"
        assert shop.notices == []

    visit(story)


def test_a_large_payment_to_a_blocked_payee_is_declined_when_the_password_is_entered() -> None:
    async def story(shop: Shop) -> None:
        await shop.ask(by_code("o-1", "2000", BLOCKED), "http://shop/notices")
        await shop.wait(60.0)
        assert (await status_of(shop, "o-1"), shop.states()) == (
            "TRADE_CLOSED",
            {"o-1": "declined"},
        )
        assert shop.notices == []

    visit(story)


# Times and paths


def test_every_call_takes_exactly_what_its_mock_told() -> None:
    async def story(shop: Shop) -> None:
        requests = [
            wire.ask(at(), biz, "2026-11-23 08:00:00").request
            for biz in (by_code("o-1"), by_qr("o-2"), trade.Query(trade_no="t"), back("o-1", "1"))
        ]  # fmt: skip
        for request in requests:
            _, headers, _ = await shop.send(request)
            told = decode_told(headers)
            assert told is not None
            assert shop.took_ms[-1] == told.injected_ms == 500.0

    visit(story)


def test_the_keys_are_told_to_whoever_asks_and_open_this_mock() -> None:
    async def story(shop: Shop) -> None:
        call = wire.fetch_keys(at().base_url)
        keys = call.decode(*await shop.send(call.request))
        assert (keys.app_id, keys.app_private_key, keys.alipay_public_key) == credentials()
        assert shop.took_ms == [0.0]

    visit(story)


def test_another_path_is_not_found() -> None:
    async def story(shop: Shop) -> None:
        for method, path in (("GET", ""), ("POST", "/nothing"), ("DELETE", "/gateway.do")):
            request = httpx.Request(method, at().base_url + path)
            assert (await shop.send(request))[0] == 404

    visit(story)
