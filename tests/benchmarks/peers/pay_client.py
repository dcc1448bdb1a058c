"""An open-loop client of the WeChat Pay AI mock, run as a process: each payment opens a session and
authorizes a fresh order, sealed beforehand, on time whatever the answers do. It prints one line of
JSON.

Payments are due evenly, each at a seeded random place in its own gap. What needs no answer is made
before the first is due, so that the client's core is never what is measured.
"""

import asyncio
import gc
import random
import sys
import time
from urllib.parse import urlsplit

import httpx
import msgspec
import uvloop

from harness.providers import wechat_ai as wire
from harness.providers.call import Endpoint
from tests.benchmarks.peers.connection import Answer, Connection, Lost, connect, post
from tests.benchmarks.peers.sample import Sample, quantiles

SEED = 1
USER, METHOD, PAYEE = "wx-ada", "balance", "cafe"
TOKEN = b"wxs_to-be-put-in-its-place"
PAID = b'"state":"paid"'
HELD_UP_S = 30.0
"""The last payments are waited for so long, and not for ever."""


class Asked(msgspec.Struct, frozen=True):
    """The one argument, as JSON. Payments due in the first `warm_s` do not count."""

    url: str
    key: str
    rate: int
    duration_s: float
    warm_s: float


class Paid(msgspec.Struct, frozen=True):
    """The sample, and how many orders the ledger must hold as paid."""

    sample: Sample
    paid: int
    failed: int


class Payer:
    """All payments under way, on as many connections as they need."""

    def __init__(self, asked: Asked, orders: list[bytes]) -> None:
        self._asked = asked
        self._orders = orders
        self._idle: list[Connection] = []
        self._port = urlsplit(asked.url).port or 80
        at = Endpoint(asked.url, asked.key)
        self._session = _bytes(asked.url, wire.open_session(at, USER, METHOD).request)
        self._errors_ms: list[float] = []
        self._lags_ms: list[float] = []
        self._ends: list[float] = []
        self._count_from = self._count_until = 0.0
        self.paid = self.failed = 0

    async def play(self) -> Paid:
        draw, asked = random.Random(SEED), self._asked
        begin = time.perf_counter() + 0.2
        self._count_from = begin + asked.warm_s
        self._count_until = begin + asked.duration_s
        tasks = []
        for number, order in enumerate(self._orders):
            due = begin + (number + draw.random()) / asked.rate
            while (left := due - time.perf_counter()) > 0:
                await asyncio.sleep(left)
            tasks.append(asyncio.create_task(self._pay(due, order)))
        _, late = await asyncio.wait(tasks, timeout=HELD_UP_S)
        for task in late:
            task.cancel()
        self.failed += len(late)
        return Paid(self._sample(), self.paid, self.failed)

    def _sample(self) -> Sample:
        p50, p99, least = quantiles(self._errors_ms, 0.5, 0.99, 0.0)
        window_s = self._count_until - self._count_from
        paid = sum(self._count_from <= end < self._count_until for end in self._ends)
        return {
            "paid_per_s": paid / window_s,
            "calls_per_s": 2 * paid / window_s,
            "p50_ms": p50,
            "p99_ms": p99,
            "min_ms": least,
            "client_lag_p99_ms": quantiles(self._lags_ms, 0.99)[0],
        }

    async def _pay(self, due: float, order: bytes) -> None:
        counts = due >= self._count_from
        if counts:
            self._lags_ms.append((time.perf_counter() - due) * 1e3)
        try:
            session = await self._ask(self._session, counts)
            token = msgspec.json.decode(session.body, type=wire.Session).session_token
            body = order.replace(TOKEN, token.encode())
            receipt = await self._ask(post(self._asked.url + wire.RPC_PATH, {}, body), counts)
        except (OSError, Lost, msgspec.DecodeError):
            self.failed += 1
            return
        if PAID not in receipt.body:
            self.failed += 1
            return
        self.paid += 1
        self._ends.append(receipt.ended)

    async def _ask(self, request: bytes, counts: bool) -> Answer:
        connection = self._idle.pop() if self._idle else await connect(self._port)
        answer = await connection.ask(request)
        if connection.open:
            self._idle.append(connection)
        if counts and answer.told_ms is not None:
            self._errors_ms.append(answer.took_ms - answer.told_ms)
        return answer


def _bytes(url: str, request: httpx.Request) -> bytes:
    return post(str(request.url), {"accept": "application/json"}, request.content)


def _sealed(asked: Asked) -> list[bytes]:
    """The body of each authorization, with a place for its token."""
    at = Endpoint(asked.url, asked.key)
    fetched = wire.fetch_key(at)
    with httpx.Client(trust_env=False) as client:
        answer = client.send(fetched.request)
    key = fetched.decode(answer.status_code, answer.headers, answer.content)
    orders = (
        wire.Order(f"peer-{number:010d}", USER, METHOD, 1990, "CNY", PAYEE)
        for number in range(round(asked.rate * asked.duration_s))
    )
    token = TOKEN.decode()
    return [
        wire.transact(at, "pay.authorize", token, key, order).request.content for order in orders
    ]


async def _main(asked: Asked, orders: list[bytes]) -> Paid:
    gc.freeze()
    gc.disable()
    return await Payer(asked, orders).play()


if __name__ == "__main__":
    told = msgspec.json.decode(sys.argv[1], type=Asked)
    print(msgspec.json.encode(uvloop.run(_main(told, _sealed(told)))).decode(), flush=True)
