"""Every payment provider's client at its mock: one table of what may happen, for all of them."""

import asyncio

import httpx
import pytest
from msgspec.structs import replace

from harness.flow.payers import Payment, Refund, Settlement
from harness.providers.call import (
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
    Unreachable,
)
from tests.flow.till import PAYERS, PAYMENT, WISH, Till, at_till, limited
from tests.worlds import Answer, answer_lost

PROVIDERS = pytest.mark.parametrize("provider", PAYERS)
WITH_SESSIONS = pytest.mark.parametrize("provider", ["wechat-ai", "unionpay-ai"])
FEES = {"wechat-ai": 30, "flat": 30, "unionpay-ai": 25}
"""Of 50 CNY."""


def other(n: int) -> Payment:
    return replace(PAYMENT, order_no=f"r1c2-{n}")


def to(payee: str) -> Payment:
    return replace(PAYMENT, wish=replace(WISH, payee=payee))


async def garbage(request: httpx.Request, answer: Answer) -> httpx.Response:
    return httpx.Response(200, content=b"<html>hello</html>")


# The six ends of a payment


@PROVIDERS
def test_ok(provider: str) -> None:
    async def story(till: Till) -> None:
        assert await till.pay() == Settlement("paid", FEES[provider])
        assert till.books() == [("r1c2-0", "paid", 0)]

    at_till(provider, story)


@PROVIDERS
def test_decline(provider: str) -> None:
    async def story(till: Till) -> None:
        for _ in range(2):
            assert await till.pay(to("payee-blocked")) == Settlement("declined")
        assert till.books() == [("r1c2-0", "declined", 0)]

    at_till(provider, story)


@PROVIDERS
def test_rate_limited(provider: str) -> None:
    async def story(till: Till) -> None:
        session = await till.session()
        with pytest.raises(RateLimited):
            for n in range(6):
                await till.payer.authorize(till.flow, session, other(n))
        assert {state for _, state, _ in till.books()} == {"paid"}
        assert len(till.books()) < 6

    at_till(provider, story, limits=limited(requests=5, window_s=1e6))


@PROVIDERS
def test_overloaded(provider: str) -> None:
    async def story(till: Till) -> None:
        session = await till.session()
        both = (till.payer.authorize(till.flow, session, other(n)) for n in range(2))
        first, second = await asyncio.gather(*both, return_exceptions=True)
        assert first == Settlement("paid", FEES[provider])
        assert type(second) is Overloaded
        assert till.books() == [("r1c2-0", "paid", 0)]

    at_till(provider, story, limits=limited(slots=1, queue=0))


@PROVIDERS
def test_malformed(provider: str) -> None:
    async def story(till: Till) -> None:
        with pytest.raises(Malformed):
            await till.pay()

    at_till(provider, story, troubles={(0, "pay", 1): garbage})


@PROVIDERS
def test_auth_failure(provider: str) -> None:
    async def story(till: Till) -> None:
        with pytest.raises(Unauthorized) as raised:
            await till.pay()
        assert "guessed" not in f"{raised.value} {till.payer!r}"
        assert till.books() == []

    at_till(provider, story, key="guessed")


# The same order again


@PROVIDERS
def test_a_payment_sent_again_is_answered_again_and_booked_once(provider: str) -> None:
    async def story(till: Till) -> None:
        assert await till.pay() == await till.pay() == Settlement("paid", FEES[provider])
        assert till.books() == [("r1c2-0", "paid", 0)]

    at_till(provider, story)


@PROVIDERS
def test_a_number_with_other_terms_is_a_fault_and_books_nothing(provider: str) -> None:
    async def story(till: Till) -> None:
        await till.pay()
        with pytest.raises(Malformed):
            await till.pay(to("metro"))
        assert till.books() == [("r1c2-0", "paid", 0)]

    at_till(provider, story)


@PROVIDERS
def test_a_payment_whose_answer_was_lost_is_found(provider: str) -> None:
    async def story(till: Till) -> None:
        with pytest.raises(Unreachable):
            await till.pay()
        found = await till.payer.query(till.flow, await till.session(), PAYMENT)
        assert found == Settlement("paid", FEES[provider])

    at_till(provider, story, troubles={(0, "pay", 1): answer_lost})


