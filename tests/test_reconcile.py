"""Every rule of the reconciliation can fail, and does not fail falsely; no mock is asked here."""

from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from harness.books import Account, Belief, Movement, Order, Shown, Trespass
from harness.reconcile import RULES, Reconciliation, reconcile

PAID = Order("u-0", "0.5.0", "u", "balance", 4580, "CNY", "paid", 0, 27)
CAPTURED = Movement(10.0, "u-0", "captured", 4580, "CNY")
FEE = Movement(10.0, "u-0", "fee", 27, "CNY")
VOIDED = Movement(12.0, "u-0", "voided", 4580, "CNY")
FEE_BACK = Movement(12.0, "u-0", "fee back", 27, "CNY")
REFUNDED = Movement(20.0, "u-0", "refunded", 4580, "CNY")
A_PART = Movement(20.0, "u-0", "refunded", 1000, "CNY")
BELIEF = Belief("u-0", "tea-pay", "0.5.0", "paid", 4580, "CNY")
HELD = Shown(11.0, "paid")

GONE = replace(PAID, state="voided", fee_minor=0)
BACK = replace(PAID, state="refunded", refunded_minor=4580)
PART = replace(PAID, state="refunded", refunded_minor=1000)
OPEN = replace(PAID, state="open", fee_minor=0)
NO = replace(PAID, state="declined", fee_minor=0)
PAID_MOVES = (CAPTURED, FEE)
VOID_MOVES = (*PAID_MOVES, VOIDED, FEE_BACK)


def owed(*movements: Movement) -> dict[str, int]:
    signs = {"captured": 1, "fee back": 1}
    sums: dict[str, int] = {}
    for of in movements:
        sums[of.currency] = sums.get(of.currency, 0) + signs.get(of.moved, -1) * of.amount_minor
    return sums


def account(
    *orders: Order, moved: tuple[Movement, ...] = (), lane: str = "tea-pay", **changes: object
) -> Account:
    return replace(Account(lane, list(orders), list(moved), owed(*moved)), **changes)


def believed(**changes: object) -> Belief:
    return replace(BELIEF, **changes)


def again(order: Order, number: str) -> tuple[Order, tuple[Movement, ...]]:
    """The same under another number."""
    return replace(order, order_no=number), tuple(replace(of, order_no=number) for of in PAID_MOVES)


TWICE, TWICE_MOVES = again(PAID, "u-0-new")


@dataclass(frozen=True)
class Case:
    claim: str
    accounts: list[Account]
    beliefs: list[Belief] | None
    broken: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    leaks: int = 0
    forgotten: int = 0
    rules: tuple[str, ...] = field(default=RULES)


ONE = [account(PAID, moved=PAID_MOVES)]
BOTH = [account(PAID, TWICE, moved=(*PAID_MOVES, *TWICE_MOVES))]
ALSO = believed(order_no="u-0-new")
LEG = replace(PAID, user="", bill="b")
OTHER_LEG, _ = again(LEG, "u-0-new")

CASES = [
    Case("a payment that both sides know as paid is well", ONE, [BELIEF]),
    Case("nothing at all is well", [], []),
    # one capture
    Case("two captures of one intent are one too many", BOTH, [BELIEF, ALSO], ("one capture",)),
    Case(
        "also where they are at two providers",
        [*ONE, account(TWICE, moved=TWICE_MOVES, lane="coffee-pay")],
        [BELIEF, believed(order_no="u-0-new", lane="coffee-pay")],
        ("one capture",),
    ),
    Case(
        "also where the turn was cut off",
        BOTH,
        [BELIEF, ALSO],
        ("one capture",),
        cut=("0.5.0",),
    ),
    Case(
        "the first may have been voided",
        [account(GONE, TWICE, moved=(*VOID_MOVES, *TWICE_MOVES))],
        [believed(outcome="reversed"), ALSO],
    ),
    Case(
        "or given back as a whole, where the app means that it was taken back",
        [account(BACK, TWICE, moved=(*PAID_MOVES, REFUNDED, *TWICE_MOVES))],
        [believed(outcome="reversed"), ALSO],
    ),
    Case(
        "a refund that was asked for makes no second payment right",
        [account(BACK, TWICE, moved=(*PAID_MOVES, REFUNDED, *TWICE_MOVES))],
        [believed(outcome="refunded", refunded_minor=4580), ALSO],
        ("one capture",),
    ),
    Case(
        "another turn is another intent",
        [account(PAID, replace(TWICE, intent="0.5.1"), moved=(*PAID_MOVES, *TWICE_MOVES))],
        [BELIEF, ALSO],
    ),
    Case(
        "a bill's legs are one each by who pays them",
        [account(PAID, replace(TWICE, user="v"), moved=(*PAID_MOVES, *TWICE_MOVES))],
        [BELIEF, ALSO],
    ),
    Case(
        "or by their numbers, where the provider hears of no user",
        [account(LEG, OTHER_LEG, moved=(*PAID_MOVES, *TWICE_MOVES))],
        [BELIEF, ALSO],
    ),
    Case(
        "a client that names no intent is not judged by one",
        [
            account(
                replace(PAID, intent=""),
                replace(TWICE, intent=""),
                moved=(*PAID_MOVES, *TWICE_MOVES),
            )
        ],
        [BELIEF, ALSO],
    ),
    Case("nor where nothing is known of the app, whose turn may pay twice", BOTH, None),
    # conservation
    Case(
        "money that moved for no order",
        [account(moved=(CAPTURED,))],
        [],
        ("conservation",),
    ),
    Case(
        "a capture without its order's state",
        [account(PAID, moved=(FEE,))],
        [BELIEF],
        ("conservation",),
    ),
    Case(
        "an open order with money captured",
        [account(NO, moved=(CAPTURED,))],
        [believed(outcome="declined")],
        ("conservation",),
    ),
    Case(
        "captured twice under one number",
        [account(PAID, moved=(*PAID_MOVES, CAPTURED))],
        [BELIEF],
        ("conservation",),
    ),
    Case(
        "a void that kept the money",
        [account(GONE, moved=(CAPTURED, FEE, FEE_BACK))],
        [believed(outcome="reversed")],
        ("conservation",),
    ),
    Case(
        "a fee that was not charged",
        [account(PAID, moved=(CAPTURED,))],
        [BELIEF],
        ("conservation",),
    ),
    Case(
        "a refund that no movement knows",
        [account(BACK, moved=PAID_MOVES)],
        [believed(outcome="refunded", refunded_minor=4580)],
        ("conservation",),
    ),
    Case(
        "more refunded than captured",
        [account(replace(BACK, refunded_minor=5580), moved=(*PAID_MOVES, REFUNDED, A_PART))],
        [believed(outcome="refunded", refunded_minor=5580)],
        ("conservation",),
    ),
    Case(
        "a sum in another currency",
        [account(PAID, moved=(replace(CAPTURED, currency="USD"), FEE))],
        [BELIEF],
        ("conservation",),
    ),
    Case(
        "settled more than moved",
        [account(PAID, moved=PAID_MOVES, settled_minor={"CNY": 4580})],
        [BELIEF],
        ("conservation",),
    ),
    Case(
        "settled in a currency that nothing moved in",
        [account(PAID, moved=PAID_MOVES, settled_minor={"CNY": 4553, "USD": 1})],
        [BELIEF],
        ("conservation",),
    ),
    Case("voided as a whole", [account(GONE, moved=VOID_MOVES)], [believed(outcome="reversed")]),
    Case(
        "refunded in part",
        [account(PART, moved=(*PAID_MOVES, A_PART))],
        [believed(outcome="refunded", refunded_minor=1000)],
    ),
    # same end
    Case("paid, and the books know no such order", [account()], [BELIEF], ("same end",)),
    Case("paid, and declined in the books", [account(NO)], [BELIEF], ("same end",)),
    Case("declined, and paid in the books", ONE, [believed(outcome="declined")], ("same end",)),
    Case("reversed, and paid in the books", ONE, [believed(outcome="reversed")], ("same end",)),
    Case("an error, and paid in the books", ONE, [believed(outcome="error")], ("same end",)),
    Case("reversed, and never known there", [account()], [believed(outcome="reversed")]),
    Case("reversed, and declined there", [account(NO)], [believed(outcome="reversed")]),
    Case(
        "declined, and voided there",
        [account(GONE, moved=VOID_MOVES)],
        [believed(outcome="declined")],
    ),
    Case("declined, and never known there", [account()], [believed(outcome="declined")]),
    Case("ordered, and closed", [account(GONE)], [believed(outcome="ordered")]),
    Case(
        "ordered, and paid by nobody knows whom", ONE, [believed(outcome="ordered")], ("same end",)
    ),
    Case("unknown and reported", ONE, [believed(outcome="unknown", reported=True)]),
    Case("unknown and not reported", ONE, [believed(outcome="unknown")], ("same end",)),
    Case(
        "refunded by the books alone",
        [account(BACK, moved=(*PAID_MOVES, REFUNDED))],
        [BELIEF],
        ("same end",),
    ),
    Case(
        "refunded by another sum",
        [account(PART, moved=(*PAID_MOVES, A_PART))],
        [believed(outcome="refunded", refunded_minor=4580)],
        ("same end",),
    ),
    Case("paid by another sum", ONE, [believed(amount_minor=458)], ("same end",)),
    Case("paid in another currency", ONE, [believed(currency="USD")], ("same end",)),
    Case("money stands captured, and the app knows nothing of it", ONE, [], ("same end",)),
    Case("unless it is an app of which nobody knows", ONE, None),
    Case("or it was forgotten in a long load", ONE, [], forgotten=3),
    Case("or its turn was cut off", ONE, [], cut=("0.5.0",)),
    Case("a belief of a turn that was cut off is no breach", [account()], [BELIEF], cut=("0.5.0",)),
    # nothing open
    Case(
        "an order that was left open",
        [account(OPEN)],
        [believed(outcome="ordered")],
        ("nothing open",),
    ),
    Case(
        "an order that was left open, and nobody knows of", [account(OPEN)], [], ("nothing open",)
    ),
    Case("an order that was open when its turn was cut off", [account(OPEN)], [], cut=("0.5.0",)),
    Case(
        "an order that nothing closes ends by itself",
        [account(replace(OPEN, runs_out=True))],
        [believed(outcome="ordered")],
    ),
    Case(
        "and is as good as taken back",
        [account(replace(OPEN, runs_out=True))],
        [believed(outcome="reversed")],
    ),
    Case(
        "a wire may write a number in letters and digits alone",
        [account(replace(OPEN, order_no="uZ2D0ZZZ", runs_out=True))],
        [believed(outcome="ordered")],
    ),
    # own tokens, no secret
    Case(
        "a token that came where it must not",
        [
            account(
                PAID,
                moved=PAID_MOVES,
                trespasses=[Trespass("own tokens", "0.1.2", "a token of one came to another")],
            )
        ],
        [BELIEF],
        ("own tokens",),
    ),
    Case("a secret in a prompt", ONE, [BELIEF], ("no secret",), leaks=1),
    # told true
    Case("shown as it was", ONE, [believed(shown=[HELD])]),
    Case(
        "shown as paid before it was", ONE, [believed(shown=[Shown(9.0, "paid")])], ("told true",)
    ),
    Case("shown as paid at the very moment", ONE, [believed(shown=[Shown(10.0, "paid")])]),
    Case(
        "shown as paid after it was voided",
        [account(GONE, moved=VOID_MOVES)],
        [believed(outcome="reversed", shown=[Shown(13.0, "paid")])],
        ("told true", "told true"),
    ),
    Case(
        "shown as declined while it stood captured",
        ONE,
        [believed(shown=[Shown(11.0, "declined"), Shown(12.0, "paid")])],
        ("told true",),
    ),
    Case(
        "shown as paid, and later as refunded",
        [account(BACK, moved=(*PAID_MOVES, REFUNDED))],
        [believed(outcome="refunded", refunded_minor=4580, shown=[HELD, Shown(21.0, "refunded")])],
    ),
    Case(
        "shown as refunded before it was",
        [account(BACK, moved=(*PAID_MOVES, REFUNDED))],
        [believed(outcome="refunded", refunded_minor=4580, shown=[HELD, Shown(19.0, "refunded")])],
        ("told true",),
    ),
    Case(
        "last shown as paid, and refunded since without a word",
        [account(BACK, moved=(*PAID_MOVES, REFUNDED))],
        [believed(outcome="refunded", refunded_minor=4580, shown=[HELD])],
        ("told true",),
    ),
    Case("last shown as unknown, and known since", ONE, [believed(shown=[Shown(9.0, "unknown")])]),
    Case(
        "a leg shown as declined that was taken back",
        [account(GONE, moved=VOID_MOVES)],
        [believed(outcome="reversed", shown=[Shown(13.0, "declined")])],
    ),
]


