"""What one strategy took, turn by turn and stage by stage: all that a verdict about it needs, and a
small part of its rows; nothing here judges it."""

from dataclasses import dataclass

import numpy as np

from harness.record.columns import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class TurnTimes:
    """Turns in the one order of the files: by round, conversation and turn. Times are whole
    microseconds, so that equal ones are equal."""

    round: IntArray
    conversation: IntArray
    turn: IntArray
    answered: BoolArray
    stages: tuple[str, ...]
    """The columns of what follows; the last is "own time", in which there was no span."""
    critical_us: IntArray
    """Shaped (turns, stages): on the critical path. A row adds up to the response time, and of a
    turn that failed to the time until it gave up."""
    busy_us: IntArray
    """The same of all spans, whether or not the turn waited for them."""
    calls: IntArray
    """How many of these spans are calls and no local steps."""

    @property
    def response_us(self) -> IntArray:
        """From when each turn was due until it was answered, or gave up."""
        total: IntArray = self.critical_us.sum(axis=1)
        return total

    @property
    def answered_ms(self) -> FloatArray:
        """Response times, infinite for turns that never answered."""
        return np.where(self.answered, self.response_us / 1000, np.inf)
