"""WeChat Pay AI's mock: what it grants, what it refuses, and that a refusal never moves money."""

import base64
import datetime
import json
from collections.abc import Awaitable, Callable
from typing import get_args

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.providers import wechat_ai as wire
from harness.providers.call import Endpoint, Overloaded, ProviderFault, RateLimited
from harness.providers.wechat_ai import Order, Receipt, Refusal, Session
from harness.transport import measure
from mocks.figures import Fee, Limits
from mocks.host import MockConfig
from mocks.keys import private_key
from mocks.ledger import BLOCKED_PAYEE
from mocks.wechat_ai import KEPT_S
from tests.mocks.visit import ADA, AT_PAY, BOB, CONFIG, KEY_ENDS_S, PAY, Visit, visit
from tests.providers.by_hand import OAEP

TODAY = datetime.date(2026, 1, 1)
PAID = Order("o-1", ADA, "balance", 5000, "CNY", "tea-house")


def request(
    operation: wire.Operation, token: str, key: wire.SealingKey, order: Order
) -> httpx.Request:
    return wire.transact(AT_PAY, operation, token, key, order).request


# Each story starts after PAID was paid, prepares what it needs, and returns a request to refuse.
Story = Callable[[Visit], Awaitable[httpx.Request]]


async def own(at: Visit, operation: wire.Operation, order: Order) -> httpx.Request:
    return (await at.transaction(operation, order)).request


async def expired_token(at: Visit) -> httpx.Request:
    token = await at.token()
    await at.clock.sleep_until(at.clock.now() + 900)
    return request("pay.authorize", token, await at.key(), Order("o-2", ADA, "balance", 100))


async def forgotten_token(at: Visit) -> httpx.Request:
    """Who opens a session later makes the mock forget what ended an hour before."""
    token = await at.token()
    await at.clock.sleep_until(at.clock.now() + 900 + KEPT_S)
    await at.token(BOB)
    return request("pay.authorize", token, await at.key(), Order("o-2", ADA, "balance", 100))


async def unknown_token(at: Visit) -> httpx.Request:
    order = Order("o-2", ADA, "balance", 100)
    return request("pay.authorize", "wxs_ffffffffffff", await at.key(), order)


async def token_of_another_user(at: Visit) -> httpx.Request:
    order = Order("o-2", ADA, "balance", 100)
    return request("pay.authorize", await at.token(BOB), await at.key(), order)


async def token_of_another_method(at: Visit) -> httpx.Request:
    order = Order("o-2", ADA, "balance", 100)
    return request("pay.authorize", await at.token(ADA, "card"), await at.key(), order)


async def retired_key(at: Visit) -> httpx.Request:
    key = await at.key()
    await at.clock.sleep_until(KEY_ENDS_S)
    return request("pay.authorize", await at.token(), key, Order("o-2", ADA, "balance", 100))


async def key_never_issued(at: Visit) -> httpx.Request:
    key = wire.SealingKey("key-1", (await at.key()).public_key, 60.0)
    return request("pay.authorize", await at.token(), key, Order("o-2", ADA, "balance", 100))


async def sealed_with_another_key(at: Visit) -> httpx.Request:
    public = rsa.generate_private_key(65537, 2048).public_key()
    key = wire.SealingKey("key-0", public, 60.0)
    return request("pay.authorize", await at.token(), key, Order("o-2", ADA, "balance", 100))


async def broken_seal(at: Visit) -> httpx.Request:
    whole = request("pay.authorize", await at.token(), await at.key(), PAID)
    envelope = json.loads(whole.content)
    envelope["seal"]["data"] = "AAAA"
    return httpx.Request("POST", whole.url, content=json.dumps(envelope).encode())


async def after_a_void(at: Visit) -> httpx.Request:
    await at.transact("pay.void", Order("o-9", ADA, "balance"))
    return await own(at, "pay.authorize", Order("o-9", ADA, "balance", 100))


async def refund_after_a_void(at: Visit) -> httpx.Request:
    await at.transact("pay.void", PAID)
    return await own(at, "pay.refund", Order("o-1", ADA, "balance", 1, refund_no="r-1"))


