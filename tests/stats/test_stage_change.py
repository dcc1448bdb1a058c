"""A stage that takes longer is seen on the critical path and off it, whatever else gains, and no
other is blamed for it."""

import numpy as np
import pytest

from harness.record import FloatArray, Tolerance, TurnTimes
from tests.stats.test_change import ANY, BEFORE, TURNS, judged
from tests.stats.times import ROUNDS, laid_out, weather

HIDDEN = {"session": np.full(TURNS, 400.0)}


def off_by(ms: float | FloatArray, tolerance: Tolerance, more: float | FloatArray = 0.0) -> str:
    stages = weather()
    now = laid_out({**stages, "pay": stages["pay"] + more}, {"session": HIDDEN["session"] + ms})
    found = judged(now, laid_out(stages, HIDDEN), tolerance)
    if found.grown:
        assert [stage.stage for stage in found.grown] == ["session"]
    return found.why


@pytest.mark.parametrize(
    ("ms", "tolerance", "why"),
    [
        (4.0, ANY, "grown"),
        (0.001, ANY, "grown"),
        (4.0, Tolerance(1, "%"), "unchanged"),
        (4.0, Tolerance(0.9, "%"), "grown"),
        (4.0, Tolerance(4, "ms"), "unchanged"),
        (4.0, Tolerance(3, "ms"), "grown"),
        (-4.0, ANY, "unchanged"),
    ],
)
def test_work_that_grows_off_the_critical_path_is_seen_before_a_turn_is_slower(
    ms: float, tolerance: Tolerance, why: str
) -> None:
    assert off_by(ms, tolerance) == why


def test_it_is_seen_where_turns_round_to_other_microseconds_too() -> None:
    rounding = np.where(np.arange(TURNS) % 2, 0.001, -0.001)
    assert off_by(4.0, ANY, rounding) == "grown"
    assert off_by(0.0, ANY, rounding) == "unchanged"


@pytest.mark.parametrize("rounds", [4, ROUNDS])
def test_no_gain_of_the_whole_makes_up_for_a_stage_that_grew(rounds: int) -> None:
    assert off_by(4.0, ANY, -50.0) == "grown"
    stages = weather()
    traded = {**stages, "pay": stages["pay"] * 1.01, "intent": stages["intent"] - 50}
    found = judged(laid_out(traded, rounds=rounds), laid_out(stages, rounds=rounds))
    assert (found.state, found.why) == ("failed", "grown")
    assert [stage.stage for stage in found.grown] == ["pay"]
    assert not found.grown[0].off_the_path
    within = judged(laid_out(traded), laid_out(stages), Tolerance(2, "%"))
    assert (within.state, within.grown) == ("passed", [])


def test_a_stage_that_may_have_grown_by_chance_has_not() -> None:
    stages = weather()
    luck = np.random.default_rng(7).normal(0.5, 20, TURNS)
    now = laid_out({**stages, "pay": stages["pay"] + luck, "intent": stages["intent"] - 100})
    assert judged(now, BEFORE).why == "improved"
    sure = laid_out({**stages, "pay": stages["pay"] + luck + 9, "intent": stages["intent"] - 100})
    assert judged(sure, BEFORE).why == "grown"


def beside(pay: float, risk: float, serial: bool = False) -> TurnTimes:
    """Two stages at once, of which turns wait for the longer one; or one after the other."""
    stages = {name: np.full(TURNS, ms) for name, ms in (("pay", pay), ("risk", risk))}
    if serial:
        return laid_out({**weather(), **stages})
    shorter = "pay" if pay < risk else "risk"
    return laid_out({**weather(), **stages, shorter: np.zeros(TURNS)}, {shorter: stages[shorter]})


def test_a_stage_has_not_grown_where_another_gets_faster_beside_it() -> None:
    found = judged(beside(200.0, 300.0), beside(400.0, 300.0))
    assert (found.why, found.grown) == ("improved", [])
    # Turns wait for the other one now, which takes no longer.
    (risk,) = [stage for stage in found.stages if stage.stage == "risk"]
    assert (risk.critical.ms, risk.busy.ms, risk.only_moved) == (300, 0, True)


def test_who_overtakes_another_is_to_blame_for_what_it_grew() -> None:
    found = judged(beside(400.0, 300.0), beside(200.0, 300.0))
    assert (found.why, found.stages[0].stage) == ("regressed", "pay")
    assert (found.stages[0].critical.ms, found.stages[0].own_ms) == (400, 200)
    assert [stage.stage for stage in found.grown] == ["pay"]


