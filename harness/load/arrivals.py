"""When conversations are due: seeded, open-model, and pure; nothing here waits or knows a clock.

Open model: arrivals do not wait for answers, as people do not wait for each other. The n-th gap
is a function of the seed and n alone, so a longer schedule begins with the shorter one.
"""

import math
from collections.abc import Iterator
from itertools import count
from typing import Literal

from harness import draws

Arrivals = Literal["poisson", "constant"]
"""How conversations come: each whenever it likes, as people do, or all evenly spaced."""


def poisson(seed: int, *key: int | str, rate: float) -> Iterator[float]:
    """Due times in seconds from 0, with exponential gaps of mean 1/rate; never ends."""
    due = 0.0
    for n in count():
        due += draws.exponential(draws.uniform(seed, "arrival", *key, n), 1.0 / rate)
        yield draws.microseconds(due)


def constant(rate: float) -> Iterator[float]:
    """Due times in seconds from 0, evenly spaced, the first at one gap; never ends."""
    for n in count(1):
        yield draws.microseconds(n / rate)


def until(dues: Iterator[float], end_s: float) -> Iterator[float]:
    """The due times before `end_s`."""
    for due in dues:
        if due >= end_s:
            return
        yield due


class Paced:
    """Due times at a rate that is told as it goes: the n-th arrival is due when the integral of
    the rate reaches the n-th unit-rate due time. So a change in the middle of a gap is exact, and
    unit-rate Poisson arrivals become Poisson arrivals of just that changing rate.

    (Time rescaling: Cinlar, Introduction to Stochastic Processes, 1975, chapter 4.)
    """

    def __init__(self, unit_dues: Iterator[float], start: float) -> None:
        self._unit_dues = unit_dues
        self._next = next(unit_dues)
        self._rate, self._since, self._integral = 0.0, start, 0.0

    @property
    def due(self) -> float:
        """When the next arrival is due if the rate stays as it is; never, at rate 0."""
        if self._rate == 0:
            return math.inf
        return self._since + (self._next - self._integral) / self._rate

    def take(self) -> float:
        """The due time of the next arrival, which then is the one after it."""
        due = self.due
        self._next = next(self._unit_dues)
        return due

    def change(self, rate: float, now: float) -> None:
        """This rate, in arrivals/s, from `now` on. Arrivals due by now must have been taken: the
        new rate would move them. Raises ValueError when one was not."""
        if self.due <= now:
            raise ValueError("an arrival that is already due must be taken before the rate changes")
        self._integral += self._rate * (now - self._since)
        self._rate, self._since = rate, now
