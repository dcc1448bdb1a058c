"""The one process that decides, where several serve: it holds the mocks and their books, and tells
each worker what to answer when. It holds no socket of a client, and waits for no answer's time.

So every order, token, idempotency key and queue is one, whatever worker a call comes by.
"""

import asyncio
import math
import time

from harness.answer import plain
from harness.clock import ClockName, RealClock
from mocks.door import decided
from mocks.host import Mock
from mocks.line import Ask, Decided, FromWorker, Line, TurnedDown
from mocks.log import RequestLog


class ArrivalClock:
    """The real clock, on which a call is decided at the moment at which it reached its worker.

    Calls reach the books a little later and not quite in that order, so an arrival that lies before
    what the mocks were told last is moved just behind it: for them time never runs backwards.
    """

    name: ClockName = "real"

    def __init__(self) -> None:
        self._real = RealClock()
        self._last = -math.inf
        self._deciding = False

    def arrive(self, at: float) -> None:
        """From here until `leave` it is `at`, or a moment that no call has had yet."""
        self._last = at if at > self._last else math.nextafter(self._last, math.inf)
        self._deciding = True

    def leave(self) -> None:
        self._deciding = False

    def now(self) -> float:
        if not self._deciding:
            self._last = max(self._last, time.perf_counter())
        return self._last

    def unix_s(self) -> float:
        return self._real.unix_s()

    async def sleep_until(self, when: float) -> None:
        await self._real.sleep_until(when)


class Books:
    """Decides what is asked on any line."""

    def __init__(self, mock: Mock, clock: ArrivalClock, log: RequestLog) -> None:
        self._mock = mock
        self._clock = clock
        self._log = log

    def hear(self, line: Line[FromWorker], message: FromWorker) -> None:
        if isinstance(message, Ask):
            line.say(self._decided(message))
        elif isinstance(message, TurnedDown):
            told = plain(self._clock, message.status, "")
            self._log.note(message.method, message.path, told)

    def _decided(self, ask: Ask) -> Decided:
        self._clock.arrive(ask.asked.arrived)
        try:
            answer = decided(self._mock, self._clock, ask.asked, self._log)
        except Exception as bug:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a mock failed to answer", "exception": bug}
            )
            answer = plain(self._clock, 500, "Internal Server Error")
        finally:
            self._clock.leave()
        told = answer.status, answer.told_headers, answer.times, answer.chunks
        return Decided(ask.number, *told, answer.ending)
