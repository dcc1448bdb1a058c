"""The mocks' books as plain data: whole for every provider, and what is wrong is noticed."""

from collections.abc import Callable

import msgspec
import pytest
from msgspec import structs

from harness.books import Account, Movement
from harness.cli.casting import ORDER_ONLY, PAYERS
from harness.clock import VirtualClock, run
from harness.flow.flow import Flow, World
from harness.flow.inbox import Inbox
from harness.flow.payers import Payment, Refund
from harness.flow.wish import Wish
from harness.in_process import InProcess
from harness.providers.stripe.objects import PaymentIntent
from harness.reconcile import reconcile
from mocks.audit import accounts
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
from mocks.ledger import BLOCKED_PAYEE, Entry
from mocks.profile import PaymentProfile, load, names
from mocks.stripe import Stripe

LANES = names(PaymentProfile)
PAYING = [lane for lane in LANES if load(lane, PaymentProfile).provider not in ORDER_ONLY]


def books(lane: str) -> Host:
    """A world of turns that paid, gave a part back, took back and were declined, in this order."""
    profile = load(lane, PaymentProfile)
    config = MockConfig(seed=1, pay={lane: profile}, models={}, cny_per_usd=7.0)

    async def main() -> Host:
        clock, inbox = VirtualClock(), Inbox("http://app")
        host = Host(clock, config, deliver=inbox)
        world = World(clock, InProcess(host.decide, clock), 1, 0, True, inbox=inbox)
        payer = PAYERS[profile.provider](endpoints(IN_PROCESS_URL, config)[lane], inbox, profile)
        for turn, payee in enumerate(["tea", "tea", "tea", BLOCKED_PAYEE]):
            flow = Flow(world, 0, turn, clock.now(), clock.now())
            if turn == 0:
                await payer.start(flow)
            payment = Payment(f"o-{turn}", "ada", Wish(4580, "CNY", payee, "balance"))
            session = await payer.open_session(flow, "ada", "balance")
            await payer.authorize(flow, session, payment)
            if turn == 1:
                await payer.refund(flow, session, payment, Refund("r-1", 1000))
            if turn == 2:
                await payer.void(flow, session, payment)
            await flow.cut()
        return host

    return run("virtual", main())


@pytest.mark.parametrize("lane", PAYING)
def test_an_account_tells_of_each_order_whose_it_is_and_how_it_stands(lane: str) -> None:
    (account,) = accounts(books(lane))
    assert account.lane == lane
    first, second, third, last = account.orders
    assert [of.intent for of in account.orders] == ["0.0.0", "0.0.1", "0.0.2", "0.0.3"]
    assert (first.state, first.refunded_minor) == ("paid", 0)
    assert (second.state, second.refunded_minor) == ("refunded", 1000)
    assert (first.amount_minor, first.currency) == (4580, "CNY")
    assert first.fee_minor == second.fee_minor > 0
    assert third.state in ("voided", "refunded")
    assert (last.state, last.fee_minor) in [("declined", 0), ("voided", 0), ("open", 0)]
    assert account.trespasses == []


@pytest.mark.parametrize("lane", LANES)
def test_the_books_of_every_provider_hold_after_all_that_can_be_done(lane: str) -> None:
    told = reconcile(accounts(books(lane)), None)
    assert [of for of in told.breaches if of.rule != "nothing open"] == []


def test_an_account_travels_as_json() -> None:
    told = accounts(books("flat"))
    assert msgspec.json.decode(msgspec.json.encode(told), type=list[Account]) == told


# What is wrong is noticed

Wrong = Callable[[Host], object]


def ledger_of(host: Host) -> list[Entry]:
    return list(next(iter(host.payments.values())).ledger)


def movements_of(host: Host) -> list[Movement]:
    return next(iter(host.payments.values())).ledger.movements


def a_fee_too_much(host: Host) -> None:
    ledger_of(host)[0].fee_minor += 1


