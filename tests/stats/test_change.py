"""Unchanged code raises no alarm, any change of a turn is seen, and the stage is named."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.record import FloatArray, Tolerance, TurnTimes
from harness.stats.change import ChangeFinding, judge_change
from harness.stats.strategies import TOLD
from tests.stats.times import EACH, ROUNDS, laid_out, weather

ANY = Tolerance()
TURNS = ROUNDS * EACH


def judged(
    now: TurnTimes,
    then: TurnTimes,
    tolerance: Tolerance = ANY,
    quantiles: Sequence[float] = TOLD,
) -> ChangeFinding:
    return judge_change(now, then, tolerance, quantiles, seed=1)


def with_more(stage: str, ms: float | FloatArray) -> TurnTimes:
    stages = weather()
    return laid_out({**stages, stage: stages[stage] + ms})


def blamed(found: ChangeFinding) -> list[str]:
    return [stage.stage for stage in found.stages]


BEFORE = laid_out(weather())


@given(st.integers(0, 2**32 - 1))
def test_the_same_turns_are_no_alarm(seed: int) -> None:
    turns = weather(seed)
    found = judged(laid_out(turns), laid_out(turns))
    assert (found.state, found.why, found.turns.total) == ("passed", "same", TURNS)
    assert (found.turns.slower, found.turns.faster) == (0, 0)
    assert (found.figures, found.stages) == ([], [])


@given(
    st.sampled_from(["confirm", "intent", "pay"]),
    st.integers(1, 10**7),
    st.integers(0, 2**32 - 1),
)
def test_whatever_makes_turns_slower_and_none_faster_is_a_regression(
    stage: str, us: int, seed: int
) -> None:
    more = np.zeros(TURNS)
    some = np.random.default_rng(seed).random(TURNS) < 0.02
    some[0] = True
    more[some] = us / 1000
    found = judged(with_more(stage, more), BEFORE)
    assert (found.state, found.why) == ("failed", "regressed")
    assert (found.turns.slower, found.turns.faster) == (int(np.count_nonzero(some)), 0)
    if us * np.count_nonzero(some) >= TURNS:
        assert found.stages[0].stage == stage


def test_one_percent_of_one_stage_is_seen_by_every_figure_and_blamed_on_it() -> None:
    found = judged(with_more("pay", 0.01 * weather()["pay"]), BEFORE)
    assert [figure.name for figure in found.figures] == ["p50", "p95", "p99", "mean"]
    assert all(figure.regressed for figure in found.figures)
    (stage,) = found.stages
    assert stage.stage == "pay"
    assert stage.critical.ms == pytest.approx(6, rel=0.2)
    assert stage.critical.lo_ms is not None and stage.critical.lo_ms > 5
    assert stage.critical_now_ms == pytest.approx(1.01 * stage.critical_then_ms, rel=1e-5)
    assert found.grown == [stage]


def test_where_a_few_rounds_cannot_tell_a_fact_decides_and_says_so() -> None:
    more = np.zeros(TURNS)
    more[7] = 30.0
    found = judged(with_more("pay", more), BEFORE)
    assert [(figure.name, figure.as_fact) for figure in found.figures if figure.regressed] == [
        ("mean", True)
    ]
    assert found.figures[-1].change.verdict == "cannot tell"


@pytest.mark.parametrize("rounds", [1, 4])
def test_below_5_rounds_facts_are_all_there_is(rounds: int) -> None:
    stages = {name: ms[: 40 * rounds] for name, ms in weather().items()}
    before = laid_out(stages, rounds=rounds)
    found = judged(laid_out({**stages, "pay": stages["pay"] + 1}, rounds=rounds), before)
    assert found.why == "regressed"
    mixed = stages["pay"] + np.where(np.arange(40 * rounds) % 2, 30, -20)
    assert judged(laid_out({**stages, "pay": mixed}, rounds=rounds), before).why == "cannot tell"


@pytest.mark.parametrize(
    ("share", "tolerance", "why"),
    [
        (0.01, Tolerance(5, "%"), "unchanged"),
        (0.01, Tolerance(50, "ms"), "unchanged"),
        (0.2, Tolerance(5, "%"), "regressed"),
        (0.2, Tolerance(50, "ms"), "regressed"),
        (-0.2, Tolerance(5, "%"), "improved"),
        (-0.2, Tolerance(50, "ms"), "improved"),
        (-0.01, Tolerance(5, "%"), "unchanged"),
        (-0.01, Tolerance(), "improved"),
    ],
)
def test_a_tolerance_is_of_the_response_time_in_percent_or_ms(
    share: float, tolerance: Tolerance, why: str
) -> None:
    found = judged(with_more("confirm", share * weather()["confirm"]), BEFORE, tolerance)
    assert found.why == why
    assert found.state == ("failed" if why == "regressed" else "passed")


def test_a_change_that_chance_may_have_made_cannot_be_told() -> None:
    luck = np.random.default_rng(5).normal(0, 40, TURNS)
    found = judged(with_more("confirm", luck), BEFORE)
    assert (found.state, found.why) == ("cannot tell", "cannot tell")
    assert found.turns.slower + found.turns.faster > 0.95 * TURNS
    assert not any(figure.as_fact for figure in found.figures)


def test_new_luck_of_equal_turns_is_hardly_ever_called_a_regression() -> None:
    alarms = [
        judged(laid_out(weather(seed)), laid_out(weather(seed + 1000))).state == "failed"
        for seed in range(60)
    ]
    assert sum(alarms) <= 4


def test_a_turn_that_fails_now_and_did_not_is_a_regression_however_fast_the_others_are() -> None:
    stages = weather()
    faster = {**stages, "pay": stages["pay"] / 2}
    found = judged(laid_out(faster, failed=[3, 4]), BEFORE, Tolerance(50, "%"))
    assert (found.why, found.state, found.turns.failing) == ("failing", "failed", 2)
    assert judged(laid_out(stages, failed=[3]), laid_out(stages, failed=[3])).why == "same"


def test_a_turn_that_failed_before_and_does_not_now_is_no_regression_and_hides_none() -> None:
    found = judged(BEFORE, laid_out(weather(), failed=[3]))
    assert (found.state, found.turns.mended, found.turns.slower) == ("passed", 1, 0)
    slower = judged(with_more("pay", 0.01 * weather()["pay"]), laid_out(weather(), failed=[3]))
    assert (slower.why, slower.turns.mended) == ("regressed", 1)
    assert all(figure.regressed for figure in slower.figures) and len(slower.figures) == 4
    assert blamed(slower) == ["pay"]
    # By as little as no interval tells: that one turn is mended makes none faster.
    more = np.zeros(TURNS)
    more[7] = 30.0
    fact = judged(with_more("pay", more), laid_out(weather(), failed=[3]))
    assert [figure.name for figure in fact.figures if figure.as_fact] == ["mean"]


def test_a_turn_that_fails_now_changes_no_stage_of_the_others() -> None:
    found = judged(laid_out(weather(), failed=[3]), BEFORE)
    assert (found.why, found.stages) == ("failing", [])
    assert [figure.change.ms for figure in found.figures] == [0, 0, 0, 0]


def failing(ms: float | FloatArray, at: Sequence[int] = range(0, TURNS, 20)) -> TurnTimes:
    """The turns at these places fail, so much later."""
    more = np.zeros(TURNS)
    more[list(at)] = ms
    stages = weather()
    return laid_out({**stages, "pay": stages["pay"] + more}, failed=at)


@pytest.mark.parametrize(
    ("ms", "tolerance", "why"),
    [
        (90_000.0, ANY, "regressed"),
        (0.001, ANY, "regressed"),
        (90_000.0, Tolerance(50, "%"), "regressed"),
        (100.0, Tolerance(50, "%"), "unchanged"),
        (100.0, Tolerance(99, "ms"), "regressed"),
        (100.0, Tolerance(100, "ms"), "unchanged"),
        (-100.0, ANY, "improved"),
    ],
)
def test_turns_that_fail_both_times_and_take_longer_to_are_a_regression(
    ms: float, tolerance: Tolerance, why: str
) -> None:
    found = judged(failing(ms), failing(0.0), tolerance)
    assert (found.why, found.turns.failed, found.turns.slower) == (why, 20, 0)
    assert found.figures[-1].name == "mean time to fail"
    assert found.figures[-1].change.ms == pytest.approx(ms)
    assert [stage.stage for stage in found.failed_stages] == ["pay"]


def test_of_failures_that_chance_may_have_made_slower_nothing_is_told() -> None:
    luck = np.random.default_rng(5).normal(20, 900, 20)
    assert judged(failing(luck), failing(0.0)).why == "cannot tell"


def test_where_no_percentile_can_be_told_slower_turns_are_not_passed_over() -> None:
    few = {"pay": np.array([100.0, 200.0, 300.0])}
    slow = {"pay": few["pay"] + 1}
    found = judged(laid_out(slow, rounds=1), laid_out(few, rounds=1, failed=[0]))
    assert found.turns.slower == 2
    assert [(figure.name, figure.as_fact) for figure in found.figures] == [("mean", True)]


def test_all_figures_are_of_the_turns_that_were_answered_both_times() -> None:
    half = list(range(0, TURNS, 2))
    found = judged(
        laid_out({**weather(), "pay": weather()["pay"] + 1}, failed=half),
        laid_out(weather(), failed=half[1:]),
    )
    assert (found.turns.both, found.turns.failing, found.turns.failed) == (200, 1, 199)
    assert [figure.name for figure in found.figures] == ["p50", "p95", "mean", "mean time to fail"]
    assert all(figure.change.ms == pytest.approx(1) for figure in found.figures)


def test_of_nothing_that_was_answered_both_times_no_figure_is_told() -> None:
    found = judged(BEFORE, laid_out(weather(), failed=range(TURNS)))
    assert (found.state, found.turns.mended) == ("passed", TURNS)
    assert (found.figures, found.stages) == ([], [])


@pytest.mark.parametrize(("us", "why"), [(5, "unchanged"), (6, "regressed")])
def test_what_rounding_may_make_is_told_to_the_microsecond(us: int, why: str) -> None:
    more = np.full(TURNS, us / 1000)
    more[0] = -0.001
    found = judged(with_more("intent", more), BEFORE)
    assert (found.why, found.turns.slower > 0) == (why, us > 5)


@pytest.mark.parametrize(
    ("ms", "tolerance", "why"),
    [
        (5.0, Tolerance(5, "ms"), "unchanged"),
        (5.001, Tolerance(5, "ms"), "regressed"),
        (0.3, Tolerance(0.3, "ms"), "unchanged"),
        (0.301, Tolerance(0.3, "ms"), "regressed"),
    ],
)
def test_what_lies_on_the_limit_is_within_it(ms: float, tolerance: Tolerance, why: str) -> None:
    assert judged(with_more("pay", ms), BEFORE, tolerance).why == why


def test_other_turns_are_not_compared() -> None:
    fewer = laid_out({name: ms[:-ROUNDS] for name, ms in weather().items()})
    with pytest.raises(ValueError, match="not the same turns"):
        judged(fewer, BEFORE)
