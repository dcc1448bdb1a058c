"""The books under any sequence of orders: money is never made, and a number means one thing."""

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec import structs

from harness.books import Movement
from mocks.ledger import BLOCKED_PAYEE, BROKE_USER, Entry, Ledger, Refused, Terms
from tests.mocks.visit import PAY

users = st.sampled_from(["ada", "ada", "bob", "bob", f"bob-{BROKE_USER}"])
numbers = st.sampled_from(["o-1", "o-2", "o-3"])
refund_numbers = st.sampled_from(["r-1", "r-2", "r-3", ""])
amounts = st.integers(1, 60)
currencies = st.sampled_from(["CNY", "CNY", "CNY", "EUR"])
payees = st.sampled_from(["tea-house", "metro", BLOCKED_PAYEE])
bills = st.sampled_from(["", "", "b-1", "b-1", "b-2"])
totals = st.sampled_from([60, 60, 90])
orders = st.builds(
    Terms, numbers, users, st.just("card"), amounts, currencies, payees, bills, totals
)  # fmt: skip

# Fees


@pytest.mark.parametrize(
    ("amount_minor", "fee_minor"),
    [
        (1, 10),
        (100, 10),
        (1666, 10),  # 16.67 CNY is where 0.6 % and 0.10 CNY meet
        (1667, 10),
        (1749, 10),
        (1750, 11),  # exactly 10.5: up, where rounding to even would give 10
        (1833, 11),
        (1917, 12),
        (2750, 17),  # exactly 16.5
        (5000, 30),
        (1_000_000, 6000),
        (10**15, 6 * 10**12),
    ],
)
def test_the_fee_is_a_share_but_at_least_the_minimum(amount_minor: int, fee_minor: int) -> None:
    assert PAY.fee.of(amount_minor) == fee_minor


@given(st.integers(1, 10**12))
def test_the_fee_is_that_of_decimal_arithmetic_half_a_unit_rounded_up(amount_minor: int) -> None:
    share = (Decimal(amount_minor) * Decimal("0.006")).quantize(Decimal(1), ROUND_HALF_UP)
    assert PAY.fee.of(amount_minor) == max(10, share)


def test_the_minimum_stops_mattering_at_16_67() -> None:
    share_minor = [Decimal(amount) * Decimal("0.006") for amount in (1666, 1667)]
    assert [share < 10 for share in share_minor] == [True, False]
    assert [PAY.fee.of(amount) for amount in (1666, 1667, 1749, 1750)] == [10, 10, 10, 11]


# Single rules


def terms(order_no: str = "o-1", amount_minor: int = 100, **more: Any) -> Terms:
    return structs.replace(Terms(order_no, "ada", "card", amount_minor, "CNY", "tea-house"), **more)


def test_a_number_that_was_voided_first_can_never_be_paid() -> None:
    ledger = fresh()
    voided = ledger.void("o-1", "ada")
    assert isinstance(voided, Entry)
    assert (voided.state, voided.terms, voided.fee_minor) == ("voided", None, 0)
    for _ in range(2):
        assert no(ledger.capture(terms())) == no(ledger.open(terms())) == "closed"
    assert no(ledger.find("o-1")) == "not_found"
    assert ledger.void("o-1", "ada") is voided


def test_a_void_gives_the_fee_back_and_a_refund_does_not() -> None:
    ledger = fresh()
    first, second = (entry(ledger.capture(terms(f"o-{n}", 5000))) for n in (1, 2))
    assert (first.state, first.fee_minor, second.state, second.fee_minor) == ("paid", 30) * 2
    ledger.void("o-1")
    ledger.refund("o-2", "r-1", 5000)
    assert (first.state, first.fee_minor, first.refunded_minor) == ("voided", 0, 0)
    assert (second.state, second.fee_minor, second.refunded_minor) == ("refunded", 30, 5000)