def a_paid_order_is_open_again(host: Host) -> None:
    ledger_of(host)[0].state = "open"


def a_refund_that_did_not_move(host: Host) -> None:
    ledger_of(host)[1].refunds["r-2"] = 1


def a_movement_less(host: Host) -> None:
    movements_of(host).pop()


def a_capture_twice(host: Host) -> None:
    movements_of(host).append(movements_of(host)[0])


def money_of_no_order(host: Host) -> None:
    movements_of(host).append(Movement(0.0, "o-9", "captured", 1, "CNY"))


WRONG: list[Wrong] = [
    a_fee_too_much,
    a_paid_order_is_open_again,
    a_refund_that_did_not_move,
    a_movement_less,
    a_capture_twice,
    money_of_no_order,
]


@pytest.mark.parametrize("wrong", WRONG)
def test_books_that_were_tampered_with_are_noticed(wrong: Wrong) -> None:
    host = books("flat")
    wrong(host)
    assert "conservation" in rules(host)


def test_what_is_owed_is_held_against_what_moved() -> None:
    host = books("flat")
    next(iter(host.payments.values())).ledger.settled_minor["CNY"] += 1
    assert rules(host) == {"conservation"}


# Stripe's objects tell of the same money


def the_intent_was_not_paid(stripe: Stripe, intent: PaymentIntent) -> None:
    stripe.shelf.put(structs.replace(intent, status="canceled", amount_received=0))


def another_sum_was_received(stripe: Stripe, intent: PaymentIntent) -> None:
    stripe.shelf.put(structs.replace(intent, amount_received=intent.amount_received - 1))


def more_was_refunded(stripe: Stripe, intent: PaymentIntent) -> None:
    charge = stripe.shelf.charge_of(intent)
    stripe.shelf.put(structs.replace(charge, amount_refunded=charge.amount_refunded + 1))


def the_ledger_charged_a_fee_more(stripe: Stripe, intent: PaymentIntent) -> None:
    next(iter(stripe.ledger)).fee_minor += 1


@pytest.mark.parametrize(
    "wrong",
    [
        the_intent_was_not_paid,
        another_sum_was_received,
        more_was_refunded,
        the_ledger_charged_a_fee_more,
    ],
)
def test_where_stripes_objects_and_its_books_part_the_books_do_not_hold(
    wrong: Callable[[Stripe, PaymentIntent], None],
) -> None:
    host = books("stripe")
    stripe = host.payments["stripe"]
    assert isinstance(stripe, Stripe)
    intent = stripe.shelf.intent("pi_00000000000001")
    assert intent is not None
    assert "conservation" not in rules(host)
    wrong(stripe, intent)
    assert "conservation" in rules(host)


def test_stripes_balance_is_what_it_owes() -> None:
    host = books("stripe")
    (account,) = accounts(host)
    moved = host.payments["stripe"].ledger.settled_minor
    assert account.settled_minor == moved
    assert moved["CNY"] > 0


# Trespasses


def test_a_trespass_is_told_at_the_first_lane_of_whose_it_is_and_a_strays_at_the_first() -> None:
    pay = {lane: load("flat", PaymentProfile) for lane in ("one", "two")}
    pay["stripe"] = load("stripe", PaymentProfile)

    async def main() -> list[Account]:
        host = Host(VirtualClock(), MockConfig(seed=1, pay=pay, models={}))
        for provider in ("flat", "stripe", "wechat-ai"):
            host.setting.trail.note(provider, f"of {provider}", None)
        return accounts(host)

    told = {of.lane: [one.why for one in of.trespasses] for of in run("virtual", main())}
    assert told == {"one": ["of flat", "of wechat-ai"], "two": [], "stripe": ["of stripe"]}


def rules(host: Host) -> set[str]:
    found = reconcile(accounts(host), None).breaches
    return {of.rule for of in found if of.rule != "nothing open"}
