"""The stages of a user's own function: what they are called, and which time in one is its own.

It records nothing.
"""

import math
import re
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field

from harness.flow.flow import NO_CALLS, NOTIFY

_NAME = re.compile(r"[A-Za-z][\w./-]{0,199}", re.ASCII)
"""What a promise can name (see harness/stats/slo.py), and a wire can carry."""
RESERVED = {
    **dict.fromkeys(
        NO_CALLS, "its calls are taken for the opening of a connection, and not counted"
    ),
    "approve": "its time is taken for a person's, and is in no response time",
    NOTIFY: "its calls are taken for a provider's notices, and are not counted",
}


def wrong_name(name: str) -> str:
    """Why no stage can be called so, with the mend; "" where one can."""
    if name in RESERVED:
        return f"no stage of a function is called {name!r}: {RESERVED[name]}; take another name"
    if not _NAME.fullmatch(name):
        return (
            f"{name!r} is no name of a stage: begin it with a letter, and go on with letters, "
            "digits, and any of . / _ -"
        )
    return ""


@dataclass(slots=True)
class Period:
    """When a call or stage within a stage had the time; without an end while it lasts."""

    start: float
    end: float = math.inf


@dataclass(slots=True)
class Stage:
    """One that is entered, and when calls and stages within it had the time."""

    name: str
    around: "Stage | None"
    start: float
    within: list[Period] = field(default_factory=list)

    def begin(self, start: float) -> Period:
        period = Period(start)
        self.within.append(period)
        return period

    def rest(self, end: float) -> Iterator[tuple[float, float]]:
        """From when to when none of these had it, up to `end`.

        What is still open then, as a stream that nobody has closed, says nothing of what the stage
        waited for: its time is the stage's own too, so that the stage is told of as what the turn
        waited for. Its busy time then has both, that time and the whole of the call.
        """
        since = self.start
        closed = [period for period in self.within if period.end < math.inf]
        for period in sorted(closed, key=lambda of: of.start):
            if period.start > since:
                yield since, period.start
            since = max(since, period.end)
        if end > since or not self.within:
            yield since, end


STAGE: ContextVar[Stage | None] = ContextVar("tollbench stage", default=None)