def test_a_stage_that_moves_on_or_off_the_critical_path_has_not_grown() -> None:
    moved_on = judged(beside(400.0, 300.0, serial=True), beside(400.0, 300.0))
    assert (moved_on.why, moved_on.stages[0].stage, moved_on.grown) == ("regressed", "risk", [])
    moved_off = judged(beside(400.0, 300.0), beside(400.0, 300.0, serial=True))
    assert (moved_off.why, moved_off.grown) == ("improved", [])


def test_what_came_on_the_critical_path_is_net_of_what_went_off_it_and_comes_last() -> None:
    rng = np.random.default_rng(2)
    one, other = (rng.integers(low, low + 200, TURNS).astype(np.float64) for low in (300, 280))

    def whole(confirm: FloatArray, pay: float) -> TurnTimes:
        first = confirm >= other
        on = {"confirm": np.where(first, confirm, 0.0), "notify": np.where(first, 0.0, other)}
        off = {"confirm": confirm - on["confirm"], "notify": other - on["notify"]}
        return laid_out({**on, "pay": np.full(TURNS, pay)}, off)

    found = judged(whole(one - 20, 215.0), whole(one, 200.0))
    assert (found.why, [stage.stage for stage in found.grown]) == ("regressed", ["pay"])
    pay, notify, confirm = found.stages
    assert (pay.stage, pay.own_ms, pay.only_moved) == ("pay", 15, False)
    assert notify.only_moved and 0 < notify.own_ms < notify.critical.ms
    assert (confirm.stage, confirm.own_ms) == ("confirm", -20)
    whole_ms = sum(stage.critical.ms for stage in found.stages)
    assert sum(stage.own_ms for stage in found.stages) == pytest.approx(whole_ms)


def test_what_a_stage_grew_and_what_came_with_it_on_the_critical_path_are_two_things() -> None:
    found = judged(beside(400.0, 301.0, serial=True), beside(400.0, 300.0))
    (risk,) = found.stages
    assert (risk.critical.ms, risk.own_ms, risk.net_ms) == (301, 1, 300)


def a_turn_faster(more: FloatArray, rounds: int) -> TurnTimes:
    """One turn is a microsecond faster, and what a stage does off the path takes so much longer."""
    stages = weather()
    stages["intent"][5] -= 0.001
    return laid_out(stages, {"session": HIDDEN["session"] + more}, rounds=rounds)


@pytest.mark.parametrize("rounds", [4, ROUNDS])
def test_growth_off_the_critical_path_is_a_fact_while_no_turn_is_slower(rounds: int) -> None:
    more = np.zeros(TURNS)
    more[[10, 150, 60]] = [30_000, 30_000, -0.2]
    found = judged(a_turn_faster(more, rounds), laid_out(weather(), HIDDEN, rounds=rounds))
    assert (found.turns.slower, found.turns.faster) == (0, 1)
    assert (found.why, [stage.stage for stage in found.grown]) == ("grown", ["session"])


@pytest.mark.parametrize("rounds", [4, ROUNDS])
@pytest.mark.parametrize("gain", [0.0, -50.0])
def test_growth_that_is_neither_certain_nor_a_fact_is_not_passed_over(
    rounds: int, gain: float
) -> None:
    stages = weather()
    some = np.where(np.arange(TURNS) == 7, 1.0, gain)
    more = np.where(np.arange(TURNS) == 10, 30_000.0, -0.2)
    now = laid_out(
        {**stages, "intent": stages["intent"] + some},
        {"session": HIDDEN["session"] + more},
        rounds=rounds,
    )
    found = judged(now, laid_out(stages, HIDDEN, rounds=rounds), Tolerance(1, "%"))
    assert (found.state, found.why, found.grown) == ("cannot tell", "cannot tell", [])
    assert [stage.stage for stage in found.open] == ["session"]


def test_below_5_rounds_turns_that_each_keep_the_tolerance_are_unchanged() -> None:
    stages = weather()
    mixed = stages["pay"] + np.where(np.arange(TURNS) % 2, 10.0, -10.0)
    now, then = (laid_out({**stages, "pay": ms}, rounds=2) for ms in (mixed, stages["pay"]))
    for tolerance in (Tolerance(5, "%"), Tolerance(10, "ms")):
        assert (judged(now, then, tolerance).why, judged(now, then, tolerance).within) == (
            "unchanged", True,
        )  # fmt: skip
    assert judged(now, then, Tolerance(9, "ms")).why == "cannot tell"


def test_a_stage_that_is_new_has_grown_by_all_it_takes() -> None:
    stages = weather()
    found = judged(laid_out(stages, {"refresh": np.full(TURNS, 5.0)}), BEFORE, Tolerance(5, "%"))
    assert [(stage.stage, stage.busy_then_ms) for stage in found.grown] == [("refresh", 0.0)]
    assert (found.grown[0].calls_then, found.grown[0].calls_now) == (0.0, 1.0)