async def void_after_a_refund(at: Visit) -> httpx.Request:
    await at.transact("pay.refund", Order("o-1", ADA, "balance", 1, refund_no="r-1"))
    return await own(at, "pay.void", PAID)


async def a_refund_number_with_another_amount(at: Visit) -> httpx.Request:
    await at.transact("pay.refund", Order("o-1", ADA, "balance", 1, refund_no="r-1"))
    return await own(at, "pay.refund", Order("o-1", ADA, "balance", 2, refund_no="r-1"))


async def refunds_that_add_up_to_too_much(at: Visit) -> httpx.Request:
    await at.transact("pay.refund", Order("o-1", ADA, "balance", 4000, refund_no="r-1"))
    return await own(at, "pay.refund", Order("o-1", ADA, "balance", 1001, refund_no="r-2"))


async def a_second_try_at_a_declined_payment(at: Visit) -> httpx.Request:
    order = Order("o-2", ADA, "balance", 100, "CNY", BLOCKED_PAYEE)
    assert isinstance(await at.transact("pay.authorize", order), Refusal)
    return await own(at, "pay.authorize", order)


def leg(n: int, amount: int, bill_total: int = 6000) -> Order:
    """Of a bill of 60 CNY: everybody pays a leg under a session of their own."""
    return Order(f"b-1-{n}", f"wx-{n}", "balance", amount, bill_no="b-1", bill_total=bill_total)


async def a_leg_too_many(at: Visit) -> httpx.Request:
    await at.transact("pay.authorize", leg(0, 3000))
    await at.transact("pay.authorize", leg(1, 2999))
    return await own(at, "pay.authorize", leg(2, 2))


async def a_leg_of_another_total(at: Visit) -> httpx.Request:
    await at.transact("pay.authorize", leg(0, 3000))
    return await own(at, "pay.authorize", leg(1, 3000, bill_total=6001))


async def opened(at: Visit) -> Session:
    told = (await at.ask(wire.open_session(AT_PAY, ADA, "balance"))).value
    assert isinstance(told, Session)
    return told


async def a_refresh_token_used_twice(at: Visit) -> httpx.Request:
    token = (await opened(at)).refresh_token
    assert isinstance((await at.ask(wire.refresh(AT_PAY, token))).value, Session)
    return wire.refresh(AT_PAY, token).request


async def a_refresh_token_never_issued(at: Visit) -> httpx.Request:
    return wire.refresh(AT_PAY, "wxs_ffffffffffff").request


async def a_session_token_to_refresh_with(at: Visit) -> httpx.Request:
    return wire.refresh(AT_PAY, (await opened(at)).session_token).request


async def a_refresh_token_to_pay_with(at: Visit) -> httpx.Request:
    token = (await opened(at)).refresh_token
    return request("pay.authorize", token, await at.key(), Order("o-2", ADA, "balance", 100))


async def an_expired_refresh_token(at: Visit) -> httpx.Request:
    token = (await opened(at)).refresh_token
    await at.clock.sleep_until(at.clock.now() + 30 * 86_400)
    return wire.refresh(AT_PAY, token).request


async def wrong_app_secret(at: Visit) -> httpx.Request:
    return wire.open_session(Endpoint(AT_PAY.base_url, "guessed"), ADA, "balance").request


async def not_json(at: Visit) -> httpx.Request:
    return httpx.Request("POST", AT_PAY.url(wire.RPC_PATH), content=b"hello")


async def unknown_path(at: Visit) -> httpx.Request:
    return httpx.Request("POST", AT_PAY.url("/refunds"), content=b"{}")


def ordered(operation: wire.Operation, **changed: str | int) -> Story:
    """PAID with these changes, sent by its own user under a good session."""
    return lambda at: own(at, operation, msgspec.structs.replace(PAID, **changed))


def authorize(**changed: str | int) -> Story:
    return ordered("pay.authorize", **changed)


def refund(amount: int, **changed: str | int) -> Story:
    return ordered("pay.refund", **{"amount": amount, "refund_no": "r-1", **changed})


