"""The rounds of a comparison that plays a function of the user's own, on either clock; it judges
nothing.

They are played in one process and one after the other: what a function keeps in its module, as a
limiter or a token does, is there in the next round, and would be another in each worker.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from harness import clock as clocks
from harness.cli.bugs import innermost
from harness.cli.course import Course, Enough, Progress, batches, stopping
from harness.cli.mock_process import mock_process
from harness.cli.own_flow import BadFlow, OwnFlow, function_arm, longest_s, rerouted
from harness.cli.own_rounds import next_start_ns, rounds_quickly, way_in_process
from harness.cli.own_ways import served_door
from harness.cli.rounds import WARM_UP_ROUND, leaving_no_task
from harness.cli.ways import socket_ways
from harness.cli.wiring import Setup, Way
from harness.clock import Clock
from harness.flow.flow import Flow
from harness.flow.own_door import Door
from harness.load.books import hold_against_books
from harness.load.engine import Arm, Due, Tally, round_schedule, run_round
from harness.providers.trace import Trace, encode_traceparent, number_of
from harness.virtual_loop import Deadlock


def run_own_rounds(
    setup: Setup,
    functions: Sequence[OwnFlow],
    run_id: str,
    progress: Progress,
    room: Path,
    looks: Sequence[int],
    enough: Enough,
) -> Course:
    """As `run_rounds` does, a function for each variant of the setup. Raises BadFlow where a turn
    of the first round does what cannot be played; later that ends the run, and what was measured is
    kept."""
    course = Course(room)
    planned = batches(course, looks or (setup.rounds,), enough)
    progress.watch(course.tally)
    rounds = _Rounds(setup, functions, run_id, course)
    with stopping(course, setup.rounds), rerouted():
        try:
            rounds.play(planned)
        except* (BadFlow, Deadlock) as mistakes:
            rounds.mistake = innermost(mistakes)
    if rounds.mistake is not None and not course.rounds_finished:
        raise BadFlow(str(rounds.mistake))
    if rounds.mistake is not None:
        so_far = f"{course.rounds_finished} of {setup.rounds} rounds"
        course.stopped = f"stopped after {so_far}: {rounds.mistake}"
    return course


MOST_THREADS = 1000
"""For clients that are not asynchronous. What an event loop has by itself, few more than the cores,
would have one turn wait for another, and that would be told as the function's own time."""


class _Rounds:
    """What is played, and how far it is."""

    def __init__(
        self, setup: Setup, functions: Sequence[OwnFlow], run_id: str, course: Course
    ) -> None:
        self._setup, self._functions, self._run_id = setup, functions, run_id
        self._course = course
        self.mistake: BaseException | None = None
        self._last: Sequence[Arm] = ()
        """On the real clock: all rounds have gone the ways of these."""

    def play(self, planned: Iterable[range]) -> None:
        if self._setup.clock == "virtual":
            with rounds_quickly():
                self._play_virtual(chain.from_iterable(planned))
            return
        with mock_process(self._setup.mocks, self._setup.mocks_port) as base_url:
            clocks.run("real", self._play_real(base_url, chain.from_iterable(planned)))

    def _play_virtual(self, rounds: Iterable[int]) -> None:
        start_ns = 0
        for round_ in rounds:
            end_s = clocks.run("virtual", self._play_in_process(round_), start_ns=start_ns)
            start_ns = next_start_ns(end_s)

    async def _play_in_process(self, round_: int) -> float:
        clock = clocks.VirtualClock()
        ways = [way_in_process(self._setup.mocks, clock) for _ in self._functions]
        return await self._play_round(round_, clock, ways, None)

    async def _play_real(self, base_url: str, rounds: Iterable[int]) -> None:
        clock = clocks.RealClock()
        threads = ThreadPoolExecutor(MOST_THREADS, "tollbench turn")
        asyncio.get_running_loop().set_default_executor(threads)  # ends with the loop
        async with contextlib.AsyncExitStack() as stack:
            door = await stack.enter_async_context(served_door())
            ways = await stack.enter_async_context(socket_ways(self._setup, base_url))
            await stack.enter_async_context(leaving_no_task())
            for round_ in chain([WARM_UP_ROUND], rounds):
                await self._play_round(round_, clock, ways, door)
            if door.mistake is not None:
                raise door.mistake
            await hold_against_books(self._last, self._course.tally)

    async def _play_round(
        self, round_: int, clock: Clock, ways: Sequence[Way], door: Door | None
    ) -> float:
        """The clock's time at its end."""
        arms = [self._arm(n, round_, clock, way, door) for n, way in enumerate(ways)]
        if round_ == WARM_UP_ROUND:
            await run_round(clock, arms, self._schedule(round_, arms, 1), Tally())
            return clock.now()
        schedule = self._schedule(round_, arms, self._setup.turns_in(round_))
        with self._course.spool(round_) as spool:
            await run_round(clock, arms, schedule, self._course.tally, tell=spool.add)
        self._course.rounds_finished += 1
        if door is None:
            await hold_against_books(arms, self._course.tally)
        else:
            self._last = arms
        return clock.now()

    def _schedule(self, round_: int, arms: Sequence[Arm], turns: int) -> list[Due]:
        setup = self._setup
        return round_schedule(setup.seed, round_, arms, turns=turns, turns_each=1, rate=setup.rate)

    def _arm(self, n: int, round_: int, clock: Clock, way: Way, door: Door | None) -> Arm:
        variant = self._setup.variants[n]
        return function_arm(
            variant.name,
            self._functions[n],
            variant.strategy,
            way,
            seed=self._setup.seed,
            round_=round_,
            clock=clock,
            door=door,
            trace_of=_traces(number_of(self._run_id, variant.name, round_)),
            patience_s=longest_s(self._setup.mocks),
        )


def _traces(run: int) -> Callable[[Flow], str]:
    return lambda flow: encode_traceparent(Trace(run, flow.conversation, flow.turn))
