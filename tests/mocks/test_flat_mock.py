"""The flat mock: what it grants, what it objects to, and that an objection never moves money."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from harness.providers import flat as wire
from harness.providers.call import Call, Endpoint, Overloaded, ProviderFault, RateLimited
from harness.providers.flat import NewPayment, NewRefund, Payment, RefundOf, Refusal
from harness.providers.problem import MEDIA_TYPE
from harness.providers.told import DrawKey
from mocks.host import IN_PROCESS_URL, MockConfig, endpoints
from mocks.ledger import BLOCKED_PAYEE, Entry
from mocks.profile import PaymentProfile, load
from tests.flow.till import limited
from tests.mocks.visit import CONFIG, Answer, Visit, visit

PROFILE = load("flat", PaymentProfile)
FLAT = msgspec.structs.replace(CONFIG, pay={"flat": PROFILE}, models={})
AT = endpoints(IN_PROCESS_URL, FLAT)["flat"]
NEW = NewPayment("o-1", 5000, "CNY", "ada", "balance", "tea-house")
PAID = Payment("o-1", "paid", 5000, "CNY", 30, 0)


def books(at: Visit) -> list[Entry]:
    """As they stand now; later changes do not reach it."""
    ledger = at.host.payments["flat"].ledger
    return [replace(entry, refunds=dict(entry.refunds)) for entry in ledger]


def with_limits(**limits: float) -> MockConfig:
    profile = msgspec.structs.replace(PROFILE, limits=limited(**limits))
    return msgspec.structs.replace(FLAT, pay={"flat": profile})


async def told(at: Visit, call: Call[Payment | Refusal]) -> Payment | Refusal:
    return (await at.ask(call)).value


def new(**changed: str | int) -> NewPayment:
    return msgspec.structs.replace(NEW, **changed)


def back(amount: int, refund_no: str = "r-1", order_no: str = "o-1") -> Call[Payment | Refusal]:
    return wire.refund(AT, RefundOf(order_no, NewRefund(refund_no, amount)))


# What it objects to. Each story starts after NEW was paid, and returns a request to object to.

Story = Callable[[Visit], Awaitable[httpx.Request]]


def at_once(request: httpx.Request) -> Story:
    async def story(at: Visit) -> httpx.Request:
        return request

    return story


def after(*calls: Call[Payment | Refusal], then: Call[Payment | Refusal]) -> Story:
    async def story(at: Visit) -> httpx.Request:
        for call in calls:
            await at.ask(call)
        return then.request

    return story


def raw(method: str, path: str, content: bytes = b"{}", **headers: str) -> Story:
    whole = {wire.KEY_HEADER: AT.key, "content-type": "application/json"}
    whole |= {name.replace("_", "-"): value for name, value in headers.items()}
    return at_once(httpx.Request(method, AT.base_url + path, headers=whole, content=content))


def paying(**changed: str | int) -> Story:
    return at_once(wire.pay(AT, new(**changed)).request)


BLOCKED = wire.pay(AT, new(order_no="o-2", payee=BLOCKED_PAYEE))
GUESSED = Endpoint(AT.base_url, "guessed")

OBJECTED: dict[str, tuple[Story, str, int]] = {
    "declined again": (after(BLOCKED, then=BLOCKED), "declined", 402),
    "other amount": (paying(amount_minor=5001), "number-reused", 409),
    "other payee": (paying(payee="metro"), "number-reused", 409),
    "other payer": (paying(payer="bob"), "number-reused", 409),
    "query of nothing": (at_once(wire.query(AT, "o-2").request), "order-not-found", 404),
    "refund of nothing": (at_once(back(1, order_no="o-2").request), "order-not-found", 404),
    "too large a refund": (at_once(back(5001).request), "exceeds-payment", 409),
    "too large refunds": (after(back(4000), then=back(1001, "r-2")), "exceeds-payment", 409),
    "a refund number twice": (after(back(1), then=back(2)), "number-reused", 409),
    "a void after a refund": (after(back(1), then=wire.void(AT, "o-1")), "order-closed", 409),
    "a refund after a void": (after(wire.void(AT, "o-1"), then=back(1)), "order-closed", 409),
    "a payment after a void": (
        after(wire.void(AT, "o-2"), then=wire.pay(AT, new(order_no="o-2"))),
        "order-closed",
        409,
    ),
    "a guessed key": (at_once(wire.pay(GUESSED, new(order_no="o-2")).request), "unauthorized", 401),
    "no key": (at_once(httpx.Request("GET", AT.url("/payments/o-1"))), "unauthorized", 401),
    "no key, and nothing else right": (
        at_once(httpx.Request("PUT", AT.url("/x"), content=b"{")),
        "unauthorized",
        401,
    ),
    "not JSON": (raw("POST", "/payments", b"hello"), "not-json", 400),
    "a form": (raw("POST", "/payments", content_type="text/plain"), "unsupported-media-type", 415),
    "no fields": (raw("POST", "/payments"), "invalid-fields", 422),
    "nothing to refund": (raw("POST", "/payments/o-1/refunds"), "invalid-fields", 422),
    "unknown path": (raw("POST", "/payment"), "no-such-path", 404),
    "another method": (raw("DELETE", "/payments/o-1"), "method-not-allowed", 405),
}


@pytest.mark.parametrize("why", OBJECTED)
def test_an_objection_says_why_and_changes_nothing_in_the_books(why: str) -> None:
    story, kind, status = OBJECTED[why]

    async def main(at: Visit) -> None:
        assert await told(at, wire.pay(AT, NEW)) == PAID
        request = await story(at)
        before = books(at)
        answer = await at.send(request)
        problem = json.loads(answer.body)
        assert (problem["type"].rsplit("/")[-1], problem["status"]) == (kind, status)
        assert (answer.status, answer.headers["content-type"]) == (status, MEDIA_TYPE)
        assert ("www-authenticate" in answer.headers) == (status == 401)
        assert ("allow" in answer.headers) == (status == 405)
        assert books(at) == before

    visit(main, FLAT)


# What it grants


def test_a_payment_is_paid_with_its_flat_fee_and_found_again() -> None:
    async def main(at: Visit) -> None:
        for _ in range(2):
            assert await told(at, wire.pay(AT, NEW)) == PAID
        assert await told(at, wire.query(AT, "o-1")) == PAID
        assert len(books(at)) == 1
        for order_no, amount in (("o-2", 1), ("o-3", 10**12)):
            paid = await told(at, wire.pay(AT, new(order_no=order_no, amount_minor=amount)))
            assert isinstance(paid, Payment)
            assert paid.fee_minor == 30

    visit(main, FLAT)


def test_a_decline_is_booked_without_money_or_fee() -> None:
    async def main(at: Visit) -> None:
        for payer, payee in (("ada", BLOCKED_PAYEE), ("r1c2-broke", "tea-house")):
            asked = new(order_no=payee, payer=payer, payee=payee)
            declined = await told(at, wire.pay(AT, asked))
            assert isinstance(declined, Refusal)
            assert declined.kind == "declined"
            found = await told(at, wire.query(AT, payee))
            assert found == Payment(payee, "declined", 5000, "CNY", 0, 0)

    visit(main, FLAT)


def test_a_number_voided_before_its_payment_came_has_no_amount_and_no_currency() -> None:
    async def main(at: Visit) -> None:
        for _ in range(2):
            voided = await told(at, wire.void(AT, "o-9"))
            assert voided == Payment("o-9", "voided", 0, "XXX", 0, 0)

    visit(main, FLAT)


def test_refunds_add_up_and_keep_the_fee() -> None:
    async def main(at: Visit) -> None:
        await at.ask(wire.pay(AT, NEW))
        for refund_no, amount, refunded in (
            ("a", 2000, 2000),
            ("a", 2000, 2000),
            ("b", 3000, 5000),
        ):
            given = await told(at, back(amount, refund_no))
            assert given == Payment("o-1", "refunded", 5000, "CNY", 30, refunded)

    visit(main, FLAT)


def test_every_call_takes_the_whole_draw_of_its_place_and_a_description_takes_no_time() -> None:
    key = DrawKey(0, 1, 2, "pay", 1)

    async def main(at: Visit) -> None:
        paid = await at.ask(wire.pay(AT, NEW), key)
        asked_later = await at.ask(wire.query(AT, "o-1"), structs.replace(key, stage="query"))
        other = await at.ask(wire.query(AT, "o-1"), structs.replace(key, turn=3))
        assert paid.answer.told_us == paid.answer.took_us == asked_later.answer.took_us
        assert 100_000 < paid.answer.took_us != other.answer.took_us
        described = await at.send(httpx.Request("GET", AT.url(wire.DESCRIPTION_PATH)))
        assert (described.status, described.took_us) == (200, 0)
        assert json.loads(described.body)["servers"] == [{"url": "/flat"}]

    visit(main, FLAT)


@pytest.mark.parametrize(
    ("limits", "status", "fault"),
    [
        ({"requests": 1, "window_s": 30.0}, 429, RateLimited),
        ({"overload_every_s": 60.0, "overload_lasts_s": 60.0}, 503, Overloaded),
    ],
)
def test_who_is_turned_away_is_told_when_to_come_again_and_nothing_happens(
    limits: dict[str, float], status: int, fault: type[ProviderFault]
) -> None:
    async def main(at: Visit) -> None:
        if status == 429:
            await at.ask(wire.query(AT, "o-1"))
        call = wire.pay(AT, NEW)
        answer = await at.send(call.request)
        assert (answer.status, answer.headers["content-type"]) == (status, MEDIA_TYPE)
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert answer.took_us == 0
        with pytest.raises(fault):
            call.decode(answer.status, answer.headers, answer.body)
        assert books(at) == []
        await at.clock.sleep_until(at.clock.now() + int(answer.headers["retry-after"]))
        if status == 429:
            assert await told(at, wire.pay(AT, NEW)) == PAID

    visit(main, with_limits(**limits))


# Anything at all

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
good = st.fixed_dictionaries(
    {
        "order_no": st.sampled_from(["o-1", "o-2"]),
        "amount_minor": st.integers(1, 5001),
        "currency": st.sampled_from(["CNY", "EUR"]),
        "payer": st.sampled_from(["ada", "broke"]),
        "method": st.just("card"),
        "payee": st.just("metro"),
    }
) | st.fixed_dictionaries(
    {"refund_no": st.sampled_from(["r-1", "r-2"]), "amount_minor": st.integers(1, 5001)}
)
names = st.sampled_from(["order_no", "amount_minor", "payee", "refund_no", "more"])
spoilt = st.builds(lambda of, name, by: {**of, name: by}, good, names, anything)
bodies = st.binary() | (anything | good | spoilt).map(lambda body: json.dumps(body).encode())
paths = st.sampled_from(
    ["/payments", "/payments/o-1", "/payments/o-1/void", "/payments/o-1/refunds", "/x", "/"]
)


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from(["GET", "POST", "DELETE"]), paths, bodies, st.sampled_from([AT.key, "", "x"])
)
def test_no_request_gets_a_5xx_and_only_a_good_one_moves_money(
    method: str, path: str, body: bytes, key: str
) -> None:
    headers = {wire.KEY_HEADER: key, "content-type": "application/json"}

    async def main(at: Visit) -> Answer:
        await at.ask(wire.pay(AT, NEW))
        before = books(at)
        request = httpx.Request(method, AT.base_url + path, headers=headers, content=body)
        answer = await at.send(request)
        assert answer.status < 500
        assert answer.status >= 400 or key == AT.key
        if answer.status >= 400:
            assert answer.headers["content-type"] == MEDIA_TYPE
            assert books(at) == before or answer.status == 402
        return answer

    visit(main, FLAT)
