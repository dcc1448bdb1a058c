"""WeChat Pay's mock: orders, closing, scanning, refunds and keys; what moves money, and when."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers import wechatpay as wire
from harness.providers.call import (
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
)
from harness.providers.wechatpay import orders
from harness.providers.wechatpay.signing import Signer, authorization
from mocks.keys import signing_pair
from mocks.wechatpay_keys import APIV3_KEY, PUBLIC_KEY_ID, certificate, credentials
from tests.mocks.wechatpay_shop import Shop, at, limited, new, visit

PAID_ONCE = [("order-1", "paid", 27, 0)]


# Orders


def test_an_order_is_made_and_stands_unpaid() -> None:
    async def story(shop: Shop) -> None:
        assert (await shop.order()).startswith(orders.CODE_PREFIX)
        assert await shop.state() == "NOTPAY"
        assert shop.books() == [("order-1", "open", 0, 0)]
        assert shop.took_ms == [500.0, 500.0]

    visit(story)


def test_an_order_is_known_from_the_moment_it_is_asked_for() -> None:
    async def story(shop: Shop) -> None:
        code, state = await asyncio.gather(shop.order(), shop.state())
        assert (code[:9], state) == ("weixin://", "NOTPAY")

    visit(story)


def test_the_same_order_again_has_the_same_code_and_another_one_has_not() -> None:
    async def story(shop: Shop) -> None:
        first, again = await shop.order(), await shop.order()
        other = await shop.order(new("order-2"))
        assert first == again != other

    visit(story)


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": orders.Amount(4581)},
        {"description": "dinner"},
        {"attach": "x"},
        {"notify_url": "https://shop.example.com/other"},
    ],
)
def test_a_number_with_other_parameters_is_refused(changed: dict[str, Any]) -> None:
    async def story(shop: Shop) -> None:
        await shop.order()
        assert await shop.order(new(**changed)) == "INVALID_REQUEST"
        assert await shop.state() == "NOTPAY"

    visit(story)


def test_what_no_merchant_may_order_is_a_fault_and_books_nothing() -> None:
    async def story(shop: Shop) -> None:
        with pytest.raises(Unauthorized):
            await shop.order(new(appid="wx0000000000000002"))
        with pytest.raises(Malformed):
            await shop.order(new(amount=orders.Amount(100, "USD")))
        with pytest.raises(Malformed):
            await shop.order(new(mchid="1900000002"))
        assert shop.books() == []

    visit(story)


def test_an_order_that_was_closed_stays_closed_and_may_be_closed_again() -> None:
    async def story(shop: Shop) -> None:
        code = await shop.order()
        assert [await shop.close() for _ in range(3)] == ["closed"] * 3
        assert await shop.state() == "CLOSED"
        assert await shop.order() == "ORDER_CLOSED"
        told = await shop.scan(code)
        assert isinstance(told, orders.Refusal) and told.code == "ORDER_CLOSED"
        assert shop.books() == [("order-1", "voided", 0, 0)]

    visit(story)


def test_an_order_that_nobody_made_is_neither_told_nor_closed_and_may_still_come() -> None:
    async def story(shop: Shop) -> None:
        assert await shop.state() == await shop.close() == "ORDER_NOT_EXIST"
        assert shop.books() == []
        assert (await shop.order()).startswith(orders.CODE_PREFIX)

    visit(story)


# Paying


def test_who_scans_the_code_pays_once() -> None:
    async def story(shop: Shop) -> None:
        told = await shop.paid()
        assert (told.trade_state, told.trade_type) == ("SUCCESS", "NATIVE")
        assert told.amount == orders.OrderAmount(4580, 4580, "CNY", "CNY")
        again = await shop.scan(f"{orders.CODE_PREFIX}000000000")
        assert isinstance(again, orders.Refusal) and again.code == "ORDER_PAID"
        assert await shop.order() == await shop.close() == "ORDER_PAID"
        assert shop.books() == PAID_ONCE

    visit(story)


def test_who_has_no_money_pays_nothing_and_another_may_pay() -> None:
    async def story(shop: Shop) -> None:
        code = await shop.order()
        told = await shop.scan(code, "bob-broke")
        assert isinstance(told, orders.Refusal) and told.code == "NOT_ENOUGH"
        assert await shop.state() == "NOTPAY"
        assert isinstance(await shop.scan(code), orders.Order)
        assert shop.books() == PAID_ONCE

    visit(story)


def test_a_code_that_nobody_made_pays_nothing() -> None:
    async def story(shop: Shop) -> None:
        for code in ("", "weixin://wxpay/bizpayurl?pr=x", "x" * 1000):
            told = await shop.scan(code)
            assert isinstance(told, orders.Refusal) and told.code == "ORDER_NOT_EXIST"

    visit(story)


def test_a_paid_order_is_found_by_wechat_s_own_number_too() -> None:
    async def story(shop: Shop) -> None:
        await shop.order(new("order-2"))
        paid = await shop.paid()
        found = wire.query(shop.at, "order-1", shop.stamp())
        path = f"/v3/pay/transactions/id/{paid.transaction_id}?mchid={shop.at.account}"
        by_id = replace_target(found.request, path, shop)
        assert (await shop.send(by_id)).json()["out_trade_no"] == "order-1"
        unpaid = path.replace(paid.transaction_id, f"42000{0:023d}")
        assert (await shop.send(replace_target(found.request, unpaid, shop))).status_code == 404

    visit(story)


def replace_target(request: httpx.Request, target: str, shop: Shop) -> httpx.Request:
    signer = Signer(shop.at.key_id, shop.at.key)
    header = authorization(signer, shop.at.account, "GET", target, shop.stamp(), b"")
    headers = {**request.headers, "authorization": header}
    return httpx.Request("GET", shop.at.base_url + target, headers=headers)


# Refunds


def test_a_refund_is_taken_in_at_once_and_made_a_little_later() -> None:
    async def story(shop: Shop) -> None:
        await shop.paid()
        assert await shop.refund(1000) == "PROCESSING"
        told = await shop.call(wire.query_refund(shop.at, "back-1", shop.stamp()))
        assert isinstance(told, orders.Refunded)
        assert (told.status, told.amount.refund, told.amount.total) == ("SUCCESS", 1000, 4580)
        assert await shop.state() == "REFUND"
        assert shop.books() == [("order-1", "refunded", 27, 1000)]

    visit(story)


def test_a_refund_happens_once_however_often_it_is_sent() -> None:
    async def story(shop: Shop) -> None:
        await shop.paid()
        assert [await shop.refund(1000) for _ in range(3)] == ["PROCESSING", "SUCCESS", "SUCCESS"]
        assert await shop.refund(1001) == "INVALID_REQUEST"
        assert shop.books() == [("order-1", "refunded", 27, 1000)]

    visit(story)


def test_no_more_is_given_back_than_was_paid() -> None:
    async def story(shop: Shop) -> None:
        await shop.paid()
        assert await shop.refund(4581) == "INVALID_REQUEST"
        assert await shop.refund(4000, no="a") == await shop.refund(580, no="b") == "PROCESSING"
        assert await shop.refund(1, no="c") == "INVALID_REQUEST"
        assert shop.books() == [("order-1", "refunded", 27, 4580)]

    visit(story)


def test_what_cannot_be_given_back_is_refused() -> None:
    async def story(shop: Shop) -> None:
        assert await shop.refund(1) == "RESOURCE_NOT_EXISTS"
        await shop.order()
        assert await shop.refund(1) == "INVALID_REQUEST"
        await shop.paid(new("order-2"))
        assert await shop.refund(1, total=4579, order_no="order-2") == "INVALID_REQUEST"
        assert await shop.refund(1, order_no="order-2") == "PROCESSING"
        await shop.paid(new("order-3"))
        assert await shop.refund(1, order_no="order-3") == "INVALID_REQUEST"
        told = await shop.call(wire.query_refund(shop.at, "back-2", shop.stamp()))
        assert isinstance(told, orders.Refusal) and told.code == "RESOURCE_NOT_EXISTS"

    visit(story)


STEPS = st.lists(
    st.sampled_from(["order", "scan", "close", "refund 1", "refund all", "state"]), max_size=12
)


@given(STEPS)
@settings(max_examples=25, deadline=None)
def test_in_any_order_of_things_no_closed_order_is_paid_and_no_paid_one_closed(
    steps: list[str],
) -> None:
    async def story(shop: Shop) -> None:
        seen = ["open"]
        for n, step in enumerate(steps):
            match step.split():
                case ["order"]:
                    await shop.order()
                case ["scan"]:
                    await shop.scan(f"{orders.CODE_PREFIX}000000000")
                case ["close"]:
                    await shop.close()
                case ["refund", much]:
                    await shop.refund(1 if much == "1" else 4580, no=f"back-{n}")
                case _:
                    await shop.state()
            seen += [entry.state for entry in shop.entries()]
        assert not ("voided" in seen and "paid" in seen)
        assert all(entry.refunded_minor <= 4580 for entry in shop.entries())
        assert len(shop.entries()) <= 1

    visit(story)


# Keys


def test_a_client_may_ask_for_either_of_two_keys_and_each_verifies() -> None:
    async def story(shop: Shop) -> None:
        by_id = at()
        own = certificate()
        by_serial = replace(by_id, peer_key_id=own.serial, peer_key=own.pem)
        for shop.at in (by_id, by_serial):
            assert (await shop.order()).startswith(orders.CODE_PREFIX)
            assert await shop.state() == "NOTPAY"
        # Whose key it is decides, not what the client calls it by.
        shop.at = replace(by_id, peer_key=own.pem)
        with pytest.raises(Malformed, match="its signature is wrong"):
            await shop.state()
        shop.at = replace(by_id, peer_key_id="PUB_KEY_ID_02")
        with pytest.raises(Malformed, match="unknown key"):
            await shop.state()

    visit(story)


def test_the_certificate_comes_sealed_and_signs_what_it_should() -> None:
    async def story(shop: Shop) -> None:
        own = certificate()
        for shop.at in (at(), replace(at(), peer_key_id=own.serial, peer_key="")):
            told = await shop.call(wire.certificates(shop.at, APIV3_KEY, shop.stamp()))
            assert told == {own.serial: own.pem}
        shop.at = replace(at(), peer_key=told[own.serial], peer_key_id=own.serial)
        assert await shop.state() == "ORDER_NOT_EXIST"
        with pytest.raises(Malformed, match="not sealed for this merchant"):
            await shop.call(wire.certificates(shop.at, "x" * 32, shop.stamp()))

    visit(story)


def test_strangers_get_the_credentials_and_they_are_never_printed() -> None:
    async def story(shop: Shop) -> None:
        keys = await shop.call(wire.fetch_keys(shop.at.base_url))
        assert keys == credentials().keys
        assert keys.public_key_id == PUBLIC_KEY_ID
        assert keys.merchant_private_key.startswith("-----BEGIN PRIVATE KEY-----")
        assert "PRIVATE" not in repr(keys) and APIV3_KEY not in repr(keys)

    visit(story)


@pytest.mark.parametrize("off_s", [300, -301, 86_400])
def test_a_merchant_whose_clock_is_wrong_is_told_so_and_books_nothing(off_s: int) -> None:
    async def story(shop: Shop) -> None:
        shop.off_s = off_s
        with pytest.raises(Unauthorized, match="SIGN_ERROR"):
            await shop.order()
        assert shop.books() == []

    visit(story)


def test_a_stranger_s_key_opens_nothing() -> None:
    async def story(shop: Shop) -> None:
        for wrong in (
            replace(at(), key=signing_pair("a stranger's")[0]),
            replace(at(), key_id="1900000001000000000000000000000000000002"),
            replace(at(), account="1900000002"),
        ):
            shop.at = wrong
            with pytest.raises(Unauthorized):
                await shop.order()
        assert shop.books() == []

    visit(story)


# A busy server


@pytest.mark.parametrize(
    ("limits", "fault"),
    [
        ({"requests": 1, "window_s": 1e6}, RateLimited),
        ({"slots": 1, "queue": 0}, Overloaded),
    ],
)
def test_a_busy_server_says_so_and_books_nothing_more(
    limits: dict[str, float], fault: type[ProviderFault]
) -> None:
    async def story(shop: Shop) -> None:
        both = (shop.order(new(f"order-{n}")) for n in range(2))
        first, second = await asyncio.gather(*both, return_exceptions=True)
        assert isinstance(first, str)
        assert type(second) is fault
        assert len(shop.books()) == 1

    visit(story, limited(**limits))
