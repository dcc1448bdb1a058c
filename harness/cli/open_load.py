"""Running one arm open-loop: a strategy against the mocks, once or at one rate after another, or a
probe of any URL."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager

from harness import clock as clocks
from harness.cli.course import Course, Progress, stopping
from harness.cli.mock_process import mock_process
from harness.cli.rounds import WARM_UP_ROUND, leaving_no_task
from harness.cli.ways import socket_way
from harness.cli.wiring import Setup, in_process_arms, probe_arm, socket_arms
from harness.clock import ClockName
from harness.load.engine import Arm, Due, Tally, open_schedule, round_schedule, run_round
from harness.transport import socket_transport
from scenarios.http_probe import HttpProbe

Arms = AbstractAsyncContextManager[Arm]

Schedule = Callable[[Arm], Iterable[Due]]
"""When that arm's conversations are due."""

Play = Callable[[int, Schedule, Tally, Progress], None]
"""Plays one schedule to its end, in the weather of that round and in a world of its own."""


def run_load(setup: Setup, duration_s: float, progress: Progress) -> Course:
    """The setup's first strategy at its rate for `duration_s` of arrivals, and until they end."""
    course = Course()
    schedule = _open(setup.seed, setup.scenario.turns, setup.rate, duration_s)
    with stopping(course, 1):
        progress.start()
        with player(setup) as play:
            play(0, schedule, course.tally, progress)
        course.rounds_finished = 1
    return course


def run_probe(
    probe: HttpProbe, seed: int, rate: float, duration_s: float, progress: Progress
) -> Course:
    """GET the URL at that rate on the real clock."""

    @contextlib.asynccontextmanager
    async def arm() -> AsyncIterator[Arm]:
        async with socket_transport() as transport:
            yield probe_arm(probe, seed, clocks.RealClock(), transport)

    course = Course()
    with stopping(course, 1):
        schedule = _open(seed, probe.turns, rate, duration_s)
        _play("real", arm(), schedule, course.tally, progress)
        course.rounds_finished = 1
    return course


@contextlib.contextmanager
def player(setup: Setup) -> Iterator[Play]:
    """Plays the setup's first strategy as often as wanted. On the real clock one mock process
    serves them all."""
    if setup.clock == "virtual":

        def play(round_: int, schedule: Schedule, tally: Tally, progress: Progress) -> None:
            _play("virtual", _in_process(setup, round_), schedule, tally, progress)

        yield play
        return
    with mock_process(setup.mocks, setup.mocks_port) as base_url:

        def play_there(round_: int, schedule: Schedule, tally: Tally, progress: Progress) -> None:
            _play("real", _on_sockets(setup, round_, base_url), schedule, tally, progress)

        yield play_there


def _open(seed: int, turns_each: int, rate: float, duration_s: float) -> Schedule:
    return lambda arm: open_schedule(
        seed, arm, turns_each=turns_each, rate=rate, duration_s=duration_s
    )


def _play(
    clock_name: ClockName, making: Arms, schedule: Schedule, tally: Tally, progress: Progress
) -> None:
    clock = clocks.clock(clock_name)

    async def main() -> None:
        async with making as arm, leaving_no_task():
            await run_round(clock, [arm], schedule(arm), tally, lambda: progress.advance(1))

    progress.start()
    clocks.run(clock_name, main())


@contextlib.asynccontextmanager
async def _in_process(setup: Setup, round_: int) -> AsyncIterator[Arm]:
    yield in_process_arms(setup, round_, clocks.VirtualClock())[0]


@contextlib.asynccontextmanager
async def _on_sockets(setup: Setup, round_: int, base_url: str) -> AsyncIterator[Arm]:
    """Warmed up by one unrecorded turn: it opens a connection and loads code."""
    clock = clocks.RealClock()
    async with socket_way(setup, f"{base_url}/~{round_}") as way:
        warm = socket_arms(setup, WARM_UP_ROUND, clock, [way])
        one = round_schedule(setup.seed, WARM_UP_ROUND, warm, turns=1, turns_each=1, rate=100.0)
        await run_round(clock, warm, one, Tally())
        yield socket_arms(setup, round_, clock, [way])[0]
