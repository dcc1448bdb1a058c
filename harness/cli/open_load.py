"""Running one arm open-loop: a strategy against the mocks, or a probe of any URL."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from harness import clock as clocks
from harness.cli.course import Course, Progress, stopping
from harness.cli.mock_process import mock_process
from harness.cli.rounds import WARM_UP_ROUND, leaving_no_task
from harness.cli.ways import socket_ways
from harness.cli.wiring import Setup, in_process_arms, probe_arm, socket_arms
from harness.clock import ClockName
from harness.load.engine import Arm, Tally, open_schedule, round_schedule, run_round
from harness.transport import socket_transport
from scenarios.http_probe import HttpProbe

Arms = AbstractAsyncContextManager[Arm]


def run_load(setup: Setup, duration_s: float, progress: Progress) -> Course:
    """The setup's first strategy at its rate for `duration_s` of arrivals, and until they end."""
    arm = _in_process(setup) if setup.clock == "virtual" else _on_sockets(setup)
    turns_each = setup.scenario.turns
    return _run(setup.clock, arm, setup.seed, turns_each, setup.rate, duration_s, progress)


def run_probe(
    probe: HttpProbe, seed: int, rate: float, duration_s: float, progress: Progress
) -> Course:
    """GET the URL at that rate on the real clock."""

    @contextlib.asynccontextmanager
    async def arm() -> AsyncIterator[Arm]:
        async with socket_transport() as transport:
            yield probe_arm(probe, seed, clocks.RealClock(), transport)

    return _run("real", arm(), seed, probe.turns, rate, duration_s, progress)


def _run(
    clock_name: ClockName,
    making: Arms,
    seed: int,
    turns_each: int,
    rate: float,
    duration_s: float,
    progress: Progress,
) -> Course:
    course, clock = Course(), clocks.clock(clock_name)

    async def main() -> None:
        async with making as arm, leaving_no_task():
            schedule = open_schedule(
                seed, arm, turns_each=turns_each, rate=rate, duration_s=duration_s
            )
            on_turn = lambda: progress.advance(1)  # noqa: E731
            await run_round(clock, [arm], schedule, course.tally, on_turn)
        course.rounds_finished = 1

    with stopping(course, 1):
        progress.start()
        clocks.run(clock_name, main())
    return course


@contextlib.asynccontextmanager
async def _in_process(setup: Setup) -> AsyncIterator[Arm]:
    yield in_process_arms(setup, 0, clocks.VirtualClock())[0]


@contextlib.asynccontextmanager
async def _on_sockets(setup: Setup) -> AsyncIterator[Arm]:
    """Warmed up by one unrecorded turn: it opens a connection and loads code."""
    clock = clocks.RealClock()
    with mock_process(setup.mocks, setup.mocks_port) as base_url:
        async with socket_ways(setup, base_url) as ways:
            warm = socket_arms(setup, WARM_UP_ROUND, clock, ways)
            one = round_schedule(setup.seed, WARM_UP_ROUND, warm, turns=1, turns_each=1, rate=100.0)
            await run_round(clock, warm, one, Tally())
            yield socket_arms(setup, 0, clock, ways)[0]