# Queries and voids


@PROVIDERS
def test_a_query_tells_how_a_payment_stands(provider: str) -> None:
    async def story(till: Till) -> None:
        session = await till.session()
        payer, flow = till.payer, till.flow
        assert await payer.query(flow, session, PAYMENT) is None
        await payer.authorize(flow, session, PAYMENT)
        assert await payer.query(flow, session, PAYMENT) == Settlement("paid", FEES[provider])
        assert await payer.void(flow, session, PAYMENT)
        assert await payer.query(flow, session, PAYMENT) == Settlement("reversed")
        declined = replace(other(1), wish=replace(WISH, payee="payee-blocked"))
        await payer.authorize(flow, session, declined)
        assert await payer.query(flow, session, declined) == Settlement("declined")

    at_till(provider, story)


@PROVIDERS
def test_a_number_voided_before_its_payment_came_is_closed_for_good(provider: str) -> None:
    async def story(till: Till) -> None:
        for _ in range(2):
            assert await till.payer.void(till.flow, await till.session(), PAYMENT)
        with pytest.raises(Malformed):
            await till.pay()
        assert till.books() == [("r1c2-0", "voided", 0)]

    at_till(provider, story)


@PROVIDERS
def test_neither_a_decline_nor_a_refund_can_be_voided(provider: str) -> None:
    async def story(till: Till) -> None:
        session = await till.session()
        await till.payer.authorize(till.flow, session, to("payee-blocked"))
        assert not await till.payer.void(till.flow, session, PAYMENT)
        await till.payer.authorize(till.flow, session, other(1))
        await till.payer.refund(till.flow, session, other(1), Refund("r1c2-1-r2", 1))
        assert not await till.payer.void(till.flow, session, other(1))

    at_till(provider, story)


# Refunds


@PROVIDERS
def test_a_refund_gives_back_in_parts_and_each_part_once(provider: str) -> None:
    async def story(till: Till) -> None:
        session = await till.session()
        await till.payer.authorize(till.flow, session, PAYMENT)
        for refund in (Refund("a", 2000), Refund("a", 2000), Refund("b", 3000)):
            told = await till.payer.refund(till.flow, session, PAYMENT, refund)
            assert told == Settlement("refunded", FEES[provider])
        assert till.books() == [("r1c2-0", "refunded", 5000)]

    at_till(provider, story)


@PROVIDERS
def test_a_refund_that_the_rules_forbid_is_a_decline(provider: str) -> None:
    async def story(till: Till) -> None:
        session = await till.session()
        await till.payer.authorize(till.flow, session, PAYMENT)
        await till.payer.authorize(till.flow, session, other(1))
        await till.payer.void(till.flow, session, other(1))
        for payment, refund in (
            (PAYMENT, Refund("a", 5001)),  # more than was paid
            (other(1), Refund("b", 1)),  # of a void
            (other(2), Refund("c", 1)),  # of nothing
        ):
            told = await till.payer.refund(till.flow, session, payment, refund)
            assert told == Settlement("declined")
        assert [refunded for _, _, refunded in till.books()] == [0, 0]

    at_till(provider, story)


@PROVIDERS
def test_a_refund_whose_answer_was_lost_happens_once(provider: str) -> None:
    async def story(till: Till) -> None:
        session = await till.session()
        await till.payer.authorize(till.flow, session, PAYMENT)
        with pytest.raises(ProviderFault):
            await till.payer.refund(till.flow, session, PAYMENT, Refund("a", 2000))
        told = await till.payer.refund(till.flow, session, PAYMENT, Refund("a", 2000))
        assert told == Settlement("refunded", FEES[provider])
        assert till.books() == [("r1c2-0", "refunded", 2000)]

    at_till(provider, story, troubles={(0, "refund", 1): answer_lost})


# Sessions


