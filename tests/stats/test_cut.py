"""Stages that are named, split or merged are no change of what they take; and where a call has
another name, turns met other luck and are not compared."""

import numpy as np
import pytest

from harness.record import FloatArray, Tolerance, TurnTimes
from tests.stats.test_change import ANY, BEFORE, TURNS, judged
from tests.stats.times import laid_out, weather

LOCAL = ("pack", "parse", "read", "work")
WORK = np.random.default_rng(3).integers(100, 300, TURNS).astype(np.float64)


def with_work(own_ms: float = 0.0, rounds: int = 10, **stages: FloatArray) -> TurnTimes:
    """The usual stages, and local ones."""
    return laid_out({**weather(), **stages}, own_ms=own_ms, local=LOCAL, rounds=rounds)


@pytest.mark.parametrize("place", ["on", "off"])
def test_a_stage_by_another_name_that_takes_what_it_took_has_not_changed(place: str) -> None:
    hidden = {"session": np.full(TURNS, 400.0)}
    stages, off = weather(), hidden
    if place == "on":
        stages = {**stages, "payment": stages["pay"]}
        del stages["pay"]
    else:
        off = {"reserve": hidden["session"]}
    found = judged(laid_out(stages, off), laid_out(weather(), hidden))
    assert (found.why, found.stages, found.grown) == ("unchanged", [], [])
    names = [("pay", "payment")] if place == "on" else [("session", "reserve")]
    assert found.renamed == names


@pytest.mark.parametrize("tolerance", [ANY, Tolerance(50, "%")])
def test_calls_by_another_name_met_other_luck_and_no_turn_is_judged(tolerance: Tolerance) -> None:
    stages = weather()
    stages["payment"] = weather(2)["pay"]
    del stages["pay"]
    found = judged(laid_out(stages), BEFORE, tolerance)
    assert (found.state, found.why) == ("failed", "other luck")
    assert found.other_luck == (("pay",), ("payment",))
    assert (found.figures, found.stages, found.grown) == ([], [], [])


def test_calls_that_only_came_or_only_went_leave_all_others_their_luck() -> None:
    more = {**weather(), "risk": np.full(TURNS, 20.0)}
    came, went = judged(laid_out(more), BEFORE), judged(BEFORE, laid_out(more))
    assert (came.why, [stage.stage for stage in came.grown]) == ("regressed", ["risk"])
    assert (went.why, went.grown) == ("improved", [])


def test_calls_that_are_cut_otherwise_and_change_no_turn_met_the_same_luck() -> None:
    stages = weather()
    half = np.rint(500 * stages["pay"]) / 1000
    stages |= {"reserve": half, "capture": np.rint(1000 * stages["pay"]) / 1000 - half}
    del stages["pay"]
    found = judged(laid_out(stages), BEFORE)
    assert (found.why, found.grown) == ("unchanged", [])
    assert found.cut and found.cut.givers == ("pay",)


@pytest.mark.parametrize("tolerance", [ANY, Tolerance(5, "%"), Tolerance(5, "ms")])
def test_local_work_that_is_cut_otherwise_and_changes_no_turn_is_passed(
    tolerance: Tolerance,
) -> None:
    whole, split = with_work(work=WORK), with_work(parse=WORK - 60, read=np.full(TURNS, 60.0))
    apart = with_work(work=WORK - 60, read=np.full(TURNS, 60.0))
    unnamed = laid_out(weather(), own_ms=WORK)
    every = (whole, split, apart, unnamed)
    for then in every:
        for now in every:
            found = judged(now, then, tolerance)
            assert (found.state, found.grown, found.open) == ("passed", [], [])
            assert (found.why == "same") == (now is then)
            assert bool(found.cut or found.renamed) == (now is not then)


@pytest.mark.parametrize("rounds", [4, 10])
@pytest.mark.parametrize(
    ("more", "tolerance", "why"),
    [
        (-10.0, ANY, "improved"),
        (0.1, ANY, "regressed"),
        (5.0, Tolerance(5, "%"), "unchanged"),
        (5.0, Tolerance(5, "ms"), "unchanged"),
        (20.0, Tolerance(5, "%"), "grown"),
    ],
)
def test_new_stages_are_judged_by_what_they_take_more_than_what_is_gone(
    more: float, tolerance: Tolerance, why: str, rounds: int
) -> None:
    now = with_work(parse=WORK - 60 + more, read=np.full(TURNS, 60.0), rounds=rounds)
    found = judged(now, with_work(work=WORK, rounds=rounds), tolerance)
    assert found.why == ("unchanged" if rounds < 5 and more < 0 else why)
    assert found.cut is not None and found.cut.whole is not None
    assert found.cut.whole.busy.ms == pytest.approx(more)
    grew = why in ("grown", "regressed")
    assert [stage.stage for stage in found.grown] == (["parse", "read"] if grew else [])


def test_a_new_stage_off_the_critical_path_is_no_part_of_own_time() -> None:
    then = laid_out(weather(), own_ms=50.0)
    now = laid_out(weather(), {"parse": np.full(TURNS, 40.0)}, own_ms=50.0, local=LOCAL)
    found = judged(now, then, Tolerance(5, "%"))
    assert (found.why, [stage.stage for stage in found.grown]) == ("grown", ["parse"])
