"""A verdict is one sentence that names the flow, the interval and the stage to blame."""

import math

import msgspec
import numpy as np
import pytest

from harness.record import Check, Columns, Tolerance, TurnTimes
from harness.report.checks import checked_budgets, checked_change, checked_saving
from harness.stats.slo import read_slos
from tests.stats.by_hand import columns, flow
from tests.stats.test_checks import hundred
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


def budget(text: str, failing: int = 0) -> Check:
    (found,) = checked_budgets(FLOW, hundred(failing), "base", read_slos(text))
    return found


@pytest.mark.parametrize(
    ("text", "failing", "state", "told"),
    [
        ("p50 <= 1s", 0, "passed",
         "conversation/prewarm keeps p50 <= 1s: 60 ms [50, 71] of 100 turns; "
         "most of it: pay 50 ms, intent 10 ms"),
        ("p50<20ms", 0, "failed",
         "conversation/prewarm misses p50<20ms: 60 ms [50, 71] of 100 turns; "
         "most of it: pay 50 ms, intent 10 ms"),
        ("p50<60ms", 0, "cannot tell",
         "cannot tell whether conversation/prewarm keeps p50<60ms: 60 ms [50, 71] of 100 turns; "
         "most of it: pay 50 ms, intent 10 ms"),
        ("p99<1s", 0, "cannot tell",
         "cannot tell whether conversation/prewarm keeps p99<1s: n too small: 100 turns; "
         "p99 takes 368 or more"),
        ("pay p50<1s", 0, "passed",
         "conversation/prewarm keeps pay p50<1s: 50 ms [40, 61] of 100 calls"),
        ("errors<5%", 40, "failed",
         "conversation/prewarm misses errors<5%: 40% [30.3, 50.3] of 100 turns failed; "
         "calls that failed: pay 40"),
        ("errors<1%", 0, "cannot tell",
         "cannot tell whether conversation/prewarm keeps errors<1%: 0% [0, 3.62] of 100 turns "
         "failed; about 400 without any would tell"),
    ],
)  # fmt: skip
def test_a_budget_in_a_sentence(text: str, failing: int, state: str, told: str) -> None:
    found = budget(text, failing)
    assert (found.flow, found.asked, found.state) == (FLOW, text, state)
    assert found.sentence == told


