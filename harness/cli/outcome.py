"""From a course to a stored, summarised run and its exit code; it prints nothing."""

import datetime
import os
import platform
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import msgspec

from harness import record
from harness.cli.exits import INVALID, PASS
from harness.cli.rounds import Course
from harness.cli.wiring import Setup
from harness.load.health import examine
from harness.record import RunSummary
from harness.stats.summary import effect_summaries, variant_summaries
from mocks.profile import fingerprint


@dataclass(frozen=True, slots=True)
class Started:
    """When a run began, on the wall and on the stopwatch."""

    at: datetime.datetime
    stopwatch: float

    @staticmethod
    def now() -> "Started":
        return Started(datetime.datetime.now(datetime.UTC), time.perf_counter())


def store(
    setup: Setup,
    scenario_name: str,
    factors: tuple[str, ...],
    course: Course,
    started: Started,
    out: Path,
) -> tuple[RunSummary, Path]:
    """Write the run to a folder of its own below `out` and make out/latest point at it."""
    rows = course.tally.rows
    record.sort(rows)
    health, reasons = examine(course.tally, setup.clock)
    if course.stopped:
        reasons.insert(0, course.stopped)
    run_id = f"{started.at:%Y%m%d-%H%M%S}-{Path(scenario_name).stem}-{setup.clock}-s{setup.seed}"
    folder = record.new_folder(out, run_id)
    summary = RunSummary(
        run_id=folder.name,
        tool_version=metadata.version("tollbench"),
        scenario=scenario_name,
        parameters=_parameters(setup),
        clock=setup.clock,
        endpoints="mock",
        seed=setup.seed,
        rounds=setup.rounds,
        rounds_finished=course.rounds_finished,
        started_at=started.at.isoformat(timespec="seconds"),
        wall_s=round(time.perf_counter() - started.stopwatch, 3),
        argv=sys.argv[1:],
        machine=_machine(),
        profiles=_profiles(setup),
        rows_sha256=record.sha256(rows),
        valid=not reasons,
        invalid_because=reasons,
        health=health,
        variants=variant_summaries(rows, setup.strategies),
        effects=effect_summaries(rows, setup.strategies, factors, setup.seed),
    )
    record.write(folder, summary, rows)
    record.point_latest(folder)
    return summary, folder


def exit_code(summary: RunSummary) -> int:
    return PASS if summary.valid else INVALID


def _parameters(setup: Setup) -> dict[str, float | int | str]:
    builtins = msgspec.to_builtins(setup.scenario)
    return {**builtins, "rate": setup.rate, "think_scale": setup.think_scale}


def _machine() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": str(os.cpu_count()),
    }


def _profiles(setup: Setup) -> dict[str, str]:
    models = {name: fingerprint(profile) for name, profile in setup.mocks.models.items()}
    return {setup.mocks.pay.wire: fingerprint(setup.mocks.pay), **models}
