"""What a server can take: slots with a queue, rate limits, bursts of overload; it waits for nobody.

Everything is decided at arrival. A server with finite slots is a first-come queue whose service
times are known when a call is admitted, so the wait follows from the times at which slots come
free. Bursts and outages are windows that count from the first call of a round, so that they strike
at the same place on both clocks. Not modelled: batching, priorities and a client that hangs up,
whose call keeps its slot.
"""

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness import draws
from harness.providers.chat import Headroom
from mocks.figures import Limits, Outage
from mocks.latency import FOREIGN

_SPECK = 1e-9
"""What a level may lack: who comes back when told to must not fail by the last bit of a float."""


@dataclass(frozen=True, slots=True)
class Turned:
    """Turned away at the door, and when it makes sense to come again."""

    why: Literal["rate_limited", "overloaded"]
    retry_after_s: float
    limit: Literal["requests", "tokens"] = "requests"
    """Which one was reached, where it is the rate that is limited."""


class Rounds:
    """When each round began here: with its first call. What comes from no run of ours counts as
    one round, which began with the mock."""

    def __init__(self, began: float) -> None:
        self._began = {FOREIGN: began}

    def since_s(self, round_: int, now: float) -> float:
        return now - self._began.setdefault(round_, now)


class Outages:
    """When a provider answers nobody."""

    def __init__(self, outages: Sequence[Outage], provider: str, began: float) -> None:
        self._windows = [of for of in outages if of.provider == provider]
        self._rounds = Rounds(began)

    def down(self, round_: int, now: float) -> bool:
        if not self._windows:
            return False
        since_s = self._rounds.since_s(round_, now)
        return any(of.from_s <= since_s < of.from_s + of.for_s for of in self._windows)


class Capacity:
    """One provider's. Without limits everybody is admitted and nobody waits."""

    def __init__(self, seed: int, provider: str, limits: Limits | None, began: float = 0.0) -> None:
        self._seed = seed
        self._provider = provider
        self._limits = limits or Limits.none()
        self._slots = self._limits.slots
        self.bursts = self._limits.overload_every_s > 0
        """Whether anybody is refused by luck."""
        self._rounds = Rounds(began)
        self._free_at: list[float] = []
        """A heap: when each slot that is or was taken comes free."""
        self._starts: deque[float] = deque()
        """When each call that has to wait begins. First come, first served: in rising order."""
        of = self._limits
        self._requests = Bucket(of.requests, of.window_s) if of.requests else None
        self._tokens = Bucket(of.tokens, of.window_s) if of.tokens else None

    def turned_away(
        self, now: float, luck: float, tokens: int = 0, round_: int = FOREIGN
    ) -> Turned | None:
        """Whether this call is refused: a burst of overload, too many calls, or a full queue.
        `luck` is its own uniform draw. A call that is not refused has used up its share."""
        if self.bursts and luck < self._overload_share(now, round_):
            return Turned("overloaded", self._limits.overload_lasts_s)
        free_at = self._free_at
        full = len(free_at) >= self._slots and free_at[0] > now
        if full and self._waiting(now) >= self._limits.queue:
            return Turned("overloaded", free_at[0] - now)
        requests, of_tokens = self._requests, self._tokens
        if requests is not None and not requests.takes(now, 1):
            return Turned("rate_limited", requests.full_enough_in_s(now, 1))
        if of_tokens is not None and not of_tokens.takes(now, tokens):
            if requests is not None:
                requests.takes(now, -1)
            return Turned("rate_limited", of_tokens.full_enough_in_s(now, tokens), "tokens")
        return None

    def wait_s(self, now: float, service_s: float) -> float:
        """How long an admitted call waits for a slot; it then holds it for its service time."""
        free_at = self._free_at
        if free_at and free_at[0] <= now:
            heapq.heapreplace(free_at, now + service_s)
            return 0.0
        if len(free_at) < self._slots:
            heapq.heappush(free_at, now + service_s)
            return 0.0
        start = free_at[0]
        heapq.heapreplace(free_at, start + service_s)
        self._starts.append(start)
        return draws.microseconds(start - now)

    def requests(self, now: float) -> Headroom | None:
        return self._requests.headroom(now) if self._requests else None

    def tokens(self, now: float) -> Headroom | None:
        return self._tokens.headroom(now) if self._tokens else None

    def _waiting(self, now: float) -> int:
        """How many calls are in the queue."""
        while self._starts and self._starts[0] <= now:
            self._starts.popleft()
        return len(self._starts)

    def _overload_share(self, now: float, round_: int) -> float:
        """The chance to be refused now: each period has one burst, at a place of its own."""
        of = self._limits
        since_s = self._rounds.since_s(round_, now)
        period = int(since_s // of.overload_every_s)
        room_s = max(0.0, of.overload_every_s - of.overload_lasts_s)
        luck = draws.uniform(self._seed, self._provider, "overload", round_, period)
        begins_s = period * of.overload_every_s + room_s * luck
        return of.overload_share if begins_s <= since_s < begins_s + of.overload_lasts_s else 0.0


class Bucket:
    """A token bucket that is full at first and fills evenly: `limit` in `window_s` seconds."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit = limit
        self._full = float(limit)
        self._per_s = limit / window_s
        self._level = self._full
        self._at = 0.0

    def takes(self, now: float, amount: int) -> bool:
        """Whether it holds so much, which is then taken; a negative amount is given back."""
        level = self._level
        if now > self._at:
            level += (now - self._at) * self._per_s
            if level > self._full:
                level = self._full
            self._at = now
        holds = level + _SPECK >= amount
        self._level = level - amount if holds else level
        return holds

    def full_enough_in_s(self, now: float, amount: int) -> float:
        """An amount above the limit never fits; then this is until the bucket is full."""
        self.takes(now, 0)
        return max(0.0, min(amount, self._limit) - self._level) / self._per_s

    def headroom(self, now: float) -> Headroom:
        if now > self._at:
            self.takes(now, 0)
        limit, level = self._limit, self._level
        return Headroom(limit, int(level + _SPECK), (limit - level) / self._per_s)
