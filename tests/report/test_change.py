"""What changed since a baseline is one sentence that names the flow, the interval and the stage to
blame, and contradicts no figure in it."""

import numpy as np
import pytest

from harness.record import Check, Tolerance, TurnTimes
from harness.report.change_words import from_to, signed
from harness.report.checks import checked_change
from tests.stats.times import EACH, ROUNDS, laid_out, weather

FLOW = "conversation/prewarm"
TURNS = ROUNDS * EACH
STAGES = weather()
BEFORE = laid_out(STAGES, {"session": np.full(TURNS, 400.0)})


def now(pay: float = 0.0, session: float = 0.0, **more: float) -> TurnTimes:
    stages = {**STAGES, "pay": STAGES["pay"] * (1 + pay)}
    for stage, ms in more.items():
        stages[stage] = stages[stage] + ms
    return laid_out(stages, {"session": np.full(TURNS, 400.0 + session)})


def change(times: TurnTimes, tolerance: Tolerance | None = None, note: str = "") -> Check:
    notes = [note] if note else []
    return checked_change(FLOW, times, BEFORE, tolerance or Tolerance(), seed=1, notes=notes)


def test_as_before() -> None:
    found = change(now(), note="httpx 1 -> 2")
    assert found == Check(
        flow=FLOW,
        asked="as fast as its baseline",
        state="passed",
        sentence=f"{FLOW} is as its baseline: all 400 turns as before, to the microsecond",
        limit_ms=0.0,
    )


def test_a_regression_names_flow_figures_and_the_stage_to_blame() -> None:
    found = change(now(pay=0.01), note="httpx 1 -> 2")
    assert found.state == "failed"
    assert found.sentence == (
        "conversation/prewarm regressed against its baseline: "
        "p50 3331 -> 3338 ms, +6.6 ms [4.8, 7.0]; so did p95, p99 and mean; "
        "400 of 400 turns slower, none faster; "
        "to blame: pay, +6.2 ms a turn [5.8, 6.4] (615 -> 621); note: httpx 1 -> 2"
    )
    assert found.blame[0].stage == "pay"
    assert found.ms is not None and found.lo_ms is not None and found.hi_ms is not None
    assert found.lo_ms <= found.ms <= found.hi_ms
    assert found.limit_ms == 0


def test_a_tolerance_in_percent_is_told_with_percents() -> None:
    found = change(now(pay=0.5), Tolerance(5, "%"))
    assert found.asked == "as fast as its baseline within 5%"
    assert ", by more than 5%; so did " in found.sentence
    assert "%" in found.sentence.split(" ms, +")[1].split(";")[0]
    assert found.limit_ms == pytest.approx(3331 * 0.05, abs=0.1)
    within = change(now(pay=0.01), Tolerance(5, "%"))
    assert within.state == "passed"
    assert within.sentence.startswith(f"{FLOW} is as fast as its baseline within 5%: p50 3331 -> ")
    # Whoever slows down by little, again and again, is not told to forget it each time.
    assert "made anew" not in within.sentence


def test_several_stages_are_named_the_largest_first_and_small_ones_left_out() -> None:
    told = change(now(pay=0.05, intent=20.0, confirm=0.5)).sentence
    blame = told.split("to blame: ")[1]
    assert blame.index("pay") < blame.index("intent")
    assert "confirm" not in blame


def test_a_fact_that_no_interval_tells_is_called_one() -> None:
    pay = STAGES["pay"].copy()
    pay[7] += 30
    found = change(laid_out({**STAGES, "pay": pay}, {"session": np.full(TURNS, 400.0)}))
    assert "for certain in these turns, of which none is faster; 1 of 400" in found.sentence


def test_work_off_the_critical_path_is_told_before_a_turn_is_slower() -> None:
    found = change(now(session=4))
    assert (found.state, found.blame[0].stage) == ("failed", "session")
    assert found.sentence == (
        "conversation/prewarm regressed against its baseline: off the critical path session is "
        "busy for longer, +4.0 ms a turn [4.0, 4.0] (400 -> 404); no turn is slower for it yet"
    )


def test_a_stage_that_is_called_more_often_says_so() -> None:
    times = laid_out(STAGES, {"session": np.where(np.arange(TURNS) < 100, 0.0, 400.0)})
    told = checked_change(FLOW, BEFORE, times, Tolerance(), seed=1).sentence
    assert "(300 -> 400; 0.75 -> 1 calls)" in told


def test_turns_that_fail_now_are_counted() -> None:
    stages = {**STAGES, "pay": STAGES["pay"] / 2}
    found = change(laid_out(stages, {"session": np.full(TURNS, 400.0)}, failed=[1, 2]))
    assert found.state == "failed"
    assert found.sentence == (
        "conversation/prewarm regressed against its baseline: 2 of 400 turns fail, and did not "
        "before; none of 398 turns that were answered both times slower, 398 faster"
    )


def of_failing(*, now_ms: float = 0.0, mended: bool = False) -> Check:
    """Twenty turns that fail both times; of the last one, only then."""
    at = range(0, TURNS, 20)
    more = np.zeros(TURNS)
    more[list(at)] = now_ms
    return checked_change(
        FLOW,
        laid_out({**STAGES, "pay": STAGES["pay"] + more}, failed=at[:-1] if mended else at),
        laid_out(STAGES, failed=at),
        Tolerance(),
        seed=1,
    )


