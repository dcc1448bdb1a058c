"""A run of one round, cut into equal spans of time that act as its rounds; rows stay as they are.

Turns that are due near each other meet the same queues, so a run knows its figures no better than
so many independent turns would. Where strategies are played in rounds, the rounds tell how much.
A run at one open rate has a single round, and is a series: of that, the means of equal batches
tell it, the usual way for a simulation in its steady state (Law, Simulation Modeling and Analysis,
9.5.3). A batch much longer than what correlates its turns is nearly independent of the next.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.record import IntArray, RunSummary, Turns, VariantSummary

MOST, FEWEST = 20, 10
"""Schmeiser (1982): with ten batches Student's t makes an interval 15 % longer than it were of
endlessly many, with thirty 4 %, and past these there is nothing to gain, while shorter ones
resemble each other the more. Twenty are as many as the usual rounds of a comparison."""

LEAST_RESPONSES, ENOUGH_RESPONSES = 5, 20
"""A batch lasts so many median responses at least; and more batches than the fewest are taken only
where each lasts the second number of them. A turn in flight from one batch to the next ties the
two; how long a queue remembers is not known beforehand, so length goes before number.

Of simulated stations at 80 and 85 % load, 95 % intervals of independent turns held the median 48 to
67 % of the time. With batches it is 90 to 96 % in runs of 120 to 300 median responses, and 77 to
93 % in runs of 60, which are too short to see all that a busy queue does. See
tests/stats/test_batches.py."""

LEAST_TURNS = 25
"""Of each strategy, on average, in a batch."""

BULK, TAIL = 0.99, 1.1
"""Where the last hundredth of the turns makes a run longer by more than a tenth, as customers do
who come back after long idles, batches share the time of the others, and the last has the tail."""

NEARLY = 0.9
"""Batches of unequal numbers of turns are worth fewer equal ones, and those must be the fewest, or
nearly: of Poisson arrivals ten batches of 25 turns are worth 9.6, and hardly ever below 9."""


@dataclass(frozen=True, slots=True)
class Batches:
    """Equal spans of due time; the last one has no end."""

    first_s: float
    length_s: float
    count: int

    def of(self, turns: Turns) -> IntArray:
        """The batch in which each turn was due, counted from 0."""
        places = ((turns.due_s - self.first_s) / self.length_s).astype(np.int64)
        return np.clip(places, 0, self.count - 1)


def is_series(run: RunSummary) -> bool:
    """One round at one rate, or at whatever its users asked for. A comparison may be one round too,
    and have no effects, for want of turns; yet its strategies differ in what it varied. Those of
    an open run may do so as well, and it alone tells how its arrivals come."""
    if run.rounds != 1 or run.effects or run.capacity is not None:
        return False
    return "arrivals" in run.parameters or not _varies(run.variants)


def rounds_of(turns: Turns) -> IntArray:
    """The round of each turn, or its batch, where all fell in one round that has batches."""
    batches = batches_of([turns])
    return turns.round if batches is None else batches.of(turns)


def batches_of(runs: Sequence[Turns]) -> Batches | None:
    """The same spans for all of these, as many as all allow; None where one has several rounds,
    has no turn, lasted less than ten batches, or has nearly all its turns in fewer."""
    if not all(len(turns) and turns.round.min() == turns.round.max() for turns in runs):
        return None
    first_s = min(float(turns.due_s.min()) for turns in runs)
    length_s = max(_end_of_bulk_s(turns) for turns in runs) - first_s
    most = min(_most_by_turns(turns) for turns in runs)
    response_s = max(_median_response_s(turns) for turns in runs)
    # Turns that take no time resemble nothing.
    responses = length_s / response_s if response_s else math.inf
    if most < FEWEST or not length_s or responses < LEAST_RESPONSES * FEWEST:
        return None
    count = int(min(MOST, most, max(FEWEST, responses / ENOUGH_RESPONSES)))
    batches = Batches(first_s, length_s / count, count)
    worth = min(_worth(turns, batches) for turns in runs)
    return batches if worth >= NEARLY * FEWEST else None


def _varies(variants: Sequence[VariantSummary]) -> bool:
    levels = [(of.prewarm, of.token_cache, of.parallel_confirm, of.factors) for of in variants]
    return any(level != levels[0] for level in levels)


def _end_of_bulk_s(turns: Turns) -> float:
    """When the last turn was due, or the last before a long tail."""
    first_s, last_s = float(turns.due_s.min()), float(turns.due_s.max())
    bulk_s = float(np.quantile(turns.due_s, BULK))
    return bulk_s if last_s - first_s > TAIL * (bulk_s - first_s) else last_s


def _most_by_turns(turns: Turns) -> int:
    each = np.bincount(turns.variant.codes)
    return int(each[each > 0].min()) // LEAST_TURNS


def _median_response_s(turns: Turns) -> float:
    """Of the answered ones; it is long where none was."""
    answered_ms = turns.response_ms[~turns.unanswered]
    return float(np.median(answered_ms)) / 1000 if answered_ms.size else math.inf


def _worth(turns: Turns, batches: Batches) -> float:
    """How many batches of equal numbers tell a mean as well (Kish 1965), of the strategy whose
    turns lie worst."""
    each = np.zeros((len(turns.variant.names), batches.count))
    np.add.at(each, (turns.variant.codes, batches.of(turns)), 1)
    each = each[each.any(axis=1)]
    return float((each.sum(axis=1) ** 2 / (each**2).sum(axis=1)).min())
