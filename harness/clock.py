"""The two clocks: the real one, and the virtual one on which waiting is a jump.

Both run the same asyncio code. The virtual loop is asyncio's own selector loop with a selector
that, asked to wait, moves the time forward instead. Nothing here ever measures a call.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import time
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextvars import Context
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from harness.alarm import Alarm, kernel_has_timers

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

T = TypeVar("T")

ClockName = Literal["virtual", "real"]

_VIRTUAL_DAY_S = 1_795_392_000.0
"""2026-11-23, 00:00 UTC."""


class Clock(Protocol):
    """What a flow, a mock and the engine may ask of time; seconds, from an arbitrary origin."""

    @property
    def name(self) -> ClockName: ...

    def now(self) -> float: ...

    async def sleep_until(self, when: float) -> None:
        """Return at `when` or later, never earlier."""


class Deadlock(RuntimeError):
    """Every task of a virtual loop waits for something that no timer will bring."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still while code runs and jumps to the next timer.

    It starts at 0. Sockets, threads and subprocesses never wake it: a task that waits for one
    is a Deadlock, raised rather than hung.
    """

    def __init__(self) -> None:
        self._jump = _JumpSelector()
        super().__init__(self._jump)
        # asyncio runs a timer early when it is due within one clock tick; here a tick is 1 ns.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._jump.now_ns / 1e9


class VirtualClock:
    """The time of the running virtual loop."""

    name: ClockName = "virtual"

    def __init__(self) -> None:
        self._kept: asyncio.AbstractEventLoop | None = None

    def now(self) -> float:
        return self._loop().time()

    async def sleep_until(self, when: float) -> None:
        loop = self._loop()
        while loop.time() < when:
            await _Wait(loop, when)

    def _loop(self) -> asyncio.AbstractEventLoop:
        # Asking for the running loop costs a system call, which a turn would make forty times.
        if self._kept is None or self._kept.is_closed():
            self._kept = asyncio.get_running_loop()
        return self._kept


class RealClock:
    """Seconds of the machine's monotonic clock, with the resolution of perf_counter.

    uvloop's own time() moves in whole milliseconds, so it is no clock to measure with.
    """

    name: ClockName = "real"

    def now(self) -> float:
        return time.perf_counter()

    def __init__(self) -> None:
        self._alarm: Alarm | None = None

    async def sleep_until(self, when: float) -> None:
        # Timers may fire early, libuv's by up to 0.75 ms: ask until the time has truly come.
        while (left := when - time.perf_counter()) > 0:
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


def unix_s(clock: Clock) -> float:
    """The time of day, for wires that write one: seconds since 1970. On the virtual clock every
    run begins on the same day."""
    return time.time() if clock.name == "real" else _VIRTUAL_DAY_S + clock.now()


def run(name: ClockName, main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end on a fresh loop of that clock. Ctrl-C cancels it, then raises."""
    with asyncio.Runner(loop_factory=_loop_factory(name)) as runner:
        return runner.run(main)


def _loop_factory(name: ClockName) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == "virtual":
        return VirtualLoop
    if sys.platform == "win32":
        return asyncio.SelectorEventLoop
    import uvloop  # the virtual clock never pays for it

    return uvloop.new_event_loop


class _Wait:
    """A wait whose timer wakes the task that awaits it itself: with a future in between, the loop
    would turn round twice for each. asyncio's tasks await anything that has these five methods and
    the attribute; one task may await it, once."""

    __slots__ = ("_asyncio_future_blocking", "_cancelled", "_loop", "_timer", "_wake", "_when")

    def __init__(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        self._asyncio_future_blocking = False
        self._cancelled = False
        self._loop = loop
        self._when = when

    def __await__(self) -> Generator[_Wait, None, None]:
        self._asyncio_future_blocking = True
        yield self

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, wake: Callable[[_Wait], None], *, context: Context) -> None:
        self._wake = wake, context
        self._timer = self._loop.call_at(self._when, wake, self, context=context)

    def cancel(self, msg: object = None) -> bool:
        if self._timer.when() <= self._loop.time():
            return False  # It is about to wake the task, which asyncio then cancels itself.
        self._timer.cancel()
        self._cancelled = True
        wake, context = self._wake
        self._loop.call_soon(wake, self, context=context)
        return True

    def result(self) -> None:
        if self._cancelled:
            raise asyncio.CancelledError


class _JumpSelector(selectors.BaseSelector):
    """Waits by moving `now_ns`: whole nanoseconds, so that times add up exactly, and at least one,
    so that every positive wait makes progress however close the deadline."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._keys: dict[FileDescriptorLike, selectors.SelectorKey] = {}

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock(
                "the virtual clock has no timer left to jump to, yet a task still waits: "
                "it awaits a socket, a thread, or an event that nobody will set"
            )
        if timeout > 0:
            self.now_ns += max(1, round(timeout * 1e9))
        return []

    # The loop registers its own wake-up pipe; it is kept and never polled.
    def register(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._keys