def test_turns_that_fail_as_before_are_told() -> None:
    assert of_failing().sentence == (
        f"{FLOW} is as its baseline: all 400 turns as before, to the microsecond; "
        "20 of 400 turns fail, as before"
    )


def test_turns_that_take_longer_to_fail_are_a_regression_and_their_stage_is_named() -> None:
    found = of_failing(now_ms=90_000)
    assert found.state == "failed" and found.ms == pytest.approx(90_000)
    assert found.sentence.startswith(
        f"{FLOW} regressed against its baseline: mean time to fail 3565 -> 93565 ms, +90000 ms ["
    )
    assert "none of 380 turns that were answered both times slower, none faster; " in found.sentence
    assert found.sentence.endswith(
        "20 of 20 turns that failed both times fail later, none earlier; "
        "in turns that failed: pay, +90000 ms a turn [90000, 90000] (606 -> 90606)"
    )
    assert [part.stage for part in found.blame] == ["pay"]


def test_failures_of_too_few_rounds_say_so() -> None:
    more = np.zeros(TURNS)
    more[:4] = [500, -20, 400, -3]
    then, now = (
        laid_out({**STAGES, "pay": STAGES["pay"] + ms}, failed=range(4)) for ms in (0.0, more)
    )
    found = checked_change(FLOW, now, then, Tolerance(), seed=1)
    assert found.state == "cannot tell"
    assert "regressed against its baseline: mean time to fail" in found.sentence
    assert "2 of 4 turns that failed both times fail later, 2 earlier; " in found.sentence
    assert found.sentence.endswith("turns failed in fewer than 5 rounds, which have no interval")


def test_turns_that_are_mended_are_told() -> None:
    found = of_failing(mended=True)
    assert found.state == "passed"
    assert (
        "none of 380 turns that were answered both times slower, none faster; "
        "1 of 400 turns failed before, and does not now; 19 of 400 turns fail, as before; "
    ) in found.sentence


def test_an_improvement_says_that_the_baseline_can_be_made_anew() -> None:
    found = change(now(pay=-0.1))
    assert found.state == "passed"
    assert found.sentence.startswith(f"{FLOW} is faster than its baseline: p50 ")
    assert "by stage: pay, -6" in found.sentence
    assert found.sentence.endswith("the baseline can be made anew: pytest --tollbench-update")
    less = change(now(session=-4))
    assert less.state == "passed"
    assert "no turn is slower or faster, though its stages changed" in less.sentence


def test_a_gain_that_is_not_certain_is_not_called_as_fast_within_anything() -> None:
    few = {name: ms[:80] for name, ms in STAGES.items()}
    fast = {**few, "confirm": few["confirm"] - 500}
    found = checked_change(
        FLOW, laid_out(fast, rounds=4), laid_out(few, rounds=4), Tolerance(), seed=1
    )
    assert found.state == "passed"
    assert found.sentence.startswith(f"no turn of {FLOW} is slower than in its baseline: p50 ")
    assert "within" not in found.sentence


def test_what_cannot_be_told_says_what_would_tell() -> None:
    luck = np.random.default_rng(5).normal(3, 40, TURNS)
    mixed = {**STAGES, "confirm": STAGES["confirm"] + luck}
    found = change(laid_out(mixed, {"session": np.full(TURNS, 400.0)}))
    assert found.state == "cannot tell"
    assert found.sentence.startswith(f"cannot tell whether {FLOW} regressed against its baseline: ")
    assert " turns slower, " in found.sentence
    few = {name: ms[:80] for name, ms in STAGES.items()}
    other = {**few, "pay": few["pay"] + luck[:80]}
    unknown = checked_change(
        FLOW, laid_out(other, rounds=4), laid_out(few, rounds=4), Tolerance(), seed=1
    )
    assert unknown.sentence.endswith("below 5 rounds nothing has an interval: take 5 or more")


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        (3349.2, 3355.1, "3349 -> 3355"),
        (592.013, 597.933, "592 -> 598"),
        (14.736, 14.883, "14.74 -> 14.88"),
        (2827.021, 2827.039, "2827.021 -> 2827.039"),
        (400, 400, "400 -> 400"),
        (0, 5.25, "0 -> 5"),
        (10.0, 10.4, "10.0 -> 10.4"),
    ],
)
def test_a_change_is_written_with_the_decimals_that_show_it(
    then: float, now: float, told: str
) -> None:
    assert from_to(then, now) == told


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ((5.92, 5.71, 6.13), "+5.9 ms [5.7, 6.1]"),
        ((0.147, 0.065, 0.233), "+0.15 ms [0.07, 0.23]"),
        ((-331.4, -365.1, -296.9), "-331 ms [-365, -297]"),
        ((0.0, -61.7, 0.002), "+0 ms [-62, 0]"),
        ((0.0, 0.0, 0.0), "+0 ms [0, 0]"),
        ((0.001, None, None), "+0.001 ms"),
    ],
)
def test_a_change_has_two_digits_and_its_bounds_as_many_decimals(
    figures: tuple[float, float | None, float | None], told: str
) -> None:
    assert signed(*figures) == told
