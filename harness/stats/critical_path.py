"""Where a turn's time went: the chain of spans it waited for, never one that nobody awaited."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from harness.record import FlowRow, SpanRow

OWN_TIME = "own time"
"""The part of a response time in no awaited span: start lag, and the application's own work."""

APPROVE = "approve"
"""The stage in which the user looks at a payment and approves it: no part of a response time."""

_NEGLIGIBLE_MS = 0.0005


def critical_path(
    starts: Sequence[float],
    ends: Sequence[float],
    turn_start: float,
    turn_end: float,
    tolerance_s: float = 1e-6,
) -> tuple[list[int], float]:
    """The indices of the spans that a turn waited for, in time order, and its uncovered seconds.

    Walks back from the turn's end: of the spans that end by the cursor, within the tolerance, the
    one that ends last was awaited (on a tie the later start, then the higher index), and the cursor
    moves to its start. So a span still in flight when the turn ended, or that another outlasted, is
    not on the path. Gaps between a cursor and the next span's end are uncovered. All in seconds.
    """
    path: list[int] = []
    uncovered, cursor = 0.0, turn_end
    # The cursor only moves back, so a span passed over once can never be awaited later: one sweep.
    for end, start, index in sorted(zip(ends, starts, range(len(ends)), strict=True), reverse=True):
        if cursor <= turn_start or end <= turn_start:
            break
        if end > cursor + tolerance_s:
            continue
        path.append(index)
        if end < cursor:
            uncovered += cursor - end
        if start < cursor:
            cursor = start
    if cursor > turn_start:
        uncovered += cursor - turn_start
    path.reverse()
    return path, uncovered


def stage_ms(flows: Iterable[FlowRow], spans: Iterable[SpanRow]) -> dict[str, dict[str, float]]:
    """For each variant, the mean ms a turn spends in each stage on its critical path.

    Every turn counts, failed ones with the time until they gave up. Stages come in the order in
    which the first turns met them. What no critical span covers, from the due time on, is
    "own time", last; a remainder of up to 0.0005 ms is rounding and left out. The stages of a
    variant add up to its mean response time.
    """
    spans = list(spans)
    paths = _by_turn(span for span in spans if span.critical)
    approvals = _by_turn(span for span in spans if span.stage == APPROVE)
    totals: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    turns: dict[str, int] = defaultdict(int)
    response: dict[str, float] = defaultdict(float)
    for flow in flows:
        turns[flow.variant] += 1
        response[flow.variant] += flow.response_ms
        key = (flow.variant, flow.round, flow.conversation, flow.turn)
        _add_stages(totals[flow.variant], flow, paths.get(key, []), approvals.get(key, []))
    return {
        variant: _means(stages, response[variant], turns[variant])
        for variant, stages in totals.items()
    }


_Turn = tuple[str, int, int, int]


def _by_turn(spans: Iterable[SpanRow]) -> dict[_Turn, list[SpanRow]]:
    grouped: dict[_Turn, list[SpanRow]] = defaultdict(list)
    for span in spans:
        grouped[span.variant, span.round, span.conversation, span.turn].append(span)
    return grouped


def _add_stages(
    stages: dict[str, float], flow: FlowRow, path: list[SpanRow], approvals: list[SpanRow]
) -> None:
    """Adds one turn's awaited time, counting no moment twice, none outside the response, and none
    in which a user was busy with an approval."""
    cursor, answered = flow.due_s, flow.due_s + (flow.response_ms + flow.human_ms) / 1000
    busy = _joined(approvals)
    for span in sorted(path, key=lambda span: (span.start_s, span.end_s)):
        start, end = max(span.start_s, cursor), min(span.end_s, answered)
        if span.stage != APPROVE:
            human = sum(max(0.0, min(end, to) - max(start, since)) for since, to in busy)
            stages[span.stage] += max(0.0, end - start - human) * 1000
        cursor = max(cursor, end)


def _joined(approvals: Iterable[SpanRow]) -> list[tuple[float, float]]:
    """When anybody was busy: several may approve at once, each a leg of one bill."""
    joined: list[tuple[float, float]] = []
    for start, end in sorted((span.start_s, span.end_s) for span in approvals):
        if joined and start <= joined[-1][1]:
            start, before = joined.pop()
            end = max(end, before)
        joined.append((start, end))
    return joined


def _means(stages: dict[str, float], response_ms: float, turns: int) -> dict[str, float]:
    means = {stage: total / turns for stage, total in stages.items()}
    own = response_ms / turns - sum(means.values())
    if own > _NEGLIGIBLE_MS:
        means[OWN_TIME] = own
    return means
