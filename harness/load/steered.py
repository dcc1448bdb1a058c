"""A schedule that is steered while it lasts and that several engines share: who begins what, and
when. It is pure, waits for nothing and knows no clock; all times are seconds since the origin."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from harness.load.pipe import Step


@dataclass(frozen=True, slots=True)
class Arrival:
    """The `slot`-th arm to begin this conversation does so then."""

    due_s: float
    conversation: int
    slot: int


class Steered:
    """The arrivals of one share of the schedule.

    All arms meet each conversation, one after the other: arrival m of the whole schedule is
    conversation m // arms. It is due when the integral of the rate reaches the m-th unit-rate due
    time, so a change in the middle of a gap is exact, and unit-rate Poisson arrivals become Poisson
    arrivals of just that changing rate. (Time rescaling: Cinlar, Introduction to Stochastic
    Processes, 1975, chapter 4.)

    Every engine that is told the same steps knows the same schedule, whatever its share. What was
    begun before a step was heard that comes late is not begun again.
    """

    def __init__(self, unit_dues: Iterator[float], *, arms: int, turns_each: int) -> None:
        """`unit_dues` are the due times of all arrivals at one a second."""
        self._unit_dues = unit_dues
        self._arms = arms
        self._turns_each = turns_each
        self._number = 0
        """Of the next arrival of the whole schedule."""
        self._ahead: deque[float] = deque()
        """Unit-rate due times from there on, as far as they were looked at."""
        self._told: deque[Step] = deque()
        """Steps that have not begun."""
        self._rate, self._since, self._integral = 0.0, 0.0, 0.0
        self._share, self._of = 0, 0

    def tell(self, step: Step) -> None:
        """This holds from its time on. Steps are told in the order of their times; one that comes
        out of order begins with the one before it."""
        self._told.append(step)

    @property
    def next_s(self) -> float:
        """When there is something to do next, as far as is known: infinity for never."""
        return min(self._own_due_s(), self._told[0].from_s if self._told else math.inf)

    def due_by(self, now_s: float) -> Iterator[Arrival]:
        """The arrivals of this share that are due by then and were not told before."""
        while self._told and self._told[0].from_s <= now_s:
            step = self._told.popleft()
            yield from self._due_in_step_by(step.from_s)
            self._begin(step)
        yield from self._due_in_step_by(now_s)

    def _due_in_step_by(self, end_s: float) -> Iterator[Arrival]:
        while (due_s := self._due_s(0)) <= end_s:
            self._ahead.popleft()
            conversation, slot = divmod(self._number, self._arms)
            self._number += 1
            if self._of and conversation % self._of == self._share:
                yield Arrival(due_s, conversation, slot)

    def _begin(self, step: Step) -> None:
        rate = step.rate / self._turns_each
        if rate != self._rate:  # Else not even a rounding may tell that shares have changed.
            from_s = max(step.from_s, self._since)
            self._integral += self._rate * (from_s - self._since)
            self._rate, self._since = rate, from_s
        self._share, self._of = step.share, step.of

    def _own_due_s(self) -> float:
        if not self._of:
            return math.inf
        conversation = self._number // self._arms
        if off := (self._share - conversation) % self._of:
            return self._due_s((conversation + off) * self._arms - self._number)
        return self._due_s(0)

    def _due_s(self, further: int) -> float:
        """Of the arrival so many after the next, at the rate of this step."""
        while len(self._ahead) <= further:
            self._ahead.append(next(self._unit_dues))
        if self._rate == 0:
            return math.inf
        return self._since + (self._ahead[further] - self._integral) / self._rate
