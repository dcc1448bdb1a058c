"""Whether an arm's place in the schedule did something to its turns; equal arms tell. Pure.

Arms that take turns in a random order are alike in all but the order. So turns of equal arms tell
by themselves whether coming second costs anything, and whether it matters after whom one comes.
"""

import math
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from harness.record import BoolArray, FloatArray, IntArray, Turns
from harness.stats.distributions import t_quantile
from harness.stats.quantiles import MIN_ROUNDS

LEVEL = 0.99
"""Nobody asked for these in particular, so one is seldom to be seen by chance."""

Position = Literal["slot", "carry-over"]


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two arms and the rounds in which they met, a pair in each `rounds_each` of them."""

    first: str
    second: str
    rounds: range
    rounds_each: int


def of_rounds(turns: Turns, rounds: range) -> BoolArray:
    """Whether each turn is of these rounds, which follow one another."""
    return (turns.round >= rounds.start) & (turns.round < rounds.stop)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What an arm's place in the schedule did to its turns; null where too few rounds tell.

    `slot` is turns of the arm that came second in a conversation, less those of the first;
    `carry-over` those that came right after the other arm, less those right after their own.
    """

    what: Position
    rounds: int
    ms: float | None
    lo_ms: float | None
    hi_ms: float | None

    @property
    def seen(self) -> bool:
        return self.lo_ms is not None and self.hi_ms is not None and self.lo_ms * self.hi_ms > 0


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Conversations of two arms, a row each, round by round in the order in which they were due."""

    round: IntArray
    conversation: IntArray
    arm: IntArray
    """0 or 1."""
    ms: FloatArray
    """The mean of its answered turns; NaN where none was."""

    @property
    def second(self) -> BoolArray:
        """Whether the other arm had begun the same conversation before."""
        _, first = np.unique(np.stack([self.round, self.conversation]), axis=1, return_index=True)
        later = np.ones(self.round.size, dtype=np.bool_)
        later[first] = False
        return later


def places_of(turns: Turns, of: Pairing) -> Places:
    """Where the conversations of these two arms stood in the schedule."""
    rows = np.flatnonzero(of_rounds(turns, of.rounds) & turns.variant.holds(of.first, of.second))
    arm = turns.variant.holds(of.second)[rows].astype(np.int64)
    keys = np.stack([turns.round[rows], turns.conversation[rows], arm])
    places, at = np.unique(keys, axis=1, return_inverse=True)
    at = at.ravel()
    answered = ~turns.unanswered[rows]
    due_s = np.full(places.shape[1], np.inf)
    np.minimum.at(due_s, at, turns.due_s[rows])
    total = np.bincount(at, np.where(answered, turns.response_ms[rows], 0.0), places.shape[1])
    count = np.bincount(at, answered, places.shape[1])
    ms: FloatArray = np.full(count.size, np.nan)
    np.divide(total, count, out=ms, where=count > 0)
    order = np.lexsort((due_s, places[0]))
    return Places(places[0][order], places[1][order], places[2][order], ms[order])


def slot_order(places: Places) -> Order:
    """Turns of the arm that came second in a conversation, less those of the first."""
    return _order("slot", places, places.second, np.ones(places.round.size, dtype=np.bool_))


def carry_over(places: Places) -> Order:
    """Of the arms that came first in a conversation: turns right after the other arm had begun
    one, less those right after their own."""
    follows = np.zeros(places.round.size, dtype=np.bool_)
    follows[1:] = places.round[1:] == places.round[:-1]
    after_other = np.zeros(places.round.size, dtype=np.bool_)
    after_other[1:] = places.arm[1:] != places.arm[:-1]
    return _order("carry-over", places, after_other, follows & ~places.second)


def _order(what: Position, places: Places, second: BoolArray, among: BoolArray) -> Order:
    """The mean over rounds of the second kind of place less the first, with its t interval."""
    among = among & np.isfinite(places.ms)
    rounds, at = np.unique(places.round, return_inverse=True)

    def means(chosen: BoolArray) -> FloatArray:
        total = np.bincount(at, np.where(chosen, places.ms, 0.0), rounds.size)
        count = np.bincount(at, chosen, rounds.size)
        mean: FloatArray = np.full(rounds.size, np.nan)
        np.divide(total, count, out=mean, where=count > 0)
        return mean

    differences = means(among & second) - means(among & ~second)
    known = differences[np.isfinite(differences)]
    if known.size < MIN_ROUNDS:
        return Order(what=what, rounds=known.size, ms=None, lo_ms=None, hi_ms=None)
    middle, error = float(known.mean()), float(known.std(ddof=1)) / math.sqrt(known.size)
    reach = t_quantile((1 + LEVEL) / 2, known.size - 1) * error
    return Order(
        what=what, rounds=known.size, ms=middle, lo_ms=middle - reach, hi_ms=middle + reach
    )
