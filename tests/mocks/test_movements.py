"""The movements beside the books: which there are, when and whose, and that they are only added."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from harness import draws
from harness.books import Movement
from harness.providers.told import DrawKey
from mocks.ledger import BLOCKED_PAYEE, Entry, Ledger, Terms
from tests.mocks.test_ledger import fresh, owed, terms
from tests.mocks.visit import PAY

KEY = DrawKey(0, 3, 2, "pay", 1)

Act = Callable[[Ledger], object]


def due(**changed: Any) -> Terms:
    return structs.replace(terms(amount_minor=5000), **changed)


def opens(on: Ledger) -> object:
    return on.open(due())


def pays(on: Ledger) -> object:
    return on.capture(due())


def cannot_pay(on: Ledger) -> object:
    return on.capture(due(payee=BLOCKED_PAYEE))


def pays_less(on: Ledger) -> object:
    on.lower("o-1", 100)
    return on.capture(due(amount_minor=100))


def tries_twice(on: Ledger) -> object:
    on.decline("o-1")
    on.reopen("o-1")
    return on.capture(due())


def voids(on: Ledger) -> object:
    return on.void("o-1")


def refunds(refund_no: str, amount_minor: int) -> Act:
    return lambda on: on.refund("o-1", refund_no, amount_minor)


PAID = [("captured", 5000), ("fee", 30)]
STORIES: dict[str, tuple[list[Act], list[tuple[str, int]]]] = {
    "opened": ([opens], []),
    "paid": ([pays], PAID),
    "paid twice": ([pays, pays], PAID),
    "opened and paid": ([opens, pays], PAID),
    "declined": ([cannot_pay], []),
    "declined and voided": ([cannot_pay, voids], []),
    "declined, then paid": ([opens, tries_twice], PAID),
    "paid in less": ([opens, pays_less], [("captured", 100), ("fee", 10)]),
    "voided twice": ([pays, voids, voids], [*PAID, ("voided", 5000), ("fee back", 30)]),
    "voided while open": ([opens, voids, pays], []),
    "voided before it came": ([voids, pays], []),
    "refunded": ([pays, *[refunds("r", 5000)] * 2], [*PAID, ("refunded", 5000)]),
    "refunded in parts": (
        [pays, refunds("r-1", 2000), refunds("r-2", 3000), refunds("r-3", 1)],
        [*PAID, ("refunded", 2000), ("refunded", 3000)],
    ),
    "refunded, then voided": ([pays, refunds("r", 1), voids], [*PAID, ("refunded", 1)]),
}


@pytest.mark.parametrize("name", STORIES)
def test_money_moves_as_often_as_it_does_and_adds_up(name: str) -> None:
    story, moved = STORIES[name]
    ledger = fresh()
    for act in story:
        act(ledger)
    assert [(of.moved, of.amount_minor) for of in ledger.movements] == moved
    assert ledger.settled_minor == owed(ledger.movements)


def test_a_payment_without_a_fee_has_no_movement_of_one() -> None:
    ledger = Ledger(lambda _: 0)
    ledger.capture(due())
    ledger.void("o-1")
    assert [of.moved for of in ledger.movements] == ["captured", "voided"]
    assert ledger.settled_minor == {"CNY": 0}


def test_a_movement_has_the_time_of_its_call_and_each_is_told_of_once_it_stands() -> None:
    ledger, told = fresh(), list[tuple[Movement, dict[str, int]]]()
    ledger.on_movement = lambda of: told.append((of, dict(ledger.settled_minor)))
    for at_s, act in enumerate([pays, voids]):
        ledger.hear(KEY, float(at_s))
        act(ledger)
    assert [of for of, _ in told] == ledger.movements
    assert [of.at_s for of in ledger.movements] == [0.0, 0.0, 1.0, 1.0]
    assert [settled["CNY"] for _, settled in told] == [5000, 4970, -30, 0]


@pytest.mark.parametrize(
    ("key", "intent"),
    [
        (KEY, "0.3.2"),
        (DrawKey(7, 0, 0, "pay", 3), "7.0.0"),
        (DrawKey(-1, 5, 0, "foreign", 1), ""),
        (None, ""),
    ],
)
def test_an_order_is_the_doing_of_the_call_that_first_named_it(
    key: DrawKey | None, intent: str
) -> None:
    ledger = fresh()
    for n, act in enumerate((ledger.open, ledger.capture)):
        ledger.hear(key if n == 0 else DrawKey(9, 9, 9, "pay", 1), 0.0)
        act(due())
    ledger.hear(key, 0.0)
    ledger.void("o-2")
    assert [entry.intent for entry in ledger] == [intent, intent]


def test_whatever_is_asked_the_books_add_up_and_the_past_stays() -> None:
    for seed in range(150):
        ledger, before = fresh(), list[Movement]()
        for n in range(25):
            ledger.hear(DrawKey(0, seed, n, "pay", 1), float(n))
            any_act(ledger, draws.uniforms(seed, "act", n))
            assert ledger.movements[: len(before)] == before
            before = list(ledger.movements)
            assert ledger.settled_minor == owed(before) == standing(ledger)


def any_act(on: Ledger, luck: Callable[[str], float]) -> None:
    order_no, refund_no = f"o-{int(luck('no') * 3)}", f"r-{int(luck('refund') * 3)}"
    currency = "EUR" if luck("currency") < 0.3 else "CNY"
    some_minor = 1 + int(luck("amount") * 6000)
    amount_minor = 5000 if luck("same") < 0.5 else some_minor
    asked = due(order_no=order_no, currency=currency, amount_minor=amount_minor)
    acts: list[Callable[[], object]] = [
        lambda: on.open(asked),
        lambda: on.capture(asked),
        lambda: on.capture(asked),
        lambda: on.void(order_no),
        lambda: on.refund(order_no, refund_no, some_minor),
        lambda: on.refund(order_no, refund_no, some_minor),
    ]
    acts[int(luck("act") * len(acts))]()


def standing(ledger: Ledger) -> dict[str, int]:
    """What is owed by the orders alone; of every currency in which money ever moved."""
    told = dict.fromkeys((of.currency for of in ledger.movements), 0)
    for entry in ledger:
        if entry.terms and entry.state in ("paid", "refunded"):
            told[entry.terms.currency] += left(entry)
    return told


def left(entry: Entry) -> int:
    assert entry.terms
    assert entry.fee_minor == PAY.fee.of(entry.terms.amount_minor)
    return entry.terms.amount_minor - entry.refunded_minor - entry.fee_minor