REFUSED: dict[str, tuple[Story, wire.RefusalCode]] = {
    "expired token": (expired_token, "TOKEN_EXPIRED"),
    "expired long ago": (forgotten_token, "TOKEN_UNKNOWN"),
    "unknown token": (unknown_token, "TOKEN_UNKNOWN"),
    "token of another user": (token_of_another_user, "TOKEN_MISMATCH"),
    "token of another method": (token_of_another_method, "TOKEN_MISMATCH"),
    "retired key": (retired_key, "KEY_RETIRED"),
    "key never issued": (key_never_issued, "KEY_RETIRED"),
    "sealed with another key": (sealed_with_another_key, "BAD_SEAL"),
    "broken seal": (broken_seal, "BAD_SEAL"),
    "other amount": (authorize(amount=5001), "DUPLICATE_ORDER"),
    "other currency": (authorize(currency="EUR"), "DUPLICATE_ORDER"),
    "other payee": (authorize(payee="metro"), "DUPLICATE_ORDER"),
    "other method": (authorize(method="card"), "DUPLICATE_ORDER"),
    "other user": (authorize(openid=BOB), "DUPLICATE_ORDER"),
    "another user queries": (ordered("pay.query", openid=BOB), "ORDER_NOT_FOUND"),
    "another user voids": (ordered("pay.void", openid=BOB), "ORDER_NOT_FOUND"),
    "another user refunds": (refund(1, openid=BOB), "ORDER_NOT_FOUND"),
    "declined again": (a_second_try_at_a_declined_payment, "DECLINED"),
    "query of no order": (ordered("pay.query", order_no="o-2"), "ORDER_NOT_FOUND"),
    "refund of no order": (refund(1, order_no="o-2"), "ORDER_NOT_FOUND"),
    "nothing to pay": (authorize(order_no="o-2", amount=0), "MALFORMED_REQUEST"),
    "less than nothing to pay": (authorize(order_no="o-2", amount=-1), "MALFORMED_REQUEST"),
    "nothing to refund": (refund(0), "MALFORMED_REQUEST"),
    "less than nothing to refund": (refund(-1), "MALFORMED_REQUEST"),
    "refund without a number": (refund(1, refund_no=""), "MALFORMED_REQUEST"),
    "refund in another currency": (refund(1, currency="JPY"), "MALFORMED_REQUEST"),
    "too large a refund": (refund(5001), "REFUND_EXCEEDS_PAID"),
    "too large refunds": (refunds_that_add_up_to_too_much, "REFUND_EXCEEDS_PAID"),
    "refund number used twice": (a_refund_number_with_another_amount, "DUPLICATE_ORDER"),
    "payment after a void": (after_a_void, "ORDER_CLOSED"),
    "refund after a void": (refund_after_a_void, "ORDER_CLOSED"),
    "void after a refund": (void_after_a_refund, "ORDER_CLOSED"),
    "a leg too many": (a_leg_too_many, "BILL_EXCEEDED"),
    "a leg of another total": (a_leg_of_another_total, "DUPLICATE_ORDER"),
    "a leg above its bill": (
        authorize(order_no="o-2", bill_no="b-2", bill_total=4999),
        "BILL_EXCEEDED",
    ),
    "refresh token used twice": (a_refresh_token_used_twice, "TOKEN_UNKNOWN"),
    "refresh token never issued": (a_refresh_token_never_issued, "TOKEN_UNKNOWN"),
    "session token to refresh with": (a_session_token_to_refresh_with, "TOKEN_UNKNOWN"),
    "refresh token to pay with": (a_refresh_token_to_pay_with, "TOKEN_UNKNOWN"),
    "expired refresh token": (an_expired_refresh_token, "TOKEN_EXPIRED"),
    "wrong app secret": (wrong_app_secret, "APP_UNKNOWN"),
    "not JSON": (not_json, "MALFORMED_REQUEST"),
    "unknown path": (unknown_path, "MALFORMED_REQUEST"),
}
STATUS = {"MALFORMED_REQUEST": 400, "APP_UNKNOWN": 401}


@pytest.mark.parametrize("why", REFUSED)
def test_a_refusal_says_why_and_changes_nothing_in_the_books(why: str) -> None:
    story, code = REFUSED[why]

    async def main(at: Visit) -> None:
        assert isinstance(await at.transact("pay.authorize", PAID), Receipt)
        refused = await story(at)
        before = at.books()
        answer = await at.send(refused)
        assert json.loads(answer.body)["ret"] == code
        assert answer.status == STATUS.get(code, 200)
        assert at.books() == before

    visit(main)


