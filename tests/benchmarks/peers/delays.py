"""What the neutral servers answer after, and the truth that follows from it; it knows no clock."""

import random
from collections.abc import Callable, Iterator

Delays = Callable[[float], float]
"""How long after its arrival a request is answered, from the seconds since the first arrival."""

P50_S, SIGMA = 1.0, 0.2

STALL_S, QUICK_S = 1.0, 0.005
DRIFT_S = 1 / 300
PERIOD_S = 4.0 + DRIFT_S
"""A third of a gap of 100 requests a second more than four seconds: requests in even steps meet
each of three stalls at another moment, and their percentiles do not hang on when the first came."""

TRUTH_MS = {"p90_ms": 600.0, "p95_ms": 800.0, "p99_ms": 960.0}
"""Of the stalled server under arrivals that do not wait for answers: a quarter of them come while
all wait, evenly over that second, so a share q of all takes longer than 1 s - 4 q (q < 1/4)."""


def lognormal(seed: int) -> Delays:
    """A draw of its own for each request, in the order of their arrival; whole microseconds."""
    draw = random.Random(seed)
    return lambda _: round(P50_S * draw.lognormvariate(0.0, SIGMA), 6)


def stalled(since_first_s: float) -> float:
    """5 ms, but whoever comes in the last second of every four waits for its end."""
    left_s = PERIOD_S - (since_first_s + DRIFT_S) % PERIOD_S
    return max(QUICK_S, left_s if left_s <= STALL_S else 0.0)


def steady(rate: float, duration_s: float) -> Iterator[float]:
    """Arrival times in seconds, evenly spaced from 0."""
    return (n / rate for n in range(round(rate * duration_s)))