def test_a_payment_may_be_given_back_in_parts_to_the_last_unit() -> None:
    ledger = fresh()
    ledger.capture(terms())
    for n, (amount, refunded) in enumerate([(60, 60), (39, 99), (1, 100)]):
        assert entry(ledger.refund("o-1", f"r-{n}", amount)).refunded_minor == refunded
    assert no(ledger.refund("o-1", "r-9", 1)) == "exceeds"


def test_every_order_has_a_number_of_its_own() -> None:
    ledger = fresh()
    for n in range(50):
        if n % 3:
            ledger.void(f"o-{n}")
        else:
            ledger.capture(terms(f"o-{n}"))
    assert [entry.number for entry in ledger] == list(range(50))


def test_an_open_order_holds_no_money_until_it_is_captured() -> None:
    ledger = fresh()
    opened = entry(ledger.open(terms()))
    assert (opened.state, opened.fee_minor) == ("open", 0)
    assert no(ledger.refund("o-1", "r-1", 1)) == "closed"
    assert entry(ledger.open(terms())) is entry(ledger.capture(terms())) is opened
    assert (opened.state, opened.fee_minor) == ("paid", 10)


def test_an_order_that_was_voided_while_open_is_never_captured() -> None:
    ledger = fresh()
    opened = entry(ledger.open(terms()))
    ledger.void("o-1")
    assert entry(ledger.capture(terms())) is opened
    assert (opened.state, opened.fee_minor) == ("voided", 0)


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({}, "paid"),
        ({"payee": BLOCKED_PAYEE}, "declined"),
        ({"user": BROKE_USER}, "declined"),
        ({"user": f"r1c2-{BROKE_USER}"}, "declined"),
        ({"user": f"{BROKE_USER}-ada"}, "paid"),
        ({"user": f"not{BROKE_USER}"}, "paid"),
    ],
)
def test_a_blocked_payee_and_a_broke_user_are_declined(changed: dict[str, Any], state: str) -> None:
    ledger = fresh()
    ledger.capture(terms(**changed))
    assert [(entry.state, entry.fee_minor) for entry in ledger] == [
        (state, 10 if state == "paid" else 0)
    ]


# Shared bills


def leg(n: int, amount_minor: int, **more: Any) -> Terms:
    whole = {"bill": "b-1", "bill_minor": 100, "user": f"user-{n}", **more}
    return terms(f"o-{n}", amount_minor, **whole)


def test_the_legs_of_a_bill_may_add_up_to_the_whole_and_not_to_more() -> None:
    ledger = fresh()
    for n, amount in enumerate((34, 33)):
        assert entry(ledger.capture(leg(n, amount))).state == "paid"
    assert no(ledger.capture(leg(2, 34))) == no(ledger.open(leg(2, 34))) == "exceeds"
    assert ledger.billed("b-1") == 67
    assert entry(ledger.capture(leg(2, 33))).state == "paid"
    assert ledger.billed("b-1") == 100
    assert no(ledger.capture(leg(3, 1))) == "exceeds"


def test_an_open_leg_takes_its_place_in_the_bill() -> None:
    ledger = fresh()
    ledger.open(leg(0, 60))
    assert no(ledger.capture(leg(1, 60))) == "exceeds"
    assert entry(ledger.capture(leg(0, 60))).state == "paid"
    assert ledger.billed("b-1") == 60


@pytest.mark.parametrize("way", ["void", "refund", "declined"])
def test_a_leg_that_came_to_nothing_leaves_its_place_to_another(way: str) -> None:
    ledger = fresh()
    ledger.capture(leg(0, 60, payee=BLOCKED_PAYEE if way == "declined" else "tea-house"))
    if way == "void":
        ledger.void("o-0")
    elif way == "refund":
        ledger.refund("o-0", "r-0", 20)
        ledger.refund("o-0", "r-1", 40)
    assert ledger.billed("b-1") == 0
    assert entry(ledger.capture(leg(1, 100))).state == "paid"


