"""How long a mock takes about a call: a seeded draw from its profile; it waits for nothing.

A delay is a function of the seed and of which call it is, never of how many calls came before.
Queues and limits are capacity.py's; network distance is not modelled.
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import count

import httpx
from msgspec import UNSET

from harness import draws
from harness.providers.told import DrawKey, read_draw
from harness.providers.trace import operation_of, trace_of
from mocks.figures import Overhead, Timed, TokenLatency

FOREIGN = -1
"""The round of a call that names none."""

KEPT_STAGES = 100_000
"""Stages of traces that a mock remembers the calls of, the newest; a turn is over long before."""


class Delays:
    """The draws of one mock.

    A call that names no draw, but belongs to a turn of ours, is served one of that turn: the n-th
    of its kind there. So an app that knows nothing of draws meets the same weather at the same turn
    in whatever order its calls come. Anybody else is served draws in the order of arrival.
    """

    def __init__(self, seed: int, provider: str) -> None:
        self._uniform = draws.uniforms(seed, provider)
        self._provider = provider
        self._foreign: Iterator[int] = count()
        self._calls: OrderedDict[tuple[str, str], int] = OrderedDict()

    def key(self, request: httpx.Request, trace_id: str = "") -> DrawKey:
        """`trace_id` is the request's, "" if none."""
        named = read_draw(request)
        if named is not None:
            return named
        trace = trace_of(trace_id) if trace_id else None
        if trace is None:
            return DrawKey(FOREIGN, next(self._foreign), 0, "foreign", 1)
        stage = f"{self._provider}/{operation_of(request.url.path)}"
        return DrawKey(0, trace.conversation, trace.turn, stage, self._nth(trace_id, stage))

    def _nth(self, trace_id: str, stage: str) -> int:
        """Which call of that stage and trace this is, from 1."""
        place = trace_id, stage
        nth = self._calls[place] = self._calls.pop(place, 0) + 1  # The newest stand last.
        if len(self._calls) > KEPT_STAGES:
            self._calls.popitem(last=False)
        return nth

    def overhead_s(self, key: DrawKey, overhead: Overhead) -> float:
        """The whole cold overhead of a transaction.

        The stage is left out of the key on purpose: session and transaction of one turn are two
        parts of one draw, so their sum has exactly the profile's distribution at any split.
        """
        u = self._uniform(key.round, key.conversation, key.turn, key.attempt)
        return overhead.law_ms().quantile(u) / 1e3

    def ttft_s(self, key: DrawKey, latency: TokenLatency) -> float:
        u = self._uniform(key.round, key.conversation, key.turn, key.attempt, key.stage)
        return draws.microseconds(latency.law_ms().quantile(u) / 1e3)

    def rate(self, key: DrawKey, latency: TokenLatency) -> float:
        """Tokens a second, of all that this call makes."""
        if latency.tokens_per_s_p1 is UNSET:
            return latency.tokens_per_s
        return latency.rate(self.luck(key, "rate"))

    def timed_s(self, key: DrawKey, what: str, of: Timed) -> float:
        """A delay of its own for this call."""
        return draws.microseconds(of.quantile_s(self.luck(key, what)))

    def drawn_s(self, key: DrawKey, what: str, p50: float, p99: float) -> float:
        """A lognormal delay of its own for this call; p50 and p99 in seconds."""
        return draws.microseconds(draws.lognormal(self.luck(key, what), p50, p99))

    def luck(self, key: DrawKey, what: str) -> float:
        """A uniform draw of its own for this call and question."""
        return self._uniform(key.round, key.conversation, key.turn, key.attempt, key.stage, what)
