"""A steered run on the virtual clock: its rate, its end, and what it tells, to the exact second."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count

import httpx
import pytest

from harness.clock import VirtualClock, run
from harness.flow.flow import Chat, Flow, World
from harness.load.engine import Arm
from harness.load.live import Live
from harness.providers.call import Overloaded
from harness.record import FlowRow, SpanRow

TURN_S, THINK_S = 2.0, 100.0


@dataclass
class Run:
    """What came of a run, and when: its rows with the time at which each was told."""

    live: Live
    clock: VirtualClock
    told: list[tuple[float, FlowRow, list[SpanRow], str]] = field(default_factory=list)
    chats: list[Chat] = field(default_factory=list)
    ended: float = 0.0

    @property
    def dues(self) -> list[float]:
        return sorted(row.due_s for _, row, _, _ in self.told if row.turn == 0)

    @property
    def turns(self) -> list[tuple[float, int, int]]:
        """When told, conversation, turn."""
        return [(round(when, 6), row.conversation, row.turn) for when, row, _, _ in self.told]


Steer = Callable[[Live, VirtualClock], Awaitable[None]]
Converse = Callable[[Chat], Awaitable[None]]


async def _chatter(chat: Chat) -> None:
    for turn in range(chat.turns):
        if turn:
            await chat.think(THINK_S)
        async with chat.turn() as flow:
            await flow.sleep(TURN_S)
            flow.outcome = "ok"


def _run(steer: Steer, *, turns_each: int = 1, converse: Converse = _chatter) -> Run:
    """Unit arrivals come evenly, at 1, 2, 3, .."""
    clock = VirtualClock()

    async def main() -> Run:
        async def seen(chat: Chat) -> None:
            result.chats.append(chat)
            await converse(chat)

        world = World(clock, httpx.MockTransport(lambda _: httpx.Response(500)), 1, 0, True)
        arm = Arm("baseline", world, _no_boot, seen)
        live = Live(
            clock,
            arm,
            map(float, count(1)),
            name="w3",
            turns_each=turns_each,
            tell=lambda row, spans, fault: result.told.append((clock.now(), row, spans, fault)),
        )
        result = Run(live, clock)
        async with asyncio.TaskGroup() as group:
            steering = group.create_task(_steer(steer, live, clock))
            await live.run()
            result.ended = clock.now()
            steering.cancel()
        return result

    return run("virtual", main())


async def _steer(steer: Steer, live: Live, clock: VirtualClock) -> None:
    await steer(live, clock)


async def _no_boot(flow: Flow) -> None: ...


def _orders(*orders: tuple[float, float | None]) -> Steer:
    """At each time a rate; None is the stop."""

    async def steer(live: Live, clock: VirtualClock) -> None:
        for when, rate in orders:
            await clock.sleep_until(when)
            live.stop() if rate is None else live.set_rate(rate)

    return steer


def test_conversations_come_at_the_rate_of_the_moment() -> None:
    done = _run(_orders((0, 1), (2.5, 4), (3.5, 0), (7.5, 2), (9.1, None)))
    assert done.dues == [1, 2, 2.625, 2.875, 3.125, 3.375, 7.75, 8.25, 8.75]


def test_the_rate_counts_turns_not_conversations() -> None:
    done = _run(_orders((0, 1), (11, None)), turns_each=5)
    assert done.dues == [5, 10]
    assert done.live.due == 10


def test_what_is_due_at_the_very_moment_of_a_change_still_begins() -> None:
    assert _run(_orders((0, 1), (2, 0), (5, None))).dues == [1, 2]


def test_a_turn_is_told_when_it_ends_not_when_its_conversation_does() -> None:
    done = _run(_orders((0, 2), (1.5, 0), (150, None)), turns_each=2)
    assert done.turns == [(3, 0, 0), (105, 0, 1)]


def test_a_stop_lets_a_turn_end_and_begins_no_other() -> None:
    done = _run(_orders((0, 2), (2.5, None)), turns_each=2)
    assert done.turns == [(3, 0, 0), (4, 1, 0)]
    assert (done.live.due, done.live.started, done.live.finished) == (4, 2, 2)
    assert done.ended == pytest.approx(4.0)


def test_a_stop_does_not_wait_for_a_user_who_thinks() -> None:
    done = _run(_orders((0, 2), (1.5, 0), (50, None)), turns_each=2)
    assert done.turns == [(3, 0, 0)]
    assert done.ended == pytest.approx(50.0)


def test_a_stop_before_any_rate_ends_at_once() -> None:
    done = _run(_orders((7, None)))
    assert done.live.started == 0
    assert done.ended == pytest.approx(7.0)


def test_a_rate_after_the_stop_begins_nothing() -> None:
    done = _run(_orders((0, 1), (1.5, None), (1.6, 100)))
    assert done.dues == [1]


def test_what_runs_on_after_a_turn_is_waited_for_also_at_the_stop() -> None:
    async def warming(chat: Chat) -> None:
        async with chat.turn() as flow:
            flow.fork(flow.sleep(9.0))
            flow.outcome = "ok"

    done = _run(_orders((0, 1), (1.5, None)), converse=warming)
    assert done.turns == [(10, 0, 0)]
    assert done.told[0][1].response_ms == pytest.approx(0.0, abs=1e-3)
    assert done.ended == pytest.approx(10.0)


def test_a_fault_is_told_with_its_turn_and_the_run_goes_on() -> None:
    async def failing(chat: Chat) -> None:
        async with chat.turn():
            raise Overloaded("503")

    done = _run(_orders((0, 1), (2.5, None)), converse=failing)
    assert [(row.outcome, fault) for _, row, _, fault in done.told] == [
        ("error", "Overloaded: 503"),
        ("error", "Overloaded: 503"),
    ]


def test_a_bug_in_a_scenario_ends_the_run() -> None:
    async def broken(chat: Chat) -> None:
        raise KeyError("no such thing")

    with pytest.raises(ExceptionGroup) as raised:
        _run(_orders((0, 1), (5, None)), converse=broken)
    assert raised.group_contains(KeyError)


def test_users_carry_the_name_of_their_run() -> None:
    done = _run(_orders((0, 1), (3.5, None)))
    assert [chat.user for chat in done.chats] == ["w3c0", "w3c1", "w3c2"]
