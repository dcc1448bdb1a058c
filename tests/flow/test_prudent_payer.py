"""Paying with as little as there is: what the payer underneath is handed, whatever is wished."""

import asyncio
from dataclasses import dataclass, field

import httpx
import pytest

from harness.clock import VirtualClock
from harness.flow.flow import Flow, World
from harness.flow.payers import Payment, Refund, Session, Settlement, sessionless
from harness.flow.payers.prudent import Prudent
from harness.flow.wish import Wish
from harness.record import Outcome

SESSION = sessionless("card")
LEAST = {"USD": 50, "CNY": 400}
NOBODY = httpx.MockTransport(lambda request: httpx.Response(500))
FLOW = Flow(World(VirtualClock(), NOBODY, 1, 0, False), 0, 0, 0.0, 0.0)


@dataclass
class Heard:
    """A payer that only listens."""

    good_end: Outcome = "ordered"
    has_sessions: bool = False
    payments: list[Payment] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    connected: int = 0

    async def start(self, flow: Flow) -> None: ...

    async def connect(self, flow: Flow) -> None:
        self.connected += 1

    async def open_session(self, flow: Flow, user: str, method: str) -> Session:
        return sessionless(method)

    async def refresh_session(self, flow: Flow, user: str, session: Session) -> Session:
        return session

    async def authorize(self, flow: Flow, session: Session, payment: Payment) -> Settlement:
        self.payments.append(payment)
        return Settlement("ordered")

    async def query(self, flow: Flow, session: Session, payment: Payment) -> Settlement | None:
        self.payments.append(payment)
        return None

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        self.payments.append(payment)
        return True

    async def refund(
        self, flow: Flow, session: Session, payment: Payment, refund: Refund
    ) -> Settlement:
        self.payments.append(payment)
        self.refunds.append(refund)
        return Settlement("refunded")


def of(amount_minor: int, currency: str = "CNY", order_no: str = "ada-0") -> Payment:
    return Payment(order_no, "ada", Wish(amount_minor, currency, "noodles", "card"))


@pytest.mark.parametrize("amount_minor", [-1, 0, 1, 400, 4580, 10**9])
def test_every_payment_is_of_the_least_amount(amount_minor: int) -> None:
    heard = Heard()
    asyncio.run(_all_of(Prudent(heard, "t1", LEAST), of(amount_minor)))
    assert [payment.wish for payment in heard.payments] == [Wish(400, "CNY", "noodles", "card")] * 4


def test_a_currency_that_may_not_be_ordered_in_becomes_one_that_may() -> None:
    assert Prudent(Heard(), "t1", LEAST).least(of(4580, "EUR")).wish.currency == "USD"
    assert Prudent(Heard(), "t1", {"CNY": 1}).least(of(4580, "USD")).wish.amount_minor == 1


def test_one_payment_has_one_number_and_no_two_have_the_same() -> None:
    heard = Heard()
    payer = Prudent(heard, "t1", LEAST)
    asyncio.run(_all_of(payer, of(4580)))
    assert {payment.order_no for payment in heard.payments} == {"t1_ada_0"}
    users = ("r-1a0c0", "r0a0c0", "r0a1c0", "r0a0c01")
    numbers = {payer.least(of(1, order_no=f"{u}-{turn}")).order_no for u in users for turn in "01"}
    assert len(numbers) == 8
    assert payer.least(of(1)).order_no != Prudent(heard, "t2", LEAST).least(of(1)).order_no


@pytest.mark.parametrize(
    ("back_minor", "given_minor"), [(4580, 400), (9999, 400), (2290, 200), (1, 1), (0, 1)]
)
def test_what_goes_back_is_as_large_a_part_of_it(back_minor: int, given_minor: int) -> None:
    heard = Heard()
    payer = Prudent(heard, "t1", LEAST)
    asyncio.run(payer.refund(FLOW, SESSION, of(4580), Refund("ada-0-r1", back_minor)))
    assert heard.refunds == [Refund("t1_ada_0_r1", given_minor)]


def test_a_leg_of_a_bill_is_of_the_least_amount_too() -> None:
    leg = Payment("ada-0-1", "bo", Wish(1500, "CNY", "noodles", "card"), "ada-0", 4580)
    least = Prudent(Heard(), "t1", LEAST).least(leg)
    assert (least.bill, least.bill_minor, least.wish.amount_minor) == ("t1_ada_0", 400, 400)


def test_a_turn_notes_what_was_really_paid_and_given_back() -> None:
    payer = Prudent(Heard(), "t1", {"USD": 50})
    paying, sharing, asking = (_turn(minor) for minor in (4580, 6000, 2290))
    legs = [Payment(f"bo-0-{n}", "bo", Wish(2000, "CNY", "x", "card"), "bo-0") for n in range(3)]

    async def main() -> None:
        await payer.authorize(paying, SESSION, of(4580))
        await payer.authorize(paying, SESSION, of(4580))  # a second try of the same
        for leg in legs:
            await payer.authorize(sharing, SESSION, leg)
        await payer.refund(asking, SESSION, of(4580), Refund("ada-0-r1", 2290))

    asyncio.run(main())
    noted = [(flow.amount_minor, flow.currency) for flow in (paying, sharing, asking)]
    assert noted == [(50, "USD"), (150, "USD"), (25, "USD")]


def test_it_ends_and_connects_as_the_other_does() -> None:
    heard = Heard()
    payer = Prudent(heard, "t1", LEAST)
    assert (payer.good_end, payer.has_sessions) == ("ordered", False)
    asyncio.run(payer.connect(FLOW))
    assert heard.connected == 1


def test_without_a_currency_there_is_no_payer() -> None:
    with pytest.raises(ValueError, match="no currency"):
        Prudent(Heard(), "t1", {})


def _turn(amount_minor: int) -> Flow:
    flow = Flow(World(VirtualClock(), NOBODY, 1, 0, False), 0, 0, 0.0, 0.0)
    flow.amount_minor, flow.currency = amount_minor, "CNY"
    return flow


async def _all_of(payer: Prudent, payment: Payment) -> None:
    await payer.authorize(FLOW, SESSION, payment)
    await payer.query(FLOW, SESSION, payment)
    await payer.void(FLOW, SESSION, payment)
    await payer.refund(FLOW, SESSION, payment, Refund("ada-0-r1", 100))
