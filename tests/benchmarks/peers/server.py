"""The server that every load generator meets: it answers each request at an absolute deadline,
never early, and tells the delay it meant and how late it was. It does nothing else.

`python -m tests.benchmarks.peers.server lognormal SEED` or `... stalled` prints its port, serves
until its input ends, and then prints one line of JSON on its own lateness. It means to have a core
to itself: in the last two milliseconds before a deadline it does not sleep but look, as timers are
a millisecond coarse.
"""

import asyncio
import gc
import heapq
import sys
import time
from typing import cast

import httptools
import msgspec
import uvloop

from tests.benchmarks.peers.delays import Delays, lognormal, stalled
from tests.benchmarks.peers.sample import NoFigures, quantiles

LOOK_S = 0.002
BODY = b'{"ok":true}'
HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    b"x-tollbench-told: %.3f,0.0,0\r\nx-late-ms: %.3f\r\n\r\n%b"
)


class Lateness(msgspec.Struct, frozen=True):
    """The server's last word: its own share of what the clients saw."""

    answered: int
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float


class Deadlines:
    """Answers that wait for their time, the earliest first."""

    def __init__(self, delays: Delays) -> None:
        self.late_ms: list[float] = []
        self._delays = delays
        self._first: float | None = None
        self._waiting: list[tuple[float, int, float, asyncio.Transport]] = []
        self._number = 0
        self._loop = asyncio.get_running_loop()
        self._look: asyncio.Handle | None = None
        self._looks_for = float("inf")

    def arrive(self, arrived: float, transport: asyncio.Transport) -> None:
        if self._first is None:
            self._first = arrived
        delay_s = self._delays(arrived - self._first)
        self._number += 1
        heapq.heappush(self._waiting, (arrived + delay_s, self._number, delay_s, transport))
        if arrived + delay_s < self._looks_for:
            self._look_for(arrived + delay_s)

    def _answer_due(self) -> None:
        self._look, self._looks_for = None, float("inf")
        while self._waiting and self._waiting[0][0] <= (now := time.perf_counter()):
            when, _, delay_s, transport = heapq.heappop(self._waiting)
            late_ms = (now - when) * 1e3
            transport.write(HEAD % (len(BODY), delay_s * 1e3, late_ms, BODY))
            self.late_ms.append(late_ms)
        if self._waiting:
            self._look_for(self._waiting[0][0])

    def _look_for(self, when: float) -> None:
        if self._look is not None:
            self._look.cancel()
        self._looks_for = when
        left_s = when - time.perf_counter() - LOOK_S
        if left_s > 0:
            self._look = self._loop.call_later(left_s, self._answer_due)
        else:
            self._look = self._loop.call_soon(self._answer_due)


class Connection(asyncio.Protocol):
    """One client's connection; a request at a time, as HTTP/1.1 clients send them."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._parser = httptools.HttpRequestParser(self)
        self._arrived = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        self._arrived = time.perf_counter()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_complete(self) -> None:
        self._deadlines.arrive(self._arrived, self._transport)


async def serve(delays: Delays) -> None:
    loop = asyncio.get_running_loop()
    deadlines, ended = Deadlines(delays), asyncio.Event()
    server = await loop.create_server(lambda: Connection(deadlines), "127.0.0.1", 0, backlog=4096)
    loop.add_reader(sys.stdin.fileno(), ended.set)
    print(server.sockets[0].getsockname()[1], flush=True)
    gc.freeze()
    gc.disable()
    await ended.wait()
    loop.remove_reader(sys.stdin.fileno())
    server.close()
    print(msgspec.json.encode(_lateness(deadlines.late_ms)).decode(), flush=True)


def _lateness(late_ms: list[float]) -> Lateness:
    try:
        return Lateness(len(late_ms), *quantiles(late_ms, 0.5, 0.99, 1.0))
    except NoFigures:
        return Lateness(0, 0.0, 0.0, 0.0)


def main() -> None:
    kind, *seed = sys.argv[1:]
    uvloop.run(serve(lognormal(int(seed[0])) if kind == "lognormal" else stalled))


if __name__ == "__main__":
    main()
