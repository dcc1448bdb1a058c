"""A shared bill: its legs are exactly the whole, and either all of them are paid or none is."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.flow.bill import legs_of
from harness.flow.strategy import Strategy, all_strategies
from harness.flow.wish import SplitWish
from mocks.ledger import BLOCKED_PAYEE
from tests.worlds import (
    BASELINE,
    PARALLEL,
    TOKEN_CACHE,
    WISH,
    Played,
    Straggler,
    Trouble,
    Troubles,
    Weather,
    answer_lost,
    by_lane,
    model_says,
    never_sent,
    overloaded,
    play,
    query_of,
    refund_of,
    refuses,
    said,
)

STRATEGIES = pytest.mark.parametrize("strategy", all_strategies(), ids=lambda one: one.name)
PATIENCE_MS = 30_000
BILL = SplitWish(10_000, "CNY", "noodles", "balance", ("an", "bo", "chen"))


def _states(played: Played) -> list[str]:
    return [state for _, state in played.books]


def _paid_minor(played: Played) -> int:
    paid = [entry.terms for entry in played.entries() if entry.state == "paid"]
    return sum(terms.amount_minor for terms in paid if terms)


# Legs

amounts = st.integers(1, 10**9)
people = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=12).map(tuple)


@given(amounts, people)
def test_the_legs_of_a_bill_are_exactly_the_whole_and_as_even_as_can_be(
    amount_minor: int, people: tuple[str, ...]
) -> None:
    wish = replace(BILL, amount_minor=amount_minor, people=people)
    parts = wish.legs_minor()
    assert (sum(parts), len(parts)) == (amount_minor, len(people))
    assert max(parts) - min(parts) <= 1
    assert parts == sorted(parts, reverse=True)


@given(amounts, people)
def test_every_leg_names_its_payer_its_bill_and_the_whole(
    amount_minor: int, people: tuple[str, ...]
) -> None:
    wish = replace(BILL, amount_minor=amount_minor, people=people)
    legs = legs_of("alice-0", "alice", wish)
    assert [leg.user for leg in legs] == [f"alice-{person}" for person in people]
    assert len({leg.order_no for leg in legs}) == len(legs)
    assert {(leg.bill, leg.bill_minor) for leg in legs} == {("alice-0", amount_minor)}
    assert [leg.wish.amount_minor for leg in legs] == wish.legs_minor()
    assert {(leg.wish.currency, leg.wish.payee, leg.wish.method) for leg in legs} == {
        ("CNY", "noodles", "balance")
    }


# Bills that are paid


@STRATEGIES
def test_a_bill_is_paid_by_everyone_and_told_once(strategy: Strategy) -> None:
    played = play(strategy, [BILL])
    assert (played.outcomes, said(played.told[0])) == (["paid"], "paid")
    assert "100.00 CNY" in played.told[0]
    assert played.books == [(f"alice-0-{n}", "paid") for n in range(3)]
    terms = [entry.terms for entry in played.entries()]
    assert [(of.user, of.amount_minor) for of in terms if of] == [
        ("alice-an", 3334),
        ("alice-bo", 3333),
        ("alice-chen", 3333),
    ]
    flow = played.flows[0]
    assert (flow.amount_minor, flow.method) == (10_000, "balance")
    assert flow.fee_minor == sum(entry.fee_minor for entry in played.entries()) == 60


@settings(max_examples=30)
@given(st.integers(8, 10**7), st.integers(1, 8))
def test_whatever_the_bill_all_legs_are_paid_and_together_are_the_whole(
    amount_minor: int, count: int
) -> None:
    wish = replace(BILL, amount_minor=amount_minor, people=tuple("abcdefgh"[:count]))
    played = play(BASELINE, [wish])
    assert (played.outcomes, set(_states(played))) == (["paid"], {"paid"})
    assert _paid_minor(played) == amount_minor
    assert played.flows[0].fee_minor == sum(entry.fee_minor for entry in played.entries())


@pytest.mark.parametrize("count", [2, 8])
def test_legs_are_paid_side_by_side(count: int) -> None:
    wish = replace(BILL, people=tuple("abcdefgh"[:count]))
    assert play(BASELINE, [wish]).response_ms == [500 + 400 + 600 + 700]
    assert play(PARALLEL, [wish]).response_ms == [500 + 400 + 600]


def test_everyone_pays_in_a_session_of_their_own() -> None:
    played = play(TOKEN_CACHE, [BILL, 9.0, BILL])
    for turn in (0, 1):
        assert sorted(played.door.stages(turn)) == sorted(
            ["intent", *["session"] * 3, *["pay"] * 3, "confirm"]
        )
    assert played.outcomes == ["paid", "paid"]
    assert [flow.cold for flow in played.flows] == [True, True]


def test_a_bill_goes_to_the_provider_of_its_lane() -> None:
    weather = Weather(lanes=("wechat-ai", "other"))
    played = play(BASELINE, [by_lane(1, BILL), by_lane(7, BILL)], weather=weather)
    assert (played.outcomes, played.books) == (["paid", "paid"], [])
    assert len(played.entries("other")) == 6


def test_the_model_reads_who_shares_and_learns_no_order_number() -> None:
    played = play(BASELINE, [BILL])
    intent, confirm = (played.door.bodies(stage)[0].decode() for stage in ("intent", "confirm"))
    assert json.loads(intent)["messages"][-1]["content"] == (
        "Please split 100.00 CNY to noodles between an, bo, chen with our balance."
    )
    assert "alice" not in intent + confirm


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"people": ["an", "bo"]}, "people"),
        ({"people": ["an", "bo", "chen", "chen"]}, "people"),
        ({"people": ["bo", "an", "chen"]}, "people"),
        ({"people": []}, "people"),
        ({"amount": "1000.00"}, "amount_minor"),
        ({"payee": "mallory", "method": "card"}, "payee, method"),
    ],
)
def test_the_model_cannot_change_who_pays_what(change: dict[str, object], fields: str) -> None:
    asked = {
        "amount": "100.00",
        "currency": "CNY",
        "payee": "noodles",
        "method": "balance",
        "people": ["an", "bo", "chen"],
        "wish": "",
        **change,
    }
    trouble = model_says(("split_bill", json.dumps(asked)))
    played = play(BASELINE, [BILL], troubles={(0, "intent", n): trouble for n in (1, 2)})
    assert (played.outcomes, played.books) == (["error"], [])
    assert played.flows[0].fault == f"Guarded: the model asked for another {fields} than the user"


# Bills that are not


@STRATEGIES
def test_one_declined_leg_takes_the_others_back(strategy: Strategy) -> None:
    played = play(strategy, [BILL, 9.0, BILL], troubles={(0, "pay", 2): refuses("DECLINED")})
    assert played.outcomes == ["reversed", "paid"]
    assert [said(told) for told in played.told] == ["reversed", "paid"]
    assert _states(played) == ["voided", "voided", "paid", "paid", "paid"]
    assert [flow.fee_minor for flow in played.flows] == [0, 60]
    assert played.flows[0].corrections == strategy.parallel_confirm


def test_when_every_leg_is_declined_nothing_has_to_be_taken_back() -> None:
    played = play(BASELINE, [replace(BILL, payee=BLOCKED_PAYEE)])
    assert (played.outcomes, said(played.told[0])) == (["declined"], "declined")
    assert _states(played) == ["declined"] * 3
    assert "reverse" not in played.door.stages()


@pytest.mark.parametrize("leg", [1, 2, 3])
@pytest.mark.parametrize("trouble", [answer_lost, Straggler(after_s=29.9)])
def test_a_leg_that_timed_out_after_its_commit_is_found_and_paid_once(
    leg: int, trouble: Trouble
) -> None:
    played = play(BASELINE, [BILL], troubles={(0, "pay", leg): trouble}, after_s=200.0)
    assert (played.outcomes, set(_states(played))) == (["paid"], {"paid"})
    assert _paid_minor(played) == 10_000
    assert played.door.stages().count("pay") == 3
    assert played.flows[0].fee_minor == 60


def test_a_fault_in_a_leg_costs_its_patience_once_however_many_there_are() -> None:
    troubles: Troubles = {(0, "pay", n): answer_lost for n in (1, 2, 3)}
    played = play(BASELINE, [BILL], troubles=troubles)
    # Everyone's session is opened anew for the query, as it may have run out meanwhile.
    assert played.response_ms == [500 + 400 + PATIENCE_MS + 400 + 600 + 700]
    assert played.outcomes == ["paid"]


@pytest.mark.parametrize("trouble", [never_sent, overloaded])
def test_a_leg_that_never_arrived_is_voided_and_takes_the_others_back(trouble: Trouble) -> None:
    played = play(BASELINE, [BILL], troubles={(0, "pay", 1): trouble})
    assert (played.outcomes, _states(played)) == (["reversed"], ["voided"] * 3)
    assert played.flows[0].fee_minor == 0


def test_a_leg_that_arrives_after_it_was_given_up_is_refused() -> None:
    straggler = Straggler(after_s=100.0)
    played = play(BASELINE, [BILL], troubles={(0, "pay", 1): straggler}, after_s=200.0)
    assert [json.loads(answer)["ret"] for answer in straggler.answers] == ["ORDER_CLOSED"]
    assert (played.outcomes, _states(played)) == (["reversed"], ["voided"] * 3)


@pytest.mark.parametrize("leg", [1, 3])
def test_a_person_whose_session_does_not_open_ends_the_bill_as_a_fault(leg: int) -> None:
    played = play(BASELINE, [BILL, 9.0, BILL], troubles={(0, "session", leg): never_sent})
    assert played.outcomes == ["error", "paid"]
    assert played.flows[0].fault == "Malformed: a leg of the bill could not be sent"
    assert _states(played) == ["voided"] * 2 + ["paid"] * 3
    assert played.flows[0].fee_minor == 0


def test_a_leg_that_cannot_be_taken_back_makes_the_bill_unknown() -> None:
    troubles: Troubles = {(0, "pay", 1): refuses("DECLINED"), (0, "reverse", 1): overloaded}
    played = play(BASELINE, [BILL], troubles=troubles)
    assert (played.outcomes, said(played.told[0])) == (["unknown"], "unknown")
    assert _states(played) == ["paid", "voided"]


def test_money_left_open_is_unknown_even_if_another_leg_was_never_sent() -> None:
    troubles: Troubles = {(0, "session", 1): never_sent, (0, "reverse", 1): answer_lost}
    played = play(BASELINE, [BILL], troubles=troubles)
    assert (played.outcomes, said(played.told[0])) == (["unknown"], "unknown")


PAY_TROUBLES = [None, answer_lost, never_sent, overloaded, refuses("DECLINED")]
LATER_TROUBLES = [None, answer_lost, never_sent]


@settings(max_examples=50)
@given(
    pays=st.lists(st.sampled_from(PAY_TROUBLES), min_size=4, max_size=4),
    sessions=st.lists(st.sampled_from([None, None, never_sent]), min_size=4, max_size=4),
    queries=st.lists(st.sampled_from(LATER_TROUBLES), min_size=4, max_size=4),
    voids=st.lists(st.sampled_from(LATER_TROUBLES), min_size=8, max_size=8),
    strategy=st.sampled_from(all_strategies()),
)
def test_whatever_fails_the_user_is_told_the_truth_and_no_leg_is_paid_twice(
    pays: list[Trouble | None],
    sessions: list[Trouble | None],
    queries: list[Trouble | None],
    voids: list[Trouble | None],
    strategy: Strategy,
) -> None:
    lists = {"pay": pays, "session": sessions, "query": queries, "reverse": voids}
    troubles: Troubles = {
        (0, stage, n): trouble
        for stage, row in lists.items()
        for n, trouble in enumerate(row, 1)
        if trouble
    }
    wish = replace(BILL, people=("an", "bo", "chen", "dai"))
    played = play(strategy, [wish], troubles=troubles)
    (flow,), paid_minor = played.flows, _paid_minor(played)
    if flow.outcome == "paid":
        assert (paid_minor, said(played.told[0])) == (10_000, "paid")
        assert flow.fee_minor == sum(entry.fee_minor for entry in played.entries())
    else:
        assert flow.fee_minor == 0
        if flow.outcome != "unknown":
            assert paid_minor == 0
    orders = [order for order, _ in played.books if order]
    assert len(orders) == len(set(orders)) <= 4
    assert played.door.stages().count("pay") <= 4
    told = "" if flow.outcome == "error" else flow.outcome
    assert said(played.told[0]) == told


def test_a_bill_and_a_payment_of_one_chat_do_not_meet() -> None:
    played = play(TOKEN_CACHE, [WISH, 9.0, BILL, 9.0, WISH, 9.0, query_of(0)])
    assert played.outcomes == ["paid", "paid", "paid", "ok"]
    assert _states(played) == ["paid"] * 5
    assert len({receipt.reference for receipt in played.receipts}) == 3


# A bill afterwards


@pytest.mark.parametrize(
    ("bill", "stands"),
    [
        (BILL, "paid"),
        (replace(BILL, people=("an", "bo", "broke")), "reversed"),
        (replace(BILL, payee="payee-blocked"), "declined"),
    ],
)
def test_a_bill_stands_as_all_its_legs_do(bill: SplitWish, stands: str) -> None:
    played = play(BASELINE, [bill, 9.0, query_of()])
    assert played.outcomes == [stands, "ok"]
    assert said(played.told[1]) == stands
    assert played.door.stages(1).count("query") == 3


def test_a_bill_cannot_be_refunded_by_one_of_those_who_share_it() -> None:
    with pytest.raises(ValueError, match="cannot be refunded by one"):
        play(BASELINE, [BILL, 9.0, refund_of()])


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_a_query_of_a_bill_that_fails_leaves_no_call_behind(fails: int) -> None:
    """The others are waited for: each has ended when the turn has."""
    troubles: Troubles = {(1, "query", fails): overloaded}
    played = play(BASELINE, [BILL, 9.0, query_of()], troubles=troubles)
    flow = played.flows[1]
    assert (flow.outcome, len([of for of in flow.spans if of.stage == "query"])) == ("error", 3)
    assert max(span.end for span in flow.spans) == flow.end
