"""What faults cost: the turns that each kind struck beside those that none did, a strategy each. A
turn that failed never looks fast.

Which call was struck follows from the seed and the call alone, so it is found again here and was
never written down. It judges nothing, and sees only faults that strike calls of the rows.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np

from harness.faults import FAULTS, STAGES, Faults
from harness.providers.told import DrawKey
from harness.record import BoolArray, Columns, IntArray, Turns
from harness.record.resilience import FaultCost, ResilienceSummary
from harness.stats.quantiles import enough, quantile

MOST_SPANS = 1_000_000
"""Calls that are looked at, about: each look costs some microseconds."""

_STRUCK_AT = tuple(dict.fromkeys(stage for stages in STAGES.values() for stage in stages))


def resilience_of(columns: Columns, faults: Mapping[str, Faults]) -> list[ResilienceSummary]:
    """One for each strategy that `faults` says of what strikes it, in its order. Of more than a
    million calls only every k-th conversation is looked at, the same ones of each strategy."""
    turns, wasted = columns.turns, _wasted(columns)
    every = _every(columns)
    looked_at = turns.conversation % every == 0
    struck = _struck(columns, faults, looked_at)
    codes = {name: code for code, name in enumerate(turns.variant.names)}
    return [
        _summary(
            turns,
            name,
            looked_at & (turns.variant.codes == codes.get(name, -1)),
            struck,
            wasted,
            every,
        )
        for name in faults
    ]


Struck = Mapping[str, Counter[int]]
"""By the fault's name, how often it struck each turn, given by its row."""


def _every(columns: Columns) -> int:
    calls = int(np.count_nonzero(columns.spans.stage.holds(*_STRUCK_AT)))
    return max(1, math.ceil(calls / MOST_SPANS))


def _struck(columns: Columns, faults: Mapping[str, Faults], looked_at: BoolArray) -> Struck:
    spans, turn_of = columns.spans, columns.turn_of_span()
    found: dict[str, Counter[int]] = defaultdict(Counter)
    known = spans.stage.holds(*_STRUCK_AT) & (turn_of >= 0)
    rows = np.flatnonzero(known & looked_at[turn_of])
    stages, providers = spans.stage.names, spans.provider.names
    of_variant = [faults.get(name) for name in spans.variant.names]
    calls = zip(
        turn_of[rows].tolist(),
        spans.round[rows].tolist(),
        spans.conversation[rows].tolist(),
        spans.turn[rows].tolist(),
        spans.stage.codes[rows].tolist(),
        spans.provider.codes[rows].tolist(),
        spans.attempt[rows].tolist(),
        spans.variant.codes[rows].tolist(),
        strict=True,
    )
    for row, round_, conversation, turn, stage, provider, attempt, variant in calls:
        strikes = of_variant[variant]
        if strikes is None:
            continue
        key = DrawKey(round_, conversation, turn, stages[stage], attempt)
        for fault in strikes.at(providers[provider], key):
            found[fault][row] += 1
    return found


def _wasted(columns: Columns) -> IntArray:
    """Of each turn: calls that failed or were turned away, sessions and confirmations that nobody
    used, and calls in a session that had ended."""
    spans, turns = columns.spans, columns.turns
    turn_of = columns.turn_of_span()
    status = spans.status
    in_vain = (status == 0) | (status == 429) | (status >= 500)
    rows = turn_of[in_vain & spans.stage.holds(*_STRUCK_AT) & (turn_of >= 0)]
    calls = np.bincount(rows, minlength=len(turns))
    return calls + turns.wasted_prewarms + turns.corrections + turns.stale_tokens


def _summary(
    turns: Turns,
    variant: str,
    its: BoolArray,
    struck: Struck,
    wasted: IntArray,
    every: int,
) -> ResilienceSummary:
    rows = np.flatnonzero(its)
    hit = {row for strikes in struck.values() for row in strikes}
    clean = np.array([row for row in rows.tolist() if row not in hit], dtype=np.int64)
    clean_calls = _calls_per_turn(turns, clean)
    calls = _calls_per_turn(turns, rows)
    return ResilienceSummary(
        variant=variant,
        every=every,
        turns=rows.size,
        struck_turns=rows.size - clean.size,
        clean_p50_ms=_quantile(turns, clean, 0.5),
        clean_p95_ms=_quantile(turns, clean, 0.95),
        clean_calls_per_turn=clean_calls,
        calls_per_turn=calls,
        amplification=calls / clean_calls if clean_calls else None,
        wasted_calls_per_turn=float(wasted[rows].mean()) if rows.size else 0.0,
        faults=[
            _cost(turns, variant, fault, struck[fault], its) for fault in FAULTS if fault in struck
        ],
    )


def _cost(
    turns: Turns, variant: str, fault: str, strikes: Counter[int], its: BoolArray
) -> FaultCost:
    rows = np.array([row for row in strikes if its[row]], dtype=np.int64)
    return FaultCost(
        variant=variant,
        fault=fault,
        strikes=sum(strikes[row] for row in rows.tolist()),
        turns=rows.size,
        p50_ms=_quantile(turns, rows, 0.5),
        p95_ms=_quantile(turns, rows, 0.95),
        calls_per_turn=_calls_per_turn(turns, rows),
        failed=int(np.count_nonzero(turns.failed[rows])),
        reversed=int(np.count_nonzero(turns.outcome.holds("reversed")[rows])),
    )


def _calls_per_turn(turns: Turns, rows: IntArray) -> float:
    return int(turns.calls[rows].sum()) / rows.size if rows.size else 0.0


def _quantile(turns: Turns, rows: IntArray, q: float) -> float | None:
    """None where so few do not tell it, or where it is among those that never answered: to leave
    these out would make a client that gives up early look quick."""
    if not rows.size or not enough(rows.size, q):
        return None
    found = quantile(np.sort(turns.answered_ms[rows]), q)
    return found if math.isfinite(found) else None
