"""UnionPay's assumed mock: tokens, idempotency keys, and that an objection never moves money."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from harness.providers import oauth
from harness.providers import unionpay_ai as wire
from harness.providers.call import (
    Call,
    Endpoint,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
)
from harness.providers.problem import MEDIA_TYPE
from harness.providers.told import DrawKey
from harness.providers.unionpay_ai import (
    Money,
    NewPayment,
    NewRefund,
    Pay,
    Payment,
    RefundOf,
    Refusal,
)
from mocks.host import IN_PROCESS_URL, MockConfig, endpoints
from mocks.ledger import BLOCKED_PAYEE, Entry
from mocks.profile import PaymentProfile, load
from tests.flow.till import limited
from tests.mocks.visit import CONFIG, Visit, visit

PROFILE = load("unionpay-ai", PaymentProfile)
UNIONPAY = msgspec.structs.replace(CONFIG, pay={"unionpay-ai": PROFILE}, models={})
AT = endpoints(IN_PROCESS_URL, UNIONPAY)["unionpay-ai"]
TOKEN = "upt_000000000000"
"""The first that is granted."""
NEW = NewPayment("o-1", "ada", "balance", "tea-house", Money(5000, "CNY"))
PAID = Payment("o-1", "succeeded", "CNY", 5000, 0, 25)

Asking = Call[Payment | Refusal]


def books(at: Visit) -> list[Entry]:
    """As they stand now; later changes do not reach it."""
    ledger = at.host.payments["unionpay-ai"].ledger
    return [replace(entry, refunds=dict(entry.refunds)) for entry in ledger]


def changed_profile(**sections: object) -> MockConfig:
    profile = msgspec.structs.replace(PROFILE, **sections)
    return msgspec.structs.replace(UNIONPAY, pay={"unionpay-ai": profile})


async def told(at: Visit, call: Asking) -> Payment | Refusal:
    return (await at.ask(call)).value


def pay(key: str = "k-1", token: str = TOKEN, **changed: object) -> Asking:
    return wire.pay(AT, token, Pay(key, msgspec.structs.replace(NEW, **changed)))


def back(amount: int, refund_no: str = "r-1", **changed: str) -> Asking:
    """A part of the payment, under a key of its own unless it is told one."""
    told = {"key": f"{refund_no}-{amount}", "order_no": "o-1", "currency": "CNY", **changed}
    part = NewRefund(refund_no, Money(amount, told["currency"]))
    return wire.refund(AT, TOKEN, RefundOf(told["key"], told["order_no"], part))


def opened(story: Callable[[Visit], Awaitable[None]], config: MockConfig = UNIONPAY) -> None:
    """The story, after a token was granted."""

    async def main(at: Visit) -> None:
        assert (await at.ask(wire.ask_token(AT))).value.access_token == TOKEN
        await story(at)

    visit(main, config)


# Tokens


@pytest.mark.parametrize("scale", [1.0, 0.01, 0.0001])
@pytest.mark.parametrize(("early_s", "honoured"), [(1e-6, True), (0.0, False)])
def test_a_token_is_good_until_its_lifetime_ends_and_not_at_its_end(
    scale: float, early_s: float, honoured: bool
) -> None:
    async def main(at: Visit) -> None:
        token = (await at.ask(wire.ask_token(AT))).value
        assert token.expires_in == 3600 * scale
        await at.clock.sleep_until(3600 * scale - early_s)  # it was issued at 0
        seen = await told(at, wire.query(AT, token.access_token, "o-1"))
        assert isinstance(seen, Refusal)
        assert seen.kind == ("order-not-found" if honoured else "invalid-token")

    visit(main, msgspec.structs.replace(UNIONPAY, lifetime_scale=scale))


def test_a_token_s_lifetime_is_told_as_a_whole_number_where_it_is_one() -> None:
    async def main(at: Visit) -> None:
        answer = await at.send(wire.ask_token(AT).request)
        assert json.loads(answer.body, parse_float=str)["expires_in"] == 3600
        assert answer.headers["cache-control"] == "no-store"

    visit(main, UNIONPAY)


def test_every_token_serves_the_whole_app_and_no_two_are_the_same() -> None:
    async def main(at: Visit) -> None:
        tokens = {(await at.ask(wire.ask_token(AT))).value.access_token for _ in range(20)}
        assert len(tokens) == 20
        assert await told(at, pay()) == PAID
        for token in tokens:
            assert await told(at, wire.query(AT, token, "o-1")) == PAID

    visit(main, UNIONPAY)


FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("why", "body", "error", "status"),
    [
        ("a guessed secret", f"client_id={wire.CLIENT_ID}&client_secret=x", "invalid_client", 401),
        ("a guessed client", f"client_id=x&client_secret={AT.key}", "invalid_client", 401),
        ("no client", "", "invalid_client", 401),
        (
            "another grant",
            f"client_id={wire.CLIENT_ID}&client_secret={AT.key}&grant_type=password",
            "unsupported_grant_type",
            400,
        ),
        ("a parameter twice", "scope=a&scope=b", "invalid_request", 400),
    ],
)
def test_a_token_is_refused_as_the_standard_says(
    why: str, body: str, error: str, status: int
) -> None:
    async def main(at: Visit) -> None:
        grant = "" if "grant_type" in body else "&grant_type=client_credentials"
        request = httpx.Request(
            "POST", AT.url(wire.TOKEN_PATH), headers=FORM, content=(body + grant).encode()
        )
        answer = await at.send(request)
        assert (answer.status, json.loads(answer.body)["error"]) == (status, error)
        assert ("www-authenticate" in answer.headers) == (status == 401)
        assert AT.key not in answer.body.decode()

    visit(main, UNIONPAY)


def test_a_client_may_name_itself_in_the_form() -> None:
    async def main(at: Visit) -> None:
        form = f"grant_type=client_credentials&client_id={wire.CLIENT_ID}&client_secret={AT.key}"
        request = httpx.Request(
            "POST", AT.url(wire.TOKEN_PATH), headers=FORM, content=form.encode()
        )
        answer = await at.send(request)
        assert oauth.decode_token(answer.status, answer.headers, answer.body).access_token == TOKEN

    visit(main, UNIONPAY)


def test_a_guessed_secret_is_no_client_and_is_told_to_nobody() -> None:
    async def main(at: Visit) -> None:
        with pytest.raises(Unauthorized) as raised:
            await at.ask(wire.ask_token(Endpoint(AT.base_url, "guessed")))
        assert "guessed" not in str(raised.value)

    visit(main, UNIONPAY)


# What it objects to. Each story starts after NEW was paid, and returns a request to object to.

Story = Callable[[Visit], Awaitable[httpx.Request]]


def at_once(call: Asking) -> Story:
    return after(then=call)


def after(*calls: Asking, then: Asking) -> Story:
    async def story(at: Visit) -> httpx.Request:
        for call in calls:
            await at.ask(call)
        return then.request

    return story


def raw(method: str, path: str, content: bytes = b"{}", **headers: str) -> Story:
    whole = {wire.KEY_HEADER: "k-9", "content-type": "application/json", **oauth.bearer(TOKEN)}
    whole |= {name.replace("_", "-"): value for name, value in headers.items()}

    async def story(at: Visit) -> httpx.Request:
        return httpx.Request(method, AT.base_url + path, headers=whole, content=content)

    return story


CANCEL, CANCEL_2 = (wire.cancel(AT, TOKEN, order_no) for order_no in ("o-1", "o-2"))
MORE = Money(5001, "CNY")

OBJECTED: dict[str, tuple[Story, str, int]] = {
    "a key for other terms": (at_once(pay(amount=MORE)), "key-reused", 422),
    "a key of a payment for a refund": (at_once(back(1, key="k-1")), "key-reused", 422),
    "other amount": (at_once(pay("k-2", amount=MORE)), "number-reused", 409),
    "other payer": (at_once(pay("k-2", payer="bob")), "number-reused", 409),
    "query of nothing": (at_once(wire.query(AT, TOKEN, "o-2")), "order-not-found", 404),
    "refund of nothing": (at_once(back(1, order_no="o-2")), "order-not-found", 404),
    "another currency": (at_once(back(1, currency="EUR")), "other-currency", 409),
    "too large a refund": (at_once(back(5001)), "exceeds-payment", 409),
    "too large refunds": (after(back(4000), then=back(1001, "r-2")), "exceeds-payment", 409),
    "a refund number twice": (after(back(1), then=back(2)), "number-reused", 409),
    "a void after a refund": (after(back(1), then=CANCEL), "order-closed", 409),
    "a refund after a void": (after(CANCEL, then=back(1)), "order-closed", 409),
    "a payment after a void": (
        after(CANCEL_2, then=pay("k-2", order_no="o-2")),
        "order-closed",
        409,
    ),
    "an unknown token": (at_once(pay("k-2", "upt_ffffffffffff")), "invalid-token", 401),
    "no token": (raw("POST", "/v1/payments", authorization=""), "no-token", 401),
    "a secret for a token": (raw("GET", "/x", authorization=f"Basic {AT.key}"), "no-token", 401),
    "no key": (raw("POST", "/v1/payments", Idempotency_Key=""), "no-idempotency-key", 400),
    "not JSON": (raw("POST", "/v1/payments", b"hello"), "not-json", 400),
    "text": (raw("POST", "/v1/payments", content_type="a/b"), "unsupported-media-type", 415),
    "no fields": (raw("POST", "/v1/payments"), "invalid-fields", 422),
    "nothing to refund": (raw("POST", "/v1/payments/o-1/refunds"), "invalid-fields", 422),
    "unknown path": (raw("POST", "/v1/payment"), "no-such-path", 404),
    "another method": (raw("DELETE", "/v1/payments/o-1"), "method-not-allowed", 405),
}


@pytest.mark.parametrize("why", OBJECTED)
def test_an_objection_says_why_and_changes_nothing_in_the_books(why: str) -> None:
    story, kind, status = OBJECTED[why]

    async def main(at: Visit) -> None:
        assert await told(at, pay()) == PAID
        request = await story(at)
        before = books(at)
        answer = await at.send(request)
        problem = json.loads(answer.body)
        assert (problem["type"].rsplit("/")[-1], problem["status"]) == (kind, status)
        assert (answer.status, answer.headers["content-type"]) == (status, MEDIA_TYPE)
        assert ("www-authenticate" in answer.headers) == (status == 401)
        assert ("allow" in answer.headers) == (status == 405)
        assert books(at) == before

    opened(main)


# What it grants


def test_a_payment_is_paid_with_its_fee_and_found_again() -> None:
    async def main(at: Visit) -> None:
        for key in ("k-1", "k-1", "k-2"):
            assert await told(at, pay(key)) == PAID
        assert await told(at, wire.query(AT, TOKEN, "o-1")) == PAID
        assert len(books(at)) == 1

    opened(main)


@pytest.mark.parametrize(("payer", "payee"), [("ada", BLOCKED_PAYEE), ("r1-broke", "metro")])
def test_a_decline_is_a_payment_that_is_declined_and_no_error(payer: str, payee: str) -> None:
    declined = Payment("o-1", "declined", "CNY", 5000, 0, 0)

    async def main(at: Visit) -> None:
        for key in ("k-1", "k-1", "k-2"):
            asked = await at.ask(pay(key, payer=payer, payee=payee))
            assert (asked.value, asked.answer.status) == (declined, 201)
        assert await told(at, wire.query(AT, TOKEN, "o-1")) == declined

    opened(main)


def test_a_number_cancelled_before_its_payment_came_has_no_amount_and_no_currency() -> None:
    async def main(at: Visit) -> None:
        for _ in range(2):
            assert await told(at, CANCEL) == Payment("o-1", "canceled", "XXX", 0, 0, 0)

    opened(main)


def test_refunds_add_up_and_keep_the_fee() -> None:
    async def main(at: Visit) -> None:
        await at.ask(pay())
        for refund_no, amount, refunded in (
            ("a", 2000, 2000),
            ("a", 2000, 2000),
            ("b", 3000, 5000),
        ):
            given = await told(at, back(amount, refund_no))
            assert given == Payment("o-1", "refunded", "CNY", 5000, refunded, 25)

    opened(main)


# Idempotency keys


def test_what_was_answered_under_a_key_is_answered_again_whatever_happened_since() -> None:
    async def main(at: Visit) -> None:
        assert await told(at, pay()) == PAID
        await at.ask(CANCEL)
        assert await told(at, pay()) == PAID
        found = await told(at, wire.query(AT, TOKEN, "o-1"))
        assert isinstance(found, Payment)
        assert found.status == "canceled"

    opened(main)


def test_of_two_requests_with_one_key_at_once_one_is_done_and_one_told_to_wait() -> None:
    async def main(at: Visit) -> None:
        both = await asyncio.gather(told(at, pay()), told(at, pay()))
        assert both[0] == PAID
        assert isinstance(both[1], Refusal)
        assert both[1].kind == "key-in-use"
        assert await told(at, pay()) == PAID
        assert len(books(at)) == 1

    opened(main)


def test_a_key_that_was_refused_for_its_token_is_not_used_up() -> None:
    async def main(at: Visit) -> None:
        refused = await told(at, pay(token="upt_ffffffffffff"))
        assert isinstance(refused, Refusal)
        assert await told(at, pay(payee="metro")) == PAID

    opened(main)


# Time


def test_a_token_and_a_payment_of_one_turn_share_one_draw() -> None:
    key = DrawKey(0, 1, 2, "session", 1)

    async def main(at: Visit) -> None:
        token = (await at.ask(wire.ask_token(AT), key)).answer
        refresh = (
            await at.ask(wire.ask_token(AT), structs.replace(key, stage="refresh", attempt=2))
        ).answer
        paid = (await at.ask(pay(), structs.replace(key, stage="pay"))).answer
        assert token.told_us == token.took_us == refresh.took_us
        whole_us = token.took_us + paid.took_us
        assert token.took_us == round(whole_us * 0.2)
        assert paid.told_us == paid.took_us
        described = await at.send(httpx.Request("GET", AT.url(wire.DESCRIPTION_PATH)))
        assert (described.status, described.took_us) == (200, 0)
        assert json.loads(described.body)["servers"] == [{"url": "/unionpay-ai"}]

    visit(main, UNIONPAY)


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
        calls: list[Call[object]] = [wire.ask_token(AT), pay()]  # type: ignore[list-item]
        if status == 429:
            await at.ask(calls.pop(0))
        for call in calls:
            answer = await at.send(call.request)
            assert (answer.status, answer.headers["content-type"]) == (status, MEDIA_TYPE)
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            assert answer.took_us == 0
            with pytest.raises(fault):
                call.decode(answer.status, answer.headers, answer.body)
        assert books(at) == []

    visit(main, changed_profile(limits=limited(**limits)))


# Anything at all

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
money = st.fixed_dictionaries(
    {"value": st.integers(1, 5001), "currency": st.sampled_from(["CNY", "EUR"])}
)
good = st.fixed_dictionaries(
    {
        "order_no": st.sampled_from(["o-1", "o-2"]),
        "amount": money,
        "payer": st.sampled_from(["ada", "broke"]),
        "method": st.just("card"),
        "payee": st.just("metro"),
    }
) | st.fixed_dictionaries({"refund_no": st.sampled_from(["r-1", "r-2"]), "amount": money})
names = st.sampled_from(["order_no", "amount", "payee", "refund_no", "more"])
spoilt = st.builds(lambda of, name, by: {**of, name: by}, good, names, anything)
bodies = st.binary() | (anything | good | spoilt).map(lambda body: json.dumps(body).encode())
paths = st.sampled_from(
    [
        *("/oauth2/token", "/v1/payments", "/v1/payments/o-1", "/v1/payments/o-1/cancel"),
        *("/v1/payments/o-1/refunds", "/x", "/"),
    ]
)


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from(["GET", "POST", "DELETE"]),
    paths,
    bodies,
    st.sampled_from([f"Bearer {TOKEN}", "Bearer x", "Basic x", ""]),
    st.sampled_from(["k-1", "k-2", ""]),
    st.sampled_from(["application/json", *FORM.values()]),
)
def test_no_request_gets_a_5xx_and_only_a_good_one_moves_money(
    method: str, path: str, body: bytes, authorization: str, key: str, content_type: str
) -> None:
    headers = {
        "authorization": authorization,
        wire.KEY_HEADER: key,
        "content-type": content_type,
    }

    async def main(at: Visit) -> None:
        await at.ask(pay())
        before = books(at)
        request = httpx.Request(method, AT.base_url + path, headers=headers, content=body)
        answer = await at.send(request)
        assert answer.status < 500
        assert answer.status >= 400 or authorization == f"Bearer {TOKEN}"
        assert books(at) == before or answer.status < 300

    opened(main)
