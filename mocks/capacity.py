"""What a server can take: slots with a queue, rate limits, bursts of overload; it waits for nobody.

Everything is decided at arrival. A server with finite slots is a first-come queue whose service
times are known when a call is admitted, so the wait follows from the times at which slots come
free. Bursts are windows of the clock that the seed alone places. Not modelled: batching, priorities
and a client that hangs up, whose call keeps its slot.
"""

import heapq
from collections import deque
from dataclasses import dataclass
from typing import Literal

from harness import draws
from harness.providers.chat import Headroom
from mocks.figures import Limits


@dataclass(frozen=True, slots=True)
class Turned:
    """Turned away at the door, and when it makes sense to come again."""

    why: Literal["rate_limited", "overloaded"]
    retry_after_s: float


class Capacity:
    """One provider's. Without limits everybody is admitted and nobody waits."""

    def __init__(self, seed: int, provider: str, limits: Limits | None) -> None:
        self._seed = seed
        self._provider = provider
        self._limits = limits or Limits.none()
        self._free_at: list[float] = []
        """A heap: when each slot that was ever taken comes free."""
        self._starts: deque[float] = deque()
        """When each call that has to wait begins. First come, first served: in rising order."""
        of = self._limits
        self._requests = Bucket(of.requests, of.window_s) if of.requests else None
        self._tokens = Bucket(of.tokens, of.window_s) if of.tokens else None

    def turned_away(self, now: float, luck: float, tokens: int = 0) -> Turned | None:
        """Whether this call is refused: a burst of overload, too many calls, or a full queue.
        `luck` is its own uniform draw. A call that is not refused has used up its share."""
        if luck < self._overload_share(now):
            return Turned("overloaded", self._limits.overload_lasts_s)
        if self._full(now) and self._waiting(now) >= self._limits.queue:
            return Turned("overloaded", self._free_at[0] - now)
        for bucket, amount in ((self._requests, 1), (self._tokens, tokens)):
            if bucket and not bucket.holds(now, amount):
                return Turned("rate_limited", bucket.full_enough_in_s(now, amount))
        for bucket, amount in ((self._requests, 1), (self._tokens, tokens)):
            if bucket:
                bucket.take(now, amount)
        return None

    def wait_s(self, now: float, service_s: float) -> float:
        """How long an admitted call waits for a slot; it then holds it for its service time."""
        if len(self._free_at) < self._limits.slots:
            heapq.heappush(self._free_at, now + service_s)
            return 0.0
        start = max(now, self._free_at[0])
        heapq.heapreplace(self._free_at, start + service_s)
        self._starts.append(start)
        return draws.microseconds(start - now)

    def requests(self, now: float) -> Headroom | None:
        return self._requests.headroom(now) if self._requests else None

    def tokens(self, now: float) -> Headroom | None:
        return self._tokens.headroom(now) if self._tokens else None

    def _full(self, now: float) -> bool:
        return len(self._free_at) >= self._limits.slots and self._free_at[0] > now

    def _waiting(self, now: float) -> int:
        """How many calls are in the queue."""
        while self._starts and self._starts[0] <= now:
            self._starts.popleft()
        return len(self._starts)

    def _overload_share(self, now: float) -> float:
        """The chance to be refused now: each period has one burst, at a place of its own."""
        of = self._limits
        if not of.overload_every_s:
            return 0.0
        period = int(now // of.overload_every_s)
        room_s = of.overload_every_s - of.overload_lasts_s
        begins = period * of.overload_every_s + room_s * draws.uniform(
            self._seed, self._provider, "overload", period
        )
        return of.overload_share if begins <= now < begins + of.overload_lasts_s else 0.0


class Bucket:
    """A token bucket that is full at first and fills evenly: `limit` in `window_s` seconds."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit = limit
        self._per_s = limit / window_s
        self._level = float(limit)
        self._at = 0.0

    def holds(self, now: float, amount: int) -> bool:
        return self._now(now) >= amount

    def take(self, now: float, amount: int) -> None:
        self._level, self._at = self._now(now) - amount, now

    def full_enough_in_s(self, now: float, amount: int) -> float:
        """An amount above the limit never fits; then this is until the bucket is full."""
        return max(0.0, min(amount, self._limit) - self._now(now)) / self._per_s

    def headroom(self, now: float) -> Headroom:
        level = self._now(now)
        return Headroom(self._limit, int(level), (self._limit - level) / self._per_s)

    def _now(self, now: float) -> float:
        return min(float(self._limit), self._level + max(0.0, now - self._at) * self._per_s)
