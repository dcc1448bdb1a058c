"""What never ends is told from what only takes its time, to the second of a virtual clock."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import httpx
import pytest

from harness import clock as clocks
from harness.cli.gate_watch import Watch
from harness.clock import VirtualClock
from harness.flow.flow import Chat, Flow, World
from harness.load.engine import Arm, Due, Tally, run_round

DRAIN_S = 60.0

Converse = Callable[[Chat], Awaitable[None]]


async def _quick(of: Flow | Chat) -> None: ...


async def _forever() -> None:
    await asyncio.sleep(1e6)


async def _stuck_turn(chat: Chat) -> None:
    async with chat.turn() as flow:
        with flow.step("intent"):
            await flow.sleep(1.0)
        if chat.conversation == 0:
            await _forever()


async def _thinks(chat: Chat) -> None:
    for _ in range(2):
        async with chat.turn() as flow:
            await flow.sleep(50.0)
        await chat.think(500.0)


async def _approves(chat: Chat) -> None:
    async with chat.turn() as flow:
        await flow.person("approve", 50.0)
        await flow.sleep(50.0)


async def _forks(chat: Chat) -> None:
    async with chat.turn() as flow:
        flow.fork(_forever())


async def _in_no_turn(chat: Chat) -> None:
    await _stuck_turn(chat) if chat.conversation else await _forever()


async def _boots_never(flow: Flow) -> None:
    await _forever()


class _Cut(NamedTuple):
    at_s: float | None
    running: int
    why: str


def _cut_at(converse: Converse, boot: Callable[[Flow], Awaitable[None]] = _quick) -> _Cut:
    """Three conversations, ten seconds apart; asked each second."""

    async def play() -> _Cut:
        clock, tally = VirtualClock(), Tally()
        watch = Watch(clock, DRAIN_S)
        nowhere = httpx.MockTransport(lambda request: httpx.Response(404))
        bare = Arm("base", World(clock, nowhere, 1, 0, True), boot, converse)
        arm = watch.over(bare, 3)
        dues = [Due(10.0 * n, n, arm, f"c{n}", 2) for n in range(3)]
        began = clock.now()
        playing = asyncio.create_task(run_round(clock, [arm], dues, tally))
        while not playing.done() and not watch.is_stuck():
            await asyncio.sleep(1.0)
        at_s = None if playing.done() else clock.now() - began
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        return _Cut(at_s, tally.running, watch.why_none(True))

    return clocks.run("virtual", play())


@pytest.mark.parametrize(
    ("converse", "at_s", "running", "why"),
    [
        (_stuck_turn, 61.0, 1, ""),
        (_thinks, None, 0, ""),
        (_approves, None, 0, ""),
        # Of the last, due at 20 s, nothing but its fork is left.
        (_forks, 81.0, 0, ""),
        (_in_no_turn, 61.0, 0, "conversation 0 has not gone on within 60 s, in no turn"),
    ],
)
def test_what_is_left_is_stuck_when_all_of_it_had_its_time(
    converse: Converse, at_s: float | None, running: int, why: str
) -> None:
    assert _cut_at(converse) == (at_s, running, why)


def test_an_app_that_does_not_boot_is_stuck_before_any_turn() -> None:
    assert _cut_at(_quick, _boots_never) == (61.0, 0, "its app has not booted within 60 s")
