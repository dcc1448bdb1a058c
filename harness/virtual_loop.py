"""The event loop of the virtual clock, on which waiting is a jump; it knows no flow and no call.

It is asyncio's own loop with another turn: where that one would wait for its sockets and its next
timer, this one moves its time to that timer. It keeps the timers itself too: a simulated call waits
but once, and with asyncio's own timer and future that would cost more than to move the time.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
from collections.abc import Callable, Mapping
from contextvars import Context
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, NoReturn, TypeVar, TypeVarTuple, Unpack

import msgspec

if TYPE_CHECKING:
    import socket
    from collections import deque
    from concurrent.futures import Executor

    from _typeshed import FileDescriptorLike

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Deadlock(RuntimeError):
    """Code on a virtual loop waits for something that no timer will bring."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still while code runs and jumps to the next timer.

    It starts at `start_ns`. Sockets and subprocesses never wake it: a task that waits for one is a
    Deadlock, raised rather than hung. So is a thread of somebody else's that wakes it, which would
    come at a time that no other run has. What is given to its own threads, as `asyncio.to_thread`
    does, is run at once. Timers of one time run in the order in which they were set.
    """

    _ready: deque[asyncio.Handle | Wait]  # asyncio's: what the next turn is to run
    _stopping: bool  # asyncio's too
    _closed: bool  # and so is this

    def __init__(self, *, start_ns: int = 0) -> None:
        self._now_ns = start_ns
        self.now_s = start_ns / 1e9
        """Once it is closed it has none."""
        self._timers: list[tuple[float, int, asyncio.TimerHandle | Wait]] = []
        """A heap; the number tells timers of one time apart."""
        self._timers_set = 0
        self._swept_at = _FEW_TIMERS
        self._strays = False
        """Whether a thread has meant to wake it."""
        self._thread = threading.get_ident()
        super().__init__(_NeverWaits())

    def time(self) -> float:
        return self._now_ns / 1e9

    def run_forever(self) -> None:
        self._thread = threading.get_ident()
        super().run_forever()

    def close(self) -> None:
        if not self._closed:
            super().close()
            self._timers.clear()
            del self.now_s

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        if self._closed:
            return super().call_soon(callback, *args, context=context)  # which raises
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self.add_timer(when, timer)
        return timer

    def add_timer(self, when: float, timer: asyncio.TimerHandle | Wait) -> None:
        self._timers_set += 1
        heappush(self._timers, (when, self._timers_set, timer))
        if len(self._timers) > self._swept_at:
            self._sweep()

    def jump(self, when: float) -> None:
        """Move on to `when`, in whole nanoseconds, so that times add up exactly, and by at least
        one, so that every positive wait makes progress however close the deadline."""
        wait_s = when - self.now_s
        if wait_s > 0:
            self._now_ns += round(wait_s * 1e9) or 1
            self.now_s = self._now_ns / 1e9

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Its own thread may, as signal handlers and asyncio itself do. Any other gets a Deadlock,
        and so does whoever runs the loop: nobody may hear of what is raised in a thread."""
        if threading.get_ident() != self._thread:
            self._strays = True
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

    def _run_once(self) -> None:
        """Turns of the loop until it is to stop, in place of one of asyncio's. In each the time
        moves on if nothing is ready, and what is ready or due by then is run; what that makes ready
        is for the next turn."""
        ready, timers = self._ready, self._timers
        while True:
            if self._strays:
                self._strays = False  # The loop is turned a few times more, to end its tasks.
                raise Deadlock(_STRAY)
            if not ready and not self._stopping:
                self.jump(self._next())
            # A timer is run a tick early, as asyncio does it: one that is due between two times
            # that there are would wait for ever.
            now_s = self.now_s
            due_s = now_s + (1e-9 if now_s < _FINE_S else math.ulp(now_s))
            while timers and timers[0][0] < due_s:
                ready.append(heappop(timers)[2])
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle._cancelled:
                    handle._run()
            if self._stopping:
                break

    def _next(self) -> float:
        """When the next timer is due."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heappop(timers)
        if not timers:
            raise Deadlock(
                "the virtual clock has no timer left to jump to, yet a task still waits: "
                "it awaits a socket, a thread, or an event that nobody will set"
            )
        return timers[0][0]

    def _sweep(self) -> None:
        """Forget timers that were cancelled: most that guard a call are, long before their time."""
        self._timers[:] = [timer for timer in self._timers if not timer[2]._cancelled]
        heapify(self._timers)
        self._swept_at = max(_FEW_TIMERS, 2 * len(self._timers))


_FEW_TIMERS = 1_000

_FINE_S = 2.0**24
"""Until then, half a year, seconds in a float still change when 1 ns is added."""


_NO_NETWORK = (
    "code on the virtual clock opens a connection to {where}: its answer would come in real time, "
    "which this clock does not know"
)


_STRAY = (
    "a thread wakes the virtual clock, which cannot know when: in the next run it would be at "
    "another time; await asyncio.to_thread(...), which runs here at once, in place of a thread"
)


def _nobody(wait: Wait) -> None:
    """Whom it wakes that no task waits for yet."""


_NO_CONTEXT = Context()


class Wait(msgspec.Struct, eq=False):
    """A wait that is its own timer and wakes the task that yields it itself: with a future and a
    timer of asyncio's, the loop would turn round twice for each. asyncio's tasks wait for anything
    that has the first three methods and `_loop`, and says that it blocks, and its loops run
    anything that has the last; one task may wait for it, once."""

    _loop: VirtualLoop
    _when: float
    _asyncio_future_blocking: bool = True
    _cancelled: bool = False
    _wake: Callable[[Wait], None] = _nobody
    _context: Context = _NO_CONTEXT

    def add_done_callback(self, wake: Callable[[Wait], None], *, context: Context) -> None:
        self._wake = wake
        self._context = context
        self._loop.add_timer(self._when, self)

    def cancel(self, msg: object = None) -> bool:
        if self._when <= self._loop.time():
            return False  # It is about to wake the task, which asyncio then cancels itself.
        self._cancelled = True
        self._loop.call_soon(self._wake, self, context=self._context)
        return True

    def result(self) -> None:
        if self._cancelled:
            raise asyncio.CancelledError

    def _run(self) -> None:
        self._context.run(self._wake, self)


class _NeverWaits(selectors.BaseSelector):
    """A loop has to have one, for its wake-up pipe above all; nobody ever asks it what is ready."""

    def __init__(self) -> None:
        self._keys: dict[FileDescriptorLike, selectors.SelectorKey] = {}

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return []

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
