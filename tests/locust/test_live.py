"""A steered run on the virtual clock: its rate, its end, and what it tells, to the exact second."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from itertools import count
from types import coroutine

import httpx
import pytest

from harness.clock import VirtualClock, run
from harness.flow.flow import Chat, Flow, Span, World
from harness.load.causes import MOST_CAUSES, OTHER
from harness.load.engine import Arm
from harness.load.live import Live
from harness.load.pipe import Step
from harness.providers.call import Overloaded
from harness.record import FlowRow
from harness.virtual_loop import Wait

TURN_S, THINK_S = 2.0, 100.0


@dataclass
class Run:
    """What came of a run, and when: its rows with the time at which each was told."""

    live: Live
    clock: VirtualClock
    told: list[tuple[float, FlowRow, Flow]] = field(default_factory=list)
    chats: list[Chat] = field(default_factory=list)
    ended: float = 0.0

    @property
    def dues(self) -> list[float]:
        return sorted(row.due_s for _, row, _ in self.told if row.turn == 0)

    @property
    def turns(self) -> list[tuple[float, int, int]]:
        """When told, conversation, turn."""
        return [(round(when, 6), row.conversation, row.turn) for when, row, _ in self.told]

    @property
    def counts(self) -> tuple[int, ...]:
        """Due, started, finished, failed, running."""
        tally = self.live.tally
        return tally.due, tally.started, tally.finished, tally.failed, tally.running


Steer = Callable[[Live, VirtualClock], Awaitable[None]]
Converse = Callable[[Chat], Awaitable[None]]


async def _chatter(chat: Chat) -> None:
    for turn in range(chat.turns):
        if turn:
            await chat.think(THINK_S)
        async with chat.turn() as flow:
            await flow.sleep(TURN_S)
            flow.outcome = "ok"


def _run(
    steer: Steer,
    *,
    turns_each: int = 1,
    converse: Converse = _chatter,
    complete: Callable[[Flow], Awaitable[None]] | None = None,
    origin: float = 0.0,
    seen: list[Run] | None = None,
    clock: VirtualClock | None = None,
) -> Run:
    """Unit arrivals come evenly, at 1, 2, 3, .."""
    clock = clock or VirtualClock()

    async def main() -> Run:
        async def noted(chat: Chat) -> None:
            result.chats.append(chat)
            await converse(chat)

        world = World(clock, httpx.MockTransport(lambda _: httpx.Response(500)), 1, 0, True)
        arm = Arm("baseline", world, _nothing, noted, complete or _nothing)
        live = Live(
            clock,
            [arm],
            map(float, count(1)),
            name="w3",
            turns_each=turns_each,
            origin=origin,
            tell=lambda row, spans, flow: result.told.append((clock.now(), row, flow)),
        )
        result = Run(live, clock)
        if seen is not None:
            seen.append(result)
        async with asyncio.TaskGroup() as group:
            steering = group.create_task(_steer(steer, live, clock))
            await live.run()
            result.ended = clock.now()
            steering.cancel()
        return result

    return run("virtual", main())


async def _steer(steer: Steer, live: Live, clock: VirtualClock) -> None:
    await steer(live, clock)


async def _nothing(flow: Flow) -> None: ...


def _orders(*orders: tuple[float, float | None]) -> Steer:
    """At each time a rate, from then on; None is the stop."""

    async def steer(live: Live, clock: VirtualClock) -> None:
        for when, rate in orders:
            await clock.sleep_until(when)
            live.stop() if rate is None else live.step(Step(when, rate, 0, 1))

    return steer


def test_conversations_come_at_the_rate_of_the_moment() -> None:
    done = _run(_orders((0, 1), (2.5, 4), (3.5, 0), (7.5, 2), (9.1, None)))
    assert done.dues == [1, 2, 2.625, 2.875, 3.125, 3.375, 7.75, 8.25, 8.75]


def test_the_rate_counts_turns_not_conversations() -> None:
    assert _run(_orders((0, 1), (11, None)), turns_each=5).dues == [5, 10]


def test_what_is_due_at_the_very_moment_of_a_change_still_begins() -> None:
    assert _run(_orders((0, 1), (2, 0), (5, None))).dues == [1, 2]


def test_a_turn_is_told_when_it_ends_not_when_its_conversation_does() -> None:
    done = _run(_orders((0, 2), (1.5, 0), (150, None)), turns_each=2)
    assert done.turns == [(3, 0, 0), (105, 0, 1)]


def test_all_seconds_count_from_the_origin() -> None:
    async def steer(live: Live, clock: VirtualClock) -> None:
        live.step(Step(1, 1, 0, 1))
        await clock.sleep_until(44.5)
        live.stop()

    done = _run(steer, origin=40.0)
    assert done.dues == [2, 3, 4]
    assert done.turns == [(44, 0, 0), (45, 1, 0), (46, 2, 0)]


def test_a_step_that_is_heard_late_begins_what_is_due_by_it_late() -> None:
    async def steer(live: Live, clock: VirtualClock) -> None:
        await clock.sleep_until(3.25)
        live.step(Step(0, 1, 0, 1))
        await clock.sleep_until(4.5)
        live.stop()

    rows = sorted((row for _, row, _ in _run(steer).told), key=lambda row: row.due_s)
    assert [(row.due_s, row.start_s) for row in rows] == [
        (1, 3.25), (2, 3.25), (3, 3.25), (4, 4)
    ]  # fmt: skip
    assert [row.response_ms for row in rows] == [4250, 3250, 2250, 2000]


def test_a_stop_lets_a_turn_end_and_begins_no_other() -> None:
    done = _run(_orders((0, 2), (2.5, None)), turns_each=2)
    assert done.turns == [(3, 0, 0), (4, 1, 0)]
    assert done.ended == pytest.approx(4.0)


def test_the_turns_that_a_stop_has_prevented_were_not_due() -> None:
    assert _run(_orders((0, 2), (2.5, None)), turns_each=2).counts == (2, 2, 2, 0, 0)
    assert _run(_orders((0, 2), (50, 0), (300, None)), turns_each=2).counts == (100, 100, 100, 0, 0)


def test_a_stop_begins_what_is_due_at_its_very_moment() -> None:
    done = _run(_orders((0, 1), (2, None)))
    assert done.dues == [1, 2]
    assert done.counts == (2, 2, 2, 0, 0)


def test_a_stop_does_not_wait_for_a_user_who_thinks() -> None:
    done = _run(_orders((0, 2), (1.5, 0), (50, None)), turns_each=2)
    assert done.turns == [(3, 0, 0)]
    assert done.ended == pytest.approx(50.0)


def test_a_stop_does_not_wait_for_a_user_who_thinks_before_the_first_turn() -> None:
    async def hesitant(chat: Chat) -> None:
        await chat.think(THINK_S)
        await _chatter(chat)

    done = _run(_orders((0, 1), (3.5, None)), converse=hesitant)
    assert done.counts == (0, 0, 0, 0, 0)
    assert done.ended == pytest.approx(3.5)


def test_a_stop_before_any_rate_ends_at_once() -> None:
    done = _run(_orders((7, None)))
    assert done.counts == (0, 0, 0, 0, 0)
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


def test_a_turn_is_completed_by_what_others_know_before_it_is_told() -> None:
    async def complete(flow: Flow) -> None:
        await flow.sleep(1.0)
        flow.method = "told by others"

    done = _run(_orders((0, 1), (1.5, None)), complete=complete)
    ((when, row, _),) = done.told
    assert (when, row.end_s, row.method) == (4.0, 3.0, "told by others")


def test_a_fault_is_told_with_its_turn_and_the_run_goes_on() -> None:
    async def failing(chat: Chat) -> None:
        async with chat.turn():
            raise Overloaded("503")

    done = _run(_orders((0, 1), (2.5, None)), converse=failing)
    assert [(row.outcome, flow.fault) for _, row, flow in done.told] == [
        ("error", "Overloaded: 503"),
        ("error", "Overloaded: 503"),
    ]
    assert done.counts == (2, 2, 0, 2, 0)
    assert done.live.tally.fault == "Overloaded: 503"


def test_of_causes_that_are_never_the_same_only_some_have_a_name_of_their_own() -> None:
    async def hostile(chat: Chat) -> None:
        async with chat.turn() as flow:
            now, cause = flow.now(), f"code {chat.conversation}"
            flow.spans.append(Span("pay", "p", now, now, now, now, 500, 1, None, cause))
            raise Overloaded("never the same", code=cause, status=503)

    done = _run(_orders((0, 1), (2 * MOST_CAUSES, None)), converse=hostile)
    flows = [flow for _, _, flow in done.told]
    assert len(flows) == 2 * MOST_CAUSES
    assert len({flow.cause for flow in flows}) == MOST_CAUSES + 1
    assert len({flow.spans[0].fault for flow in flows}) == MOST_CAUSES + 1
    assert done.live.tally.causes["pay", OTHER] == MOST_CAUSES


def test_a_bug_ends_the_run_and_what_was_in_flight_is_told_as_running() -> None:
    async def broken(chat: Chat) -> None:
        async with chat.turn() as flow:
            flow.fork(flow.sleep(9.0))
            await flow.sleep(TURN_S)
            if chat.conversation == 2:
                raise KeyError("no such thing")
            flow.outcome = "ok"

    seen: list[Run] = []
    with pytest.raises(ExceptionGroup) as raised:
        _run(_orders((0, 1), (50, None)), converse=broken, seen=seen)
    assert raised.group_contains(KeyError)
    (done,) = seen
    assert done.counts == (4, 4, 2, 0, 2)
    assert [(row.conversation, row.outcome, row.end_s) for _, row, _ in done.told] == [
        (0, "ok", 3), (1, "ok", 4), (2, "running", 5), (3, "running", 5)
    ]  # fmt: skip


def test_users_carry_the_name_of_their_run_and_the_number_of_their_arm() -> None:
    done = _run(_orders((0, 1), (3.5, None)))
    assert [chat.user for chat in done.chats] == ["w3a0c0", "w3a0c1", "w3a0c2"]


class _Stalling(VirtualClock):
    """A clock of a loop that stands still while time goes on."""

    ahead_s = 0.0

    def __init__(self) -> None:
        self._of_loop = VirtualClock()

    def now(self) -> float:
        return self._of_loop.now() + self.ahead_s

    @coroutine
    def sleep_until(self, when: float) -> Generator[Wait, None, None]:
        yield from self._of_loop.sleep_until(when - self.ahead_s)


def test_a_share_that_changed_while_the_loop_stood_still_changed_when_it_was_told_to() -> None:
    clock = _Stalling()

    async def stall(live: Live, _: VirtualClock) -> None:
        live.step(Step(0.0, 2.0, 0, 1))
        await clock.sleep_until(2.25)
        clock.ahead_s = 1.5  # Now it is 3.75.
        live.step(Step(2.75, 2.0, 1, 2))
        await clock.sleep_until(6.1)
        live.stop()

    done = _run(stall, clock=clock)
    # Two a second: alone until 2.75 s, and from then on those of an odd number.
    assert sorted(row.conversation for _, row, _ in done.told) == [0, 1, 2, 3, 4, 5, 7, 9, 11]
