"""How response times hang on the turns that were in flight; it says nothing of the cause."""

from collections.abc import Sequence

import numpy as np

from harness.record import FloatArray, InFlight, IntArray, Turns, wide
from harness.stats.quantiles import Sample
from harness.stats.strategies import OF_A_PART, Cell, quantile_summaries

BINS = 6


def in_flight_of(turns: Turns, cells: Sequence[Cell]) -> list[InFlight]:
    """For each strategy, the response times of its turns by how many others of it were in flight
    when they were due, in up to 6 bins of about as many turns."""
    others = others_in_flight(turns)
    return [one for cell in cells for one in _bins(cell, others[cell.rows])]


def others_in_flight(turns: Turns) -> IntArray:
    """How many other turns of its strategy and round were due by the due time of each, and had not
    ended by then."""
    worlds = wide(turns.round) * len(turns.variant.names) + turns.variant.codes
    due, end = _one_after_another(worlds, turns.due_s, turns.end_s)
    began = np.searchsorted(np.sort(due), due, side="right")
    ended = np.searchsorted(np.sort(end), due, side="right")
    others: IntArray = np.maximum(0, began - ended - 1)
    return others


def _one_after_another(
    worlds: IntArray, due_s: FloatArray, end_s: FloatArray
) -> tuple[IntArray, IntArray]:
    """The same times in ns on one axis, where each world begins after all others before it ended.

    Whatever ended in an earlier world also began in it, so there they cancel out.
    """
    if not worlds.size:
        return worlds, worlds
    first_s = min(due_s.min(), end_s.min())
    due, end = (np.rint((of - first_s) * 1e9).astype(np.int64) for of in (due_s, end_s))
    _, place = np.unique(worlds, return_inverse=True)
    start = place * (int(max(due.max(), end.max())) + 1)
    return start + due, start + end


def _bins(cell: Cell, others: IntArray) -> list[InFlight]:
    found = []
    for low, high in _edges(others):
        of = (others >= low) & (others <= high)
        part = Sample(cell.sample.values_ms[of], cell.sample.rounds[of])
        found.append(
            InFlight(
                variant=cell.strategy.name,
                least=int(others[of].min()),
                most=int(others[of].max()),
                turns=int(np.count_nonzero(of)),
                quantiles=quantile_summaries(part, OF_A_PART),
            )
        )
    return found


def _edges(others: IntArray) -> list[tuple[int, int]]:
    """The least and the most of each bin: as even as whole numbers, some of them common, allow."""
    if not others.size:
        return []
    ordered = np.sort(others)
    lows = np.unique(ordered[np.arange(BINS) * ordered.size // BINS])
    return list(zip(lows.tolist(), [*(lows[1:] - 1).tolist(), int(ordered[-1])], strict=True))
