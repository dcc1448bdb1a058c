"""An open run that is steered while it lasts: its rate changes, its turns come out one by one, and
it ends when told. It keeps no rows: they go to whoever listens."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from harness.clock import Clock
from harness.flow.flow import Chat, Flow
from harness.load.arrivals import Paced
from harness.load.engine import Arm, quiet_gc, record_turn
from harness.record import FlowRow, SpanRow

Tell = Callable[[FlowRow, list[SpanRow], str], None]
"""Takes a finished turn, its spans, and the fault that ended it, "" for none."""


class Live:
    """One arm under arrivals of a changing rate. `unit_dues` are its arrivals at one a second;
    `name` makes its users other people than those of another Live against the same mocks."""

    def __init__(
        self,
        clock: Clock,
        arm: Arm,
        unit_dues: Iterator[float],
        *,
        name: str,
        turns_each: int,
        tell: Tell,
    ) -> None:
        self.due = self.started = self.finished = 0
        self._clock = clock
        self._arm = arm
        self._name = name
        self._turns_each = turns_each
        self._tell = tell
        self._origin = clock.now()
        self._paced = Paced(unit_dues, self._origin)
        self._group = asyncio.TaskGroup()
        self._arriving: asyncio.Task[None] | None = None
        self._conversations = 0
        self._in_flight: dict[int, tuple[Chat, asyncio.Task[None]]] = {}
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Until `stop`, and then until the last turn in flight has ended and is told."""
        with quiet_gc():
            async with self._group:
                await self._stopped.wait()

    def set_rate(self, turns_per_s: float) -> None:
        """From now on, on average. What was due before now begins all the same. Once stopped, a
        run has no rate any more."""
        if self.stopped:
            return
        now = self._clock.now()
        while self._paced.due <= now:
            self._begin(self._paced.take())
        self._paced.change(turns_per_s / self._turns_each, now)
        if self._arriving:
            self._arriving.cancel()
        self._arriving = self._group.create_task(self._arrive())

    def stop(self) -> None:
        """Begin nothing more. A conversation between two turns ends at once, any other after the
        turn that it is in: an idle gap may last for minutes, a payment must not be cut."""
        self._stopped.set()
        if self._arriving:
            self._arriving.cancel()
        for chat, task in self._in_flight.values():
            if not chat.flows or chat.flows[-1].end is not None:
                task.cancel()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def turn_began(self) -> None:
        self.started += 1

    def turn_ended(self, flow: Flow, end: float) -> None:
        self._group.create_task(self._finish(flow, end))

    async def _arrive(self) -> None:
        while self._paced.due < math.inf:
            await self._clock.sleep_until(self._paced.due)
            self._begin(self._paced.take())

    def _begin(self, due: float) -> None:
        n = self._conversations
        self._conversations += 1
        self.due += self._turns_each
        user = f"{self._name}c{n}"
        chat = _LiveChat(self._arm.world, n, user, self._turns_each, due, live=self)
        self._in_flight[n] = chat, self._group.create_task(self._converse(chat))

    async def _converse(self, chat: Chat) -> None:
        try:
            await self._arm.converse(chat)
        except asyncio.CancelledError:
            if not self.stopped:
                raise
        finally:
            del self._in_flight[chat.conversation]

    async def _finish(self, flow: Flow, end: float) -> None:
        await flow.join()
        self.finished += 1
        tell = lambda row, spans: self._tell(row, spans, flow.fault)  # noqa: E731
        record_turn(self._arm.name, flow, end, self._origin, tell)


@dataclass(eq=False)
class _LiveChat(Chat):
    """A chat that tells of its turns, and in which none begins after the stop."""

    live: Live = field(kw_only=True)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Flow]:
        self._end_if_stopped()
        async with super().turn() as flow:
            self.live.turn_began()
            yield flow
        assert flow.end is not None
        self.live.turn_ended(flow, flow.end)
        self._end_if_stopped()

    def _end_if_stopped(self) -> None:
        if self.live.stopped:
            raise asyncio.CancelledError
