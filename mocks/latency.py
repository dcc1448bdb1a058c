"""How long a mock takes about a call: a seeded draw from its profile; it waits for nothing.

A delay is a function of the seed and of which call it is, never of how many calls came before.
Queues and limits are capacity.py's; network distance is not modelled.
"""

from collections.abc import Iterator
from itertools import count

import httpx

from harness import draws
from harness.providers.told import DrawKey, read_draw
from mocks.figures import Overhead, TokenLatency

FOREIGN = -1
"""The round of a call that names none."""


class Delays:
    """The draws of one mock. A client that names no draw is served draws of its own, in order."""

    def __init__(self, seed: int, provider: str) -> None:
        self._uniform = draws.uniforms(seed, provider)
        self._foreign: Iterator[int] = count()

    def key(self, request: httpx.Request) -> DrawKey:
        return read_draw(request) or DrawKey(FOREIGN, next(self._foreign), 0, "foreign", 1)

    def overhead_s(self, key: DrawKey, overhead: Overhead) -> float:
        """The whole cold overhead of a transaction.

        The stage is left out of the key on purpose: session and transaction of one turn are two
        parts of one draw, so their sum has exactly the profile's distribution at any split.
        """
        u = self._uniform(key.round, key.conversation, key.turn, key.attempt)
        return draws.lognormal(u, overhead.p50_ms, overhead.p99_ms) / 1e3

    def ttft_s(self, key: DrawKey, latency: TokenLatency) -> float:
        u = self._uniform(key.round, key.conversation, key.turn, key.attempt, key.stage)
        first = draws.lognormal(u, latency.ttft_p50_ms, latency.ttft_p99_ms) / 1e3
        return draws.microseconds(first)

    def drawn_s(self, key: DrawKey, what: str, p50: float, p99: float) -> float:
        """A lognormal delay of its own for this call; p50 and p99 in seconds."""
        return draws.microseconds(draws.lognormal(self.luck(key, what), p50, p99))

    def luck(self, key: DrawKey, what: str) -> float:
        """A uniform draw of its own for this call and question."""
        place = (key.round, key.conversation, key.turn, key.attempt, key.stage)
        return self._uniform(*place, what)
