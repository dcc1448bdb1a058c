"""How turns fared that met the same luck then and now: answered or not, and slower or faster, turn
by turn; no mean is taken here."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from harness.record import BoolArray, IntArray, TurnTimes

ROUNDING_US = 5
"""Slower calls round to other microseconds: where some turns take longer and some less, what
differs by no more is neither."""


class Ways(NamedTuple):
    """In which ways turns differ."""

    longer: int
    shorter: int
    both: bool
    """Some take longer and some less, be it by a microsecond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fates:
    """All turns of a flow."""

    total: int
    both: int
    """Turns that were answered then and now. All figures and stages are of these."""
    answered: Ways
    """Of those."""
    failing: int
    """Turns that were answered then and are not now."""
    mended: int
    failed: int
    """Turns that failed then and now."""
    gave_up: Ways
    """Of those: how long it took until they had failed."""

    @property
    def slower(self) -> int:
        return self.answered.longer

    @property
    def faster(self) -> int:
        return self.answered.shorter

    @property
    def none_slower(self) -> bool:
        return not (self.slower or self.failing or self.gave_up.longer)


def ways_of(now_us: IntArray, then_us: IntArray) -> Ways:
    """Turn by turn, in whole microseconds."""
    more_us = now_us - then_us
    both = bool((more_us > 0).any() and (more_us < 0).any())
    least_us = ROUNDING_US if both else 0
    longer, shorter = more_us > least_us, more_us < -least_us
    return Ways(int(np.count_nonzero(longer)), int(np.count_nonzero(shorter)), both)


def fates_of(now: TurnTimes, then: TurnTimes) -> Fates:
    """Raises ValueError unless both have the same turns."""
    for name in ("round", "conversation", "turn"):
        if not np.array_equal(getattr(now, name), getattr(then, name)):
            raise ValueError("these are not the same turns: compare their stories first")
    both, neither = now.answered & then.answered, ~(now.answered | then.answered)
    return Fates(
        total=both.size,
        both=int(np.count_nonzero(both)),
        answered=_ways(now, then, both),
        failing=int(np.count_nonzero(then.answered & ~now.answered)),
        mended=int(np.count_nonzero(now.answered & ~then.answered)),
        failed=int(np.count_nonzero(neither)),
        gave_up=_ways(now, then, neither),
    )


def _ways(now: TurnTimes, then: TurnTimes, of: BoolArray) -> Ways:
    return ways_of(now.response_us[of], then.response_us[of])
