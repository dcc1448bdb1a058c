"""What a run has done so far at real providers, and whether its caps allow more; it sends nothing.

A count is taken before its request is sent. Dollars are set aside before, and settled by what the
answer tells; where nothing tells, what was set aside is taken as spent.
"""

from collections import Counter, deque

from harness.real.caps import USUAL, Caps, most_orders
from harness.real.unsafe import Unsafe

WINDOW_S = 1.0


class Meter:
    """The running totals of one run, which all its transports share."""

    def __init__(self, caps: Caps = USUAL) -> None:
        self.caps = caps
        self.requests: Counter[str] = Counter()
        """By provider."""
        self.orders: Counter[str] = Counter()
        self.spent_usd = 0.0
        self.set_aside_usd = 0.0
        """For the answers that are still to come."""
        self.stopped = ""
        """Why nothing may be sent any more: an answer was of live mode."""
        self.held_back = 0
        """Requests that had to wait for the rate cap; their turns took so much longer."""
        self._numbers: set[tuple[str, str]] = set()
        self._sent: dict[str, deque[float]] = {}

    def count(self, provider: str) -> None:
        """One request more, or Unsafe."""
        if self.requests[provider] >= self.caps.requests:
            raise Unsafe(f"request {self.caps.requests + 1} to {provider}, beyond the cap of a run")
        self.requests[provider] += 1

    def count_order(self, provider: str, order_no: str) -> None:
        """One order more, or Unsafe; one that is tried again is the same."""
        if (provider, order_no) in self._numbers:
            return
        most = most_orders(self.caps, provider)
        if self.orders[provider] >= most:
            raise Unsafe(f"order {most + 1} at {provider}, beyond the cap of a run")
        self._numbers.add((provider, order_no))
        self.orders[provider] += 1

    def set_aside(self, usd: float) -> None:
        """Before a model is asked: what it may cost, or Unsafe."""
        if not self.spent_usd + self.set_aside_usd + usd <= self.caps.spend_usd:
            told = f"the spend cap of {self.caps.spend_usd:g} USD: {self.spent_usd:.4f} are spent, "
            coming = self.set_aside_usd + usd
            raise Unsafe(f"{told}and {coming:.4f} more might be by what is asked; raise it or stop")
        self.set_aside_usd += usd

    def settle(self, set_aside_usd: float, spent_usd: float) -> None:
        self.set_aside_usd = max(0.0, self.set_aside_usd - set_aside_usd)
        self.spent_usd += spent_usd

    def due(self, host: str, now: float) -> float:
        """When the next request may go to that host, which is booked by asking: now, or later so
        that no second has more than the cap."""
        at_once = max(1, int(self.caps.per_s))
        sent = self._sent.setdefault(host, deque(maxlen=at_once))
        due = now
        if len(sent) == at_once:
            due = max(now, sent[0] + WINDOW_S * at_once / self.caps.per_s)
        sent.append(due)
        if due > now:
            self.held_back += 1
        return due
