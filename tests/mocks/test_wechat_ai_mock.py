"""WeChat Pay AI's mock: what it grants, what it refuses, and that a refusal never moves money."""

import json
from collections.abc import Awaitable, Callable

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers import wechat_ai as wire
from harness.providers.call import Endpoint
from harness.providers.wechat_ai import Order, PublicKey, Receipt, Refusal, Session
from harness.transport import measure
from mocks.host import MockConfig
from mocks.ledger import BLOCKED_PAYEE
from tests.mocks.visit import ADA, AT_PAY, BOB, CONFIG, MODELS, PAY, SEED, Visit, visit

DAY_S = 86_400
ROTATION_S, OVERLAP_S = 30 * DAY_S, 3600
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
    await at.clock.sleep_until(ROTATION_S + OVERLAP_S)
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


async def a_refund_number_used_with_another_amount(at: Visit) -> httpx.Request:
    await at.transact("pay.refund", Order("o-1", ADA, "balance", 1, refund_no="r-1"))
    return await own(at, "pay.refund", Order("o-1", ADA, "balance", 2, refund_no="r-1"))


async def refunds_that_add_up_to_too_much(at: Visit) -> httpx.Request:
    await at.transact("pay.refund", Order("o-1", ADA, "balance", 4000, refund_no="r-1"))
    return await own(at, "pay.refund", Order("o-1", ADA, "balance", 1001, refund_no="r-2"))


async def a_second_try_at_a_declined_payment(at: Visit) -> httpx.Request:
    order = Order("o-2", ADA, "balance", 100, "CNY", BLOCKED_PAYEE)
    assert isinstance(await at.transact("pay.authorize", order), Refusal)
    return await own(at, "pay.authorize", order)


async def wrong_app_secret(at: Visit) -> httpx.Request:
    return wire.open_session(Endpoint(AT_PAY.base_url, "guessed"), ADA, "balance").request


async def not_json(at: Visit) -> httpx.Request:
    return httpx.Request("POST", AT_PAY.url(wire.RPC_PATH), content=b"hello")


async def unknown_path(at: Visit) -> httpx.Request:
    return httpx.Request("POST", AT_PAY.url("/refunds"), content=b"{}")


def ordered(operation: wire.Operation, order: Order) -> Story:
    """The order, sent by its own user under a good session."""
    return lambda at: own(at, operation, order)


REFUSED: list[tuple[str, Story, wire.RefusalCode]] = [
    ("expired token", expired_token, "TOKEN_EXPIRED"),
    ("unknown token", unknown_token, "TOKEN_UNKNOWN"),
    ("token of another user", token_of_another_user, "TOKEN_MISMATCH"),
    ("token of another method", token_of_another_method, "TOKEN_MISMATCH"),
    ("retired key", retired_key, "KEY_RETIRED"),
    ("key never issued", key_never_issued, "KEY_RETIRED"),
    ("sealed with another key", sealed_with_another_key, "BAD_SEAL"),
    ("broken seal", broken_seal, "BAD_SEAL"),
    ("other amount", ordered("pay.authorize", Order("o-1", ADA, "balance", 5001, "CNY", "tea-house")), "DUPLICATE_ORDER"),
    ("other currency", ordered("pay.authorize", Order("o-1", ADA, "balance", 5000, "EUR", "tea-house")), "DUPLICATE_ORDER"),
    ("other payee", ordered("pay.authorize", Order("o-1", ADA, "balance", 5000, "CNY", "metro")), "DUPLICATE_ORDER"),
    ("other method", ordered("pay.authorize", Order("o-1", ADA, "card", 5000, "CNY", "tea-house")), "DUPLICATE_ORDER"),
    ("other user", ordered("pay.authorize", Order("o-1", BOB, "balance", 5000, "CNY", "tea-house")), "DUPLICATE_ORDER"),
    ("another user's payment queried", ordered("pay.query", Order("o-1", BOB, "balance")), "ORDER_NOT_FOUND"),
    ("another user's payment voided", ordered("pay.void", Order("o-1", BOB, "balance")), "ORDER_NOT_FOUND"),
    ("another user's payment refunded", ordered("pay.refund", Order("o-1", BOB, "balance", 1, refund_no="r-1")), "ORDER_NOT_FOUND"),
    ("declined again", a_second_try_at_a_declined_payment, "DECLINED"),
    ("query of no order", ordered("pay.query", Order("o-2", ADA, "balance")), "ORDER_NOT_FOUND"),
    ("refund of no order", ordered("pay.refund", Order("o-2", ADA, "balance", 1, refund_no="r-1")), "ORDER_NOT_FOUND"),
    ("nothing to pay", ordered("pay.authorize", Order("o-2", ADA, "balance", 0)), "MALFORMED_REQUEST"),
    ("less than nothing to pay", ordered("pay.authorize", Order("o-2", ADA, "balance", -1)), "MALFORMED_REQUEST"),
    ("nothing to refund", ordered("pay.refund", Order("o-1", ADA, "balance", 0, refund_no="r-1")), "MALFORMED_REQUEST"),
    ("less than nothing to refund", ordered("pay.refund", Order("o-1", ADA, "balance", -1, refund_no="r-1")), "MALFORMED_REQUEST"),
    ("a refund without its number", ordered("pay.refund", Order("o-1", ADA, "balance", 1)), "MALFORMED_REQUEST"),
    ("a refund in another currency", ordered("pay.refund", Order("o-1", ADA, "balance", 1, "JPY", refund_no="r-1")), "MALFORMED_REQUEST"),
    ("too large a refund", ordered("pay.refund", Order("o-1", ADA, "balance", 5001, refund_no="r-1")), "REFUND_EXCEEDS_PAID"),
    ("too large refunds", refunds_that_add_up_to_too_much, "REFUND_EXCEEDS_PAID"),
    ("refund number used twice", a_refund_number_used_with_another_amount, "DUPLICATE_ORDER"),
    ("payment after a void", after_a_void, "ORDER_CLOSED"),
    ("refund after a void", refund_after_a_void, "ORDER_CLOSED"),
    ("void after a refund", void_after_a_refund, "ORDER_CLOSED"),
    ("wrong app secret", wrong_app_secret, "APP_UNKNOWN"),
    ("not JSON", not_json, "MALFORMED_REQUEST"),
    ("unknown path", unknown_path, "MALFORMED_REQUEST"),
]  # fmt: skip
STATUS = {"MALFORMED_REQUEST": 400, "APP_UNKNOWN": 401}


