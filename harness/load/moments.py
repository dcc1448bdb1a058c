"""A run second by second, as it comes in: how many turns began and ended, and how quick they were.

It keeps the last ten minutes, and of response times only the last ten seconds.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from harness.load.live_figures import Moment
from harness.load.plan import Plan
from harness.record import FloatArray
from harness.stats.quantiles import quantile

KEPT = 600
"""Ten minutes."""
WINDOW = 10
GRACE_S = 0.5
"""So long after its end a second is closed; what is heard later counts in the next one."""

NOTHING: FloatArray = np.zeros(0)


@dataclass(slots=True)
class _Second:
    started: int = 0
    finished: int = 0
    failed: int = 0
    left: int = 0
    """In flight, and cut off or lost."""
    times_ms: list[FloatArray] = field(default_factory=list)
    """Infinite where a turn failed."""


class Moments:
    """`closed` are the seconds that are over, the oldest first."""

    def __init__(self, plan: Plan) -> None:
        self.closed: deque[Moment] = deque(maxlen=KEPT)
        self._plan = plan
        self._open: dict[int, _Second] = {}
        self._recent: deque[list[FloatArray]] = deque(maxlen=WINDOW)
        self._next = 1
        self._in_flight = 0

    def add(
        self,
        at_s: float,
        *,
        started: int = 0,
        finished: int = 0,
        failed: int = 0,
        left: int = 0,
        times_ms: FloatArray = NOTHING,
    ) -> None:
        """What was told then, since the origin: so many turns more."""
        second = self._open.setdefault(max(self._next, int(np.ceil(at_s))), _Second())
        second.started += started
        second.finished += finished
        second.failed += failed
        second.left += left
        if times_ms.size:
            second.times_ms.append(times_ms)

    def close_until(self, elapsed_s: float) -> None:
        """Every second that has been over for a while."""
        while self._next + GRACE_S <= elapsed_s:
            self.closed.append(self._moment(self._next, self._open.pop(self._next, _Second())))
            self._next += 1

    def _moment(self, t_s: int, second: _Second) -> Moment:
        self._in_flight += second.started - second.finished - second.failed - second.left
        self._recent.append(second.times_ms)
        times_ms = [times for of in self._recent for times in of]
        ordered = np.sort(np.concatenate(times_ms)) if times_ms else np.zeros(0)
        p50, p95, p99 = (_known(ordered, q) for q in (0.5, 0.95, 0.99))
        return Moment(
            t_s=t_s,
            # In the middle of the second; steps begin where one does.
            offered=self._plan.rate_at(t_s - 0.5),
            started=second.started,
            finished=second.finished,
            failed=second.failed,
            in_flight=self._in_flight,
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
        )


def _known(ordered: FloatArray, q: float) -> float | None:
    if not ordered.size:
        return None
    ms = quantile(ordered, q)
    return round(ms, 3) if np.isfinite(ms) else None