def test_every_refusal_of_the_wire_is_among_those_tested() -> None:
    assert {code for _, code in REFUSED.values()} == set(get_args(wire.RefusalCode))


@settings(deadline=None, max_examples=25)
@given(st.sampled_from([wire.RPC_PATH, wire.SESSION_PATH, wire.REFRESH_PATH]), st.binary())
def test_arbitrary_bytes_earn_a_400_and_open_no_order(path: str, body: bytes) -> None:
    async def main(at: Visit) -> None:
        answer = await at.send(httpx.Request("POST", AT_PAY.url(path), content=body))
        assert (answer.status, json.loads(answer.body)["ret"]) == (400, "MALFORMED_REQUEST")
        assert at.books() == []

    visit(main)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)
sealed_orders = st.fixed_dictionaries(
    {
        "orderNo": st.sampled_from(["o-1", "o-2"]),
        "openid": st.just(ADA),
        "method": st.just("balance"),
        "amount": st.integers(),
    },
    optional={
        "currency": st.sampled_from(["CNY", "EUR", ""]),
        "refundNo": st.text(max_size=4),
        "billNo": st.text(max_size=4),
        "billTotal": st.integers(),
        "payee": anything,
        "more": anything,
    },
)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(get_args(wire.Operation)), sealed_orders)
def test_whatever_is_sealed_is_answered_and_a_refusal_changes_nothing(
    operation: wire.Operation, order: dict[str, object]
) -> None:
    plain = json.dumps(order, ensure_ascii=False).encode()
    assume(len(plain) <= wire.SEAL_LIMIT)

    async def main(at: Visit) -> None:
        token, key = await at.token(), await at.key()
        await at.transact("pay.authorize", PAID)
        before = at.books()
        whole = json.loads(request(operation, token, key, PAID).content)
        sealed = key.public_key.encrypt(plain, OAEP)
        whole["seal"]["data"] = base64.b64encode(sealed).decode()
        url = AT_PAY.url(wire.RPC_PATH)
        answer = await at.send(httpx.Request("POST", url, content=json.dumps(whole).encode()))
        assert answer.status in (200, 400)
        if json.loads(answer.body)["ret"] not in ("OK", "DECLINED"):
            assert at.books() == before

    visit(main)


# What it grants


def test_a_payment_is_paid_with_its_fee_and_found_again() -> None:
    async def main(at: Visit) -> None:
        paid = await at.transact("pay.authorize", PAID)
        assert paid == Receipt("o-1", "wx0000000000", "paid", 5000, "CNY", 30)
        assert await at.transact("pay.query", Order("o-1", ADA, "balance")) == paid
        assert await at.transact("pay.query", Order("o-1", ADA, "card")) == paid

    visit(main)


def test_the_same_terms_again_are_answered_again_and_booked_once() -> None:
    async def main(at: Visit) -> None:
        receipts = [await at.transact("pay.authorize", PAID) for _ in range(3)]
        assert isinstance(receipts[0], Receipt)
        assert receipts[1:] == receipts[:-1]
        assert len(at.books()) == 1

    visit(main)


def test_the_very_same_bytes_again_are_answered_again_and_booked_once() -> None:
    async def main(at: Visit) -> None:
        call = await at.transaction("pay.authorize", PAID)
        first, replayed = (await at.ask(call)).value, (await at.ask(call)).value
        assert isinstance(first, Receipt)
        assert first == replayed
        assert len(at.books()) == 1

    visit(main)


def test_a_decline_is_booked_without_money_or_fee() -> None:
    async def main(at: Visit) -> None:
        order = Order("o-2", ADA, "balance", 100, "CNY", BLOCKED_PAYEE)
        told = await at.transact("pay.authorize", order)
        assert isinstance(told, Refusal)
        assert told.code == "DECLINED"
        seen = await at.transact("pay.query", order)
        assert isinstance(seen, Receipt)
        assert (seen.state, seen.fee_minor) == ("declined", 0)

    visit(main)


