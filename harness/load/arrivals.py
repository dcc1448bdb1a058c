"""When conversations are due: seeded, open-model, and pure; nothing here waits or knows a clock.

Open model: arrivals do not wait for answers, as people do not wait for each other. The n-th gap
is a function of the seed and n alone, so a longer schedule begins with the shorter one.
"""

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
