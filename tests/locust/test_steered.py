"""A schedule that several engines share: together they begin all of it once, when it is due."""

from collections.abc import Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.arrivals import poisson
from harness.load.pipe import Step
from harness.load.steered import Arrival, Steered

SEEDS = st.integers(0, 2**63)
ENGINES = st.integers(1, 5)
ARMS = st.integers(1, 3)
RATES = st.lists(st.sampled_from([0.0, 0.5, 3.0, 40.0]), min_size=1, max_size=6)
Planned = tuple[float, float]
"""From when on, and the rate."""


def _even(arms: int = 1, turns_each: int = 1) -> Steered:
    """Unit arrivals at 1, 2, 3, .."""
    return Steered(map(float, count(1)), arms=arms, turns_each=turns_each)


def _seeded(seed: int, arms: int) -> Steered:
    return Steered(poisson(seed, "live", rate=1.0), arms=arms, turns_each=1)


def _follow(schedule: Steered, steps: Sequence[Step], end_s: float) -> list[Arrival]:
    """Each step is told before it begins; the schedule is looked at whenever it asks for it."""
    begun: list[Arrival] = []
    for step in steps:
        schedule.tell(step)
        begun += schedule.due_by(step.from_s)
    while (next_s := schedule.next_s) <= end_s:
        begun += schedule.due_by(next_s)
    return begun


def _by_engines(
    seed: int, arms: int, planned: Sequence[Planned], of: int, end_s: float
) -> list[Arrival]:
    """All that so many engines begin, in the order of the schedule."""
    begun = [
        arrival
        for share in range(of)
        for arrival in _follow(
            _seeded(seed, arms), [Step(*step, share, of) for step in planned], end_s
        )
    ]
    return sorted(begun, key=lambda arrival: (arrival.conversation, arrival.slot))


@given(SEEDS, ARMS, ENGINES, RATES)
def test_any_number_of_engines_begins_what_one_would_each_conversation_once(
    seed: int, arms: int, engines: int, rates: list[float]
) -> None:
    planned = [(float(when), rate) for when, rate in enumerate(rates)]
    end_s = len(rates) + 1.0
    assert _by_engines(seed, arms, planned, engines, end_s) == _by_engines(
        seed, arms, planned, 1, end_s
    )


def test_all_arms_meet_each_conversation_one_after_the_other() -> None:
    begun = _follow(_even(arms=2, turns_each=3), [Step(0, 6, 0, 1)], 2.0)
    assert begun == [Arrival(0.5, 0, 0), Arrival(1, 0, 1), Arrival(1.5, 1, 0), Arrival(2, 1, 1)]


@pytest.mark.parametrize(
    ("share", "dues"), [(0, [1, 2, 7, 8]), (1, [3, 4, 9, 10]), (2, [5, 6, 11, 12])]
)
def test_a_share_is_each_so_many_th_conversation_with_all_its_arms(
    share: int, dues: list[float]
) -> None:
    begun = _follow(_even(arms=2), [Step(0, 1, share, 3)], 12.0)
    assert [arrival.due_s for arrival in begun] == pytest.approx(dues, rel=1e-12)


@given(SEEDS, ARMS, ENGINES, st.integers(1, 5), st.floats(0.0, 4.0))
def test_a_change_of_shares_misses_nothing_and_begins_nothing_twice(
    seed: int, arms: int, before: int, after: int, when: float
) -> None:
    begun = []
    for engine in range(max(before, after)):
        first = (engine, before) if engine < before else (0, 0)
        then = (engine, after) if engine < after else (0, 0)
        steps = [Step(0.0, 20.0, *first), Step(when, 20.0, *then)]
        begun += _follow(_seeded(seed, arms), steps, 5.0)
    whole = _by_engines(seed, arms, [(0.0, 20.0)], 1, 5.0)
    assert sorted(begun, key=lambda arrival: arrival.due_s) == whole


@given(SEEDS, st.floats(0.0, 2.0))
def test_a_rate_that_is_heard_late_costs_no_conversation_and_doubles_none(
    seed: int, late_s: float
) -> None:
    on_time = _follow(_seeded(seed, 1), [Step(0, 9, 0, 2), Step(1, 30, 0, 2)], 6.0)
    late = _seeded(seed, 1)
    late.tell(Step(0, 9, 1, 2))
    begun = list(late.due_by(1.0 + late_s))
    late.tell(Step(1, 30, 1, 2))
    begun += late.due_by(6.0)
    numbers = sorted(arrival.conversation for arrival in [*on_time, *begun])
    assert numbers == list(range(len(numbers)))


def test_what_is_left_after_a_late_step_is_due_by_its_rate_from_its_time_on() -> None:
    schedule = _even()
    schedule.tell(Step(0, 1, 0, 1))
    assert [arrival.due_s for arrival in schedule.due_by(3.5)] == [1, 2, 3]
    schedule.tell(Step(2.5, 2, 0, 1))
    # From 2.5 on, when half a unit was left to the third, which has begun already.
    assert [arrival.due_s for arrival in schedule.due_by(4.0)] == [3.25, 3.75]


def test_whoever_joins_later_and_is_told_the_steps_so_far_knows_the_schedule() -> None:
    steps = [(0, 4), (1, 10), (2, 3)]
    there = _follow(_seeded(7, 1), [Step(*step, 0, 1) for step in steps], 5.0)
    late = _seeded(7, 1)
    for step in steps:
        late.tell(Step(*step, 0, 0))
    late.tell(Step(3, 3, 0, 1))
    joined = list(late.due_by(5.0))
    assert joined == [arrival for arrival in there if arrival.due_s > 3]


def test_there_is_nothing_to_do_without_a_rate_or_a_share() -> None:
    schedule = _even()
    assert schedule.next_s == float("inf")
    for step in (Step(1, 0, 0, 1), Step(2, 5, 0, 0)):
        schedule.tell(step)
        assert schedule.next_s == step.from_s
        assert list(schedule.due_by(step.from_s)) == []
        assert schedule.next_s == float("inf")


def test_a_step_out_of_order_begins_with_the_one_before_it() -> None:
    schedule = _even()
    for step in (Step(2, 1, 0, 1), Step(1, 4, 0, 1)):
        schedule.tell(step)
    assert [arrival.due_s for arrival in schedule.due_by(3.0)] == [2.25, 2.5, 2.75, 3]
