"""From a course to a stored, summarised run and its exit code; it prints nothing."""

import datetime
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import UnsetType, structs

from harness import record
from harness.cli.casting import Variant
from harness.cli.claims import claim_summaries, fee_summaries
from harness.cli.course import Course
from harness.cli.exits import INCONCLUSIVE, INVALID, PASS, REGRESSION
from harness.cli.machine import machine
from harness.cli.room import clear, telling_of_full_disks
from harness.cli.targets import Real
from harness.cli.wiring import Setup
from harness.clock import ClockName
from harness.faults import Faults
from harness.flow.flow import PATIENCE_S
from harness.load.engine import Tally
from harness.load.health import examine
from harness.record import (
    CapacitySummary,
    ClaimSummary,
    Columns,
    EngineSummary,
    FailureSummary,
    FeeSummary,
    Looks,
    RunSummary,
    WarmUp,
)
from harness.stats.analysis import Question, analyse, with_findings
from harness.stats.resilience import resilience_of
from harness.stats.slo import Slo, judge_slos
from mocks.host import MockConfig, provenance
from mocks.profile import ModelProfile, PaymentProfile, Profile, fingerprint

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LIBRARIES = ("numpy", "scipy", "httpx", "httptools")
"""Those that a figure can hang on, beside Python itself."""


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
    clock: ClockName
    endpoints: Literal["mock", "staging", "real", "mixed"]
    seed: int
    rounds: int
    parameters: Mapping[str, float | str]
    profiles: Mapping[str, str]
    provenance: Mapping[str, str]
    question: Question
    discarded_turns: int = 0
    """Unrecorded ones, before the first round."""
    fees: Sequence[FeeSummary] = ()
    claims: Sequence[ClaimSummary] = ()
    capacity: CapacitySummary | None = None
    looks: Looks | None = None
    slos: Sequence[Slo] = ()
    """The promises that it is held to."""
    argv: Sequence[str] | None = None
    """Of the command that it was asked by; None is this process's own."""
    real: Real | None = None
    """Who is asked in reality, where anybody is."""
    faults: Mapping[str, float] = field(default_factory=dict)
    """What goes wrong on purpose, by its share."""
    struck_by: Mapping[str, Faults] = field(default_factory=dict)
    """The same as it strikes each variant, by the variant's name."""


def store(
    run: Run,
    course: Course,
    started: Started,
    folder: Path,
    *,
    spreads: bool = False,
    engines: Sequence[EngineSummary] = (),
) -> tuple[RunSummary, Columns]:
    """Make the folder, whose room the course was spooled in, a whole run, and point `latest` at it.
    Raises DiskFull where it cannot be written; what was spooled is kept then.

    `spreads` says whether the run could have had more workers; `engines` are the processes that
    made it, where they are told apart.
    """
    with telling_of_full_disks(folder):
        return _stored(run, course, started, folder, spreads, engines)


def _stored(
    run: Run,
    course: Course,
    started: Started,
    folder: Path,
    spreads: bool,
    engines: Sequence[EngineSummary],
) -> tuple[RunSummary, Columns]:
    columns = record.gather(course.spools, folder)
    health, reasons = examine(course.tally, columns, run.clock, spreads=spreads, engines=engines)
    if course.stopped:
        reasons.insert(0, course.stopped)
    question = run.question
    summary = RunSummary(
        run_id=folder.name,
        tool_version=metadata.version("tollbench"),
        scenario=run.scenario_name,
        parameters={**parameters_of(run.scenario), **run.parameters},
        clock=run.clock,
        endpoints=run.endpoints,
        targets=dict(run.real.targets) if run.real else {},
        spent=course.spent,
        seed=run.seed,
        faults=dict(run.faults),
        rounds=run.rounds,
        rounds_finished=course.rounds_finished,
        started_at=started.at.isoformat(timespec="seconds"),
        began_unix_s=dict(course.tally.began),
        wall_s=round(time.perf_counter() - started.stopwatch, 3),
        argv=list(sys.argv[1:] if run.argv is None else run.argv),
        machine=machine(),
        profiles=dict(run.profiles),
        provenance=dict(run.provenance),
        versions={library: metadata.version(library) for library in LIBRARIES},
        rows_sha256=record.sha256(columns),
        valid=not reasons,
        invalid_because=reasons,
        health=health,
        effect_level=question.effect_level,
        tolerance=question.tolerance,
        primary=question.primary,
        looks=run.looks,
        warm_up=WarmUp(discarded_turns=run.discarded_turns),
        variants=[],
        effects=[],
        capacity=run.capacity,
        fees=list(run.fees),
        claims=list(run.claims),
        failures=failures_of(course.tally),
        slos=judge_slos(columns, [variant.name for variant in run.variants], run.slos),
        engines=list(engines),
        reconciliation=course.tally.books,
    )
    summary = with_findings(summary, analyse(columns, run.variants, question))
    if run.struck_by:
        summary = structs.replace(summary, resilience=resilience_of(columns, run.struck_by))
    summary = record.finish(folder, summary)
    record.point_latest(folder)
    clear(folder)
    return summary, columns