@WITH_SESSIONS
def test_an_expired_session_is_stale_and_moves_no_money_until_it_is_refreshed(
    provider: str,
) -> None:
    async def story(till: Till) -> None:
        payer, flow = till.payer, till.flow
        old = await till.session()
        await payer.authorize(flow, old, PAYMENT)
        await flow.sleep(900.0)
        refund = Refund("a", 1)
        assert await payer.authorize(flow, old, other(1)) == "stale"
        assert await payer.refund(flow, old, PAYMENT, refund) == "stale"
        assert till.books() == [("r1c2-0", "paid", 0)]
        new = await payer.refresh_session(flow, PAYMENT.user, old)
        assert (new.method, new.expires_at) == (old.method, flow.now() + 900.0)
        assert await payer.authorize(flow, new, other(1)) == Settlement("paid", FEES[provider])
        assert await payer.refund(flow, new, PAYMENT, refund) == Settlement(
            "refunded", FEES[provider]
        )

    at_till(provider, story)


@WITH_SESSIONS
def test_a_query_and_a_void_in_a_session_that_ended_are_done_in_another(provider: str) -> None:
    async def story(till: Till) -> None:
        old = await till.session()
        await till.payer.authorize(till.flow, old, PAYMENT)
        await till.flow.sleep(900.0)
        told = await till.payer.query(till.flow, old, PAYMENT)
        assert told == Settlement("paid", FEES[provider])
        assert await till.payer.void(till.flow, old, PAYMENT)
        assert till.books() == [("r1c2-0", "voided", 0)]
        stages = [stage for stage in till.door.stages() if stage != "key"]
        assert stages[2:] == ["query", "session", "query", "reverse", "session", "reverse"]

    at_till(provider, story)


@pytest.mark.parametrize(("provider", "share_s"), [("wechat-ai", 0.4), ("unionpay-ai", 0.2)])
def test_session_and_payment_share_one_draw_and_a_refresh_takes_the_session_s_part(
    provider: str, share_s: float
) -> None:
    async def story(till: Till) -> None:
        took: list[float] = []
        session, refund = await till.session(), Refund("a", 1)
        for step in (
            till.payer.authorize(till.flow, session, PAYMENT),
            till.payer.query(till.flow, session, PAYMENT),
            till.payer.refund(till.flow, session, PAYMENT, refund),
            till.payer.void(till.flow, session, PAYMENT),
            till.payer.refresh_session(till.flow, PAYMENT.user, session),
        ):
            before = till.flow.now()
            await step
            took.append(round(till.flow.now() - before, 6))
        assert took == [1 - share_s] * 4 + [share_s]

    at_till(provider, story)


def test_the_flat_provider_has_no_session_and_its_one_call_takes_the_whole_draw() -> None:
    async def story(till: Till) -> None:
        session = await till.session()
        again = await till.payer.refresh_session(till.flow, PAYMENT.user, session)
        assert (again, till.door.seen, till.payer.has_sessions) == (session, [], False)
        await till.payer.authorize(till.flow, session, PAYMENT)
        assert (till.door.stages(), round(till.flow.now(), 6)) == (["pay"], 1.0)

    at_till("flat", story)


# Shared bills


@PROVIDERS
def test_the_legs_of_a_bill_are_paid_by_their_own_users(provider: str) -> None:
    async def story(till: Till) -> None:
        told = [await till.pay(leg) for leg in legs("an", "bo", "broke")]
        assert [one.outcome for one in told if one != "stale"] == ["paid", "paid", "declined"]
        states = [state for _, state, _ in till.books()]
        assert states == ["paid", "paid", "declined"]

    at_till(provider, story)


def test_a_leg_above_the_bill_is_a_decline_where_the_provider_knows_bills() -> None:
    async def story(till: Till) -> None:
        for leg in legs("an", "bo"):
            await till.pay(leg)
        first, *_ = legs("chen")
        over = replace(first, order_no="r1c2-0-9", wish=replace(first.wish, amount_minor=1001))
        assert await till.pay(over) == Settlement("declined")
        assert len(till.books()) == 2

    at_till("wechat-ai", story)


def legs(*people: str) -> list[Payment]:
    """Of a bill of 30 CNY that three people share."""
    wish = replace(WISH, amount_minor=1000)
    return [
        Payment(f"r1c2-0-{n}", f"r1c2-{person}", wish, "r1c2-0", 3000)
        for n, person in enumerate(people)
    ]
