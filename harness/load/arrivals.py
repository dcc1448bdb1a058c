"""When conversations are due: seeded, open-model, and pure; nothing here waits or knows a clock.

Open model: arrivals do not wait for answers, as people do not wait for each other. The n-th gap
is a function of the seed and n, so a schedule can be made from anywhere in it.
"""

from collections.abc import Iterator
from itertools import count

from harness import draws


def poisson(seed: int, *key: int | str, rate: float) -> Iterator[float]:
    """Due times in seconds from 0, with exponential gaps of mean 1/rate; never ends."""
    due = 0.0
    for n in count():
        due += draws.exponential(draws.uniform(seed, "arrival", *key, n), 1.0 / rate)
        yield draws.microseconds(due)


def constant(rate: float) -> Iterator[float]:
    """Due times at an even 1/rate from 0; never ends."""
    return (n / rate for n in count())


def until(dues: Iterator[float], end_s: float) -> Iterator[float]:
    """The due times before `end_s`."""
    for due in dues:
        if due >= end_s:
            return
        yield due