def run_of(
    setup: Setup,
    scenario_name: str,
    question: Question | None = None,
    swept: Mapping[str, float] | None = None,
) -> Run:
    """The run that this setup describes; without a question it varies nothing."""
    mocks, real = mocked_of(setup), setup.real
    profiles: dict[str, Profile] = {**mocks.pay, **mocks.models, **mocks.gateways}
    return Run(
        scenario_name=scenario_name,
        scenario=setup.scenario,
        variants=setup.variants,
        clock=setup.clock,
        endpoints=real.endpoints if real else "mock",
        real=real,
        seed=setup.seed,
        faults=faults_of(mocks),
        struck_by={
            variant.name: faults
            for variant in setup.variants
            if (faults := mocks.struck_by(variant.lanes))
        },
        rounds=setup.rounds,
        parameters={
            "rate": setup.rate,
            "think_scale": setup.think_scale,
            **_endurance(setup),
            **(swept or {}),
        },
        profiles={name: fingerprint(profile) for name, profile in profiles.items()},
        provenance=provenance(mocks),
        question=question or Question(seed=setup.seed),
        discarded_turns=len(setup.variants) if setup.clock == "real" else 0,
        fees=fee_summaries(mocks),
        claims=claim_summaries(mocks),
    )


def faults_of(mocks: MockConfig) -> dict[str, float]:
    """Those of all mocks by their names, and those of one profile with its name before them."""
    profiles: dict[str, PaymentProfile | ModelProfile] = {**mocks.pay, **mocks.models}
    everywhere: dict[str, float] = {fault: share for fault, share in mocks.faults.items()}
    own = {
        f"{name} {fault}": share
        for name, profile in profiles.items()
        if not isinstance(profile.faults, UnsetType)
        for fault, share in profile.faults.items()
    }
    return everywhere | own


def _endurance(setup: Setup) -> dict[str, float | str]:
    """How the agent meets faults, where there are any or it is not as ever."""
    told: dict[str, float | str] = {}
    if setup.retries or setup.mocks.struck_by() is not None:
        told["retries"] = setup.retries
    if setup.patience_s != PATIENCE_S:
        told["patience_s"] = setup.patience_s
    return told


def mocked_of(setup: Setup) -> MockConfig:
    """The mocks that the run asks: who is asked in reality replays no profile."""
    if setup.real is None:
        return setup.mocks
    real, speaking = setup.real.found, setup.speaking
    mocks = setup.mocks
    return structs.replace(
        mocks,
        pay={name: of for name, of in mocks.pay.items() if of.provider not in real},
        models={name: of for name, of in mocks.models.items() if speaking.asked_at(of) not in real},
        gateways={name: of for name, of in mocks.gateways.items() if of.provider not in real},
    )


def exit_code(summary: RunSummary) -> int:
    """What cannot be believed breaks no promise and keeps none; a broken one outweighs one of which
    nothing can be told. An order that is left open outweighs all: somebody has to see to it."""
    verdicts = {slo.verdict for slo in summary.slos}
    left_open = summary.spent is not None and summary.spent.left_open
    if not summary.valid or left_open:
        return INVALID
    if "missed" in verdicts:
        return REGRESSION
    return INCONCLUSIVE if "cannot tell" in verdicts else PASS


def failures_of(tally: Tally) -> list[FailureSummary]:
    """The most frequent first."""
    counted = sorted(tally.causes.items(), key=lambda item: (-item[1], item[0]))
    return [FailureSummary(stage=stage, cause=cause, count=n) for (stage, cause), n in counted]


def parameters_of(scenario: "DataclassInstance") -> dict[str, float | int | str]:
    values = {field.name: getattr(scenario, field.name) for field in fields(scenario)}
    return {name: v if type(v) in (int, float, str) else str(v) for name, v in values.items()}
