"""The books under any sequence of orders: money is never made, and a number means one thing."""

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from harness.providers.wechat_ai import Order, Receipt, Refusal
from mocks.ledger import BLOCKED_PAYEE, Entry, Ledger
from tests.mocks.visit import PAY

users = st.sampled_from(["ada", "bob"])
numbers = st.sampled_from(["o-1", "o-2", "o-3"])
refund_numbers = st.sampled_from(["r-1", "r-2", "r-3", ""])
amounts = st.integers(1, 60)
currencies = st.sampled_from(["CNY", "CNY", "CNY", "EUR"])
payees = st.sampled_from(["tea-house", "metro", BLOCKED_PAYEE])

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


def test_a_number_that_was_voided_first_can_never_be_paid() -> None:
    books = Ledger(PAY.fee.of)
    order = Order("o-1", "ada", "card", 100)
    voided = books.void(order)
    assert isinstance(voided, Receipt)
    assert (voided.state, voided.amount_minor, voided.fee_minor) == ("voided", 0, 0)
    for _ in range(2):
        assert code(books.authorize(order)) == "ORDER_CLOSED"
    assert code(books.query(order)) == "ORDER_NOT_FOUND"
    assert books.void(order) == voided


def test_a_void_gives_the_fee_back_and_a_refund_does_not() -> None:
    books = Ledger(PAY.fee.of)
    orders = [Order(f"o-{n}", "ada", "card", 5000) for n in (1, 2)]
    assert [books.authorize(order) for order in orders] == [
        Receipt(order.order_no, f"wx{n:010d}", "paid", 5000, "CNY", 30)
        for n, order in enumerate(orders)
    ]
    voided = books.void(orders[0])
    refunded = books.refund(Order("o-2", "ada", "card", 5000, refund_no="r-1"))
    assert voided == Receipt("o-1", "wx0000000000", "voided", 5000, "CNY", 0)
    assert refunded == Receipt("o-2", "wx0000000001", "refunded", 5000, "CNY", 30, 5000)


def test_a_payment_may_be_given_back_in_parts_to_the_last_unit() -> None:
    books = Ledger(PAY.fee.of)
    books.authorize(Order("o-1", "ada", "card", 100))
    for n, (amount, refunded) in enumerate([(60, 60), (39, 99), (1, 100)]):
        told = books.refund(Order("o-1", "ada", "card", amount, refund_no=f"r-{n}"))
        assert isinstance(told, Receipt)
        assert told.refunded_minor == refunded
    over = Order("o-1", "ada", "card", 1, refund_no="r-9")
    assert code(books.refund(over)) == "REFUND_EXCEEDS_PAID"


def test_every_order_has_a_transaction_id_of_its_own() -> None:
    books = Ledger(PAY.fee.of)
    for n in range(50):
        (books.void if n % 3 else books.authorize)(Order(f"o-{n}", "ada", "card", 100))
    assert len({entry.transaction_id for entry in books}) == 50


# Any sequence


class AnySequence(RuleBasedStateMachine):
    """Orders of two users on few numbers. Beside the books it keeps its own, much simpler: what a
    receipt said was paid, and what it said was given back."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(PAY.fee.of)
        self.paid: dict[str, Order] = {}
        self.voided: set[str] = set()
        self.refunded: dict[tuple[str, str], int] = {}

    @rule(no=numbers, user=users, amount=amounts, currency=currencies, payee=payees)
    def authorize(self, no: str, user: str, amount: int, currency: str, payee: str) -> None:
        order = Order(no, user, "card", amount, currency, payee)
        known = no in {*self.paid, *self.voided}
        before = books(self.ledger)
        told = self.ledger.authorize(order)
        assert self.ledger.authorize(order) == told
        if isinstance(told, Receipt):
            assert self.paid.setdefault(no, order) == order
            assert (told.amount_minor, told.currency) == (amount, currency)
            assert told.fee_minor == (0 if no in self.voided else PAY.fee.of(amount))
        elif told.code == "DECLINED":
            assert payee == BLOCKED_PAYEE
        else:
            assert books(self.ledger) == before
        if known:
            assert books(self.ledger) == before

    @rule(no=numbers, user=users)
    def query(self, no: str, user: str) -> None:
        before = books(self.ledger)
        told = self.ledger.query(Order(no, user, "card"))
        assert books(self.ledger) == before
        if no in self.paid and self.paid[no].openid == user:
            assert isinstance(told, Receipt)
            assert told.refunded_minor == self.given_back(no)

    @rule(no=numbers, user=users)
    def void(self, no: str, user: str) -> None:
        before = books(self.ledger)
        told = self.ledger.void(Order(no, user, "card"))
        if isinstance(told, Receipt):
            assert (told.state, told.fee_minor) == ("voided", 0)
            assert self.given_back(no) == 0
            assert no not in self.paid or self.paid[no].openid == user
            assert self.ledger.void(Order(no, user, "card")) == told
            self.voided.add(no)
        else:
            assert books(self.ledger) == before

    @rule(no=numbers, user=users, amount=amounts, currency=currencies, refund_no=refund_numbers)
    def refund(self, no: str, user: str, amount: int, currency: str, refund_no: str) -> None:
        order = Order(no, user, "card", amount, currency, refund_no=refund_no)
        before = books(self.ledger)
        told = self.ledger.refund(order)
        assert self.ledger.refund(order) == told
        if isinstance(told, Receipt):
            assert no not in self.voided
            assert self.paid[no].openid == user
            assert self.refunded.setdefault((no, refund_no), amount) == amount
            assert told.refunded_minor == self.given_back(no)
        else:
            assert books(self.ledger) == before

    @invariant()
    def no_more_is_given_back_than_was_captured(self) -> None:
        for no, order in self.paid.items():
            captured = 0 if no in self.voided else order.amount
            assert captured - self.given_back(no) >= 0

    @invariant()
    def the_books_agree_with_what_receipts_said(self) -> None:
        entries = list(self.ledger)
        captured = [entry for entry in entries if entry.state in ("paid", "refunded")]
        assert {entry.order for entry in captured} == {
            order for no, order in self.paid.items() if no not in self.voided
        }
        assert sum(entry.refunded_minor for entry in entries) == sum(self.refunded.values())
        for entry in entries:
            free = entry.state in ("voided", "declined")
            assert (entry.fee_minor == 0) is free
            assert bool(entry.refunds) is (entry.state == "refunded")

    def given_back(self, no: str) -> int:
        return sum(amount for (paid_no, _), amount in self.refunded.items() if paid_no == no)


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)


def code(told: Receipt | Refusal) -> str:
    assert isinstance(told, Refusal)
    return told.code


def books(ledger: Ledger) -> list[Entry]:
    """As they stand now; later changes do not reach it."""
    return [replace(entry, refunds=dict(entry.refunds)) for entry in ledger]
