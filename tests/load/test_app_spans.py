"""A tested app measured from both sides, on the virtual clock: what it called is known exactly, and
what is left is its own."""

import asyncio

import httpx
import pytest

from harness.answer import Answer
from harness.clock import VirtualClock, run
from harness.flow.flow import Flow, World
from harness.in_process import InProcess
from harness.load.app_spans import AppSpans
from harness.stats.critical_path import OWN_TIME
from mocks.host import IN_PROCESS_URL
from tests.load.app_double import (
    COMPLETIONS,
    READ,
    RUN,
    TELL,
    AppDouble,
    in_series,
    mocks_at,
    parts_of,
    played,
)


async def _in_parallel(app: AppDouble, trace: str) -> None:
    await app.think(0.04)
    await asyncio.gather(app.ask(READ, trace), app.ask(TELL, trace))


async def _with_a_stray(app: AppDouble, trace: str) -> None:
    await app.ask(READ, trace)
    asyncio.get_running_loop().create_task(app.ask(TELL, trace))
    await app.think(0.1)


async def _named(app: AppDouble, trace: str) -> None:
    await app.ask(READ, trace, draw="0.0.0.intent.1")
    await app.ask(TELL, trace, draw="0.0.0.confirm.1")


def test_stage_times_and_own_time_are_the_response_and_the_overhead_is_found() -> None:
    seen = played(in_series)
    (flow,) = seen.rows.flows
    assert (flow.outcome, flow.response_ms, flow.calls) == ("paid", 1260.0, 3)
    assert parts_of(seen) == pytest.approx({COMPLETIONS: 1200.0, OWN_TIME: 60.0}, abs=1e-6)
    assert sum(parts_of(seen).values()) == pytest.approx(flow.response_ms, abs=1e-9)


def test_the_answers_own_span_encloses_the_apps_calls_and_is_no_step_beside_them() -> None:
    told = [(span.stage, span.provider, span.critical) for span in played(in_series).stages()]
    assert told == [
        ("chat", "app", False),
        (COMPLETIONS, "openai", True),
        (COMPLETIONS, "openai", True),
    ]


def test_of_calls_side_by_side_only_the_longest_was_waited_for() -> None:
    seen = played(_in_parallel)
    _, *calls = seen.stages()
    reader, teller = sorted(calls, key=lambda span: span.end_s)
    assert reader.start_s == teller.start_s == pytest.approx(0.29)
    assert (reader.critical, teller.critical) == (False, True)
    assert parts_of(seen) == pytest.approx({COMPLETIONS: 700.0, OWN_TIME: 40.0}, abs=1e-6)


def test_a_call_that_nobody_waited_for_is_told_and_costs_the_user_nothing() -> None:
    seen = played(_with_a_stray)
    stray = seen.stages()[-1]
    (flow,) = seen.rows.flows
    assert (stray.critical, stray.end_s > flow.end_s) == (False, True)
    assert parts_of(seen) == pytest.approx({COMPLETIONS: 500.0, OWN_TIME: 100.0}, abs=1e-6)


# A turn ends half a second after it is due, the call begins 0.05 s later; askings are at 0.5, 1...
@pytest.mark.parametrize("due", [0.0, 0.1, 0.25, 0.45, 0.6])
def test_a_call_that_began_after_the_turn_is_recorded_by_no_chance(due: float) -> None:
    async def forgets(app: AppDouble, trace: str) -> None:
        await app.ask(READ, trace)

        async def later() -> None:
            await app.think(0.05)
            await app.ask(TELL, trace)

        asyncio.get_running_loop().create_task(later())

    seen = played(forgets, dues=(due,))
    assert [flow.calls for flow in seen.rows.flows] == [2]
    assert [span.stage for span in seen.stages()] == ["chat", COMPLETIONS]


def test_an_app_that_names_its_draws_names_its_stages() -> None:
    assert parts_of(played(_named)) == pytest.approx({"intent": 500.0, "confirm": 700.0})


def test_every_turn_gets_its_own_calls_and_none_twice() -> None:
    seen = played(in_series, dues=[0.1 * n for n in range(40)], turns=2)
    assert seen.tally.finished == 80
    assert len(set(seen.traces)) == 80
    assert [flow.calls for flow in seen.rows.flows] == [3] * 80
    assert len(seen.rows.spans) == 240
    assert seen.spans.without == 0


def test_calls_that_came_at_the_moment_of_an_asking_are_not_lost() -> None:
    # Askings are at 0, 0.5, 1, ...; each of these calls arrives at such a moment.
    async def at_once(app: AppDouble, trace: str) -> None:
        await app.ask(READ, trace)
        await app.ask(READ, trace)

    seen = played(at_once, dues=[0.5 * n for n in range(10)])
    assert [flow.calls for flow in seen.rows.flows] == [3] * 10


def test_turns_that_waited_together_do_not_hold_up_the_loop_together() -> None:
    rounds = 0

    async def tick() -> None:
        nonlocal rounds
        for _ in range(100):
            rounds += 1
            await asyncio.sleep(0)

    async def completed(spans: AppSpans, world: World, n: int) -> int:
        flow = Flow(world, n, 0, due=0.0, start=0.0, end=0.0)
        await spans.complete(flow)
        return rounds

    async def main() -> list[int]:
        clock = VirtualClock()
        there, ticking = mocks_at(clock), list[asyncio.Task[None]]()

        def decide(request: httpx.Request) -> Answer:
            ticking.append(asyncio.get_running_loop().create_task(tick()))
            return there(request)

        mocks = InProcess(decide, clock)
        spans = AppSpans(clock, mocks, IN_PROCESS_URL, RUN, print)
        world = World(clock, mocks, 1, 0, mocked=False)
        async with spans.asking():
            return await asyncio.gather(*[completed(spans, world, n) for n in range(20)])

    told = run("virtual", main())
    assert len(set(told)) == 20
