"""Cases are drawn by their number alone, come to every cell, and place nothing where it cannot
be."""

from collections import Counter

import pytest

import scenarios
from harness.faults import STAGES
from harness.torture.cases import STRATEGIES
from harness.torture.draw import Field, case_of_number
from harness.torture.reach import (
    ALL_CELLS,
    NOT_PLAYED,
    PROVIDERS,
    SCENARIOS,
    TWO_LANES,
    Cell,
    can_meet,
    places_of,
    reachable,
)
from mocks.host import PAYMENTS

EVERYTHING = Field(SCENARIOS, tuple((name, name) for name in PROVIDERS))


def test_every_provider_of_payments_is_drawn() -> None:
    assert set(PROVIDERS) == set(PAYMENTS)
    assert len(set(PROVIDERS)) == len(PROVIDERS)


def test_every_scenario_is_drawn_but_those_that_are_named_with_the_reason() -> None:
    assert {*SCENARIOS, *NOT_PLAYED} == set(scenarios.SCENARIOS)
    assert not set(SCENARIOS).intersection(NOT_PLAYED)
    assert all(NOT_PLAYED.values())


def test_every_cell_of_the_table_can_be_reached_somewhere_but_one() -> None:
    """Who minds time stamps has nobody who pays, so that nothing is given back there."""
    reached = list(reachable(SCENARIOS, PROVIDERS))
    assert [cell for cell in ALL_CELLS if cell not in reached] == [Cell("skew", "refund")]


def test_what_a_provider_does_not_have_is_not_reached_there() -> None:
    assert not places_of(Cell("lost", "session"), SCENARIOS, ["stripe"])
    assert not places_of(Cell("skew", "pay"), SCENARIOS, ["wechat-ai"])
    assert not places_of(Cell("lost", "close"), SCENARIOS, ["flat"])
    assert not places_of(Cell("lost", "refund"), ["conversation"], PROVIDERS)
    assert not places_of(Cell("lost", "refresh"), ["split_bill"], PROVIDERS)
    assert not places_of(Cell("storms", "intent"), SCENARIOS, ["stripe"])


def test_a_user_cancels_a_turn_once_and_nothing_is_reasoned_where_nothing_is_given_back() -> None:
    for number in range(400):
        case = case_of_number(6, number, EVERYTHING)
        cancels = Counter(of.turn for of in case.faults if of.fault == "cancels")
        assert set(cancels.values()) <= {1}
        reasons = {of.turn for of in case.faults if of.stage == "reason"}
        assert all(turn % 2 for turn in reasons)


def test_a_case_is_a_function_of_the_seed_its_number_and_the_field() -> None:
    cases = [case_of_number(1, number, EVERYTHING) for number in range(40)]
    assert [case_of_number(1, number, EVERYTHING) for number in reversed(range(40))] == cases[::-1]
    assert [case_of_number(2, number, EVERYTHING) for number in range(40)] != cases


@pytest.mark.thorough
def test_every_cell_is_placed_under_every_strategy() -> None:
    placed: Counter[tuple[Cell, str]] = Counter()
    for number in range(4_000):
        case = case_of_number(1, number, EVERYTHING)
        placed.update((Cell(of.fault, of.stage), case.strategy) for of in case.faults)
    seldom = [
        (str(cell), strategy)
        for cell in reachable(SCENARIOS, PROVIDERS)
        for strategy in STRATEGIES
        if placed[cell, strategy] < 3
    ]
    assert seldom == []


def test_no_fault_is_placed_where_it_cannot_strike() -> None:
    for number in range(300):
        case = case_of_number(4, number, EVERYTHING)
        for of in case.faults:
            assert of.stage in STAGES[of.fault]
            assert of.turn < case.turns
            assert any(can_meet(lane, Cell(of.fault, of.stage)) for lane in case.lanes)
        assert all(0 < away.turn < case.turns for away in case.aways)


def test_a_field_that_is_narrowed_is_kept_to() -> None:
    narrow = Field(("checkout", "refund"), (("mine", "flat"),), ("prewarm",))
    for number in range(100):
        case = case_of_number(1, number, narrow)
        assert case.scenario in ("checkout", "refund")
        assert (case.lanes, case.strategy) == (("mine",), "prewarm")


def test_scenarios_of_two_lanes_mostly_have_two() -> None:
    drawn = [case_of_number(1, number, EVERYTHING) for number in range(800)]
    two = [len(case.lanes) for case in drawn if case.scenario in TWO_LANES]
    assert 1.3 < sum(two) / len(two) < 1.9
    assert all(len(set(case.lanes)) == len(case.lanes) for case in drawn)
