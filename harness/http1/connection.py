"""One connection: it carries one call at a time, is idle between two, and never asks twice."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import cast

import httpx

from harness.http1.wire import Incoming


class Expired(Exception):
    """Whoever asked waits no longer."""


class Connection(asyncio.Protocol):
    """What the loop tells it is turned into an Incoming, and into one wake-up of whoever waits."""

    def __init__(self, open_ones: set[Connection], idle_ones: deque[Connection]) -> None:
        """It enters and leaves `open_ones` by itself, and enters `idle_ones` after each call that
        leaves it of use, or when it is told to rest."""
        self.lost = False
        self.idle_since = 0.0
        """On time.perf_counter."""
        self._open_ones = open_ones
        self._idle_ones = idle_ones
        # Asking for the running loop costs a system call, which a call would make again and again.
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answer: Incoming | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, message: bytes, answer: Incoming) -> asyncio.Future[None]:
        """Send a request; what comes goes into `answer`. The future is done when it is over, or,
        where it is wanted in pieces, at the first."""
        assert self._transport is not None and self._answer is None
        waiter = self._waiter = self._loop.create_future()
        self._answer = answer
        if self.lost:
            answer.fail(httpx.RemoteProtocolError("the server ended the connection unasked"))
            self._end(answer)
        else:
            self._transport.write(message)
        return waiter

    def expire_at(self, when: float) -> None:
        """Give the call up then, on the answer's clock. A loop's timers may fire a little early:
        the time is asked again until it has truly come."""
        answer = self._answer
        if answer is None:
            return
        left = when - answer.now()
        if left > 0:
            self._timer = self._loop.call_later(left, self.expire_at, when)
        else:
            answer.fail(Expired())
            self._end(answer)

    async def more(self) -> None:
        """Return when the next piece has come, or the end; the answer must not be over."""
        self._waiter = self._loop.create_future()
        await self._waiter

    def give_up(self, answer: Incoming) -> None:
        """Nobody waits for that answer any more. Without the rest of it the connection is of no
        use; if it was over, the connection may be another call's by now."""
        if self._answer is answer:
            answer.fail(Expired())
            self._end(answer)

    def rest(self) -> None:
        """Of use to whoever calls next."""
        self.idle_since = time.perf_counter()
        self._idle_ones.append(self)

    def close(self) -> None:
        self.lost = True
        if self._transport is not None:
            self._transport.abort()

    def abandon(self) -> None:
        """Its opening was cut off. uvloop may have told that it was made, and will not tell that it
        is lost."""
        self.close()
        self._open_ones.discard(self)

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._open_ones.add(self)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            self.close()  # Nobody asked: whatever it is, the next answer must not begin with it.
            return
        answer.feed(data)
        if answer.over:
            self._end(answer)
        elif answer.in_pieces:
            self._wake()

    def eof_received(self) -> None:
        self._cut_off(None)  # The transport then closes itself.

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_ones.discard(self)
        self._cut_off(exc)

    def _cut_off(self, cause: Exception | None) -> None:
        self.lost = True
        if self._answer is not None:
            self._answer.cut_off(cause)
            self._end(self._answer)

    def _end(self, answer: Incoming) -> None:
        assert self._transport is not None
        self._answer = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # A server that answers before it has the whole request may never read the rest.
        if answer.keeps and not self.lost and not self._transport.get_write_buffer_size():
            self.rest()
        else:
            self.close()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
