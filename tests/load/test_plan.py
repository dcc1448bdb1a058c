"""What a schedule asks of each engine: a table of steps, and whose turns they make, exactly."""

from collections.abc import Iterator
from itertools import count

import pytest

from harness.load.arrivals import poisson
from harness.load.pipe import Planned, Step
from harness.load.plan import Plan
from harness.load.steered import Steered

A, B, C = "a", "b", "c"
BOTH = [A, B]


def _plan(*steps: Planned, turns_each: int = 1, arms: int = 1) -> Plan:
    """Unit arrivals come evenly, at 1, 2, 3, .."""
    plan = Plan(map(float, count(1)), turns_each=turns_each, arms=arms)
    for step in steps:
        plan.step(step)
    return plan


@pytest.mark.parametrize(
    ("plan", "until_s", "due"),
    [
        (_plan(), 100.0, {A: 0, B: 0}),
        (_plan(Planned(0.0, 1.0, BOTH)), 0.5, {A: 0, B: 0}),
        (_plan(Planned(0.0, 1.0, BOTH)), 3.0, {A: 2, B: 1}),
        (_plan(Planned(0.0, 1.0, [B])), 3.0, {A: 0, B: 3}),
        (_plan(Planned(2.0, 1.0, BOTH)), 5.0, {A: 2, B: 1}),
        # A conversation has five turns, so it comes a fifth as often.
        (_plan(Planned(0.0, 5.0, BOTH), turns_each=5), 3.0, {A: 10, B: 5}),
        # Both strategies meet each conversation, and both with the same engine.
        (_plan(Planned(0.0, 1.0, BOTH), arms=2), 5.0, {A: 3, B: 2}),
        # From the step on, and not from when it was told.
        (_plan(Planned(0.0, 1.0, [A]), Planned(2.5, 2.0, [B])), 4.0, {A: 2, B: 3}),
        # What is due just as a step begins is the one's before.
        (_plan(Planned(0.0, 1.0, [A]), Planned(2.0, 1.0, [B])), 3.0, {A: 2, B: 1}),
        (_plan(Planned(0.0, 1.0, BOTH), Planned(3.0, 0.0, [])), 99.0, {A: 2, B: 1}),
        (_plan(Planned(0.0, 1.0, BOTH), Planned(3.0, 1.0, [A, C])), 5.0, {A: 3, B: 1, C: 1}),
    ],
)
def test_a_turn_is_due_of_whoever_has_its_share(
    plan: Plan, until_s: float, due: dict[str, int]
) -> None:
    plan.count(until_s)
    assert {name: plan.due(name) for name in due} == due


def test_counted_bit_by_bit_it_is_the_same() -> None:
    whole, piecemeal = (_seeded() for _ in range(2))
    whole.count(30.0)
    for tenth in range(301):
        piecemeal.count(tenth / 10)
    assert [piecemeal.due(of) for of in BOTH] == [whole.due(of) for of in BOTH]
    assert whole.due(A) + whole.due(B) > 200


def test_it_is_what_the_engines_themselves_are_told() -> None:
    plan = _seeded()
    plan.count(30.0)
    for share, name in enumerate(BOTH):
        engine = Steered(_unit_dues(), arms=2, turns_each=3)
        for from_s, rate in STEPS:
            engine.tell(Step(from_s, rate, share, len(BOTH)))
        assert plan.due(name) == 3 * len(list(engine.due_by(30.0)))


def test_the_rate_is_that_of_the_step_and_on_average_that_of_all() -> None:
    plan = _plan(Planned(1.0, 4.0, BOTH), Planned(3.0, 8.0, BOTH), Planned(4.0, 0.0, []))
    assert [plan.rate_at(s) for s in (0.5, 1.5, 3.5, 9.0)] == [0.0, 4.0, 8.0, 0.0]
    assert [plan.offered(s) for s in (0.0, 1.0, 2.0, 4.0, 8.0)] == [0.0, 0.0, 2.0, 4.0, 2.0]


def test_the_end_is_where_nothing_more_is_planned() -> None:
    plan = _plan(Planned(0.0, 1.0, BOTH))
    assert plan.ends_s is None
    plan.step(Planned(5.0, 0.0, []))
    assert plan.ends_s == 5.0
    plan.step(Planned(7.0, 1.0, [A]))
    assert plan.ends_s is None


STEPS = ((1.0, 5.0), (4.0, 20.0), (21.0, 3.0))


def _seeded() -> Plan:
    plan = Plan(_unit_dues(), turns_each=3, arms=2)
    for from_s, rate in STEPS:
        plan.step(Planned(from_s, rate, BOTH))
    return plan


def _unit_dues() -> Iterator[float]:
    return poisson(7, "live", rate=1.0)
