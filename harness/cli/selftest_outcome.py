"""From the course of a self-test to its stored summary and its state; it prints nothing."""

import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import msgspec

from harness.cli.course import Course
from harness.cli.machine import machine
from harness.cli.outcome import LIBRARIES, Started, parameters_of, run_of
from harness.cli.pairs import Part, Trial
from harness.cli.room import clear
from harness.load.health import examine
from harness.record import Columns, Turns
from harness.report.selftest import SelftestSummary, State
from harness.report.words import percentile
from harness.stats import calibration, order
from harness.stats.calibration import Calibration, PairFigures

QUANTILES = (0.5, 0.95, 0.99)
FILE = "selftest.json"


def summarise(
    trial: Trial, course: Course, scenario_name: str, primary: float, started: Started
) -> SelftestSummary:
    setup = trial.same.arms[0]
    columns = course.columns()
    health, reasons = examine(course.tally, columns, setup.clock)
    if course.stopped:
        reasons.insert(0, course.stopped)
    equal = _pairs(columns.turns, trial.same, sorted({*QUANTILES, primary}))
    slowed = _pairs(columns.turns, trial.slowed, [primary])
    found = _calibration(trial, columns, equal, slowed, primary)
    state, because = state_of(found, reasons)
    run = run_of(setup, scenario_name)
    return SelftestSummary(
        tool_version=metadata.version("tollbench"),
        scenario=scenario_name,
        parameters={**parameters_of(setup.scenario), **run.parameters},
        strategy=setup.variants[0].strategy.name,
        clock=setup.clock,
        seed=setup.seed,
        pairs=trial.same.pairs,
        turns=setup.turns,
        rounds=setup.rounds,
        alpha=calibration.ALPHA,
        level=calibration.LEVEL,
        order_level=order.LEVEL,
        started_at=started.at.isoformat(timespec="seconds"),
        wall_s=round(time.perf_counter() - started.stopwatch, 3),
        argv=sys.argv[1:],
        machine=machine(),
        versions={library: metadata.version(library) for library in LIBRARIES},
        profiles=dict(run.profiles),
        provenance=dict(run.provenance),
        state=state,
        because=because,
        health=health,
        calibration=found,
        equal_pairs=equal,
        slowed_pairs=slowed,
    )


def state_of(found: Calibration, invalid_because: Sequence[str]) -> tuple[State, list[str]]:
    """Whether verdicts can be trusted, and why, a sentence each."""
    if invalid_because:
        return "INVALID", list(invalid_because)
    if failures := calibration.failures(found):
        return "FAIL", failures
    (row,) = (row for row in found.false_alarms if row.quantile == found.primary)
    where = percentile(found.primary)
    if row.rate is None or row.rate_hi is None:
        return "CANNOT TELL", [f"no pair of equal arms had turns enough for a verdict at {where}"]
    told = f"{row.alarms} of {row.pairs} pairs of equal arms were called different at {where}"
    promised = f"in keeping with the {calibration.ALPHA:.0%} promised"
    return "PASS", [f"{told}, {promised} (the true rate may be up to {row.rate_hi:.1%})"]


def store_selftest(summary: SelftestSummary, folder: Path) -> None:
    """Write it to its run's folder; out/latest goes on naming the newest run of another verb."""
    text = msgspec.json.format(msgspec.json.encode(summary), indent=2)
    (folder / FILE).write_bytes(text + b"\n")
    clear(folder)


def _pairs(turns: Turns, part: Part | None, quantiles: Sequence[float]) -> list[PairFigures]:
    if part is None:
        return []
    return [
        figures
        for pairing in part.pairings
        for figures in calibration.pairs_of(turns, pairing, quantiles, part.arms[0].seed)
    ]


def _calibration(
    trial: Trial,
    columns: Columns,
    equal: Sequence[PairFigures],
    slowed: Sequence[PairFigures],
    primary: float,
) -> Calibration:
    rounds = trial.same.rounds_each
    (pairing,) = trial.same.pairings
    places = order.places_of(columns.turns, pairing)
    return Calibration(
        primary=primary,
        rounds=rounds,
        false_alarms=[
            calibration.false_alarms(equal, q, rounds) for q in sorted({*QUANTILES, primary})
        ],
        detections=[
            calibration.detection(
                [of for of in slowed if of.arm == arm], trial.stage, percent, rounds
            )
            for arm, percent in trial.slowed_arms
        ],
        twins=_twins(trial.twins, columns) if trial.twins else None,
        order=[order.slot_order(places), order.carry_over(places)],
    )


def _twins(part: Part, columns: Columns) -> calibration.Twins:
    (pairing,) = part.pairings
    spans = columns.spans
    in_part = (spans.round >= part.rounds.start) & (spans.round < part.rounds.stop)
    hindered = (spans.queue_ms > 0) | (spans.status == 429) | (spans.status >= 500)
    return calibration.twins_of(columns.turns, pairing, bool((in_part & hindered).any()))
