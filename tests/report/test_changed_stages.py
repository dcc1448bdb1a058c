"""The stages of a change are named by what they took themselves, whatever others did."""

import numpy as np
import pytest

from harness.record import Check, FloatArray, Tolerance, TurnTimes
from harness.report.checks import checked_change
from tests.report.test_change import FLOW, STAGES, TURNS, change, now
from tests.stats.times import ROUNDS, laid_out


def test_a_trade_names_the_stage_that_grew_and_what_hides_it() -> None:
    found = change(now(pay=0.01, intent=-7.0))
    assert found.state == "failed"
    assert found.sentence == (
        "conversation/prewarm regressed against its baseline: pay takes longer, +6.2 ms a turn "
        "[5.8, 6.4] (615 -> 621); other stages take less: intent, -7.0 ms a turn [-7.0, -7.0] "
        "(1035 -> 1028); 10 of 400 turns slower, 388 faster; if that trade is meant, the baseline "
        "can be made anew: pytest --tollbench-update"
    )
    assert [part.stage for part in found.blame] == ["pay"]
    # What is judged is the stage, and so is what the limit is of.
    assert found.ms == found.blame[0].ms
    of_stage = change(now(pay=0.03, intent=-20.0), Tolerance(2, "%"))
    assert ", by more than 2%: pay takes longer, +18 ms" in of_stage.sentence
    assert of_stage.limit_ms == pytest.approx(0.02 * 615, abs=0.1)


def test_a_stage_that_is_waited_for_and_takes_no_longer_says_so() -> None:
    hidden = laid_out(STAGES, {"session": np.full(TURNS, 300.0)})
    shown = laid_out({**STAGES, "session": np.full(TURNS, 300.0)})
    slower = checked_change(FLOW, shown, hidden, Tolerance(), seed=1).sentence
    assert slower.endswith(
        "to blame: session, +300 ms a turn [300, 300] (0 -> 300) on the critical path, "
        "though it takes no longer"
    )
    faster = checked_change(FLOW, hidden, shown, Tolerance(), seed=1)
    assert faster.state == "passed"
    assert "(300 -> 0) on the critical path, though it takes no less" in faster.sentence


def test_the_stage_that_grew_comes_before_one_that_is_only_waited_for() -> None:
    rng = np.random.default_rng(2)
    one, other = (rng.integers(low, low + 200, TURNS).astype(np.float64) for low in (300, 280))

    def whole(confirm: FloatArray, pay: float) -> TurnTimes:
        first = confirm >= other
        on = {"confirm": np.where(first, confirm, 0.0), "notify": np.where(first, 0.0, other)}
        off = {"confirm": confirm - on["confirm"], "notify": other - on["notify"]}
        return laid_out({**on, "pay": np.full(TURNS, pay)}, off)

    told = checked_change(FLOW, whole(one - 20, 215.0), whole(one, 200.0), Tolerance(), seed=1)
    assert "; to blame: pay, +15 ms a turn [15, 15] (200 -> 215), notify, +" in told.sentence
    assert told.sentence.endswith(" on the critical path, though it takes no longer")
    assert " ms a turn net (" in told.sentence
    assert [part.stage for part in told.blame] == ["pay", "notify", "confirm"]


def test_a_stage_that_overtakes_another_is_told_by_what_it_grew() -> None:
    ms = [np.full(TURNS, of) for of in (0.0, 90.0, 100.0, 110.0)]
    then = laid_out({"a": ms[2], "b": ms[0]}, {"b": ms[1]})
    found = checked_change(
        FLOW, laid_out({"a": ms[0], "b": ms[3]}, {"a": ms[2]}), then, Tolerance(), seed=1
    )
    assert found.sentence.endswith("; to blame: b, +20 ms a turn [20, 20] (90 -> 110)")
    assert (found.blame[0].stage, found.blame[0].ms) == ("b", 20)


def test_what_came_on_the_critical_path_with_a_stage_that_grew_is_told() -> None:
    ms = np.full(TURNS, 300.0)
    found = checked_change(
        FLOW,
        laid_out({**STAGES, "session": ms + 1}),
        laid_out(STAGES, {"session": ms}),
        Tolerance(),
        seed=1,
    )
    assert found.sentence.endswith(
        "to blame: session, +1.0 ms a turn [1.0, 1.0] (300 -> 301), and +300 ms a turn of what it "
        "took before on the critical path"
    )


def test_a_stage_by_another_name_is_told() -> None:
    renamed = laid_out(STAGES, {"reserve": np.full(TURNS, 400.0)})
    assert change(renamed).sentence == (
        "conversation/prewarm is as fast as its baseline; no turn is slower or faster; stage "
        "session is named reserve now; the baseline can be made anew: pytest --tollbench-update"
    )


