"""The least of a case that still breaks, found step by step; who plays a case is the caller's."""

from collections.abc import Callable
from dataclasses import dataclass

from harness.torture.cases import Case, smaller

Breaks = Callable[[Case], bool]
"""Plays the case and tells whether it still breaks in the way that matters."""

MOST_TRIES = 2_000


@dataclass(frozen=True, slots=True)
class Shrunk:
    case: Case
    tries: int
    whole: bool
    """No step makes it simpler and lets it break; else there were too many to try."""


def shrink(case: Case, breaks: Breaks) -> Shrunk:
    """What is left of a case. The same for the same case and the same `breaks`, always: it takes
    the first step that is simpler and still breaks, and begins anew."""
    tries = 0
    tried: dict[Case, bool] = {case: True}
    while tries < MOST_TRIES:
        for less in smaller(case):
            if less not in tried:
                tries += 1
                tried[less] = breaks(less)
            if tried[less]:
                case = less
                break
        else:
            return Shrunk(case, tries, whole=True)
    return Shrunk(case, tries, whole=False)