def test_a_payment_whose_caller_gave_up_is_captured_all_the_same() -> None:
    async def main(at: Visit) -> None:
        call = await at.transaction("pay.authorize", PAID)
        given_up = await measure(httpx.MockTransport(at.host), at.clock, call.request, 0.1)
        assert given_up.status == 0
        seen = await at.transact("pay.query", PAID)
        assert isinstance(seen, Receipt)
        assert seen.state == "paid"

    visit(main)


def test_the_answer_carries_the_sequence_of_its_transaction() -> None:
    async def main(at: Visit) -> None:
        refund = Order("o-1", ADA, "balance", 1, refund_no="r-1")
        for order, sequence in ((PAID, "o-1"), (refund, "r-1")):
            answer = await at.send((await at.transaction("pay.query", order)).request)
            assert json.loads(answer.body)["seq"] == sequence

    visit(main)


def test_the_legs_of_a_bill_add_up_to_the_whole_and_one_voided_leaves_room_for_another() -> None:
    async def main(at: Visit) -> None:
        amounts = (2000, 2000, 2000)
        legs = [leg(n, amount) for n, amount in enumerate(amounts)]
        assert [await _state(at, one) for one in legs] == ["paid"] * 3
        await at.transact("pay.void", legs[1])
        assert at.host.payments["wechat-ai"].ledger.billed("b-1") == 4000
        assert await _state(at, leg(3, 2000)) == "paid"

    visit(main)


async def _state(at: Visit, order: Order) -> str:
    told = await at.transact("pay.authorize", order)
    assert isinstance(told, Receipt)
    return told.state


def test_a_fee_in_another_currency_is_exchanged() -> None:
    fee = Fee(fixed_minor=30, currency="USD", provenance="assumed", source="tests", date=TODAY)
    pay = msgspec.structs.replace(PAY, fee=fee)
    config = msgspec.structs.replace(CONFIG, pay={"wechat-ai": pay}, cny_per_usd=7.1)

    async def main(at: Visit) -> None:
        told = await at.transact("pay.authorize", PAID)
        assert isinstance(told, Receipt)
        assert told.fee_minor == 213

    visit(main, config)


# Whatever may happen, as its own client sees it


def key_0() -> wire.SealingKey:
    return wire.SealingKey("key-0", private_key(0).public_key(), 60.0)


def limited(**limits: float) -> MockConfig:
    of = Limits(provenance="assumed", source="tests", date=TODAY)
    pay = msgspec.structs.replace(PAY, limits=msgspec.structs.replace(of, **limits))
    return msgspec.structs.replace(CONFIG, pay={"wechat-ai": pay})


Ending = Receipt | Refusal | type[ProviderFault]

ENDINGS: dict[str, tuple[MockConfig, str, Endpoint, Ending]] = {
    "ok": (CONFIG, "tea-house", AT_PAY, Receipt("o-1", "wx0000000000", "paid", 5000, "CNY", 30)),
    "decline": (
        CONFIG,
        BLOCKED_PAYEE,
        AT_PAY,
        Refusal("DECLINED", "the payee is blocked, or the payer has no money"),
    ),
    "rate limited": (limited(requests=1), "tea-house", AT_PAY, RateLimited),
    "overloaded": (
        limited(overload_every_s=1.0, overload_lasts_s=1.0),
        "tea-house",
        AT_PAY,
        Overloaded,
    ),
    "auth failure": (
        CONFIG,
        "tea-house",
        Endpoint(AT_PAY.base_url, "guessed"),
        Refusal("APP_UNKNOWN", "no app with this secret"),
    ),
}


@pytest.mark.parametrize("why", ENDINGS)
def test_a_client_learns_how_its_payment_ended(why: str) -> None:
    config, payee, where, ending = ENDINGS[why]

    async def pay(at: Visit) -> Receipt | Refusal:
        opened = (await at.ask(wire.open_session(where, ADA, "balance"))).value
        if isinstance(opened, Refusal):
            return opened
        order = msgspec.structs.replace(PAID, payee=payee)
        call = wire.transact(where, "pay.authorize", opened.session_token, key_0(), order)
        return (await at.ask(call)).value

    async def main(at: Visit) -> None:
        if not isinstance(ending, type):
            assert await pay(at) == ending
            return
        with pytest.raises(ending) as raised:
            await pay(at)
        assert type(raised.value) is ending
        assert at.books() == []

    visit(main, config)
