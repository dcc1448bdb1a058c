"""Asks for answers at a steady rate or with so many in flight, run as a process on its own core;
`python -m tests.benchmarks.gateways.generator ASKED FILE` leaves JSON on all blocks in the file.

It counts from the time at which a request was due, so that whoever falls behind is seen to.
"""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Iterator
from operator import itemgetter
from pathlib import Path

import httpx
import msgspec
import uvloop

from harness.clock import RealClock
from harness.http1 import Sockets
from harness.transport import Measured
from tests.benchmarks.gateways.asked import Asked, Block, Kind, Played, Took, Way
from tests.benchmarks.peers.sample import quantiles

MODEL = "upstream"
"""What the upstream's model is called by everybody."""

OWN_HEADER = "x-litellm-overhead-duration-ms"
"""What LiteLLM says that it added itself."""

IDLE_S = 4.0
"""Both gateways end connections that were idle for five seconds: a request that goes out on one in
that moment would fail, and not by their fault."""

SOON_S = 0.05
"""From the start of a block to its first request."""


class Generator:
    """Plays one block after the other; the connections stay open in between."""

    def __init__(self, asked: Asked, frozen: bool = True) -> None:
        """Unless `frozen`, the garbage collector is left as it is."""
        self._asked = asked
        self._frozen = frozen
        self._ways = {way.name: way for way in asked.ways}
        self._clock = RealClock()
        self._sockets = Sockets(IDLE_S)

    async def play(self) -> list[Played]:
        await self._warm_up()
        if self._frozen:
            gc.collect()
            gc.freeze()
            gc.disable()
        played = []
        for block in self._asked.blocks:
            counting = Counting(self._clock.now())
            play = self._crowded if block.in_flight else self._paced
            played.append(await play(block, counting))
        await self._sockets.aclose()
        return played

    async def _warm_up(self) -> None:
        """The first call of a gateway may take it more than a second; then connections are opened,
        as many as will be needed at once."""
        for way in self._asked.ways:
            await self._ask(way)
            for _ in range(2):
                await _all(self._warm(way) for _ in range(self._asked.warm))

    async def _paced(self, block: Block, counting: "Counting") -> Played:
        way, begin = self._ways[block.way], self._clock.now() + SOON_S
        dues = [begin + number / block.rate for number in range(block.requests)]
        await _all(self._due(way, due, counting) for due in dues)
        return counting.told(block.way, dues[-1] - dues[0])

    async def _due(self, way: Way, due: float, counting: "Counting") -> None:
        request = request_of(way, self._asked.kind)
        await self._clock.sleep_until(due)
        with counting:
            measured = await self._send(request)
        counting.note(measured, due)

    async def _crowded(self, block: Block, counting: "Counting") -> Played:
        """Answers count that come in the second half of twice the time: until then a queue has
        formed."""
        begin = self._clock.now()
        count_from, end = begin + block.seconds, begin + 2 * block.seconds
        counting.count_from = count_from
        way = self._ways[block.way]
        await _all(self._again(way, end, counting) for _ in range(block.in_flight))
        return counting.told(block.way, end - count_from)

    async def _again(self, way: Way, end: float, counting: "Counting") -> None:
        while (now := self._clock.now()) < end:
            with counting:
                measured = await self._ask(way)
            if measured.fault or measured.end < end:
                counting.note(measured, now)
            if measured.fault:
                await asyncio.sleep(0.1)

    async def _warm(self, way: Way) -> None:
        await self._ask(way)

    async def _ask(self, way: Way) -> Measured:
        return await self._send(request_of(way, self._asked.kind))

    async def _send(self, request: httpx.Request) -> Measured:
        return await self._sockets.exchange(self._clock, request, self._asked.patience_s)


class Counting:
    """What a block comes to, while it is played; entered for as long as a request is in flight."""

    def __init__(self, count_from: float) -> None:
        self.count_from = count_from
        self._sent = self._failed = 0
        self._in_flight = self._most = 0
        self._why = ""
        self._took: list[tuple[float, Took]] = []
        self._late_ms: list[float] = []

    def __enter__(self) -> None:
        self._in_flight += 1
        self._most = max(self._most, self._in_flight)

    def __exit__(self, *_: object) -> None:
        self._in_flight -= 1

    def note(self, measured: Measured, due: float) -> None:
        if measured.end < self.count_from:
            return
        self._sent += 1
        self._late_ms.append((measured.start - due) * 1e3)
        why = trouble(measured)
        if why:
            self._failed += 1
            self._why = self._why or why
            return
        first, total = measured.first_token - due, measured.end - due
        took = Took(round(first * 1e3, 3), round(total * 1e3, 3), own_ms(measured.headers))
        self._took.append((due, took))

    def told(self, way: str, seconds: float) -> Played:
        return Played(
            way=way,
            seconds=seconds,
            sent=self._sent,
            took=[took for _, took in sorted(self._took, key=itemgetter(0))],
            failed=self._failed,
            why=self._why,
            most_in_flight=self._most,
            late_ms=quantiles(self._late_ms, 0.99)[0] if self._late_ms else 0.0,
        )


def request_of(way: Way, kind: Kind) -> httpx.Request:
    """A short question that the upstream answers with twenty tokens."""
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "I would like to pay for my coffee, please."}],
        "stream": kind == "stream",
    }
    return httpx.Request("POST", way.url, headers=way.headers, json=body)


def trouble(measured: Measured) -> str:
    """Why it is no answer of the upstream; "" if it is one."""
    if measured.fault:
        return measured.fault_kind or measured.fault
    if measured.status != 200:
        return f"status {measured.status}"
    if b"Whom shall I pay" not in measured.body:
        return "an answer that is not the upstream's"
    return ""


def own_ms(headers: httpx.Headers) -> float | None:
    """None where the gateway says nothing that can be read."""
    try:
        return float(headers[OWN_HEADER])
    except (KeyError, ValueError):
        return None


async def _all(tasks: Iterator[Awaitable[None]]) -> None:
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    found = uvloop.run(Generator(msgspec.json.decode(sys.argv[1], type=Asked)).play())
    # Not to the output: where that is unbuffered (PYTHONUNBUFFERED), Python takes no notice of a
    # pipe that takes a part only, and the rest is lost.
    Path(sys.argv[2]).write_bytes(msgspec.json.encode(found))
