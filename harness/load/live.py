"""An open run that is steered while it lasts: its rate and its share of the schedule change, its
turns come out one by one, and it ends when told. It keeps no rows: they go to whoever listens."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from harness import draws
from harness.clock import Clock
from harness.flow.flow import Chat, Flow
from harness.load.causes import Causes, count_cause
from harness.load.engine import Arm, Tally, count_turn, intent_of, quiet_gc, record_turn
from harness.load.pipe import Step
from harness.load.steered import Arrival, Steered
from harness.record import FlowRow, SpanRow

Tell = Callable[[FlowRow, list[SpanRow], Flow], None]
"""Takes a turn that has ended, its spans, and what both were made of."""


class Live:
    """One engine's share of a run. `unit_dues` are the arrivals of the whole schedule at one a
    second, and `origin` is the clock's time from which all seconds of the run count.

    `name` makes its users other people than those of another run against the same providers. A
    user's number is the same whichever engine plays the conversation.
    """

    def __init__(
        self,
        clock: Clock,
        arms: Sequence[Arm],
        unit_dues: Iterator[float],
        *,
        name: str,
        turns_each: int,
        origin: float,
        tell: Tell,
    ) -> None:
        self.tally = Tally()
        """A conversation's turns are due with it; those that a stop has prevented never were."""
        self.played: set[int] = set()
        """The numbers of the conversations that have begun here."""
        self._clock = clock
        self._arms = arms
        self._name = name
        self._turns_each = turns_each
        self._origin = origin
        self._tell = tell
        self._schedule = Steered(unit_dues, arms=len(arms), turns_each=turns_each)
        self._group = asyncio.TaskGroup()
        self._arriving: asyncio.Task[None] | None = None
        self._conversing: dict[asyncio.Task[None], Chat] = {}
        self._untold: dict[int, tuple[Arm, Flow]] = {}
        self._turn_causes: Causes = Counter()
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Until `stop`, and then until the last turn in flight has ended and is told. A bug ends it
        too: what was in flight is then cut off, told, and counted as running."""
        try:
            with quiet_gc():
                async with self._group:
                    await self._stopped.wait()
        finally:
            for arm, flow in list(self._untold.values()):
                if await flow.cut():
                    arm.cut.add(intent_of(flow))
                self._account(arm, flow)
            self.tally.leaks = sum(arm.world.leaks for arm in self._arms)

    def step(self, step: Step) -> None:
        """Once stopped, nothing begins any more. A step that is heard late holds from its time on
        all the same, for whatever this engine has not begun yet: the others followed it."""
        if self.stopped:
            return
        self._schedule.tell(step)
        self._begin_due(self._now_s())
        if self._arriving:
            self._arriving.cancel()
        self._arriving = self._group.create_task(self._arrive())

    def stop(self) -> None:
        """Begin nothing more that is not due by now. A conversation between two turns ends at once,
        any other after the turn that it is in: an idle gap may last for minutes, a payment must not
        be cut."""
        if self.stopped:
            return
        self._begin_due(self._now_s())
        self._stopped.set()
        if self._arriving:
            self._arriving.cancel()
        for task, chat in self._conversing.items():
            if self._is_thinking(chat):
                task.cancel()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def turn_began(self, arm: Arm, flow: Flow) -> None:
        self.tally.started += 1
        self._untold[id(flow)] = arm, flow

    def turn_ended(self, arm: Arm, flow: Flow) -> None:
        self._group.create_task(self._finish(arm, flow))

    def _now_s(self) -> float:
        return self._clock.now() - self._origin

    async def _arrive(self) -> None:
        while (next_s := self._schedule.next_s) < math.inf:
            if self._now_s() < next_s:
                await self._clock.sleep_until(self._origin + next_s)
            else:
                await asyncio.sleep(0)  # Behind, and still others must have their turn.
            self._begin_due(next_s)

    def _begin_due(self, by_s: float) -> None:
        for arrival in self._schedule.due_by(by_s):
            self._begin(arrival)

    def _begin(self, arrival: Arrival) -> None:
        n = self._turn_order(arrival.conversation)[arrival.slot]
        arm, conversation = self._arms[n], arrival.conversation
        user = f"{self._name}a{n}c{conversation}"
        due = self._origin + arrival.due_s
        chat = _LiveChat(arm.world, conversation, user, self._turns_each, due, live=self, arm=arm)
        self.tally.due += self._turns_each
        self.played.add(conversation)
        task = self._group.create_task(_converse(arm, chat))
        self._conversing[task] = chat
        task.add_done_callback(self._ended)

    def _is_thinking(self, chat: Chat) -> bool:
        """Between two turns, or before a first one that is not due yet."""
        if chat.flows:
            return chat.flows[-1].end is not None
        return chat.due > self._clock.now()

    def _turn_order(self, conversation: int) -> Sequence[int]:
        """The numbers of the arms, in the order in which they begin this conversation: seeded, so
        that whatever drifts hits all of them alike."""
        if len(self._arms) == 1:
            return (0,)
        seed, round_ = self._arms[0].world.seed, self._arms[0].world.round
        luck = [draws.uniform(seed, "order", round_, conversation, arm.name) for arm in self._arms]
        return sorted(range(len(luck)), key=luck.__getitem__)

    def _ended(self, task: asyncio.Task[None]) -> None:
        chat = self._conversing.pop(task)
        if task.cancelled():
            self.tally.due -= chat.turns - len(chat.flows)

    async def _finish(self, arm: Arm, flow: Flow) -> None:
        await flow.join()
        await arm.complete(flow)
        self._account(arm, flow)

    def _account(self, arm: Arm, flow: Flow) -> None:
        del self._untold[id(flow)]
        count_turn(flow, self.tally)
        if flow.cause:  # It is told too, so of its names there must be few as well.
            flow.cause = count_cause(self._turn_causes, "", flow.cause)
        assert flow.end is not None
        tell = lambda row, spans: self._tell(row, spans, flow)  # noqa: E731
        record_turn(arm.name, flow, flow.end, self._origin, tell)


async def _converse(arm: Arm, chat: Chat) -> None:
    await arm.converse(chat)


@dataclass(eq=False)
class _LiveChat(Chat):
    """A chat that tells of its turns, and in which none but the first begins after the stop."""

    live: Live = field(kw_only=True)
    arm: Arm = field(kw_only=True)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Flow]:
        self._end_if_stopped()
        async with super().turn() as flow:
            self.live.turn_began(self.arm, flow)
            yield flow
        self.live.turn_ended(self.arm, flow)
        self._end_if_stopped()

    def _end_if_stopped(self) -> None:
        if self.flows and self.live.stopped:
            raise asyncio.CancelledError
