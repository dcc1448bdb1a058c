"""Running the rounds of a comparison: on the virtual clock, or against a mock process on the real
one. Whatever finished is kept, and no process is left behind."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import chain
from pathlib import Path

from harness import clock as clocks
from harness.cli.course import Course, Enough, Progress, batches, stopping
from harness.cli.mock_process import mock_process
from harness.cli.ways import socket_ways
from harness.cli.wiring import Setup, in_process_arms, socket_arms
from harness.cli.workers import run_in_workers
from harness.clock import Clock
from harness.load.engine import Arm, Due, Tally, Tell, round_schedule, run_round

WARM_UP_ROUND = -1
"""On the real clock a first, unrecorded turn a strategy opens connections and loads code."""


def run_rounds(
    setup: Setup,
    jobs: int,
    progress: Progress,
    room: Path,
    looks: Sequence[int] = (),
    enough: Enough = lambda course: True,
) -> Course:
    """Run the rounds up to each look, until at a look there is enough; without looks named there
    is one, at the end. What a round does depends on none of this. An interrupt or a bug ends the
    run early and is told in the course. Turns are spooled in `room`."""
    course = Course(room)
    planned = batches(course, looks or (setup.rounds,), enough)
    with stopping(course, setup.rounds):
        if setup.clock == "real":
            _run_real(setup, planned, course, progress)
        elif jobs == 1:
            _run_here(setup, planned, course, progress)
        else:
            run_in_workers(one_virtual_round, setup, jobs, planned, course, progress)
    return course


def one_virtual_round(setup: Setup, round_: int, tell: Tell | None = None) -> Tally:
    """The whole round on a virtual loop of its own: it depends on nothing that ran before it."""
    tally = Tally()
    _play_virtual(setup, round_, tally, tell)
    return tally


def _play_virtual(setup: Setup, round_: int, tally: Tally, tell: Tell | None) -> None:
    clock = clocks.VirtualClock()

    async def main() -> None:
        arms = in_process_arms(setup, round_, clock)
        await run_round(clock, arms, _schedule(setup, round_, arms), tally, tell=tell)

    clocks.run("virtual", main())


def _run_here(setup: Setup, planned: Iterable[range], course: Course, progress: Progress) -> None:
    progress.watch(course.tally)
    for round_ in chain.from_iterable(planned):
        with course.spool(round_) as spool:
            _play_virtual(setup, round_, course.tally, spool.add)
        course.rounds_finished += 1


def _run_real(setup: Setup, planned: Iterable[range], course: Course, progress: Progress) -> None:
    progress.watch(course.tally)
    with mock_process(setup.mocks, setup.mocks_port) as base_url:
        clocks.run("real", _real_rounds(setup, base_url, clocks.RealClock(), planned, course))


@contextlib.asynccontextmanager
async def leaving_no_task() -> AsyncIterator[None]:
    """What still runs when the body is cancelled, such as the forks of a turn, ends here: before
    the connections under it close, which would look like a fault."""
    try:
        yield
    finally:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _real_rounds(
    setup: Setup, base_url: str, clock: Clock, planned: Iterable[range], course: Course
) -> None:
    """All on one set of connections. The next round is asked for, and a look taken, only when the
    one before has ended and nothing is being measured."""
    async with contextlib.AsyncExitStack() as stack:
        ways = await stack.enter_async_context(socket_ways(setup, base_url))
        await stack.enter_async_context(leaving_no_task())
        for round_ in chain([WARM_UP_ROUND], chain.from_iterable(planned)):
            arms = socket_arms(setup, round_, clock, ways)
            schedule = _schedule(setup, round_, arms)
            if round_ == WARM_UP_ROUND:
                await run_round(clock, arms, schedule, Tally())
                continue
            with course.spool(round_) as spool:
                await run_round(clock, arms, schedule, course.tally, tell=spool.add)
            course.rounds_finished += 1


def _schedule(setup: Setup, round_: int, arms: Sequence[Arm]) -> list[Due]:
    return round_schedule(
        setup.seed,
        round_,
        arms,
        turns=1 if round_ == WARM_UP_ROUND else setup.turns_in(round_),
        turns_each=setup.scenario.turns,
        rate=setup.rate,
    )
