"""The clocks of Python's `time` as a turn on the virtual clock reads them: they tell its time.

On the real clock, and outside a turn, they are the machine's. It moves no time.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from harness.clock import VIRTUAL_DAY_S, Clock
from harness.flow.own import OwnTurn, current_turn
from harness.flow.refused import Function

_UPTIME_S = 10_000_000
"""What a monotonic clock begins at, 115 days: what a module has read of the machine's own when it
was imported, or has as 0, then lies in the past. A float still tells 2 ns here."""
_MOST_READS = 1_000_000
_STUCK = (
    f"the clock was read {_MOST_READS} times in a row and no time went by: on the virtual clock it "
    "does so only while a task waits; await asyncio.sleep(...) with more than 0 there"
)


def clocks_of_turns() -> dict[str, Callable[[Function], Function]]:
    """By its name in `time`, what makes of each clock one that tells the time of the turn."""
    monotonic, of_day = _Told(_UPTIME_S, 4), _Told(VIRTUAL_DAY_S, 1000)
    made: dict[str, Callable[[Function], Function]] = {}
    for name, told in (("monotonic", monotonic), ("perf_counter", monotonic), ("time", of_day)):
        made[name] = partial(_Seconds, told)
        made[f"{name}_ns"] = partial(_Nanoseconds, told)
    return made


class _Told:
    """The time that one sort of clock tells, never the same one twice.

    Each read takes a step, which the clock of its turn is ahead by from then on: else code would
    divide by a time of 0, or find that a deadline it has slept up to is still to come, by the
    rounding of floats.
    """

    def __init__(self, origin_s: int, step_ns: int) -> None:
        """A step is more than what the floats that tell such a time lie apart."""
        self._origin_ns, self._step_ns = origin_s * 10**9, step_ns
        self._of: Clock | None = None
        self._last_ns = self._at = self._reads = 0

    def ns(self, turn: OwnTurn) -> int:
        at, step, clock = round(turn.now() * 1e9), self._step_ns, turn.world.clock
        if clock is not self._of:
            self._of, self._last_ns = clock, at - step
        self._reads = self._reads + 1 if at == self._at else 0
        self._at = at
        if self._reads > _MOST_READS:
            raise turn.mistaken(_STUCK)
        turn.ahead_ns[self] = ahead = turn.ahead_ns.get(self, -step) + step
        self._last_ns = told = max(at + ahead, self._last_ns + step)
        return self._origin_ns + told


class _Nanoseconds:
    """In place of a function of `time`. It is none itself: kept as a class's attribute, that would
    become a method."""

    def __init__(self, told: _Told, before: Function) -> None:
        self._before, self._told = before, told

    def __call__(self) -> Any:
        turn = current_turn()
        if turn is None or not turn.virtual:
            return self._before()
        return self._told.ns(turn)


class _Seconds(_Nanoseconds):
    def __call__(self) -> Any:
        turn = current_turn()
        if turn is None or not turn.virtual:
            return self._before()
        return self._told.ns(turn) / 1e9