def test_a_leg_given_back_in_part_still_stands_with_the_rest() -> None:
    ledger = fresh()
    ledger.capture(leg(0, 60))
    ledger.refund("o-0", "r-0", 20)
    assert ledger.billed("b-1") == 40
    assert no(ledger.capture(leg(1, 61))) == "exceeds"
    assert entry(ledger.capture(leg(1, 60))).state == "paid"


@pytest.mark.parametrize("other", [{"bill_minor": 200}, {"currency": "EUR"}])
@pytest.mark.parametrize("voided", [False, True])
def test_a_bill_has_one_total_in_one_currency_for_ever(other: dict[str, Any], voided: bool) -> None:
    ledger = fresh()
    ledger.capture(leg(0, 50))
    if voided:
        ledger.void("o-0")
    assert no(ledger.capture(leg(1, 50, **other))) == "other_terms"
    assert entry(ledger.capture(leg(1, 50, bill="b-2", **other))).state == "paid"


@pytest.mark.parametrize("bill_minor", [0, -1, 49])
def test_a_leg_is_no_more_than_its_bill(bill_minor: int) -> None:
    assert no(fresh().capture(leg(0, 50, bill_minor=bill_minor))) == "exceeds"


def test_a_payment_that_is_no_leg_belongs_to_no_bill() -> None:
    ledger = fresh()
    for n in range(3):
        ledger.capture(terms(f"o-{n}"))
    assert ledger.billed("") == 0


# Any sequence


