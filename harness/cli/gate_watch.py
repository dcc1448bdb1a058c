"""What of a side's round is in flight, and whether it will ever end; it cuts nothing off."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from harness.clock import Clock
from harness.flow.flow import Chat, Flow
from harness.load.engine import Arm


@dataclass(slots=True)
class _Open:
    """A conversation, until its last fork has ended."""

    chat: Chat
    talked: float | None = None
    """When there was nothing but forks left."""

    @property
    def turn(self) -> Flow | None:
        """The one that has begun and not ended."""
        last = self.chat.flows[-1] if self.chat.flows else None
        return last if last is not None and last.end is None else None

    @property
    def since(self) -> float:
        """When something was due to happen. A user who thinks, or approves a payment, may."""
        if self.talked is not None:
            return self.talked
        return self.chat.due if self.turn is None else self.turn.start + self.turn.human


class Watch:
    """Over one round after the other."""

    def __init__(self, clock: Clock, drain_s: float) -> None:
        self._clock, self._drain_s = clock, drain_s
        self._open: dict[int, _Open] = {}
        self._to_come = 0
        self._booting: float | None = None

    def over(self, arm: Arm, conversations: int) -> Arm:
        """The arm, watched, for a round of so many."""
        self._open.clear()
        self._to_come = conversations
        return replace(
            arm,
            boot=self._watching_boot(arm.boot),
            converse=self._watching(arm.converse),
            complete=self._until_complete(arm.complete),
        )

    def is_stuck(self) -> bool:
        """Whether all there is to wait for has taken too long."""
        late = self._clock.now() - self._drain_s
        if self._booting is not None:
            return self._booting < late
        if self._to_come or not self._open:
            return False
        return all(one.since < late for one in self._open.values())

    def why_none(self, began: bool) -> str:
        """Why there are no turns to tell of, after a cut; "" where those cut off tell it."""
        within = f"within {self._drain_s:g} s"
        if self._booting is not None:
            return f"its app has not booted {within}"
        if not began:
            stages = [flow.spans[-1].stage for flow in self._cut() if flow.spans]
            where = f": it is in {stages[0]}" if stages else ""
            return f"its first turn, which is in no figure, has not ended {within}{where}"
        lost = [one for one in self._open.values() if one.talked is None and not self._is_cut(one)]
        if lost:
            return f"conversation {lost[0].chat.conversation} has not gone on {within}, in no turn"
        return ""

    def _cut(self) -> list[Flow]:
        return [one.chat.flows[-1] for one in self._open.values() if self._is_cut(one)]

    def _is_cut(self, one: _Open) -> bool:
        """A turn that is cut off is given an end and is called running."""
        last = one.chat.flows[-1] if one.chat.flows else None
        return last is not None and (last.end is None or last.outcome == "running")

    def _watching_boot(
        self, boot: Callable[[Flow], Awaitable[None]]
    ) -> Callable[[Flow], Awaitable[None]]:
        async def watched(flow: Flow) -> None:
            self._booting = self._clock.now()
            await boot(flow)
            await flow.join()
            self._booting = None

        return watched

    def _watching(
        self, converse: Callable[[Chat], Awaitable[None]]
    ) -> Callable[[Chat], Awaitable[None]]:
        async def watched(chat: Chat) -> None:
            self._to_come -= 1
            one = self._open[chat.conversation] = _Open(chat)
            await converse(chat)
            one.talked = self._clock.now()
            if not chat.flows:
                del self._open[chat.conversation]

        return watched

    def _until_complete(
        self, complete: Callable[[Flow], Awaitable[None]]
    ) -> Callable[[Flow], Awaitable[None]]:
        async def watched(flow: Flow) -> None:
            await complete(flow)
            if flow is self._open[flow.conversation].chat.flows[-1]:
                del self._open[flow.conversation]

        return watched
