"""A closed-loop client for mock servers, run as a process: N connections that each ask again when
they are answered. It prints one line of JSON, what answers took beyond the delay that was meant.

Connections come evenly over a ramp, so that they stay spread over the second that an answer takes.
Where the server ends one, another is opened before the next request; that is not counted.
"""

import asyncio
import gc
import sys
import time
from urllib.parse import urlsplit

import msgspec
import uvloop

from tests.benchmarks.peers.connection import Answer, Connection, Lost, connect, post
from tests.benchmarks.peers.sample import Sample, quantiles

RAMP_S, WARM_S = 2.0, 1.5
"""The connections come in the one, and answers count only after the other besides."""

BODY = (
    b'{"order_no":"peer-%012d","amount_minor":1990,"currency":"CNY","payer":"ada",'
    b'"method":"balance","payee":"cafe"}'
)


class Asked(msgspec.Struct, frozen=True):
    """The one argument, as JSON."""

    url: str
    headers: dict[str, str]
    connections: int
    delay_ms: float
    window_s: float


class Crowd:
    """All connections, and what they saw in the window."""

    def __init__(self, asked: Asked) -> None:
        self.answers: list[Answer] = []
        self.failed = 0
        self._asked = asked
        self._port = urlsplit(asked.url).port or 80
        self._number = 0
        self._begin = time.perf_counter() + 0.1
        self._count_from = self._begin + RAMP_S + WARM_S
        self._end = self._count_from + asked.window_s

    async def play(self) -> Sample:
        tasks = [asyncio.create_task(self._stay(n)) for n in range(self._asked.connections)]
        await asyncio.sleep(self._end - time.perf_counter())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        errors = [answer.took_ms - self._asked.delay_ms for answer in self.answers]
        p50, p99, least = quantiles(errors, 0.5, 0.99, 0.0)
        served = len(errors) / self._asked.window_s
        return {
            "p50_ms": p50,
            "p99_ms": p99,
            "min_ms": least,
            "served_per_s": served,
            "failed": float(self.failed),
        }

    async def _stay(self, place: int) -> None:
        begin = self._begin + RAMP_S * place / self._asked.connections
        await asyncio.sleep(begin - time.perf_counter())
        connection: Connection | None = None
        while time.perf_counter() < self._end:
            try:
                if connection is None or not connection.open:
                    connection = await connect(self._port)
                self._note(await connection.ask(self._request()))
            except (OSError, Lost):
                self.failed += 1
                await asyncio.sleep(0.1)

    def _request(self) -> bytes:
        self._number += 1
        return post(self._asked.url, self._asked.headers, BODY % self._number)

    def _note(self, answer: Answer) -> None:
        if not 200 <= answer.status < 300:
            self.failed += 1
        elif self._count_from <= answer.ended < self._end:
            self.answers.append(answer)


async def _main(asked: Asked) -> Sample:
    gc.freeze()
    gc.disable()
    return await Crowd(asked).play()


if __name__ == "__main__":
    sample = uvloop.run(_main(msgspec.json.decode(sys.argv[1], type=Asked)))
    print(msgspec.json.encode(sample).decode(), flush=True)
