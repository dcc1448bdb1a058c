"""Paying by Stripe: which calls in which order, and that money moves once whatever goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from harness.answer import play
from harness.clock import VirtualClock, run
from harness.flow.flow import Flow, World
from harness.flow.payers import Payer, Payment, Refund, Settlement, sessionless
from harness.flow.payers import stripe as payers
from harness.flow.payers.stripe import Stripe
from harness.flow.recover import resolve
from harness.flow.wish import Wish
from harness.providers import stripe as wire
from harness.providers.call import (
    Endpoint,
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
    Unreachable,
)
from harness.providers.told import decode_draw
from mocks.ledger import BLOCKED_PAYEE, BROKE_USER
from mocks.profile import PaymentProfile, load
from mocks.setting import Setting
from mocks.stripe import Stripe as Mock
from tests.mocks.stripe_shop import AT, KEY, limited

T = TypeVar("T")
SESSION = sessionless("card")
PAYMENT = Payment("ada-0", "ada", Wish(4580, "CNY", "noodles", "card"))
FEE = 210
"""0.30 USD at 7 CNY."""

Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]
Trouble = Callable[[httpx.Request, Answer], Awaitable[httpx.Response]]


class App:
    """An app, its mock, and what a test does to calls: `troubles` by stage and attempt."""

    def __init__(self, of: PaymentProfile, at: Endpoint, card: str) -> None:
        clock = VirtualClock()
        self.mock = Mock(Setting(clock=clock, seed=1, cny_per_usd=7.0), of, key=KEY)
        self.payer = Stripe(at, card)
        self.troubles: dict[tuple[str, int], Trouble] = {}
        self.stages: list[str] = []
        self.flow = Flow(World(clock, httpx.MockTransport(self._call), 1, 0, True), 0, 0, 0.0, 0.0)

    async def _call(self, request: httpx.Request) -> httpx.Response:
        key = decode_draw(request.headers)
        assert key is not None
        self.stages.append(key.stage)
        trouble = self.troubles.get((key.stage, key.attempt))
        return await (trouble(request, self._answer) if trouble else self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        return await play(self.flow.world.clock, self.mock.decide(request))

    async def pay(self, payment: Payment = PAYMENT) -> Settlement:
        settled = await self.payer.authorize(self.flow, SESSION, payment)
        assert isinstance(settled, Settlement)
        return settled

    async def query(self, payment: Payment = PAYMENT) -> Settlement | None:
        return await self.payer.query(self.flow, SESSION, payment)

    async def void(self, payment: Payment = PAYMENT) -> bool:
        return await self.payer.void(self.flow, SESSION, payment)

    async def give_back(self, number: str, amount: int) -> Settlement:
        settled = await self.payer.refund(self.flow, SESSION, PAYMENT, Refund(number, amount))
        assert isinstance(settled, Settlement)
        return settled

    async def resolved(self) -> Settlement:
        """Pay, and after a fault do what the agent does."""
        try:
            return await self.pay()
        except ProviderFault:
            again = lambda: self.payer.open_session(self.flow, "ada", "card")  # noqa: E731
            return await resolve(self.flow, self.payer, again, SESSION, PAYMENT)

    def forget(self) -> None:
        """The app starts afresh and knows no id."""
        self.payer = Stripe(AT)

    def books(self) -> list[tuple[str, str, int]]:
        return [(e.order_no, e.state, e.refunded_minor) for e in self.mock.ledger]


def visit(
    story: Callable[[App], Awaitable[T]],
    *,
    of: PaymentProfile | None = None,
    at: Endpoint = AT,
    card: str = payers.TEST_CARD,
) -> T:
    async def main() -> T:
        return await story(App(of or load("stripe", PaymentProfile), at, card))

    return run("virtual", main())


# What happens to calls


async def lost(request: httpx.Request, answer: Answer) -> httpx.Response:
    raise httpx.ConnectError("never arrived")


async def answer_lost(request: httpx.Request, answer: Answer) -> httpx.Response:
    await answer(request)
    raise httpx.ReadError("the connection broke")


async def broken(request: httpx.Request, answer: Answer) -> httpx.Response:
    return httpx.Response(500, text="away")


async def finds_nothing(request: httpx.Request, answer: Answer) -> httpx.Response:
    """As a search does that has not heard of the payment yet."""
    return httpx.Response(200, json={"object": "search_result", "data": [], "has_more": False})


# One call


def test_a_payment_is_one_call_and_tells_its_fee() -> None:
    async def story(app: App) -> None:
        assert await app.pay() == Settlement("paid", FEE)
        assert app.stages == ["pay"]
        assert app.books() == [("ada-0", "paid", 0)]
        (entry,) = app.mock.ledger
        assert entry.terms is not None
        assert (entry.terms.user, entry.terms.method, entry.terms.payee) == (
            "ada",
            "card",
            "noodles",
        )

    visit(story)


def test_there_is_no_session_to_open_or_to_refresh() -> None:
    async def story(app: App) -> None:
        payer: Payer = app.payer
        assert not payer.has_sessions
        await payer.start(app.flow)
        session = await payer.open_session(app.flow, "ada", "card")
        assert session == SESSION
        assert await payer.refresh_session(app.flow, "ada", session) == session
        assert app.stages == []

    visit(story)


@pytest.mark.parametrize(
    "payment",
    [
        replace(PAYMENT, wish=replace(PAYMENT.wish, payee=BLOCKED_PAYEE)),
        replace(PAYMENT, user=f"ada-{BROKE_USER}"),
    ],
)
def test_a_decline_is_a_settlement(payment: Payment) -> None:
    async def story(app: App) -> None:
        assert await app.pay(payment) == Settlement("declined")
        assert await app.query(payment) == Settlement("declined")
        assert app.stages == ["pay", "query"]
        assert await app.void(payment)
        assert [state for _, state, _ in app.books()] == ["declined"]

    visit(story)


def test_a_card_that_wants_its_owner_is_declined_and_closed_for_good() -> None:
    async def story(app: App) -> None:
        assert await app.pay() == Settlement("declined")
        assert app.stages == ["pay", "reverse"]
        assert app.books() == [("ada-0", "voided", 0)]
        assert await app.query() == Settlement("reversed")

    visit(story, card="pm_card_authenticationRequired")


def test_a_wrong_key_is_unauthorized() -> None:
    async def story(app: App) -> None:
        with pytest.raises(Unauthorized):
            await app.pay()
        assert app.books() == []

    visit(story, at=Endpoint(AT.base_url, "sk_test_guessed"))


def test_too_many_calls_are_rate_limited() -> None:
    async def story(app: App) -> None:
        await app.query()
        with pytest.raises(RateLimited):
            await app.pay()
        assert app.books() == []

    visit(story, of=limited(requests=1, window_s=1e6))


def test_a_full_server_is_overloaded() -> None:
    async def story(app: App) -> None:
        other = replace(PAYMENT, order_no="ada-1")
        ends = await asyncio.gather(app.pay(), app.pay(other), return_exceptions=True)
        assert [type(end) for end in ends] == [Settlement, Overloaded]
        assert app.books() == [("ada-0", "paid", 0)]

    visit(story, of=limited(slots=1, queue=0))


def test_a_payment_that_the_wire_does_not_allow_is_malformed_and_never_booked() -> None:
    async def story(app: App) -> None:
        much = replace(PAYMENT, wish=replace(PAYMENT.wish, amount_minor=100_000_000))
        with pytest.raises(Malformed, match="amount_too_large"):
            await app.pay(much)
        assert await app.void(much)
        assert app.books() == []

    visit(story)


def test_no_key_but_a_test_key_is_ever_sent() -> None:
    async def story(app: App) -> None:
        with pytest.raises(ValueError, match="test key"):
            await app.pay()
        assert app.stages == []

    visit(story, at=Endpoint(AT.base_url, "sk_live_abc"))


# Sent again


def test_the_same_payment_sent_again_is_the_same_payment() -> None:
    async def story(app: App) -> None:
        assert [await app.pay() for _ in range(3)] == [Settlement("paid", FEE)] * 3
        app.forget()
        assert await app.pay() == Settlement("paid", FEE)
        assert app.books() == [("ada-0", "paid", 0)]

    visit(story)


def test_a_payment_still_under_way_is_overloaded_not_paid_twice() -> None:
    async def story(app: App) -> None:
        ends = await asyncio.gather(app.pay(), app.pay(), return_exceptions=True)
        assert [type(end) for end in ends] == [Settlement, Overloaded]
        assert app.books() == [("ada-0", "paid", 0)]

    visit(story)


def test_another_amount_under_the_same_order_number_is_never_paid() -> None:
    async def story(app: App) -> None:
        await app.pay()
        with pytest.raises(Malformed, match="idempotency_error"):
            await app.pay(replace(PAYMENT, wish=replace(PAYMENT.wish, amount_minor=4581)))
        assert app.books() == [("ada-0", "paid", 0)]

    visit(story)


# Asked after


def test_a_payment_is_found_by_its_id_or_by_its_order_number() -> None:
    async def story(app: App) -> None:
        assert await app.query() is None
        await app.pay()
        assert await app.query() == Settlement("paid", FEE)
        app.forget()
        assert await app.query() == Settlement("paid", FEE)
        await app.give_back("r-1", 80)
        assert await app.query() == Settlement("refunded", FEE)

    visit(story)


def test_of_an_intent_that_nobody_has_paid_yet_nothing_is_told() -> None:
    async def story(app: App) -> None:
        new = wire.CreateIntent(
            amount=4580, currency="cny", metadata={wire.ORDER_NO: PAYMENT.order_no}
        )
        await app.flow.call("pay", wire.create_intent(AT, new, "k"))
        assert await app.query() is None
        assert await app.void()
        assert app.books() == [("ada-0", "voided", 0)]

    visit(story)


def test_a_payment_found_with_another_amount_is_malformed() -> None:
    async def story(app: App) -> None:
        await app.pay()
        app.forget()
        with pytest.raises(Malformed, match="another amount"):
            await app.query(replace(PAYMENT, wish=replace(PAYMENT.wish, amount_minor=1)))

    visit(story)


def test_only_the_newest_ids_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payers, "KEPT_IDS", 2)

    async def story(app: App) -> None:
        paid = [replace(PAYMENT, order_no=f"ada-{n}") for n in range(4)]
        for payment in paid:
            await app.pay(payment)
        for payment in paid:
            assert await app.query(payment) == Settlement("paid", FEE)
        assert len(app.payer._ids) == 2

    visit(story)


# Taken back


def test_a_paid_payment_is_given_back_whole_and_once() -> None:
    async def story(app: App) -> None:
        await app.pay()
        await app.give_back("r-1", 80)
        assert await app.void()
        assert app.books() == [("ada-0", "refunded", 4580)]
        assert await app.void()
        assert app.books() == [("ada-0", "refunded", 4580)]

    visit(story)


def test_a_payment_that_was_never_sent_is_closed_for_good() -> None:
    async def story(app: App) -> None:
        assert await app.void()
        assert app.stages == ["query", "reverse", "reverse"]
        assert app.books() == [("ada-0", "voided", 0)]
        # Whoever comes later with the payment itself finds its key used.
        with pytest.raises(Malformed, match="idempotency_error"):
            await app.pay()
        assert app.books() == [("ada-0", "voided", 0)]
        assert await app.void()

    visit(story)


def test_a_payment_that_no_search_knows_yet_is_found_by_its_key_and_given_back() -> None:
    async def story(app: App) -> None:
        await app.pay()
        app.forget()
        app.troubles[("query", 1)] = finds_nothing
        assert await app.void()
        # The place is taken, the payment repeated, and then given back.
        assert app.stages == ["pay", "query", "reverse", "reverse", "reverse"]
        assert app.books() == [("ada-0", "refunded", 4580)]

    visit(story)


def test_a_decline_that_no_search_knows_yet_needs_no_taking_back() -> None:
    blocked = replace(PAYMENT, wish=replace(PAYMENT.wish, payee=BLOCKED_PAYEE))

    async def story(app: App) -> None:
        await app.pay(blocked)
        app.forget()
        app.troubles[("query", 1)] = finds_nothing
        assert await app.void(blocked)
        assert [state for _, state, _ in app.books()] == ["declined"]

    visit(story)


@pytest.mark.parametrize(
    ("troubles", "settled", "state"),
    [
        ({("pay", 1): answer_lost}, Settlement("paid", FEE), "paid"),
        ({("pay", 1): lost}, Settlement("reversed"), "voided"),
        ({("pay", 1): answer_lost, ("query", 1): broken}, Settlement("reversed"), "refunded"),
        (
            {("pay", 1): answer_lost, ("query", 1): finds_nothing},
            Settlement("reversed"),
            "refunded",
        ),
        ({("pay", 1): lost, ("reverse", 1): answer_lost}, Settlement("unknown"), "open"),
        (
            {("pay", 1): answer_lost, ("query", 1): broken, ("reverse", 1): broken},
            Settlement("unknown"),
            "paid",
        ),
        (
            {("pay", 1): answer_lost, ("query", 1): broken, ("query", 2): broken},
            Settlement("unknown"),
            "paid",
        ),
    ],
)
def test_after_any_fault_money_moved_once_or_not_at_all_and_the_end_says_which(
    troubles: dict[tuple[str, int], Trouble], settled: Settlement, state: str
) -> None:
    async def story(app: App) -> None:
        app.troubles.update(troubles)
        assert await app.resolved() == settled
        assert [state for _, state, _ in app.books()] == [state]

    visit(story)


# Given back in parts


def test_a_refund_happens_once_however_often_it_is_sent() -> None:
    async def story(app: App) -> None:
        await app.pay()
        app.troubles[("refund", 1)] = answer_lost
        with pytest.raises(Unreachable):
            await app.give_back("r-1", 1000)
        assert await app.give_back("r-1", 1000) == Settlement("refunded", FEE)
        assert await app.give_back("r-2", 1000) == Settlement("refunded", FEE)
        assert app.books() == [("ada-0", "refunded", 2000)]

    visit(story)


def test_a_refund_that_the_rules_forbid_is_declined() -> None:
    async def story(app: App) -> None:
        assert await app.give_back("r-0", 80) == Settlement("declined")
        await app.pay()
        assert await app.give_back("r-1", 4581) == Settlement("declined")
        assert await app.give_back("r-2", 80) == Settlement("refunded", FEE)
        app.forget()
        assert await app.give_back("r-3", 4500) == Settlement("refunded", FEE)
        assert app.books() == [("ada-0", "refunded", 4580)]

    visit(story)


def test_a_refund_whose_number_was_used_with_other_terms_is_our_mistake_and_no_decline() -> None:
    async def story(app: App) -> None:
        await app.pay()
        assert await app.give_back("r-1", 80) == Settlement("refunded", FEE)
        with pytest.raises(Malformed, match="idempotency_error"):
            await app.give_back("r-1", 81)
        assert app.books() == [("ada-0", "refunded", 80)]

    visit(story)


def test_the_fee_of_the_list_price_is_told_too() -> None:
    async def story(app: App) -> None:
        assert await app.pay() == Settlement("paid", 133 + FEE)

    visit(story, of=load("stripe-list", PaymentProfile))


def test_nothing_but_the_delay_of_one_call_passes() -> None:
    shipped = load("stripe", PaymentProfile)
    second = msgspec.structs.replace(shipped.overhead, p50_ms=1000.0, p99_ms=1000.0)

    async def story(app: App) -> float:
        await app.pay()
        return round(app.flow.now(), 6)

    assert visit(story, of=msgspec.structs.replace(shipped, overhead=second)) == 1.0