def _reconciled(case: Case) -> Reconciliation:
    return reconcile(
        case.accounts,
        case.beliefs,
        leaks=case.leaks,
        cut=case.cut,
        forgotten=case.forgotten,
        rules=case.rules,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.claim)
def test_each_rule_fails_where_it_must_and_nowhere_else(case: Case) -> None:
    found = _reconciled(case)
    assert tuple(sorted({of.rule for of in found.breaches})) == tuple(sorted(set(case.broken))), [
        of.why for of in found.breaches
    ]
    assert all(of.why and of.rule in RULES for of in found.breaches)


def test_every_rule_is_broken_by_some_case() -> None:
    assert {rule for case in CASES for rule in case.broken} == set(RULES)


def test_the_sums_are_what_stands_captured_less_refunds_and_fees() -> None:
    voided, voided_moves = again(GONE, "u-1")
    more = tuple(replace(of, order_no="u-1") for of in (*voided_moves, VOIDED, FEE_BACK))
    found = reconcile(
        [account(PART, replace(voided, intent="0.6.0"), moved=(*PAID_MOVES, A_PART, *more))],
        [
            believed(outcome="refunded", refunded_minor=1000),
            believed(order_no="u-1", outcome="unknown", reported=True),
        ],
    )
    assert not found.breaches
    assert (found.orders, found.believed, found.unknown) == (2, 2, 1)
    assert found.captured_minor == {"CNY": 4580}
    assert found.refunded_minor == {"CNY": 1000}
    assert found.fees_minor == {"CNY": 27}
    assert found.settled_minor == {"CNY": 4580 - 1000 - 27}


def test_a_breach_names_the_payment_and_its_intent() -> None:
    (breach,) = reconcile(ONE, [believed(outcome="declined")]).breaches
    assert (breach.rule, breach.lane, breach.order_no, breach.intent) == (
        "same end", "tea-pay", "u-0", "0.5.0"
    )  # fmt: skip
    assert breach.why == "the app holds it to be declined, and it is paid in the books"
