"""What the schedule of a conducted run asks of each engine, known apart from what they say; it
begins no turn.

All engines follow one seeded schedule, and so can whoever knows its steps: of an engine that died
it is told here how many turns were due of it.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import msgspec

from harness.load.pipe import Planned, Step
from harness.load.steered import Steered

BEFORE = Planned(0.0, 0.0, [])


class Plan:
    """The steps of a schedule, and whose its arrivals were, as far as they are counted.

    `unit_dues` are its arrivals at one a second; `turns_each` is how many turns a conversation has,
    and `arms` how many strategies there are, which all meet each conversation.
    """

    def __init__(self, unit_dues: Iterator[float], *, turns_each: int, arms: int) -> None:
        self.ends_s: float | None = None
        """From when on nothing is offered any more, where that is planned."""
        self._turns_each = turns_each
        self._whole = Steered(unit_dues, arms=arms, turns_each=turns_each)
        self._steps = [BEFORE]
        self._due: Counter[str] = Counter()

    def step(self, planned: Planned) -> None:
        """This holds from its time on. One that comes out of order begins with the one before."""
        self.ends_s = None if planned.rate else planned.from_s
        from_s = max(planned.from_s, self._steps[-1].from_s)
        self._steps.append(msgspec.structs.replace(planned, from_s=from_s))
        self._whole.tell(Step(from_s, planned.rate, share=0, of=1))

    def count(self, until_s: float) -> None:
        """All arrivals that are due by then; a step that is told later changes none of them."""
        for arrival in self._whole.due_by(until_s):
            workers = self._step_at(arrival.due_s).workers
            if workers:
                owner = workers[arrival.conversation % len(workers)]
                self._due[owner] += self._turns_each

    def due(self, worker: str) -> int:
        """Turns of the conversations that were its to begin, of those counted."""
        return self._due[worker]

    def rate_at(self, s: float) -> float:
        """Turns/s that are offered then."""
        return self._step_at(s).rate

    def offered(self, until_s: float) -> float:
        """Turns/s up to then, on average."""
        last = msgspec.structs.replace(BEFORE, from_s=until_s)
        turns = sum(
            step.rate * max(0.0, min(after.from_s, until_s) - step.from_s)
            for step, after in pairwise([*self._steps, last])
        )
        return turns / until_s if until_s > 0 else 0.0

    def _step_at(self, s: float) -> Planned:
        """What is due just as a step begins is the one's before."""
        place = bisect_left(self._steps, s, key=lambda step: step.from_s)
        return self._steps[max(0, place - 1)]
