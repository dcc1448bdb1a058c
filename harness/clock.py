"""The two clocks: the real one, and the virtual one on which waiting is a jump.

Both run the same asyncio code. The virtual loop is asyncio's own selector loop with a selector
that, asked to wait, moves the time forward instead. Nothing here ever measures a call.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol, TypeVar, TypeVarTuple, Unpack

from harness.alarm import Alarm, kernel_has_timers

if TYPE_CHECKING:
    import socket
    from concurrent.futures import Executor

    from _typeshed import FileDescriptorLike

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

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

    async def sleep_until(self, when: float) -> None:
        """Return at `when` or later, never earlier."""


class Deadlock(RuntimeError):
    """Code on a virtual loop waits for something that no timer will bring."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still while code runs and jumps to the next timer.

    It starts at `start_ns`. Sockets and subprocesses never wake it: a task that waits for one is a
    Deadlock, raised rather than hung. So is a thread of somebody else's that wakes it, which would
    come at a time that no other run has. What is given to its own threads, as `asyncio.to_thread`
    does, is run at once.
    """

    def __init__(self, *, start_ns: int = 0) -> None:
        self._jump = _JumpSelector(start_ns)
        self._thread = threading.get_ident()
        super().__init__(self._jump)

    @property
    def _clock_resolution(self) -> float:
        """A tick: asyncio runs a timer early that is due within one. It is 1 ns; after half a year
        floats are further apart than that, and a timer that is due now would wait for ever."""
        now_ns = self._jump.now_ns
        return 1e-9 if now_ns < _FINE_NS else math.ulp(now_ns / 1e9)

    @_clock_resolution.setter
    def _clock_resolution(self, seconds: float) -> None:
        """asyncio means the machine's."""

    def time(self) -> float:
        return self._jump.now_ns / 1e9

    def run_forever(self) -> None:
        self._thread = threading.get_ident()
        super().run_forever()

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Its own thread may, as signal handlers and asyncio itself do. Any other gets a Deadlock,
        and so does whoever runs the loop: nobody may hear of what is raised in a thread."""
        if threading.get_ident() != self._thread:
            self._jump.strays = True
            raise Deadlock(_STRAY)
        return super().call_soon_threadsafe(callback, *args, context=context)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """The function's result, made here and now: libraries give to threads what would block a
        loop for a moment of real time, and here no code takes any time. In a thread it would end
        at no time that this clock knows, so that no run were like another."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done

    async def getaddrinfo(
        self, host: str | bytes | None, port: str | bytes | int | None, **how: int
    ) -> NoReturn:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        raise Deadlock(_NO_NETWORK.format(where=name))

    async def sock_connect(self, sock: socket.socket, address: object) -> NoReturn:
        raise Deadlock(_NO_NETWORK.format(where=address))


_FINE_NS = 2**24 * 10**9
"""Until then, half a year, seconds in a float still change when 1 ns is added."""


_NO_NETWORK = (
    "code on the virtual clock opens a connection to {where}: its answer would come in real time, "
    "which this clock does not know"
)


_STRAY = (
    "a thread wakes the virtual clock, which cannot know when: in the next run it would be at "
    "another time; await asyncio.to_thread(...), which runs here at once, in place of a thread"
)


class VirtualClock:
    """The time of the running virtual loop."""

    name: ClockName = "virtual"

    def __init__(self) -> None:
        self._kept: asyncio.AbstractEventLoop | None = None

    def now(self) -> float:
        return self._loop().time()

    def unix_s(self) -> float:
        """Every run begins on the same day."""
        return VIRTUAL_DAY_S + self.now()

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

    def __init__(self, start_ns: int) -> None:
        self.now_ns = start_ns
        self.strays = False
        """Whether a thread has meant to wake it."""
        self._keys: dict[FileDescriptorLike, selectors.SelectorKey] = {}

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.strays:
            self.strays = False  # The loop is turned a few times more, to end its tasks.
            raise Deadlock(_STRAY)
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
