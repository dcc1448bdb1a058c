"""Times counted by size, exact to a thousandth however many there are; it keeps none of them."""

import math

import numpy as np

from harness.record import FloatArray, IntArray
from harness.stats.quantiles import rank

GROWTH = 1.002
"""Each bucket ends at so many times where it begins; its geometric middle stands for all in it, and
none of them is further from that than 0.1 %."""

LEAST_MS = 1e-4
"""What is shorter is nought: rows have whole microseconds."""
MOST_MS = 1e8
"""A day and some hours; what is longer counts as this long."""

_STEP = math.log(GROWTH)
_BUCKETS = math.ceil(math.log(MOST_MS / LEAST_MS) / _STEP) + 1


class Histogram:
    """Times in ms, and how many never ended: those are longer than all that did.

    A hundred kilobytes; what is added to it takes some twenty nanoseconds a time.
    """

    def __init__(self) -> None:
        self.failed = 0
        self.largest_ms = 0.0
        self._counts = np.zeros(_BUCKETS, dtype=np.int64)
        self._answered = 0

    @property
    def count(self) -> int:
        """The failed ones among them."""
        return self._answered + self.failed

    def add(self, times_ms: FloatArray, failed: int = 0) -> None:
        """So many more, and how many that failed beside them."""
        self.failed += failed
        if not times_ms.size:
            return
        self._answered += times_ms.size
        self.largest_ms = max(self.largest_ms, float(times_ms.max()))
        buckets = _buckets(times_ms)
        first = int(buckets.min())
        found = np.bincount(buckets - first)
        self._counts[first : first + found.size] += found

    def merge(self, other: "Histogram") -> None:
        """All that the other one counts, too."""
        self.failed += other.failed
        self.largest_ms = max(self.largest_ms, other.largest_ms)
        self._answered += other._answered
        self._counts += other._counts

    def places(self, wanted: list[int]) -> list[float | None]:
        """The times at these places among all, counted from 1 at the shortest; None is never."""
        upto: IntArray = np.cumsum(self._counts)
        buckets = np.searchsorted(upto, np.array(wanted, dtype=np.int64)).tolist()
        return [
            self._middle(bucket) if place <= self._answered else None
            for place, bucket in zip(wanted, buckets, strict=True)
        ]

    def quantiles(self, of: list[float]) -> list[float | None]:
        """As `quantile` of harness.stats.quantiles, to a thousandth; None where that one is among
        those that failed, or where there are none."""
        if not self.count:
            return [None] * len(of)
        return self.places([rank(self.count, q) for q in of])

    def _middle(self, bucket: int) -> float:
        if bucket == 0:
            return 0.0
        middle: float = LEAST_MS * GROWTH ** (bucket - 0.5)
        return min(middle, self.largest_ms)


def _buckets(times_ms: FloatArray) -> IntArray:
    """Bucket 0 is nought; bucket n begins at LEAST_MS * GROWTH ** (n - 1)."""
    logs = np.log(np.clip(times_ms, LEAST_MS, MOST_MS) / LEAST_MS) / _STEP
    buckets: IntArray = logs.astype(np.int64) + 1
    buckets[times_ms < LEAST_MS] = 0
    return np.minimum(buckets, _BUCKETS - 1)