def test_a_call_by_another_name_that_takes_something_else_is_not_compared() -> None:
    found = change(laid_out(STAGES, {"reserve": np.full(TURNS, 401.0)}), note="httpx 1 -> 2")
    assert (found.state, found.ms, found.blame) == ("failed", None, [])
    assert found.sentence == (
        "conversation/prewarm: stage session is no longer called and reserve is new: draws hang on "
        "a stage's name, so these turns did not meet the same luck; name it as it was, or make the "
        "baseline anew with pytest --tollbench-update; note: httpx 1 -> 2"
    )
    both = laid_out({"ask": STAGES["intent"] + 1, "buy": STAGES["pay"]})
    then = laid_out({"intent": STAGES["intent"], "pay": STAGES["pay"] + 2})
    assert checked_change(FLOW, both, then, Tolerance(), seed=1).sentence.startswith(
        "conversation/prewarm: stages intent and pay are no longer called and ask and buy are new: "
    )


def cut(parse_ms: float, tolerance: Tolerance | None = None) -> Check:
    """A local step that becomes two, the first of which takes so long."""
    whole, read, parse = (np.full(TURNS, ms) for ms in (100.0, 40.0, parse_ms))
    return checked_change(
        FLOW,
        laid_out({**STAGES, "parse": parse, "read": read}, local=("parse", "read")),
        laid_out({**STAGES, "work": whole}, local=("work",)),
        tolerance or Tolerance(),
        seed=1,
    )


def test_stages_that_are_cut_otherwise_are_told_and_judged_as_a_whole() -> None:
    assert cut(60.0).state == "passed"
    assert cut(60.0).sentence == (
        "conversation/prewarm is as fast as its baseline; no turn is slower or faster; stages are "
        "cut otherwise: parse +60 ms, read +40 ms, work -100 ms a turn; the baseline can be made "
        "anew: pytest --tollbench-update"
    )
    within = cut(64.0, Tolerance(5, "%"))
    assert within.state == "passed"
    assert within.sentence.startswith(f"{FLOW} is as fast as its baseline within 5%: p50 ")
    assert within.sentence.endswith(
        "400 of 400 turns slower, none faster; stages are cut otherwise: parse +64 ms, read +40 ms,"
        " work -100 ms a turn, +4.0 ms on the critical path; the baseline can be made anew: "
        "pytest --tollbench-update"
    )
    longer = cut(70.0, Tolerance(5, "%"))
    assert (longer.state, longer.limit_ms) == ("failed", 5)
    assert longer.ms == pytest.approx(10)
    assert longer.sentence == (
        "conversation/prewarm regressed against its baseline, by more than 5%: stages are cut "
        "otherwise and take longer in all, +10 ms a turn [10, 10] (100 -> 110): parse +70 ms, "
        "read +40 ms, work -100 ms a turn; 400 of 400 turns slower, none faster; if that is meant, "
        "the baseline can be made anew: pytest --tollbench-update"
    )


@pytest.mark.parametrize("rounds", [4, ROUNDS])
def test_a_stage_that_may_have_grown_is_named_before_a_gain_is(rounds: int) -> None:
    some = np.where(np.arange(TURNS) == 7, 1.0, -50.0)
    more = np.where(np.arange(TURNS) == 10, 30_000.0, -0.2)
    off = {"session": np.full(TURNS, 400.0) + more}
    now = laid_out({**STAGES, "intent": STAGES["intent"] + some}, off, rounds=rounds)
    then = laid_out(STAGES, {"session": np.full(TURNS, 400.0)}, rounds=rounds)
    found = checked_change(FLOW, now, then, Tolerance(), seed=1)
    assert found.state == "cannot tell"
    assert found.ms == pytest.approx(74.8, abs=0.1)
    assert found.sentence.startswith(
        f"cannot tell whether {FLOW} regressed against its baseline: off the critical path session "
        "is busy for longer, +75 ms a turn"
    )
    assert (
        "; it is in 1 of 400 turns, and for less in 399; 1 of 400 turns slower, 399 faster; "
        in (found.sentence)
    )
    would = (
        "below 5 rounds nothing has an interval: take 5 or more" if rounds < 5 else "more rounds"
    )
    assert would in found.sentence


@pytest.mark.parametrize("session", [400.0, 404.0])
def test_turns_that_fail_as_before_are_told_beside_stages_that_changed(session: float) -> None:
    at = range(0, TURNS, 20)
    then = laid_out(STAGES, {"session": np.full(TURNS, 400.0)}, failed=at)
    name = "reserve" if session == 400 else "session"
    now = laid_out(STAGES, {name: np.full(TURNS, session)}, failed=at)
    told = checked_change(FLOW, now, then, Tolerance(), seed=1).sentence
    assert "; 20 of 400 turns fail, as before" in told
