"""Budgets and savings are decided by whole intervals, and the largest stage is named first."""

import math

import numpy as np
import pytest
from msgspec import structs

from harness.record import Columns, Tolerance
from harness.stats.checks import BudgetFinding, judge_budgets, judge_saving
from harness.stats.slo import read_slos
from tests.stats.by_hand import columns, flow, spans_of
from tests.stats.times import EACH, ROUNDS, laid_out, weather

TURNS = ROUNDS * EACH
STAGES = weather()
BEFORE = laid_out(STAGES)


def hundred(failing: int = 0) -> Columns:
    """1 to 100 ms of payment after 10 ms of reading; the slowest failed."""
    rows, spans = [], []
    for ms in range(1, 101):
        row = flow(ms + 10.0, conversation=ms, due_s=ms / 10)
        if ms > 100 - failing:
            row = structs.replace(row, outcome="error")
        rows.append(row)
        spans += spans_of(row, intent=10, pay=ms)
    return columns(rows, spans)


def judged(text: str, of: Columns | None = None) -> BudgetFinding:
    (found,) = judge_budgets(hundred() if of is None else of, "base", read_slos(text))
    return found


@pytest.mark.parametrize(
    ("text", "state"),
    [("p50<=100ms", "passed"), ("p50<=20ms", "failed"), ("p50<=60ms", "cannot tell"),
     ("p99<1s", "cannot tell"), ("pay p50<100ms", "passed"), ("errors<50%", "passed"),
     ("errors<0.1%", "cannot tell")],
)  # fmt: skip
def test_a_budget_is_kept_or_missed_by_its_whole_interval(text: str, state: str) -> None:
    assert judged(text).state == state


def test_the_stages_of_the_turns_about_a_percentile_add_up_to_it() -> None:
    found = judged("p50<1s")
    assert [part.stage for part in found.blame] == ["pay", "intent"]
    assert math.fsum(part.ms for part in found.blame) == found.slo.figure == 60
    assert judged("p95<1s").blame[0].ms > judged("p50<1s").blame[0].ms


@pytest.mark.parametrize("text", ["p99<1s", "pay p50<1s", "errors<50%"])
def test_what_has_no_percentile_of_turns_has_no_stages(text: str) -> None:
    assert judged(text).blame == []


def test_an_infinite_percentile_has_no_stages_and_misses_its_budget() -> None:
    found = judged("p50<1s", hundred(failing=80))
    assert (found.state, found.blame) == ("failed", [])


def test_calls_that_failed_are_told_by_stage() -> None:
    found = judged("errors<5%", hundred(failing=40))
    assert (found.state, found.failed_in) == ("failed", [("pay", 40)])
    assert judged("intent errors<5%", hundred(failing=40)).failed_in == []


def test_of_several_strategies_only_the_named_one_is_judged() -> None:
    rows = [flow(10.0, conversation=n, variant=name) for name in ("base", "warm")
            for n in range(50)]  # fmt: skip
    slow = [structs.replace(row, response_ms=5000.0) if row.variant == "warm" else row
            for row in rows]  # fmt: skip
    both = columns(slow)
    assert judged("p50<1s", both).state == "passed"
    (warm,) = judge_budgets(both, "warm", read_slos("p50<1s"))
    assert (warm.state, warm.slo.count) == ("failed", 50)


SAVED = laid_out({**STAGES, "confirm": STAGES["confirm"] - 300})


@pytest.mark.parametrize(
    ("least", "state"),
    [
        (Tolerance(200, "ms"), "passed"),
        (Tolerance(300, "ms"), "passed"),
        (Tolerance(500, "ms"), "failed"),
        (Tolerance(5, "%"), "passed"),
        (Tolerance(9, "%"), "cannot tell"),
        (Tolerance(40, "%"), "failed"),
        (Tolerance(0, "ms"), "passed"),
    ],
)
def test_a_saving_is_enough_where_its_whole_interval_is(least: Tolerance, state: str) -> None:
    found = judge_saving(SAVED, BEFORE, least, 0.5, seed=1)
    assert found.state == state
    assert found.change is not None
    assert found.change.ms == pytest.approx(-300, abs=60)
    assert found.parts[0].stage == "confirm"
    assert (found.rounds_needed is None) or state == "cannot tell"


def test_an_exact_saving_is_enough_for_itself() -> None:
    flat = {"pay": np.full(TURNS, 900.0)}
    found = judge_saving(
        laid_out({"pay": flat["pay"] - 200}), laid_out(flat), Tolerance(200, "ms"), 0.5, seed=1
    )
    assert found.state == "passed"


def test_a_flow_saves_nothing_against_itself() -> None:
    assert judge_saving(BEFORE, BEFORE, Tolerance(1, "ms"), 0.5, seed=1).state == "failed"


def test_where_ours_never_answer_nothing_is_saved_and_where_theirs_do_not_nothing_tells() -> None:
    dead = laid_out(STAGES, failed=range(TURNS))
    least = Tolerance(1, "ms")
    ours = judge_saving(dead, BEFORE, least, 0.5, seed=1)
    assert (ours.state, ours.change, ours.never) == ("failed", None, (True, False))
    theirs = judge_saving(BEFORE, dead, least, 0.5, seed=1)
    assert (theirs.state, theirs.change, theirs.never) == ("cannot tell", None, (False, True))
    assert judge_saving(dead, dead, least, 0.5, seed=1).state == "cannot tell"


def test_too_few_turns_tell_no_saving() -> None:
    few = laid_out({"pay": np.full(50, 900.0)})
    found = judge_saving(few, few, Tolerance(1, "ms"), 0.99, seed=1)
    assert (found.state, found.change, found.ours_ms) == ("cannot tell", None, None)
