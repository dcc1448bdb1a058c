"""The verb `compare` for a function of the user's own: what was asked is checked here, played,
explained and stored as any comparison is.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from msgspec import structs

from harness.cli.casting import Speaking
from harness.cli.compared import Showing, show
from harness.cli.course import Course
from harness.cli.exits import BadInput
from harness.cli.looks import Asking, Looking, asked, looks_ahead
from harness.cli.machine import cores
from harness.cli.outcome import Run, Started, faults_of, store
from harness.cli.own_course import run_own_rounds
from harness.cli.own_flow import BadFlow, OwnFlow, load_function
from harness.cli.own_vary import Varied, varied_of
from harness.cli.problems import Problems
from harness.cli.progress import TurnBar
from harness.cli.room import clear, new_run, room_in
from harness.cli.served import Served, chosen
from harness.cli.setup import LEAST_RATE, MOST_RATE
from harness.cli.wiring import Setup
from harness.faults import ANYBODYS, Fault
from harness.flow.agent import Agent
from harness.flow.flow import Chat
from harness.record import Columns, RunSummary, spooled
from harness.stats.analysis import Question
from harness.stats.sequential import MOST_TIMES
from mocks.host import provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnOptions:
    """The command as the user wrote it; None is what is usual."""

    flow: str
    vary: str | None
    flows: str
    rounds: str
    seed: str
    clock: str
    rate: str
    port: str | None
    profiles: Sequence[str]
    capacity: str | None
    asking: Asking
    out: str
    report: bool
    otlp: str | None = None
    faults: str | None = None
    for_scenarios: Mapping[str, bool] = field(default_factory=dict)
    """Options that a function has no use for, and whether they were given."""


def compare_function(options: OwnOptions, as_json: bool) -> int:
    """Exit codes are those of `compare`."""
    plan = _checked(options)
    showing = Showing(report=options.report, as_json=as_json, otlp=options.otlp, jobs=cores())
    return show(*_run(plan, options), showing)


@dataclass(frozen=True)
class Function:
    """What stands in the place of a scenario: a turn a conversation, and no parameters."""

    turns: ClassVar[int] = 1
    usual_method: ClassVar[str] = ""

    async def run(self, chat: Chat, agent: Agent) -> None:
        raise NotImplementedError("the function is played, and not this")


@dataclass(frozen=True, slots=True)
class _Plan:
    setup: Setup
    functions: Sequence[OwnFlow]
    served: Served
    question: Question
    looks: Sequence[int]
    out: Path


def _checked(options: OwnOptions) -> _Plan:
    """BadInput with all that is wrong."""
    problems = Problems()
    for option in (name for name, is_given in options.for_scenarios.items() if is_given):
        problems.add(f"{option} is for scenarios: a function has none of it; leave it out")
    varied = _varied(options, problems)
    rounds = problems.whole("--rounds", options.rounds, 1, 10_000)
    turns = problems.whole("--flows", options.flows, 1, 10_000_000)
    if problems.none and turns < rounds:
        problems.add(f"--flows {turns} cannot be spread over --rounds {rounds}: take more flows")
    planned = looks_ahead(options.asking, problems, rounds)
    question = asked(options.asking, problems, varied.factors, planned)
    _refuse_unjudged(options.asking, varied, problems)
    clock = problems.clock(options.clock)
    rate = problems.number("--rate", options.rate, LEAST_RATE, MOST_RATE)
    port = problems.port("--port", options.port, clock)
    out = problems.folder("--out", options.out)
    if options.otlp is not None:
        problems.base_url("--otlp", options.otlp)
    capacities = [] if options.capacity is None else [options.capacity]
    faults = problems.faults("--faults", options.faults, _in_vain)
    served = chosen(problems, options.seed, options.profiles, capacities)
    times = MOST_TIMES if planned else 1
    setup = Setup(
        scenario=Function(),
        variants=varied.variants,
        clock=clock,
        seed=served.mocks.seed,
        rounds=rounds * times,
        turns=turns * times,
        rate=rate,
        think_scale=1.0,
        speaking=Speaking(roles={}, models={}),
        mocks=structs.replace(served.mocks, faults=faults),
        mocks_port=port,
    )
    question = replace(question, seed=setup.seed)
    return _Plan(setup, varied.functions, served, question, planned, out)


def _in_vain(fault: Fault) -> str:
    """What a function's calls are for is not known, and it has no user of ours."""
    if fault in ANYBODYS:
        return ""
    return f"strikes calls of our own agent alone; a function meets {', '.join(ANYBODYS)}"


def _varied(options: OwnOptions, problems: Problems) -> Varied:
    try:
        function = load_function(options.flow)
    except LookupError as error:
        problems.add(str(error))
        return Varied()
    return varied_of(function, options.vary, problems)


def _refuse_unjudged(asking: Asking, varied: Varied, problems: Problems) -> None:
    if varied.factors or not problems.none:
        return
    given = {
        "--tolerance": asking.tolerance is not None,
        "--primary": asking.primary is not None,
        "--until-certain": asking.until_certain,
    }
    for option in (name for name, is_given in given.items() if is_given):
        problems.add(f"{option} is for flags that are off and on: none is varied here; drop it")


def _run(plan: _Plan, options: OwnOptions) -> tuple[RunSummary, Columns, Path]:
    setup, started = plan.setup, Started.now()
    what = _short(options.flow)
    folder = new_run(plan.out, started.at, what, setup.clock, setup.seed)
    looking = Looking(plan.looks, setup.variants, plan.question)
    turns = setup.turns * len(setup.variants)
    try:
        with TurnBar(f"{what}, {setup.clock} clock", turns) as bar:
            course = run_own_rounds(
                setup, plan.functions, folder.name, bar, room_in(folder), looking.planned,
                looking.enough,
            )  # fmt: skip
    except BadFlow as mistake:
        clear(folder)
        folder.rmdir()
        raise BadInput([f"{what} cannot be played: {mistake}"]) from None
    run = _run_of(plan, options.flow, _reached(course, plan.served))
    if plan.looks:
        run = replace(run, looks=looking.told(course))
    return (*store(run, course, started, folder), folder)


def _run_of(plan: _Plan, name: str, reached: Collection[str]) -> Run:
    """Told are the profiles of providers that were called; the others had no part in any figure."""
    setup, fingerprints = plan.setup, plan.served.fingerprints()
    return Run(
        scenario_name=name,
        scenario=setup.scenario,
        variants=setup.variants,
        clock=setup.clock,
        endpoints="mock",
        seed=setup.seed,
        faults=faults_of(setup.mocks),
        rounds=setup.rounds,
        parameters={"rate": setup.rate},
        profiles={name: of for name, of in fingerprints.items() if name in reached},
        provenance={
            what: of
            for what, of in provenance(setup.mocks).items()
            if what.partition(" ")[0] in reached
        },
        question=plan.question,
        discarded_turns=len(setup.variants) if setup.clock == "real" else 0,
    )


def _reached(course: Course, served: Served) -> set[str]:
    """The profiles of the providers that were called."""
    providers = {
        span.provider
        for path in course.spools
        for rows in spooled(path)
        for span in rows.spans
        if span.provider
    }
    return {name for provider in providers for name in served.names_at(provider)}


def _short(flow: str) -> str:
    """The function's own name, for a folder's."""
    return re.split("[:.]", flow)[-1]
