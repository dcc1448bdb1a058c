"""From a course to a stored, summarised run and its exit code; it prints nothing."""

import datetime
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness import record
from harness.cli.casting import Variant
from harness.cli.claims import claim_summaries, fee_summaries
from harness.cli.course import Course
from harness.cli.exits import INVALID, PASS
from harness.cli.wiring import Setup
from harness.clock import ClockName
from harness.load.health import examine
from harness.record import ClaimSummary, FeeSummary, RunSummary
from harness.stats.summary import effect_summaries, variant_summaries
from mocks.host import provenance
from mocks.profile import Profile, fingerprint

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True, slots=True)
class Started:
    """When a run began, on the wall and on the stopwatch."""

    at: datetime.datetime
    stopwatch: float

    @staticmethod
    def now() -> "Started":
        return Started(datetime.datetime.now(datetime.UTC), time.perf_counter())


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run was, as far as its summary tells."""

    scenario_name: str
    scenario: "DataclassInstance"
    variants: Sequence[Variant]
    factors: Sequence[str]
    clock: ClockName
    endpoints: Literal["mock", "staging", "real"]
    seed: int
    rounds: int
    parameters: Mapping[str, float]
    profiles: Mapping[str, str]
    provenance: Mapping[str, str]
    fees: Sequence[FeeSummary] = ()
    claims: Sequence[ClaimSummary] = ()


def store(run: Run, course: Course, started: Started, out: Path) -> tuple[RunSummary, Path]:
    """Write the run to a folder of its own below `out` and make out/latest point at it."""
    rows = course.tally.rows
    record.sort(rows)
    health, reasons = examine(course.tally, run.clock)
    if course.stopped:
        reasons.insert(0, course.stopped)
    name = f"{started.at:%Y%m%d-%H%M%S}-{Path(run.scenario_name).stem}-{run.clock}-s{run.seed}"
    folder = record.new_folder(out, name)
    summary = RunSummary(
        run_id=folder.name,
        tool_version=metadata.version("tollbench"),
        scenario=run.scenario_name,
        parameters={**_parameters_of(run.scenario), **run.parameters},
        clock=run.clock,
        endpoints=run.endpoints,
        seed=run.seed,
        rounds=run.rounds,
        rounds_finished=course.rounds_finished,
        started_at=started.at.isoformat(timespec="seconds"),
        wall_s=round(time.perf_counter() - started.stopwatch, 3),
        argv=sys.argv[1:],
        machine=_machine(),
        profiles=dict(run.profiles),
        provenance=dict(run.provenance),
        rows_sha256=record.sha256(rows),
        valid=not reasons,
        invalid_because=reasons,
        health=health,
        variants=variant_summaries(rows, run.variants),
        effects=effect_summaries(rows, run.variants, run.factors, run.seed),
        fees=list(run.fees),
        claims=list(run.claims),
    )
    record.write(folder, summary, rows)
    record.point_latest(folder)
    return summary, folder


def run_of(
    setup: Setup,
    scenario_name: str,
    factors: Sequence[str] = (),
    swept: Mapping[str, float] | None = None,
) -> Run:
    """The run that this setup describes."""
    mocks = setup.mocks
    profiles: dict[str, Profile] = {**mocks.pay, **mocks.models, **mocks.gateways}
    return Run(
        scenario_name=scenario_name,
        scenario=setup.scenario,
        variants=setup.variants,
        factors=factors,
        clock=setup.clock,
        endpoints="mock",
        seed=setup.seed,
        rounds=setup.rounds,
        parameters={"rate": setup.rate, "think_scale": setup.think_scale, **(swept or {})},
        profiles={name: fingerprint(profile) for name, profile in profiles.items()},
        provenance=provenance(setup.mocks),
        fees=fee_summaries(mocks),
        claims=claim_summaries(mocks),
    )


def exit_code(summary: RunSummary) -> int:
    return PASS if summary.valid else INVALID


def _parameters_of(scenario: "DataclassInstance") -> dict[str, float | int | str]:
    values = {field.name: getattr(scenario, field.name) for field in fields(scenario)}
    return {name: v if type(v) in (int, float, str) else str(v) for name, v in values.items()}


def _machine() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": str(os.cpu_count()),
    }