def alike(rounds: int, each: int) -> Columns:
    """Turns that resemble those of their round, and differ from others."""
    rng = np.random.default_rng(3)
    hour = rng.lognormal(0, 0.1, rounds)
    return columns(
        [
            flow(1000 * hour[n // each] * ms, round=n // each, conversation=n)
            for n, ms in enumerate(rng.lognormal(0, 0.2, rounds * each).tolist())
        ]
    )


def test_turns_that_are_alike_say_how_many_of_them_would_tell() -> None:
    (found,) = checked_budgets(FLOW, alike(20, 20), "base", read_slos("p99<9s"))
    assert found.state == "cannot tell"
    worth = int(found.sentence.split("as much as ")[1].split(" ")[0])
    assert worth < 368
    assert found.sentence == (
        f"cannot tell whether {FLOW} keeps p99<9s: n too small: 400 turns; turns of a round are "
        f"alike, so these tell as much as {worth} would, and p99 takes 368: about "
        f"{found.sentence.split(': about ')[1].split(' ')[0]} in rounds of this size would tell"
    )
    about = int(found.sentence.split(": about ")[1].split(" ")[0])
    assert about == pytest.approx(368 * 400 / worth, rel=0.01)


@pytest.mark.parametrize("text", ["nostag p95<1s", "nostag errors<1%"])
def test_a_budget_of_a_stage_that_nobody_calls_is_missed_and_names_those_there_are(
    text: str,
) -> None:
    found = budget(text)
    assert (found.state, found.blame) == ("failed", [])
    assert found.sentence == (
        f"{FLOW} misses {text}: no call of stage nostag was made; stages are intent, pay"
    )


def test_figures_of_a_budget_are_in_ms_and_of_errors_there_are_none() -> None:
    found = budget("p50 <= 1s")
    assert (found.ms, found.lo_ms, found.hi_ms, found.limit_ms) == (60, 50, 71, 1000)
    calls = budget("pay p50<1s")
    assert [(part.stage, part.ms) for part in calls.blame] == [("pay", calls.ms)]
    errors = budget("errors<50%")
    assert (errors.ms, errors.limit_ms, errors.blame) == (None, None, [])
    assert budget("p50<1s", failing=90).ms is None
    assert "never" in budget("p50<1s", failing=90).sentence


def test_a_flow_without_a_turn_keeps_no_budget() -> None:
    nothing = columns([flow(1.0, variant="other")])
    (found,) = checked_budgets(FLOW, nothing, "base", read_slos("p50<1s"))
    assert found.state == "cannot tell"
    assert found.sentence == f"cannot tell whether {FLOW} keeps p50<1s: no turn was made"


@pytest.mark.parametrize(
    ("least", "state", "told"),
    [
        (Tolerance(20, "ms"), "passed",
         f"{FLOW} saves 20 ms at p50 or more against conversation: p50 3331 -> 3277 ms, -54 ms ["),
        (Tolerance(5, "%"), "failed",
         f"{FLOW} does not save 5% at p50 against conversation: p50 3331 -> 3277 ms, -54 ms ["),
    ],
)  # fmt: skip
def test_a_saving_in_a_sentence(least: Tolerance, state: str, told: str) -> None:
    ours = now(pay=-0.1, intent=12.0)
    found = checked_saving(FLOW, ours, "conversation", BEFORE, least, 0.5, seed=1)
    assert found.state == state
    assert found.sentence.startswith(told)
    assert "; by stage: pay -62 ms a turn [" in found.sentence
    # What costs does not make the saving.
    assert "intent" not in found.sentence.split("by stage")[1]
    assert found.limit_ms == pytest.approx(-20 if least.unit == "ms" else -3331 * 0.05, abs=0.1)
    assert [part.stage for part in found.blame] == ["pay", "intent"]


def test_a_saving_of_few_rounds_says_how_many_tell() -> None:
    few, fast = laid_out(STAGES, rounds=4), laid_out(STAGES | {"pay": STAGES["pay"] / 2}, rounds=4)
    found = checked_saving(FLOW, fast, "conversation", few, Tolerance(1, "ms"), 0.5, seed=1)
    assert found.state == "cannot tell"
    assert found.sentence.endswith("; below 5 rounds nothing has an interval: take 5 or more")


def test_a_saving_of_turns_that_failed_says_whose() -> None:
    dead = laid_out(STAGES, failed=range(TURNS))
    found = checked_saving(FLOW, dead, "conversation", BEFORE, Tolerance(1, "ms"), 0.5, seed=1)
    assert found.state == "failed"
    assert found.sentence.endswith(f"so many turns of {FLOW} failed that p50 lies among them")
    few = laid_out({"pay": np.full(20, 9.0)})
    found = checked_saving(FLOW, few, "conversation", few, Tolerance(1, "ms"), 0.99, seed=1)
    assert found.sentence.endswith("too few turns tell p99; take more, or a lower percentile")


def test_no_check_holds_anything_infinite() -> None:
    dead = laid_out(STAGES, failed=range(TURNS))
    checks = [
        *checked_budgets(FLOW, hundred(95), "base", read_slos("p50<1s, p95<2s, errors<1%")),
        checked_change(FLOW, dead, BEFORE, Tolerance(), seed=1),
        checked_change(FLOW, BEFORE, dead, Tolerance(), seed=1),
        checked_saving(FLOW, dead, "x", BEFORE, Tolerance(1, "ms"), 0.5, seed=1),
    ]
    for check in checks:
        assert "\n" not in check.sentence
        assert check.sentence.startswith((FLOW, f"no turn of {FLOW}", "cannot tell"))
        told = [check.ms, check.lo_ms, check.hi_ms, check.limit_ms]
        assert all(ms is None or math.isfinite(ms) for ms in told)
        assert msgspec.json.decode(msgspec.json.encode(check), type=Check) == check