class AnySequence(RuleBasedStateMachine):
    """Orders of a few users on few numbers, some of them legs of a bill. Beside the books it keeps
    its own, much simpler: what was said to be captured, and what was said to be given back."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = fresh()
        self.known: dict[str, Terms] = {}
        self.paid: dict[str, Terms] = {}
        self.voided: set[str] = set()
        self.refunded: dict[tuple[str, str], int] = {}

    @rule(asked=orders)
    def open(self, asked: Terms) -> None:
        before = books(self.ledger)
        told = self.ledger.open(asked)
        assert self.ledger.open(asked) == told
        self.heard(asked, told, before)
        if isinstance(told, Entry) and told.state == "open":
            assert (told.fee_minor, told.refunds) == (0, {})

    @rule(asked=orders)
    def capture(self, asked: Terms) -> None:
        before = books(self.ledger)
        seen = asked.order_no in {*self.paid, *self.voided}
        told = self.ledger.capture(asked)
        assert self.ledger.capture(asked) == told
        if isinstance(told, Entry) and told.state != "voided":
            assert self.paid.setdefault(asked.order_no, asked) == asked
            assert told.fee_minor == PAY.fee.of(asked.amount_minor)
        if isinstance(told, Refused) and told.no == "declined":
            assert asked.payee == BLOCKED_PAYEE or asked.user.endswith(BROKE_USER)
            self.known.setdefault(asked.order_no, asked)
        else:
            self.heard(asked, told, before)
        if seen:
            assert books(self.ledger) == before

    @rule(no=numbers, user=users)
    def find(self, no: str, user: str) -> None:
        before = books(self.ledger)
        told = self.ledger.find(no, user)
        assert books(self.ledger) == before
        mine = no in self.known and self.known[no].user == user
        assert isinstance(told, Entry) == mine
        if isinstance(told, Entry):
            assert told is self.ledger.find(no)
            assert told.refunded_minor == self.given_back(no)

    @rule(no=numbers, user=users)
    def void(self, no: str, user: str) -> None:
        before = books(self.ledger)
        told = self.ledger.void(no, user)
        if isinstance(told, Entry):
            assert (told.state, told.fee_minor) == ("voided", 0)
            assert self.given_back(no) == 0
            assert no not in self.known or self.known[no].user == user
            assert self.ledger.void(no, user) is told
            self.voided.add(no)
        else:
            assert books(self.ledger) == before

    @rule(no=numbers, user=users, amount=amounts, currency=currencies, refund_no=refund_numbers)
    def refund(self, no: str, user: str, amount: int, currency: str, refund_no: str) -> None:
        before = books(self.ledger)
        told = self.ledger.refund(no, refund_no, amount, currency, user)
        assert self.ledger.refund(no, refund_no, amount, currency, user) == told
        if isinstance(told, Entry):
            assert no not in self.voided
            assert self.paid[no].user == user
            assert self.refunded.setdefault((no, refund_no), amount) == amount
            assert told.refunded_minor == self.given_back(no)
        else:
            assert books(self.ledger) == before

    @invariant()
    def no_more_is_given_back_than_was_captured(self) -> None:
        for no, asked in self.paid.items():
            captured = 0 if no in self.voided else asked.amount_minor
            assert captured - self.given_back(no) >= 0

    @invariant()
    def the_books_agree_with_what_was_said(self) -> None:
        entries = list(self.ledger)
        captured = [entry for entry in entries if entry.state in ("paid", "refunded")]
        assert {entry.terms for entry in captured} == {
            asked for no, asked in self.paid.items() if no not in self.voided
        }
        assert sum(entry.refunded_minor for entry in entries) == sum(self.refunded.values())
        for entry in entries:
            free = entry.state in ("open", "voided", "declined")
            assert (entry.fee_minor == 0) is free
            assert bool(entry.refunds) is (entry.state == "refunded")

    @invariant()
    def what_moved_is_what_is_owed_and_what_the_orders_say(self) -> None:
        settled, moved = dict(self.ledger.settled_minor), self.ledger.movements
        assert settled == owed(moved)
        by_order: dict[str, list[Movement]] = {}
        for movement in moved:
            assert movement.amount_minor > 0
            by_order.setdefault(movement.order_no, []).append(movement)
        for entry in self.ledger:
            stands = entry.terms if entry.state in ("paid", "refunded") else None
            left = stands.amount_minor - entry.refunded_minor - entry.fee_minor if stands else 0
            assert sum(owed(by_order.pop(entry.order_no, [])).values()) == left
        assert not by_order

    @invariant()
    def no_bill_is_overpaid_and_each_has_one_total(self) -> None:
        for bill in ("b-1", "b-2"):
            legs = {no: asked for no, asked in self.known.items() if asked.bill == bill}
            totals = {(asked.bill_minor, asked.currency) for asked in legs.values()}
            assert len(totals) <= 1
            stands = sum(
                asked.amount_minor - self.given_back(no)
                for no, asked in self.paid.items()
                if no in legs and no not in self.voided
            )
            billed = self.ledger.billed(bill)
            assert stands <= billed <= max((total for total, _ in totals), default=0)
            still_open = [entry for entry in self.ledger if entry.state == "open"]
            assert billed == stands + sum(
                entry.terms.amount_minor
                for entry in still_open
                if entry.terms and entry.terms.bill == bill
            )

    def heard(self, asked: Terms, told: Entry | Refused, before: list[Entry]) -> None:
        """An order that is taken in means these terms for ever; a refused one changed nothing."""
        if isinstance(told, Entry):
            assert told.terms == self.known.setdefault(asked.order_no, asked) == asked
        else:
            assert books(self.ledger) == before

    def given_back(self, no: str) -> int:
        return sum(amount for (paid_no, _), amount in self.refunded.items() if paid_no == no)


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)


def fresh() -> Ledger:
    return Ledger(lambda asked: PAY.fee.of(asked.amount_minor))


def entry(told: Entry | Refused) -> Entry:
    assert isinstance(told, Entry)
    return told


def no(told: Entry | Refused) -> str:
    assert isinstance(told, Refused)
    return told.no


def books(ledger: Ledger) -> list[Entry]:
    """As they stand now; later changes do not reach it."""
    return [replace(entry, refunds=dict(entry.refunds)) for entry in ledger]


SIGNS = {"captured": 1, "voided": -1, "refunded": -1, "fee": -1, "fee back": 1}


def owed(movements: list[Movement]) -> dict[str, int]:
    """To the merchant, by currency."""
    told: dict[str, int] = {}
    for of in movements:
        told[of.currency] = told.get(of.currency, 0) + SIGNS[of.moved] * of.amount_minor
    return told