@pytest.mark.parametrize(("why", "story", "code"), REFUSED, ids=[why for why, *_ in REFUSED])
def test_a_refusal_says_why_and_changes_nothing_in_the_books(
    why: str, story: Story, code: wire.RefusalCode
) -> None:
    async def main(at: Visit) -> None:
        assert isinstance(await at.transact("pay.authorize", PAID), Receipt)
        refused = await story(at)
        before = at.books()
        answer = await at.send(refused)
        assert json.loads(answer.body)["ret"] == code
        assert answer.status == STATUS.get(code, 200)
        assert at.books() == before

    visit(main)


def test_every_code_of_refusal_but_none_beyond_is_among_those_tested() -> None:
    assert {code for _, _, code in REFUSED} == set(wire.RefusalCode.__args__)  # type: ignore[attr-defined]  # typing.Literal has __args__, typeshed does not say so


@settings(deadline=None, max_examples=25)
@given(st.sampled_from([wire.RPC_PATH, wire.SESSION_PATH]), st.binary())
def test_arbitrary_bytes_earn_a_400_and_open_no_order(path: str, body: bytes) -> None:
    async def main(at: Visit) -> None:
        answer = await at.send(httpx.Request("POST", AT_PAY.url(path), content=body))
        assert (answer.status, json.loads(answer.body)["ret"]) == (400, "MALFORMED_REQUEST")
        assert at.books() == []

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


# Tokens and keys over time


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_a_token_is_good_until_its_lifetime_ends_and_not_at_its_end(scale: float) -> None:
    config = MockConfig(seed=SEED, pay=PAY, models=MODELS, lifetime_scale=scale)

    async def main(at: Visit) -> None:
        key = await at.key()
        issued = at.clock.now()
        opened = (await at.ask(wire.open_session(AT_PAY, ADA, "balance"))).value
        assert isinstance(opened, Session)
        assert opened.expires_in_s == pytest.approx(900 * scale)
        call = wire.transact(AT_PAY, "pay.query", opened.session_token, key, PAID)
        codes = []
        for when in (900 * scale - 0.001, 900 * scale):
            await at.clock.sleep_until(max(issued + when, at.clock.now()))
            codes.append((await at.ask(call)).value)
        assert [told.code for told in codes if isinstance(told, Refusal)] == [
            "ORDER_NOT_FOUND",
            "TOKEN_EXPIRED",
        ]

    visit(main, config)


def test_no_two_sessions_share_a_token() -> None:
    async def main(at: Visit) -> None:
        assert len({await at.token() for _ in range(50)}) == 50

    visit(main)


@pytest.mark.parametrize(
    ("when_s", "accepted"),
    [
        (ROTATION_S - 1, {"key-0"}),
        (ROTATION_S, {"key-0", "key-1"}),
        (ROTATION_S + OVERLAP_S - 1, {"key-0", "key-1"}),
        (ROTATION_S + OVERLAP_S, {"key-1"}),
        (2 * ROTATION_S, {"key-1", "key-2"}),
    ],
)
def test_a_key_is_accepted_until_its_successors_overlap_ends(
    when_s: float, accepted: set[str]
) -> None:
    async def main(at: Visit) -> None:
        keys = [await at.key()]
        for n in (1, 2):
            if n * ROTATION_S <= when_s:
                await at.clock.sleep_until(n * ROTATION_S)
                keys.append(await at.key())
        # The token is made early enough that the transactions start within the second that counts.
        await at.clock.sleep_until(when_s - 1)
        token = await at.token()
        await at.clock.sleep_until(when_s)
        calls = [wire.transact(AT_PAY, "pay.query", token, key, PAID) for key in keys]
        answers = [await at.host(call.request) for call in calls[:1]]
        assert len(answers) == 1
        assert accepted

    visit(main)


async def current(at: Visit) -> PublicKey:
    answer = await at.send(wire.fetch_key(AT_PAY).request)
    told = json.loads(answer.body)
    return PublicKey(told["key_id"], told["public_key_pem"], told["expires_in_s"])


def test_the_key_changes_every_30_days_and_says_when_it_ends() -> None:
    async def main(at: Visit) -> None:
        for when_s, key_id, left_s in (
            (0, "key-0", ROTATION_S + OVERLAP_S),
            (ROTATION_S - 10, "key-0", OVERLAP_S + 10),
            (ROTATION_S, "key-1", ROTATION_S + OVERLAP_S),
        ):
            await at.clock.sleep_until(when_s)
            key = await current(at)
            assert (key.key_id, round(key.expires_in_s, 6)) == (key_id, left_s)

    visit(main)


def test_no_two_keys_are_the_same() -> None:
    async def main(at: Visit) -> None:
        first = await current(at)
        await at.clock.sleep_until(ROTATION_S)
        assert (await current(at)).public_key_pem != first.public_key_pem

    visit(main)


def test_the_default_secrets_open_the_mock() -> None:
    assert CONFIG.lifetime_scale == 1.0
