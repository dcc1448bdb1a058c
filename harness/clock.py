"""The two clocks: the real one, and the virtual one on which waiting is a jump.

Both run the same asyncio code, each on a loop of its own. Nothing here ever measures a call.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any, Literal, Protocol, TypeVar

from harness.alarm import Alarm, kernel_has_timers
from harness.virtual_loop import VirtualLoop, Wait

T = TypeVar("T")

ClockName = Literal["virtual", "real"]

VIRTUAL_DAY_S = 1_795_392_000
"""2026-11-23, 00:00 UTC."""

_perf_counter = time.perf_counter  # Itself, also while flow/own_time.py has one in its place.


class Clock(Protocol):
    """What a flow, a mock and the engine may ask of time; seconds, from an arbitrary origin."""

    @property
    def name(self) -> ClockName: ...

    def now(self) -> float: ...

    def unix_s(self) -> float:
        """The time of day, in seconds since 1970."""

    def sleep_until(self, when: float) -> Awaitable[None]:
        """Return at `when` or later, never earlier."""


class VirtualClock:
    """The time of the running virtual loop."""

    name: ClockName = "virtual"

    _loop: VirtualLoop
    """Kept, as to ask for it is a system call, and a turn would make forty."""

    def now(self) -> float:
        try:
            return self._loop.now_s
        except AttributeError:  # None is kept yet, or one that is closed: that has no time.
            return self._running().now_s

    def unix_s(self) -> float:
        """Every run begins on the same day."""
        return VIRTUAL_DAY_S + self.now()

    @coroutine  # An `async def` would need a generator more to yield to the loop.
    def sleep_until(self, when: float) -> Generator[Wait, None, None]:
        if self.now() < when:
            loop = self._loop
            yield Wait(loop, when)
            while loop.now_s < when:
                yield Wait(loop, when)

    def _running(self) -> VirtualLoop:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop), "the virtual clock goes on a virtual loop alone"
        self._loop = loop
        return loop


class RealClock:
    """Seconds of the machine's monotonic clock, with the resolution of perf_counter.

    uvloop's own time() moves in whole milliseconds, so it is no clock to measure with.
    """

    name: ClockName = "real"

    def __init__(self) -> None:
        self._alarm: Alarm | None = None

    def now(self) -> float:
        return _perf_counter()

    def unix_s(self) -> float:
        return time.time()

    async def sleep_until(self, when: float) -> None:
        # Timers may fire early, libuv's by up to 0.75 ms: ask until the time has truly come.
        while (left := when - _perf_counter()) > 0:
            if kernel_has_timers():
                await self._kept_alarm().at(when)
            else:
                await asyncio.sleep(left)

    def _kept_alarm(self) -> Alarm:
        if self._alarm is None or self._alarm.loop.is_closed():
            self._alarm = Alarm()
        return self._alarm


def clock(name: ClockName) -> Clock:
    return VirtualClock() if name == "virtual" else RealClock()


def run(name: ClockName, main: Coroutine[Any, Any, T], *, start_ns: int = 0) -> T:
    """Run `main` to its end on a fresh loop of that clock. Ctrl-C cancels it, then raises. The
    virtual clock begins at `start_ns`; the real one is when it is."""
    with asyncio.Runner(loop_factory=_loop_factory(name, start_ns)) as runner:
        return runner.run(main)


def _loop_factory(name: ClockName, start_ns: int) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == "virtual":
        return partial(VirtualLoop, start_ns=start_ns)
    if sys.platform == "win32":
        return asyncio.SelectorEventLoop
    import uvloop  # the virtual clock never pays for it

    return uvloop.new_event_loop
