"""What opening connections took, and the first request on one beside later ones; it compares no
variant with another.

A call has a connection of its own where it begins at the very moment in which an opening ended: a
phase to the same provider, in the same turn. Calls of one stage are held against each other only:
a provider answers another question in another time.
"""

import numpy as np

from harness.record import (
    BoolArray,
    ColdStart,
    Columns,
    FirstRequest,
    FloatArray,
    IntArray,
    TimesTaken,
)
from harness.stats.quantiles import rank

PHASES = DNS, TCP, TLS = "dns", "tcp", "tls"
"""The stages of an opening, in their order."""
AHEAD = "preconnect"
"""The stage that encloses an opening that no call has asked for."""
NO_REQUEST = (*PHASES, AHEAD, "notify")
"""The stages of a provider in which it is asked nothing."""


def cold_starts_of(columns: Columns) -> list[ColdStart]:
    """By provider; none for one to which no opening is told."""
    spans = columns.spans
    opening = spans.stage.holds(*PHASES)
    if not opening.any():
        return []
    codes = sorted(set(spans.provider.codes[opening].tolist()))
    turn_of = columns.turn_of_span()
    return [_of_provider(columns, turn_of, spans.provider.codes == code, code) for code in codes]


def _of_provider(columns: Columns, turn_of: IntArray, its: BoolArray, code: int) -> ColdStart:
    spans = columns.spans
    well = its & (spans.status != 0)
    took_ms = (spans.end_s - spans.start_s) * 1000
    dns, tcp, tls = (well & spans.stage.holds(phase) for phase in PHASES)
    # With TLS nothing is open before that is through.
    opened = tls if (its & spans.stage.holds(TLS)).any() else tcp
    asked = well & ~spans.stage.holds(*NO_REQUEST)
    first = _first(turn_of, spans.start_s, spans.end_s, opened, asked)
    return ColdStart(
        provider=spans.provider.names[code],
        connections=int(np.count_nonzero(opened)),
        ahead=int(np.count_nonzero(well & spans.stage.holds(AHEAD))),
        failed=int(np.count_nonzero(its & spans.stage.holds(*PHASES) & (spans.status == 0))),
        dns=_times(took_ms[dns]),
        tcp=_times(took_ms[tcp]),
        tls=_times(took_ms[tls]),
        requests=[
            FirstRequest(stage=name, first=taken, later=_times(took_ms[asked & ~first & of]))
            for place, name in enumerate(spans.stage.names)
            for of in [spans.stage.codes == place]
            if (taken := _times(took_ms[asked & first & of])) is not None
        ],
    )


def _first(
    turn_of: IntArray, start_s: FloatArray, end_s: FloatArray, opened: BoolArray, asked: BoolArray
) -> BoolArray:
    """Whether each of the calls began as an opening in its turn ended."""
    ends = set(zip(turn_of[opened].tolist(), end_s[opened].tolist(), strict=True))
    rows = np.flatnonzero(asked & np.isin(start_s, end_s[opened]))
    began = zip(turn_of[rows].tolist(), start_s[rows].tolist(), strict=True)
    found = np.zeros(asked.size, dtype=np.bool_)
    found[rows] = [turn >= 0 and (turn, when) in ends for turn, when in began]
    return found


def _times(took_ms: FloatArray) -> TimesTaken | None:
    if not took_ms.size:
        return None
    ordered = np.sort(took_ms)
    middle = ordered[rank(ordered.size, 0.5) - 1]
    return TimesTaken(n=ordered.size, p50_ms=float(middle), max_ms=float(ordered[-1]))
