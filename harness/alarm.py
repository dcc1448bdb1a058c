"""The kernel's own timer for all waits of one event loop; it knows no clock but the system's.

uvloop's timers know whole milliseconds only, and a wait of less than half a one is none at all: at
thousands of waits a second a loop would turn round and round until each is due, and its core would
look busy with nothing. A timerfd is awaited like a socket instead: it wakes some 50 us late, at a
third of the cost. Only Linux has one.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import heapq
import os
import sys
import time
from itertools import count

_CLOCK_MONOTONIC, _ABSOLUTE = 1, 1
_NONBLOCKING, _CLOSED_ON_EXEC = 0o4000, 0o2000000
"""As timerfd_create(2) has them; CLOCK_MONOTONIC is what perf_counter reads."""


def kernel_has_timers() -> bool:
    return _libc() is not None


class Alarm:
    """Made in a running loop, which it serves until it is dropped. Times are perf_counter's."""

    def __init__(self) -> None:
        libc = _libc()
        assert libc is not None
        self.loop = asyncio.get_running_loop()
        self._descriptor: int = libc.timerfd_create(
            _CLOCK_MONOTONIC, _NONBLOCKING | _CLOSED_ON_EXEC
        )
        if self._descriptor < 0:
            raise OSError("no descriptor is left for a timer")
        self._settime = libc.timerfd_settime
        self._spec = _Spec()
        self._numbers = count()
        self._waits: list[tuple[float, int, asyncio.Future[None]]] = []
        """A heap; the number keeps futures from being compared."""
        self.loop.add_reader(self._descriptor, self._rang)

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def at(self, when: float) -> asyncio.Future[None]:
        """Done at that time or soon after, never before."""
        wait = self.loop.create_future()
        heapq.heappush(self._waits, (when, next(self._numbers), wait))
        if self._waits[0][2] is wait:
            self._set(when)
        return wait

    def _rang(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._descriptor, 8)
        waits = self._waits
        while waits and (waits[0][0] <= time.perf_counter() or waits[0][2].done()):
            wait = heapq.heappop(waits)[2]
            if not wait.done():
                wait.set_result(None)
        if waits:
            self._set(waits[0][0])

    def _set(self, when: float) -> None:
        self._spec.seconds = int(when)
        # Rounded up, and so never 0, which would switch the timer off.
        self._spec.nanoseconds = min(999_999_999, int(when % 1 * 1e9) + 1)
        self._settime(self._descriptor, _ABSOLUTE, ctypes.byref(self._spec), None)


@functools.cache
def _libc() -> ctypes.CDLL | None:
    """None where it knows no such timer. Made anew each time, it would be garbage for a collector,
    and none runs during a measurement."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    return libc if libc is not None and hasattr(libc, "timerfd_create") else None


class _Spec(ctypes.Structure):
    """struct itimerspec; a timer without an interval rings once."""

    seconds: int
    nanoseconds: int
    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )
